"""What a run writes beside its checkpoints: settings, metrics, refusals, versions.

A file is written under another name and then given its own, so a process that is killed
leaves the old file or the new one. Of several processes the first one writes.
"""

import contextlib
import csv
import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rcsr_jax import hosts
from rcsr_jax.config import RunConfig, differences, from_dict, to_dict
from rcsr_jax.data.crops import CropCache
from rcsr_jax.data.refusals import Refusal, refusal_table
from rcsr_jax.data.whole_files import csv_text, write_whole
from rcsr_jax.progress import Progress

# Settings that may change when a run goes on: they do not change what is learned.
RESUMABLE = frozenset({"max_seconds", "eval_every", "strict", "stream_faces"})
# and those that name what is known otherwise: faces by faces.json, parameters by the
# checkpoint; on another machine they lie elsewhere
_PLACES = frozenset({"data", "last_data", "boxes", "init_from"})
_FACES = "faces.json"
# files of a run, and what each of them holds or begins with
_KEYS = {
    "config.json": {"model", "train"},
    "environment.json": {"jax"},
    _FACES: {"training", "validation"},
}
_HEADS = {"metrics.csv": "step,", "refused.csv": "name,reason"}
_AT_ONCE = 4096  # faces whose landmarks are read
_SAME_LANDMARKS = 1e-7  # of their mean: a last digit is less, a moved landmark more


def _check_free(workdir: Path) -> None:
    """Raises ValueError where a run would replace a file that no run has written."""
    for path in (workdir / name for name in (*_KEYS, *_HEADS)):
        if path.exists() and not _is_of_a_run(path):
            raise ValueError(
                f"{path} is not of a run, which would replace it; name another workdir."
            )


def _is_of_a_run(path: Path) -> bool:
    try:
        text = path.read_text(encoding="utf-8")
        if path.name in _HEADS:
            return text.startswith(_HEADS[path.name])
        told = json.loads(text)
    except (OSError, ValueError):
        return False
    return isinstance(told, dict) and _KEYS[path.name] <= told.keys()


def check_same_run(workdir: Path, config: RunConfig, *, resuming: bool) -> None:
    """Checks that a work folder's run is the one that is to go on, or makes way for one.

    Raises:
        ValueError: it has other settings, and the message names them; or where none goes
            on, a file lies there that no run has written.
    """
    if not resuming:
        return _check_free(workdir)
    path = workdir / "config.json"
    if not path.is_file():
        return
    try:
        stored = from_dict(RunConfig, json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}); take a new workdir.") from error
    changed = differences(stored, config)
    may_change = RESUMABLE | (_PLACES if (workdir / _FACES).is_file() else set())
    if refused := {k: v for k, v in changed.items() if k not in may_change}:
        listed = ", ".join(f"{k} ({a!r}, now {b!r})" for k, (a, b) in refused.items())
        before, now = refused.get("num_updates", (0, 0))
        longer = f" To train on from it, give the other --init_from={workdir}."
        raise ValueError(
            f"{workdir} holds a run with other settings: {listed}. Give it the same "
            f"settings or another workdir.{longer if now > before else ''}"
        )


def check_same_faces(
    workdir: Path, faces: Mapping[str, CropCache], *, data: str, resuming: bool
) -> None:
    """Checks that a run goes on with the faces that it began with.

    Writes faces.json: what they are known by.

    Args:
        workdir: of the run.
        faces: those to train on and those to validate on, by what they are called.
        data: where they come from.
        resuming: whether the run goes on; a work folder of an earlier version may lack
            the file.

    Raises:
        ValueError: faces are there or lacking, or have other landmarks than then.
    """
    now = {name: _known_by(cache) for name, cache in faces.items()}
    path = workdir / _FACES
    if resuming and path.is_file():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
            same = all(_alike(before[name], now[name]) for name in now)
            counts = [
                " and ".join(f"{v[n]['faces']} {n}" for n in now) for v in (before, now)
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path} is damaged ({error}); delete it if the faces are those of before."
            ) from error
        if not same:
            raise ValueError(
                f"{data} does not hold the faces that {workdir} began with, {counts[0]} "
                f"faces; now there are {counts[1]}, or other landmarks. Bring the old ones "
                f"back; or train on from it, --init_from={workdir} and another workdir."
            )
    _replace(path, json.dumps(now) + "\n")


def _known_by(cache: CropCache) -> dict[str, Any]:
    """Of faces: how many, what they are called, and where their landmarks lie on average.

    A mean, not a digest: another machine may cut a crop with another last digit.
    """
    sums = np.zeros(3)
    for first in range(0, len(cache.points), _AT_ONCE):
        points = np.asarray(cache.points[first : first + _AT_ONCE], np.float64)
        points = points[np.isfinite(points)]
        sums += [len(points), points.sum(), (points**2).sum()]
    names = hashlib.sha256("\n".join(cache.names).encode()).hexdigest()
    landmarks = (sums[1:] / max(sums[0], 1)).tolist()
    return {"faces": len(cache.names), "names": names, "landmarks": landmarks}


def _alike(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    pairs = zip(before["landmarks"], now["landmarks"], strict=True)
    return before["names"] == now["names"] and all(
        math.isclose(old, new, rel_tol=_SAME_LANDMARKS) for old, new in pairs
    )


def write_config(workdir: Path, config: RunConfig) -> None:
    """Writes config.json: the whole run."""
    _replace(workdir / "config.json", json.dumps(to_dict(config), indent=2) + "\n")


def environment_change(workdir: Path) -> str:
    """What is different from the last time that this run went on; empty: nothing.

    Writes environment.json: the versions and devices of this time.
    """
    now = {
        "jax": jax.__version__,
        "device": jax.local_devices()[0].device_kind,
        "num_devices": jax.device_count(),
        "num_processes": jax.process_count(),
    }
    path, before = workdir / "environment.json", {}
    # it is for information alone
    with contextlib.suppress(OSError, ValueError, TypeError):
        before = dict(json.loads(path.read_text(encoding="utf-8")))
    _replace(path, json.dumps(now) + "\n")
    changed = [k for k in now if k in before and before[k] != now[k]]
    return ", ".join(f"{name} was {before[name]}, now {now[name]}" for name in changed)


def write_refused(workdir: Path, refused: Sequence[Refusal]) -> None:
    """Writes refused.csv: the faces that could not be used, and why."""
    _replace(workdir / "refused.csv", refusal_table(refused))


class MetricsTable:
    """`metrics.csv`: a row per validation; rows of undone updates go when a run resumes.

    Processor time is that of the whole process, user and system, and of the starts before:
    what else the machine does hardly changes it, which cannot be said of the time by the
    clock.
    """

    _HEADER = (
        "step",
        "loss",
        "nme_interocular",
        "faces_per_second",
        "skipped",
        "cpu_seconds",
    )

    def __init__(self, workdir: Path, *, upto: int):
        self._path = workdir / "metrics.csv"
        rows: list[dict[str, str]] = []
        if self._path.is_file():
            text = self._path.read_text(encoding="utf-8")
            # a last line without an end was being written when the run was killed
            lines = text[: text.rfind("\n") + 1].splitlines()
            try:
                read = csv.DictReader(lines, strict=True)
                rows = [row for row in read if int(row["step"]) <= upto]
            except (KeyError, TypeError, ValueError, csv.Error) as error:
                raise ValueError(
                    f"{self._path} is damaged: no table with whole numbers in a column "
                    "step; bring the old one back, or delete it: the run goes on without."
                ) from error
        # a run of an earlier version has no processor time
        before = float(rows[-1].get("cpu_seconds") or 0) if rows else 0.0
        self._begun = time.process_time() - before
        kept = [[row.get(name, "") for name in self._HEADER] for row in rows]
        _replace(self._path, csv_text([self._HEADER, *kept]))

    def add(self, report: Progress) -> None:
        """Appends a row of what a run reports after a validation."""
        row = [
            report.done,
            f"{report.loss:.6f}",
            f"{report.nme:.4f}",
            f"{report.faces_per_second:.1f}",
            report.skipped,
            f"{time.process_time() - self._begun:.3f}",
        ]
        if hosts.is_first():
            with (
                _named(self._path),
                self._path.open("a", encoding="utf-8", newline="") as file,
            ):
                file.write(csv_text([row]))


def _replace(path: Path, text: str) -> None:
    """Gives a file of the run a new content: the first process does."""
    if not hosts.is_first():
        return
    with _named(path):
        write_whole(path, text)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors of writing tell the file: that of a full disk does not."""
    try:
        yield
    except OSError as error:
        raise ValueError(
            f"{path} cannot be written: {error.strerror}. The checkpoints stay whole. See "
            "to room and permissions; then the same command goes on."
        ) from error
