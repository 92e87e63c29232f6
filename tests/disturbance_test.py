"""Disturbed faces: pictures, points and boxes move together."""

import numpy as np
import pytest

from rcsr_jax.data.cutting import Source, cut_crop
from rcsr_jax.data.drawn import draw_face
from rcsr_jax.disturbance import (
    Disturbance,
    disturb,
    disturbed,
    hard_faces,
    hidden_by,
    random_disturbance,
    turn_photo,
)
from rcsr_jax.geometry import Frame, frame_of_box

FACE = draw_face(3, 1)
BOX = np.array([40.0, 30.0, 80.0, 70.0])


def test_a_box_is_disturbed_in_units_of_itself():
    box = [100, 200, 200, 400]
    np.testing.assert_allclose(Disturbance(shift_x=0.1).box(box), [110, 200, 210, 400])
    np.testing.assert_allclose(Disturbance(shift_y=-0.1).box(box), [100, 180, 200, 380])
    np.testing.assert_allclose(Disturbance(scale=2).box(box), [50, 100, 250, 500])
    np.testing.assert_array_equal(Disturbance(degrees=30).box(box), box)


@pytest.mark.parametrize("degrees", [-45, -10, 0, 20, 90])
@pytest.mark.parametrize("box", [[60, 50, 120, 130], [20.5, 30.25, 110, 95]])
def test_what_is_painted_at_a_point_is_found_at_the_turned_point(degrees, box):
    x, y = np.arange(200.0), np.arange(180.0)
    points = np.array([[80.0, 70.0], [95.5, 84.25], [62.0, 77.0]])
    for index, (px, py) in enumerate(points):
        spot = np.exp(-((x[None] - px) ** 2 + (y[:, None] - py) ** 2) / 8)
        image = np.rint(250 * spot).astype(np.uint8)
        turned, moved, _ = turn_photo(image, points, box, degrees=degrees, reach=90)
        found = turned.astype(float)
        rows, columns = np.mgrid[: found.shape[0], : found.shape[1]]
        centre = [(found * columns).sum(), (found * rows).sum()] / found.sum()
        np.testing.assert_allclose(centre, moved[index], atol=0.1)


def test_a_quarter_turn_by_hand():
    image = np.zeros((60, 80, 3), np.uint8)
    points = np.array([[40.0, 20.0], [30.0, 30.0], [np.nan, np.nan]])
    _, moved, box = turn_photo(
        image, points, np.array([25, 25, 35, 35]), degrees=90, reach=12
    )
    middle = (box[:2] + box[2:]) / 2
    np.testing.assert_allclose(box[2:] - box[:2], 10)
    # 10 to the right and 10 up become 10 up and 10 to the left
    np.testing.assert_allclose(moved[:2] - middle, [[-10, -10], [0, 0]], atol=1e-9)
    assert np.isnan(moved[2]).all()


@pytest.mark.parametrize(
    ("box", "atol"),
    # at an edge the window repeats more of it than the crop needs
    [([0.3, 0.35, 0.65, 0.7], 0), ([-0.2, 0.4, 0.3, 1.0], 4)],
)
def test_an_unturned_window_gives_the_crop_of_the_photo(box, atol):
    face = draw_face(3, 1)
    height, width = face.image.shape[:2]
    box = np.array(box) * [width, height, width, height]
    reach = 1.1 * 1.5 * (box[2:] - box[:2]).mean() / 2**0.5
    window, _, moved = turn_photo(face.image, face.points, box, degrees=0, reach=reach)
    frame = frame_of_box(box, frame_scale=1.5, size=32)
    again = frame_of_box(moved, frame_scale=1.5, size=32)
    found = cut_crop(window, again, size=32).astype(int)
    np.testing.assert_allclose(found, cut_crop(face.image, frame, size=32), atol=atol)


def test_no_black_corner_is_seen_however_the_photo_is_turned():
    image = np.full((50, 60), 200, np.uint8)
    box = np.array([-10, -10, 40, 30.0])  # beyond the photo, whose edge is repeated
    reach = 1.1 * 1.5 * 45 / 2**0.5
    for degrees in (-45, 10, 45):
        window, _, moved = turn_photo(
            image, np.zeros((1, 2)), box, degrees=degrees, reach=reach
        )
        frame = frame_of_box(moved, frame_scale=1.5, size=32)
        assert cut_crop(window, Frame(*frame), size=32).min() >= 199


def test_nothing_changes_by_default():
    image, points, box = disturb(
        FACE.image, FACE.points, BOX, Disturbance(), frame_scale=1.4
    )
    np.testing.assert_array_equal(image, FACE.image)
    np.testing.assert_array_equal(points, FACE.points)
    np.testing.assert_array_equal(box, BOX)


def seen(image, points, kind):
    return disturb(image, points, BOX, kind, frame_scale=1.4)[0].astype(float)


def test_a_cover_hides_what_lies_under_it_and_nothing_else():
    image = np.tile(np.arange(120, dtype=np.uint8), (100, 1))
    kind = Disturbance(cover=0.5, cover_x=0.25, cover_y=-0.25, shade=7)
    found = seen(image, FACE.points, kind)
    # 20 px around (70, 40)
    np.testing.assert_array_equal(found[30:50, 60:80], 7)
    found[30:50, 60:80] = image[30:50, 60:80]
    np.testing.assert_array_equal(found, image)
    outside = Disturbance(cover=0.5, cover_x=-3.0)
    np.testing.assert_array_equal(seen(image, FACE.points, outside), image)
    at = np.array([[60, 30], [79.4, 49.4], [59.4, 40], [70, 50], [np.nan, 40]])
    hidden = hidden_by(kind, at, BOX).tolist()
    assert hidden == [True, True, False, False, False]
    assert not hidden_by(Disturbance(), at, BOX).any()


def test_blur_spreads_a_spot_and_darkness_leaves_grain():
    image = np.full((100, 120), 20, np.uint8)
    image[50, 60] = 255
    spread = seen(image, FACE.points, Disturbance(blur=0.1)) - 20  # 4 px
    assert 0 < spread.max() < 4  # of a volume of 235, over 2 pi 16 pixels: 2.3
    dim = seen(
        np.full((100, 120, 3), 200, np.uint8), FACE.points, Disturbance(light=0.1)
    )
    assert dim.mean() == pytest.approx(20, abs=0.1)
    assert dim.std() == pytest.approx(2, abs=0.2)


def test_a_turned_window_reaches_as_far_as_the_disturbed_box():
    image = np.full((300, 300), 200, np.uint8)
    for shift, scale in [(0.0, 1.0), (0.3, 1.4)]:
        kind = Disturbance(degrees=30, shift_x=shift, shift_y=shift, scale=scale)
        box = np.array([120.0, 120, 180, 180])
        window, _, moved = disturb(image, np.zeros((1, 2)), box, kind, frame_scale=1.4)
        frame = frame_of_box(moved, frame_scale=1.4, size=32)
        reach = np.array([frame.corner, frame.corner + 31 * frame.scale])
        assert reach.min() > 0 and reach.max() < len(window)


def test_hard_faces_are_repeatable_and_mostly_mild():
    def load():
        return FACE.image, FACE.points, FACE.box

    sources = [Source("a", load, "1"), Source("b", load, "2")]
    hard = hard_faces(sources, copies=3, frame_scale=1.4, seed=5)
    assert [face.name for face in hard[:3]] == ["a#0", "b#0", "a#1"] and len(hard) == 6
    assert len({face.stamp for face in hard}) == 6
    again = hard_faces(sources, copies=3, frame_scale=1.4, seed=5)
    for one, other in zip(hard, again, strict=True):
        assert one.stamp == other.stamp
        for mine, yours in zip(one.load(), other.load(), strict=True):
            np.testing.assert_array_equal(mine, yours)
    kinds = [random_disturbance(np.random.default_rng(n)) for n in range(2000)]
    calm = Disturbance()
    for field in ("shift_x", "scale", "degrees", "cover", "blur", "light"):
        share = np.mean([getattr(k, field) != getattr(calm, field) for k in kinds])
        assert 0.09 < share < 0.15, field
    covers = np.array([(kind.cover, kind.shade) for kind in kinds if kind.cover])
    assert abs(np.corrcoef(covers.T)[0, 1]) < 0.2  # large ones are of any shade
    grey = abs(covers[:, 1] - 127.5)
    assert abs(np.corrcoef(covers[:, 0], grey)[0, 1]) < 0.2
    same = disturbed(sources[0], calm, frame_scale=1.4)
    assert same.name == "a"
