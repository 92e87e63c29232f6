"""How the faces of each update get to the devices: from there, or from the disk.

A training set that fits is copied to every device once, and an update's faces are gathered
there. A larger one stays on the disk: threads read the faces of the next updates ahead. The
update is the same compiled program and gets the same faces, so the choice changes no bit of
the result, and a run may go on with the other one. Where a feed stands is the number of
updates done, which every checkpoint holds.
"""

import importlib.util
import os
import sys
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

import jax
import numpy as np

from rcsr_jax import updates
from rcsr_jax.config import RunConfig
from rcsr_jax.data.batches import faces_of_step

_LARGEST_SHARE = 0.25  # of a memory, that resident faces may take
_THREADS = (
    4  # the disk's time; a batch of cached crops costs a processor next to nothing
)
_AHEAD = 8  # batches that are read ahead


def is_streamed(
    faces: updates.Faces, *, choice: str, devices: Sequence[jax.Device]
) -> bool:
    """Whether training reads these faces from the disk, update by update.

    Args:
        faces: the training set.
        choice: "always", "never" or "auto": where they do not fit.
        devices: each of which would hold all of them.
    """
    if choice != "auto":
        return choice == "always"
    copies = len(devices) if devices[0].platform == "cpu" else 1
    return copies * num_bytes(faces) > _LARGEST_SHARE * memory_of(devices[0])


def feed(
    faces: updates.Faces,
    first: int,
    *,
    config: RunConfig,
    devices: Sequence[jax.Device],
) -> Generator[updates.Faces, None, None]:
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


def _resident(faces, first, *, config, devices) -> Generator[updates.Faces, None, None]:
    held = updates.on_every_device(
        updates.Faces(np.asarray(faces.crops), np.asarray(faces.points)), devices
    )
    places = updates.places_of(config, devices=devices)
    gather = jax.jit(
        lambda faces, chosen: updates.Faces(faces.crops[chosen], faces.points[chosen]),
        out_shardings=updates.sharding_of_shares(devices),
    )
    step = first
    while True:
        chosen = faces_of_step(
            step,
            seed=config.train.seed,
            num_faces=len(faces.crops),
            batch_size=config.train.batch_size,
        )[places]
        yield gather(held, updates.shared_out(chosen.astype(np.int32), devices))
        step += 1


def _streamed(faces, first, *, config, devices) -> Generator[updates.Faces, None, None]:
    import grain

    places = updates.places_of(config, devices=devices)
    steps = grain.MapDataset.range(first, sys.maxsize)
    batches = steps.map(
        lambda step: updates.faces_at(int(step), places, faces, config=config)
    )
    options = grain.ReadOptions(num_threads=_THREADS, prefetch_buffer_size=_AHEAD)
    with closing(iter(batches.to_iter_dataset(options))) as ready:
        for batch in ready:
            yield updates.shared_out(batch, devices)


def memory_of(device: jax.Device) -> int:
    """The bytes of memory of a device; of a CPU, what this process may use."""
    stats = device.memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"]
    if not hasattr(os, "sysconf"):
        return sys.maxsize
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = Path("/sys/fs/cgroup/memory.max")  # of a container
    text = limit.read_text().strip() if limit.is_file() else "max"
    return memory if text == "max" else min(memory, int(text))


def num_bytes(faces: updates.Faces) -> int:
    """What faces take on a device, or on the disk."""
    return sum(
        int(np.prod(rows.shape, dtype=np.int64)) * np.dtype(rows.dtype).itemsize
        for rows in faces
    )
