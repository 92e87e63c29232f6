"""Errors published for 300-W, and which of them an evaluation may stand beside.

The numbers lie in `published.json`, each with its source and with the distance it was
divided by; where that is not settled the normaliser is "unclear" and `reason` says why.
What the tables of the RCSR paper print as DFMF is called DRMF here, by the work that they
cite for it. Which published test sets some faces make up is told from the folders that they
lie in: every face of a set must be there, or its mean is of other faces.
"""

import functools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

_PAPER = "the RCSR paper"  # how the sources of its tables begin


class PublishedResult(NamedTuple):
    """The mean error of one method on one test set.

    Attributes:
        method: its name.
        points: how many landmarks were judged, 68 or 49.
        error: NME, per cent.
        normaliser: what was divided by: "interocular" (outer eye corners), "interpupil"
            (means of the points around each eye) or "unclear".
        reason: why the normaliser is taken to be that; empty where the source says it.
        source: where the number stands.
    """

    method: str
    points: int
    error: float
    normaliser: str
    reason: str
    source: str


class PublishedSet(NamedTuple):
    """A test set with what was published about it.

    Attributes:
        name: such as "300-W full".
        folders: the last folders of the paths of its faces -> how many lie there.
        results: of each method, in the order of publication or of falling error.
    """

    name: str
    folders: Mapping[str, int]
    results: tuple[PublishedResult, ...]


@functools.cache
def read_published() -> tuple[PublishedSet, ...]:
    """The test sets of `published.json`."""
    content = _content()

    def result(row: Mapping) -> PublishedResult:
        return PublishedResult(
            method=row["method"],
            points=row["points"],
            error=row["error"],
            normaliser=row["normaliser"],
            reason=content["reasons"][row["reason"]] if "reason" in row else "",
            source=content["sources"][row["source"]],
        )

    return tuple(
        PublishedSet(
            entry["name"], entry["folders"], tuple(map(result, entry["results"]))
        )
        for entry in content["sets"]
    )


def read_table(number: int) -> dict[str, dict[tuple[str, int], PublishedResult]]:
    """A table of the RCSR paper.

    Args:
        number: from 1 to 4.

    Returns:
        The rows from top to bottom by method, in each the results by test set and number
        of landmarks; what the paper leaves out is not there.
    """
    table = _content()["tables"][str(number)]
    results = {
        (row.method, entry.name, row.points): row
        for entry in read_published()
        for row in entry.results
        if row.source.startswith(_PAPER)
    }
    columns = [(name, points) for name in table["sets"] for points in (68, 49)]
    return {
        method: {
            column: results[method, *column]
            for column in columns
            if (method, *column) in results
        }
        for method in table["methods"]
    }


def sets_within(paths: Sequence[str]) -> list[tuple[PublishedSet, list[int]]]:
    """The published test sets that are whole among some faces.

    Args:
        paths: of the pictures of the faces, with "/", data folder included: a face is of
            the folder that its path names last. Case does not matter.

    Returns:
        each set with the indices of its faces, the smallest set first.
    """
    known = {folder for entry in read_published() for folder in entry.folders}
    places = [_folder_of(path, known) for path in paths]
    counts = Counter(places)
    whole = [
        entry
        for entry in read_published()
        if all(counts[folder] == count for folder, count in entry.folders.items())
    ]
    found = [
        (entry, [face for face, place in enumerate(places) if place in entry.folders])
        for entry in whole
    ]
    return sorted(found, key=lambda pair: len(pair[1]))


def _content() -> Any:
    file = resources.files(__package__).joinpath("published.json")
    return json.loads(file.read_text(encoding="utf-8"))


def _folder_of(path: str, folders: set[str]) -> str:
    """The one of the folders that a path names last; "" where it names none."""
    lowered = f"/{path.lower()}"
    places = {folder: lowered.rfind(f"/{folder}/") for folder in folders}
    last = max(places, key=lambda folder: places[folder])
    return last if places[last] >= 0 else ""
