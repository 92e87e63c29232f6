"""Shards on one worker or on many: in this process, or on actors of Ray Data.

A worker loads its model once, reads the photos and writes the file of each shard itself;
what goes through Ray are names. A worker that dies is started again and its shard with it.
"""

import dataclasses
import importlib.util
import json
import logging
import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from rcsr_jax.bulk import predict_shard
from rcsr_jax.data.shards import Shard
from rcsr_jax.inference import load_predictor
from rcsr_jax.shard_files import Counts, remove_unfinished, what_is_done, write_shard

from .finding import box_finder
from .process import keep_compiled_programs

_MOST_TRIES = 5  # of a shard; one that ends every worker must not end all of them
_MOST_TASKS = 20_000  # further shards share one; Ray keeps a record of each
_TRIES = ".tries"  # of a shard: a byte for each
_COLUMNS = {"name": np.str_} | dict.fromkeys(Counts._fields, np.int64)
_STORE = 256 << 20  # bytes of a local Ray's memory for objects: names are small

Done = tuple[str, Counts]  # the name of a shard, and what became of it


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """What workers need to know, as plain values.

    Attributes:
        checkpoint: the model.
        finding: how faces are found: what `box_finder` is given beside
            the model's map of boxes.
        num_steps: recurrences; None: each face stops by itself.
        out: folder of the results, the same on all machines.
        made_with: tells results of other models and settings apart.
        overwrite: replace those.
        cores: that a worker may use.
        keep_compiled: keep compiled programs for the next start.
    """

    checkpoint: str
    finding: Mapping[str, Any]
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
            box_map=self._predictor.config.detector_boxes, **job.finding
        )

    def do(self, shard: Shard) -> Counts | None:
        """Writes the file of a shard, unless somebody has done so.

        Returns:
            what became of its photos; None where it is given up, because every worker
            that tried it was killed.
        """
        out, made_with = Path(self._job.out), self._job.made_with
        done = what_is_done(
            out, shard, made_with=made_with, overwrite=self._job.overwrite
        )
        tries = out / f".{shard.name}{_TRIES}"
        if done is None:
            if tries.exists() and tries.stat().st_size >= _MOST_TRIES:
                return None
            with tries.open("ab") as file:
                file.write(b".")
            rows = predict_shard(
                self._predictor,
                shard,
                find_boxes=self._find_boxes,
                num_steps=self._job.num_steps,
                num_threads=self._job.cores,
            )
            num_points = self._predictor.config.num_points
            done = write_shard(
                out, shard, rows, num_points=num_points, made_with=made_with
            )
        tries.unlink(missing_ok=True)
        return done

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """As Ray Data calls it: shards as JSON, what became of them as columns."""
        shards = [_shard_of(text) for text in batch["shard"]]
        done = {shard.name: self.do(shard) for shard in shards}
        rows = [(name, *counts) for name, counts in done.items() if counts is not None]
        columns = list(zip(*rows, strict=True)) or [()] * len(_COLUMNS)
        return {
            name: np.array(column, kind)
            for (name, kind), column in zip(_COLUMNS.items(), columns, strict=True)
        }


def forget_tries(out: Path) -> None:
    """Removes what workers that were killed have left, but for finished files."""
    for left in out.glob(f".*{_TRIES}"):
        left.unlink(missing_ok=True)
    remove_unfinished(out)


def do_here(shards: Sequence[Shard], job: Job) -> Generator[Done, None, None]:
    """Does shards in this process; gives the name of each and what became of it."""
    if not shards:
        return
    worker = Worker(job)
    for shard in shards:
        if (counts := worker.do(shard)) is not None:
            yield shard.name, counts


@contextmanager
def ray_running(*, cores: int, address: str | None = None) -> Iterator[None]:
    """Has Ray at hand, before JAX starts its threads: Ray forks.

    Args:
        cores: of this machine that workers may use.
        address: of a cluster; None: one that is started here and ends with this.

    Raises:
        ValueError: ray is not installed, or the cluster does not answer.
    """
    if importlib.util.find_spec("ray") is None:
        raise ValueError(
            'several workers need Ray: pip install "rcsr-jax[bulk]"; --workers=0 does '
            "without."
        )
    # it would report its use to its makers, and tell of all that it does
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray

    started: dict[str, Any] = {"address": address}
    if address is None:
        started = {"address": "local", "num_cpus": cores, "object_store_memory": _STORE}
    try:
        ray.init(
            **started,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, RuntimeError) as error:
        raise ValueError(f"Ray does not start: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


def do_on_ray(
    shards: Sequence[Shard], job: Job, *, num_workers: int, gpus: float = 0
) -> Generator[Done, None, None]:
    """Does shards on actors of Ray Data, in no order; inside `ray_running`.

    Args:
        shards: what is to be done.
        job: as all workers know it.
        num_workers: how many.
        gpus: that each needs.

    Raises:
        ValueError: a worker failed.
    """
    if not shards:
        return
    import ray
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    tasks = ray.data.from_items(
        [{"shard": json.dumps(shard)} for shard in shards],
        override_num_blocks=min(len(shards), _MOST_TASKS),
    )
    # an actor that dies is started again, and its task with it: Ray Data's way
    done = tasks.map_batches(
        Worker,
        fn_constructor_args=(job,),
        batch_size=1,
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(size=num_workers),
        num_cpus=job.cores,
        num_gpus=gpus or None,
    )
    try:
        for row in done.iter_rows():
            yield str(row["name"]), Counts(*(int(row[name]) for name in Counts._fields))
    except ray.exceptions.RayError as error:
        reason = str(error.__cause__ or error).strip().splitlines()[-1]
        raise ValueError(
            f"a worker failed: {reason}. What is done is kept; the same command goes on."
        ) from error


def _shard_of(text: str) -> Shard:
    name, source, photos, stamp = json.loads(text)
    return Shard(name, source, tuple(photos), stamp)
