"""How far estimated landmarks are from the annotated ones.

Errors of a face are a share of a distance measured on its annotation: 0.05 means five
per cent. Three distances are in use, and results with different ones cannot be
compared, so summaries give all three. A landmark with a NaN in its annotation is not
annotated and takes no part; an annotated one whose estimate is NaN is infinitely wrong.

The functions of arrays take any leading shape. Of JAX arrays they are JAX's and work under
`jax.jit`; of NumPy arrays they are NumPy's, for which nothing is compiled. Those of the
errors of many faces are NumPy in float64.
"""

import math
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike

from rcsr_jax.array_kinds import namespace_of
from rcsr_jax.markup import Markup

Array = jax.Array | np.ndarray

DEFAULT_LIMIT = 0.08
_STEP = 1e-4


def interocular_distance(truth: Array, *, markup: Markup) -> Any:
    """The distance between the outer corners of the eyes.

    Args:
        truth: float [..., num_points, 2], annotated (x, y) in pixels.
        markup: says which landmarks the corners are.

    Returns:
        float [...], pixels, JAX or NumPy like `truth`; NaN where a corner is not annotated.

    Raises:
        ValueError: `truth` is not of this markup.
    """
    _check_truth(truth, num_points=markup.num_points)
    left, right = markup.eye_corners
    across = truth[..., left, :] - truth[..., right, :]
    return namespace_of(truth).linalg.norm(across, axis=-1)


def error_unit(distance: Array, *, mean_eye_distance: Array) -> Any:
    """The unit in which errors of faces are learned: the eye distance, but not too small.

    Args:
        distance: float [...], outer eye corners of each face, px; NaN: not annotated.
        mean_eye_distance: float scalar, the same of the mean shape.

    Returns:
        float [...], px: the mean one where it is not known, and half of that at least, so
        that profiles do not dominate.
    """
    xp = namespace_of(distance, mean_eye_distance)
    known = xp.where(xp.isfinite(distance), distance, mean_eye_distance)
    return xp.maximum(known, mean_eye_distance / 2)


def interpupil_distance(truth: Array, *, markup: Markup) -> Any:
    """The distance between the means of the landmarks around each eye.

    Args:
        truth: float [..., num_points, 2], annotated (x, y) in pixels.
        markup: says which landmarks surround each eye.

    Returns:
        float [...], pixels, JAX or NumPy like `truth`. The mean is over the annotated
        landmarks of an eye; NaN where an eye has none.

    Raises:
        ValueError: `truth` is not of this markup.
    """
    _check_truth(truth, num_points=markup.num_points)
    known = _masked(truth)
    left, right = (_known_mean(known[..., list(eye), :], -2) for eye in markup.eyes)
    return namespace_of(truth).linalg.norm(left - right, axis=-1)


def box_size(truth: Array) -> Any:
    """The square root of the area of the tight box around the landmarks.

    Args:
        truth: float [..., num_points, 2], annotated (x, y) in pixels.

    Returns:
        float [...], pixels, JAX or NumPy like `truth`; NaN where nothing is annotated.

    Raises:
        ValueError: `truth` does not end in (x, y).
    """
    _check_truth(truth)
    xp, known = namespace_of(truth), _masked(truth)
    missing = xp.isnan(known)
    high = xp.where(missing, -xp.inf, known).max(-2)
    extent = high - xp.where(missing, xp.inf, known).min(-2)
    size = xp.sqrt(extent[..., 0] * extent[..., 1])
    return xp.where(missing.all((-2, -1)), xp.nan, size)


@np.errstate(over="ignore")  # an estimate may lie anywhere
def point_errors(points: Array, truth: Array) -> Any:
    """The distance of each landmark from its annotation.

    Args:
        points: float [..., num_points, 2], estimated (x, y) in pixels.
        truth: float [..., num_points, 2], annotated (x, y) in pixels.

    Returns:
        float [..., num_points], pixels, NumPy where both are; NaN where not annotated,
        infinite where the estimate of an annotated landmark is NaN.

    Raises:
        ValueError: the shapes differ or do not end in (x, y).
    """
    _check_truth(truth)
    if points.shape != truth.shape:
        raise ValueError(
            f"points and truth must have one shape; got {points.shape} and "
            f"{truth.shape}."
        )
    xp, known = namespace_of(points, truth), _masked(truth)
    errors = xp.linalg.norm(points - known, axis=-1)
    # A diverged estimate must not pass for a missing annotation.
    errors = xp.where(xp.isnan(errors), xp.inf, errors)
    return xp.where(xp.isnan(known[..., 0]), xp.nan, errors)


def nme(points: Array, truth: Array, *, distance: Array) -> Any:
    """The mean error over the landmarks of each face as a share of a distance.

    Args:
        points: float [..., num_points, 2], estimated (x, y) in pixels.
        truth: float [..., num_points, 2], annotated (x, y) in pixels.
        distance: float [...], what the error is divided by, in pixels.

    Returns:
        float [...], NumPy where all are; 0.05 means five per cent. Infinite where the
        distance is zero, NaN where no landmark is annotated or the distance is NaN.

    Raises:
        ValueError: the shapes do not fit each other.
    """
    errors = _known_mean(point_errors(points, truth), -1)
    if np.shape(distance) != errors.shape:
        raise ValueError(
            f"distance must have one value a face, shape {errors.shape}; got "
            f"{np.shape(distance)}."
        )
    xp = namespace_of(errors, distance)
    degenerate = distance == 0
    share = errors / xp.where(degenerate, 1, distance)
    return xp.where(degenerate & ~xp.isnan(errors), xp.inf, share)


def interocular_errors(
    points: ArrayLike, truth: ArrayLike, *, markup: Markup
) -> np.ndarray:
    """The mean error of each face as a share of the distance of its outer eye corners.

    Args:
        points: float [..., num_points, 2], estimated (x, y) in pixels.
        truth: float [..., num_points, 2], annotated (x, y) in pixels, or what broadcasts
            to the shape of `points`: one truth for the shapes after several steps.
        markup: says which landmarks the corners are.

    Returns:
        float64 [...]; NaN where a corner is not annotated.

    Raises:
        ValueError: the shapes do not fit each other, or `truth` is not of this markup.
    """
    points = np.asarray(points, np.float64)
    truth = np.broadcast_to(np.asarray(truth, np.float64), points.shape)
    return np.asarray(
        nme(points, truth, distance=interocular_distance(truth, markup=markup))
    )


def ced(errors: ArrayLike, *, thresholds: ArrayLike) -> np.ndarray:
    """The cumulative error distribution: the share of faces within each threshold.

    Args:
        errors: float [num_faces], one normalised error a face; infinity is a failure at
            every threshold.
        thresholds: float [num_thresholds], in the unit of the errors.

    Returns:
        float64 [num_thresholds], 0 to 1: the share of faces with error <= threshold.

    Raises:
        ValueError: there are no errors, or one is NaN: such a face has no annotation to
            judge it by and is for the caller to leave out.
    """
    ordered = np.sort(np.asarray(errors, np.float64))
    if ordered.ndim != 1 or not ordered.size:
        raise ValueError(f"errors must be [num_faces], not empty; got {ordered.shape}.")
    if num_nan := int(np.isnan(ordered).sum()):
        raise ValueError(
            f"{num_nan} of {ordered.size} errors are NaN: leave out the faces that are "
            "not annotated."
        )
    return np.searchsorted(ordered, thresholds, side="right") / ordered.size


def auc(errors: ArrayLike, *, limit: float = DEFAULT_LIMIT) -> float:
    """The area under the CED from 0 to `limit`, divided by `limit`.

    The CED is taken at steps of 1e-4 (the nearest that cuts `limit` into an even
    number) and integrated by Simpson's rule.

    Args:
        errors: float [num_faces], one normalised error a face, as for `ced`.
        limit: where the area ends; 0.08 is usual for inter-ocular errors.

    Returns:
        0 to 1, more is better.

    Raises:
        ValueError: `limit` is not positive and finite, or as for `ced`.
    """
    _check_limit(limit)
    num_intervals = 2 * max(1, round(limit / (2 * _STEP)))
    curve = ced(errors, thresholds=np.linspace(0, limit, num_intervals + 1))
    weighted = curve[0] + 4 * curve[1::2].sum() + 2 * curve[2:-1:2].sum() + curve[-1]
    return float(weighted / (3 * num_intervals))


def failure_rate(errors: ArrayLike, *, limit: float = DEFAULT_LIMIT) -> float:
    """The share of faces with an error above `limit`, which is 1 - CED(limit).

    Args:
        errors: float [num_faces], one normalised error a face, as for `ced`.
        limit: the largest error that is no failure.

    Returns:
        0 to 1, less is better.

    Raises:
        ValueError: as for `auc`.
    """
    _check_limit(limit)
    return float(1 - ced(errors, thresholds=[limit])[0])


def _check_limit(limit: float) -> None:
    if not 0 < limit < math.inf:
        raise ValueError(f"limit must be positive and finite; got {limit}.")


def _masked(truth: Array) -> Any:
    """`truth` with both coordinates NaN where one is."""
    xp = namespace_of(truth)
    missing = xp.isnan(truth).any(axis=-1, keepdims=True)
    return xp.where(missing, xp.nan, truth)


def _known_mean(values: Array, axis: int) -> Any:
    """The mean of those that are not NaN; NaN where all are."""
    xp = namespace_of(values)
    missing = xp.isnan(values)
    count = (~missing).sum(axis)
    total = xp.where(missing, 0, values).sum(axis) / xp.maximum(count, 1)
    return xp.where(count > 0, total, xp.nan)


def _check_truth(truth: Array, *, num_points: int | None = None) -> None:
    if truth.ndim < 2 or truth.shape[-1] != 2:
        raise ValueError(f"truth must be [..., num_points, 2]; got {truth.shape}.")
    if num_points is not None and truth.shape[-2] != num_points:
        raise ValueError(
            f"truth must have the {num_points} landmarks of its markup; got "
            f"{truth.shape}."
        )
