"""Landmarks to train on, taught by a model: its answers beside people's annotation.

People place a landmark a little otherwise each time, along the jaw above all, and a model
that has seen many faces has learned the mean. So half of its answer and half of the
annotation is a calmer goal than the annotation alone, and the only one where landmarks came
from a program or from another markup of the same photo. Annotation that is shifted as a
whole (`annotation.py`) is moved back first. A small network learns more from a
large one's answers, or from the mean of several, than from the faces alone (Hinton et al.,
Distilling the Knowledge in a Neural Network, 2015).
"""

import dataclasses
import functools
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rcsr_jax.annotation import measure_shift
from rcsr_jax.config.fields import check_at_least
from rcsr_jax.data.cutting import Source
from rcsr_jax.data.held_out import hold_out
from rcsr_jax.data.refusals import Refusal
from rcsr_jax.data.sources import OnProgress
from rcsr_jax.inference import Faces, Photo, Predictor
from rcsr_jax.markup import Markup
from rcsr_jax.metrics import interocular_distance, nme
from rcsr_jax.placing import placed


@dataclasses.dataclass(frozen=True, kw_only=True)
class Teaching:
    """How the answers of models and the annotation make the landmarks to train on.

    Attributes:
        share: of the answer, 0 to 1; the rest is the annotation's. What is not annotated
            stays so, unless the answer is all there is (1).
        place: first resize each annotated shape and move it to where the models see it:
            for shapes that are right and places that are not.
        most_apart: faces whose annotation, placed, is further from the answer are left
            out; mean over the annotated landmarks, in eye distances of the answer.
        min_score: faces that the models score lower, in the mean, are left out.
    """

    share: float = 0.5
    place: bool = False
    most_apart: float = np.inf
    min_score: float = 0.0

    def __post_init__(self):
        for name in ("share", "min_score"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f"{name} must be from 0 to 1; got {getattr(self, name)}."
                )
        check_at_least(self, 0, "most_apart")


class Taught(NamedTuple):
    """Faces with taught landmarks.

    Attributes:
        sources: the faces, each with the landmarks to train on in place of its own.
        refused: faces that cannot be used, and those that were left out, with the reason.
    """

    sources: list[Source]
    refused: tuple[Refusal, ...]


def teach(
    sources: Sequence[Source],
    teachers: Sequence[Predictor],
    *,
    teaching: Teaching,
    validation_faces: int = 0,
    strict: bool = False,
    on_progress: OnProgress = lambda done, total: None,
) -> Taught:
    """Faces with the landmarks that models and the annotation agree on.

    Annotation that lies beside the answers by one shift in all the faces is moved back by
    it (`annotation.measure_shift`): to a network that is trained with mirror images it
    would be noise.

    Args:
        sources: annotated faces.
        teachers: the models, of the same markup, without the shift of the annotation
            (`annotation_shift` of zero); what they say is the mean of their answers.
        teaching: how much they say.
        validation_faces: how many of the faces will be held out to validate on: those
            keep their annotation.
        strict: end where a photo cannot be read or cut, rather than leave it out.
        on_progress: called with (faces done, faces).

    Raises:
        ValueError: there is no teacher, teachers have other landmarks than each other,
            so many faces cannot be held out, or a photo is unusable and `strict` holds.
    """
    if not teachers:
        raise ValueError("without a teacher nobody is taught.")
    markup = teachers[0].config.markup
    for teacher in teachers[1:]:
        if not teacher.config.markup.same_landmarks(markup):
            raise ValueError(
                f"teachers find the same landmarks; got those of {markup.name} and of "
                f"{teacher.config.markup.name}."
            )
    held = _held_out(sources, count=validation_faces)
    annotated: dict[str, np.ndarray] = {}

    def photo_of(source: Source) -> Photo:
        image, points, box = source.load()
        annotated[source.name] = np.asarray(points, np.float64)
        return image, np.asarray(box)[None]

    pupils = [source for source in sources if source.name not in held]
    photos = [functools.partial(photo_of, source) for source in pupils]
    answers = zip(
        *(teacher.stream(photos, return_exceptions=True) for teacher in teachers),
        strict=True,
    )
    lessons: dict[str, _Lesson] = {}
    refused: dict[str, str] = {}
    unusable: dict[str, str] = {}
    for done, (source, answer) in enumerate(zip(pupils, answers, strict=True), start=1):
        try:
            found = [_raised(faces) for faces in answer]
        except (ValueError, OSError) as error:
            if strict:
                raise ValueError(f"{source.name}: {error}") from error
            unusable[source.name] = str(error)
            continue
        finally:
            on_progress(done, len(pupils))
        try:
            lessons[source.name] = _lesson(
                annotated.pop(source.name), found, teaching=teaching
            )
        except ValueError as error:
            refused[source.name] = str(error)
    unusable |= _unusable([s for s in sources if s.name in held], teachers[0])
    if strict and unusable:
        name, reason = next(iter(unusable.items()))
        raise ValueError(f"{name}: {reason}")
    goals, left_out = _goals(lessons, teaching=teaching, markup=markup)
    refused |= left_out | unusable
    used = [source for source in sources if source.name not in refused]
    kept = held | _held_out_of_rest(used, refused, count=validation_faces)
    return Taught(
        [s if s.name in kept else _taught(s, goals[s.name]) for s in used],
        tuple(Refusal(s.name, refused[s.name]) for s in sources if s.name in refused),
    )


def _raised(answer: Faces | Exception) -> Faces:
    if isinstance(answer, Exception):
        raise answer
    return answer


class _Lesson(NamedTuple):
    """What is said of a face: float [num_points, 2] by people and by models."""

    annotated: np.ndarray
    seen: np.ndarray


def _lesson(
    points: np.ndarray, found: Sequence[Faces], *, teaching: Teaching
) -> _Lesson:
    """Raises ValueError for a face that is left out."""
    if points.shape != found[0].points.shape[1:]:
        raise ValueError(
            f"{len(points)} landmarks are annotated, the teacher finds "
            f"{found[0].points.shape[1]}"
        )
    seen = np.mean([faces.points[0] for faces in found], axis=0)
    score = float(np.mean([faces.score[0] for faces in found]))
    if score < teaching.min_score:
        raise ValueError(f"the teacher's score is {score:.2f}")
    return _Lesson(placed(points, seen) if teaching.place else points, seen)


def _goals(
    lessons: dict[str, _Lesson], *, teaching: Teaching, markup: Markup
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The landmarks to train on, by name, and why faces are left out."""
    goals: dict[str, np.ndarray] = {}
    refused: dict[str, str] = {}
    if not lessons:
        return goals, refused
    points, seen = map(np.stack, zip(*lessons.values(), strict=True))
    eyes = interocular_distance(seen, markup=markup)
    shift = np.array(measure_shift(seen, points, markup=markup))
    points = points - eyes[:, None, None] * shift
    share = teaching.share
    taught = seen if share == 1 else (1 - share) * points + share * seen
    apart = np.asarray(nme(seen, points, distance=eyes))
    for name, goal, misfit in zip(lessons, taught, apart, strict=True):
        if misfit > teaching.most_apart:
            refused[name] = f"the teacher's answer is {misfit:.3f} eye distances away"
        else:
            goals[name] = goal.astype(np.float32)
    return goals, refused


def _unusable(sources: Sequence[Source], teacher: Predictor) -> dict[str, str]:
    """Faces that cannot be cut, and why: others will be held out in their place."""
    reasons = {}
    for source in sources:
        try:
            image, _, box = source.load()
            teacher.crops(image, np.asarray(box)[None])
        except (ValueError, OSError) as error:
            reasons[source.name] = str(error)
    return reasons


def _held_out(sources: Sequence[Source], *, count: int) -> set[str]:
    return set(hold_out([source.name for source in sources], count=count)[1])


def _held_out_of_rest(
    used: Sequence[Source], refused: dict[str, str], *, count: int
) -> set[str]:
    """Without those that were refused, others may be held out."""
    try:
        return _held_out(used, count=count)
    except ValueError as error:
        if not refused:
            raise
        name, reason = next(iter(refused.items()))
        raise ValueError(
            f"{len(refused)} faces were left out, {name} as {reason}: of the {len(used)} "
            f"that remain {count} cannot be held out ({error})"
        ) from error


def _taught(source: Source, goal: np.ndarray) -> Source:
    stamp = f"{source.stamp} {hashlib.sha256(goal.tobytes()).hexdigest()}"
    return Source(source.name, functools.partial(_load, source, goal), stamp, True)


def _load(
    source: Source, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    image, _, box = source.load()
    return image, points, box
