"""Training from the disk beside training from the device: faces a second, and memory.

python -m rcsr_jax.experiments.streaming --num_faces=1000000 --preset=demo --out=DIR

DIR gets a crop cache of drawn faces, again and again, as --data takes it: 12 GB for a
million faces of the demo preset, and what was measured, streaming.json. Rounds from the
device, which holds the first faces alone, and from the disk take turns; the files are put
out of the system's cache beforehand.
"""

import json
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import jax
import numpy as np
from absl import flags

from rcsr_jax import sharing, updates
from rcsr_jax.config import ModelConfig, RunConfig, TrainConfig, replace_fields
from rcsr_jax.data import crop_builds, crops
from rcsr_jax.data.batches import Batch, TrainingSet
from rcsr_jax.data.crops import CropCache
from rcsr_jax.data.rows import Rows
from rcsr_jax.data.sources import drawn_sources
from rcsr_jax.feed import feed, num_bytes
from rcsr_jax.model import init_params
from rcsr_jax.optimiser import make_optimiser
from rcsr_jax.validation import mean_in_crops

from . import outputs, process, program, settings
from .out_folder import define_out

_OUT = define_out("Folder for the cache.")
_NUM_FACES = flags.DEFINE_integer(
    "num_faces", 1_000_000, "Faces of the cache.", lower_bound=1
)
_DISTINCT = flags.DEFINE_integer(
    "distinct", 2000, "Of these are drawn, the others repeat them.", lower_bound=1
)
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Of each kind.", lower_bound=1)
_UPDATES = flags.DEFINE_integer("updates", 40, "Of a round.", lower_bound=1)
_config = settings.define_run_flags(ModelConfig, TrainConfig)


def main(arguments: list[str]) -> None:
    """Makes the cache where it is missing, measures and tells."""
    program.no_arguments(arguments)
    config = _config()
    process.split_cpu(config.train.batch_size)
    out = _OUT()
    data = replace_fields(config, {"drawn_faces": _DISTINCT.value})
    small = crop_builds.open_or_build(
        out / "distinct",
        drawn_sources(data.model, data.data),
        model=data.model,
        data=data.data,
        jobs=process.num_cores(),
    )
    large = _repeated(small, out, num_faces=_NUM_FACES.value)
    told = _measured(small, large, config)
    outputs.write_json(out / "streaming.json", told)
    print(json.dumps(told, indent=1))


def _repeated(small: CropCache, out: Path, *, num_faces: int) -> CropCache:
    """The cache of so many faces, written now unless it is there."""
    folder = out / f"faces{num_faces}"
    if crops.is_cache(folder):
        return crops.open_cache(folder)
    folder.mkdir(parents=True, exist_ok=True)
    frames = np.column_stack([small.frames.corner, small.frames.scale])
    arrays = {"crops": small.crops, "points": small.points, "frames": frames}
    for name, array in arrays.items():
        shape = (num_faces, *array.shape[1:])
        rows = np.lib.format.open_memmap(
            folder / f"{name}.npy", mode="w+", dtype=array.dtype, shape=shape
        )
        for first in range(0, num_faces, len(array)):
            rows[first : first + len(array)] = array[: num_faces - first]
        rows.flush()
    names = (
        f"{n // len(small.names):04d}/{small.names[n % len(small.names)]}"
        for n in range(num_faces)
    )
    header = json.loads((out / "distinct" / "cache.json").read_text(encoding="utf-8"))
    header |= {"names": list(names), "checksums": crops.checksums(folder)}
    (folder / "cache.json").write_text(json.dumps(header), encoding="utf-8")
    return crops.open_cache(folder)


def _measured(small: CropCache, large: CropCache, config: RunConfig) -> dict:
    devices = jax.local_devices()
    shape = mean_in_crops(small, config.model, config.data)
    optimiser = make_optimiser(config.train, num_faces=len(large.names))
    update = updates.parallel_update(
        config=config, optimiser=optimiser, devices=devices
    )
    params = init_params(jax.random.key(0), config=config.model, mean_shape=shape)
    state = sharing.on_every_device(
        updates.init_state(params, optimiser=optimiser), devices
    )
    everything = range(len(large.names))
    faces = {
        "device": TrainingSet(small.crops, small.points),
        "disk": TrainingSet(
            large.take(everything).crops, large.take(everything).points
        ),
    }
    choices = {"device": "never", "disk": "always"}
    for array in (large.crops, large.points):
        _forget(array)
    rounds: dict[str, list[dict]] = {"device": [], "disk": []}
    with ExitStack() as at_end:
        feeds: dict[str, Iterator[Batch]] = {}
        for kind, chosen in choices.items():
            run = replace_fields(config, {"stream_faces": chosen})
            batches = feed(faces[kind], 0, config=run, devices=devices)
            feeds[kind] = at_end.enter_context(closing(batches))
        for kind in [*choices] + [*choices] * _ROUNDS.value:
            wall, used = time.monotonic(), time.process_time()
            for _ in range(_UPDATES.value):
                state, logged = update(state, next(feeds[kind]))
            jax.block_until_ready(logged)
            rounds[kind].append(
                {
                    "seconds": time.monotonic() - wall,
                    "cpu_seconds": time.process_time() - used,
                    **_memory(),
                }
            )
    count = _UPDATES.value * config.train.batch_size
    told = {
        kind: {
            "faces": len(faces[kind].crops),
            "faces_per_second": count / _median(done[1:], "seconds"),
            "faces_per_cpu_second": count / _median(done[1:], "cpu_seconds"),
            "rounds": done,
        }
        for kind, done in rounds.items()
    }
    return {
        "ratio": _ratio(told, "faces_per_second"),
        "ratio_of_cpu_time": _ratio(told, "faces_per_cpu_second"),
        "bytes_on_disk": num_bytes(faces["disk"]),
        **told,
    }


def _ratio(told: dict, name: str) -> float:
    return told["disk"][name] / told["device"][name]


def _median(rounds: list[dict], name: str) -> float:
    return statistics.median(done[name] for done in rounds)


def _forget(array: np.ndarray | Rows) -> None:
    """Puts a file out of the system's cache."""
    if not isinstance(array, np.memmap) or not hasattr(os, "posix_fadvise"):
        return
    with Path(str(array.filename)).open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _memory() -> dict[str, int]:
    """The memory of this process in MB: its own, and of files that it maps."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return {}
    lines = status.read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    names = {"own_mb": "RssAnon", "mapped_mb": "RssFile"}
    return {name: int(fields[key].split()[0]) // 1024 for name, key in names.items()}


if __name__ == "__main__":
    program.run(main)
