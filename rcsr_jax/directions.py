"""Which way the outline of a face runs at each landmark."""

import functools
from typing import Any

import numpy as np
from jax import Array

from rcsr_jax.array_kinds import namespace_of
from rcsr_jax.markup import Markup


def outline_directions(points: Array | np.ndarray, *, markup: Markup) -> Any:
    """Unit vectors along the outlines, from the landmark before to the one behind.

    Args:
        points: float [..., num_points, 2], (x, y).
        markup: gives the outlines; of several that meet in a landmark the first counts.

    Returns:
        JAX or NumPy array like `points`; (0, 0) where a landmark lies on no outline or the
        ones beside it are not known or at one place.
    """
    before, behind = _neighbours(markup)
    arrays = namespace_of(points)
    step = points[..., behind, :] - points[..., before, :]
    squared = arrays.sum(step * step, axis=-1, keepdims=True)
    known = arrays.isfinite(squared) & (squared > 0)
    return arrays.where(
        known, step / arrays.sqrt(arrays.where(known, squared, 1.0)), 0.0
    )


def along_and_across(
    vectors: Array | np.ndarray, directions: Array | np.ndarray
) -> tuple[Any, Any]:
    """The parts of vectors along unit vectors, and a quarter turn from x to y from them.

    Args:
        vectors: float [..., 2], (x, y).
        directions: float [..., 2], of length one; (0, 0) gives two zeros.
    """
    along = (vectors * directions).sum(-1)
    across = vectors[..., 1] * directions[..., 0] - vectors[..., 0] * directions[..., 1]
    return along, across


@functools.lru_cache
def _neighbours(markup: Markup) -> tuple[np.ndarray, np.ndarray]:
    """The landmarks before and behind each on its outline, its own where there is none."""
    before, behind = np.arange(markup.num_points), np.arange(markup.num_points)
    for outline in reversed(markup.outlines):  # one of several outlines is of the first
        line = np.array(outline)
        closed = len(line) > 1 and line[0] == line[-1]
        core = line[:-1] if closed else line
        first, last = (core[-1], core[0]) if closed else (core[0], core[-1])
        before[core] = [first, *core[:-1]]
        behind[core] = [*core[1:], last]
    return before, behind
