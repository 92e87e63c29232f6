"""Landmarks in a file, of any program, beside the annotation: rcsr-evaluate --landmarks."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from rcsr_jax.data.annotations import AnnotatedFace, read_annotations
from rcsr_jax.data.crops import Source
from rcsr_jax.data.held_out import image_of, is_same_path
from rcsr_jax.data.names import one_spelling
from rcsr_jax.data.refusals import Refusal
from rcsr_jax.data.sources import use_each
from rcsr_jax.geometry import box_of, overlap
from rcsr_jax.markup import Markup

# file name -> image -> its faces
_ByFileName = dict[str, dict[str, list[AnnotatedFace]]]


class GivenLandmarks(NamedTuple):
    """What a file says of annotated faces, in pixels of the photos.

    Attributes:
        names: of the faces.
        points: float32 [faces, num_points, 2], those of the file.
        truth: float32 [faces, num_points, 2], the annotation.
        refused: faces that could not be read or of which the file says nothing.
    """

    names: tuple[str, ...]
    points: np.ndarray
    truth: np.ndarray
    refused: tuple[Refusal, ...]


def read_given(
    path: str | Path,
    sources: Sequence[Source],
    *,
    markup: Markup,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> GivenLandmarks:
    """The landmarks of a file for annotated faces.

    An image is known by its path, of which one of the two may hold the end alone. Of
    several faces of an image each annotated one gets that which overlaps it most.

    Args:
        path: any file of landmarks, or a folder of `.pts` files.
        sources: the annotated faces.
        markup: of both.
        on_progress: called with (faces done, faces).

    Raises:
        ValueError: the file cannot be read, or says nothing of any of the faces.
    """
    by_file_name: _ByFileName = defaultdict(lambda: defaultdict(list))
    for face in read_annotations(path):
        image = one_spelling(PurePosixPath(face.image).as_posix())
        by_file_name[PurePosixPath(image).name][image].append(face)

    def pair(source: Source) -> tuple[str, np.ndarray, np.ndarray]:
        _, truth, _ = source.load()
        points = _best(_faces_of(by_file_name, source.name), truth)
        if points.shape != (markup.num_points, 2):
            raise ValueError(
                f"{len(points)} landmarks in {path}; markup {markup.name} has "
                f"{markup.num_points}"
            )
        return source.name, points, truth

    pairs, refused = use_each(
        sources, pair, purpose="evaluated", on_progress=on_progress
    )
    names, points, truth = zip(*pairs, strict=True)
    return GivenLandmarks(
        names=names,
        points=np.array(points, np.float32),
        truth=np.array(truth, np.float32),
        refused=refused,
    )


def _faces_of(by_file_name: _ByFileName, name: str) -> list[AnnotatedFace]:
    """The faces of the image of an annotated face."""
    image = PurePosixPath(one_spelling(image_of(name)))
    found = by_file_name.get(image.name, {})
    if (whole := image.as_posix()) in found:
        return found[whole]
    same = [faces for other, faces in found.items() if is_same_path(other, whole)]
    if len(same) > 1:
        raise ValueError("the file names several images of this name")
    return same[0] if same else []


def _best(faces: Sequence[AnnotatedFace], truth: np.ndarray) -> np.ndarray:
    """The landmarks that overlap an annotation most; of one face those, wherever."""
    known = [face.points for face in faces if face.points is not None]
    if not known:
        problem = next((face.problem for face in faces if face.problem), "")
        raise ValueError(problem or "no landmarks of it in the file")
    around = box_of(truth)
    shared = [
        0.0 if np.isnan(points).all() else float(overlap(box_of(points), around))
        for points in known
    ]
    return known[int(np.argmax(shared))]
