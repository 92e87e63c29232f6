"""Moves landmarks and boxes from one file format to another.

rcsr-convert --data=faces.xml --out=landmarks.json          # dlib to ours
rcsr-convert --data=300W --boxes=boxes.csv --out=300W/train.xml
rcsr-convert --data=coco.json --out=folder --copy_images    # .pts beside each photo

Formats go by the suffix: .xml is dlib's, .csv and .json are ours, a folder holds .pts
files; --format=coco writes COCO keypoints and --format=boxes the boxes alone. COCO is
told from our JSON when it is read. Image names are kept as they are, relative to the
file: put the new one beside the old one. Entries that cannot be used are named and left
out, and the exit code is then 1.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from absl import flags

from rcsr_jax.data.annotations import (
    FORMATS,
    AnnotatedFace,
    format_of,
    read_annotations,
    read_boxes,
    write_annotations,
    write_boxes,
    write_pts_folder,
)
from rcsr_jax.data.entries import image_places
from rcsr_jax.data.images import image_size
from rcsr_jax.data.refusals import Refusal
from rcsr_jax.geometry import box_of, overlap

from . import outputs, settings

_DATA = flags.DEFINE_string(
    "data", None, "File to read, or folder of .pts files.", required=True
)
_BOXES = flags.DEFINE_string(
    "boxes",
    None,
    "CSV of face boxes, image,x0,y0,x1,y1, in place of those in the data.",
)
_OUT = flags.DEFINE_string("out", None, "File or folder to write.", required=True)
_FORMAT = flags.DEFINE_enum(
    "format", None, list(FORMATS), "To write; by default that of the suffix."
)
_COPY = flags.DEFINE_boolean(
    "copy_images", False, "With .pts: put a copy of each face's image beside it."
)
_OVERWRITE = flags.DEFINE_boolean("overwrite", False, "Replace a file that exists.")


def main(arguments: list[str]) -> None:
    """Reads, writes and tells what was left out."""
    settings.no_arguments(arguments)
    data, out = Path(_DATA.value), Path(_OUT.value)
    kind = _FORMAT.value or format_of(out)
    there = any(out.rglob("*.pts")) if kind == "pts" else out.exists()
    if there and not _OVERWRITE.value:
        raise ValueError(f"{out} is there already; --overwrite replaces it.")
    if _COPY.value and kind != "pts":
        raise ValueError("--copy_images goes with a folder of .pts files.")
    if not data.exists():
        raise ValueError(f"{data}: no such file or folder.")
    read = list(read_annotations(data))
    if _BOXES.value:
        read = _with_boxes(read, read_boxes(_BOXES.value))
    faces = [face for face in read if not face.problem]
    if not faces:
        problems = f" ({read[0].image}: {read[0].problem})" if read else ""
        raise ValueError(f"{data}: no face in it that can be used{problems}.")
    out.parent.mkdir(parents=True, exist_ok=True)
    if kind == "pts":
        _write_pts(data, out, faces)
    else:
        sizes = _sizes(data, faces) if kind == "coco" else {}
        write_annotations(out, faces, kind=kind, sizes=sizes)
    images = {face.image for face in faces}
    print(f"wrote {len(faces)} faces of {len(images)} images to {out}")
    if refused := [Refusal(face.image, face.problem) for face in read if face.problem]:
        outputs.tell_refused(refused)
        raise ValueError(f"{len(refused)} of {len(read)} entries were left out.")


def _with_boxes(
    faces: Sequence[AnnotatedFace], boxes: dict[str, np.ndarray]
) -> list[AnnotatedFace]:
    """The faces with the box of their image that overlaps their landmarks most.

    A face that no box meets has a problem instead.
    """
    table = {PurePosixPath(image).as_posix(): rows for image, rows in boxes.items()}
    found = []
    for face in faces:
        if face.problem:
            found.append(face)
            continue
        rows = table.get(PurePosixPath(face.image).as_posix(), np.zeros((0, 4)))
        shared = np.zeros(len(rows))
        if face.points is not None and not np.isnan(face.points).all():
            shared = overlap(rows, box_of(face.points))
        if shared.any():
            found.append(face._replace(box=rows[shared.argmax()]))
        else:
            problem = f"no box in {_BOXES.value} meets its landmarks"
            found.append(face._replace(problem=problem))
    return found


def _write_pts(data: Path, out: Path, faces: Sequence[AnnotatedFace]) -> None:
    written = write_pts_folder(out, faces)
    boxed = {name: face.box for name, face in written if face.box is not None}
    if boxed:
        write_boxes(out / "boxes.csv", boxed)
        print(f"their boxes: {out / 'boxes.csv'}", file=sys.stderr)
    if _COPY.value:
        for name, face in written:
            source = _find_image(data, face.image)
            if source is None:
                raise ValueError(f"{data}: {face.image}: no such image beside it.")
            if source.resolve() != (out / name).resolve():
                shutil.copyfile(source, out / name)


def _sizes(data: Path, faces: Sequence[AnnotatedFace]) -> dict[str, tuple[int, int]]:
    """Width and height of the images that are there."""
    sizes = {}
    for image in {face.image for face in faces}:
        if path := _find_image(data, image):
            sizes[image] = image_size(path)
    return sizes


def _find_image(data: Path, image: str) -> Path | None:
    if data.is_dir():
        places = [data / image]
    else:
        places = [data.parent / place for place in image_places(data, image)]
    # not Path.is_file, which raises for names that no file can have
    return next((place for place in places if os.path.isfile(place)), None)  # noqa: PTH113


def run() -> None:
    """The console command."""
    settings.run(main)


if __name__ == "__main__":
    run()
