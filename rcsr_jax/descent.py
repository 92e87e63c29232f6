"""Supervised descent (SDM): a cascade of linear regressors on HOG, fitted one by one.

Section 3.3: it is the recurrent model with a `LinearCell`, whose memory is the shape, and
with a regressor of its own for each step. Each one has a closed form: ridge regression
from the features at the shapes that the ones before it reach to what is left to the truth.
"""

import dataclasses
import functools
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from rcsr_jax.features.hog import hog
from rcsr_jax.model import normalise
from rcsr_jax.patches import slice_patches
from rcsr_jax.plain_values import check_types
from rcsr_jax.recurrent import LinearCell
from rcsr_jax.refine import Estimate

Descent = dict[str, Any]  # "mean_shape", and "levels": the parameters of each cell


@dataclasses.dataclass(frozen=True, kw_only=True)
class DescentConfig:
    """The cascade: how it looks at each level, and how its regressors are held back.

    Attributes:
        patch_sizes: side of a landmark's patch at each level, crop px; from coarse to
            fine.
        cells: HOG cells along a side of a patch.
        num_orientations: of HOG, in half a turn.
        ridge: added to the diagonal of the features' covariance, as a share of its mean.
    """

    patch_sizes: tuple[int, ...] = (48, 36, 24, 24)
    cells: int = 3
    num_orientations: int = 4
    ridge: float = 6.0

    def __post_init__(self):
        check_types(self)
        if min(self.cells, self.num_orientations) < 1 or not self.ridge > 0:
            raise ValueError(
                "cells and num_orientations must be at least 1 and ridge positive; got "
                f"{self.cells}, {self.num_orientations} and {self.ridge}."
            )
        if not self.patch_sizes or any(
            size < self.cells or size % self.cells for size in self.patch_sizes
        ):
            raise ValueError(
                f"patch_sizes must be multiples of {self.cells} cells, one per level; "
                f"got {self.patch_sizes}."
            )


def fit_descent(
    crops: Array | np.ndarray,
    points: Array | np.ndarray,
    *,
    mean_shape: ArrayLike,
    config: DescentConfig,
    batch_size: int = 64,
) -> Descent:
    """The cascade of least squared error on these examples, level by level.

    The features of all examples are kept until their level is fitted, four bytes each,
    and a level is solved in memory that grows with the square of the features of a face.

    Args:
        crops: uint8 or float [examples, size, size], grey: several views of each face,
            which are its perturbed starts.
        points: float [examples, num_points, 2], crop px, all annotated.
        mean_shape: float [num_points, 2], crop px: where every example starts.
        config: the cascade.
        batch_size: examples whose features are computed at once.

    Returns:
        `mean_shape` and, for each level, the parameters of its `LinearCell`.

    Raises:
        ValueError: there are no examples, or a landmark is not annotated.
    """
    crops, truth = np.asarray(crops), np.asarray(points, np.float32)
    if not len(crops) or not np.isfinite(truth).all():
        raise ValueError(
            f"supervised descent needs examples with every landmark annotated; got "
            f"{len(crops)} with {np.isnan(truth).any(-1).sum()} landmarks missing."
        )
    mean_shape = jnp.asarray(mean_shape, jnp.float32)
    pieces = [
        slice(start, start + batch_size) for start in range(0, len(crops), batch_size)
    ]
    current = np.broadcast_to(np.asarray(mean_shape), truth.shape).copy()
    levels = []
    for patch_size in config.patch_sizes:
        seen = [
            _look(crops[piece], current[piece], patch_size=patch_size, config=config)
            for piece in pieces
        ]
        left = (truth - current).reshape(len(truth), -1)
        level = _regress(seen, [left[piece] for piece in pieces], ridge=config.ridge)
        for piece, features in zip(pieces, seen, strict=True):
            here = jnp.asarray(current[piece])
            estimate = Estimate(here, here.reshape(len(here), -1))
            current[piece] = _move(level, estimate, features).points
        levels.append(level)
    return {"mean_shape": mean_shape, "levels": tuple(levels)}


@functools.partial(jax.jit, static_argnames="config")
def descend(descent: Descent, crops: Array, *, config: DescentConfig) -> Array:
    """The shapes after each level.

    Args:
        descent: from `fit_descent`.
        crops: uint8 or float [batch, size, size], grey.
        config: that it was fitted with.

    Returns:
        float [levels, batch, num_points, 2], crop px.
    """
    shape = descent["mean_shape"]
    start = jnp.broadcast_to(shape, (len(crops), *shape.shape))
    estimate = Estimate(start, start.reshape(len(crops), -1))
    trajectory = []
    for level, patch_size in zip(descent["levels"], config.patch_sizes, strict=True):
        features = _look(crops, estimate.points, patch_size=patch_size, config=config)
        estimate = _move(level, estimate, features)
        trajectory.append(estimate.points)
    return jnp.stack(trajectory)


@functools.partial(jax.jit, static_argnames=("patch_size", "config"))
def _look(
    crops: Array, points: Array, *, patch_size: int, config: DescentConfig
) -> Array:
    """The HOG of all landmarks, flat: [batch, features]."""
    patches = slice_patches(normalise(crops), points, size=patch_size)[..., 0]
    cells = hog(
        patches,
        cell_size=patch_size // config.cells,
        num_orientations=config.num_orientations,
    )
    return cells.reshape(len(crops), -1)


@jax.jit
def _move(level: Any, estimate: Estimate, features: Array) -> Estimate:
    """One recurrence of the linear cell, whose memory is the shape."""
    cell = LinearCell(estimate.hidden.shape[-1])
    hidden = cast(Array, cell.apply({"params": level}, estimate.hidden, features))
    return Estimate(hidden.reshape(estimate.points.shape), hidden)


def _regress(seen: list[Array], left: list[np.ndarray], *, ridge: float) -> Any:
    """Ridge regression of increments on features; the bias is not held back (eq. 13)."""
    count = sum(map(len, seen))
    mean = jnp.sum(jnp.stack([features.sum(0) for features in seen]), 0) / count
    bias = np.sum([increments.sum(0) for increments in left], axis=0) / count
    gram = jnp.zeros((mean.size, mean.size), jnp.float32)
    moment = jnp.zeros((mean.size, bias.size), jnp.float32)
    for features, increments in zip(seen, left, strict=True):
        gram, moment = _add(gram, moment, features - mean[None], increments)
    held = ridge * jnp.trace(gram) / mean.size
    kernel = jax.scipy.linalg.solve(
        gram + held * jnp.eye(mean.size), moment, assume_a="pos"
    )
    return {"candidate": {"kernel": kernel, "bias": bias - mean @ kernel}}


@functools.partial(jax.jit, donate_argnums=(0, 1))
def _add(
    gram: Array, moment: Array, features: Array, increments: Array
) -> tuple[Array, Array]:
    return gram + features.T @ features, moment + features.T @ increments
