"""What each format can hold of a face."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from rcsr_jax.data.annotations.records import AnnotatedFace


def lack(face: AnnotatedFace, *, kind: str) -> str:
    """Why a format cannot hold a face, in words that follow its image; empty: it can.

    Args:
        face: as it was read.
        kind: "pts" holds landmarks, "boxes" a box, and the others either or both.
    """
    points, box = face.points, face.box
    if face.problem:
        return face.problem
    if kind == "pts":
        return "it has no landmarks" if points is None else ""
    if kind == "boxes":
        return "it has no box" if box is None else ""
    # dlib has nothing for a landmark that is not annotated, and a box cannot be made of it
    known = points is not None and not (kind == "dlib" and np.isnan(points).all())
    if known or box is not None:
        return ""
    return f"{kind} needs a box or landmarks, and it has neither"


def check_held(faces: Iterable[AnnotatedFace], *, kind: str, where: str | Path) -> None:
    """Refuses faces that are to be written in a format that cannot hold them.

    Raises:
        ValueError: naming `where` and the first of them, there are some.
    """
    for face in faces:
        if problem := lack(face, kind=kind):
            raise ValueError(f"{where}: {face.image}: {problem}.")
