"""What a model costs, counted from its settings: parameters, multiply-adds, bytes.

Multiply-adds are those that the equations need, whatever form they are computed in: a
measured time divided into them tells how much of a machine's rate is used.
"""

from typing import NamedTuple

import jax
import numpy as np

from rcsr_jax.config import ModelConfig
from rcsr_jax.model import init_params
from rcsr_jax.planes import Plane


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
    channels = sum(plane.channels for plane in config.planes)
    maps = config.num_points * channels
    area = config.map_size**2
    if config.cell == "conv_gru":
        memory = area * config.hidden_size
        cell = area * 9 * (maps + config.hidden_size) * 3 * config.hidden_size
    else:
        memory = config.hidden_size
        cell = (area * maps + config.hidden_size) * 3 * config.hidden_size
    if config.sampling == "planes":
        features = sum(
            _srcnn(plane, config.crop_size, padded=plane.padded)
            for plane in config.planes
        )
        sampling = 4 * area * maps
    else:
        sizes = [plane.patch_size(config.map_size) for plane in config.planes]
        features = config.num_points * sum(
            _srcnn(plane, size, padded=False)
            for plane, size in zip(config.planes, sizes, strict=True)
        )
        sampling = 4 * config.num_points * sum(size**2 for size in sizes)
    step = sampling + cell + memory * config.num_points * 2
    once = config.sampling == "planes"
    total = num_steps * step + features * (1 if once else num_steps)
    return Costs(
        parameters=sum(leaf.size for leaf in leaves),
        parameter_bytes=sum(leaf.size * leaf.dtype.itemsize for leaf in leaves),
        features=features,
        step=step,
        total=total,
        memory_bytes=4 * memory,
    )


def _srcnn(plane: Plane, size: int, *, padded: bool) -> int:
    """Multiply-adds of eq. 9 on a square of `size` pixels."""
    wide, inner, last = plane.filters
    taps = [81, *[9 * wide] * plane.extra_layers, wide, 25 * inner]
    filters = [wide, *[wide] * plane.extra_layers, inner, last]
    sides = plane.layer_sizes(size, padded=padded)
    return sum(
        side**2 * seen * made
        for side, seen, made in zip(sides, taps, filters, strict=True)
    )
