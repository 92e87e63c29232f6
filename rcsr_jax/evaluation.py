"""A predictor judged on annotated faces: what `metrics.json` says."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rcsr_jax.annotated_faces import see_faces
from rcsr_jax.annotation import measure_shift
from rcsr_jax.data.cutting import Source
from rcsr_jax.data.refusals import Refusal
from rcsr_jax.data.sources import OnProgress
from rcsr_jax.ellipses import share_inside
from rcsr_jax.geometry import frame_of_box
from rcsr_jax.inference import Faces, Predictor
from rcsr_jax.looks import Sight
from rcsr_jax.published import sets_within
from rcsr_jax.summaries import by_landmark, by_region, summarise_with_subsets
from rcsr_jax.trust import summarise_trust

_CALLS, _SECONDS = 3, 2.0  # of which the quickest is told, unless one takes long


class Evaluation(NamedTuple):
    """Predictions beside the truth, in pixels of the photos.

    Attributes:
        names: of the faces.
        truth: float32 [faces, num_points, 2].
        mean_shape: float32 [faces, num_points, 2], the first shape: the baseline.
        adaptive: the predictions that stop by themselves.
        fixed: float32 [steps, faces, num_points, 2], the shape after each step of a call
            with the most steps. (One with fewer looks again by what it sees itself.)
        boxes: float32 [faces, 4].
        milliseconds_per_face: of adaptive prediction in batches, crops cut already, all
            looks together.
        fixed_milliseconds: float [steps], the same for each fixed number of steps: 1 and
            the most are timed, the others lie on the line between, as each step costs
            the same.
        refused: faces that could not be used, and why.
        num_looks: int32 [faces], or of all alike.
    """

    names: tuple[str, ...]
    truth: np.ndarray
    mean_shape: np.ndarray
    adaptive: Faces
    fixed: np.ndarray
    boxes: np.ndarray
    milliseconds_per_face: float
    fixed_milliseconds: np.ndarray
    refused: tuple[Refusal, ...]
    num_looks: np.ndarray | int = 1


def evaluate(
    predictor: Predictor,
    sources: Sequence[Source],
    *,
    strict: bool = False,
    on_progress: OnProgress = lambda done, total: None,
) -> Evaluation:
    """Predictions for annotated faces.

    Args, raises: those of `see_faces`.
    """
    config = predictor.config
    faces, sight = see_faces(predictor, sources, strict=strict, on_progress=on_progress)
    steps = max(config.max_steps, config.num_steps)
    milliseconds = _timed(predictor, sight, num_steps=None)
    used = set(faces.names)
    again = [source for source in sources if source.name in used]
    _, fixed = see_faces(predictor, again, num_steps=steps)
    longest = _timed(predictor, sight, num_steps=steps)
    shortest = _timed(predictor, sight, num_steps=1)
    first_frames = frame_of_box(
        faces.boxes, frame_scale=config.frame_scale, size=config.crop_size
    )
    return Evaluation(
        names=faces.names,
        truth=faces.truth,
        mean_shape=predictor.first_shapes(first_frames),
        adaptive=sight.faces,
        fixed=fixed.faces.trajectory,
        boxes=faces.boxes,
        num_looks=sight.num_looks,
        milliseconds_per_face=milliseconds,
        fixed_milliseconds=np.linspace(shortest, longest, steps),
        refused=faces.refused,
    )


def _timed(predictor: Predictor, sight: Sight, *, num_steps: int | None) -> float:
    """Milliseconds for a face, all looks together."""
    predictor.from_crops(sight.crops, sight.frames, num_steps=num_steps)  # compiles
    taken: list[float] = []
    while len(taken) < _CALLS and sum(taken) < _SECONDS:
        started = time.perf_counter()
        predictor.from_crops(sight.crops, sight.frames, num_steps=num_steps)
        taken.append(time.perf_counter() - started)
    seconds = min(taken) * sight.num_looks.mean()
    return 1e3 * float(seconds) / len(sight.crops)


def metrics_of(
    evaluation: Evaluation, *, predictor: Predictor, folder: str = ""
) -> dict[str, Any]:
    """What `metrics.json` holds: adaptive prediction, its subsets, fixed steps, baseline.

    Args:
        evaluation: from `evaluate`.
        predictor: that was judged.
        folder: of the data set, with "/", to tell published test sets by.

    Returns:
        The summary of the adaptive predictions (percent, mean over faces) with
        `subsets`, `by_region`, `by_landmark`, `num_steps_mean`, `num_looks_mean`,
        `settled_share` and `milliseconds_per_face`; `published_sets` (a summary for each
        published test set that is among the faces); `annotation_shift` (right and down,
        how far the annotation of most faces lies beside the answers); `trust` (of
        `summarise_trust`, with the per cent of the landmarks within their error ellipses,
        and within such of twice the size);
        `by_step` (a summary for each fixed number of steps, with its time) and
        `mean_shape` (the baseline). JSON values only.
    """
    markup, truth = predictor.config.markup, evaluation.truth
    found = evaluation.adaptive

    def summary(points: np.ndarray) -> dict[str, Any]:
        return {
            **summarise_with_subsets(points, truth, markup=markup),
            "by_region": by_region(points, truth, markup=markup),
            "by_landmark": by_landmark(points, truth, markup=markup),
        }

    published = {
        entry.name: summarise_with_subsets(
            found.points[faces], truth[faces], markup=markup
        )
        for entry, faces in sets_within([f"{folder}/{n}" for n in evaluation.names])
    }
    trust = summarise_trust(
        found.points,
        truth,
        expected_error=found.expected_error,
        score=found.score,
        markup=markup,
    )
    for name, times in (("inside_ellipses", 1), ("inside_ellipses_twice_as_large", 2)):
        trust[name] = 100 * share_inside(
            found.points, truth, found.ellipses, times=times
        )
    num_looks = float(np.mean(evaluation.num_looks))
    shift = measure_shift(found.points, truth, markup=markup)
    return {
        **summary(found.points),
        "annotation_shift": [100 * part for part in shift],
        "num_steps_mean": float(found.num_steps.mean()),
        "num_looks_mean": num_looks,
        "settled_share": float(found.settled.mean()),
        "milliseconds_per_face": evaluation.milliseconds_per_face,
        "num_refused": len(evaluation.refused),
        "published_sets": published,
        "trust": trust,
        "by_step": {
            str(step): {
                **summary(points),
                "num_steps_mean": float(step),
                "num_looks_mean": num_looks,
                "milliseconds_per_face": float(milliseconds),
            }
            for step, (points, milliseconds) in enumerate(
                zip(evaluation.fixed, evaluation.fixed_milliseconds, strict=True),
                start=1,
            )
        },
        "mean_shape": summary(evaluation.mean_shape),
    }
