"""How far estimated landmarks are from the annotated ones.

Errors of a face are a share of a distance measured on its annotation: 0.05 means five
per cent. Three distances are in use, and results with different ones cannot be
compared, so summaries give all three. A landmark with a NaN in its annotation is not
annotated and takes no part; an annotated one whose estimate is NaN is infinitely wrong.

The functions of arrays take any leading shape and work under `jax.jit`; the summaries
over faces are NumPy in float64 and speak of per cent.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from rcsr_jax.markup import REPORTED_SUBSETS, Markup

Array = jax.Array | np.ndarray

DEFAULT_LIMIT = 0.08
_STEP = 1e-4


def interocular_distance(truth: Array, *, markup: Markup) -> jax.Array:
    """The distance between the outer corners of the eyes.

    Args:
        truth: float [..., num_points, 2], annotated (x, y) in pixels.
        markup: says which landmarks the corners are.

    Returns:
        float [...], pixels; NaN where a corner is not annotated.

    Raises:
        ValueError: `truth` is not of this markup.
    """
    _check_truth(truth, num_points=markup.num_points)
    left, right = markup.eye_corners
    return jnp.linalg.norm(truth[..., left, :] - truth[..., right, :], axis=-1)


def interpupil_distance(truth: Array, *, markup: Markup) -> jax.Array:
    """The distance between the means of the landmarks around each eye.

    Args:
        truth: float [..., num_points, 2], annotated (x, y) in pixels.
        markup: says which landmarks surround each eye.

    Returns:
        float [...], pixels. The mean is over the annotated landmarks of an eye; NaN
        where an eye has none.

    Raises:
        ValueError: `truth` is not of this markup.
    """
    _check_truth(truth, num_points=markup.num_points)
    left, right = (
        jnp.nanmean(_masked(truth)[..., np.array(eye), :], axis=-2)
        for eye in markup.eyes
    )
    return jnp.linalg.norm(left - right, axis=-1)


def box_size(truth: Array) -> jax.Array:
    """The square root of the area of the tight box around the landmarks.

    Args:
        truth: float [..., num_points, 2], annotated (x, y) in pixels.

    Returns:
        float [...], pixels; NaN where nothing is annotated.

    Raises:
        ValueError: `truth` does not end in (x, y).
    """
    _check_truth(truth)
    known = _masked(truth)
    extent = jnp.nanmax(known, axis=-2) - jnp.nanmin(known, axis=-2)
    return jnp.sqrt(extent[..., 0] * extent[..., 1])


def point_errors(points: Array, truth: Array) -> jax.Array:
    """The distance of each landmark from its annotation.

    Args:
        points: float [..., num_points, 2], estimated (x, y) in pixels.
        truth: float [..., num_points, 2], annotated (x, y) in pixels.

    Returns:
        float [..., num_points], pixels; NaN where not annotated, infinite where the
        estimate of an annotated landmark is NaN.

    Raises:
        ValueError: the shapes differ or do not end in (x, y).
    """
    _check_truth(truth)
    if points.shape != truth.shape:
        raise ValueError(
            f"points and truth must have one shape; got {points.shape} and "
            f"{truth.shape}."
        )
    known = _masked(truth)
    errors = jnp.linalg.norm(points - known, axis=-1)
    # A diverged estimate must not pass for a missing annotation.
    errors = jnp.where(jnp.isnan(errors), jnp.inf, errors)
    return jnp.where(jnp.isnan(known[..., 0]), jnp.nan, errors)


def nme(points: Array, truth: Array, *, distance: Array) -> jax.Array:
    """The mean error over the landmarks of each face as a share of a distance.

    Args:
        points: float [..., num_points, 2], estimated (x, y) in pixels.
        truth: float [..., num_points, 2], annotated (x, y) in pixels.
        distance: float [...], what the error is divided by, in pixels.

    Returns:
        float [...]; 0.05 means five per cent. Infinite where the distance is zero, NaN
        where no landmark is annotated or the distance is NaN.

    Raises:
        ValueError: the shapes do not fit each other.
    """
    errors = jnp.nanmean(point_errors(points, truth), axis=-1)
    if jnp.shape(distance) != errors.shape:
        raise ValueError(
            f"distance must have one value a face, shape {errors.shape}; got "
            f"{jnp.shape(distance)}."
        )
    degenerate = (distance == 0) & ~jnp.isnan(errors)
    return jnp.where(degenerate, jnp.inf, errors / distance)


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
    points = np.asarray(points)
    truth = np.broadcast_to(truth, points.shape)
    distance = interocular_distance(truth, markup=markup)
    return np.asarray(nme(points, truth, distance=distance), np.float64)


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
        ValueError: `limit` is not positive, or as for `ced`.
    """
    if not limit > 0:
        raise ValueError(f"limit must be positive; got {limit}.")
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
        ValueError: as for `ced`.
    """
    return float(1 - ced(errors, thresholds=[limit])[0])


def summarise(
    points: Array,
    truth: Array,
    *,
    markup: Markup,
    landmarks: Sequence[int] | None = None,
) -> dict[str, float]:
    """The usual numbers for a set of faces.

    Args:
        points: float [num_faces, num_points, 2], estimated (x, y) in pixels.
        truth: float [num_faces, num_points, 2], annotated (x, y) in pixels.
        markup: what the landmarks mean.
        landmarks: indices of those whose errors count; all if not given. The distances
            are always those of the whole face, so that subsets can be compared.

    Returns:
        `num_faces` and `num_measured` (those whose inter-ocular error is defined), then
        in per cent: `nme_interocular`, `nme_interpupil` and `nme_box`, means over the
        faces for which they are defined, and `auc_08` and `failure_rate_08` of the
        inter-ocular error. NaN where no face has the annotations a number needs; a mean
        is infinite if an estimate is NaN or a distance zero.

    Raises:
        ValueError: the shapes do not fit, or there are no faces.
    """
    _check_faces(points, truth, markup=markup)
    distances = {
        "nme_interocular": interocular_distance(truth, markup=markup),
        "nme_interpupil": interpupil_distance(truth, markup=markup),
        "nme_box": box_size(truth),
    }
    chosen = np.arange(markup.num_points) if landmarks is None else np.array(landmarks)
    errors = {
        name: np.asarray(
            nme(points[:, chosen], truth[:, chosen], distance=distance), np.float64
        )
        for name, distance in distances.items()
    }
    measured = errors["nme_interocular"]
    measured = measured[~np.isnan(measured)]
    area, failed = np.nan, np.nan
    if measured.size:
        area, failed = auc(measured), failure_rate(measured)
    return {
        "num_faces": len(truth),
        "num_measured": measured.size,
        **{name: _mean_percent(values) for name, values in errors.items()},
        "auc_08": 100 * area,
        "failure_rate_08": 100 * failed,
    }


def summarise_subsets(
    points: Array, truth: Array, *, markup: Markup
) -> dict[str, dict[str, float]]:
    """`summarise` for each subset usually reported, such as "51" and "49" of 68.

    Args:
        points: float [num_faces, num_points, 2], estimated (x, y) in pixels.
        truth: float [num_faces, num_points, 2], annotated (x, y) in pixels.
        markup: what the landmarks mean.

    Returns:
        the name of each subset with its summary; empty for a markup without subsets.

    Raises:
        ValueError: as for `summarise`.
    """
    return {
        name: summarise(points, truth, markup=markup, landmarks=landmarks)
        for name, landmarks in REPORTED_SUBSETS.get(markup.name, {}).items()
    }


def summarise_with_subsets(
    points: Array, truth: Array, *, markup: Markup
) -> dict[str, Any]:
    """`summarise` of all landmarks, with `summarise_subsets` under "subsets".

    Args, raises: those of `summarise_subsets`.
    """
    return {
        **summarise(points, truth, markup=markup),
        "subsets": summarise_subsets(points, truth, markup=markup),
    }


def by_landmark(points: Array, truth: Array, *, markup: Markup) -> list[float]:
    """The mean inter-ocular error of each landmark over the faces, per cent.

    Args:
        points: float [num_faces, num_points, 2], estimated (x, y) in pixels.
        truth: float [num_faces, num_points, 2], annotated (x, y) in pixels.
        markup: what the landmarks mean.

    Returns:
        num_points values; NaN for a landmark that no face has.

    Raises:
        ValueError: as for `summarise`.
    """
    _check_faces(points, truth, markup=markup)
    distance = interocular_distance(truth, markup=markup)
    # each landmark as a face of its own
    errors = nme(
        points[:, :, None],
        truth[:, :, None],
        distance=jnp.repeat(distance[:, None], markup.num_points, axis=1),
    )
    return [_mean_percent(column) for column in np.asarray(errors, np.float64).T]


def by_region(points: Array, truth: Array, *, markup: Markup) -> dict[str, float]:
    """The mean inter-ocular error of each region of the markup, per cent.

    Args:
        points: float [num_faces, num_points, 2], estimated (x, y) in pixels.
        truth: float [num_faces, num_points, 2], annotated (x, y) in pixels.
        markup: what the landmarks mean and how they group.

    Returns:
        the name of each region with its error; NaN for one that no face has.

    Raises:
        ValueError: as for `summarise`.
    """
    _check_faces(points, truth, markup=markup)
    distance = interocular_distance(truth, markup=markup)
    errors = {
        name: nme(points[:, chosen], truth[:, chosen], distance=distance)
        for name, chosen in ((k, np.array(v)) for k, v in markup.regions)
    }
    return {
        name: _mean_percent(np.asarray(values, np.float64))
        for name, values in errors.items()
    }


def _masked(truth: Array) -> jax.Array:
    """`truth` with both coordinates NaN where one is."""
    missing = jnp.isnan(truth).any(axis=-1, keepdims=True)
    return jnp.where(missing, jnp.nan, truth)


def _mean_percent(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return 100 * float(known.mean()) if known.size else float("nan")


def _check_truth(truth: Array, *, num_points: int | None = None) -> None:
    if truth.ndim < 2 or truth.shape[-1] != 2:
        raise ValueError(f"truth must be [..., num_points, 2]; got {truth.shape}.")
    if num_points is not None and truth.shape[-2] != num_points:
        raise ValueError(
            f"truth must have the {num_points} landmarks of its markup; got "
            f"{truth.shape}."
        )


def _check_faces(points: Array, truth: Array, *, markup: Markup) -> None:
    expected = (len(truth), markup.num_points, 2)
    if points.shape != expected or truth.shape != expected or not len(truth):
        raise ValueError(
            f"points and truth must be [num_faces, {markup.num_points}, 2] with at "
            f"least one face; got {points.shape} and {truth.shape}."
        )
