"""What a run writes beside its checkpoints: config.json, metrics.csv and refused.csv."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from rcsr_jax.config import RunConfig, differences, from_dict, to_dict
from rcsr_jax.data.faces import Refusal

# Settings that may change when a run goes on: they do not change what is learned.
RESUMABLE = frozenset({"max_seconds", "eval_every", "strict", "stream_faces"})


def check_same_run(workdir: Path, config: RunConfig, *, resuming: bool) -> None:
    """Checks that a work folder's run is the one that is to go on.

    Raises:
        ValueError: it has other settings; the message names them.
    """
    path = workdir / "config.json"
    if not resuming or not path.is_file():
        return
    try:
        stored = from_dict(RunConfig, json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}); take a new workdir.") from error
    changed = differences(stored, config)
    if refused := {k: v for k, v in changed.items() if k not in RESUMABLE}:
        listed = ", ".join(f"{k} ({a!r}, now {b!r})" for k, (a, b) in refused.items())
        raise ValueError(
            f"{workdir} holds a run with other settings: {listed}. Give it the same "
            "settings or another workdir."
        )


def write_config(workdir: Path, config: RunConfig) -> None:
    """Writes config.json: the whole run."""
    text = json.dumps(to_dict(config), indent=2)
    (workdir / "config.json").write_text(text + "\n", encoding="utf-8")


def write_refused(workdir: Path, refused: Sequence[Refusal]) -> None:
    """Writes refused.csv: the faces that could not be used, and why."""
    with (workdir / "refused.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("name", "reason"), *refused])


class MetricsTable:
    """`metrics.csv`: a row per validation; rows of undone updates go when a run resumes."""

    _HEADER = ("step", "loss", "nme_interocular", "faces_per_second")

    def __init__(self, workdir: Path, *, upto: int):
        self._path = workdir / "metrics.csv"
        rows: list[list[str]] = []
        if self._path.is_file():
            with self._path.open(newline="", encoding="utf-8") as file:
                rows = [
                    row for row in list(csv.reader(file))[1:] if int(row[0]) <= upto
                ]
        with self._path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([self._HEADER, *rows])

    def add(self, step: int, loss: float, error: float, speed: float) -> None:
        """Appends a row: percent NME, faces per second."""
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(
                [step, f"{loss:.6f}", f"{error:.4f}", f"{speed:.1f}"]
            )
