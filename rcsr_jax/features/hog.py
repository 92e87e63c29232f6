"""Histograms of oriented gradients in the form of Felzenszwalb et al. (UoCTTI).

Each pixel's gradient goes to the orientation it points to and, by bilinear weights, to the
nearest cells. A cell is normalised by the four blocks of 2 x 2 cells around it, clipped at
0.2, and told as directed orientations, undirected ones, and the energy of each block.
"""

import jax.numpy as jnp
import numpy as np
from jax import Array

_CLIP = 0.2
_EPSILON = 1e-4


def gradients(images: Array) -> tuple[Array, Array]:
    """Differences of the neighbours on both sides, along x and y; zero at the border.

    Args:
        images: float [..., height, width].

    Returns:
        two arrays of that shape.
    """
    whole, beside = [(0, 0)] * (images.ndim - 2), (1, 1)
    dx = jnp.pad(images[..., 2:] - images[..., :-2], [*whole, (0, 0), beside])
    dy = jnp.pad(images[..., 2:, :] - images[..., :-2, :], [*whole, beside, (0, 0)])
    return dx, dy


def orientation_maps(images: Array, *, num_orientations: int) -> Array:
    """The size of each pixel's gradient in the channel of its direction.

    Args:
        images: float [..., height, width].
        num_orientations: in half a turn.

    Returns:
        float [..., 2 * num_orientations, height, width]. Channel k is for directions
        from k to k + 1 shares of half a turn, from x towards y.
    """
    dx, dy = gradients(images)
    # the gradient of a root at zero would be no number
    size = jnp.sqrt(jnp.square(dx) + jnp.square(dy) + 1e-12)
    below = (dy < 0) | ((dy == 0) & (dx < 0))
    sign = jnp.where(below, -1.0, 1.0)
    half_x, half_y = sign * dx, sign * dy  # turned into the upper half
    edges = np.pi * np.arange(1, num_orientations) / num_orientations
    passed = sum(
        (np.cos(edge) * half_y - np.sin(edge) * half_x >= 0).astype(jnp.int32)
        for edge in edges
    )
    channel = passed + num_orientations * below
    channels = jnp.arange(2 * num_orientations)
    channels = channels.reshape(*(1,) * (channel.ndim - 2), -1, 1, 1)
    here = channel[..., None, :, :] == channels
    return jnp.where(here, size[..., None, :, :], 0.0)


def cell_histograms(maps: Array, *, cell_size: int) -> Array:
    """The orientations of each cell, a pixel shared out to the nearest cells.

    Args:
        maps: float [..., channels, height, width], from `orientation_maps`.
        cell_size: pixels along a side of a cell.

    Returns:
        float [..., rows, columns, channels], of the cells that fit. What falls outside
        of them is lost.
    """
    *whole, height, width = maps.shape
    down, across = _shares(height, cell_size), _shares(width, cell_size)
    weights = np.einsum("iy,jx->yxij", down, across).reshape(height * width, -1)
    histograms = (
        maps.reshape(*whole, height * width) @ weights
    )  # [..., channels, cells]
    histograms = jnp.moveaxis(histograms, -2, -1)
    return histograms.reshape(*whole[:-1], len(down), len(across), whole[-1])


def hog(patches: Array, *, cell_size: int, num_orientations: int = 9) -> Array:
    """The features of each cell of patches.

    Args:
        patches: float [..., height, width].
        cell_size: pixels along a side of a cell.
        num_orientations: in half a turn.

    Returns:
        float [..., height // cell_size, width // cell_size, 3 * num_orientations + 4]:
        directed orientations, undirected ones, energies of the blocks. Blocks beyond the
        patch repeat its outer cells.

    Raises:
        ValueError: no cell fits.
    """
    if min(patches.shape[-2:]) < cell_size:
        raise ValueError(
            f"patches of {patches.shape[-2:]} pixels hold no cell of {cell_size}."
        )
    maps = orientation_maps(patches, num_orientations=num_orientations)
    directed = cell_histograms(maps, cell_size=cell_size)
    undirected = directed[..., :num_orientations] + directed[..., num_orientations:]
    norms = _block_norms(jnp.square(undirected).sum(-1))  # [..., rows, columns, 4]

    def clipped(histogram):  # [..., rows, columns, 4, orientations]
        return jnp.minimum(histogram[..., None, :] / norms[..., None], _CLIP)

    told = clipped(directed)
    features = [
        told.sum(-2) / 2,
        clipped(undirected).sum(-2) / 2,
        told.sum(-1) / np.sqrt(2 * num_orientations),
    ]
    return jnp.concatenate(features, axis=-1).astype(patches.dtype)


def _shares(size: int, cell_size: int) -> np.ndarray:
    """Bilinear weights [cells, pixels]: of each pixel in each cell along one axis."""
    pixels = (
        np.arange(size) + 0.5
    ) / cell_size - 0.5  # in cells, 0 in the first's middle
    distance = np.abs(np.arange(size // cell_size)[:, None] - pixels[None])
    return np.maximum(1 - distance, 0).astype(np.float32)


def _block_norms(energy: Array) -> Array:
    """The norms of the four blocks of 2 x 2 cells that each cell is a corner of."""
    border = [(0, 0)] * (energy.ndim - 2) + [(1, 1), (1, 1)]
    around = jnp.pad(energy, border, mode="edge")
    pairs = around[..., 1:, :] + around[..., :-1, :]
    blocks = pairs[..., 1:] + pairs[..., :-1]  # [..., rows + 1, columns + 1]
    corners = (
        blocks[..., :-1, :-1],
        blocks[..., :-1, 1:],
        blocks[..., 1:, :-1],
        blocks[..., 1:, 1:],
    )
    return jnp.sqrt(jnp.stack(corners, axis=-1) + _EPSILON)
