"""Measures prediction and training speed of the presets, in one run, as medians.

rcsr-benchmark --out=speed.json                        # about 15 minutes on two cores
rcsr-benchmark --presets=base --batches=1,32 --repeats=3

Times are those of one jitted call on random crops that lie on the device, without cropping
and without compilation; the repeats of all rows are interleaved, so that a machine whose
speed drifts is unfair to none. A peer that can be imported is measured in the same run:
dlib with --dlib_model=FILE, a shape predictor trained with dlib.train_shape_predictor.
"""

import dataclasses
import functools
import importlib.util
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from tqdm import tqdm

from rcsr_jax import updates
from rcsr_jax.config import ModelConfig, preset, replace_fields
from rcsr_jax.costs import static_costs
from rcsr_jax.data.crops import cached_size
from rcsr_jax.model import init_params, predict

from . import settings

_OUT = flags.DEFINE_string("out", None, "JSON file for the rows.")
_PRESETS = flags.DEFINE_list("presets", ["fast", "base"], "Presets to measure.")
_SAMPLINGS = flags.DEFINE_list("samplings", ["planes", "patches"], "Orders to measure.")
_BATCHES = flags.DEFINE_list("batches", ["1", "8", "32", "64"], "Faces per call.")
_STEPS = flags.DEFINE_list("steps", ["5", "13"], "Recurrences.")
_TRAIN_BATCH = flags.DEFINE_integer(
    "train_batch", 32, "Faces per update.", lower_bound=1
)
_REPEATS = flags.DEFINE_integer("repeats", 7, "Timed calls per row.", lower_bound=1)
_DLIB = flags.DEFINE_string("dlib_model", None, "Trained dlib shape predictor.")

_MATMUL_SIDE = 2048
_LARGEST_PATCHES = 64  # the paper's order needs a gigabyte and more beyond


@dataclasses.dataclass
class Row:
    """One thing to time.

    Attributes:
        fields: what it is, as written to the JSON file.
        call: does it once and waits for the end.
        faces: per call.
        seconds: measured so far.
    """

    fields: dict[str, Any]
    call: Callable[[], Any]
    faces: int
    seconds: list[float] = dataclasses.field(default_factory=list)

    @property
    def median(self) -> float:
        """Seconds of a call."""
        return statistics.median(self.seconds)


def main(arguments: list[str]) -> None:
    """Measures, prints the table and writes it."""
    settings.no_arguments(arguments)
    predictions = _prediction_rows() + _dlib_rows()
    trainings = _training_rows()
    product = _matmul_row()
    _time_interleaved([*predictions, *trainings, product], repeats=_REPEATS.value)
    rate = _MATMUL_SIDE**3 / product.median
    results = {
        "machine": _machine(),
        "matmul_gigamacs_per_second": rate / 1e9,
        "costs": {
            name: static_costs(preset(name).model)._asdict() for name in _PRESETS.value
        },
        "predict": [
            {**row.fields, "milliseconds_per_face": 1e3 * row.median / row.faces}
            for row in predictions
        ],
        "train": [
            {**row.fields, "faces_per_second": row.faces / row.median}
            for row in trainings
        ],
        "share_of_matmul_rate": _shares(predictions, rate),
    }
    print(_table(results))
    if _OUT.value:
        path = Path(_OUT.value)
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        print(f"wrote {path}")


def _prediction_rows() -> list[Row]:
    rows = []
    for name in _PRESETS.value:
        for sampling in _SAMPLINGS.value:
            model = dataclasses.replace(preset(name).model, sampling=sampling)
            params = _random_params(model)
            for batch in sorted({int(text) for text in _BATCHES.value} | {32}):
                if sampling == "patches" and batch > _LARGEST_PATCHES:
                    continue
                crops = _random_crops(batch, model)
                for steps in sorted({int(text) for text in _STEPS.value} | {5, 13}):
                    call = functools.partial(
                        predict, params, crops, config=model, num_steps=steps
                    )
                    fields = {
                        "name": "rcsr_jax",
                        "preset": name,
                        "sampling": sampling,
                        "batch": batch,
                        "num_steps": steps,
                    }
                    rows.append(Row(fields, _waiting(call), batch))
    return rows


def _training_rows() -> list[Row]:
    rows = []
    devices = jax.local_devices()
    for name in _PRESETS.value:
        for sampling in _SAMPLINGS.value:
            changes = {"sampling": sampling, "batch_size": _TRAIN_BATCH.value}
            config = replace_fields(preset(name), {**changes, "num_steps": 5})
            random = np.random.default_rng(0)
            side = cached_size(config.model, config.data)
            faces = updates.Faces(
                random.integers(0, 256, (256, side, side), np.uint8),
                random.uniform(
                    side / 3, 2 * side / 3, (256, config.model.num_points, 2)
                ).astype(np.float32),
            )
            optimiser = updates.make_optimiser(config.train, num_faces=256)
            update = updates.parallel_update(
                config=config, optimiser=optimiser, devices=devices
            )
            start = updates.init_state(
                _random_params(config.model), optimiser=optimiser
            )
            state = updates.on_every_device(start, devices)
            call = functools.partial(
                update, state, updates.on_every_device(faces, devices)
            )
            fields = {"preset": name, "sampling": sampling, "num_steps": 5}
            rows.append(Row(fields, _waiting(call), _TRAIN_BATCH.value))
    return rows


def _dlib_rows() -> list[Row]:
    if not _DLIB.value:
        return []
    if importlib.util.find_spec("dlib") is None:
        raise ValueError("--dlib_model needs the package dlib: pip install dlib.")
    dlib = importlib.import_module("dlib")
    shapes = dlib.shape_predictor(_DLIB.value)
    image = np.random.default_rng(0).integers(0, 256, (256, 256), np.uint8)
    box = dlib.rectangle(64, 64, 192, 192)
    fields = {"name": "dlib", "preset": "", "sampling": "", "batch": 1, "num_steps": 10}
    return [Row(fields, lambda: shapes(image, box), 1)]


def _matmul_row() -> Row:
    square = jax.random.normal(jax.random.key(0), (_MATMUL_SIDE, _MATMUL_SIDE))
    product = jax.jit(jnp.matmul)
    return Row({}, _waiting(lambda: product(square, square)), 1)


def _waiting(call: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: jax.block_until_ready(call())


def _time_interleaved(rows: Sequence[Row], *, repeats: int) -> None:
    with tqdm(
        total=len(rows) * (repeats + 1), desc="calls", disable=not sys.stderr.isatty()
    ) as bar:
        for repeat in range(repeats + 1):
            for row in rows:
                started = time.perf_counter()
                row.call()
                if repeat:  # the first call compiles
                    row.seconds.append(time.perf_counter() - started)
                bar.update()


def _random_params(model: ModelConfig) -> dict[str, Any]:
    shape = np.random.default_rng(0).uniform(0.2, 0.8, (model.num_points, 2))
    return init_params(
        jax.random.key(0), config=model, mean_shape=shape * model.crop_size
    )


def _random_crops(batch: int, model: ModelConfig) -> jax.Array:
    size = (batch, model.crop_size, model.crop_size)
    return jnp.asarray(np.random.default_rng(0).integers(0, 256, size, np.uint8))


def _shares(rows: Sequence[Row], rate: float) -> list[dict[str, Any]]:
    """The share of the machine's matrix rate that the necessary multiply-adds reach."""
    shares = []
    for row in rows:
        if row.fields["name"] != "rcsr_jax":
            continue
        model = dataclasses.replace(
            preset(row.fields["preset"]).model, sampling=row.fields["sampling"]
        )
        needed = (
            row.faces * static_costs(model, num_steps=row.fields["num_steps"]).total
        )
        shares.append({**row.fields, "share": needed / row.median / rate})
    return shares


def _machine() -> dict[str, Any]:
    device = jax.local_devices()[0]
    return {
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "jax": jax.__version__,
        "device": device.device_kind,
        "devices": jax.local_device_count(),
    }


def _table(results: dict[str, Any]) -> str:
    shares = {
        tuple(row[key] for key in ("preset", "sampling", "batch", "num_steps")): row[
            "share"
        ]
        for row in results["share_of_matmul_rate"]
    }
    rate = results["matmul_gigamacs_per_second"]
    lines = [f"matrix product: {rate:.0f} G multiply-adds a second"]
    for row in results["predict"]:
        key = tuple(row[k] for k in ("preset", "sampling", "batch", "num_steps"))
        share = (
            f"{100 * shares[key]:5.0f} % of the matrix rate" if key in shares else ""
        )
        lines.append(
            f"predict {row['name']:9}{row['preset']:6}{row['sampling']:8} batch "
            f"{row['batch']:4} steps {row['num_steps']:3} "
            f"{row['milliseconds_per_face']:9.2f} ms per face {share}"
        )
    lines += [
        f"train   {row['preset']:6}{row['sampling']:8} "
        f"{row['faces_per_second']:8.1f} faces/s"
        for row in results["train"]
    ]
    for name, costs in results["costs"].items():
        lines.append(
            f"costs   {name}: {costs['parameters']:,} parameters, "
            f"{costs['total'] / 1e6:,.0f} M multiply-adds per face"
        )
    return "\n".join(lines)


def run() -> None:
    """The console command."""
    settings.run(main)


if __name__ == "__main__":
    run()
