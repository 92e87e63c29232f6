"""The faces that the annotation of a data set lists, and which image each of them has."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from rcsr_jax.data.annotations import AnnotatedFace, read_annotations
from rcsr_jax.data.names import spellings
from rcsr_jax.data.refusals import Refusal


class Entry(NamedTuple):
    """A face as the annotation lists it.

    Attributes:
        name: of the face, unique in a set.
        image: relative to the data folder, with "/".
        face: what is annotated.
    """

    name: str
    image: str
    face: AnnotatedFace


def list_entries(data: Path) -> tuple[list[Entry], list[Refusal]]:
    """Every annotation of a data set with its image, and those without one.

    Args:
        data: a folder of images and `.pts` files, a folder with `landmarks.json`, or a
            file of annotations.

    Raises:
        ValueError: there is nothing to read, or there are two kinds of annotation.
    """
    if data.is_file():
        return _with_images(data, read_annotations(data))
    if not data.is_dir():
        raise ValueError(f"{data}: no such data folder or file.")
    place, faces = read_annotation_of(data)
    if place != data:
        return _with_images(place, faces)
    if not faces:
        kinds = (".csv", ".json", ".xml")
        tables = sorted(
            str(p.name) for p in data.iterdir() if p.suffix.lower() in kinds
        )
        hint = f"; to read landmarks from a file give the file: {tables[:3]}"
        raise ValueError(
            f"{data}: found no annotation; looked for .pts files beside images at any "
            f"depth and for landmarks.json{hint if tables else ''}."
        )
    broken = [Refusal(face.image, face.problem) for face in faces if face.problem]
    good = [Entry(face.image, face.image, face) for face in faces if not face.problem]
    return good, broken


def read_annotation_of(data: Path) -> tuple[Path, tuple[AnnotatedFace, ...]]:
    """What annotates a data set, the `landmarks.json` of a folder or itself, and its faces.

    Raises:
        ValueError: there are two kinds of annotation, or one cannot be read.
    """
    faces = read_annotations(data)  # of a folder's .pts files
    table = data / "landmarks.json"
    if not table.is_file():
        return data, faces
    if faces:
        raise ValueError(
            f"{data}: holds both landmarks.json and .pts files; give the JSON file "
            "itself to read that, or move it to read the .pts files."
        )
    return table, read_annotations(table)


def find_image(data: Path, image: str) -> str | None:
    """Where an image of an annotation lies, relative to the data folder; None: nowhere.

    Args:
        data: the file of annotations, whose folder that is, or a folder of `.pts` files.
        image: as the annotation calls it.
    """
    folder, places = data.parent, _image_places(data, image)
    if data.is_dir():
        folder, places = data, [image]
    spelt = (spelling for place in places for spelling in spellings(place))
    # not Path.is_file, which raises for names that no file can have
    return next((s for s in spelt if os.path.isfile(folder / s)), None)  # noqa: PTH113


def _image_places(table: Path, image: str) -> list[str]:
    """Where an image of an annotation file may lie, relative to the file's folder."""
    folders = [".", "img", "images"]
    if table.suffix.lower() == ".csv":
        folders.append(table.stem.removesuffix("_keypoints"))
    return [(PurePosixPath(folder) / image).as_posix() for folder in folders]


def _with_images(
    table: Path, faces: Sequence[AnnotatedFace]
) -> tuple[list[Entry], list[Refusal]]:
    """The annotations of a file with the images that lie beside it."""
    if not faces:
        raise ValueError(f"{table}: found no annotation; the file lists no image.")
    entries, refused = [], []
    keys: dict[str, str] = {}  # image -> how the file calls it
    total, number = Counter(face.image for face in faces), Counter[str]()
    for face in faces:
        key = face.image
        number[key] += 1
        names = _image_places(table, key)
        inside = not PurePosixPath(key).is_absolute() and ".." not in key.split("/")
        present = find_image(table, key) if inside else None
        # of a table called after a folder, what is missing counts to that folder's split
        image = present or names[-1 if table.suffix.lower() == ".csv" else 0]
        name = f"{image}#{number[key]}" if total[key] > 1 else image
        if face.problem:
            refused.append(Refusal(name, face.problem))
        elif not inside:
            refused.append(Refusal(name, "an image must lie in the data folder"))
        elif not present:
            refused.append(Refusal(name, f"no such image; looked for {names}"))
        elif keys.setdefault(image, key) != key:
            refused.append(Refusal(name, "the image is annotated twice"))
        else:
            entries.append(Entry(name, image, face))
    return entries, refused
