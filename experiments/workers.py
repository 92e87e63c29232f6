"""Shards on one worker or on many: in this process, or on actors of Ray Data.

A worker loads its model once, reads the photos and writes the file of each shard itself;
what goes through Ray are names. A worker that dies is started again and its shard with it.
"""

import dataclasses
import importlib.util
import json
import logging
import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rcsr_jax.bulk import Counts, predict_shard, what_is_done, write_shard
from rcsr_jax.data.shards import Shard
from rcsr_jax.inference import load_predictor

from .finding import box_finder
from .process import keep_compiled_programs

_RETRIES = 5  # of a shard whose worker was killed
_MOST_TASKS = 20_000  # further shards share one; Ray keeps a record of each
_STORE = 256 << 20  # bytes of a local Ray's memory for objects: names are small


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """What workers need to know, as plain values.

    Attributes:
        checkpoint: the model.
        boxes, filled, threshold, min_face: how faces are found; see `box_finder`.
        num_steps: recurrences; None: each face stops by itself.
        out: folder of the results, the same on all machines.
        made_with: tells results of other models and settings apart.
        overwrite: replace those.
        cores: that a worker may use.
        keep_compiled: keep compiled programs for the next start.
    """

    checkpoint: str
    boxes: str | None
    filled: bool
    threshold: float
    min_face: float | None
    num_steps: int | None
    out: str
    made_with: str
    overwrite: bool
    cores: int
    keep_compiled: bool


class Worker:
    """Does shards with a model that it loads once."""

    def __init__(self, job: Job):
        # what XLA reads for the threads of a CPU; it asks when the first array is made
        os.environ["NPROC"] = str(job.cores)
        if job.keep_compiled:
            keep_compiled_programs()
        self._job = job
        self._predictor = load_predictor(job.checkpoint)
        self._find_boxes = box_finder(
            table=job.boxes,
            filled=job.filled,
            threshold=job.threshold,
            min_face=job.min_face,
        )

    def do(self, shard: Shard) -> Counts:
        """Writes the file of a shard, unless somebody has done so."""
        out, made_with = Path(self._job.out), self._job.made_with
        done = what_is_done(
            out, shard, made_with=made_with, overwrite=self._job.overwrite
        )
        if done is not None:
            return done
        rows = predict_shard(
            self._predictor,
            shard,
            find_boxes=self._find_boxes,
            num_steps=self._job.num_steps,
            num_threads=self._job.cores,
        )
        num_points = self._predictor.config.num_points
        return write_shard(out, shard, rows, num_points=num_points, made_with=made_with)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """As Ray Data calls it: shards as JSON, what became of them as columns."""
        shards = [_shard_of(text) for text in batch["shard"]]
        counts = [self.do(shard) for shard in shards]
        return {"name": np.array([shard.name for shard in shards])} | {
            field: np.array([getattr(count, field) for count in counts])
            for field in Counts._fields
        }


def do_here(
    shards: Sequence[Shard], job: Job
) -> Generator[tuple[str, Counts], None, None]:
    """Does shards in this process; gives the name of each and what became of it."""
    worker = Worker(job)
    for shard in shards:
        yield shard.name, worker.do(shard)


def do_on_ray(
    shards: Sequence[Shard],
    job: Job,
    *,
    num_workers: int,
    gpus: float = 0,
    address: str | None = None,
) -> Generator[tuple[str, Counts], None, None]:
    """Does shards on actors of Ray Data, in no order.

    Args:
        shards: what is to be done.
        job: as all workers know it.
        num_workers: how many.
        gpus: that each needs.
        address: of a cluster; None: one that is started here and ends with this.

    Raises:
        ValueError: ray is not installed, a worker failed, or died again and again.
    """
    if importlib.util.find_spec("ray") is None:
        raise ValueError(
            'several workers need Ray: pip install "rcsr-jax[bulk]"; --workers=0 does '
            "without."
        )
    # it would report its use to its makers
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    import ray.data

    started: dict[str, Any] = {"address": address}
    if address is None:
        cores = max(num_workers * job.cores, 1)
        started = {"address": "local", "num_cpus": cores, "object_store_memory": _STORE}
    ray.init(
        **started,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        tasks = ray.data.from_items(
            [{"shard": json.dumps(shard)} for shard in shards],
            override_num_blocks=min(len(shards), _MOST_TASKS),
        )
        done = tasks.map_batches(
            Worker,
            fn_constructor_args=(job,),
            batch_size=1,
            batch_format="numpy",
            compute=ray.data.ActorPoolStrategy(size=num_workers),
            num_cpus=job.cores,
            num_gpus=gpus or None,
            max_restarts=-1,
            max_task_retries=_RETRIES,
        )
        for row in done.iter_rows():
            counts = Counts(*(int(row[field]) for field in Counts._fields))
            yield str(row["name"]), counts
    except ray.exceptions.RayError as error:
        reason = str(error.__cause__ or error).strip().splitlines()[-1]
        raise ValueError(
            f"a worker failed, or died {_RETRIES + 1} times over one shard: {reason}. What "
            "is done is kept, and the same command goes on."
        ) from error
    finally:
        ray.shutdown()


def _shard_of(text: str) -> Shard:
    name, source, photos, stamp = json.loads(text)
    return Shard(name, source, tuple(photos), stamp)
