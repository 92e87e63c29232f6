"""Crops cut by JAX: what `data.cutting` gives, differentiable in the photo and the boxes.

A crop pixel is a weighted mean of photo pixels, with weights that fall linearly to zero
within max(scale, 1) pixels along each axis. Rows and columns part, so a crop is two matrix
products, `rows @ grey @ columns`, and its gradient two more.
"""

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from rcsr_jax.data.cutting import LUMA
from rcsr_jax.geometry import Frame, frame_of_box


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
    photo, boxes = jnp.asarray(photo, jnp.float32), jnp.asarray(boxes, jnp.float32)
    planar = photo.ndim == 2 or (photo.ndim == 3 and photo.shape[-1] == 3)
    if not planar or not photo.size:
        raise ValueError(
            f"a photo is [height, width] or [height, width, 3]; got {photo.shape}."
        )
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes must be [faces, 4]; got {boxes.shape}.")
    if not isinstance(size, int | np.integer) or size < 1:
        raise ValueError(f"size must be a whole number from 1 on; got {size!r}.")
    if not frame_scale > 0:
        raise ValueError(f"frame_scale must be positive; got {frame_scale}.")
    height, width = photo.shape[:2]
    grey = photo if photo.ndim == 2 else photo @ jnp.asarray(LUMA, jnp.float32)
    frames = frame_of_box(boxes, frame_scale=frame_scale, size=size)
    steps = frames.scale[:, None] * jnp.arange(size)[None]  # [faces, size]
    columns = _weights(frames.corner[:, :1] + steps, frames.scale[:, None], width)
    rows = _weights(frames.corner[:, 1:] + steps, frames.scale[:, None], height)
    seen = jnp.einsum("fyh,hw->fyw", rows, grey, precision="highest")
    crops = jnp.einsum("fyw,fxw->fyx", seen, columns, precision="highest")
    return crops, frames


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
        return jnp.ones((*centres.shape, 1))
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
