"""The training loop: data, updates, validation, checkpoints; resumes where it stopped."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from rcsr_jax import checkpoint, updates
from rcsr_jax.config import RunConfig, differences, replace_fields
from rcsr_jax.data.sources import open_faces
from rcsr_jax.geometry import mean_shape
from rcsr_jax.model import Params, init_params
from rcsr_jax.records import MetricsTable, check_same_run, write_config, write_refused
from rcsr_jax.validation import Judge, measured_tolerance, points_in_crops

_SYNC_EVERY = 10  # updates between two looks at the device: it runs ahead meanwhile


class Progress(NamedTuple):
    """What a run reports while it goes on.

    Attributes:
        stage: "data" while crops are cut, then "train".
        done: faces or updates done.
        total: of these.
        loss: mean training loss since the last report; NaN before the first update, which
            compiles.
        nme: last validation error, inter-ocular, percent; NaN before the first.
        baseline_nme: the same for the mean shape.
        faces_per_second: training speed since the last report.
        seconds_left: estimate for the whole run.
        compile_seconds: what the first update took.
        checkpoint: whether this report comes with a saved checkpoint.
    """

    stage: str
    done: int
    total: int
    loss: float = math.nan
    nme: float = math.nan
    baseline_nme: float = math.nan
    faces_per_second: float = math.nan
    seconds_left: float = math.nan
    compile_seconds: float = math.nan
    checkpoint: bool = False


class TrainResult(NamedTuple):
    """How a run ended.

    Attributes:
        step: updates done.
        finished: whether these were all; else time was up.
        nme: validation error of the last checkpoint, inter-ocular, percent.
        baseline_nme: that of the mean shape.
        num_faces: trained on.
        num_refused: faces that could not be used; `refused.csv` in the work folder names
            them.
    """

    step: int
    finished: bool
    nme: float
    baseline_nme: float
    num_faces: int
    num_refused: int


class TrainingError(ValueError):
    """A run that cannot go on; the message says what to do."""


def train(
    config: RunConfig,
    *,
    workdir: str | Path,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> TrainResult:
    """Trains a model, or goes on where the work folder's last checkpoint stands.

    Step n is a pure function of (seed, n), so an interrupted run ends with the parameters
    of an uninterrupted one: to the bit on the CPU.

    Args:
        config: the run.
        workdir: folder for crops, checkpoints, `config.json` and `metrics.csv`.
        on_progress: called now and then.

    Returns:
        A `TrainResult`; the parameters are in the work folder.

    Raises:
        ValueError: bad data, a work folder of another run, or a loss that is no number.
    """
    deadline = time.monotonic() + (config.train.max_seconds or math.inf)
    workdir = Path(workdir)
    devices = jax.local_devices()
    with checkpoint.open_manager(workdir) as manager:
        latest = manager.latest_step()
        check_same_run(workdir, config, resuming=latest is not None)
        training, validation = open_faces(
            config.model,
            config.data,
            folder=workdir,
            on_progress=lambda done, total: on_progress(Progress("data", done, total)),
        )
        write_refused(workdir, training.refused)
        write_config(workdir, config)
        faces = updates.Faces(np.asarray(training.crops), np.asarray(training.points))
        shape = mean_shape(points_in_crops(training, config.model, config.data))
        optimiser = updates.make_optimiser(config.train, num_faces=len(faces.crops))
        run_update = updates.parallel_update(
            config=config, optimiser=optimiser, devices=devices
        )
        params = _first_params(config, shape)
        state = updates.init_state(params, optimiser=optimiser)
        if latest is not None:
            state = _restore(manager, latest, like=state)
        state = updates.on_every_device(state, devices)
        faces = updates.on_every_device(faces, devices)
        judge = Judge(validation, config)
        baseline = judge.error(np.broadcast_to(shape, judge.points.shape))
        rows = MetricsTable(workdir, upto=latest or 0)

        step, total = int(state.step), config.train.num_updates
        error = math.nan if latest is None else judge.nme(state.average)
        losses: list[jax.Array] = []
        compile_seconds = math.nan
        started = marked = time.monotonic()
        begun = marked_step = step
        in_time = True
        on_progress(Progress("train", step, total, baseline_nme=baseline))
        while step < total and in_time:
            state, logged = run_update(state, faces)
            losses.append(logged["loss"])
            step += 1
            if step == begun + 1:
                jax.block_until_ready(state.step)
                compile_seconds = time.monotonic() - started
                started = marked = time.monotonic()
                marked_step = step
            in_time = time.monotonic() < deadline
            due = step % config.train.eval_every == 0
            evaluate = due or step == total or not in_time
            if not evaluate and step % _SYNC_EVERY:
                continue
            loss = _mean_loss(losses, step)
            losses = []
            speed = (step - marked_step) / max(time.monotonic() - marked, 1e-9)
            if evaluate:
                found = judge.predict(state.average)
                error = judge.error(found.points)
                measured = judge.error_calibration(found)
                _save(manager, state, faces, config, error, measured)
                rows.add(step, loss, error, speed * config.train.batch_size)
            on_progress(
                Progress(
                    "train",
                    step,
                    total,
                    loss=loss,
                    nme=error,
                    baseline_nme=baseline,
                    faces_per_second=speed * config.train.batch_size,
                    seconds_left=(time.monotonic() - started)
                    / max(step - begun - 1, 1)
                    * (total - step),
                    compile_seconds=compile_seconds,
                    checkpoint=evaluate,
                )
            )
            marked, marked_step = time.monotonic(), step
        manager.wait_until_finished()
    return TrainResult(
        step, step == total, error, baseline, len(training.names), len(training.refused)
    )


# What a network may be trained on with: everything else decides what its numbers mean.
_FREE = {
    "num_steps",
    "max_steps",
    "tolerance",
    "increment_norm",
    "error_scale",
    "error_spread",
    "error_ratios",
    "compute_dtype",
    "sampling",
    "position_gradient",
}


def _first_params(config: RunConfig, mean_shape: np.ndarray) -> Params:
    """The parameters that a run starts from."""
    source = config.train.init_from
    if not source:
        key = jax.random.key(config.train.seed)
        return init_params(key, config=config.model, mean_shape=mean_shape)
    params, run = checkpoint.load_params(source)
    other = {
        name: pair
        for name, pair in differences(
            RunConfig(model=run.model), RunConfig(model=config.model)
        ).items()
        if name not in _FREE
    }
    if other:
        told = ", ".join(
            f"{name} is {old}, not {new}" for name, (old, new) in other.items()
        )
        raise ValueError(f"init_from={source} is another network: {told}.")
    return params


def _restore(
    manager: ocp.CheckpointManager, step: int, *, like: updates.TrainState
) -> updates.TrainState:
    average, rest = checkpoint.restore_training(
        manager, step, params=like.average, training=_without_average(like)
    )
    return updates.TrainState(average=average, **rest)


def _without_average(state: updates.TrainState) -> dict:
    """What a checkpoint stores beside the averaged parameters."""
    return {"step": state.step, "params": state.params, "opt_state": state.opt_state}


def _save(
    manager: ocp.CheckpointManager,
    state: updates.TrainState,
    faces: updates.Faces,
    config: RunConfig,
    error: float,
    measured: dict[str, Any],
) -> None:
    if not math.isfinite(error):
        raise TrainingError(
            f"the validation error is no number at update {int(state.step)}; the last "
            "good checkpoint is kept. Lower the learning rate or clip the gradient."
        )
    if config.train.calibrate:
        # with the run's own settings: others would compile a program at each checkpoint
        tolerance = measured_tolerance(state, faces, config=config)
        measured = {**measured, "tolerance": tolerance}
    checkpoint.save_step(
        manager,
        int(state.step),
        params=state.average,
        training=_without_average(state),
        config=replace_fields(config, measured),
        nme=error,
    )


def _mean_loss(losses: list[jax.Array], step: int) -> float:
    values = np.asarray(jnp.stack(losses))
    if not np.isfinite(values).all():
        first = step - len(values) + 1 + int(np.flatnonzero(~np.isfinite(values))[0])
        raise TrainingError(
            f"the loss is no number at update {first}; the last good checkpoint is kept. "
            "Lower the learning rate or clip the gradient."
        )
    return float(values.mean())
