"""Where the scores of a landmark's own map say that it lies."""

import jax
import jax.numpy as jnp
from jax import Array

WIDTH = 1.5  # cells from the middle of a map after which its scores fade


def marked_offsets(scores: Array) -> Array:
    """The centre of mass of the softmax of each map, faded towards its border.

    Differentiable everywhere, unlike the place of the highest score. Scores that are all
    alike mark the middle.

    Args:
        scores: float [batch, num_points, size, size].

    Returns:
        float32 [batch, num_points, 2], (x, y) in cells from the middle of the map.
    """
    size = scores.shape[-1]
    cells = jnp.arange(size) - (size - 1) / 2
    distance = jnp.square(cells[:, None]) + jnp.square(cells[None, :])
    faded = scores.astype(jnp.float32) - (distance / (2 * WIDTH**2))[None, None]
    # over one axis: converters to ONNX know no softmax over two
    flat = jax.nn.softmax(faded.reshape(*faded.shape[:-2], size * size))
    weights = flat.reshape(faded.shape)
    # by default such products have ten bits on a GPU
    x = jnp.matmul(weights.sum(-2), cells, precision="highest")
    y = jnp.matmul(weights.sum(-1), cells, precision="highest")
    return jnp.stack([x, y], axis=-1)
