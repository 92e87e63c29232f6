"""Differentiable square patches around points.

A patch of `size` samples has its middle at the point: for odd sizes a sample lies on it,
for even sizes the point lies between the two middle samples. Outside the image the
nearest edge pixel is repeated. `extract_patches` is the definition, by
`jax.scipy.ndimage.map_coordinates`; `slice_patches` computes the same from one slice and
a blend, because all samples of a patch share one fraction of a pixel.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.scipy.ndimage import map_coordinates

from rcsr_jax.portable import is_portable


def extract_patches(images: Array, points: Array, *, size: int) -> Array:
    """Bilinear patches around points; differentiable in the images and the points.

    Args:
        images: float [batch, height, width, channels]; whole numbers become float32.
        points: float [batch, num_points, 2], (x, y) in pixels.
        size: samples along a side of a patch.

    Returns:
        float [batch, num_points, size, size, channels].

    Raises:
        ValueError: the shapes do not fit or the size is no whole number from 1 on.
    """
    _check(images, points, size)
    images = _as_floats(images)
    offsets = jnp.arange(size) - (size - 1) / 2
    dy, dx = jnp.meshgrid(offsets, offsets, indexing="ij")

    def cut_plane(plane, point):  # [height, width], [2] -> [size, size]
        x, y = point
        return map_coordinates(plane, [y + dy, x + dx], order=1, mode="nearest")

    cut = jax.vmap(cut_plane, (-1, None), -1)  # over channels
    cut = jax.vmap(cut, (None, 0))  # over points
    return jax.vmap(cut)(images, points)  # over the batch


def slice_patches(images: Array, points: Array, *, size: int) -> Array:
    """The same values and gradients as `extract_patches`, at a fraction of the cost.

    Raises:
        ValueError: the shapes do not fit or the size is no whole number from 1 on.
    """
    _check(images, points, size)
    images = _as_floats(images)
    if is_portable():
        return _take_patches(images, points, size)
    height, width = images.shape[1:3]
    # A window that lies wholly in the repeated edge is the same wherever it lies, so
    # windows further out are moved back to where the padding still holds them.
    border = size + 1
    padded = jnp.pad(
        images, ((0, 0), (border,) * 2, (border,) * 2, (0, 0)), mode="edge"
    )
    window = (size + 1, size + 1, images.shape[-1])
    last = jnp.array([width + border, height + border])

    def cut(image, point):  # [padded height, padded width, channels], [2]
        start = point - (size - 1) / 2 + border
        whole = jnp.floor(start)
        # positions stay exact where the images are of fewer bits
        x, y = (start - whole).astype(image.dtype)
        # NaN stays out of the index and reaches the answer through the fractions
        index = jnp.where(jnp.isfinite(whole), jnp.clip(whole, 0, last), 0)
        left, top = index.astype(jnp.int32)
        piece = lax.dynamic_slice(image, (top, left, jnp.int32(0)), window)
        rows = piece[:-1] * (1 - y) + piece[1:] * y
        return rows[:, :-1] * (1 - x) + rows[:, 1:] * x

    return jax.vmap(jax.vmap(cut, (None, 0)))(padded, points)


def own_patches(planes: Array, points: Array, *, size: int) -> Array:
    """Patches where each point has a plane of its own, as `extract_patches` cuts them.

    A row of samples is a blend of the rows of the plane, and a column likewise, so a patch
    is two small matrix products. For as many planes as points that is faster, gradients
    above all, than slicing each of them.

    Args:
        planes: float [batch, num_points, height, width, channels].
        points: float [batch, num_points, 2], (x, y) in pixels.
        size: samples along a side of a patch.

    Returns:
        float [batch, num_points, size, size, channels].

    Raises:
        ValueError: the shapes do not fit or the size is no whole number from 1 on.
    """
    if planes.ndim != 5 or points.shape != (*planes.shape[:2], 2):
        raise ValueError(
            "planes must be [batch, num_points, height, width, channels] with a point "
            f"(x, y) each; got {planes.shape} and {points.shape}."
        )
    check_size(size)

    def blends(
        middle, length
    ):  # [batch, num_points] -> [batch, num_points, size, length]
        offsets = jnp.arange(size) - (size - 1) / 2
        places = jnp.clip(middle[..., None] + offsets[None, None], 0, length - 1)
        distance = jnp.abs(places[..., None] - jnp.arange(length).reshape(1, 1, 1, -1))
        return jnp.maximum(1 - distance, 0).astype(planes.dtype)

    height, width = planes.shape[2:4]
    rows = jnp.einsum("bnsh,bnhwc->bnswc", blends(points[..., 1], height), planes)
    return jnp.einsum("bntw,bnswc->bnstc", blends(points[..., 0], width), rows)


def _as_floats(images: Array) -> Array:
    # blends of bytes would be cut off, and their fractions be lost
    whole = not jnp.issubdtype(images.dtype, jnp.floating)
    return images.astype(jnp.float32) if whole else images


def _take_patches(images: Array, points: Array, size: int) -> Array:
    """The same by one index for each pixel: a gather that every converter knows."""
    height, width, channels = images.shape[1:]
    start = points - (size - 1) / 2
    whole = jnp.floor(start)
    x, y = jnp.split((start - whole)[..., None, None], 2, axis=2)
    window = jnp.arange(size + 1).reshape(1, 1, -1)
    columns = jnp.clip(whole[..., :1] + window, 0, width - 1).astype(jnp.int32)
    rows = jnp.clip(whole[..., 1:] + window, 0, height - 1).astype(jnp.int32)
    # 0, 1, ... by a sum: an arange of unknown length is not for every converter
    face = jnp.cumsum(jnp.ones_like(points[:, :1, :1, None]), axis=0).astype(jnp.int32)
    index = ((face - 1) * height + rows[..., None]) * width + columns[:, :, None]
    flat = images.reshape(-1, channels)
    seen = jnp.take(flat, index.reshape(-1), axis=0, mode="clip")
    seen = seen.reshape(-1, points.shape[1], size + 1, size + 1, channels)
    x, y = x.astype(images.dtype), y.astype(images.dtype)
    blended = seen[:, :, :-1] * (1 - y) + seen[:, :, 1:] * y
    return blended[:, :, :, :-1] * (1 - x) + blended[:, :, :, 1:] * x


def _check(images: Array, points: Array, size: int) -> None:
    if images.ndim != 4:
        raise ValueError(
            f"images must be [batch, height, width, channels]; got {images.shape}."
        )
    batch = images.shape[0]  # len() takes no symbolic size
    if points.ndim != 3 or points.shape[-1] != 2 or points.shape[0] != batch:
        raise ValueError(
            f"points must be [batch, num_points, 2] with batch {batch}; got "
            f"{points.shape}."
        )
    check_size(size)


def check_size(size: int) -> None:
    """Checks the side of a patch or a crop.

    Raises:
        ValueError: it is no whole number from 1 on.
    """
    if not isinstance(size, int | np.integer) or size < 1:
        raise ValueError(f"size must be a positive whole number; got {size!r}.")
