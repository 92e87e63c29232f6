"""Annotated shapes whose place and size are wrong, brought to where a model sees them."""

import numpy as np

_ROUNDS = 5  # of weighing the landmarks anew; the fit moves no more after three
_MOST_RESIZED = 4  # times
_NEAR = 0.01  # of the size of a shape: misfits below weigh alike


def placed(points: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """A shape, resized and moved to where it is seen; not turned, and not bent.

    The scale and the shift of least weighted squares; landmarks weigh less the further
    they lie from their place, so that a hand before the mouth moves nothing (least
    absolute distances, by weighing anew).

    Args:
        points: float [num_points, 2], NaN where not annotated.
        seen: float [num_points, 2].

    Returns:
        float64 [num_points, 2].

    Raises:
        ValueError: fewer than two landmarks are annotated, or the shapes have nothing in
            common.
    """
    known = np.isfinite(points).all(-1)
    if known.sum() < 2:
        raise ValueError(f"{known.sum()} landmarks are no shape to be placed.")
    shape, goal = np.asarray(points, np.float64)[known], np.asarray(seen)[known]
    near = _NEAR * np.ptp(shape, axis=0).max()
    weights = np.ones(len(shape))
    scale, middle, there = 1.0, shape.mean(0), goal.mean(0)
    for _ in range(_ROUNDS):
        share = (weights / weights.sum())[:, None]
        middle, there = (share * shape).sum(0), (share * goal).sum(0)
        spread = (share * (shape - middle) ** 2).sum()
        scale = (share * (shape - middle) * (goal - there)).sum() / spread
        misfit = there + scale * (shape - middle) - goal
        weights = 1 / np.maximum(np.linalg.norm(misfit, axis=-1), near)
    if not 1 / _MOST_RESIZED <= scale <= _MOST_RESIZED:
        raise ValueError(
            f"to fit the teacher's answer it would become {scale:.2f} times."
        )
    return there + scale * (np.asarray(points, np.float64) - middle)
