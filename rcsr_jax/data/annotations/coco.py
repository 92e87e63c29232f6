"""COCO keypoints JSON. Keypoints and `bbox` are 0-based on disk, yet half a pixel apart.

The centre of the first pixel is keypoint (0, 0), as in memory. A `bbox` is measured from
the outer edge of the first pixel, so [0, 0, width, height] is the whole picture: that
edge is at -0.5 in memory.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rcsr_jax.data.annotations.holding import check_held
from rcsr_jax.data.annotations.records import (
    AnnotatedFace,
    by_image,
    checked_name,
    checked_points,
    face_of,
    num_points_of,
    plain,
    to_numbers,
)
from rcsr_jax.data.names import shown
from rcsr_jax.data.whole_files import write_whole

_EDGE = 0.5  # px, from the edge of a pixel to its centre
# Beyond it, whole numbers can be made that one look-up after the other collides with.
_LARGEST_ID = 1 << 53


def is_coco(content: Mapping[str, Any]) -> bool:
    """Whether a JSON object has the layout of COCO."""
    return isinstance(content.get("images"), list) and isinstance(
        content.get("annotations"), list
    )


def faces_of_coco(
    path: str | Path, content: Mapping[str, Any]
) -> tuple[AnnotatedFace, ...]:
    """The faces of a COCO object, in the order of its annotations.

    A keypoint of visibility 0 is not annotated. Crowds are passed over, and so are
    categories: a face has the landmarks of its annotation, in that order.

    Args:
        path: the file, for messages.
        content: `images` with `id` and `file_name`; `annotations` with `image_id` and
            `keypoints`, `bbox` or both.

    Raises:
        ValueError: an image has no id or name or shares its id, or an annotation belongs
            to no image.
    """
    names: dict[Any, str] = {}
    for number, image in enumerate(content["images"]):
        where = f"{path}: images[{number}]"
        name, key = (_field(image, field) for field in ("file_name", "id"))
        if not isinstance(name, str) or not name or not _is_id(key):
            raise ValueError(
                f"{where}: needs an id and a file_name; got {shown(image)}."
            )
        if key in names:
            raise ValueError(
                f"{where}: its id {shown(key)} is that of {shown(names[key])} as well."
            )
        names[key] = name
    faces = []
    for number, entry in enumerate(content["annotations"]):
        key = _field(entry, "image_id")
        if not _is_id(key) or key not in names:
            raise ValueError(
                f"{path}: annotations[{number}]: image_id {shown(key)} is not among the "
                "images."
            )
        if not entry.get("iscrowd"):
            face = _face(names[key], entry)
            told = face.problem and f"annotations[{number}]: {face.problem}"
            faces.append(face._replace(problem=told))
    return tuple(faces)


def write_coco(
    path: str | Path,
    faces: Sequence[AnnotatedFace],
    *,
    sizes: Mapping[str, tuple[int, int]] | None = None,
) -> None:
    """Writes faces as COCO keypoints JSON, points and boxes to a millionth of a pixel.

    Args:
        path: the file to write, whole or not at all; its folder exists.
        faces: with the same number of landmarks, those that have any. One that has no
            box gets no `bbox`.
        sizes: image -> width and height, of those that are known.

    Raises:
        ValueError: the numbers of landmarks differ, or a face has neither points nor box.
    """
    check_held(faces, kind="coco", where=path)
    num_points = num_points_of(faces, where=path)
    names = [checked_name(image, where=path) for image in by_image(faces)]
    ids = {image: number for number, image in enumerate(names, start=1)}
    images = []
    for image, number in ids.items():
        entry: dict[str, Any] = {"id": number, "file_name": image}
        if sizes and image in sizes:
            entry["width"], entry["height"] = sizes[image]
        images.append(entry)
    annotations = [
        {"id": number, "image_id": ids[face.image], **_annotation(face, where=path)}
        for number, face in enumerate(faces, start=1)
    ]
    category = {
        "id": 1,
        "name": "face",
        "keypoints": [str(index) for index in range(num_points)],
        "skeleton": [],
    }
    content = {"images": images, "annotations": annotations, "categories": [category]}
    write_whole(Path(path), json.dumps(content, ensure_ascii=False))


def _field(entry: Any, name: str) -> Any:
    return entry.get(name) if isinstance(entry, dict) else None


def _is_id(key: Any) -> bool:
    whole = isinstance(key, int) and not isinstance(key, bool)
    return isinstance(key, str) or (whole and abs(key) <= _LARGEST_ID)


def _face(image: str, entry: dict[str, Any]) -> AnnotatedFace:
    try:
        pairs = _pairs(entry.get("keypoints"))
        corners = _corners(entry.get("bbox"))
        if pairs is None and corners is None:
            raise ValueError("it has neither keypoints nor a bbox")
    except ValueError as error:
        return AnnotatedFace(image, problem=str(error))
    return face_of(image, pairs=pairs, corners=corners)


def _pairs(flat: Any) -> list | None:
    """A pair for each keypoint; None where there are none."""
    if flat is None:
        return None
    if not isinstance(flat, list) or not flat or len(flat) % 3:
        raise ValueError("keypoints is not a list of x, y and visibility")
    triples = [flat[i : i + 3] for i in range(0, len(flat), 3)]
    for index, (_, _, seen) in enumerate(triples):
        if seen not in (0, 1, 2):
            raise ValueError(
                f"the visibility of landmark {index} is {shown(seen)}, not 0 to 2"
            )
    return [[x, y] if seen else None for x, y, seen in triples]


def _corners(bbox: Any) -> list[float] | None:
    """x0, y0, x1, y1 in pixels; None where there is no box."""
    if bbox is None:
        return None
    try:
        x, y, width, height = to_numbers(bbox)
    except ValueError as error:
        raise ValueError(f"bbox {shown(bbox)} is not four numbers") from error
    return [x - _EDGE, y - _EDGE, x + width - _EDGE, y + height - _EDGE]


def _annotation(face: AnnotatedFace, *, where: Path | str) -> dict[str, Any]:
    entry: dict[str, Any] = {"category_id": 1, "iscrowd": 0}
    if face.points is not None:
        points = checked_points(face.points, where=where)
        known = np.isfinite(points).all(-1)
        rows = [
            [*plain(point), 2] if seen else [0, 0, 0]
            for point, seen in zip(points, known, strict=True)
        ]
        entry["keypoints"] = [value for row in rows for value in row]
        entry["num_keypoints"] = int(known.sum())
    if face.box is not None:
        x0, y0, x1, y1 = np.asarray(face.box, np.float64)
        entry["bbox"] = plain(np.array([x0 + _EDGE, y0 + _EDGE, x1 - x0, y1 - y0]))
        entry["area"] = plain(np.array((x1 - x0) * (y1 - y0)))
    return entry
