"""Moves landmarks and boxes from one file format to another.

rcsr-convert --data=faces.xml --out=landmarks.json          # dlib to ours
rcsr-convert --data=300W --boxes=boxes.csv --out=300W/train.xml
rcsr-convert --data=coco.json --out=folder --copy_images    # .pts beside each photo

Formats go by the suffix: .xml is dlib's, .csv and .json are ours, a folder holds .pts
files; --format=coco writes COCO keypoints and --format=boxes the boxes alone. COCO is
told from our JSON when it is read. Image names are kept as they are, relative to the
file: put the new one beside the old one. Entries that cannot be used, or that the format
cannot hold, are named and left out, and the exit code is then 1.
"""

import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from absl import flags

from rcsr_jax.data.annotations import (
    FORMATS,
    AnnotatedFace,
    format_of,
    lack,
    pts_places,
    suffix_of,
    write_annotations,
    write_boxes,
    write_pts_folder,
)
from rcsr_jax.data.entries import find_image, read_annotation_of
from rcsr_jax.data.face_boxes import box_rows
from rcsr_jax.data.images import image_size
from rcsr_jax.data.refusals import Refusal
from rcsr_jax.data.whole_files import whole_file
from rcsr_jax.geometry import box_around, box_of

from . import outputs, program
from .out_folder import check_new

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
    program.no_arguments(arguments)
    data, out = Path(_DATA.value), Path(_OUT.value)
    kind = _FORMAT.value or format_of(out)
    if kind != "pts" and out.suffix.lower() != (suffix := suffix_of(kind)):
        # it could not be read again: the suffix tells the format
        raise ValueError(f"--format={kind} is a {suffix} file; got --out={out}.")
    # other .pts files would make one data set with those that are written
    there = out.rglob("*.pts") if kind == "pts" else [out]
    check_new(there, overwrite=_OVERWRITE.value)
    if _COPY.value and kind != "pts":
        raise ValueError("--copy_images goes with a folder of .pts files.")
    if not data.exists():
        raise ValueError(f"{data}: no such file or folder.")
    data, read = read_annotation_of(data)
    if _BOXES.value:
        read = _with_boxes(data, read, listed=Path(_BOXES.value))
    problems = [lack(face, kind=kind) for face in read]
    pairs = list(zip(read, problems, strict=True))
    faces = [face for face, problem in pairs if not problem]
    refused = [Refusal(face.image, problem) for face, problem in pairs if problem]
    if not faces:
        told = f" ({refused[0].name}: {refused[0].reason})" if refused else ""
        raise ValueError(f"{data}: no face in it that can be written{told}.")
    if kind == "pts":
        _write_pts(data, out, faces)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        sizes = _sizes(data, faces) if kind == "coco" else {}
        write_annotations(out, faces, kind=kind, sizes=sizes)
    images = {face.image for face in faces}
    print(f"wrote {len(faces)} faces of {len(images)} images to {out}")
    if refused:
        outputs.tell_refused(refused)
        raise ValueError(f"{len(refused)} of {len(read)} entries were left out.")


def _with_boxes(
    data: Path, faces: Sequence[AnnotatedFace], *, listed: Path
) -> tuple[AnnotatedFace, ...]:
    """The faces with the box of their image that overlaps their landmarks most.

    A face that no box lies around has a problem instead.
    """
    rows_of = box_rows(listed, root=_folder_of(data))

    def with_box(face: AnnotatedFace) -> AnnotatedFace:
        if face.problem:
            return face
        try:
            rows = rows_of(find_image(data, face.image) or face.image, face.image)
        except ValueError as error:
            return AnnotatedFace(face.image, problem=str(error))
        number = None
        if face.points is not None and not np.isnan(face.points).all():
            number = box_around(rows, box_of(face.points))
        if number is not None:
            return face._replace(box=rows[number])
        problem = f"no box in {listed} lies around its landmarks"
        return AnnotatedFace(face.image, problem=problem)

    return tuple(map(with_box, faces))


def _write_pts(data: Path, out: Path, faces: Sequence[AnnotatedFace]) -> None:
    """Writes the folder; all that could keep it from that is found out before."""
    places = pts_places(out, faces)
    boxed = {name: face.box for name, face in places.values() if face.box is not None}
    copies = _copies(data, out, list(places.values())) if _COPY.value else {}
    boxes = out / "boxes.csv"
    files = [*(out / name for name in places), *([boxes] if boxed else []), *copies]
    check_new(files, overwrite=_OVERWRITE.value)
    if others := sorted({*out.rglob("*.pts")} - {*files}):
        raise ValueError(
            f"{out} holds {len(others)} .pts files that would stay beside the new ones, "
            f"{others[0]} the first; choose another --out."
        )
    out.mkdir(parents=True, exist_ok=True)
    if boxed:
        write_boxes(boxes, boxed)
        print(f"their boxes: {boxes}", file=sys.stderr)
    write_pts_folder(out, faces)
    if not _COPY.value:
        _tell_missing(out, [name for name, _ in places.values()])
    for copy, source in copies.items():
        with source.open("rb") as original, whole_file(copy) as file:
            shutil.copyfileobj(original, file)


def _tell_missing(out: Path, images: Sequence[str]) -> None:
    """Tells of images that are to lie beside the .pts of their faces, and do not yet."""
    if missing := sorted({name for name in images if not (out / name).exists()}):
        print(
            f"{len(missing)} images are still to lie in {out}, {missing[0]} the first: "
            "--copy_images puts them there.",
            file=sys.stderr,
        )


def _copies(
    data: Path, out: Path, written: Sequence[tuple[str, AnnotatedFace]]
) -> dict[Path, Path]:
    """Where each face's image goes and where it is; without those that are there."""
    copies = {}
    for name, face in written:
        found = find_image(data, face.image)
        if found is None:
            raise ValueError(f"{data}: {face.image}: no such image beside it.")
        source = _folder_of(data) / found
        if source.resolve() != (out / name).resolve():
            copies[out / name] = source
    return copies


def _sizes(data: Path, faces: Sequence[AnnotatedFace]) -> dict[str, tuple[int, int]]:
    """Width and height of the images that are there and can be read."""
    sizes = {}
    for image in {face.image for face in faces}:
        if found := find_image(data, image):
            with suppress(ValueError):  # COCO holds landmarks without them as well
                sizes[image] = image_size(_folder_of(data) / found)
    return sizes


def _folder_of(data: Path) -> Path:
    return data if data.is_dir() else data.parent


def run() -> None:
    """The console command."""
    program.run(main)


if __name__ == "__main__":
    run()
