"""dlib's XML, as imglab and its training programs use it. 0-based whole pixels on disk."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

import defusedxml
import defusedxml.ElementTree
import numpy as np

from rcsr_jax.data.annotations.holding import check_held
from rcsr_jax.data.annotations.records import (
    AnnotatedFace,
    by_image,
    checked_name,
    checked_points,
    face_of,
    num_points_of,
    to_number,
)
from rcsr_jax.data.names import shown
from rcsr_jax.data.whole_files import whole_file
from rcsr_jax.geometry import box_of

_MOST_DIGITS = 18  # of the number of a landmark
# Places for parts, boxes times names, that a file may always have; and how many it may
# have for each part that is there. A file of a few megabytes could ask for gigabytes.
_PLACES, _PLACES_PER_PART = 10**6, 100


def read_dlib_xml(path: str | Path) -> tuple[AnnotatedFace, ...]:
    """The faces of a dlib data set: every box of every image that is not to be ignored.

    A box reaches from its left and top pixel to its right and bottom one, as dlib's
    rectangles do: x1 = left + width - 1. Landmarks are the parts in the order of their
    names: by number where all are numbers, else by the alphabet. A part that other boxes
    of the file have and this one has not is not annotated.

    Raises:
        ValueError: the file is missing or no such XML, an image has no name, or nearly
            every part one of its own.
    """
    boxes = list(_boxes(path, _root(path)))
    parts = [part.get("name", "") for _, _, box in boxes for part in box.iter("part")]
    names = set(parts)
    places = len(boxes) * len(names)
    if places > max(_PLACES, _PLACES_PER_PART * len(parts)):
        raise ValueError(
            f"{path}: {len(names)} names for the {len(parts)} parts of {len(boxes)} "
            "boxes: a landmark has the same name in every box."
        )
    numbered = all(name.isdecimal() and len(name) <= _MOST_DIGITS for name in names)
    order = sorted(names, key=lambda name: (int(name) if numbered else 0, name))
    index = {name: position for position, name in enumerate(order)}
    return tuple(_face(image, number, box, index) for image, number, box in boxes)


def write_dlib_xml(path: str | Path, faces: Sequence[AnnotatedFace]) -> None:
    """Writes faces as a data set that dlib reads, in whole pixels: it reads no others.

    Args:
        path: the file to write, whole or not at all; its folder exists. Image names are
            relative to it.
        faces: with the same number of landmarks, those that have any. A landmark that is
            not annotated is left out. As dlib needs a box, a face without one gets the
            tight box of its landmarks.

    Raises:
        ValueError: the numbers of landmarks differ, a face has neither landmarks nor box,
            or the name of an image could not be read again.
    """
    check_held(faces, kind="dlib", where=path)
    num_points = num_points_of(faces, where=path)
    digits = max(len(str(num_points - 1)), 2)  # dlib sorts names by the alphabet
    root = ElementTree.Element("dataset")
    images = ElementTree.SubElement(root, "images")
    for image, group in by_image(faces).items():
        if "\\" in image:
            raise ValueError(f"{path}: {image}: dlib takes a backslash for a slash.")
        name = checked_name(image, where=path)
        element = ElementTree.SubElement(images, "image", file=name)
        for face in group:
            _add_box(element, face, digits=digits, where=f"{path}: {image}")
    ElementTree.indent(root)
    with whole_file(Path(path)) as file:
        ElementTree.ElementTree(root).write(
            file, encoding="utf-8", xml_declaration=True
        )


def _root(path: str | Path) -> ElementTree.Element:
    try:
        root = defusedxml.ElementTree.parse(path).getroot()
    except OSError as error:
        raise ValueError(f"{path}: cannot read it: {error.strerror}.") from error
    except ElementTree.ParseError as error:  # names line and column
        raise ValueError(f"{path}: not an XML file: {error}.") from error
    except (defusedxml.DefusedXmlException, ValueError, LookupError) as error:
        raise ValueError(f"{path}: not a plain XML file: {error}.") from error
    if root.tag != "dataset" or root.find("images") is None:
        raise ValueError(
            f"{path}: a dlib data set is <dataset><images>; got <{root.tag}>."
        )
    return root


def _boxes(
    path: str | Path, root: ElementTree.Element
) -> Iterator[tuple[str, int, ElementTree.Element]]:
    """Image, number of the box in it and the box."""
    for place, image in enumerate(root.iterfind("images/image"), start=1):
        name = image.get("file", "").replace("\\", "/")
        if not name:
            raise ValueError(f"{path}: image {place} has no file attribute.")
        for number, box in enumerate(image.iterfind("box"), start=1):
            if box.get("ignore", "0") not in ("1", "true"):
                yield name, number, box


def _face(
    image: str, number: int, box: ElementTree.Element, index: dict[str, int]
) -> AnnotatedFace:
    parts = box.findall("part")
    pairs: list[list[str | None] | None] = [None] * len(index)
    problem = ""
    for part in parts:
        position = index[part.get("name", "")]
        if pairs[position] is not None:
            problem = f"it has part {shown(part.get('name'))} twice"
        pairs[position] = [part.get("x", "none"), part.get("y", "none")]
    try:
        left, top, width, height = (
            to_number(box.get(name, "")) for name in ("left", "top", "width", "height")
        )
    except ValueError:
        problem = "left, top, width and height are not four numbers"
    if problem:
        return AnnotatedFace(image, problem=f"box {number}: {problem}")
    face = face_of(
        image,
        pairs=pairs if parts else None,
        corners=(left, top, left + width - 1, top + height - 1),
    )
    return face._replace(problem=face.problem and f"box {number}: {face.problem}")


def _add_box(
    image: ElementTree.Element, face: AnnotatedFace, *, digits: int, where: str
) -> None:
    points = np.empty((0, 2))
    if face.points is not None:
        points = checked_points(face.points, where=where)
    known = np.isfinite(points).all(-1)
    corners = box_of(points) if face.box is None else face.box
    left, top, right, bottom = (round(float(corner)) for corner in corners)
    box = ElementTree.SubElement(
        image,
        "box",
        top=str(top),
        left=str(left),
        width=str(right - left + 1),
        height=str(bottom - top + 1),
    )
    for index in np.flatnonzero(known):
        x, y = (str(round(float(value))) for value in points[index])
        ElementTree.SubElement(box, "part", name=f"{index:0{digits}d}", x=x, y=y)
