"""The training loop: data, updates, validation, checkpoints; resumes where it stopped."""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp

from rcsr_jax import checkpoint, hosts, resumption, sharing, updates
from rcsr_jax.config import RunConfig, check_run_config, replace_fields
from rcsr_jax.data.batches import TrainingSet
from rcsr_jax.data.locks import alone_in
from rcsr_jax.feed import feed
from rcsr_jax.lookout import Look, Lookout
from rcsr_jax.model import Params, init_params
from rcsr_jax.optimiser import make_optimiser
from rcsr_jax.progress import Pace, Progress, TrainResult
from rcsr_jax.records import (
    MetricsTable,
    check_same_run,
    environment_change,
)
from rcsr_jax.run_faces import open_run_faces
from rcsr_jax.run_state import (
    TrainingError,
    finish_saving,
    restore_state,
    save_state,
)
from rcsr_jax.start import completed, given_params, is_whole
from rcsr_jax.symmetry import mirror_problem
from rcsr_jax.validation import Judge, mean_in_crops, measured_tolerance

_MOST_SKIPPED = 20  # updates in a row whose gradient is not finite


def train(
    config: RunConfig,
    *,
    workdir: str | Path,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> TrainResult:
    """Trains a model, or goes on where the work folder's last checkpoint stands.

    Step n is a pure function of (seed, n), so an interrupted run ends with the parameters
    of an uninterrupted one: to the bit on the CPU.

    After `jax.distributed.initialize` all processes call this with the same config and a
    work folder that they share; the devices of all of them are used. Each judges the
    validation faces for itself, and the first one writes the files beside the checkpoints.

    Args:
        config: the run.
        workdir: folder for crops, checkpoints, `config.json` and `metrics.csv`.
        on_progress: called now and then.
        should_stop: asked after every update, of several processes after every tenth.
            Once it says yes in one of them the run saves where it stands, without a
            validation unless it was the last update, and ends; the checkpoint ranks right
            behind the one that was judged last.

    Returns:
        A `TrainResult`; the parameters are in the work folder.

    Raises:
        ValueError: bad data, a work folder of another run or one where a run is at work,
            or a loss that is no number.
    """
    check_run_config(config)
    lookout = Lookout(config.train, should_stop=should_stop)
    workdir = Path(workdir)
    if workdir.exists() and not workdir.is_dir():
        raise ValueError(f"workdir={workdir} is a file; name a folder.")
    workdir.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        lock = alone_in(workdir) if hosts.is_first() else nullcontext()
        hosts.first_before_others(lambda: held.enter_context(lock))
        return _train(config, workdir, lookout=lookout, on_progress=on_progress)


def _train(
    config: RunConfig,
    workdir: Path,
    *,
    lookout: Lookout,
    on_progress: Callable[[Progress], None],
) -> TrainResult:
    devices = jax.devices()
    # what can be refused is, before any face is cut
    sharing.places_of(config, devices=devices)
    resuming = bool(checkpoint.saved_steps(workdir))
    check_same_run(workdir, config, resuming=resuming)
    given = None if resuming else given_params(config)
    opened = open_run_faces(config, workdir, resuming=resuming, on_progress=on_progress)
    training, faces = opened.training, opened.training_set
    shape = mean_in_crops(training, config.model, config.data)
    optimiser = make_optimiser(config.train, num_faces=len(training.names))
    params = given if given and is_whole(given) else _fresh(given, shape, config)
    state, measured, problems = restore_state(
        workdir, updates.init_state(params, optimiser=optimiser)
    )
    step = int(state.step)
    table = MetricsTable(workdir, upto=step)
    notes = [*problems, environment_change(workdir)]
    if config.augment.mirror:
        markup, num_faces = config.model.markup, len(training.names)
        notes.append(mirror_problem(shape, num_faces=num_faces, markup=markup))
    if given and not is_whole(given):
        notes.append(
            f"{config.train.init_from} finds other landmarks: what sees the picture is "
            "taken from there, the rest is fresh"
        )
    judge = Judge(opened.validation, config)
    state = sharing.on_every_device(state, devices)
    report = Progress(
        "train",
        step,
        config.train.num_updates,
        nme=judge.error(judge.measure(state.average)[0]) if step else math.nan,
        skipped=int(state.opt_state.total_notfinite),
        baseline_nme=judge.error(np.broadcast_to(shape, judge.points.shape)),
        note="; ".join(filter(None, notes)),
    )
    on_progress(report)
    with (
        resumption.open_manager(workdir) as manager,
        closing(feed(faces, step, config=config, devices=devices)) as batches,
    ):
        run = _Run(
            config=config,
            faces=faces,
            judge=judge,
            batches=batches,
            update=updates.parallel_update(
                config=config, optimiser=optimiser, devices=devices
            ),
            manager=manager,
            table=table,
            on_progress=on_progress,
        )
        report, told = _update_all(state, measured, report, run=run, lookout=lookout)
        finish_saving(manager)
    return TrainResult(
        step=report.done,
        finished=report.done == report.total,
        nme=report.nme,
        baseline_nme=report.baseline_nme,
        num_faces=len(training.names),
        num_refused=len(opened.refused),
        skipped=report.skipped,
        told=told,
    )


def _fresh(given: Params | None, shape: np.ndarray, config: RunConfig) -> Params:
    """Fresh parameters, but for those that are given."""
    key = jax.random.key(config.train.seed)
    fresh = init_params(key, config=config.model, mean_shape=shape)
    return completed(given or {}, fresh)


class _Run(NamedTuple):
    """What a run has at hand from one update to the next."""

    config: RunConfig
    faces: TrainingSet
    judge: Judge
    batches: Iterator[Any]
    update: Callable[..., tuple[updates.TrainState, dict[str, jax.Array]]]
    manager: ocp.CheckpointManager
    table: MetricsTable
    on_progress: Callable[[Progress], None]


def _update_all(
    state: updates.TrainState,
    measured: dict[str, Any],
    report: Progress,
    *,
    run: _Run,
    lookout: Lookout,
) -> tuple[Progress, bool]:
    """The last report, and whether the run was told to end before its last update."""
    train_config = run.config.train
    step, total = report.done, report.total
    pace, look = Pace(step), Look()
    losses: list[jax.Array] = []
    while step < total and not look.told and not look.late:
        state, logged = run.update(state, next(run.batches))
        losses.append(logged["loss"])
        step += 1
        if first := pace.is_first(step):
            jax.block_until_ready(state.step)
            pace.count_from(step)
        look = lookout.after(step, first=first)
        if not look.report:
            continue
        in_a_row = int(logged["skipped_in_a_row"])
        diverged = in_a_row >= _MOST_SKIPPED
        report = report._replace(
            done=step,
            loss=_mean_loss(losses),
            faces_per_second=pace.updates_per_second(step) * train_config.batch_size,
            skipped=int(logged["skipped"]),
            checkpoint=look.evaluate or look.told or diverged,
            note="",
        )
        if look.evaluate:
            error, measured = _judged(state, run)
            report = report._replace(nme=error)
            run.table.add(report)
        if report.checkpoint:
            config = replace_fields(run.config, measured)
            save_state(run.manager, state, config, report, judged=look.evaluate)
        report = report._replace(
            seconds_left=pace.seconds_left(step, total=total),
            compile_seconds=pace.compile_seconds,
        )
        run.on_progress(report)
        pace.mark(step)
        losses.clear()
        if diverged:
            finish_saving(run.manager)
            raise TrainingError(
                f"the gradients of the last {in_a_row} updates are not finite; the "
                f"parameters before them are kept in checkpoint {step}. Lower the "
                "learning rate or clip the gradient."
            )
    return report, look.told and step < total


def _judged(state: updates.TrainState, run: _Run) -> tuple[float, dict[str, Any]]:
    """The validation error, percent, and the settings that are measured of a model."""
    points, measured = run.judge.measure(state.average)
    if measured and run.config.train.calibrate:
        measured["tolerance"] = measured_tolerance(state, run.faces, config=run.config)
    return run.judge.error(points), measured


def _mean_loss(losses: list[jax.Array]) -> float:
    """Of those that are numbers; NaN where none is."""
    values = np.array(jax.device_get(losses))
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else math.nan
