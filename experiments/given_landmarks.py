"""Landmarks in a file, of any program, beside the annotation: rcsr-evaluate --landmarks."""

import functools
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from rcsr_jax.data.annotations import AnnotatedFace, read_annotations, read_pts
from rcsr_jax.data.annotations.pts import SUFFIX
from rcsr_jax.data.cutting import Source
from rcsr_jax.data.held_out import image_of, is_same_path
from rcsr_jax.data.names import one_spelling
from rcsr_jax.data.refusals import Refusal
from rcsr_jax.data.sources import use_each
from rcsr_jax.geometry import box_around, box_of, overlap
from rcsr_jax.markup import Markup

_FACE_NUMBER = re.compile("_face[0-9]+$")
# stem of the file -> image -> its faces
_ByStem = dict[str, dict[str, list[AnnotatedFace]]]


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
    strict: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> GivenLandmarks:
    """The landmarks of a file for annotated faces.

    An image is known by its path, of which one of the two may hold the end alone; a `.pts`
    without an image beside it by its own, without the suffix. Of several faces of an image
    each annotated one gets that which overlaps it most.

    Args:
        path: any file of landmarks, or a folder of `.pts` files.
        sources: the annotated faces.
        markup: of both.
        strict: end at the first face that cannot be judged, rather than leave it out.
        on_progress: called with (faces done, faces).

    Raises:
        ValueError: the file cannot be read, or says nothing of any of the faces.
    """
    by_stem: _ByStem = defaultdict(lambda: defaultdict(list))
    for face in map(
        functools.partial(_without_image, Path(path)), read_annotations(path)
    ):
        image = one_spelling(PurePosixPath(face.image).as_posix())
        by_stem[PurePosixPath(image).stem][image].append(face)
    num_annotated = Counter(image_of(source.name) for source in sources)

    def pair(source: Source) -> tuple[str, np.ndarray, np.ndarray]:
        _, truth, _ = source.load()
        is_alone = num_annotated[image_of(source.name)] == 1
        points = _best(_faces_of(by_stem, source.name), truth, is_alone=is_alone)
        if points.shape != (markup.num_points, 2):
            raise ValueError(
                f"{len(points)} landmarks in {path}; markup {markup.name} has "
                f"{markup.num_points}"
            )
        return source.name, points, truth

    pairs, refused = use_each(
        sources, pair, purpose="evaluated", strict=strict, on_progress=on_progress
    )
    names, points, truth = zip(*pairs, strict=True)
    return GivenLandmarks(
        names=names,
        points=np.array(points, np.float32),
        truth=np.array(truth, np.float32),
        refused=refused,
    )


def _without_image(root: Path, face: AnnotatedFace) -> AnnotatedFace:
    """A face of a folder; its landmarks too where its `.pts` has no image beside it."""
    path = root / face.image
    if path.suffix.lower() != SUFFIX or not path.is_file():
        return face
    # as rcsr-predict calls the faces of a photo that has several
    photo = _FACE_NUMBER.sub("", path.stem)
    image = PurePosixPath(face.image).with_name(f"{photo}{SUFFIX}").as_posix()
    try:
        return AnnotatedFace(image, read_pts(path))
    except ValueError as error:
        return AnnotatedFace(image, problem=str(error))


def _faces_of(by_stem: _ByStem, name: str) -> list[AnnotatedFace]:
    """The faces of the image of an annotated face."""
    image = PurePosixPath(one_spelling(image_of(name)))
    found = by_stem.get(image.stem, {})
    if (whole := image.as_posix()) in found:
        return found[whole]
    alone = image.with_suffix(SUFFIX).as_posix()
    same = [
        faces
        for other, faces in found.items()
        if is_same_path(other, alone if other.endswith(SUFFIX) else whole)
    ]
    if len(same) > 1:
        raise ValueError("the file names several images of this name")
    return same[0] if same else []


def _best(
    faces: Sequence[AnnotatedFace], truth: np.ndarray, *, is_alone: bool
) -> np.ndarray:
    """The landmarks that overlap an annotation most; of one face those, wherever.

    Args:
        faces: what the file says of the image.
        truth: float [num_points, 2].
        is_alone: no other face of the image is annotated.
    """
    known = [face.points for face in faces if face.points is not None]
    if not known:
        problem = next((face.problem for face in faces if face.problem), "")
        raise ValueError(problem or "no landmarks of it in the file")
    seen = [points for points in known if not np.isnan(points).all()]
    if is_alone and not seen:
        return known[0]
    tight = np.array([box_of(points) for points in seen]).reshape(-1, 4)
    around = box_of(truth)
    if is_alone:
        return seen[int(overlap(tight, around).argmax())]
    number = box_around(tight, around)
    if number is None:  # they are those of another face
        raise ValueError("no landmarks of it in the file")
    return seen[number]
