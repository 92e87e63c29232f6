"""Annotated faces, and what a predictor sees of them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from rcsr_jax.data.crops import Source
from rcsr_jax.data.refusals import Refusal
from rcsr_jax.data.sources import OnProgress, use_each
from rcsr_jax.inference import Predictor
from rcsr_jax.looks import Sight, join_sights

Used = TypeVar("Used")


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


def use_faces(
    sources: Sequence[Source],
    use: Callable[[np.ndarray, np.ndarray], Used],
    *,
    on_progress: OnProgress = lambda done, total: None,
) -> tuple[AnnotatedFaces, list[Used]]:
    """Annotated faces, and what is made of the photo and the box of each.

    Args:
        sources: the faces; those that cannot be used are left out and named.
        use: called with uint8 [height, width] or [height, width, 3] and float [4]; raises
            ValueError where a face cannot be used.
        on_progress: called with (faces done, faces).

    Raises:
        ValueError: no face can be used.
    """

    def load(source: Source) -> tuple[str, np.ndarray, np.ndarray, Used]:
        image, points, box = source.load()
        return source.name, points, box, use(image, box)

    loaded, refused = use_each(
        sources, load, purpose="evaluated", on_progress=on_progress
    )
    names, truths, boxes, used = zip(*loaded, strict=True)
    faces = AnnotatedFaces(
        names=names,
        truth=np.array(truths, np.float32),
        boxes=np.array(boxes, np.float32),
        refused=refused,
    )
    return faces, list(used)


def see_faces(
    predictor: Predictor,
    sources: Sequence[Source],
    *,
    on_progress: OnProgress = lambda done, total: None,
) -> tuple[AnnotatedFaces, Sight]:
    """Annotated faces, and what calls of a predictor find on them.

    Args, raises: those of `use_faces`.
    """
    faces, sights = use_faces(
        sources,
        lambda image, box: predictor.look(image, predictor.frames(image, box)),
        on_progress=on_progress,
    )
    return faces, join_sights(sights)
