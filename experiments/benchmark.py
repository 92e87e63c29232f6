"""Measures prediction and training speed of the presets, in one run, as medians.

rcsr-benchmark --out=speed.json                         # writes speed.png as well
rcsr-benchmark --presets=base --batches=1,32 --repeats=3
rcsr-benchmark --dlib_model=FILE.dat --out=speed.json   # of rcsr_jax.experiments.ert

Times are those of one jitted call on random crops that lie on the device, without cropping
and without compilation, which is told apart. The repeats of all rows are interleaved, so
that a machine whose speed drifts is unfair to none, and each time is told as a multiple of
one of them: of the quickest peer, or of the quickest row where none is timed. Peers use one
thread, so a second process compares them with our smaller presets on one core; there our
times with cropping, from a photo of 200-pixel faces on, stand beside those without.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
from absl import flags

from rcsr_jax.config import RunConfig, preset, replace_fields
from rcsr_jax.costs import static_costs
from rcsr_jax.sharing import places_of

from . import outputs, peers, process, program, rows, settings
from .chart import save_chart
from .out_folder import folder_to_write
from .ratios import with_ratios
from .shares import parts, shares
from .table import speed_table
from .timing import Row, time_interleaved, warm_up

_OUT = flags.DEFINE_string("out", None, "JSON file for the rows; a PNG goes beside it.")
_PRESETS = flags.DEFINE_list(
    "presets", ["fast", "base", "large", "paper"], "Presets to measure."
)
_SAMPLINGS = flags.DEFINE_list("samplings", ["planes", "patches"], "Orders to measure.")
flags.register_validator(
    _SAMPLINGS,
    lambda names: set(names) <= {"planes", "patches"},
    "takes planes and patches, with commas",
)
_BATCHES = flags.DEFINE_list(
    "batches", ["1", "8", "32", "64", "512"], "Faces per call; 32 is always measured."
)
_STEPS = flags.DEFINE_list(
    "steps", ["1", "5", "13"], "Recurrences; 5 and 13 are always measured."
)
_TRAIN_BATCH = flags.DEFINE_integer(
    "train_batch", 32, "Faces per update; 0: no training.", lower_bound=0
)
_DEVICES = flags.DEFINE_integer(
    "cpu_devices", 0, "CPU devices of training, as of rcsr-train.", lower_bound=0
)
_REPEATS = flags.DEFINE_integer("repeats", 7, "Timed calls per row.", lower_bound=1)
_SECONDS = flags.DEFINE_float(
    "seconds", 1.5, "Time of a row, after which three calls are enough.", lower_bound=0
)
_LONGEST = flags.DEFINE_float(
    "longest", 4.0, "Seconds of a call, above which larger batches are left out."
)
_DLIB = flags.DEFINE_string("dlib_model", None, "Trained dlib shape predictor.")
_ONE_CORE = flags.DEFINE_list(
    "one_core", ["fast", "base"], "Presets to compare with the peers on one core."
)
_CROPPING = flags.DEFINE_boolean("cropping", False, "Measure from photos on as well.")
flags.set_default(process.COMPILATION_CACHE, False)  # compilation is measured


def main(arguments: list[str]) -> None:
    """Measures, prints the table and writes it."""
    program.no_arguments(arguments)
    path = Path(_OUT.value) if _OUT.value else None
    if path:
        if path.suffix != ".json":
            raise ValueError(
                f"--out is a .json file, a .png goes beside it; got {path}."
            )
        folder_to_write(path.parent).mkdir(parents=True, exist_ok=True)
    others = set(_ONE_CORE.value) - {*_PRESETS.value, ""}
    if others and _ONE_CORE.present:
        raise ValueError(f"--one_core names {min(others)}, which --presets does not.")
    if _TRAIN_BATCH.value:
        process.split_cpu(_TRAIN_BATCH.value, num_devices=_DEVICES.value)
        training = replace_fields(RunConfig(), {"batch_size": _TRAIN_BATCH.value})
        places_of(training, devices=jax.devices())  # refused before all is measured
    results = _measure()
    if path:  # before the second process, which may fail
        outputs.write_json(path, results)
    one_core = [name for name in _ONE_CORE.value if name in _PRESETS.value]
    if one_core:
        results["one_core"] = _on_one_core(one_core)
    print(speed_table(results))
    if path:
        outputs.write_json(path, results)
        picture = path.with_suffix(".png")
        save_chart(
            picture,
            results["predict"],
            one_core=results.get("one_core", {}).get("predict", []),
            ours=rows.OURS,
            num_steps=rows.REQUIRED_STEPS[0],
        )
        print(f"wrote {path} and {picture}")


def _measure() -> dict[str, Any]:
    others = peers.dlib_rows(_DLIB.value) if _DLIB.value else []
    groups = rows.prediction_groups(
        _PRESETS.value,
        _SAMPLINGS.value,
        batches=settings.whole_numbers("batches", _BATCHES.value, least=1),
        steps=settings.whole_numbers("steps", _STEPS.value, least=1),
    )
    if _CROPPING.value:
        steps = rows.REQUIRED_STEPS[0]
        others += peers.cropping_rows(_PRESETS.value, num_steps=steps)
    predictions = warm_up([*groups, others], longest=_LONGEST.value)
    trainings = [
        rows.training_row(name, sampling, batch=_TRAIN_BATCH.value)
        for name in _PRESETS.value
        for sampling in rows.samplings_of(name, _SAMPLINGS.value)
        if _TRAIN_BATCH.value
    ]
    product = rows.matmul_row()
    warm_up([trainings, [product]], longest=_LONGEST.value)
    time_interleaved(
        [*predictions, *trainings, product],
        repeats=_REPEATS.value,
        seconds=_SECONDS.value,
    )
    rate = rows.matmul_side() ** 3 / product.median
    ours = [row for row in predictions if row.fields["name"] == rows.OURS]
    return {
        "machine": _machine(),
        "matmul_gigamacs_per_second": rate / 1e9,
        "costs": {
            name: static_costs(preset(name).model)._asdict() for name in _PRESETS.value
        },
        "predict": with_ratios(
            [
                {
                    **row.fields,
                    "milliseconds_per_face": row.milliseconds_per_face,
                    **_compilation(row),
                }
                for row in predictions
            ]
        ),
        "train": [
            {
                **row.fields,
                "faces_per_second": row.faces / row.median,
                **_compilation(row),
            }
            for row in trainings
        ],
        "share_of_matmul_rate": shares(ours, rate),
        "parts": parts(ours, rate),
        "memory": _memory(),
    }


def _on_one_core(presets: Sequence[str]) -> dict[str, Any]:
    """The comparison with peers, by this program in a process that has but one core."""
    with tempfile.TemporaryDirectory() as folder, process.one_core() as pinned:
        if not pinned:
            return {}
        out = Path(folder) / "rows.json"
        words = {
            "out": out,
            "presets": ",".join(presets),
            "samplings": "planes",
            "batches": "1,32",
            "steps": "5",
            "train_batch": 0,
            "repeats": _REPEATS.value,
            "seconds": _SECONDS.value,
            "one_core": "",
            "cropping": True,
        }
        if _DLIB.value:
            words["dlib_model"] = _DLIB.value
        done = subprocess.run(
            [sys.executable, "-m", f"{__package__}.benchmark"]
            + [f"--{name}={value}" for name, value in words.items()],
            env={**os.environ, "JAX_PLATFORMS": "cpu"},
            stdout=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            raise ValueError(
                f"the comparison on one core ended with exit code {done.returncode}; "
                "--one_core= leaves it out."
            )
        return json.loads(out.read_text(encoding="utf-8"))


def _compilation(row: Row) -> dict[str, float]:
    known = row.prepare is not None
    return {"compile_seconds": row.compile_seconds} if known else {}


def _machine() -> dict[str, Any]:
    device = jax.local_devices()[0]
    return {
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": process.num_cores(),
        "python": platform.python_version(),
        "jax": jax.__version__,
        "device": device.device_kind,
        "devices": jax.local_device_count(),
    }


def _memory() -> dict[str, float | None]:
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    resident = unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    used = jax.local_devices()[0].memory_stats() or {}
    peak = used.get("peak_bytes_in_use")
    return {
        "peak_resident_megabytes": resident / 1e6,
        "peak_device_megabytes": None if peak is None else peak / 1e6,
    }


def run() -> None:
    """The console command."""
    program.run(main)


if __name__ == "__main__":
    run()
