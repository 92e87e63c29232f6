"""Test faces judged: predictions, rows of errors, and pictures of single faces."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from rcsr_jax.annotated_faces import AnnotatedFaces
from rcsr_jax.costs import static_costs
from rcsr_jax.data.cutting import Source, cut_crop
from rcsr_jax.evaluation import Evaluation, evaluate
from rcsr_jax.geometry import frame_of_box, to_crop
from rcsr_jax.inference import Predictor
from rcsr_jax.markup import FACE_68
from rcsr_jax.metrics import interocular_errors
from rcsr_jax.plots import draw_overlay
from rcsr_jax.summaries import summarise_with_subsets

from .. import outputs
from .study import Study


def with_steps(predictor: Predictor, steps: int) -> Predictor:
    """The predictor, with at least so many recurrences before it gives up."""
    most = max(steps, predictor.config.max_steps)
    return Predictor(
        predictor.params, dataclasses.replace(predictor.config, max_steps=most)
    )


def judge(study: Study, predictor: Predictor) -> Evaluation:
    """Its predictions for the test faces."""
    found = evaluate(predictor, study.tests)
    outputs.tell_refused(found.refused)
    return found


def score(
    study: Study,
    method: str,
    points: np.ndarray,
    found: Evaluation | AnnotatedFaces,
    **more: Any,
) -> dict[str, Any]:
    """A row of results: the errors on all test faces and on each test set.

    Args:
        study: names the test sets.
        method: what the row is called.
        points: float [faces, num_points, 2], px of the photos.
        found: gives the truth.
        more: further entries.
    """
    place = {name: index for index, name in enumerate(found.names)}

    def errors(faces: Sequence[int] | slice) -> dict[str, Any]:
        return summarise_with_subsets(points[faces], found.truth[faces], markup=FACE_68)

    sets = {
        name: errors([place[face] for face in faces if face in place])
        for name, faces in study.test_sets.items()
    }
    return {"method": method, **errors(slice(None)), "sets": sets, **more}


def score_adaptive(
    study: Study, method: str, predictor: Predictor, found: Evaluation
) -> dict[str, Any]:
    """The row of a model that stops by itself, with its costs."""
    return score(
        study,
        method,
        found.adaptive.points,
        found,
        num_steps_mean=float(found.adaptive.num_steps.mean()),
        milliseconds_per_face=found.milliseconds_per_face,
        parameters=static_costs(predictor.config).parameters,
    )


def face_errors(points: np.ndarray, found: Evaluation | AnnotatedFaces) -> np.ndarray:
    """The inter-ocular error of each face, as a share; infinite without eye corners."""
    errors = interocular_errors(points, found.truth, markup=FACE_68)
    return np.where(np.isnan(errors), np.inf, errors)


def face_picture(source: Source, points: np.ndarray, *, side: int = 192) -> np.ndarray:
    """A test face in grey with landmarks over it.

    Args:
        source: the face.
        points: float [num_points, 2], px of its photo.
        side: px of the picture.

    Returns:
        uint8 [side, side, 3].
    """
    image, _, box = source.load()
    frame = frame_of_box(box, frame_scale=1.6, size=side)
    grey = cut_crop(image, frame, size=side)
    return draw_overlay(grey, to_crop(points, frame), markup=FACE_68, min_side=side)
