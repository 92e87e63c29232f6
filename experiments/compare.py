"""Compares evaluations of several models, face by face, with the first one.

rcsr-compare results_before results_now
rcsr-compare --out=comparison base fast mine

Takes folders that rcsr-evaluate wrote, and the faces that all of them measured. Prints the
errors, how far those of each model lie from those of the first, within which interval that
would hold for other faces of this kind (95 %), and the faces that changed most. With --out
the same as comparison.json, and ced.png, the error distributions.
"""

import csv
import io
import json
import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from rcsr_jax.comparison import common_faces, compare, summarise_errors
from rcsr_jax.curves import save_ced

from . import outputs, program
from .out_folder import folder_to_write
from .short_names import short_names

_OUT = flags.DEFINE_string("out", None, "Folder for comparison.json and ced.png.")

_COLUMN = "nme_interocular"
_COSTS = ("num_steps_mean", "num_looks_mean", "milliseconds_per_face")
_HEADS = {
    "nme_interocular": "inter-ocular",
    "median_interocular": "median",
    "auc_08": "AUC",
    "failure_rate_08": "failures",
    "num_steps_mean": "steps",
    "num_looks_mean": "looks",
    "milliseconds_per_face": "ms per face",
}


def main(arguments: list[str]) -> None:
    """Compares, prints tables and, where that is wanted, writes them."""
    folders = arguments[1:]
    if len(set(folders)) < 2:
        raise ValueError(
            "give two folders of rcsr-evaluate or more: rcsr-compare before now."
        )
    out = folder_to_write(_OUT.value) if _OUT.value else None
    if out is not None and (out / "errors.csv").exists():
        raise ValueError(f"{out} holds an evaluation; choose another --out.")
    found = {name: Path(folder) for name, folder in short_names(folders).items()}
    tables = {name: _read_rows(folder / "errors.csv") for name, folder in found.items()}
    _check_same_annotation(tables)
    measured = {
        name: _errors_of(rows, path=found[name] / "errors.csv")
        for name, rows in tables.items()
    }
    names, errors = common_faces(measured)
    rows = {
        name: {**summarise_errors(errors[name]), **_costs(folder / "metrics.json")}
        for name, folder in found.items()
    }
    first, *others = errors
    differences = {
        name: compare(errors[name], errors[first], names=names) for name in others
    }
    told = {name: len(faces) - len(names) for name, faces in measured.items()}
    print(_table(rows, num_faces=len(names)))
    for name, more in told.items():
        if more:
            print(f"{name} has {more} more faces, which others lack or cannot measure")
    for name, difference in differences.items():
        print(f"\n{_sentences(name, first, difference)}")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        report = {
            "command": shlex.join(["rcsr-compare", *sys.argv[1:]]),
            "num_faces": len(names),
            "evaluations": [
                {"name": name, "folder": str(found[name]), **row}
                for name, row in rows.items()
            ],
            "against": first,
            "differences": differences,
        }
        outputs.write_json(out / "comparison.json", report)
        save_ced(out / "ced.png", errors)
        print(f"\nwrote {out}/comparison.json and ced.png")


def _read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table of errors.

    Raises:
        ValueError: the file is not there, or is no table.
    """
    try:
        text = path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ValueError(
            f"{path} is not there; name folders that rcsr-evaluate wrote (its --out)."
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no UTF-8 text.") from error
    try:
        return list(csv.DictReader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise ValueError(f"{path} is no table ({error}).") from error


def _check_same_annotation(tables: Mapping[str, Sequence[Mapping[str, str]]]) -> None:
    """Raises ValueError where faces of one name were measured against other landmarks."""
    (first, rows), *others = tables.items()
    known = {row.get("face"): row.get("annotation") for row in rows}
    for name, theirs in others:
        for row in theirs:
            one, other = known.get(row.get("face")), row.get("annotation")
            if one and other and one != other:
                raise ValueError(
                    f"{row['face']} has other landmarks in {name} than in {first}: these "
                    "are evaluations of different faces, or of different annotation."
                )


def _errors_of(rows: Sequence[Mapping[str, str]], *, path: Path) -> dict[str, float]:
    """The inter-ocular error of each face, as shares; NaN where it was not measured.

    Raises:
        ValueError: the table is none of rcsr-evaluate.
    """
    try:
        errors = {row["face"]: float(row[_COLUMN] or "nan") / 100 for row in rows}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} has no column {_COLUMN} of numbers beside face; evaluate again."
        ) from error
    if len(errors) < len(rows):
        raise ValueError(f"{path} names a face twice; evaluate again.")
    return errors


def _costs(path: Path) -> dict[str, float]:
    """Steps, looks and time of an evaluation, as far as they are told."""
    try:
        metrics = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read ({error}); evaluate again.") from error
    known = metrics if isinstance(metrics, dict) else {}
    return {name: known[name] for name in _COSTS if known.get(name) is not None}


def _table(rows: Mapping[str, Mapping[str, float]], *, num_faces: int) -> str:
    """The numbers of the models, a line each, for the terminal."""
    title = f"{num_faces} faces; per cent"
    width = max(map(len, (title, *rows))) + 2
    lines = [title.ljust(width) + "".join(f"{head:>14}" for head in _HEADS.values())]
    for name, row in rows.items():
        cells = (
            f"{row[column]:14.2f}" if column in row else f"{'-':>14}"
            for column in _HEADS
        )
        lines.append(name.ljust(width) + "".join(cells))
    return "\n".join(lines)


def _sentences(name: str, first: str, found: Mapping[str, Any]) -> str:
    """What a difference says."""
    error = found["nme_interocular"]
    lines = [
        f"{name} against {first}: {error['difference']:+.3f}{_within(error['interval'])}, "
        f"smaller on {found['better_share']:.0f} % of the faces, larger on "
        f"{found['worse_share']:.0f} %"
    ]
    failures = found["failure_rate_08"]
    lines.append(
        f"failures: {failures['difference']:+.2f}{_within(failures['interval'])}"
    )
    interval = error["interval"]
    if interval and interval[0] <= 0 <= interval[1]:
        lines.append("these faces do not tell which of both has the smaller error")
    for what in ("most_improved", "most_worsened"):
        faces = "; ".join(
            f"{each['face']} {each['against']:.1f} -> {each['now']:.1f}"
            for each in found[what]
        )
        if faces:
            lines.append(f"{what.replace('_', ' ')}: {faces}")
    return "\n".join(lines)


def _within(interval: Sequence[float] | None) -> str:
    if interval is None or not np.isfinite(interval).all():
        return ""
    low, high = interval
    digits = 2 if math.isclose(low, high) or high - low > 0.1 else 3
    return f" (from {low:+.{digits}f} to {high:+.{digits}f})"


def run() -> None:
    """The console command."""
    program.run(main)


if __name__ == "__main__":
    run()
