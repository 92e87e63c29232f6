"""Faces that are kept apart: in test folders, to validate on, or to train on fewer."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol, TypeVar

_TEST_FOLDERS = {"testset", "test", "ibug"}
_HELD_OUT_FOLDERS = _TEST_FOLDERS | {"val"}  # never trained on
_FACE_NUMBER = re.compile("[1-9][0-9]?")
_NUMBER_BEHIND = re.compile("#[0-9]+$")
_MOST_IMAGES = 20  # of one photo, each around another of its faces


class HasName(Protocol):
    """A face that is called by the photo it is in."""

    @property
    def name(self) -> str: ...


Named = TypeVar("Named", bound=HasName | str)


def photo_of(name: str) -> str:
    """The photo that a face was cut from: its path without suffix and face number.

    The faces of one photo are called NAME.jpg#1 and NAME.jpg#2, or, by 300-W, NAME_1 and
    NAME_2: a last "_" goes with a number from 1 to 99 behind it; image_0001 stays whole.
    """
    path = PurePosixPath(image_of(name))
    stem, underscore, number = path.stem.rpartition("_")
    numbered = stem and underscore and _FACE_NUMBER.fullmatch(number)
    return (path.parent / (stem if numbered else path.stem)).as_posix()


def photos_of(names: Iterable[str]) -> list[str]:
    """The photo of each face, as `photo_of` tells it from all names of a data set.

    A photo has 20 images at most, one around each of its faces: where there are more, as
    from NAME_1.jpg to NAME_400.jpg, the numbers are those of photos.
    """
    names = list(names)
    photos = [photo_of(name) for name in names]
    images = [image_of(name) for name in names]
    counts = Counter(photo for photo, _ in set(zip(photos, images, strict=True)))
    return [
        photo if counts[photo] <= _MOST_IMAGES else PurePosixPath(image).as_posix()
        for photo, image in zip(photos, images, strict=True)
    ]


def image_of(name: str) -> str:
    """The image of a face: its name without the number behind it."""
    return _NUMBER_BEHIND.sub("", name)


def may_be_same_face(one: str, other: str) -> bool:
    """Whether two faces of different data sets may be the same, by their names.

    Their images are called alike but for the suffix, or one is a face of NAME.jpg#1,
    NAME.jpg#2 and the other one of NAME.jpg and NAME_2.jpg, as copies for a `.pts` each are
    called.
    """
    images = [image_of(name) for name in (one, other)]
    if is_same_path(*(str(PurePosixPath(image).with_suffix("")) for image in images)):
        return True
    one_is_numbered = (images[0] == one) != (images[1] == other)
    return one_is_numbered and is_same_path(photo_of(one), photo_of(other))


def is_same_path(one: str, other: str) -> bool:
    """Whether two paths may be of one image: one is the other, or the end of it.

    Each is relative to a folder of its own, of which one may lie inside the other.
    """
    parts, others = PurePosixPath(one).parts, PurePosixPath(other).parts
    shared = min(len(parts), len(others))
    return parts[-shared:] == others[-shared:]


def names_in_split(names: Sequence[str], *, split: str, origin: str | Path) -> set[str]:
    """The faces of a split, by the folders that they lie in.

    Args:
        names: of the faces, paths with "/".
        split: "all"; "train", what lies in no folder called testset, test, ibug or val;
            "test", what lies in one called testset, test or ibug; or folders, such as
            "lfpw/testset", with commas.
        origin: the data set, for the error.

    Raises:
        ValueError: no face is in the split, or in one of its folders.
    """
    if split == "all":
        return set(names)
    parents = {name: PurePosixPath(name).parent for name in names}
    if split in ("train", "test"):
        folders = _HELD_OUT_FOLDERS if split == "train" else _TEST_FOLDERS
        inside = {
            name
            for name, parent in parents.items()
            if not folders.isdisjoint(part.lower() for part in parent.parts)
        }
        chosen = {split: inside if split == "test" else set(names) - inside}
    else:
        parts = [part for part in map(str.strip, split.split(",")) if part]
        chosen = {
            part: {
                n for n, p in parents.items() if PurePosixPath(part) in (p, *p.parents)
            }
            for part in parts  # "" would be the whole folder
        } or {split: set()}
    for part, inside in chosen.items():
        if not inside:
            folders = {f.as_posix() for p in parents.values() for f in (p, *p.parents)}
            listed = ", ".join(sorted(folders - {"."})[:12]) or "none"
            raise ValueError(
                f"{origin}: no face in split '{part}'; there is 'all', and the folders are "
                f"{listed}."
            )
    return set().union(*chosen.values())


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
        photos = set(photos_of(map(_name_of, faces)))
        raise ValueError(
            f"cannot hold out {count} of {len(faces)} faces and have any left to train "
            f"on; they come from {len(photos)} photos, which move whole. Hold out fewer, "
            "or add photos; NAME_1 and NAME_2 are taken for faces of one photo."
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
    names = photos_of(map(_name_of, faces))
    photos = Counter(names)
    totals: dict[str, int] = defaultdict(int)
    shares = []  # (share of its source that is gone when the photo is half gone, photo)
    for photo in sorted(photos, key=stable_hash):
        source = photo.split("/")[0] if "/" in photo else ""
        shares.append((totals[source] + photos[photo] / 2, source, photo))
        totals[source] += photos[photo]
    shares.sort(key=lambda item: (item[0] / totals[item[1]], stable_hash(item[2])))

    taken: set[str] = set()
    num_taken = 0
    for _, _, photo in shares:
        if num_taken >= count:
            break
        taken.add(photo)
        num_taken += photos[photo]
    goes = [photo in taken for photo in names]
    rest = tuple(f for f, go in zip(faces, goes, strict=True) if not go)
    return rest, tuple(f for f, go in zip(faces, goes, strict=True) if go)


def stable_hash(text: str) -> int:
    """A number of 64 bits that is the same on all machines and versions."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _name_of(face: HasName | str) -> str:
    return face if isinstance(face, str) else face.name
