"""The numbers that are told of a set of faces, in per cent.

All landmarks together, the subsets that are usually reported, each region and each
landmark: means over the faces of the errors that `metrics` measures.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from rcsr_jax.markup import REPORTED_SUBSETS, Markup
from rcsr_jax.metrics import (
    Array,
    auc,
    box_size,
    failure_rate,
    interocular_distance,
    interpupil_distance,
    nme,
)


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


def _mean_percent(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return 100 * float(known.mean()) if known.size else float("nan")


def _check_faces(points: Array, truth: Array, *, markup: Markup) -> None:
    expected = (len(truth), markup.num_points, 2)
    if points.shape != expected or truth.shape != expected or not len(truth):
        raise ValueError(
            f"points and truth must be [num_faces, {markup.num_points}, 2] with at "
            f"least one face; got {points.shape} and {truth.shape}."
        )
