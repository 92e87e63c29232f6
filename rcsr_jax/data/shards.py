"""Collections of photos as shards: pieces of work that are done and kept on their own.

A shard is a tar archive, or some of the photos of a folder. What is in it follows from its
source alone, so that a run that goes on, or another machine, finds the same shards.
"""

import functools
import glob
import hashlib
import os
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from rcsr_jax.data.folders import files_below
from rcsr_jax.data.images import IMAGE_SUFFIXES, UNREAD_SUFFIXES, load_image

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
OVERLAY = "_overlay.png"  # what the pictures of rcsr-predict end in
_LARGEST_MEMBER = 1 << 28  # bytes of a photo in an archive, which is read as a whole
_ENDED = "rcsr_ended"


class Shard(NamedTuple):
    """A piece of work.

    Attributes:
        name: of its result; no other shard has it.
        source: the archive, or the folder that was named.
        photos: paths of the photos in that folder; none of an archive, which tells itself.
        stamp: changes when the photos do.
    """

    name: str
    source: str
    photos: tuple[str, ...]
    stamp: str


class Photo(NamedTuple):
    """A photo of a shard.

    Attributes:
        name: its path in the archive or folder.
        path: of the file; in an archive, that of the archive and the name.
        load: gives uint8 [height, width, 3]; raises ValueError where it cannot.
    """

    name: str
    path: Path
    load: Callable[[], np.ndarray]


def find_shards(
    inputs: Iterable[str],
    *,
    photos_per_shard: int,
    on_other: Callable[[Path], None] = lambda path: None,
) -> list[Shard]:
    """The shards of some inputs, in their order.

    Args:
        inputs: tar archives, and folders, which are searched at any depth for photos and
            tar archives, hidden ones apart.
        photos_per_shard: of those that lie in folders, in the order of their paths.
        on_other: called with each file of a folder that is neither.

    Raises:
        ValueError: an input is neither, holds nothing, lies in another one, or has a folder
            that cannot be read.
    """
    roots = [Path(os.path.realpath(name)) for name in inputs]
    known = Counter(roots)
    for root in roots:
        for other in (root, *root.parents):
            if known[other] > (other == root):
                raise ValueError(
                    f"{root} lies in {other}: its photos would come twice."
                )
    shards: list[Shard] = []
    for root in roots:
        found = list(_shards_of(root, photos_per_shard, on_other))
        if not found:
            raise ValueError(_no_shard(root))
        shards += found
    return shards


def _no_shard(root: Path) -> str:
    """Why nothing can be made of an input, and the remedy."""
    kinds = f"a tar archive ({', '.join(TAR_SUFFIXES)}) or a folder with photos"
    why = ""
    if not root.exists():
        why = ": there is nothing of this name"
        if glob.has_magic(root.name):
            why += ", and patterns are not taken; name the folder"
    elif root.is_file() and _is_photo(root.name):
        why = ": name the folder of the photo, or take rcsr-predict"
    return f"{root} is not {kinds}{why}."


def photos_of(shard: Shard) -> Iterator[Photo]:
    """The photos of a shard, in their order; an archive is read as they are taken.

    What is wrong with an archive as a whole comes as a photo without a name, that cannot be
    loaded.
    """
    if shard.photos:
        for name in shard.photos:
            path = Path(shard.source) / name
            yield Photo(name, path, functools.partial(load_image, path))
        return
    archive = Path(shard.source)
    seen: set[str] = set()
    try:
        with tarfile.open(archive, "r|*", tarinfo=_Member) as members:
            for member in members:
                if not member.isdir() and _is_photo(member.name, also=UNREAD_SUFFIXES):
                    again, name = member.name in seen, member.name
                    seen.add(name)
                    load = _loader(members, member, archive / name, again=again)
                    yield Photo(name, archive / name, load)
            if not getattr(members, _ENDED, False):
                raise ValueError("its end is missing")
    # damage shows as whatever its bytes lead to
    except Exception as error:
        reason = f"{archive}: cannot be read on: {error}"
        yield Photo("", archive, functools.partial(_refuse, reason))


def folder_of_shards(name: str) -> str:
    """What the names of all shards of a folder begin with, from that of one."""
    return name.rpartition("-")[0] + "-"


def _shards_of(
    root: Path, photos_per_shard: int, on_other: Callable[[Path], None]
) -> Iterator[Shard]:
    if root.is_file() and _is_archive(root):
        yield _archive(root)
        return
    if not root.is_dir():
        return

    def refuse(folder: Path, reason: str) -> None:
        raise ValueError(f"{root / folder}: {reason}. Open it, or name the others.")

    names: list[str] = []
    for path in files_below(root, on_problem=refuse):
        if _is_archive(path):
            yield _archive(root / path)
        elif path.name.endswith(OVERLAY):
            continue  # a result of rcsr-predict, and no photo
        elif _is_photo(path.name):
            names.append(path.as_posix())
        else:
            on_other(root / path)
    names.sort()
    for number, first in enumerate(range(0, len(names), photos_per_shard)):
        chosen = tuple(names[first : first + photos_per_shard])
        stamp = _stamp([root / name for name in chosen])
        yield Shard(f"{_short(root)}-{number:06d}", str(root), chosen, stamp)


def _archive(path: Path) -> Shard:
    return Shard(_short(path), str(path), (), _stamp([path]))


def _short(path: Path) -> str:
    """A name for a path that says where it comes from and that no other path has."""
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    kept = "".join(c if c.isascii() and c.isalnum() else "_" for c in path.stem)
    return f"{kept[:40]}-{digest}"


class _Member(tarfile.TarInfo):
    """Tells the archive when its end was read: what is cut short ends without a word."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            setattr(archive, _ENDED, True)
            raise


def _stamp(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        state = path.stat() if path.exists() else None  # a link to nowhere
        known = (state.st_size, state.st_mtime_ns) if state else ()
        digest.update(os.fsencode(path) + repr(known).encode())
    return digest.hexdigest()[:32]


def _is_archive(path: Path) -> bool:
    return path.name.lower().endswith(TAR_SUFFIXES)


def _is_photo(name: str, *, also: tuple[str, ...] = ()) -> bool:
    last = name.rpartition("/")[2]
    return last.lower().endswith(IMAGE_SUFFIXES + also) and not last.startswith(".")


def _loader(
    members: tarfile.TarFile, member: tarfile.TarInfo, path: Path, *, again: bool
) -> Callable[[], np.ndarray]:
    if again:
        return functools.partial(_refuse, f"{path}: comes twice; the first was taken.")
    if not member.isreg():  # what a link means is behind the reader, or not there
        return functools.partial(_refuse, f"{path}: is a link; links are not followed.")
    if member.size > _LARGEST_MEMBER:
        return functools.partial(_refuse, f"{path}: has {member.size} bytes.")
    file = members.extractfile(member)
    content = file.read() if file is not None else b""
    return functools.partial(load_image, path, content=content)


def _refuse(reason: str) -> np.ndarray:
    raise ValueError(reason)
