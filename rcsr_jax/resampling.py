"""Crops cut by JAX: what `data.cutting` gives, differentiable in the photo and the boxes.

A crop pixel is a weighted mean of photo pixels, with weights that fall linearly to zero
within max(scale, 1) pixels along each axis. Rows and columns part, so an upright crop is
two matrix products, `rows @ grey @ columns`, and its gradient two more. A turned crop is
sampled from an upright window around it that is up to twice as fine.
"""

import math

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.ndimage import map_coordinates
from jax.typing import ArrayLike

from rcsr_jax.data.cutting import LUMA
from rcsr_jax.geometry import Frame, frame_of_box, to_photo
from rcsr_jax.patches import check_size

_FINER = 2  # a window's pixels in a crop's, where the photo has as many


def crop_faces(
    photo: ArrayLike, boxes: ArrayLike, *, frame_scale: float, size: int
) -> tuple[Array, Frame]:
    """The crops of the faces of a photo, under jit, vmap and grad.

    Cutting with `Predictor.crops` is faster, but ends in whole grey levels, which let no
    gradient through. The two differ by rounding, and by a few grey levels where a crop
    pixel is more than four photo pixels wide, beyond the photo's edges by up to twenty:
    there `Predictor.crops` averages blocks first. Outside the photo its edges are repeated.

    Args:
        photo: uint8 or float [height, width] or [height, width, 3], of any range.
        boxes: float [faces, 4], (x0, y0, x1, y1) in pixels; one without extent gives a
            crop of no use, as under jit nothing is known of it.
        frame_scale: side of the crop frame in box sides, `config.frame_scale`.
        size: pixels along a side of a crop, `config.crop_size`.

    Returns:
        float32 [faces, size, size], grey, of the photo's range, and the frames that
        `geometry.to_photo` takes the landmarks back with.

    Raises:
        ValueError: the photo or the boxes are of another shape, or `size` or
            `frame_scale` is not positive.
    """
    grey, boxes = _grey(photo), jnp.asarray(boxes, jnp.float32)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes must be [faces, 4]; got {boxes.shape}.")
    check_size(size)
    if not frame_scale > 0:
        raise ValueError(f"frame_scale must be positive; got {frame_scale}.")
    frames = frame_of_box(boxes, frame_scale=frame_scale, size=size)
    return _windows(grey, frames.corner, frames.scale, size=size), frames


def crop_frames(photo: ArrayLike, frames: Frame, *, size: int) -> Array:
    """The crops that lie in frames, which may be turned, under jit, vmap and grad.

    With the frames of `Predictor.look` these are the crops of the last look at each face,
    to a few grey levels. Upright crops are cut by `crop_faces` more exactly and in less
    time. Outside the photo its edges are repeated.

    Args:
        photo: uint8 or float [height, width] or [height, width, 3], of any range.
        frames: of `size`; float [faces, 2], [faces] and [faces].
        size: pixels along a side of a crop, `config.crop_size`.

    Returns:
        float32 [faces, size, size], grey, of the photo's range.

    Raises:
        ValueError: the photo or the frames are of another shape, or `size` is not positive.
    """
    grey = _grey(photo)
    corner, scale, angle = (jnp.asarray(part, jnp.float32) for part in frames)
    if scale.ndim != 1 or corner.shape != (*scale.shape, 2):
        raise ValueError(
            "frames are corners [faces, 2] and scales [faces]; got "
            f"{corner.shape} and {scale.shape}."
        )
    check_size(size)
    frames = Frame(corner, scale, jnp.broadcast_to(angle, scale.shape))
    pitch = jnp.maximum(scale / _FINER, 1.0)
    # what a turned crop needs at most, and what its filter sees beyond
    side = math.ceil(math.sqrt(2) * _FINER * size) + 4 * _FINER
    middle = to_photo(
        jnp.full((len(scale), 1, 2), (size - 1) / 2, jnp.float32), frames
    )[:, 0]
    first = jnp.floor(middle - pitch[:, None] * (side - 1) / 2)
    windows = _windows(grey, first, pitch, size=side)
    # The window has blurred already, and so does sampling between its pixels: what is left
    # of the variance of the filter of an upright crop.
    blurred = jnp.square(pitch) * jnp.where(pitch > 1, 2.0, 1.0)
    left = jnp.maximum(jnp.square(scale) - blurred, 1e-6)
    offsets = (jnp.arange(2 * _FINER, dtype=jnp.float32) + 0.5) / _FINER - 1
    weights = (1 - jnp.abs(offsets)) / jnp.sum(1 - jnp.abs(offsets))
    spread = (jnp.sqrt(left) / scale)[:, None, None] * offsets[None, None]
    along = (jnp.arange(size, dtype=jnp.float32)[None, :, None] + spread).reshape(
        len(scale), size * len(offsets)
    )

    def sampled(window: Array, places: Array) -> Array:
        return map_coordinates(window, [places[1], places[0]], order=1, mode="nearest")

    grid = jnp.stack(jnp.broadcast_arrays(along[:, None, :], along[:, :, None]), -1)
    places = to_photo(grid.reshape(len(scale), along.shape[1] ** 2, 2), frames)
    places = jnp.moveaxis((places - first[:, None]) / pitch[:, None, None], -1, 1)
    fine = jax.vmap(sampled)(windows, places)
    fine = fine.reshape(len(scale), size, len(weights), size, len(weights))
    return jnp.einsum("fyaxb,a,b->fyx", fine, weights, weights, precision="highest")


def _grey(photo: ArrayLike) -> Array:
    """float32 [height, width] of a photo; raises ValueError for another shape."""
    photo = jnp.asarray(photo, jnp.float32)
    planar = photo.ndim == 2 or (photo.ndim == 3 and photo.shape[-1] == 3)
    if not planar or not photo.size:
        raise ValueError(
            f"a photo is [height, width] or [height, width, 3]; got {photo.shape}."
        )
    if photo.ndim == 2:
        return photo
    return jnp.matmul(photo, jnp.asarray(LUMA, jnp.float32), precision="highest")


def _windows(grey: Array, corner: Array, scale: Array, *, size: int) -> Array:
    """Upright windows of a photo: float32 [faces, size, size]."""
    height, width = grey.shape
    steps = scale[:, None] * jnp.arange(size)[None]  # [faces, size]
    columns = _weights(corner[:, :1] + steps, scale[:, None], width)
    rows = _weights(corner[:, 1:] + steps, scale[:, None], height)
    seen = jnp.einsum("fyh,hw->fyw", rows, grey, precision="highest")
    return jnp.einsum("fyw,fxw->fyx", seen, columns, precision="highest")


def _weights(centres: Array, scale: Array, count: int) -> Array:
    """What each of `count` pixels of a line adds to samples of it.

    Args:
        centres: float [faces, size], where the samples lie.
        scale: float [faces, 1], pixels from one sample to the next.
        count: pixels of the line; those beyond its ends are the end's own.

    Returns:
        float [faces, size, count]; over the last axis they add up to one.
    """
    if count == 1:  # both ends in one pixel
        return jnp.ones((*centres.shape, 1), jnp.float32)
    reach = jnp.maximum(scale, 1.0)
    away = jnp.abs(jnp.arange(count).reshape(1, 1, -1) - centres[..., None])
    weights = jnp.maximum(1 - away / reach[..., None], 0)
    last = count - 1
    weights = weights.at[..., 0].set(_up_to_zero(centres, reach))
    weights = weights.at[..., last].set(_up_to_zero(last - centres, reach))
    return weights / _total(centres, reach)[..., None]


def _up_to_zero(centre: Array, reach: Array) -> Array:
    """The weights of the pixels 0, -1, -2, ... together."""
    inside = _beyond(jnp.maximum(centre, 0), reach)
    outside = _total(centre, reach) - _beyond(1 - jnp.minimum(centre, 0), reach)
    return jnp.where(centre >= 0, inside, outside)


def _total(centre: Array, reach: Array) -> Array:
    fraction = centre - jnp.floor(centre)
    return _beyond(fraction, reach) + _beyond(1 - fraction, reach)


def _beyond(distance: Array, reach: Array) -> Array:
    """The sum of 1 - (distance + m) / reach over m = 0, 1, ... as far as it is positive."""
    terms = jnp.maximum(jnp.floor(reach - distance) + 1, 0)
    return terms * (1 - distance / reach) - terms * (terms - 1) / (2 * reach)
