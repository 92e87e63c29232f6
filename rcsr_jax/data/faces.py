"""An annotated data set as records: image, points and box of every face that is usable.

Read are a folder with images beside `.pts` files of the same stem, at any depth (300-W); a
folder with a `landmarks.json`; and any file that `annotations` reads: JSON, CSV, COCO,
dlib's XML. A face's name is the path of its image relative to the data folder, with #1,
#2 and so on behind it where the image has several. Faces that cannot be used are named
with the reason and left out.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rcsr_jax.data.annotations import AnnotatedFace
from rcsr_jax.data.entries import Entry, list_entries
from rcsr_jax.data.face_boxes import check_box, listed_box, own_box
from rcsr_jax.data.held_out import names_in_split
from rcsr_jax.data.images import image_size
from rcsr_jax.data.refusals import Refusal
from rcsr_jax.geometry import box_of
from rcsr_jax.markup import Markup

_LEAST_SPAN = 2.0  # pixels: no face is smaller, and shares of a photo end at 1


class Face(NamedTuple):
    """One annotated face.

    Attributes:
        name: path of the image relative to the data folder, with "/", and which of its
            faces, where it has several; unique in a set.
        path: the image.
        points: float32 [num_points, 2], (x, y) in pixels, NaN where not annotated.
        box: float32 [4], (x0, y0, x1, y1) in pixels.
    """

    name: str
    path: Path
    points: np.ndarray
    box: np.ndarray


class FaceSet(NamedTuple):
    """The faces of a data set and those left out, both sorted by name."""

    faces: tuple[Face, ...]
    refused: tuple[Refusal, ...]


def read_faces(
    data: str | Path,
    *,
    markup: Markup,
    split: str = "all",
    boxes: str | Path | None = None,
    seed: int = 0,
    strict: bool = False,
) -> FaceSet:
    """The faces of a data set; pictures are not decoded, only their headers read.

    Args:
        data: a folder of images and `.pts` files, a folder with `landmarks.json`, or a
            JSON, CSV or XML file (see `annotations`). The images of a file lie relative
            to it, or to `img` or `images` beside it; those of a CSV called
            `train_keypoints.csv` in `train` beside it or relative to it.
        markup: how many landmarks a face must have.
        split: as `held_out.names_in_split` takes it.
        boxes: CSV of face boxes; an image is looked up by its path relative to `data`,
            then by the name that `data` has for it, then by its path relative to the CSV.
            Of several boxes of an image the one that overlaps the landmarks most is the
            face's. None takes the boxes of `data` where it has any, and else draws a
            detector-like box for a face, which depends on `seed` and its name alone.
        seed: of the drawn boxes, 0 or more.
        strict: raise an error where a face would be left out.

    Raises:
        ValueError: nothing to read at `data`, no face in the split, all faces refused,
            or any of them with `strict`.
    """
    data = Path(data)
    entries, refused = list_entries(data)
    names = [entry.name for entry in entries] + [name for name, _ in refused]
    wanted = names_in_split(names, split=split, origin=data)
    root = data if data.is_dir() else data.parent
    find_box = (
        own_box(seed=seed) if boxes is None else listed_box(Path(boxes), root=root)
    )

    faces, refused = [], [refusal for refusal in refused if refusal.name in wanted]
    for entry in (entry for entry in entries if entry.name in wanted):
        try:
            points = _points_of(entry.face, num_points=markup.num_points)
            box = find_box(entry, box_of(points))
            check_box(box, points, size=image_size(root / entry.image))
        except ValueError as error:
            refused.append(Refusal(entry.name, str(error).rstrip(".")))
        else:
            faces.append(Face(entry.name, root / entry.image, points, box))
    if refused and (strict or not faces):
        first = "; ".join(f"{name}: {reason}" for name, reason in sorted(refused)[:3])
        raise ValueError(
            f"{data}: {len(refused)} of {len(wanted)} faces cannot be used: "
            f"{first}.{_remedy(entries, wanted=wanted, markup=markup)}"
        )
    return FaceSet(
        tuple(sorted(faces, key=lambda face: face.name)), tuple(sorted(refused))
    )


def _remedy(entries: Sequence[Entry], *, wanted: set[str], markup: Markup) -> str:
    """What to do where all faces have the same other number of landmarks; or nothing."""
    faces = [entry.face.points for entry in entries if entry.name in wanted]
    numbers = {len(points) for points in faces if points is not None}
    if len(numbers) != 1 or numbers == {markup.num_points}:
        return ""
    (number,) = numbers
    return (
        f" To train on {number} landmarks describe them with --markup=FILE.json "
        f"(docs/own_landmarks.md); other programs take a model of {number} landmarks as "
        "--checkpoint."
    )


def _points_of(face: AnnotatedFace, *, num_points: int) -> np.ndarray:
    points = face.points
    if points is None or np.isnan(points).all():
        raise ValueError("no landmark is annotated")
    if len(points) != num_points:
        raise ValueError(f"{len(points)} points, where {num_points} are needed")
    span = float(np.ptp(box_of(points).reshape(2, 2), axis=0).max())
    if np.isfinite(points).all(-1).sum() > 1 and span < _LEAST_SPAN:
        raise ValueError(
            f"its landmarks span {span:.2g} pixels: they are in pixels, not in shares of "
            "the photo's sides"
        )
    return points
