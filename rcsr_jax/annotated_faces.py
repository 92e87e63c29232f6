"""Annotated faces, and what a predictor sees of them."""

import functools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from rcsr_jax.data.cutting import Source
from rcsr_jax.data.refusals import Refusal, none_usable
from rcsr_jax.data.sources import OnProgress
from rcsr_jax.inference import Photo, Predictor
from rcsr_jax.looks import Sight, join_sights


class AnnotatedFaces(NamedTuple):
    """Faces of which the landmarks are known.

    Attributes:
        names: of the faces.
        truth: float32 [faces, num_points, 2], px of the photos.
        boxes: float32 [faces, 4].
        refused: faces that could not be used, and why.
    """

    names: tuple[str, ...]
    truth: np.ndarray
    boxes: np.ndarray
    refused: tuple[Refusal, ...]


def annotated_faces(
    loaded: Sequence[tuple[str, np.ndarray, np.ndarray]], refused: Sequence[Refusal]
) -> AnnotatedFaces:
    """Annotated faces from the name, the landmarks and the box of each.

    Args:
        loaded: the name, float [num_points, 2] and float [4]; of one face at least.
        refused: those that could not be loaded.
    """
    names, truths, boxes = zip(*loaded, strict=True)
    return AnnotatedFaces(
        names=names,
        truth=np.array(truths, np.float32),
        boxes=np.array(boxes, np.float32),
        refused=tuple(refused),
    )


def see_faces(
    predictor: Predictor,
    sources: Sequence[Source],
    *,
    boxes_for: Callable[[np.ndarray], np.ndarray] = lambda box: box,
    num_steps: int | None = None,
    strict: bool = False,
    on_progress: OnProgress = lambda done, total: None,
) -> tuple[AnnotatedFaces, Sight]:
    """Annotated faces, and what calls of a predictor find on them.

    Args:
        predictor: that is to see them.
        sources: the faces; those that cannot be used are left out and named.
        boxes_for: boxes in which each face is looked for, float [n, 4] for its own [4]; of
            n boxes there are n rows for each face in what is seen.
        num_steps: as in the call.
        strict: end at the first face that cannot be used, rather than leave it out.
        on_progress: called with (faces done, faces).

    Raises:
        ValueError: no face can be used, or one cannot and `strict` holds.
    """
    waiting: deque[tuple[Source, dict[str, np.ndarray]]] = deque()

    def items() -> Iterator[Callable[[], Photo]]:
        for source in sources:
            known: dict[str, np.ndarray] = {}
            waiting.append((source, known))
            yield functools.partial(load, source, known)

    def load(source: Source, known: dict[str, np.ndarray]) -> Photo:
        image, known["points"], known["box"] = source.load()
        return image, boxes_for(known["box"])

    loaded, sights, refused = [], [], []
    answers = predictor.sights(items(), num_steps=num_steps, return_exceptions=True)
    for done, answer in enumerate(answers, start=1):
        source, known = waiting.popleft()
        if isinstance(answer, ValueError):
            if strict:
                raise ValueError(f"{source.name}: {answer}") from answer
            refused.append(Refusal(source.name, str(answer)))
        elif isinstance(answer, Exception):  # the machine's fault, not the face's
            raise answer
        else:
            loaded.append((source.name, known["points"], known["box"]))
            sights.append(answer)
        on_progress(done, len(sources))
    if not loaded:
        raise none_usable(refused, purpose="evaluated")
    return annotated_faces(loaded, refused), join_sights(sights)
