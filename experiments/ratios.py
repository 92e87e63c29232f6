"""Times of a benchmark as multiples of one of them: machines differ, and so do hours."""

from collections.abc import Mapping, Sequence
from typing import Any

from .rows import OURS


def reference_of(predict: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The row that the others are told as multiples of: a peer, or else the quickest.

    Args:
        predict: rows of prediction, as written to the JSON file; at least one.

    Returns:
        the quickest row of a peer where one was timed.
    """
    of_peers = [row for row in predict if not row["name"].startswith(OURS)]
    return min(of_peers or predict, key=lambda row: row["milliseconds_per_face"])


def with_ratios(predict: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows, each with its time as a multiple of the reference's: `ratio`.

    Args:
        predict: as for `reference_of`; none gives none.
    """
    if not predict:
        return []
    least = reference_of(predict)["milliseconds_per_face"]
    return [{**row, "ratio": row["milliseconds_per_face"] / least} for row in predict]


def told_reference(predict: Sequence[Mapping[str, Any]]) -> str:
    """A line that names the reference."""
    row = reference_of(predict)
    ours = " ".join(str(row[name]) for name in ("preset", "sampling") if row[name])
    what = f"{row['name']} {ours}".strip()
    size = f"batch {row['batch']}, steps {row['num_steps']}"
    return f"times x: as multiples of {what}, {size}"
