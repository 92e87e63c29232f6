"""Faces that are kept apart, by whole photos: to validate on, or to train on fewer."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Protocol, TypeVar


class HasName(Protocol):
    """A face that is called by the photo it is in."""

    @property
    def name(self) -> str: ...


Named = TypeVar("Named", bound=HasName | str)


def photo_of(name: str) -> str:
    """The photo that a face was cut from: its path without suffix and face number.

    300-W calls the faces of one photo NAME_1 and NAME_2, so a last "_" with one or two
    digits goes; image_0001 stays whole.
    """
    path = PurePosixPath(name)
    stem, underscore, number = path.stem.rpartition("_")
    numbered = stem and underscore and number.isdecimal() and len(number) <= 2
    return (path.parent / (stem if numbered else path.stem)).as_posix()


def hold_out(
    faces: Sequence[Named], *, count: int
) -> tuple[tuple[Named, ...], tuple[Named, ...]]:
    """Splits faces into those to train on and about `count` to validate on.

    Args:
        faces: the faces, or their names.
        count: faces to hold out, as `split_by_photos` takes them.

    Returns:
        Training and validation faces, each in the order given.

    Raises:
        ValueError: `count` is negative or leaves nothing to train on.
    """
    training, held = split_by_photos(faces, count=count)
    if count < 0 or (count and not training):
        photos = {photo_of(_name_of(face)) for face in faces}
        raise ValueError(
            f"cannot hold out {count} of {len(faces)} faces and have any left to train "
            f"on; they come from {len(photos)} photos, which move whole."
        )
    return training, held


def split_by_photos(
    faces: Sequence[Named], *, count: int
) -> tuple[tuple[Named, ...], tuple[Named, ...]]:
    """Splits off about `count` faces.

    Photos move whole, and each top-level folder gives the same share of its faces.
    Which photos move follows from a hash of their names, not from the order of faces: a
    larger number takes the same ones and more.

    Args:
        faces: the faces, or their names.
        count: faces to take; as photos are whole, a few more may go.

    Returns:
        The faces that stay and those that are taken, each in the order given.
    """
    photos = defaultdict(list)
    for face in faces:
        photos[photo_of(_name_of(face))].append(face)
    totals: dict[str, int] = defaultdict(int)
    shares = []  # (share of its source that is gone when the photo is half gone, photo)
    for photo in sorted(photos, key=stable_hash):
        source = photo.split("/")[0] if "/" in photo else ""
        shares.append((totals[source] + len(photos[photo]) / 2, source, photo))
        totals[source] += len(photos[photo])
    shares.sort(key=lambda item: (item[0] / totals[item[1]], stable_hash(item[2])))

    taken: set[str] = set()
    num_taken = 0
    for _, _, photo in shares:
        if num_taken >= count:
            break
        taken.add(photo)
        num_taken += len(photos[photo])
    rest = tuple(f for f in faces if photo_of(_name_of(f)) not in taken)
    return rest, tuple(f for f in faces if photo_of(_name_of(f)) in taken)


def stable_hash(text: str) -> int:
    """A number of 64 bits that is the same on all machines and versions."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _name_of(face: HasName | str) -> str:
    return face if isinstance(face, str) else face.name
