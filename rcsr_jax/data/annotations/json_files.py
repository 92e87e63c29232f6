"""JSON: image -> landmarks, our own layout. 0-based on disk."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rcsr_jax.data.annotations.holding import check_held
from rcsr_jax.data.annotations.records import (
    AnnotatedFace,
    annotated,
    by_image,
    checked_name,
    face_of,
    plain,
    read_text,
)
from rcsr_jax.data.names import shown
from rcsr_jax.data.whole_files import write_whole


def load_json(path: str | Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        ValueError: the file is missing, no JSON, no object or names a key twice.
    """

    def with_unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) < len(pairs):
            (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
            raise ValueError(f"{shown(twice)} is named twice")
        return fields

    try:
        content = json.loads(read_text(path), object_pairs_hook=with_unique_names)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not a JSON landmark file: {error}.") from error
    if not isinstance(content, dict):
        raise ValueError(
            f"{path}: a landmark file is one JSON object, image -> points."
        )
    return content


def faces_of(content: Mapping[str, Any]) -> Iterator[AnnotatedFace]:
    """The faces of an object, image -> a face or a list of faces.

    A face is [[x, y], ...] or {"points": [[x, y], ...], "box": [x0, y0, x1, y1], ...},
    where null stands for a point, or both its coordinates, that is not annotated, and
    either key may be left out. Faces of a list are of the second kind. What rcsr-predict
    writes of a photo, {"image": its name, "faces": such a list, ...}, is read as well.
    """
    image, faces = content.get("image"), content.get("faces")
    if isinstance(image, str) and isinstance(faces, list):
        content = {image: faces} if faces else {}
    for image, entry in content.items():
        several = isinstance(entry, list) and entry and isinstance(entry[0], dict)
        for number, face in enumerate(entry if several else [entry], start=1):
            fields = face if isinstance(face, dict) else {"points": face}
            pairs, corners = fields.get("points"), fields.get("box")
            if pairs is None and corners is None:
                pairs = ()  # no face at all
            read = face_of(image, pairs=pairs, corners=corners)
            if several and read.problem:
                read = read._replace(problem=f"face {number}: {read.problem}")
            yield read


def read_landmarks_json(path: str | Path) -> dict[str, np.ndarray]:
    """The points of a JSON landmark file whose images have one face each.

    Args:
        path: an object, image -> face, as `faces_of` describes it.

    Returns:
        image name -> float32 [num_points, 2], 0-based pixels, NaN where not annotated.

    Raises:
        ValueError: the file is not of this kind, or any entry is no list of points.
    """
    landmarks: dict[str, np.ndarray] = {}
    for face in faces_of(load_json(path)):
        if face.problem or face.points is None:
            raise ValueError(f"{path}: {face.image}: {face.problem or 'no points'}.")
        if face.image in landmarks:
            raise ValueError(f"{path}: {face.image}: it has several faces.")
        landmarks[face.image] = face.points
    return landmarks


def write_landmarks_json(path: str | Path, landmarks: Mapping[str, np.ndarray]) -> None:
    """Writes the points of many images as image name -> [[x, y], ...].

    Args:
        path: the file to write; its folder exists.
        landmarks: image name -> float [num_points, 2], 0-based pixels, kept to a
            millionth; NaN, where a landmark is not annotated, is written as null.
    """
    write_json(path, [AnnotatedFace(*item) for item in landmarks.items()])


def write_json(path: str | Path, faces: Sequence[AnnotatedFace]) -> None:
    """Writes faces as image -> face or faces, as `faces_of` reads them.

    Args:
        path: the file to write, whole or not at all; its folder exists.
        faces: points and boxes are kept to a millionth of a pixel.

    Raises:
        ValueError: a name or points could not be read again, or a face has neither points
            nor box.
    """
    check_held(faces, kind="json", where=path)
    content: dict[str, Any] = {}
    for image, group in by_image(faces).items():
        entries = [_entry(face, where=path) for face in group]
        simple = len(group) == 1 and group[0].box is None
        content[checked_name(image, where=path)] = (
            entries[0]["points"]
            if simple
            else entries
            if len(group) > 1
            else entries[0]
        )
    write_whole(Path(path), json.dumps(content, ensure_ascii=False))


def _entry(face: AnnotatedFace, *, where: str | Path) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    for _, points in annotated([face], where=where):
        entry["points"] = [
            [None if np.isnan(value) else value for value in plain(point)]
            for point in points
        ]
    if face.box is not None:
        entry["box"] = plain(face.box)
    return entry
