"""Any annotation file or folder: which format it has, read and written."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rcsr_jax.data.annotations.coco import faces_of_coco, is_coco, write_coco
from rcsr_jax.data.annotations.dlib_xml import read_dlib_xml, write_dlib_xml
from rcsr_jax.data.annotations.holding import check_held
from rcsr_jax.data.annotations.json_files import faces_of, load_json, write_json
from rcsr_jax.data.annotations.pts import read_pts_folder, write_pts_folder
from rcsr_jax.data.annotations.records import AnnotatedFace, by_image
from rcsr_jax.data.annotations.tables import read_csv, write_boxes, write_csv
from rcsr_jax.data.names import name_problem, shown

FORMATS = ("pts", "csv", "boxes", "json", "coco", "dlib")
_OF_SUFFIX = {".csv": "csv", ".json": "json", ".xml": "dlib", "": "pts"}


def read_annotations(path: str | Path) -> tuple[AnnotatedFace, ...]:
    """The faces of a file, or of a folder of `.pts` files.

    Args:
        path: a folder; .csv, with landmarks or boxes; .json, image -> landmarks or COCO;
            or .xml of dlib.

    Returns:
        The faces in the order of the file. An entry that cannot be used is among them and
        says why.

    Raises:
        ValueError: the file as a whole is missing, of another kind or cannot be read.
    """
    return tuple(_named(face) for face in _read(Path(path)))


def _named(face: AnnotatedFace) -> AnnotatedFace:
    problem = name_problem(face.image)
    return AnnotatedFace(shown(face.image), problem=problem) if problem else face


def _read(path: Path) -> tuple[AnnotatedFace, ...]:
    if path.is_dir():
        return read_pts_folder(path)
    kind = _OF_SUFFIX.get(path.suffix.lower())
    if kind == "csv":
        return read_csv(path)
    if kind == "dlib":
        return read_dlib_xml(path)
    if kind == "json":
        content = load_json(path)
        if is_coco(content):
            return faces_of_coco(path, content)
        return tuple(faces_of(content))
    raise ValueError(
        f"{path}: landmarks of many images are a .json, .csv or .xml file, or a folder "
        "of .pts files."
    )


def format_of(path: str | Path) -> str:
    """The format that a file to write has by its suffix; without one, a folder of `.pts`.

    Raises:
        ValueError: no format has this suffix.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _OF_SUFFIX:
        raise ValueError(
            f"{path}: no format for {suffix}; there is .json, .csv, .xml, and a "
            "folder, named without a suffix, for .pts files."
        )
    return _OF_SUFFIX[suffix]


def suffix_of(kind: str) -> str:
    """The suffix of files of a format, one of `FORMATS`; empty: a folder."""
    same = {"boxes": "csv", "coco": "json"}.get(kind, kind)
    return next(suffix for suffix, known in _OF_SUFFIX.items() if known == same)


def write_annotations(
    path: str | Path,
    faces: Sequence[AnnotatedFace],
    *,
    kind: str | None = None,
    sizes: Mapping[str, tuple[int, int]] | None = None,
) -> None:
    """Writes faces in a format.

    Args:
        path: the file to write, or the folder for `.pts` files.
        faces: none that the format cannot hold; `lack` tells.
        kind: one of `FORMATS`; by default that of the suffix. "pts" keeps no boxes and
            "boxes" nothing else.
        sizes: image -> width and height, for COCO.

    Raises:
        ValueError: the format is unknown or cannot hold these faces; what was there is
            left as it was.
    """
    kind = format_of(path) if kind is None else kind
    if kind not in FORMATS:
        raise ValueError(f"there are the formats {', '.join(FORMATS)}; got {kind!r}.")
    if kind == "pts":
        write_pts_folder(path, faces)
    elif kind == "boxes":
        check_held(faces, kind=kind, where=path)
        groups = by_image(faces).items()
        write_boxes(path, {image: np.array([f.box for f in g]) for image, g in groups})
    elif kind == "coco":
        write_coco(path, faces, sizes=sizes)
    else:
        write = {"csv": write_csv, "json": write_json, "dlib": write_dlib_xml}[kind]
        write(path, faces)
