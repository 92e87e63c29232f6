"""What a model costs, counted from its settings: parameters, multiply-adds, bytes.

Multiply-adds are those that the equations need, whatever form they are computed in: a
measured time divided into them tells how much of a machine's rate is used.
"""

import itertools
from typing import NamedTuple

import jax

from rcsr_jax.config import ModelConfig
from rcsr_jax.model import DENSE_UNITS, params_like
from rcsr_jax.patch_nets import KERNEL, PATCH_NETS, patch_layers
from rcsr_jax.planes import Plane, srcnn_layers


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
    leaves = jax.tree.leaves(params_like(config)["network"])
    maps = config.num_points * config.map_channels
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
        features = config.num_points * _patch(config)
        sampling = 4 * config.num_points * sum(size**2 for size in config.patch_sizes)
    widths = [memory, *[DENSE_UNITS] * (config.dense_layers - 1), config.num_points * 2]
    step = sampling + cell + sum(a * b for a, b in itertools.pairwise(widths))
    looks = 1 if config.sampling == "planes" else num_steps
    return Costs(
        parameters=sum(leaf.size for leaf in leaves),
        parameter_bytes=sum(leaf.size * leaf.dtype.itemsize for leaf in leaves),
        features=features,
        step=step,
        total=looks * features + num_steps * step,
        memory_bytes=4 * memory,
    )


def _patch(config: ModelConfig) -> int:
    """Multiply-adds of the features of one landmark's patch."""
    (size, *_), filters = config.patch_sizes, config.patch_filters
    if config.features == "srcnn":
        return sum(
            _srcnn(plane, size, padded=False)
            for plane, size in zip(config.planes, config.patch_sizes, strict=True)
        )
    if (
        config.features == "hog"
    ):  # every pixel's share in the cells of its row, then theirs
        cells = config.map_size
        return 18 * cells * size * (size + cells)
    made = patch_layers(config.features, filters)
    sides = PATCH_NETS[config.features].layer_sizes(size)
    seen = (1, *made)
    return sum(
        side**2 * KERNEL**2 * seen * made
        for side, seen, made in zip(sides, seen, made, strict=False)
    )


def _srcnn(plane: Plane, size: int, *, padded: bool) -> int:
    """Multiply-adds of eq. 9 on a square of `size` pixels."""
    layers = srcnn_layers(plane.filters, plane.extra_layers)
    sides = plane.layer_sizes(size, padded=padded)
    total, seen = 0, 1  # a crop is grey
    for side, (kernel, made) in zip(sides, layers, strict=True):
        total += side**2 * kernel**2 * seen * made
        seen = made
    return total
