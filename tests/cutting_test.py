"""Crops show what their frames see: positions, light, colours and edges."""

import time
import tracemalloc

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from rcsr_jax.data.cutting import cut_crop, shrunken_grey
from rcsr_jax.geometry import Frame, frame_of_box, to_crop, to_photo


def frame(x: float, y: float, scale: float) -> Frame:
    return Frame(np.array([x, y]), np.float64(scale))


def ramp(width: int = 130, height: int = 110) -> np.ndarray:
    return np.add.outer(np.arange(height), np.arange(width)).astype(np.uint8)  # x + y


@pytest.mark.parametrize("corner", [(1.0, 2.0), (3.3, 1.7), (7.5, 6.25)])
@pytest.mark.parametrize("scale", [0.31, 1, 1.7, 3.9, 4.1, 7.3, 11])
def test_a_ramp_keeps_its_values_at_the_crop_positions(corner, scale):
    size = int(90 / scale)
    cut = cut_crop(ramp(), frame(*corner, scale), size=size).astype(float)
    grid = np.arange(size) * scale
    expected = np.add.outer(grid + corner[1], grid + corner[0])
    seen = 1 if scale <= 4 else 2  # crop pixels whose filter reaches over the edge
    inner = (slice(seen, -seen), slice(seen, -seen))
    np.testing.assert_allclose(cut[inner], expected[inner], atol=1)
    assert abs((cut - expected)[inner].mean()) < 0.35  # no shift hides in the rounding


def test_a_whole_frame_of_unit_scale_copies_pixels(generator):
    image = generator.integers(0, 256, (40, 50), dtype=np.uint8)
    cut = cut_crop(image, frame(7, 5, 1), size=20)
    np.testing.assert_array_equal(cut, image[5:25, 7:27])


def test_edges_are_repeated_outside_the_photo(generator):
    image = generator.integers(0, 256, (12, 10), dtype=np.uint8)
    cut = cut_crop(image, frame(-4, -3, 1), size=20)
    np.testing.assert_array_equal(cut, np.pad(image, ((3, 5), (4, 6)), mode="edge"))


def waves(width: int = 300, height: int = 260) -> np.ndarray:
    y, x = np.mgrid[:height, :width] / 12
    light = 127 + 60 * np.sin(x + 0.5 * y) + 60 * np.cos(y - 0.3 * x)
    return np.rint(light).astype(np.uint8)


@pytest.mark.parametrize("scale", [0.4, 1.0, 1.6, 2.5, 4.2, 6.0])
@pytest.mark.parametrize("degrees", [-140, -30, 8, 45, 90])
def test_a_turned_frame_shows_what_lies_where_it_says(scale, degrees):
    size = int(100 / scale)
    angle, middle = np.deg2rad(degrees), np.array([148.3, 131.8])
    place = Frame(np.zeros(2), np.float64(scale), angle)
    corner = middle - to_photo(np.full((1, 2), (size - 1) / 2), place)[0]
    place = place._replace(corner=corner)
    cut = cut_crop(waves(), place, size=size).astype(float)
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1).reshape(-1, 2)
    x, y = to_photo(grid.astype(float), place).T
    smooth = ndimage.gaussian_filter(waves().astype(float), 0.4 * max(scale, 1))
    expected = ndimage.map_coordinates(smooth, [y, x]).reshape(size, size)
    inner = (slice(2, -2), slice(2, -2))
    np.testing.assert_allclose(cut[inner], expected[inner], atol=4)
    assert abs((cut - expected)[inner].mean()) < 0.5


@pytest.mark.parametrize("scale", [0.7, 1.0, 1.8, 3.0, 5.5])
def test_turned_by_nearly_nothing_is_upright(scale):
    upright = frame(30.2, 24.6, scale)
    size = int(190 / scale)
    cut = cut_crop(waves(), upright, size=size).astype(float)
    same = cut_crop(waves(), upright._replace(angle=1e-12), size=size)
    np.testing.assert_allclose(same, cut, atol=3)


def test_a_turned_frame_beyond_the_photo_repeats_its_edges():
    image = np.full((40, 50), 30, np.uint8)
    image[:, 25:] = 200
    place = Frame(np.array([95.0, -70.0]), np.float64(1), np.float64(np.pi / 2))
    cut = cut_crop(image, place, size=140)  # x from -45 to 95, y from -70 to 70
    # the crop's x runs down the photo, its y to the left
    expected = np.where(95 - np.arange(140) >= 25, 200, 30)[:, None]
    np.testing.assert_allclose(cut, np.broadcast_to(expected, cut.shape), atol=1)


def test_a_fine_checkerboard_becomes_grey():
    board = (255 * (np.indices((256, 256)).sum(0) % 2)).astype(np.uint8)
    cut = cut_crop(board, frame(3.5, 3.5, 8), size=31)
    np.testing.assert_allclose(cut, 127.5, atol=1)


@pytest.mark.parametrize("scale", [4.5, 6.2, 9.7])
def test_shrinking_first_agrees_with_the_straight_path(scale):
    y, x = np.mgrid[:400, :420] / 40
    image = np.rint(127 + 60 * np.sin(x + 0.5 * y) + 60 * np.cos(y)).astype(np.uint8)
    size = int(300 / scale)
    low = np.array([31.3, 27.8])
    straight = Image.fromarray(image).resize(
        (size, size), Image.Resampling.BILINEAR, box=(*low, *(low + scale * size))
    )
    corner = low + scale / 2 - 0.5  # from pixel edges to pixel centres
    cut = cut_crop(image, frame(*corner, scale), size=size)
    np.testing.assert_allclose(cut, np.asarray(straight, float), atol=2)


@pytest.mark.parametrize("shape", [(3, 4), (1200, 1500)])
@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1e3, 1e5, 1e8])
@pytest.mark.parametrize("angle", [0.0, 0.5])
def test_extreme_frames_are_quick_small_and_keep_the_light(shape, scale, angle):
    image = np.full(shape, 77, np.uint8)
    corner = -8.5 * scale if scale > 1 else 1.0  # the photo in the middle, or inside it
    started = time.perf_counter()
    tracemalloc.start()
    place = frame(corner, corner, scale)._replace(angle=angle)
    cut = cut_crop(image, place, size=20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(cut, 77)
    assert time.perf_counter() - started < 1
    assert peak < 2 * image.size + 1e5


def test_colours_become_grey_by_their_luma():
    image = np.zeros((8, 8, 3), np.uint8)
    image[:] = 200, 100, 50
    cut = cut_crop(image, frame(1, 1, 1), size=4)
    np.testing.assert_array_equal(cut, 124)  # 0.299 * 200 + 0.587 * 100 + 0.114 * 50


@pytest.mark.parametrize("point", [(40, 30), (12, 55), (71, 44)])
@pytest.mark.parametrize(
    "box", [(10, 8, 82, 70), (-30, -20, 120, 100), (5, 10, 75, 62)]
)
def test_a_dot_lands_where_its_point_does(box, point):
    y, x = np.mgrid[:80, :90]
    away = np.square(x - point[0]) + np.square(y - point[1])
    image = np.rint(255 * np.exp(-away / 18)).astype(np.uint8)
    where = frame_of_box(np.array(box), frame_scale=1.5, size=48)
    cut = cut_crop(image, where, size=48).astype(float)
    rows, columns = np.indices(cut.shape)
    found = np.array([(cut * columns).sum(), (cut * rows).sum()]) / cut.sum()
    expected = to_crop(np.array([point], float), where)[0]
    np.testing.assert_allclose(found, expected, atol=0.05)
    np.testing.assert_allclose(to_photo(found[None], where)[0], point, atol=0.15)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (frame(60, 5, 1), r"\[60.0, 5.0\] to \[70.0, 15.0\] lies outside .* 50 x 40"),
        (frame(5, 40, 1), "outside the image of 50 x 40"),
        (frame(-10.5, 5, 1), "outside the image"),
        (frame(5, -11, 1), "outside the image"),
        (frame(np.nan, 5, 1), r"finite, of a scale above 0 .*corner \[nan, 5.0\]"),
        (frame(np.inf, 5, 1), "must be finite"),
        (frame(5, 5, np.nan), "scale nan"),
        (frame(5, 5, np.inf), "must be finite"),
        (frame(5, 5, 0), "above 0 and below 1e.09; .*scale 0"),
        (frame(5, 5, -1), "scale -1"),
        (frame(5, 5, 1e10), r"below 1e\+09; .*scale 1e\+10"),
    ],
)
def test_frames_that_show_nothing_are_refused(where, message):
    with pytest.raises(ValueError, match=message):
        cut_crop(np.zeros((40, 50), np.uint8), where, size=10)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((9, 9), np.float32),
        np.zeros((9, 9, 3), np.int64),
        np.zeros(9, np.uint8),
        np.zeros((9, 0), np.uint8),
        np.zeros((9, 9, 1), np.uint8),
        np.zeros((9, 9, 4), np.uint8),
        np.zeros((2, 9, 9, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(image):
    with pytest.raises(ValueError, match="an image must be uint8 .height, width. or"):
        cut_crop(image, frame(1, 1, 1), size=4)


@pytest.mark.parametrize("shape", [(29, 31), (29, 31, 3), (30, 28, 3), (3, 40)])
@pytest.mark.parametrize("shrink", [1, 2, 7, 29, 300, 10**9])
def test_blocks_become_their_mean_luma(shape, shrink, generator):
    image = generator.integers(0, 256, shape, np.uint8)
    grey = image @ [0.299, 0.587, 0.114] if len(shape) == 3 else image.astype(float)
    expected = [
        [
            grey[y : y + shrink, x : x + shrink].mean()
            for x in range(0, shape[1], shrink)
        ]
        for y in range(0, shape[0], shrink)
    ]
    found = shrunken_grey(image, shrink)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("shrink", [257, 258, 600])
def test_sums_of_white_blocks_do_not_overflow(shrink):
    white = np.full((605, 604, 3), 255, np.uint8)
    np.testing.assert_allclose(shrunken_grey(white, shrink), 255, rtol=1e-5)


@pytest.mark.parametrize("scale", [0.6, 1.7, 3.1, 5.2, 11])
def test_a_view_of_a_photo_gives_what_its_copy_does(scale, generator):
    wide = generator.integers(0, 256, (640, 1400, 3), dtype=np.uint8)
    image = wide[20:620, 100:1300:2]
    where = frame(60.3, 70.9, scale)
    np.testing.assert_array_equal(
        cut_crop(image, where, size=40), cut_crop(image.copy(), where, size=40)
    )


@pytest.mark.parametrize("scale", [0.6, 1.7, 3.1, 3.9])
def test_nothing_matters_that_the_filter_does_not_see(scale, generator):
    image = generator.integers(0, 256, (300, 300, 3), dtype=np.uint8)
    whole = cut_crop(image, frame(60.3, 70.9, scale), size=40)
    first, last = 60 - int(1.5 * scale) - 1, 75 + int(41 * scale)
    part = image[first + 10 : last + 10, first:last]
    moved = frame(60.3 - first, 70.9 - first - 10, scale)
    np.testing.assert_allclose(cut_crop(part, moved, size=40), whole, atol=1)
