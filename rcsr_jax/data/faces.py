"""An annotated data set as records: image, points and box of every face that is usable.

Read are a folder with images beside `.pts` files of the same stem, at any depth (300-W); a
folder with a `landmarks.json`; and any file that `annotations` reads: JSON, CSV, COCO,
dlib's XML. A face's name is the path of its image relative to the data folder, with #1,
#2 and so on behind it where the image has several. Faces that cannot be used are named
with the reason and left out.
"""

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from rcsr_jax.boxes import TYPICAL_BOX, BoxMap
from rcsr_jax.data.annotations import AnnotatedFace, read_annotations, read_boxes
from rcsr_jax.data.held_out import stable_hash
from rcsr_jax.data.images import image_size
from rcsr_jax.geometry import box_of, overlap
from rcsr_jax.markup import Markup

_TEST_FOLDERS = {"testset", "test", "ibug"}
_HELD_OUT_FOLDERS = _TEST_FOLDERS | {"val"}  # never trained on

# Of a face detector's boxes around `TYPICAL_BOX`: standard deviation of the centre's
# offset and of the size, in box widths and heights.
_DETECTOR_SPREAD = np.array([0.038, 0.028, 0.079, 0.058])


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


class Refusal(NamedTuple):
    """A face that was left out, and why."""

    name: str
    reason: str


class FaceSet(NamedTuple):
    """The faces of a data set and those left out, both sorted by name."""

    faces: tuple[Face, ...]
    refused: tuple[Refusal, ...]


class _Entry(NamedTuple):
    name: str
    image: str  # relative to the data folder
    face: AnnotatedFace


_FindBox = Callable[[_Entry, np.ndarray], np.ndarray]  # entry, tight box -> box


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
        split: "all"; "train", what lies in no folder called testset, test, ibug or val
            within `data`; "test", what lies in one called testset, test or ibug; or
            folders relative to `data`, such as "lfpw/testset", with commas.
        boxes: CSV of face boxes; an image is looked up by its path relative to `data`,
            then by that relative to the CSV. Of several boxes of an image the one that
            overlaps the landmarks most is the face's. None takes the boxes of `data`
            where it has any, and else draws a detector-like box for a face, which
            depends on `seed` and its name alone.
        seed: of the drawn boxes, 0 or more.
        strict: raise an error where a face would be left out.

    Raises:
        ValueError: nothing to read at `data`, no face in the split, all faces refused,
            or any of them with `strict`.
    """
    data = Path(data)
    entries, refused = _list_entries(data)
    names = [entry.name for entry in entries] + [name for name, _ in refused]
    wanted = _names_of_split(names, split=split, data=data)
    root = data if data.is_dir() else data.parent
    find_box = _own_box(seed) if boxes is None else _listed_box(Path(boxes), root)

    faces, refused = [], [refusal for refusal in refused if refusal.name in wanted]
    for entry in (entry for entry in entries if entry.name in wanted):
        try:
            points = _points_of(entry.face, num_points=markup.num_points)
            box = find_box(entry, box_of(points))
            _check_box(box, points, size=image_size(root / entry.image))
        except ValueError as error:
            refused.append(Refusal(entry.name, str(error).rstrip(".")))
        else:
            faces.append(Face(entry.name, root / entry.image, points, box))
    if refused and (strict or not faces):
        first = "; ".join(f"{name}: {reason}" for name, reason in sorted(refused)[:3])
        raise ValueError(
            f"{data}: {len(refused)} of {len(wanted)} faces cannot be used: {first}."
        )
    return FaceSet(
        tuple(sorted(faces, key=lambda face: face.name)), tuple(sorted(refused))
    )


def detector_like_box(box: np.ndarray, *, generator: np.random.Generator) -> np.ndarray:
    """A box as a face detector might find it, drawn around the tight landmark box.

    The centre moves by 3.8 % of the width and 2.8 % of the height, the width changes to
    0.973 +- 0.079 of what it was and the height to 0.997 +- 0.058: normal draws, cut at
    three standard deviations.

    Args:
        box: float [4], the tight box of the landmarks, px.
        generator: source of the four draws.

    Returns:
        float32 [4], px.
    """
    noise = generator.standard_normal(4).clip(-3, 3) * _DETECTOR_SPREAD
    shift_x, shift_y, scale_w, scale_h = dataclasses.astuple(TYPICAL_BOX) + noise
    drawn = BoxMap(shift_x=shift_x, shift_y=shift_y, scale_w=scale_w, scale_h=scale_h)
    return drawn.apply(box).astype(np.float32)


def meets_image(box: Sequence[float] | np.ndarray, *, size: tuple[int, int]) -> bool:
    """Whether a box overlaps an image, which spans -0.5 to width - 0.5.

    Args:
        box: float [4], px.
        size: width and height of the image.
    """
    x0, y0, x1, y1 = box
    width, height = size
    return bool(x1 > -0.5 and y1 > -0.5 and x0 < width - 0.5 and y0 < height - 0.5)


def image_places(table: Path, image: str) -> list[str]:
    """Where an image of an annotation file may lie, relative to the file's folder."""
    folders = [".", "img", "images"]
    if table.suffix.lower() == ".csv":
        folders = [table.stem.removesuffix("_keypoints"), *folders]
    return [(PurePosixPath(folder) / image).as_posix() for folder in folders]


def _list_entries(data: Path) -> tuple[list[_Entry], list[Refusal]]:
    """Every annotation of a data set with its image, and those without one."""
    if data.is_file():
        return _with_images(data, read_annotations(data))
    if not data.is_dir():
        raise ValueError(f"{data}: no such data folder or file.")
    table = data / "landmarks.json"
    faces = read_annotations(data)  # of .pts files
    if table.is_file() and faces:
        raise ValueError(
            f"{data}: holds both landmarks.json and .pts files; give the JSON file "
            "itself to read that, or move it to read the .pts files."
        )
    if table.is_file():
        return _with_images(table, read_annotations(table))
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
    good = [_Entry(face.image, face.image, face) for face in faces if not face.problem]
    return good, broken


def _with_images(
    table: Path, faces: Sequence[AnnotatedFace]
) -> tuple[list[_Entry], list[Refusal]]:
    """The annotations of a file with the images that lie beside it."""
    if not faces:
        raise ValueError(f"{table}: found no annotation; the file lists no image.")
    entries, refused = [], []
    keys: dict[str, str] = {}  # image -> how the file calls it
    total, number = Counter(face.image for face in faces), Counter[str]()
    for face in faces:
        key = face.image
        number[key] += 1
        names = image_places(table, key)
        inside = not PurePosixPath(key).is_absolute() and ".." not in key.split("/")
        # not Path.is_file, which raises for names that no file can have
        present = [n for n in names if inside and os.path.isfile(table.parent / n)]  # noqa: PTH113
        image = (present or names)[0]
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
            entries.append(_Entry(name, image, face))
    return entries, refused


def _names_of_split(names: Sequence[str], *, split: str, data: Path) -> set[str]:
    parents = {name: PurePosixPath(name).parent for name in names}
    if split == "all":
        return set(names)
    if split in ("train", "test"):
        folders = _HELD_OUT_FOLDERS if split == "train" else _TEST_FOLDERS
        inside = {
            name
            for name, parent in parents.items()
            if not folders.isdisjoint(part.lower() for part in parent.parts)
        }
        wanted = inside if split == "test" else set(names) - inside
    else:
        chosen = {PurePosixPath(folder) for folder in split.split(",")}
        wanted = {
            name
            for name, p in parents.items()
            if not chosen.isdisjoint((p, *p.parents))
        }
    if not wanted:
        folders = {f.as_posix() for p in parents.values() for f in (p, *p.parents)} - {
            "."
        }
        raise ValueError(
            f"{data}: no face in split '{split}'; there is 'all', and the folders are "
            f"{', '.join(sorted(folders)[:12]) or 'none'}."
        )
    return wanted


def _points_of(face: AnnotatedFace, *, num_points: int) -> np.ndarray:
    points = face.points
    if points is None or np.isnan(points).all():
        raise ValueError("no landmark is annotated")
    if len(points) != num_points:
        raise ValueError(f"{len(points)} points, where {num_points} are needed")
    return points


def _own_box(seed: int) -> _FindBox:
    def find(entry: _Entry, tight: np.ndarray) -> np.ndarray:
        if entry.face.box is not None:
            return entry.face.box
        generator = np.random.default_rng([seed, stable_hash(entry.name)])
        return detector_like_box(tight, generator=generator)

    return find


def _listed_box(path: Path, root: Path) -> _FindBox:
    table = {PurePosixPath(key).as_posix(): v for key, v in read_boxes(path).items()}
    root, folder = root.resolve(), path.parent.resolve()

    def find(entry: _Entry, tight: np.ndarray) -> np.ndarray:
        keys = [entry.image]
        if (root / entry.image).is_relative_to(folder):
            keys.append((root / entry.image).relative_to(folder).as_posix())
        listed = next((table[key] for key in keys if key in table), None)
        if listed is None:
            raise ValueError(f"no row in {path}; looked for {' and '.join(keys)}")
        return max(listed, key=lambda box: overlap(box, tight))

    return find


def _check_box(box: np.ndarray, points: np.ndarray, *, size: tuple[int, int]) -> None:
    """Raises the reason why a box cannot be that of these points in such an image."""
    rounded = box.round(1).tolist()
    if not (box[:2] < box[2:]).all():
        raise ValueError(f"its box {rounded} is empty or inverted")
    if not meets_image(box, size=size):
        raise ValueError(f"its box {rounded} lies outside the image of {size} pixels")
    tight = box_of(points)
    if (np.minimum(box[2:], tight[2:]) < np.maximum(box[:2], tight[:2])).any():
        raise ValueError(
            f"its box {rounded} does not touch the landmarks {tight.round(1).tolist()}"
        )
