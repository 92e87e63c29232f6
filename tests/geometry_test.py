"""Frames worked out by hand, inverses, mean shapes and mirrors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from three import THREE

from rcsr_jax import geometry
from rcsr_jax.geometry import Frame
from rcsr_jax.markup import FACE_68

NAN = float("nan")


def test_frame_around_a_square_box_by_hand():
    # 19 px wide, so a frame of 28.5 px in 96 samples, its middle (47.5) at 19.5
    box = np.array([10, 10, 29, 29])
    frame = geometry.frame_of_box(box, frame_scale=1.5, size=96)
    assert frame.scale == pytest.approx(28.5 / 96)
    np.testing.assert_allclose(frame.corner, 19.5 - 47.5 * 28.5 / 96)
    crop = geometry.to_crop(np.array([[19.5, 19.5], [10.0, 29.0]]), frame)
    half_box = 9.5 * 96 / 28.5
    np.testing.assert_allclose(
        crop, [[47.5, 47.5], [47.5 - half_box, 47.5 + half_box]], rtol=1e-12
    )


def test_frame_of_a_long_box_takes_the_mean_side_on_both_axes():
    # sides 20 and 40: mean 30, twice that is 60 px in 30 samples, 2 px each
    frame = geometry.frame_of_box(np.array([0, 0, 20, 40]), frame_scale=2.0, size=30)
    assert frame.scale == pytest.approx(2.0)
    np.testing.assert_allclose(frame.corner, [10 - 2 * 14.5, 20 - 2 * 14.5])


def test_whole_image_at_unit_scale_keeps_pixel_centres():
    # an image of 8 px spans -0.5 to 7.5
    box = np.array([-0.5, -0.5, 7.5, 7.5])
    frame = geometry.frame_of_box(box, frame_scale=1.0, size=8)
    np.testing.assert_allclose(frame.corner, [0.0, 0.0], atol=1e-12)
    assert frame.scale == pytest.approx(1.0)


def test_frames_keep_the_leading_shape(generator):
    corner = generator.uniform(0, 50, (2, 3, 2))
    boxes = np.concatenate([corner, corner + generator.uniform(5, 30, (2, 3, 2))], -1)
    frames = geometry.frame_of_box(boxes, frame_scale=1.4, size=64)
    assert frames.corner.shape == (2, 3, 2)
    assert frames.scale.shape == (2, 3)
    one = geometry.frame_of_box(boxes[1, 2], frame_scale=1.4, size=64)
    np.testing.assert_allclose(frames.corner[1, 2], one.corner)
    np.testing.assert_allclose(frames.scale[1, 2], one.scale)


@pytest.mark.parametrize("lead", [(), (4,), (2, 3)])
def test_crop_and_photo_are_inverse(generator, lead):
    frame = Frame(
        generator.normal(0, 50, (*lead, 2)), generator.uniform(0.2, 4, lead or None)
    )
    frame = Frame(frame.corner, np.asarray(frame.scale))
    points = generator.normal(0, 100, (*lead, 5, 2))
    back = geometry.to_photo(geometry.to_crop(points, frame), frame)
    np.testing.assert_allclose(back, points, rtol=1e-10, atol=1e-10)


def test_a_turned_frame_by_hand():
    # a quarter of a turn from x towards y: the crop's x runs down the photo
    frame = Frame(np.array([10.0, 20.0]), np.float64(2), np.float64(np.pi / 2))
    crop = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 1.0]])
    there = np.array([[10.0, 20.0], [10.0, 26.0], [8.0, 20.0]])
    np.testing.assert_allclose(geometry.to_photo(crop, frame), there, atol=1e-12)
    np.testing.assert_allclose(geometry.to_crop(there, frame), crop, atol=1e-12)


def test_a_frame_without_an_angle_is_upright(generator):
    points = generator.normal(0, 9, (2, 4, 2))
    frame = Frame(generator.normal(0, 9, (2, 2)), generator.uniform(1, 2, 2))
    told = frame._replace(angle=np.zeros(2))
    left, right = (geometry.to_photo(points, each) for each in (frame, told))
    np.testing.assert_array_equal(left, right)
    both = geometry.join_frames([frame, told])
    np.testing.assert_array_equal(both.angle, np.zeros(4))
    assert geometry.frames_at(frame, 1).angle == 0


@pytest.mark.parametrize("degrees", [0, 30, -75, 170])
def test_a_shape_lies_in_its_frame_as_the_mean_shape_in_its_crop(generator, degrees):
    mean = generator.uniform(10, 50, (68, 2))
    where = Frame(np.array([70.0, -9.0]), np.float64(1.7), np.deg2rad(degrees))
    middle = (mean.min(0) + mean.max(0)) / 2  # of a face a little larger than the mean
    points = geometry.to_photo(middle + 1.03 * (mean - middle), where)
    tilt = geometry.tilt_of(points, mean_shape=mean, markup=FACE_68)
    assert tilt == pytest.approx(np.deg2rad(degrees))
    found = geometry.frame_of_shape(points, angle=tilt, mean_shape=mean)
    for value, expected in zip(found, where, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-9, atol=1e-12)
    # of another shape the tight box counts: 2 x 6 where the mean shape has 1 x 1
    square = np.array([[0.0, 0.0], [1.0, 1.0]])
    tall = np.array([[[10.0, 20.0], [12.0, 26.0]]])
    frame = geometry.frame_of_shape(tall, angle=np.zeros(1), mean_shape=square)
    np.testing.assert_allclose(frame.scale, [4 / 1.03])
    np.testing.assert_allclose(frame.corner, [[11 - 2 / 1.03, 23 - 2 / 1.03]])


def test_the_frame_of_a_jax_box_has_gradients():
    def scale(box):
        return geometry.frame_of_box(box, frame_scale=1.5, size=30).scale

    # 1.5 * (width + height) / 2 / 30 photo pixels per crop pixel
    slopes = jax.grad(scale)(jnp.float32([10, 20, 50, 80]))
    np.testing.assert_allclose(slopes, np.float32([-1, -1, 1, 1]) / 40, rtol=1e-6)


def test_frames_of_jax_arrays_work_under_jit(generator):
    frame = Frame(np.array([[3.0, 5.0], [1.0, 2.0]]), np.array([2.0, 0.5]))
    points = generator.normal(0, 9, (2, 4, 2))
    expected = geometry.to_photo(points, frame)
    there = jax.jit(geometry.to_photo)(jnp.asarray(points), frame)
    np.testing.assert_allclose(there, expected, rtol=1e-5, atol=1e-5)


def test_box_of_landmarks_ignores_missing_ones():
    points = np.array([[[3, 9], [NAN, NAN], [7, 4]], [[0, 0], [1, 1], [-2, 5]]])
    boxes = geometry.box_of(points)
    assert boxes.dtype == np.float32
    np.testing.assert_array_equal(boxes, [[3, 4, 7, 9], [-2, 0, 1, 5]])


def test_mean_shape_is_over_the_faces_that_have_a_landmark():
    shapes = np.array(
        [
            [[0, 0], [10, 2], [NAN, NAN]],
            [[2, 4], [NAN, NAN], [5, 5]],
            [[6, 2], [25, 5], [NAN, NAN]],
        ]
    )
    mean = geometry.mean_shape(shapes)
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean, [[8 / 3, 2], [17.5, 3.5], [5, 5]], rtol=1e-6)
    parts = geometry.mean_shape(iter([shapes[:1], shapes[1:]]))
    np.testing.assert_array_equal(parts, mean)


def test_mean_shape_names_landmarks_that_nobody_has():
    shapes = np.ones((2, 3, 2))
    shapes[:, 1, 0] = NAN
    with pytest.raises(ValueError, match=r"2 faces .* landmarks \[1\]"):
        geometry.mean_shape(shapes)
    with pytest.raises(ValueError, match=r"6 faces .* landmarks \[1\]"):
        geometry.mean_shape(iter([shapes, shapes, shapes]))
    with pytest.raises(ValueError, match="0 faces"):
        geometry.mean_shape(np.ones((0, 3, 2)))


def test_mirror_by_hand():
    # 10 px wide: column 0 becomes column 9; landmarks 0 and 1 swap their roles
    points = np.array([[2.0, 3.0], [6.0, 4.0], [5.0, 8.0]])
    mirrored = geometry.mirror_points(points, width=10, markup=THREE)
    np.testing.assert_allclose(mirrored, [[3, 4], [7, 3], [4, 8]])


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
def test_mirroring_twice_changes_nothing(generator, kind):
    points = kind(generator.uniform(0, 96, (2, 3, 68, 2)).astype(np.float32))
    once = geometry.mirror_points(points, width=96, markup=FACE_68)
    assert isinstance(once, type(points))
    twice = geometry.mirror_points(once, width=96, markup=FACE_68)
    np.testing.assert_allclose(twice, points, atol=1e-4)


def test_mirrored_landmarks_follow_the_pixels():
    image = np.zeros((6, 9))
    points = np.array([[1, 2], [7, 3], [4, 5]])
    image[points[:, 1], points[:, 0]] = [1, 2, 3]
    x, y = geometry.mirror_points(points, width=9, markup=THREE).T
    np.testing.assert_array_equal(np.fliplr(image)[y, x], [2, 1, 3])


def test_shapes_that_do_not_fit_are_refused():
    for shape in [(4, 2), (2, 2), (3, 3), (3, 1)]:
        message = rf"three has 3 points .* \({shape[0]}, {shape[1]}\)"
        with pytest.raises(ValueError, match=message):
            geometry.mirror_points(np.zeros(shape), width=9, markup=THREE)
    with pytest.raises(ValueError, match=r"x0, y0, x1, y1.* \(2, 3\)"):
        geometry.frame_of_box(np.zeros((2, 3)), frame_scale=1.5, size=96)


def test_a_box_without_extent_meets_none():
    point, box = [3.0, 3.0, 3.0, 3.0], [0.0, 0.0, 5.0, 5.0]
    found = geometry.overlap([point, point], [point, box])
    np.testing.assert_array_equal(found, [0, 0])


def test_overlap_of_boxes_by_hand():
    boxes = np.array([[0, 0, 4, 2], [0, 0, 4, 2], [0, 0, 4, 2], [1, 1, 3, 3]])
    others = np.array([[2, 1, 6, 3], [0, 0, 4, 2], [5, 0, 6, 2], [0, 0, 4, 4]])
    found = geometry.overlap(boxes, others)
    np.testing.assert_allclose(found, [2 / 14, 1, 0, 4 / 16])
    np.testing.assert_array_equal(geometry.overlap(others, boxes), found)
    assert geometry.overlap(boxes[0], others).shape == (4,)
    assert geometry.overlap(boxes[0], others[0]) == pytest.approx(2 / 14)
    grids = boxes.reshape(2, 2, 4), others.reshape(2, 2, 4)
    np.testing.assert_array_equal(geometry.overlap(*grids), found.reshape(2, 2))


def test_a_box_goes_with_landmarks_where_one_holds_the_middle_of_the_other():
    tight = [40, 60, 120, 140]
    boxes = np.array([[38, 58, 90, 142], [38, 58, 122, 142], [0, 0, 300, 300]])
    assert geometry.box_around(boxes, tight) == 1
    assert geometry.box_around(boxes[[0, 2]], tight) == 0
    # the neighbour's box reaches into the landmarks, and is not theirs
    assert geometry.box_around(boxes[:2], [115, 90, 195, 170]) is None
    # landmarks of the eyes alone, and on one line, lie high in a box of the face
    assert geometry.box_around(boxes[1:2], [60, 80, 100, 80]) == 0
    assert geometry.box_around(boxes[:0].reshape(0, 4), tight) is None
