"""What a program is to look at: photos and videos behind files, folders and patterns."""

import glob
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rcsr_jax.data.folders import files_below
from rcsr_jax.data.images import IMAGE_SUFFIXES
from rcsr_jax.data.names import name_problem, shown
from rcsr_jax.data.shards import OVERLAY

from .passed_over import count_passed, passed_message

VIDEO_OVERLAY = "_overlay.mp4"
_OVERLAYS = (OVERLAY, VIDEO_OVERLAY)
SUMMARY, TABLE = "summary", "faces"  # results of all photos, so of none
_OF_A_FACE = re.compile(r"(.+)_face[1-9][0-9]*")  # results of one of several
_MOST_PARTS = 50  # of a pattern; pathlib calls itself for each
VIDEO_SUFFIXES = (
    *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg"),
    *(".mts", ".ogv", ".webm", ".wmv"),
)


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
        empty: an argument that names nothing, a folder that cannot be read or a file of
            an unusable name -> why.
        passed_over: files of folders that are neither, and videos of folders that are not
            taken, by suffix: how many.
        reasons: why such videos are not, each once.
    """

    photos: tuple[Input, ...]
    videos: tuple[Input, ...]
    empty: dict[str, str]
    passed_over: dict[str, int]
    reasons: tuple[str, ...]


def find_inputs(
    arguments: Iterable[str],
    *,
    owner_of: Callable[[str], str | None] = lambda _: None,
    why_not: Callable[[str, Path], str] = lambda name, path: "",
) -> Inputs:
    """The photos and videos that arguments name.

    Args:
        arguments: files; folders, which are searched for pictures and videos at any
            depth and through links, hidden ones apart; patterns with *, ?, [] and **,
            which does not go through links. Folders and patterns leave out
            NAME_overlay.png and NAME_overlay.mp4, which are results.
        owner_of: the name of the photo that results of a name are of already; None: there
            are none. Asked where photos share their name but for the suffix, so that each
            keeps its results when another one comes.
        why_not: why a video of a folder, by name and path, is passed over, with the remedy;
            empty: it is taken. One that is named, or matches a pattern, always is.
    """
    found: dict[Path, tuple[str, str]] = {}  # name, and stem of the results
    empty: dict[str, str] = {}
    names = set[str]()
    passed: dict[Path, str] = {}  # why, of videos
    for argument in arguments:
        closed: dict[str, str] = {}
        others: dict[Path, str] = {}
        files = list(_files_of(argument, closed, others, why_not))
        empty |= closed
        passed |= {_absolute(path): why for path, why in others.items()}
        if not files and not closed:
            what = "no picture" if os.path.isdir(argument) else "no such file"  # noqa: PTH112
            told = passed_message(count_passed(others), reasons=_reasons(others))
            empty[shown(argument)] = f"{what} here" + (f": {told}" if told else "")
        for short, path in files:
            absolute = _absolute(path)
            if absolute not in found:
                name = path.as_posix() if short in names else short
                if problem := name_problem(name):
                    empty[shown(name)] = problem
                    continue
                stem = Path(short).with_suffix("").as_posix()
                found[absolute] = name, stem
                names.add(name)
    results = _free_names(list(found.values()), owner_of=owner_of)
    inputs = [
        Input(name, path, result)
        for (path, (name, _)), result in zip(found.items(), results, strict=True)
    ]
    passed = {path: why for path, why in passed.items() if path not in found}
    return Inputs(
        photos=tuple(item for item in inputs if not _is_video(item.path)),
        videos=tuple(item for item in inputs if _is_video(item.path)),
        empty=empty,
        passed_over=count_passed(passed),
        reasons=_reasons(passed),
    )


def _reasons(passed: Mapping[Path, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, passed.values())))


def _absolute(path: Path) -> Path:
    return Path(os.path.normpath(path.absolute()))


def _files_of(
    argument: str,
    closed: dict[str, str],
    others: dict[Path, str],
    why_not: Callable[[str, Path], str],
) -> Iterator[tuple[str, Path]]:
    """Name and path of each file.

    Folders that cannot be read are added to `closed`, files in them that are neither
    picture nor video to `others`, and videos for which `why_not` gives a reason.
    """
    path = Path(argument)
    # of os.path, which answers for every argument where Path raises for some
    if os.path.isdir(argument):  # noqa: PTH112

        def close(folder: Path, reason: str) -> None:
            closed[shown(path / folder)] = reason

        for below in files_below(path, on_problem=close):
            name, file = below.as_posix(), path / below
            if below.suffix.lower() not in IMAGE_SUFFIXES + VIDEO_SUFFIXES:
                others[file] = ""
            elif below.name.endswith(_OVERLAYS):
                continue
            elif _is_video(below) and (reason := why_not(name, file)):
                others[file] = reason
            else:
                yield name, file
    elif glob.has_magic(argument) and not os.path.lexists(argument):
        root, matches = _matches(path)
        for match in sorted(matches):
            if os.path.isfile(match) and not match.name.endswith(_OVERLAYS):  # noqa: PTH113
                yield match.relative_to(root).as_posix(), match
    else:
        yield path.name, path


def _matches(pattern: Path) -> tuple[Path, Iterator[Path]]:
    """The folder above the first part that is a pattern, and what matches below it.

    Not by the module glob, whose ** goes through links and never comes back from two that
    lead to their own folder.
    """
    first = next(n for n, part in enumerate(pattern.parts) if glob.has_magic(part))
    root, parts = Path(*pattern.parts[:first]), pattern.parts[first:]
    # pathlib takes ** as a whole part alone, and then for folders
    parts = tuple(p if p == "**" else re.sub(r"\*\*+", "*", p) for p in parts)
    parts += ("*",) if parts[-1] == "**" else ()
    if len(parts) > _MOST_PARTS:
        return root, iter(())
    hidden = any(part.startswith(".") for part in parts)
    matches = root.glob("/".join(parts))
    return root, (
        match
        for match in matches
        if hidden or not any(p.startswith(".") for p in match.relative_to(root).parts)
    )


def _free_names(
    named: Sequence[tuple[str, str]], *, owner_of: Callable[[str], str | None]
) -> list[str]:
    """Names of results: the stems, numbered where one would be that of other results.

    Args:
        named: name and stem of each photo or video.
        owner_of: as `find_inputs` takes it.
    """
    # some file systems do not tell a from A
    known = Counter(stem.lower() for _, stem in named)
    taken, names = {SUMMARY, TABLE}, []
    for name, stem in named:
        free, number = stem, 1
        face = _OF_A_FACE.fullmatch(stem.lower())
        shared = known[stem.lower()] > 1
        while (
            free.lower() in taken
            or (number == 1 and face and face[1] in known)
            or (shared and owner_of(free) not in (None, name))
        ):
            number += 1
            free = f"{stem}-{number}"
        taken.add(free.lower())
        names.append(free)
    return names


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES
