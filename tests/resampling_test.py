import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from rcsr_jax.data.cutting import cut_crop
from rcsr_jax.geometry import Frame, to_crop, to_photo
from rcsr_jax.resampling import crop_faces

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


def test_other_shapes_are_refused(photo):
    with pytest.raises(ValueError, match=r"\[height, width, 3\]; got \(80, 96, 3, 1\)"):
        crop(photo[..., None], BOXES)
    with pytest.raises(ValueError, match=r"boxes must be \[faces, 4\]; got \(4,\)"):
        crop(photo, BOXES[0])
    with pytest.raises(ValueError, match=r"\[height, width, 3\]; got \(0, 5\)"):
        crop(np.zeros((0, 5), np.float32), BOXES)
    for size in (0, 4.0):
        with pytest.raises(ValueError, match=f"a whole number from 1 on; got {size}"):
            crop_faces(photo, BOXES, frame_scale=1.5, size=size)
    with pytest.raises(ValueError, match="frame_scale must be positive; got -1"):
        crop_faces(photo, BOXES, frame_scale=-1, size=32)
