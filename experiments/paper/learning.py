"""How a model learned: its validation error by updates and by processor time."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

Point = Mapping[str, float]


def read_learning(folder: Path) -> Sequence[Point]:
    """The points of a model's curve; none where the folder is no run's.

    Args:
        folder: of the run, with its `metrics.csv`.

    Returns:
        of each validation `updates`, `cpu_seconds` and `nme_interocular`, per cent.
    """
    path = folder / "metrics.csv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {
                "updates": float(row["step"]),
                "cpu_seconds": float(row["cpu_seconds"]),
                "nme_interocular": float(row["nme_interocular"]),
            }
            for row in csv.DictReader(file)
            if row.get("cpu_seconds")  # runs of an earlier version have none
        ]
