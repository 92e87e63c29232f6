"""What every annotation file is read into, and what may stand in one.

In memory everything is 0-based: points are float32 [num_points, 2], (x, y) in pixels, an
integer being the centre of a pixel, with NaN where a landmark is not annotated; boxes are
float32 [4], (x0, y0, x1, y1).
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rcsr_jax.data.names import name_problem, shown

_LARGEST = 1e6  # px; no photo is as wide, and float32 still keeps a tenth of a pixel
_LONGEST = 1 << 30  # characters of a file; the longest of COCO has half of that


class AnnotatedFace(NamedTuple):
    """One face of an annotation file. An image may have several.

    Attributes:
        image: name of the image as the file has it, with "/".
        points: float32 [num_points, 2]; None: the face has only a box.
        box: float32 [4]; None: the file has none for it.
        problem: why the entry cannot be used, in words that follow the name of the image;
            then it has neither points nor box.
    """

    image: str
    points: np.ndarray | None = None
    box: np.ndarray | None = None
    problem: str = ""


def face_of(image: str, *, pairs: Any = None, corners: Any = None) -> AnnotatedFace:
    """A face from the values in a file, or the problem with them.

    Args:
        image: its name.
        pairs: a list of x and y for each landmark, or None; see `to_points`.
        corners: x0, y0, x1, y1, or None.
    """
    try:
        points = None if pairs is None else to_points(pairs).astype(np.float32)
        box = None if corners is None else to_box(corners)
    except ValueError as error:
        return AnnotatedFace(image, problem=str(error))
    return AnnotatedFace(image, points, box)


def by_image(faces: Iterable[AnnotatedFace]) -> Mapping[str, list[AnnotatedFace]]:
    """The faces of each image, images and faces in the order given."""
    grouped: dict[str, list[AnnotatedFace]] = {}
    for face in faces:
        grouped.setdefault(face.image, []).append(face)
    return grouped


def to_points(pairs: Any) -> np.ndarray:
    """float64 [num_points, 2] of a file's values.

    Args:
        pairs: a list of [x, y], numbers or their texts; None for either, an empty text or
            None for the pair stand for what is not annotated.

    Raises:
        ValueError: the reason, if they are no points.
    """
    if not isinstance(pairs, list) or not pairs:
        raise ValueError("not a list of points")
    points = np.empty((len(pairs), 2))
    for index, pair in enumerate(pairs):
        pair = [None, None] if pair is None else pair
        if not isinstance(pair, list) or len(pair) != 2:
            raise ValueError(f"landmark {index} is not an x and a y: {shown(pair)}")
        try:
            x, y = (to_number("nan" if v in (None, "") else v) for v in pair)
        except ValueError as error:
            raise ValueError(
                f"landmark {index} is not two numbers: {shown(pair)}"
            ) from error
        if abs(x) > _LARGEST or abs(y) > _LARGEST or math.isnan(x) != math.isnan(y):
            raise ValueError(
                f"landmark {index} is not two pixel positions or two nan: {shown(pair)}"
            )
        points[index] = x, y
    return points


def to_box(corners: Any) -> np.ndarray:
    """float32 [4] of a file's values.

    Args:
        corners: a list or tuple of x0, y0, x1, y1, numbers or their texts.

    Raises:
        ValueError: the reason, if they are no box.
    """
    try:
        x0, y0, x1, y1 = box = to_numbers(corners)
    except ValueError as error:
        raise ValueError(f"its box {shown(corners)} is not four numbers") from error
    # Chained so that NaN fails too.
    if not (-_LARGEST < x0 < x1 < _LARGEST and -_LARGEST < y0 < y1 < _LARGEST):
        raise ValueError(f"a box has finite x0 < x1, y0 < y1; got {box}")
    return np.array(box, np.float32)


def to_number(value: Any) -> float:
    """A number of a file, or its text.

    Raises:
        ValueError: it is none; Python would take true for 1 and "1_0" for 10.
    """
    if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
        raise ValueError(f"{value} is not a number")
    try:
        return float(value)
    except (TypeError, OverflowError) as error:
        raise ValueError(f"{shown(value)} is not a number") from error


def to_numbers(values: Any) -> tuple[float, ...]:
    """The numbers of a list.

    Raises:
        ValueError: it is no list, as a text or an object is not, or not of numbers.
    """
    if not isinstance(values, list | tuple):
        raise ValueError(f"{shown(values)} is not a list")
    return tuple(to_number(value) for value in values)


def checked_points(points: np.ndarray, *, where: str | Path) -> np.ndarray:
    """Points that are to be written.

    Raises:
        ValueError: naming `where`, if they are not [num_points, 2] and each of them two
            pixel positions or two NaN, as they are read.
    """
    points = np.asarray(points)
    if points.ndim != 2 or points.shape[1] != 2 or not points.size:
        raise ValueError(
            f"{where}: points are [num_points, 2]; got shape {points.shape}."
        )
    missing = np.isnan(points)
    good = (np.abs(points) <= _LARGEST) | missing
    if not (good.all() and (missing[:, 0] == missing[:, 1]).all()):
        raise ValueError(
            f"{where}: points are finite, at most {_LARGEST:g} pixels off, or two NaN; "
            f"got {shown(points.tolist())}."
        )
    return points


def checked_name(image: str, *, where: str | Path) -> str:
    """The name of an image that is to be written.

    Raises:
        ValueError: naming `where`, if it could not be read again.
    """
    if problem := name_problem(image):
        raise ValueError(f"{where}: {shown(image)!r}: {problem}.")
    return image


def annotated(
    faces: Iterable[AnnotatedFace], *, where: str | Path
) -> Iterator[tuple[AnnotatedFace, np.ndarray]]:
    """The faces that have landmarks, with them, checked.

    Raises:
        ValueError: as for `checked_points`.
    """
    for face in faces:
        if face.points is not None:
            yield face, checked_points(face.points, where=f"{where}: {face.image}")


def num_points_of(faces: Sequence[AnnotatedFace], *, where: str | Path) -> int:
    """The number of landmarks of faces that are to share a file; 0: none has any.

    Raises:
        ValueError: they differ.
    """
    counts = {len(points): face.image for face, points in annotated(faces, where=where)}
    if len(counts) > 1:
        told = ", ".join(f"{count} in {image}" for count, image in counts.items())
        raise ValueError(
            f"{where}: every face of such a file has the same landmarks; got {told}."
        )
    return next(iter(counts), 0)


def plain(values: np.ndarray) -> list:
    """Numbers to write: lists of floats, to a millionth."""
    return np.asarray(values, np.float64).round(6).tolist()


def read_text(path: str | Path) -> str:
    """The text of a file.

    Raises:
        ValueError: it is missing, not in UTF-8 or without an end.
    """
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            text = file.read(_LONGEST + 1)
    except OSError as error:
        raise ValueError(f"{path}: cannot read it: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text file in UTF-8: {error}.") from error
    if len(text) > _LONGEST:
        raise ValueError(f"{path}: more than {_LONGEST} characters; split it.")
    return text
