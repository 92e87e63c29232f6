"""Where the boxes of a photo's faces come from: a table, a detector or the photo's size."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from absl import flags

from rcsr_jax.boxes import DLIB_BOXES, BoxMap
from rcsr_jax.data.annotations import read_boxes
from rcsr_jax.data.names import name_problem, one_spelling
from rcsr_jax.detection import FoundBoxes, detect_faces

flags.disclaim_key_flags()  # they belong to the program that asks for them

# Of the shorter side of a photo that its one face fills, in the middle.
_FILLED_SHARE = 0.7


class NamedPhoto(Protocol):
    """What a photo is looked up by."""

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> Path: ...


FindBoxes = Callable[[NamedPhoto, np.ndarray], FoundBoxes]


def define_flags() -> Callable[[], dict[str, Any]]:
    """Flags for how the faces of photos are found.

    Returns:
        what gives the values of these flags, as `box_finder` takes them.
    """
    holders = {
        "table": flags.DEFINE_string(
            "boxes",
            None,
            "CSV of face boxes, image,x0,y0,x1,y1, in place of the detector.",
        ),
        "filled": flags.DEFINE_boolean(
            "filled", False, "Each photo is one face that fills it; none is searched."
        ),
        "threshold": flags.DEFINE_float(
            "threshold", 0.0, "Of the detector's score; lower finds more faces."
        ),
        "min_face": flags.DEFINE_float(
            "min_face",
            None,
            "Smallest face to find, in pixels; by default 80, or what suits the photo's "
            "size.",
            lower_bound=1,
        ),
    }
    return lambda: {name: holder.value for name, holder in holders.items()}


def box_finder(
    *,
    table: str | None = None,
    filled: bool = False,
    threshold: float = 0.0,
    min_face: float | None = None,
    box_map: BoxMap = DLIB_BOXES,
) -> FindBoxes:
    """What finds the boxes in a photo; it may be called on threads.

    Args:
        table: CSV of boxes, in place of the detector. An image is looked up by its path,
            as it is and relative to here and to the table, however that is spelt, and by
            its name.
        filled: without a table, each photo is one face that fills it.
        threshold: of the detector's score.
        min_face: smallest face to detect, in pixels; None: what suits the photo.
        box_map: from the detector's boxes to those that the model expects.

    Raises:
        ValueError: the table cannot be read, a number is out of range, a setting would
            be ignored, or there is no detector where one is needed.
    """
    if table is not None and filled:
        raise ValueError("faces fill their photos or have boxes in a table: not both.")
    if (table is not None or filled) and (threshold or min_face is not None):
        raise ValueError(
            "threshold and min_face are the detector's, which is not asked where the faces "
            "have boxes in a table or fill their photos."
        )
    if table is not None:
        listed = _lookup(table)
        return lambda photo, image: (listed(photo), None)
    if filled:
        return lambda photo, image: (_filling(image), None)
    detect = functools.partial(
        detect_faces, threshold=threshold, min_face=min_face, box_map=box_map
    )
    detect(np.zeros((96, 96), np.uint8))  # whether it can, before all photos fail
    return lambda photo, image: (*detect(image),)


def _lookup(table: str) -> Callable[[NamedPhoto], np.ndarray]:
    """What finds the boxes of a photo in a table; it raises ValueError where none are."""
    real = functools.cache(os.path.realpath)  # many photos share a folder

    def place(path: Path) -> str:
        """One spelling of a path: no ./, no ../, no links but the file, accents alike."""
        plain = Path(os.path.normpath(path))
        return one_spelling(str(Path(real(plain.parent), plain.name)))

    by_name: dict[str, np.ndarray] = {}
    for key, boxes in read_boxes(table).items():
        name = one_spelling(os.path.normpath(key))  # ./a.jpg is a.jpg
        if (known := by_name.get(name)) is not None:
            new = ~(boxes[:, None] == known).all(2).any(1)
            boxes = np.concatenate([known, boxes[new]])
        by_name[name] = boxes
    by_place: dict[str, np.ndarray] = {}
    folders = Path(table).absolute().parent, Path.cwd()
    for folder in folders:  # here goes first
        by_place |= {
            place(folder / name): boxes
            for name, boxes in by_name.items()
            if not name_problem(name)  # else no photo is called so
        }

    def of_another(photo: NamedPhoto, name: str) -> bool:
        """Whether the path of a row leads to a photo, and this one has its own path."""
        return photo.path.is_file() and any((f / name).is_file() for f in folders)

    def listed(photo: NamedPhoto) -> np.ndarray:
        if (boxes := by_place.get(place(photo.path))) is not None:
            return boxes
        names = dict.fromkeys([os.path.normpath(photo.name), photo.path.name])
        for name in map(one_spelling, names):
            if name in by_name and not of_another(photo, name):
                return by_name[name]
        raise ValueError(
            f"no box in {table}; looked for {photo.path}, as it is and relative to here "
            f"and to the table, and for {', '.join(names)}"
        )

    return listed


def _filling(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    half = _FILLED_SHARE * min(width, height) / 2
    x, y = (width - 1) / 2, (height - 1) / 2
    return np.array([[x - half, y - half, x + half, y + half]])
