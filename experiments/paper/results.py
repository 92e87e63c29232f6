"""Results as Markdown: tables of errors, and the page of a table or figure."""

from collections.abc import Mapping, Sequence
from typing import Any

from rcsr_jax.data.sources import DRAWN
from rcsr_jax.data.splits import TEST_SETS, size_of

from ..markdown import table

ORDER = (
    *("table1", "table2", "table3", "table4", "fig4", "fig5", "fig6", "fig7", "fig8"),
    *("fig10", "fig11"),
)
_NORMALISERS = {"nme_interocular": "inter-ocular", "nme_interpupil": "inter-pupil"}


def set_table(rows: Sequence[Mapping[str, Any]], *, num_points: int = 68) -> str:
    """The layout of Tables 1 and 4: per cent by test set, both normalisers, published.

    A set of which there are no faces, and the full one where there are those of the common
    one alone, have no errors of ours.

    Args:
        rows: of `study.score`, and of published methods with `published` alone.
        num_points: landmarks that count; published errors are of all 68.
    """
    found = {
        name: errors["num_faces"]
        for row in rows
        for name, errors in row.get("sets", {}).items()
    }
    told = {name for row in rows for name in row.get("published", {})}
    told = told if num_points == 68 else set()
    sets = [name for name in (*TEST_SETS, DRAWN) if found.get(name) or name in told]
    # no column of ours for a set without faces, nor twice for the same ones
    ours = {name for name in sets if found.get(name)}
    if found.get("full") == found.get("common"):
        ours.discard("full")
    header = [f"Method ({num_points} points)"]
    for name in sets:
        title = name
        if name in TEST_SETS and found.get(name) != size_of(name):
            title = f"{name}, {found.get(name)} of {size_of(name)}"
        if name in ours:
            header += [f"{title}: {unit}" for unit in _NORMALISERS.values()]
        header += [f"{name}: published"] if name in told else []
    lines = []
    for row in rows:
        line = [row["method"]]
        for name in sets:
            errors = _of_points(row.get("sets", {}).get(name, {}), num_points)
            if name in ours:
                line += [errors.get(unit) for unit in _NORMALISERS]
            if name in told:
                line.append(row.get("published", {}).get(name))
        lines.append(line)
    return table(header, lines)


def point_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The layout of Tables 2 and 3: per cent for 68 and 49 landmarks.

    Args:
        rows: of `study.score`, and of published methods with `published` alone.
    """
    header = ["Method"]
    for points in (68, 49):
        header += [f"{points}: {unit}" for unit in _NORMALISERS.values()]
        header.append(f"{points}: published")
    lines = []
    for row in rows:
        line = [row["method"]]
        for points in (68, 49):
            errors = _of_points(row, points)
            line += [errors.get(unit) for unit in _NORMALISERS]
            line.append(row.get("published", {}).get(str(points)))
        lines.append(line)
    return table(header, lines)


def page(told: Mapping[str, Any], tables: Sequence[str]) -> str:
    """The Markdown page of one table or figure."""
    lines = [f"# {told['title']}", ""]
    for shown in tables:
        lines += [shown, ""]
    lines += [f"![{told['title']}]({name})\n" for name in told["pictures"]]
    if told["trained_on"]:
        lines.append(f"- trained on {told['trained_on']}")
    else:
        lines.append(f"- the model is {told['checkpoint']}, trained before")
    lines += [
        f"- {name} test faces: {found['num_faces']} of {found['expected']}"
        for name, found in told["test_sets"].items()
    ]
    lines += [f"- {note}" for note in told["notes"]]
    lines += [
        f"- {told['seconds']:.0f} s on {told['device']}, {told['cpu_seconds']:.0f} s of "
        "processor time",
        f"- `{told['command']}`",
    ]
    return "\n".join(lines) + "\n"


def _of_points(errors: Mapping[str, Any], num_points: int) -> Mapping[str, Any]:
    if num_points == 68:
        return errors
    return errors.get("subsets", {}).get(str(num_points), {})
