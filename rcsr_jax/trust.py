"""How far a model's own judgement of its answers can be trusted.

A model that predicts its error is reliable if, among the landmarks it expects to miss by
some distance, the mean error is that distance. A score ranks faces well if the error of
those that are kept falls as the less trusted ones are turned away.

Everything is NumPy in float64 and free of units: expected and true errors need only
share one.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rcsr_jax.markup import Markup
from rcsr_jax.metrics import (
    DEFAULT_LIMIT,
    interocular_distance,
    interocular_errors,
    point_errors,
)

DECILES = 10
_COVERAGES = 100  # points of a curve that is written down, at most


class Reliability(NamedTuple):
    """Expected against true values, in groups of rising expectation.

    Attributes:
        expected: float64 [num_groups], the mean expected value of each group.
        actual: float64 [num_groups], the mean of the true values of the group.
        counts: int64 [num_groups], how many values it has.
    """

    expected: np.ndarray
    actual: np.ndarray
    counts: np.ndarray

    @property
    def gap(self) -> float:
        """The mean distance of expected and true values, groups weighted by counts."""
        return float(
            np.average(np.abs(self.expected - self.actual), weights=self.counts)
        )


class RiskCoverage(NamedTuple):
    """The error of what is kept, by how much is kept.

    Attributes:
        coverage: float64 [num_faces], the share that is kept: 1/n, 2/n, ..., 1.
        risk: float64 [num_faces], the mean error of that share, the most trusted first.
    """

    coverage: np.ndarray
    risk: np.ndarray

    @property
    def area(self) -> float:
        """The mean risk over all coverages; less is better."""
        return float(self.risk.mean())


def reliability(
    expected: ArrayLike, actual: ArrayLike, *, num_groups: int = DECILES
) -> Reliability:
    """Expected against true values, in groups of equal size.

    Args:
        expected: float [...], what the model expects of each value.
        actual: float [...], what it is; NaN where that is not known: such a value takes
            no part.
        num_groups: 10 for deciles. Fewer values than that make a group each.

    Raises:
        ValueError: the shapes differ, an expected value is NaN, no true value is known,
            or `num_groups` is below 1.
    """
    claims, truth = _known_pairs(expected, actual, "expected")
    if num_groups < 1:
        raise ValueError(f"num_groups must be at least 1; got {num_groups}.")
    order = np.argsort(claims, kind="stable")
    groups = np.array_split(order, min(num_groups, len(order)))
    return Reliability(
        expected=np.array([claims[group].mean() for group in groups]),
        actual=np.array([truth[group].mean() for group in groups]),
        counts=np.array([len(group) for group in groups]),
    )


def risk_coverage(errors: ArrayLike, score: ArrayLike) -> RiskCoverage:
    """The mean error of the most trusted faces, for every number of them.

    Faces of one score are in no order, so each counts with the mean of their errors.

    Args:
        errors: float [num_faces], one error a face; NaN where it is not known: such a
            face takes no part. A 1 for a failure and 0 else gives the failure rate.
        score: float [num_faces], more where the model trusts its answer more.

    Raises:
        ValueError: the shapes differ, a score is NaN, or no error is known.
    """
    trust, known = _known_pairs(score, errors, "score")
    order = np.argsort(-trust, kind="stable")
    _, group, counts = np.unique(-trust[order], return_inverse=True, return_counts=True)
    tied = (np.bincount(group, weights=known[order]) / counts)[group]
    kept = np.arange(1, len(order) + 1)
    return RiskCoverage(coverage=kept / len(order), risk=np.cumsum(tied) / kept)


def failures_caught(
    failed: ArrayLike, score: ArrayLike, *, share: float = 0.1
) -> float:
    """The share of all failures that lie among the faces with the lowest scores.

    Where the last place goes to one of several faces of one score, each counts in part.

    Args:
        failed: bool or float [num_faces], 1 for a failure; NaN where it is not known.
        score: float [num_faces], more where the model trusts its answer more.
        share: of the faces that are looked at, above 0 to 1; rounded up to whole faces.

    Returns:
        0 to 1; a score that knows nothing catches about `share`. NaN where there are no
        failures.

    Raises:
        ValueError: the share is out of range, or as for `risk_coverage`.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1; got {share}.")
    distrust = -np.asarray(score, np.float64)
    curve = risk_coverage(failed, distrust)  # the least trusted first
    total = curve.risk[-1] * len(curve.risk)
    looked_at = math.ceil(share * len(curve.risk) - 1e-9)
    if not total:
        return math.nan
    return float(curve.risk[looked_at - 1] * looked_at / total)


def summarise_trust(
    points: np.ndarray,
    truth: np.ndarray,
    *,
    expected_error: np.ndarray,
    score: np.ndarray,
    markup: Markup,
) -> dict[str, Any]:
    """How well a predictor knows how good its answers are, as JSON values.

    Args:
        points: float [num_faces, num_points, 2], estimated (x, y) in pixels.
        truth: float [num_faces, num_points, 2], annotated (x, y) in pixels.
        expected_error: float [num_faces, num_points], what the predictor expects the
            error of each landmark to be, in pixels.
        score: float [num_faces], the probability it gives to an inter-ocular error
            within the usual limit.
        markup: what the landmarks mean.

    Returns:
        `num_judged` faces, those whose inter-ocular error is known and finite;
        `reliability` of the expected errors of all landmarks, per cent of the
        inter-ocular distance, and `score_reliability` of the score, per cent of faces
        within the limit, by deciles and with their `gap`; `risk_coverage`: the mean
        inter-ocular error of the faces kept, per cent, with its `area` and that of the
        best possible order; `failures_caught`, per cent, among the tenth of the faces
        with the lowest scores. Without a judged face `num_judged` is all there is.
    """
    distance = np.asarray(interocular_distance(truth, markup=markup), np.float64)
    errors = interocular_errors(points, truth, markup=markup)
    judged = np.isfinite(errors)
    if not judged.any():
        return {"num_judged": 0}
    percent = 100 / distance[judged, None]
    missed = np.asarray(point_errors(points[judged], truth[judged]), np.float64)
    failed = errors[judged] > DEFAULT_LIMIT
    kept = risk_coverage(100 * errors[judged], score[judged])
    best = risk_coverage(100 * errors[judged], -errors[judged])
    shown = np.linspace(0, len(failed) - 1, min(_COVERAGES, len(failed)))
    shown = np.unique(shown.round().astype(int))
    return {
        "num_judged": int(judged.sum()),
        "reliability": _as_json(
            reliability(expected_error[judged] * percent, missed * percent)
        ),
        "score_reliability": _as_json(reliability(100 * score[judged], 100 * ~failed)),
        "risk_coverage": {
            "coverage": (100 * kept.coverage[shown]).tolist(),
            "risk": kept.risk[shown].tolist(),
            "risk_of_best_order": best.risk[shown].tolist(),
            "area": kept.area,
            "area_of_best_order": best.area,
        },
        "num_failures": int(failed.sum()),
        "failures_caught": 100 * failures_caught(failed, score[judged]),
    }


def _as_json(found: Reliability) -> dict[str, Any]:
    lists = {name: values.tolist() for name, values in found._asdict().items()}
    return {**lists, "gap": found.gap}


def _known_pairs(
    claims: ArrayLike, truth: ArrayLike, what: str
) -> tuple[np.ndarray, np.ndarray]:
    """Both flat, without the pairs whose truth is not known."""
    first, second = np.asarray(claims, np.float64), np.asarray(truth, np.float64)
    if first.shape != second.shape:
        raise ValueError(
            f"{what} must have one value for each true one, shape {second.shape}; got "
            f"{first.shape}."
        )
    known = ~np.isnan(second)
    if not known.any():
        raise ValueError(f"none of {second.size} true values is known.")
    if num_nan := int(np.isnan(first[known]).sum()):
        raise ValueError(f"{num_nan} of {known.sum()} values of {what} are NaN.")
    return first[known], second[known]
