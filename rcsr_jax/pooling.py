"""Pooling as reshapes and maxima: the gradient of XLA's windows is slow on a CPU."""

import jax.numpy as jnp
from jax import Array


def max_pool(images: Array) -> Array:
    """The largest values of 2 x 2 blocks; an odd last row or column is left out.

    Args:
        images: float [batch, height, width, channels].

    Returns:
        float [batch, height // 2, width // 2, channels].
    """
    return _blocks(images, 2).max((2, 4))


def mean_pool(images: Array, *, size: int) -> Array:
    """The means of size x size blocks; what fills no block is left out.

    Args:
        images: float [batch, height, width, channels].
        size: of the blocks.

    Returns:
        float [batch, height // size, width // size, channels].
    """
    return images if size == 1 else _blocks(images, size).mean((2, 4))


def quadrant_pool(images: Array) -> Array:
    """The means of the four quadrants (Coates et al. sum, which is the same to a layer).

    The middle row or column of an odd side belongs to both halves, so that a mirrored
    image has mirrored quadrants.

    Args:
        images: float [batch, height, width, channels], 2 or more pixels along a side.

    Returns:
        float [batch, 2, 2, channels].
    """
    height, width = images.shape[1:3]
    halves = jnp.stack(
        [images[:, : (height + 1) // 2], images[:, height // 2 :]], axis=1
    ).mean(2)
    return jnp.stack(
        [halves[:, :, : (width + 1) // 2], halves[:, :, width // 2 :]], axis=2
    ).mean(3)


def _blocks(images: Array, size: int) -> Array:
    """The pixels of each block: [batch, rows, size, columns, size, channels]."""
    batch, height, width, channels = images.shape
    rows, columns = height // size, width // size
    whole = images[:, : rows * size, : columns * size]
    return whole.reshape(batch, rows, size, columns, size, channels)
