"""What a model costs, counted from its settings: parameters, multiply-adds, bytes.

Multiply-adds are those that the equations need, whatever form they are computed in: a
measured time divided into them tells how much of a machine's rate is used.
"""

import itertools
from typing import NamedTuple

import jax

from rcsr_jax.config import ModelConfig
from rcsr_jax.features.pyramid import STRIDE
from rcsr_jax.model import params_like
from rcsr_jax.network import DENSE_UNITS
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
    plane, maps = config.plane, config.num_points * config.channels
    area = config.map_size**2
    if config.cell == "conv_gru":
        memory = area * config.hidden_size
        cell = area * 9 * (maps + config.hidden_size) * 3 * config.hidden_size
    else:
        memory = config.hidden_size
        cell = (area * maps + config.hidden_size) * 3 * config.hidden_size
    if config.sampling == "planes":
        features = _srcnn(plane, config.crop_size) + _pyramid(config)
        sampling = 4 * area * config.num_points * plane.channels
        if config.context_widths:
            side = -(-config.crop_size // STRIDE)
            row = side * config.map_size * (side + config.map_size)
            sampling += row * config.num_points * config.context_channels
    else:
        features = config.num_points * _patch(config)
        sampling = 4 * config.num_points * config.cut_size**2
    widths = [memory, *[DENSE_UNITS] * (config.dense_layers - 1), config.num_points * 2]
    step = sampling + cell + sum(a * b for a, b in itertools.pairwise(widths))
    step += memory * config.num_points * config.own_marks
    looks = 1 if config.sampling == "planes" else num_steps
    return Costs(
        parameters=sum(leaf.size for leaf in leaves),
        parameter_bytes=sum(leaf.size * leaf.dtype.itemsize for leaf in leaves),
        features=features,
        step=step,
        total=(1 + config.mirror_average) * (looks * features + num_steps * step),
        memory_bytes=4 * memory,
    )


def _patch(config: ModelConfig) -> int:
    """Multiply-adds of the features of one landmark's patch."""
    size = config.cut_size
    if config.features == "srcnn":
        return _srcnn(config.plane, size)
    if config.features == "hog":
        # every pixel's share in the cells of its row, then theirs in those of its column
        return 18 * config.map_size * size * (size + config.map_size)
    made = patch_layers(config.features, config.patch_filters)
    sides = PATCH_NETS[config.features].layer_sizes(size)
    return sum(
        side**2 * KERNEL**2 * inputs * outputs
        for side, inputs, outputs in zip(sides, (1, *made), made, strict=False)
    )


def _srcnn(plane: Plane, size: int) -> int:
    """Multiply-adds of eq. 9 on a square of `size` pixels."""
    layers = srcnn_layers(plane.filters, plane.extra_layers)
    total, seen = 0, 1  # a crop is grey
    for side, (kernel, made) in zip(plane.layer_sizes(size), layers, strict=True):
        total += side**2 * kernel**2 * seen * made
        seen = made
    return total


def _pyramid(config: ModelConfig) -> int:
    """Multiply-adds of the context pyramid; 0 without one."""
    if not config.context_widths:
        return 0
    first, *widths = config.context_widths
    side = -(-config.crop_size // 2)
    total, seen, sides = side**2 * 81 * first, first, []
    for width, blocks in zip(widths, config.context_blocks, strict=True):
        side = -(-side // 2)
        sides.append(side)
        total += side**2 * 9 * (seen * width + 2 * blocks * width**2)
        seen = width
    for level in range(len(widths) - 2, -1, -1):
        width = widths[level]
        total += sides[level + 1] ** 2 * widths[level + 1] * width  # lifted
        total += sides[level] ** 2 * 9 * 2 * width**2  # a residual block
    outputs = config.num_points * config.context_channels
    return total + sides[0] ** 2 * widths[0] * outputs
