"""What a program is to look at: photos and videos behind files, folders and patterns."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from rcsr_jax.data.images import IMAGE_SUFFIXES

OVERLAY = "_overlay.png"  # what the picture of results ends in
VIDEO_OVERLAY = "_overlay.mp4"
_OVERLAYS = (OVERLAY, VIDEO_OVERLAY)
SUMMARY = "summary"  # results of all photos, so of none
VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm")


class Input(NamedTuple):
    """A photo or a video.

    Attributes:
        name: its path relative to the folder that was named, or its name; its whole path
            where another input has that name.
        path: the file; it need not exist.
        result: name of its results, without suffix; no other input has it.
    """

    name: str
    path: Path
    result: str


class Inputs(NamedTuple):
    """All that a command line names, each file once, in its order.

    Attributes:
        photos: what is no video; whether a file is a photo shows when it is read.
        videos: by their suffix.
        empty: an argument that names nothing -> why.
    """

    photos: tuple[Input, ...]
    videos: tuple[Input, ...]
    empty: dict[str, str]


def find_inputs(arguments: Iterable[str]) -> Inputs:
    """The photos and videos that arguments name.

    Args:
        arguments: files; folders, which are searched for pictures and videos at any
            depth, hidden ones apart; patterns with *, ?, [] and **. Folders and patterns
            leave out NAME_overlay.png and NAME_overlay.mp4, which are results.
    """
    found: dict[Path, Input] = {}
    empty: dict[str, str] = {}
    names, results = set[str](), {SUMMARY}
    for argument in arguments:
        files = list(_files_of(argument))
        if not files:
            what = "no picture" if Path(argument).is_dir() else "no such file"
            empty[argument] = f"{what} here"
        for short, path in files:
            absolute = Path(os.path.normpath(path.absolute()))
            if absolute not in found:
                name = path.as_posix() if short in names else short
                found[absolute] = Input(name, absolute, _free_name(short, results))
                names.add(name)
    return Inputs(
        photos=tuple(item for item in found.values() if not _is_video(item.path)),
        videos=tuple(item for item in found.values() if _is_video(item.path)),
        empty=empty,
    )


def _files_of(argument: str) -> Iterator[tuple[str, Path]]:
    path = Path(argument)
    if path.is_dir():
        yield from ((p.relative_to(path).as_posix(), p) for p in _pictures_below(path))
    elif glob.has_magic(argument) and not path.exists():
        root = _fixed_folder(path)
        for match in sorted(glob.glob(argument, recursive=True)):  # noqa: PTH207
            if Path(match).is_file() and not match.endswith(_OVERLAYS):
                yield Path(match).relative_to(root).as_posix(), Path(match)
    else:
        yield path.name, path


def _pictures_below(root: Path) -> Iterator[Path]:
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(files):
            suffix = Path(name).suffix.lower()
            chosen = suffix in IMAGE_SUFFIXES + VIDEO_SUFFIXES
            if chosen and not name.startswith(".") and not name.endswith(_OVERLAYS):
                yield Path(folder) / name


def _fixed_folder(pattern: Path) -> Path:
    """The folder above the first part that is a pattern."""
    parts = pattern.parts
    first = next(place for place, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:first])


def _free_name(name: str, taken: set[str]) -> str:
    stem = Path(name).with_suffix("").as_posix()
    free, number = stem, 1
    while free.lower() in taken:  # some file systems do not tell a from A
        number += 1
        free = f"{stem}-{number}"
    taken.add(free.lower())
    return free


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES
