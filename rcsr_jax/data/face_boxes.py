"""The box of an annotated face: listed in a file, or drawn as a detector might find it."""

import dataclasses
import filecmp
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np

from rcsr_jax.boxes import TYPICAL_BOX, BoxMap
from rcsr_jax.data.annotations import read_boxes
from rcsr_jax.data.entries import Entry
from rcsr_jax.data.held_out import stable_hash
from rcsr_jax.data.names import one_spelling
from rcsr_jax.geometry import box_around, box_of, meets_image, overlap

FindBox = Callable[[Entry, np.ndarray], np.ndarray]  # entry, tight box -> box
# path of an image relative to the data folder, its name in the annotation -> boxes
FindRows = Callable[[str, str], np.ndarray]

# Of a face detector's boxes around `TYPICAL_BOX`: standard deviation of the centre's
# offset and of the size, in box widths and heights.
_DETECTOR_SPREAD = np.array([0.038, 0.028, 0.079, 0.058])


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


def own_box(*, seed: int) -> FindBox:
    """Finds the box that the annotation gives a face; draws one where it gives none."""

    def find(entry: Entry, tight: np.ndarray) -> np.ndarray:
        if entry.face.box is not None:
            return entry.face.box
        generator = np.random.default_rng([seed, stable_hash(entry.name)])
        return detector_like_box(tight, generator=generator)

    return find


def listed_box(path: Path, *, root: Path) -> FindBox:
    """Finds the box of a face in a CSV.

    Args:
        path: of the CSV; images are called as `box_rows` looks them up.
        root: the data folder.

    Raises:
        ValueError: it cannot be read; and, by what is returned, it lists no box of an
            image, or none around the landmarks.
    """
    rows_of = box_rows(path, root=root)

    def find(entry: Entry, tight: np.ndarray) -> np.ndarray:
        rows = rows_of(entry.image, entry.face.image)
        number = box_around(rows, tight)
        if number is not None:
            return rows[number]
        if not overlap(rows, tight).any():
            return rows[0]  # `check_box` says more of it
        raise ValueError(
            f"no box of {path} lies around its landmarks {tight.round(1).tolist()}"
        )

    return find


def box_rows(path: Path, *, root: Path) -> FindRows:
    """Finds all boxes that a CSV lists of an image.

    An image may be called by its path relative to `root`, by the name that its annotation
    has for it, which leaves out an `img/` beside it, or by its path relative to the CSV;
    they are looked for in this order. A name under which another image lies beside the CSV
    is that one's.

    Args:
        path: of the CSV.
        root: the data folder.

    Raises:
        ValueError: it cannot be read; and, by what is returned, it lists no box of an
            image.
    """
    table = {
        one_spelling(PurePosixPath(key).as_posix()): boxes
        for key, boxes in read_boxes(path).items()
    }
    root, folder = root.resolve(), path.parent.resolve()

    def find(image: str, name: str) -> np.ndarray:
        keys = [PurePosixPath(image).as_posix(), PurePosixPath(name).as_posix()]
        if (root / image).is_relative_to(folder):
            keys.append((root / image).relative_to(folder).as_posix())
        keys = list(dict.fromkeys(keys))  # they are often the same
        others = ""
        for key in keys:
            if (boxes := table.get(one_spelling(key))) is None:
                continue
            if not _is_another(folder / key, root / image):
                return boxes
            others += f"; {key} there is {folder / key}"
        raise ValueError(f"no row in {path}; looked for {' and '.join(keys)}{others}")

    return find


def _is_another(there: Path, image: Path) -> bool:
    """Whether a file is there that is neither the image nor a copy of it."""
    if not there.is_file():
        return False
    return not (image.is_file() and filecmp.cmp(there, image, shallow=False))


def check_box(box: np.ndarray, points: np.ndarray, *, size: tuple[int, int]) -> None:
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
