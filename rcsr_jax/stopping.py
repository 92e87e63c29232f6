"""When to stop: the tolerance of adaptive prediction, measured (sections 4.1 and 4.3).

The paper reads its threshold off the increment at which the error is least, on fresh
replicates of the training faces. Here every threshold of a fine grid is tried on such
replicates and the one of least error is kept.
"""

import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from rcsr_jax.markup import Markup
from rcsr_jax.metrics import interocular_errors
from rcsr_jax.refine import increment_size

_CANDIDATES = np.geomspace(1e-3, 1.0, 121)
_WORTH = 1e-4  # a step more must lower the error by this share to be worth its time


def stopping_steps(increments: ArrayLike, *, tolerance: float) -> np.ndarray:
    """The step at which each face stops: the first whose increment is below tolerance.

    Args:
        increments: float [steps, faces], the increment of each step in eye distances.
        tolerance: of the stopping rule.

    Returns:
        int [faces], from 1; the number of steps for a face that never settles.
    """
    small = np.asarray(increments) < tolerance
    return np.where(small.any(0), small.argmax(0), len(small) - 1) + 1


def calibrate_tolerance(
    trajectory: Array | np.ndarray,
    start: Array | np.ndarray,
    truth: Array | np.ndarray,
    *,
    markup: Markup,
    norm: str,
) -> float:
    """The tolerance with which stopping gives the least error on these faces.

    Of tolerances that are within 0.01 % of the best, the largest: fewest steps.

    Args:
        trajectory: float [steps, faces, num_points, 2], shapes after 1, 2, ... steps.
        start: float [faces, num_points, 2], the first shapes.
        truth: float [faces, num_points, 2], NaN where not annotated.
        markup: names the outer eye corners.
        norm: of an increment, see `refine.increment_size`.

    Raises:
        ValueError: no face has its eye corners annotated and shapes that are finite.
    """
    before = np.concatenate([np.asarray(start)[None], np.asarray(trajectory)[:-1]])
    increments = np.stack(
        [
            increment_size(new, old, markup=markup, norm=norm)
            for new, old in zip(trajectory, before, strict=True)
        ]
    )
    errors = interocular_errors(trajectory, truth, markup=markup)
    known = np.isfinite(errors).all(0)
    if not known.any():
        raise ValueError(
            "no face has both eye corners annotated and shapes that are finite: there is "
            "nothing to measure."
        )
    faces = np.arange(int(known.sum()))
    means = np.array(
        [
            errors[:, known][
                stopping_steps(increments[:, known], tolerance=tolerance) - 1, faces
            ].mean()
            for tolerance in _CANDIDATES
        ]
    )
    good = means <= means.min() * (1 + _WORTH)
    return float(f"{_CANDIDATES[good].max():.3g}")
