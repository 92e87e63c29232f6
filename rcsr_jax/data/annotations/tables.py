"""CSV: face boxes, and landmarks with a row for each face. 0-based on disk."""

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from rcsr_jax.box_checks import size_hint
from rcsr_jax.data.annotations.holding import check_held
from rcsr_jax.data.annotations.records import (
    AnnotatedFace,
    checked_name,
    checked_points,
    face_of,
    num_points_of,
    plain,
    read_text,
    to_box,
    to_number,
)
from rcsr_jax.data.names import shown
from rcsr_jax.data.whole_files import csv_text, write_whole

_BOX_COLUMNS = ("image", "x0", "y0", "x1", "y1")
_OTHER_MARKS = {";": "semicolons", "\t": "tabs"}
# Of a table of landmarks, beside x_0, y_0, x_1, y_1 and so on.
FACE_COLUMNS = ("image", "box_x0", "box_y0", "box_x1", "box_y1")

_Rows = Iterator[tuple[int, list[str]]]


def read_boxes(path: str | Path) -> dict[str, np.ndarray]:
    """The face boxes of a CSV file with the columns image, x0, y0, x1, y1.

    Without these, box_x0, box_y0, box_x1 and box_y1 of a table of landmarks. Other columns
    are ignored. An image may have several boxes, but not one box twice.

    Returns:
        image name as written -> float32 [num_boxes, 4], 0-based pixels, in file order.

    Raises:
        ValueError: the file is missing, lacks a column or any row or has a column twice,
            or a row holds something that is not a finite number, an inverted box or a
            repeated one.
    """
    header, rows = _read_csv(path)
    kinds = (_BOX_COLUMNS, FACE_COLUMNS)
    names = next((kind for kind in kinds if set(kind) <= set(header)), _BOX_COLUMNS)
    if missing := [name for name in names if name not in header]:
        raise ValueError(
            f"{path}: line 1 must name the columns {','.join(_BOX_COLUMNS)}; it lacks "
            f"{','.join(missing)} and has {shown(','.join(header))}{_spelling(header)}."
        )
    _check_once(path, header, names)
    columns = [header.index(name) for name in names]
    boxes: dict[str, list[tuple[float, ...]]] = {}
    for line, row in rows:
        where = f"{path}: line {line}"
        if len(row) <= max(columns) or not row[columns[0]].strip():
            raise ValueError(f"{where}: needs a value for {','.join(names)}.")
        image, *corners = (row[column].strip() for column in columns)
        if names == FACE_COLUMNS and not any(corners):
            continue  # landmarks may stand there without a box
        try:
            box = tuple(to_box(corners).tolist())
        except ValueError as error:
            raise ValueError(f"{where}: {error}{_as_sizes(corners)}.") from error
        if box in boxes.setdefault(image, []):
            raise ValueError(f"{where}: {shown(image)} has this box twice.")
        boxes[image].append(box)
    if not boxes:
        raise ValueError(f"{path}: no box in this file.")
    return {image: np.array(rows, np.float32) for image, rows in boxes.items()}


def write_boxes(path: str | Path, boxes: Mapping[str, np.ndarray]) -> None:
    """Writes face boxes as the CSV that `read_boxes` reads, whole or not at all.

    Args:
        path: the file to write; its folder exists.
        boxes: image name -> float [4] or [num_boxes, 4], 0-based pixels; three decimals
            are kept.

    Raises:
        ValueError: a name or a box could not be read again.
    """
    kept = {}
    for image, given in boxes.items():
        where = f"{path}: {_name_of_row(image, where=path)}"
        rounded = np.reshape(given, (-1, 4)).astype(np.float64).round(3).tolist()
        try:
            kept[image] = {tuple(to_box(box).tolist()): box for box in rounded}
        except ValueError as error:
            raise ValueError(f"{where}: {error}.") from error
        if len(kept[image]) < len(rounded):
            raise ValueError(f"{where}: it has a box twice.")
    rows = [
        [image, *(f"{corner:.3f}" for corner in box)]
        for image, boxes_of_it in kept.items()
        for box in boxes_of_it.values()
    ]
    _write_rows(path, [_BOX_COLUMNS, *rows])


def read_csv(path: str | Path) -> tuple[AnnotatedFace, ...]:
    """The faces of a CSV file. Its header tells which of three kinds it is.

    With the columns image, x_0, y_0, x_1, y_1 and so on, and if wanted box_x0, box_y0,
    box_x1, box_y1, a row is a face, and other columns are ignored. With image, x0, y0, x1,
    y1 and no further coordinate, a row is a box. Any other header is passed over, and
    rows are an image, x, y, x, y and so on, one for each image. Empty fields are not
    annotated.

    Raises:
        ValueError: the file is missing or empty, has no header or names no image in a
            row, or the columns do not fit together.
    """
    header, rows = _read_csv(path)
    if {"image", "x_0"} <= set(header):
        return tuple(_named_columns(path, header, rows))
    if set(_BOX_COLUMNS) <= set(header) and "x2" not in header:
        boxes = read_boxes(path)
        return tuple(
            AnnotatedFace(image, box=box)
            for image, rows in boxes.items()
            for box in rows
        )
    return tuple(_in_order(path, header, rows))


def write_csv(path: str | Path, faces: Sequence[AnnotatedFace]) -> None:
    """Writes faces with named columns, as `read_csv` reads them, to a millionth.

    Args:
        path: the file to write, whole or not at all; its folder exists.
        faces: with the same number of landmarks, those that have any.

    Raises:
        ValueError: the numbers of landmarks differ, a face has neither points nor box, or
            a name could not be read again.
    """
    check_held(faces, kind="csv", where=path)
    num_points = num_points_of(faces, where=path)
    rows: list[list[float | str]] = []
    for face in faces:
        box = [""] * 4 if face.box is None else plain(face.box)
        points = np.full((num_points, 2), np.nan)
        if face.points is not None:
            points = checked_points(face.points, where=path)
        name = _name_of_row(face.image, where=path)
        rows.append([name, *box, *point_fields(points)])
    _write_rows(path, [[*FACE_COLUMNS, *point_columns(num_points)], *rows])


def point_columns(num_points: int) -> list[str]:
    """The columns of landmarks: x_0, y_0, x_1, y_1 and so on."""
    return [f"{axis}_{index}" for index in range(num_points) for axis in "xy"]


def point_fields(points: np.ndarray) -> list[float | str]:
    """The fields of a face's landmarks; empty where not annotated."""
    return ["" if math.isnan(value) else value for value in plain(np.ravel(points))]


def _named_columns(
    path: str | Path, header: list[str], rows: _Rows
) -> Iterator[AnnotatedFace]:
    place = {name: column for column, name in enumerate(header)}
    num_points = sum(name.startswith("x_") for name in header)
    wanted = ["image", *point_columns(num_points)]
    if has_box := any(name in place for name in FACE_COLUMNS[1:]):
        wanted += FACE_COLUMNS[1:]
    if missing := [name for name in wanted if name not in place]:
        raise ValueError(f"{path}: line 1 lacks the columns {','.join(missing[:4])}.")
    _check_once(path, header, wanted)
    for line, row in rows:
        if len(row) != len(header):
            raise ValueError(
                f"{path}: line {line}: {len(row)} fields, where line 1 has {len(header)}."
            )
        fields = {name: row[place[name]].strip() for name in wanted}
        image = _image_of(path, line, fields["image"])
        values = [fields[name] for name in point_columns(num_points)]
        pairs = [values[i : i + 2] for i in range(0, len(values), 2)]
        corners = [fields[name] for name in FACE_COLUMNS[1:]] if has_box else []
        face = face_of(
            image,
            pairs=pairs if any(values) else None,
            corners=corners if any(corners) else None,
        )
        yield face._replace(problem=face.problem and f"line {line}: {face.problem}")


def _in_order(
    path: str | Path, header: list[str], rows: _Rows
) -> Iterator[AnnotatedFace]:
    _check_unnamed(path, header)
    named = set()
    for line, (name, *values) in rows:
        image = _image_of(path, line, name.strip())
        if image in named:
            raise ValueError(f"{path}: line {line}: {shown(image)} is named twice.")
        named.add(image)
        # An odd number leaves a last point of one value, which is refused as such.
        pairs = [values[i : i + 2] for i in range(0, len(values), 2)]
        face = face_of(image, pairs=pairs)
        yield face._replace(problem=face.problem and f"line {line}: {face.problem}")


def _check_unnamed(path: str | Path, header: list[str]) -> None:
    """Raises ValueError where columns have names, but not those of landmarks."""
    if Path(header[0]).suffix and len(header) > 1:
        raise ValueError(
            f"{path}: line 1 must be a header, not the face {shown(header[0])}."
        )
    axes = [name.strip().lower()[:1] for name in header[1:]]
    if set(axes) == {"x", "y"} and axes != ["x", "y"] * (len(axes) // 2):
        raise ValueError(
            f"{path}: line 1 does not take turns of x and y: rows are an image, x, y, x, y "
            f"and so on; got {shown(','.join(header))}."
        )
    if spelling := _spelling(header):
        raise ValueError(f"{path}: line 1 is not understood{spelling}.")
    if "x_0" in header[2:]:
        raise ValueError(
            f"{path}: line 1 names x_0 but no column image: the landmarks of photos need "
            "one; the table of a video is no annotation."
        )
    if sizes := {"width", "height", "w", "h"} & {name.lower() for name in header}:
        raise ValueError(
            f"{path}: line 1 has the column {min(sizes)}: a box is x0,y0,x1,y1, two of "
            "its corners."
        )


def _write_rows(path: str | Path, rows: Iterable[Iterable[float | str]]) -> None:
    write_whole(Path(path), csv_text(rows, line_end="\n"))


def _name_of_row(image: str, *, where: str | Path) -> str:
    if image != image.strip():
        raise ValueError(
            f"{where}: {image!r}: a table keeps no spaces around a name; rename it."
        )
    return checked_name(image, where=where)


def _spelling(header: list[str]) -> str:
    """How the columns of boxes are there but not found; empty: they are not."""
    if len(header) == 1:
        for mark, name in _OTHER_MARKS.items():
            if mark in header[0]:
                return f": fields are separated by commas, not by {name}"
    if set(_BOX_COLUMNS) <= {name.lower() for name in header}:
        return ": names are written in small letters"
    return ""


def _as_sizes(corners: list[str]) -> str:
    try:
        return size_hint([to_number(corner) for corner in corners])
    except ValueError:
        return ""


def _check_once(path: str | Path, header: list[str], names: Sequence[str]) -> None:
    counts = Counter(header)
    if twice := [name for name in names if counts[name] > 1]:
        raise ValueError(f"{path}: line 1 names the column {twice[0]} twice.")


def _image_of(path: str | Path, line: int, name: str) -> str:
    if not name:
        raise ValueError(f"{path}: line {line}: the image name is missing.")
    return name


def _read_csv(path: str | Path) -> tuple[list[str], _Rows]:
    """The header, and the (line number, fields) of every other row that is not blank.

    Rows are made as they are asked for: their texts take many times the file's size.
    """
    reader = csv.reader(io.StringIO(read_text(path)), strict=True)

    def filled() -> _Rows:
        try:
            for row in reader:
                if any(row):
                    yield reader.line_num, row
        except csv.Error as error:
            raise ValueError(f"{path}: line {reader.line_num}: {error}.") from error

    rows = filled()
    _, header = next(rows, (0, []))
    if not header:
        raise ValueError(f"{path}: the file is empty.")
    return [name.strip() for name in header], rows
