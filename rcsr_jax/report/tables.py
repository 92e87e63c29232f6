"""The tables of an evaluation, made from what `metrics.json` holds."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rcsr_jax import metrics
from rcsr_jax.published import read_published
from rcsr_jax.report.diagrams import Summary, number

COLUMNS = {
    "num_faces": "Faces",
    "nme_interocular": "Inter-ocular %",
    "nme_interpupil": "Inter-pupil %",
    "nme_box": "Box %",
    "auc_08": "AUC %",
    "failure_rate_08": "Failures %",
    "num_steps_mean": "Steps",
    "num_looks_mean": "Looks",
    "milliseconds_per_face": "ms / face",
}
REQUIRED = tuple(COLUMNS)[:6]
LIMITS = (0.03, 0.04, 0.05, 0.06, 0.08)  # of the table beside the CED
_MOST_ROWS = 1000  # of the table of faces


def format_number(value: Any) -> str:
    """A cell of a table: two decimals for a float, a dash for what is not known."""
    if value is None:
        return "—"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if not isinstance(value, float | np.floating):
        return str(value)
    if math.isnan(value):
        return "—"
    return f"{value:.2f}" if math.isfinite(value) else "∞"


def used_columns(summaries: Iterable[Summary]) -> dict[str, str]:
    """The key and heading of each number that one of the summaries holds."""
    used = {key for summary in summaries for key in summary}
    return {key: title for key, title in COLUMNS.items() if key in used}


def summary_rows(
    summaries: Mapping[str, Summary], *, num_points: int
) -> list[tuple[str, str, Summary]]:
    """Method, number of landmarks and summary of each row of the first table."""
    return [
        (method, points, summary)
        for method, whole in summaries.items()
        for points, summary in {
            str(num_points): whole,
            **whole.get("subsets", {}),
        }.items()
    ]


def published(whole: Summary, *, num_points: int) -> list[dict[str, Any]]:
    """Each published test set: its name, our summaries, the rows, the notes to them."""
    known = {entry.name: entry for entry in read_published()}
    parts = []
    for name, summary in whole.get("published_sets", {}).items():
        subsets = summary.get("subsets", {}).items()
        ours = {num_points: summary, **{int(n): part for n, part in subsets}}
        rows = [row for row in known[name].results if row.points in ours]
        if not rows:  # faces of a published set, landmarks of another markup
            continue
        notes = list(dict.fromkeys(row.reason for row in rows if row.reason))
        parts.append(
            {
                "name": name,
                "num_faces": sum(known[name].folders.values()),
                "ours": ours,
                "rows": rows,
                "notes": dict(zip(notes, "abcdefgh", strict=False)),
            }
        )
    return parts


def ced_note(errors: ArrayLike) -> str:
    """AUC and failure rate beside the curve of these errors, given as shares."""
    area, failed = metrics.auc(errors), metrics.failure_rate(errors)
    return f"AUC {100 * area:.2f} %, failures {100 * failed:.2f} %"


def regions(summaries: Mapping[str, Summary]) -> list[dict[str, Any]]:
    """A row for each region and method, with the length of its bar, 0 to 1."""
    rows = [
        {"region": region, "method": method, "error": error}
        for method, summary in summaries.items()
        for region, error in summary.get("by_region", {}).items()
    ]
    order = list(dict.fromkeys(row["region"] for row in rows))
    longest = max(
        (e for r in rows if math.isfinite(e := number(r["error"]))), default=0
    )
    for row in rows:
        error = number(row["error"])
        row["share"] = error / (longest or 1) if math.isfinite(error) else 0
    return sorted(rows, key=lambda row: order.index(row["region"]))


def listed(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The faces of the table: the worst where there are too many for a page."""
    if len(rows) <= _MOST_ROWS or "nme_interocular" not in rows[0]:
        return list(rows[:_MOST_ROWS])

    def badness(row: Mapping[str, Any]) -> float:
        error = number(row["nme_interocular"])
        return -math.inf if math.isnan(error) else error

    return sorted(rows, key=badness, reverse=True)[:_MOST_ROWS]
