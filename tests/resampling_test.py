import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from skimage import data

from rcsr_jax.answers import predict_adaptive
from rcsr_jax.data.cutting import cut_crop
from rcsr_jax.disturbance import turn_photo
from rcsr_jax.geometry import Frame, frames_at, to_crop, to_photo, turned
from rcsr_jax.inference import load_predictor
from rcsr_jax.resampling import crop_faces, crop_frames

crop = functools.partial(crop_faces, frame_scale=1.5, size=24)
BOXES = np.array(
    [
        [30, 25, 70, 60],  # shrunk
        [40.3, 30.1, 52.2, 43.7],  # enlarged
        [-20, -10, 30, 20],  # over a corner
        [60, 20, 130, 90],  # over two edges
        [-40, -30, 150, 120],  # more than the whole photo
    ],
    np.float32,
)


@pytest.fixture
def photo(generator):
    rough = generator.uniform(0, 255, (10, 12, 3))
    return np.kron(rough, np.ones((8, 8, 1))).astype(np.uint8)  # 80 x 96


def test_crops_are_those_that_prediction_cuts(photo):
    crops, frames = crop(photo, BOXES)
    for index in range(len(BOXES)):
        where = Frame(
            np.asarray(frames.corner[index], np.float64),
            np.asarray(frames.scale[index], np.float64),
        )
        cut = cut_crop(photo, where, size=24)
        # half a level of rounding; wider than four pixels, blocks are averaged first
        near = 0.6 if where.scale < 4 else 12
        assert np.abs(crops[index] - cut).max() < near, index


def test_a_slope_is_sampled_where_the_frame_says():
    photo = jnp.arange(60.0)[None] * 2 + jnp.arange(50.0)[:, None] * 3
    crops, frames = crop(photo, BOXES[:2] - 15)
    y, x = np.mgrid[:24, :24].astype(np.float32)
    pixels = np.broadcast_to(np.stack([x, y], -1).reshape(-1, 2), (2, 576, 2))
    frames = Frame(*map(np.asarray, frames))
    places = to_photo(pixels, frames)
    inside = ((places > 4) & (places < np.array([55, 45]))).all(-1)
    assert inside.mean() > 0.3
    # a filter that reaches 1.4 pixels leans by a tenth of one
    wanted = places @ np.array([2.0, 3.0])
    np.testing.assert_allclose(
        np.asarray(crops).reshape(2, -1)[inside], wanted[inside], rtol=0, atol=0.3
    )
    np.testing.assert_allclose(to_crop(places, frames), pixels, atol=1e-3)


@pytest.mark.parametrize("shape", [(80, 96), (1, 1), (2, 3), (1, 40)])
def test_a_flat_photo_gives_flat_crops_wherever_the_box_is(shape):
    crops, _ = crop(np.full(shape, 77, np.uint8), BOXES)
    np.testing.assert_allclose(crops, 77, rtol=1e-5)


def test_photo_and_box_can_be_differentiated(photo):
    small = photo[:40:2, :48:2].astype(np.float32) / 255
    box = np.array([[6.3, 4.4, 16.1, 14.2]], np.float32)

    @jax.jit
    def total(photo, boxes):
        crops, frames = crop_faces(photo, boxes, frame_scale=1.5, size=5)
        return jnp.sum(crops**2) + jnp.sum(frames.corner * frames.scale[:, None])

    check_grads(total, (small, box), order=1, modes=["rev"], atol=0.05, rtol=0.05)


def test_jit_equals_eager(photo):
    eager, frames = crop(photo, BOXES)
    jitted, same = jax.jit(crop)(photo, BOXES)
    np.testing.assert_allclose(jitted, eager, atol=1e-2)
    np.testing.assert_allclose(same.corner, frames.corner, rtol=1e-5)


def test_grey_photos_and_floats_are_taken(photo):
    grey = (photo @ np.array([0.299, 0.587, 0.114])).astype(np.float32)
    np.testing.assert_allclose(crop(grey, BOXES)[0], crop(photo, BOXES)[0], atol=0.01)


def turned_frames(*degrees, scale, middle, size):
    """Frames about a middle, one for each angle."""
    angles = np.deg2rad(degrees)
    half = np.full((1, 2), scale * (size - 1) / 2)
    corners = np.stack([middle - turned(half, angle)[0] for angle in angles])
    return Frame(corners, np.full(len(angles), float(scale)), angles)


@pytest.mark.parametrize(
    ("scale", "mean", "most"),
    [(0.6, 0.3, 0.6), (1.3, 0.6, 8), (2.2, 1.3, 25), (3.5, 0.8, 16), (6.0, 1.8, 45)],
)
def test_turned_crops_are_those_that_prediction_cuts(scale, mean, most):
    image = data.astronaut()
    frames = turned_frames(0, 23, 69, -143, scale=scale, middle=[225, 130], size=96)
    crops = np.asarray(crop_frames(image, frames, size=96))
    for number, crop_of_jax in enumerate(crops):
        cut = cut_crop(image, frames_at(frames, number), size=96).astype(float)
        off = np.abs(crop_of_jax - cut)
        assert off.mean() < mean and off.max() < most, number
        # neither softer nor sharper
        assert crop_of_jax.std() == pytest.approx(cut.std(), rel=0.01)
        steps = [np.abs(np.diff(each)).mean() for each in (crop_of_jax, cut)]
        assert steps[0] == pytest.approx(steps[1], rel=0.03)


def test_a_tilted_face_is_found_as_by_a_call():
    predictor = load_predictor(preset="fast")
    box = np.array([179, 86, 271, 178])
    points = predictor(data.astronaut(), box).points[0]
    image, _, box = turn_photo(data.astronaut(), points, box, degrees=50, reach=150)
    sight = predictor.look(image, predictor.frames(image, box))
    assert abs(np.rad2deg(sight.frames.angle[0])) > 40
    crops = crop_frames(image, sight.frames, size=predictor.config.crop_size)
    found = predict_adaptive(predictor.params, crops, config=predictor.config)
    off = to_photo(np.asarray(found.points), sight.frames) - sight.faces.points
    eyes = np.linalg.norm(points[36] - points[45])
    assert np.linalg.norm(off, axis=-1).mean() < 0.004 * eyes


@pytest.mark.parametrize("shape", [(80, 96), (1, 1), (2, 3), (1, 40)])
@pytest.mark.parametrize("scale", [0.01, 0.7, 3.0, 40.0])
def test_a_flat_photo_gives_flat_turned_crops(shape, scale):
    frames = turned_frames(0, 30, 200, scale=scale, middle=[20, 30], size=12)
    crops = crop_frames(np.full(shape, 77, np.uint8), frames, size=12)
    np.testing.assert_allclose(crops, 77, rtol=1e-5)


def test_no_frame_gives_no_crop(photo):
    frames = turned_frames(0, scale=1.0, middle=[9, 9], size=4)
    none = frames_at(frames, slice(0, 0))
    assert crop_frames(photo, none, size=12).shape == (0, 12, 12)
    assert crop_frames(photo, tuple(frames), size=12).shape == (1, 12, 12)


@pytest.mark.parametrize("scale", [0.8, 1.7, 3.1])
def test_photo_and_turned_frames_can_be_differentiated(generator, scale):
    y, x = np.mgrid[:40, :48]
    photo = np.sin(x / 3 + y / 5).astype(np.float32)
    frames = turned_frames(20, scale=scale, middle=[22.3, 18.8], size=5)
    weights = generator.normal(size=(1, 5, 5)).astype(np.float32)

    @jax.jit
    def total(photo, corner, angle):
        where = Frame(corner, jnp.float32(frames.scale), angle)
        return jnp.sum(weights * crop_frames(photo, where, size=5))

    given = photo, np.float32(frames.corner), np.float32(frames.angle)
    check_grads(total, given, order=1, modes=["rev"], atol=0.05, rtol=0.05, eps=0.02)


def test_turned_crops_by_jit_and_by_vmap_are_the_same(photo):
    frames = turned_frames(10, -70, scale=1.4, middle=[50, 40], size=16)
    eager = crop_frames(photo, frames, size=16)
    cut = functools.partial(crop_frames, size=16)
    np.testing.assert_allclose(jax.jit(cut)(photo, frames), eager, atol=1e-2)
    photos = np.stack([photo, photo[::-1]])
    both = jax.vmap(cut, in_axes=(0, None))(photos, frames)
    np.testing.assert_allclose(both[0], eager, atol=1e-2)
    upright = Frame(frames.corner, frames.scale)  # without its angle
    zero = frames._replace(angle=np.zeros(2))
    np.testing.assert_array_equal(cut(photo, upright), cut(photo, zero))


def test_crops_are_float32_whatever_jax_prefers(photo):
    frames = turned_frames(10, scale=1.4, middle=[50, 40], size=16)
    with jax.enable_x64(True):
        turned = jax.eval_shape(functools.partial(crop_frames, size=16), photo, frames)
        straight, _ = jax.eval_shape(
            functools.partial(crop_faces, frame_scale=1.5, size=16), photo, BOXES
        )
        thin, _ = jax.eval_shape(
            functools.partial(crop_faces, frame_scale=1.5, size=16), photo[:, :1], BOXES
        )
    assert turned.dtype == straight.dtype == thin.dtype == np.float32


def test_other_shapes_are_refused(photo):
    with pytest.raises(ValueError, match=r"\[height, width, 3\]; got \(80, 96, 3, 1\)"):
        crop(photo[..., None], BOXES)
    with pytest.raises(ValueError, match=r"boxes must be \[faces, 4\]; got \(4,\)"):
        crop(photo, BOXES[0])
    with pytest.raises(ValueError, match=r"\[height, width, 3\]; got \(0, 5\)"):
        crop(np.zeros((0, 5), np.float32), BOXES)
    for size in (0, 4.0):
        with pytest.raises(ValueError, match=f"a positive whole number; got {size}"):
            crop_faces(photo, BOXES, frame_scale=1.5, size=size)
    with pytest.raises(ValueError, match="frame_scale must be positive; got -1"):
        crop_faces(photo, BOXES, frame_scale=-1, size=32)
    frames = turned_frames(0, scale=1.0, middle=[9, 9], size=4)
    with pytest.raises(ValueError, match=r"frames are corners .* got \(2,\) and \(\)"):
        crop_frames(photo, frames_at(frames, 0), size=4)
    with pytest.raises(ValueError, match="a positive whole number; got 0"):
        crop_frames(photo, frames, size=0)
