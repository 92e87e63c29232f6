import numpy as np
import pytest
from PIL import Image

from rcsr_jax.data import canvas as canvases
from rcsr_jax.data import portraits
from rcsr_jax.data.drawn import draw_face
from rcsr_jax.data.face_shapes import random_face_shape
from rcsr_jax.data.palettes import random_palette
from rcsr_jax.markup import FACE_68


@pytest.fixture(scope="module")
def faces():
    return [draw_face(7, index) for index in range(200)]


@pytest.fixture(scope="module")
def shapes():
    rng = np.random.default_rng(3)
    return [random_face_shape(rng, size=160) for _ in range(1500)]


def _upright(shape):
    """The landmarks with the roll taken out, float64 [68, 2], in pixels."""
    return shape.points @ np.stack([shape.across, shape.down], axis=1)


def test_same_arguments_give_the_same_bytes_and_others_do_not():
    first, again = draw_face(1, 5), draw_face(1, 5)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.points, again.points)
    for other in (draw_face(1, 6), draw_face(2, 5)):
        assert np.abs(first.points - other.points).max() > 1
        assert (first.image != other.image).any()


@pytest.mark.parametrize("size", [32, 100, 160, 333])
def test_arrays_have_the_promised_types_and_shapes(size):
    face = draw_face(0, 3, size=size)
    assert face.image.shape == (size, size, 3)
    assert face.image.dtype == np.uint8
    assert face.points.shape == (68, 2)
    assert face.points.dtype == np.float32
    assert face.box.shape == (4,)
    assert face.box.dtype == np.float32


def test_landmarks_lie_inside_and_the_box_is_tight(faces):
    points = np.stack([face.points for face in faces])
    boxes = np.stack([face.box for face in faces])
    assert points.min() >= 0
    assert points.max() <= 159
    np.testing.assert_array_equal(boxes[:, :2], points.min(axis=1))
    np.testing.assert_array_equal(boxes[:, 2:], points.max(axis=1))
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) / 160
    assert sides.min() >= 0.4499
    assert sides.max() <= 0.6001
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert (centres.std(axis=0) > 4).all()


def test_pictures_vary_and_none_is_blank(faces):
    spreads = np.array([face.image.std() for face in faces])
    assert spreads.min() > 5
    levels = np.array([face.image.mean() for face in faces])
    assert levels.std() > 15
    is_grey = [np.ptp(face.image.astype(int), axis=-1).max() == 0 for face in faces]
    assert 0.03 < np.mean(is_grey) < 0.25


def test_another_size_gives_the_same_face():
    small, large = draw_face(4, 1, size=80).points, draw_face(4, 1, size=240).points
    small, large = small - small.mean(axis=0), large - large.mean(axis=0)
    np.testing.assert_allclose(3 * small, large, atol=1e-3)


def test_landmarks_are_where_the_markup_says(shapes):
    upright = np.stack([_upright(shape) for shape in shapes])
    x, y = upright[..., 0], upright[..., 1]
    assert (x[:, 36:42].max(axis=1) < x[:, 42:48].min(axis=1)).all()
    assert (x[:, 0] < x[:, 16]).all()
    assert (np.diff(x[:, [36, 39, 42, 45]], axis=1) > 0).all()
    assert (np.diff(x[:, 17:27], axis=1) > 0).all()
    assert (np.diff(x[:, 31:36], axis=1) > 0).all()
    assert (np.diff(x[:, 48:55], axis=1) > 0).all()
    assert (np.diff(y[:, 27:31], axis=1) > 0).all()
    assert (y[:, [37, 38, 43, 44]] <= y[:, [41, 40, 47, 46]] + 0.5).all()
    assert (y[:, 33] < y[:, 51]).all()
    assert (y[:, 51] < y[:, 62]).all()
    assert (y[:, 62] <= y[:, 66]).all()
    assert (y[:, 66] < y[:, 57]).all()
    assert (y[:, 57] < y[:, 8]).all()
    # The brows stay above the eyes, and the upper lid under its brow.
    assert (y[:, 19] < y[:, 37]).all()


@pytest.mark.parametrize("first, last", [(36, 42), (42, 48), (48, 60)])
def test_outlines_run_clockwise(shapes, first, last):
    outlines = np.stack([shape.points[first:last] for shape in shapes])
    x, y = outlines[..., 0], outlines[..., 1]
    area = (x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)).sum(axis=1) / 2
    assert (area > -0.5).all()
    assert np.median(area) > 5


def test_pose_is_spread_as_intended(shapes):
    poses = np.array([(shape.yaw, shape.pitch, shape.roll) for shape in shapes])
    assert (np.abs(poses).max(axis=0) <= (40, 20, 40)).all()
    # The variance of 2 beta(a, a) - 1 is 1 / (2 a + 1).
    spread = (40 / np.sqrt(4.2), 20 / np.sqrt(5.0), 12.0)
    np.testing.assert_allclose(poses.std(axis=0), spread, rtol=0.08)
    np.testing.assert_allclose(poses.mean(axis=0), 0, atol=2.0)


def test_roll_turns_the_eyes_and_yaw_moves_the_nose(shapes):
    eyes = np.array([shape.points[45] - shape.points[36] for shape in shapes])
    angle = np.degrees(np.arctan2(eyes[:, 1], eyes[:, 0]))
    rolls, yaws = np.array([(shape.roll, shape.yaw) for shape in shapes]).T
    assert np.corrcoef(angle, rolls)[0, 1] > 0.85
    upright = np.stack([_upright(shape) for shape in shapes])
    nose = upright[:, 30, 0] - upright[:, [36, 45], 0].mean(axis=1)
    assert np.corrcoef(nose, yaws)[0, 1] > 0.95


def test_mean_shape_is_mirror_symmetric(shapes):
    points = np.stack([shape.points for shape in shapes])
    low, high = points.min(axis=1), points.max(axis=1)
    mean = ((points - low[:, None]) / (high - low)[:, None]).mean(axis=0)
    mirrored = mean[list(FACE_68.mirror)] * (-1, 1) + (1, 0)
    np.testing.assert_allclose(mirrored, mean, atol=0.03)


def test_moods_vary(shapes):
    upright = np.stack([_upright(shape) for shape in shapes])
    units = np.array([shape.unit for shape in shapes])
    gap = (upright[:, 66, 1] - upright[:, 62, 1]) / units
    assert 0.2 < np.mean(gap < 0.05) < 0.6
    assert np.mean(gap > 0.2) > 0.1
    opening = (upright[:, 41, 1] - upright[:, 37, 1]) / units
    assert 0.05 < np.mean(opening < 0.03) < 0.3
    assert np.mean(opening > 0.12) > 0.4


def _paint(seed, paint):
    """A face on black before and after `paint`, int [320, 320, 3], and its shape."""
    rng = np.random.default_rng(seed)
    shape = random_face_shape(rng, size=320)
    palette = random_palette(rng)
    canvas = canvases.Canvas(Image.new("RGB", (640, 640)), factor=2)
    canvas.fill(portraits.face_outline(shape), palette.skin)
    before = np.asarray(canvas.image.reduce(2)).astype(int)
    paint(canvas, shape, palette, rng)
    after = np.asarray(canvas.image.reduce(2)).astype(int)
    return before, after, shape


def _touched(before, after, places):
    columns, rows = np.rint(places).astype(int).T
    return np.abs(after - before).max(axis=-1)[rows, columns] > 2


@pytest.mark.parametrize("seed", range(12))
def test_brows_and_lips_begin_at_their_landmarks(seed):
    before, after, shape = _paint(seed, portraits.paint_features)
    for indices, inward in (
        ([18, 19, 20, 23, 24, 25], shape.down),
        ([50, 51, 52], shape.down),
        ([56, 57, 58], -shape.down),
    ):
        edge = shape.points[indices]
        assert _touched(before, after, edge + 1.5 * inward).all()
        assert not _touched(before, after, edge - 3 * inward).any()


@pytest.mark.parametrize("seed", range(12))
def test_eyes_nose_and_mouth_are_painted_at_their_landmarks(seed):
    before, after, shape = _paint(seed, portraits.paint_features)
    rows, columns = np.nonzero(np.abs(after - before).max(axis=-1) > 2)
    painted = np.stack([columns, rows], axis=1)
    distance = np.linalg.norm(shape.points[17:, None] - painted, axis=-1).min(axis=1)
    assert distance.max() < 1.5


@pytest.mark.parametrize("seed", range(6))
def test_the_skin_ends_at_the_jaw_landmarks(seed):
    before, _, shape = _paint(seed, lambda *_: None)
    covered = before.max(axis=-1) / before.max()
    ring = portraits.face_outline(shape)
    np.testing.assert_allclose(ring[: 16 * 6 + 1 : 6], shape.points[:17], atol=1e-9)
    # Along a short line across the edge, the covered length tells where the edge is.
    offsets = np.linspace(-4, 4, 161)
    for index in (2, 4, 6, 8, 10, 12, 14):
        along = ring[6 * index + 1] - ring[6 * index - 1]
        outward = np.array([-along[1], along[0]]) / np.linalg.norm(along)
        line = shape.points[index] + offsets[:, None] * outward
        columns, rows = np.rint(line).astype(int).T
        edge = 8 * covered[rows, columns].mean() - 4
        assert abs(edge) < 0.75


def test_curves_run_through_their_points_and_keep_straight_lines():
    points = np.random.default_rng(0).normal(size=(7, 2))
    np.testing.assert_allclose(canvases.smooth_curve(points)[::6], points, atol=1e-12)
    closed = canvases.smooth_curve(points, closed=True, steps=4)
    assert closed.shape == (28, 2)
    np.testing.assert_allclose(closed[::4], points, atol=1e-12)
    line = np.stack([np.arange(5.0), 2 * np.arange(5.0)], axis=1)
    curve = canvases.smooth_curve(line, steps=3)
    np.testing.assert_allclose(curve[:, 0], np.arange(13) / 3, atol=1e-12)
    np.testing.assert_allclose(curve[:, 1], 2 * curve[:, 0], atol=1e-12)


@pytest.mark.parametrize(
    "seed, index, size, match",
    [
        (-1, 0, 160, "seed -1"),
        (0, -2, 160, "index -2"),
        (0, 0, 31, "got 31"),
        (0, 0, 0, "got 0"),
        (0, 0, 4096, "got 4096"),
    ],
)
def test_bad_arguments_are_refused(seed, index, size, match):
    with pytest.raises(ValueError, match=match):
        draw_face(seed, index, size=size)
