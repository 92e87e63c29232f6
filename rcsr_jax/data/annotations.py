"""Landmark and box files, each format read and written in one place.

In memory everything is 0-based: points are float32 [num_points, 2], (x, y) in pixels,
with NaN where a landmark is not annotated, and boxes float32 [4], (x0, y0, x1, y1). On
disk only `.pts` counts from 1.
"""

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_BOX_COLUMNS = ("image", "x0", "y0", "x1", "y1")
_LARGEST = 1e6  # px; no photo is as wide, and float32 still keeps a tenth of a pixel

_Entries = Iterable[tuple[str, Any]]  # image names with what stands there for points


class Landmarks(NamedTuple):
    """What a file with the landmarks of many images holds.

    Attributes:
        points: image name -> float32 [num_points, 2], in the order of the file.
        broken: image name -> why its entry is no list of points.
    """

    points: dict[str, np.ndarray]
    broken: dict[str, str]


def read_pts(path: str | Path, *, num_points: int | None = None) -> np.ndarray:
    """The points of a `.pts` file, as 300-W has one for each image.

    Blank lines, what follows a `#` or `//`, and any line ending are accepted.

    Args:
        path: `version: 1`, `n_points: 68`, then in braces 1-based "x y" lines.
        num_points: how many points it must hold; None accepts what `n_points` says.

    Returns:
        float32 [num_points, 2], 0-based; a point written `nan nan` is not annotated.

    Raises:
        ValueError: the file is missing, has no braces, another number of points, or
            something that is not a number.
    """
    text = re.sub(r"(#|//).*", "", _read_text(path))
    match = re.fullmatch(r"([^{}]*)\{([^{}]*)\}\s*", text)
    if match is None:
        raise ValueError(
            f"{path}: the points of a .pts file stand in one pair of braces."
        )
    header, body = match.groups()
    declared = re.search(r"\bn_points\s*:\s*(\d+)\s*$", header, flags=re.MULTILINE)
    if declared is None:
        raise ValueError(f"{path}: no line 'n_points: NUMBER' before the braces.")
    try:
        points = _to_points(
            [line.split() for line in body.splitlines() if line.strip()]
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}.") from error
    if len(points) != int(declared[1]):
        raise ValueError(
            f"{path}: n_points is {declared[1]}, but there are {len(points)} points."
        )
    if num_points is not None and len(points) != num_points:
        raise ValueError(
            f"{path}: {len(points)} points, where {num_points} are needed."
        )
    return (points - 1).astype(np.float32)


def write_pts(path: str | Path, points: np.ndarray) -> None:
    """Writes one face as a `.pts` file, 1-based, to a millionth of a pixel.

    Args:
        path: the file to write; its folder exists.
        points: float [num_points, 2], 0-based pixels; NaN where not annotated.
    """
    points = _checked_points(points, where=path).astype(np.float64) + 1
    rows = "".join(f"{x:.6f} {y:.6f}\n" for x, y in points)
    Path(path).write_text(
        f"version: 1\nn_points: {len(points)}\n{{\n{rows}}}\n", encoding="utf-8"
    )


def read_boxes(path: str | Path) -> dict[str, np.ndarray]:
    """The face boxes of a CSV file with the columns image, x0, y0, x1, y1.

    Other columns are ignored. An image may have several boxes, but not one box twice.

    Returns:
        image name as written -> float32 [num_boxes, 4], 0-based pixels, in file order.

    Raises:
        ValueError: the file is missing, lacks a column or any row, or a row holds
            something that is not a finite number, an inverted box or a repeated one.
    """
    header, rows = _read_csv(path)
    if missing := [name for name in _BOX_COLUMNS if name not in header]:
        raise ValueError(
            f"{path}: line 1 must name the columns {','.join(_BOX_COLUMNS)}; it lacks "
            f"{','.join(missing)}."
        )
    columns = [header.index(name) for name in _BOX_COLUMNS]
    boxes: dict[str, list[tuple[float, ...]]] = {}
    for line, row in rows:
        where = f"{path}: line {line}"
        if len(row) <= max(columns) or not row[columns[0]].strip():
            raise ValueError(f"{where}: needs a value for {','.join(_BOX_COLUMNS)}.")
        image, *corners = (row[column].strip() for column in columns)
        try:
            box = tuple(float(corner) for corner in corners)
        except ValueError as error:
            raise ValueError(f"{where}: {corners} are not four numbers.") from error
        x0, y0, x1, y1 = box
        # Chained so that NaN fails too.
        if not (-_LARGEST < x0 < x1 < _LARGEST and -_LARGEST < y0 < y1 < _LARGEST):
            raise ValueError(f"{where}: a box has finite x0 < x1, y0 < y1; got {box}.")
        if box in boxes.setdefault(image, []):
            raise ValueError(f"{where}: {image} has this box twice.")
        boxes[image].append(box)
    if not boxes:
        raise ValueError(f"{path}: no box in this file.")
    return {image: np.array(rows, np.float32) for image, rows in boxes.items()}


def write_boxes(path: str | Path, boxes: Mapping[str, np.ndarray]) -> None:
    """Writes face boxes as the CSV that `read_boxes` reads.

    Args:
        path: the file to write; its folder exists.
        boxes: image name -> float [4] or [num_boxes, 4], 0-based pixels; three decimals
            are kept.
    """
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_BOX_COLUMNS)
        for image, rows in boxes.items():
            for box in np.reshape(rows, (-1, 4)):
                writer.writerow([image, *(f"{corner:.3f}" for corner in box)])


def read_landmarks(path: str | Path) -> Landmarks:
    """The landmarks of many images from one JSON or keypoint CSV file.

    JSON is an object: image name -> [[x, y], ...] or -> {"points": [[x, y], ...], ...},
    where null stands for a point, or both its coordinates, that is not annotated. A CSV
    has a header and then rows of image name, x0, y0, x1, y1, ...; two empty fields are
    not annotated. Both are 0-based, and entries may differ in their number of points.

    Returns:
        What could be read, and what could not and why.

    Raises:
        ValueError: the file as a whole is missing, of another kind, or names an image
            twice.
    """
    readers = {".json": _json_entries, ".csv": _csv_entries}
    suffix = Path(path).suffix.lower()
    if suffix not in readers:
        raise ValueError(f"{path}: landmarks of many images are a .json or .csv file.")
    return _collect(path, entries=readers[suffix](path))


def read_landmarks_json(path: str | Path) -> dict[str, np.ndarray]:
    """The points of a JSON landmark file, as `read_landmarks` describes it.

    Returns:
        image name -> float32 [num_points, 2], 0-based pixels, NaN where not annotated.

    Raises:
        ValueError: the file is not of this kind, or any entry is no list of points.
    """
    return _all_points(path, entries=_json_entries(path))


def write_landmarks_json(path: str | Path, landmarks: Mapping[str, np.ndarray]) -> None:
    """Writes the points of many images as image name -> [[x, y], ...].

    Args:
        path: the file to write; its folder exists.
        landmarks: image name -> float [num_points, 2], 0-based pixels, kept to a
            millionth; NaN, where a landmark is not annotated, is written as null.
    """
    plain = {
        name: [
            [None if np.isnan(value) else round(float(value), 6) for value in point]
            for point in _checked_points(points, where=f"{path}: {name}")
        ]
        for name, points in landmarks.items()
    }
    Path(path).write_text(json.dumps(plain, ensure_ascii=False), encoding="utf-8")


def read_keypoint_csv(path: str | Path) -> dict[str, np.ndarray]:
    """The points of a keypoint CSV file, as `read_landmarks` describes it.

    Returns:
        image name -> float32 [num_points, 2], 0-based pixels, NaN where not annotated.

    Raises:
        ValueError: the file is not of this kind, or any row holds no list of points.
    """
    return _all_points(path, entries=_csv_entries(path))


def _all_points(path: str | Path, *, entries: _Entries) -> dict[str, np.ndarray]:
    landmarks = _collect(path, entries=entries)
    for name, reason in landmarks.broken.items():
        raise ValueError(f"{path}: {name}: {reason}.")
    return landmarks.points


def _collect(path: str | Path, *, entries: _Entries) -> Landmarks:
    landmarks = Landmarks({}, {})
    for name, pairs in entries:
        if name in landmarks.points or name in landmarks.broken:
            raise ValueError(f"{path}: {name} is named twice.")
        try:
            landmarks.points[name] = _to_points(pairs).astype(np.float32)
        except ValueError as error:
            landmarks.broken[name] = str(error)
    return landmarks


def _json_entries(path: str | Path) -> _Entries:
    def with_unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"{twice} is named twice")
        return fields

    try:
        entries = json.loads(_read_text(path), object_pairs_hook=with_unique_names)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not a JSON landmark file: {error}.") from error
    if not isinstance(entries, dict):
        raise ValueError(
            f"{path}: a landmark file is one JSON object, image -> points."
        )
    for name, entry in entries.items():
        yield name, entry.get("points") if isinstance(entry, dict) else entry


def _csv_entries(path: str | Path) -> _Entries:
    header, rows = _read_csv(path)
    if Path(header[0]).suffix:
        raise ValueError(f"{path}: line 1 must be a header, not the face {header[0]}.")
    for line, (name, *values) in rows:
        if not name.strip():
            raise ValueError(f"{path}: line {line}: the image name is missing.")
        # An odd number leaves a last point of one value, which is refused as such.
        yield name.strip(), [values[i : i + 2] for i in range(0, len(values), 2)]


def _to_points(pairs: Any) -> np.ndarray:
    """float64 [num_points, 2] of a file's values; the reason, if they are no points."""
    if not isinstance(pairs, list) or not pairs:
        raise ValueError("not a list of points")
    points = np.empty((len(pairs), 2))
    for index, pair in enumerate(pairs):
        pair = [None, None] if pair is None else pair
        if not isinstance(pair, list) or len(pair) != 2:
            raise ValueError(f"landmark {index} is not an x and a y: {pair}")
        try:
            x, y = (float("nan" if v in (None, "") else v) for v in pair)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"landmark {index} is not two numbers: {pair}") from error
        if abs(x) > _LARGEST or abs(y) > _LARGEST or math.isnan(x) != math.isnan(y):
            raise ValueError(
                f"landmark {index} is not two pixel positions or two nan: {pair}"
            )
        points[index] = x, y
    return points


def _checked_points(points: np.ndarray, *, where: str | Path) -> np.ndarray:
    points = np.asarray(points)
    if points.ndim != 2 or points.shape[1] != 2 or np.isinf(points).any():
        raise ValueError(
            f"{where}: points are [num_points, 2], finite or NaN; got shape "
            f"{points.shape}."
        )
    return points


def _read_csv(path: str | Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header and the (line number, fields) of every row that is not blank."""
    reader = csv.reader(io.StringIO(_read_text(path)), strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader if any(row)]
    except csv.Error as error:
        raise ValueError(f"{path}: line {reader.line_num}: {error}.") from error
    if not rows:
        raise ValueError(f"{path}: the file is empty.")
    return [name.strip() for name in rows[0][1]], rows[1:]


def _read_text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path}: cannot read it: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text file in UTF-8: {error}.") from error
