"""One model against another, on the same faces.

Faces differ far more than models do, so means of two models are compared face by face: what
the one gains on each, and how sure that is for faces of this kind.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from rcsr_jax.metrics import DEFAULT_LIMIT, auc, failure_rate

_SURE = 0.95  # of an interval
_DRAWS = 9999
_AT_ONCE = 250  # draws; each holds all faces
_LISTED = 5  # faces that changed most


def annotation_digest(points: np.ndarray) -> str:
    """Eight characters that tell an annotation from that of another face.

    Args:
        points: float [num_points, 2], pixels; a tenth of one changes it.
    """
    known = np.nan_to_num(np.asarray(points, np.float64), nan=-1e6)
    # away from the halves and quarters that annotation is rounded to
    tenths = np.floor(10 * known + 0.318)
    return hashlib.sha256(tenths.astype(np.int64).tobytes()).hexdigest()[:8]


def common_faces(
    errors: Mapping[str, Mapping[str, float]],
) -> tuple[list[str], dict[str, np.ndarray]]:
    """The faces that were measured with all models, and their errors.

    Args:
        errors: the name of each model -> face -> error; NaN where it is not defined.

    Returns:
        The names of the faces, in the order of the first model, and float64 [faces] for
        each model.

    Raises:
        ValueError: there is no such face.
    """
    models = list(errors.values())
    names = [
        face
        for face in models[0]
        if not any(np.isnan(each.get(face, np.nan)) for each in models)
    ]
    if not names:
        raise ValueError("there is no face that was measured with all of them.")
    return names, {
        model: np.array([each[face] for face in names], np.float64)
        for model, each in errors.items()
    }


def summarise_errors(errors: np.ndarray) -> dict[str, float]:
    """What is told of one model, in per cent.

    Args:
        errors: float [faces], as shares.
    """
    return {
        "nme_interocular": 100 * float(errors.mean()),
        "median_interocular": 100 * float(np.median(errors)),
        "auc_08": 100 * auc(errors),
        "failure_rate_08": 100 * failure_rate(errors),
    }


def compare(
    errors: np.ndarray, against: np.ndarray, *, names: Sequence[str], seed: int = 0
) -> dict[str, Any]:
    """How much larger errors are than those of another model, on the same faces.

    Args:
        errors: float [faces], as shares.
        against: float [faces], of the other model.
        names: of the faces.
        seed: of the bootstrap.

    Returns:
        `nme_interocular` and `failure_rate_08`: `difference`, points of a per cent, below
        0 where these errors are smaller, and `interval`, which holds it with 95 % (a
        percentile bootstrap over the faces; None of a single face, and of errors where one
        is infinite with one of the models alone).
        `worse_share` and `better_share`: of the faces, per cent. `most_worsened` and
        `most_improved`: the `face`, its error `against` and `now`, per cent, by their
        difference.
    """
    # both may be infinite, where a landmark was not found
    change = np.zeros(len(errors))
    np.subtract(errors, against, out=change, where=errors != against)
    failed = (errors > DEFAULT_LIMIT).astype(float) - (against > DEFAULT_LIMIT)
    order = np.argsort(change)
    improved = [face for face in order[:_LISTED].tolist() if change[face] < 0]
    worsened = [face for face in order[::-1][:_LISTED].tolist() if change[face] > 0]

    def listed(faces: Sequence[int]) -> list[dict[str, Any]]:
        return [
            {
                "face": names[face],
                "against": 100 * float(against[face]),
                "now": 100 * float(errors[face]),
            }
            for face in faces
        ]

    return {
        "nme_interocular": _difference(change, seed=seed),
        "failure_rate_08": _difference(failed, seed=seed),
        "worse_share": 100 * float((change > 0).mean()),
        "better_share": 100 * float((change < 0).mean()),
        "most_worsened": listed(worsened),
        "most_improved": listed(improved),
    }


def _difference(changes: np.ndarray, *, seed: int) -> dict[str, Any]:
    """The mean of changes and its interval, in points of a per cent."""
    interval = None
    if len(changes) > 1 and np.isfinite(changes).all():
        drawn = stats.bootstrap(
            (changes,),
            np.mean,
            confidence_level=_SURE,
            n_resamples=_DRAWS,
            batch=_AT_ONCE,
            method="percentile",
            rng=np.random.default_rng(seed),
        ).confidence_interval
        interval = [100 * float(drawn.low), 100 * float(drawn.high)]
    with np.errstate(invalid="ignore"):  # infinities of both signs have no mean
        return {"difference": 100 * float(changes.mean()), "interval": interval}
