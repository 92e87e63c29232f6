"""How a model learned: its validation error by updates and by processor time.

Processor time is that of the whole process, user and system: what else the machine does
hardly changes it, which cannot be said of the time by the clock.
"""

import csv
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rcsr_jax.training import Progress

_HEADER = ("updates", "cpu_seconds", "nme_interocular")
Point = Mapping[str, float]


class Recorder:
    """Writes `learning.csv` to a model's folder; goes on where an earlier one stopped."""

    def __init__(self, folder: Path):
        self._path = folder / "learning.csv"
        self._rows = list(read_learning(folder))
        self._begun = time.process_time()
        self._before: float | None = None  # seconds of earlier starts

    def tell(self, progress: Progress) -> None:
        """Takes a report of the training."""
        if progress.stage != "train":
            return
        if self._before is None:  # the first report says where the run goes on
            self._rows = [row for row in self._rows if row["updates"] <= progress.done]
            self._before = self._rows[-1]["cpu_seconds"] if self._rows else 0.0
        if not progress.checkpoint:
            return
        spent = self._before + time.process_time() - self._begun
        values = (progress.done, round(spent, 6), round(progress.nme, 3))
        self._rows.append(dict(zip(_HEADER, values, strict=True)))
        with self._path.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, _HEADER)
            table.writeheader()
            table.writerows(self._rows)


def read_learning(folder: Path) -> Sequence[Point]:
    """The points of a model's curve; none where it was trained without a recorder.

    Returns:
        of each validation `updates`, `cpu_seconds` and `nme_interocular`, per cent.
    """
    path = folder / "learning.csv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{name: float(value) for name, value in row.items()} for row in rows]
