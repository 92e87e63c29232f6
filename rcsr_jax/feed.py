"""How the faces of each update get to the devices: from there, or from the disk.

A training set that fits is read once, each device holding an equal share of it, and an
update's faces go from there to the devices that are to see them. A larger one stays on the
disk: threads read the faces of the next updates ahead. The update is the same compiled
program and gets the same faces, so the choice changes no bit of what a CPU computes, and a
run may go on with the other one. Where a feed stands is the number of updates done, which
every checkpoint holds. Of several processes each reads its share alone: of the whole set,
or of every update.
"""

import importlib.util
import os
import sys
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import PartitionSpec

from rcsr_jax import hosts, sharing
from rcsr_jax.config import RunConfig
from rcsr_jax.data.batches import Batch, TrainingSet, faces_at, numbers_at

_LARGEST_SHARE = 0.25  # of a memory, that resident faces may take
# They wait for the disk: a batch of cached crops costs a processor next to nothing.
_THREADS = 4
_AHEAD = 8  # batches that are read ahead


def is_streamed(
    faces: TrainingSet, *, choice: str, devices: Sequence[jax.Device]
) -> bool:
    """Whether training reads these faces from the disk, update by update.

    Args:
        faces: the training set.
        choice: "always", "never" or "auto": where they do not fit.
        devices: that would share them out.
    """
    if choice != "auto":
        return choice == "always"
    here = [d for d in devices if d.process_index == jax.process_index()]
    each = num_bytes(faces) / len(devices)
    # the devices of a CPU have one memory, and what others hold comes by way of it
    fits = each * len(here) <= _LARGEST_SHARE * memory_of_process()
    fits &= each <= _LARGEST_SHARE * memory_of(here[0])
    return hosts.any_of(not fits)[0]


def feed(
    faces: TrainingSet,
    first: int,
    *,
    config: RunConfig,
    devices: Sequence[jax.Device],
) -> Generator[Batch, None, None]:
    """The faces of each update from a number on, on the devices, without end.

    Closing it ends its threads.

    Args:
        faces: the training set, in memory or on the disk.
        first: updates done.
        config: the run; `config.data.stream_faces` chooses.
        devices: that the update runs on.

    Raises:
        ValueError: grain is not installed and faces are to be streamed.
    """
    if not is_streamed(faces, choice=config.data.stream_faces, devices=devices):
        return _resident(faces, first, config=config, devices=devices)
    if importlib.util.find_spec("grain") is None:
        raise ValueError(
            f"reading {num_bytes(faces) / 1e9:.1f} GB of training faces from the disk "
            'while training needs grain: pip install "rcsr-jax[stream]", or set '
            "stream_faces to never."
        )
    return _streamed(faces, first, config=config, devices=devices)


def _resident(faces, first, *, config, devices) -> Generator[Batch, None, None]:
    held = Batch(_held(faces.crops, devices), _held(faces.points, devices))
    places = sharing.places_of(config, devices=devices)
    shares = PartitionSpec(sharing.AXIS)
    gather = jax.jit(
        jax.shard_map(
            _brought_together,
            mesh=sharing.mesh_of(devices),
            in_specs=(shares, PartitionSpec()),
            out_specs=shares,
        )
    )
    step = first
    while True:
        chosen = numbers_at(step, places, faces, config=config)
        yield gather(held, chosen.astype(np.int32))
        step += 1


def _held(rows, devices) -> jax.Array:
    """The rows, an equal share on each device: [devices, faces of each, ...]."""
    each = -(-len(rows) // len(devices))

    def share(index: Any) -> np.ndarray:
        # the numbers behind the end are nobody's: never chosen
        numbers = np.arange(each * len(devices)).reshape(len(devices), each)[index[0]]
        return rows[np.minimum(numbers, len(rows) - 1)]

    return jax.make_array_from_callback(
        (len(devices), each, *rows.shape[1:]),
        sharing.sharding_of_shares(devices),
        share,
    )


def _brought_together(held, chosen):
    """On a device, the faces of its places: each comes from the device that holds it.

    Args:
        held: of all faces this device's share, [1, faces of each, ...].
        chosen: int [devices, places of each], faces.
    """

    def bring(rows: jax.Array) -> jax.Array:
        numbers = chosen.reshape(-1) - lax.axis_index(sharing.AXIS) * rows.shape[1]
        mine = (numbers >= 0) & (numbers < rows.shape[1])
        found = rows[0, jnp.clip(numbers, 0, rows.shape[1] - 1)]
        mine = mine.reshape(-1, *[1] * (found.ndim - 1))
        # all others add zeros, which changes no number, nor NaN
        found = jnp.where(mine, found, jnp.zeros_like(found))
        return lax.psum_scatter(found, sharing.AXIS, tiled=True)[None]

    return jax.tree.map(bring, held)


def _streamed(faces, first, *, config, devices) -> Generator[Batch, None, None]:
    import grain

    places = sharing.own_places(config, devices=devices)
    steps = grain.MapDataset.range(first, sys.maxsize)
    batches = steps.map(lambda step: faces_at(int(step), places, faces, config=config))
    options = grain.ReadOptions(num_threads=_THREADS, prefetch_buffer_size=_AHEAD)
    with closing(iter(batches.to_iter_dataset(options))) as ready:
        for batch in ready:
            yield sharing.shared_out(batch, devices)


def memory_of(device: jax.Device) -> int:
    """The bytes of memory of a device; of a CPU, what this process may use."""
    stats = device.memory_stats() or {}
    return stats["bytes_limit"] if "bytes_limit" in stats else memory_of_process()


def memory_of_process() -> int:
    """The bytes of memory that this process may use of its machine."""
    if not hasattr(os, "sysconf"):
        return sys.maxsize
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = Path("/sys/fs/cgroup/memory.max")  # of a container
    text = limit.read_text().strip() if limit.is_file() else "max"
    return memory if text == "max" else min(memory, int(text))


def num_bytes(faces: TrainingSet) -> int:
    """What faces take on a device, or on the disk."""
    return sum(
        int(np.prod(rows.shape, dtype=np.int64)) * np.dtype(rows.dtype).itemsize
        for rows in (faces.crops, faces.points)
    )
