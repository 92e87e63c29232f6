"""What a model costs, counted from its settings: parameters, multiply-adds, bytes.

Multiply-adds are those that the equations need, whatever form they are computed in: a
measured time divided into them tells how much of a machine's rate is used.
"""

from typing import NamedTuple

import jax
import numpy as np

from rcsr_jax.config import SRCNN_BORDER, ModelConfig
from rcsr_jax.model import init_params


class Costs(NamedTuple):
    """Static costs of a model.

    Attributes:
        parameters: learned numbers.
        parameter_bytes: of these, as stored.
        features: multiply-adds of the features, per face (planes) or per step (patches).
        step: multiply-adds of one step of one face, without features.
        total: multiply-adds of one face over `num_steps` steps.
        memory_bytes: of the recurrent memory of one face.
    """

    parameters: int
    parameter_bytes: int
    features: int
    step: int
    total: int
    memory_bytes: int


def static_costs(config: ModelConfig, *, num_steps: int | None = None) -> Costs:
    """The costs of a model, without running it.

    Args:
        config: the model's settings.
        num_steps: recurrences; by default those of training.
    """
    num_steps = config.num_steps if num_steps is None else num_steps
    shape = np.zeros((config.num_points, 2), np.float32)
    network = jax.eval_shape(
        lambda: init_params(jax.random.key(0), config=config, mean_shape=shape)
    )["network"]
    leaves = jax.tree.leaves(network)
    maps = config.num_points * config.filters[-1]
    area = config.map_size**2
    if config.cell == "conv_gru":
        memory = area * config.hidden_size
        cell = area * 9 * (maps + config.hidden_size) * 3 * config.hidden_size
    else:
        memory = config.hidden_size
        cell = (area * maps + config.hidden_size) * 3 * config.hidden_size
    sampled = config.map_size if config.sampling == "planes" else config.patch_size
    channels = config.filters[-1] if config.sampling == "planes" else 1
    sampling = 4 * sampled**2 * config.num_points * channels
    step = sampling + cell + memory * config.num_points * 2
    if config.sampling == "planes":
        features = _srcnn(config.crop_size, config.filters)
        total = features + num_steps * step
    else:
        features = config.num_points * _srcnn(config.patch_size, config.filters)
        total = num_steps * (features + step)
    return Costs(
        parameters=sum(leaf.size for leaf in leaves),
        parameter_bytes=sum(leaf.size * leaf.dtype.itemsize for leaf in leaves),
        features=features,
        step=step,
        total=total,
        memory_bytes=4 * memory,
    )


def _srcnn(size: int, filters: tuple[int, int, int]) -> int:
    """Multiply-adds of eq. 9 on a square of `size` pixels."""
    wide, inner = size - 8, size - SRCNN_BORDER
    first = wide**2 * 81 * filters[0]
    second = wide**2 * filters[0] * filters[1]
    return first + second + inner**2 * 25 * filters[1] * filters[2]
