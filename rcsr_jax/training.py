"""The training loop: data, updates, validation, checkpoints; resumes where it stopped."""

import csv
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rcsr_jax import checkpoint, updates
from rcsr_jax.config import (
    DataConfig,
    ModelConfig,
    RunConfig,
    differences,
    from_dict,
    to_dict,
)
from rcsr_jax.data.augment import STRAIGHT, cut_view
from rcsr_jax.data.crops import CropCache
from rcsr_jax.data.sources import open_faces
from rcsr_jax.geometry import mean_shape
from rcsr_jax.metrics import interocular_distance, nme
from rcsr_jax.model import Params, init_params, predict

# Settings that may change when a run goes on: they do not change what is learned.
RESUMABLE = frozenset({"max_seconds", "eval_every", "strict"})
_SYNC_EVERY = 10  # updates between two looks at the device: it runs ahead meanwhile
_EVAL_BATCH = 64


class Progress(NamedTuple):
    """What a run reports while it goes on.

    Attributes:
        stage: "data" while crops are cut, then "train".
        done: faces or updates done.
        total: of these.
        loss: mean training loss since the last report.
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
        _check_same_run(workdir, config, resuming=latest is not None)
        training, validation = open_faces(
            config.model,
            config.data,
            folder=workdir,
            on_progress=lambda done, total: on_progress(Progress("data", done, total)),
        )
        _write_refused(workdir, training)
        _write_config(workdir, config)
        faces = updates.Faces(np.asarray(training.crops), np.asarray(training.points))
        shape = mean_shape(_points_in_crops(training, config.model, config.data))
        optimiser = updates.make_optimiser(config.train, num_faces=len(faces.crops))
        run_update = updates.parallel_update(
            config=config, optimiser=optimiser, devices=devices
        )
        key = jax.random.key(config.train.seed)
        params = init_params(key, config=config.model, mean_shape=shape)
        state = updates.init_state(params, optimiser=optimiser)
        if latest is not None:
            average, rest, _ = checkpoint.restore_training(
                manager, latest, params=state.average, training=_without_average(state)
            )
            state = updates.TrainState(average=average, **rest)
        state = updates.on_every_device(state, devices)
        faces = updates.on_every_device(faces, devices)
        judge = _Judge(validation, config)
        baseline = judge.error(np.broadcast_to(shape, judge.points.shape))
        rows = _MetricsTable(workdir, upto=latest or 0)

        step, total = int(state.step), config.train.num_updates
        error = rows.last_nme
        losses: list[jax.Array] = []
        compile_seconds = math.nan
        started = marked = time.monotonic()
        begun = marked_step = step
        while step < total and time.monotonic() < deadline:
            state, logged = run_update(state, faces)
            losses.append(logged["loss"])
            step += 1
            if step == begun + 1:
                jax.block_until_ready(state.step)
                compile_seconds = time.monotonic() - started
                started = marked = time.monotonic()
                marked_step = step
            evaluate = step % config.train.eval_every == 0 or step == total
            if not evaluate and step % _SYNC_EVERY:
                continue
            loss = _mean_loss(losses, step)
            losses = []
            speed = (step - marked_step) / max(time.monotonic() - marked, 1e-9)
            if evaluate:
                error = judge.nme(state.average)
                _save(manager, state, config, error)
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
        if manager.latest_step() != step:
            if losses:
                _mean_loss(losses, step)
            error = judge.nme(state.average)
            _save(manager, state, config, error)
        manager.wait_until_finished()
    return TrainResult(
        step, step == total, error, baseline, len(training.names), len(training.refused)
    )


class _Judge:
    """Validation: the error of parameters on faces that are not trained on."""

    def __init__(self, validation: CropCache, config: RunConfig):
        self._model = config.model
        cut = jax.jit(_cut_straight, static_argnames=("model", "data"))
        self._crops = np.concatenate(
            [
                np.asarray(cut(c, p, model=config.model, data=config.data)[0])
                for c, p in _chunks(validation.crops, validation.points)
            ]
        )
        self.points = _points_in_crops(validation, config.model, config.data)

    def nme(self, params: Params) -> float:
        """Inter-ocular error after the trained number of steps, percent."""
        params = jax.device_get(params)
        found = []
        for (crops,) in _chunks(self._crops):
            missing = _EVAL_BATCH - len(crops)  # one shape, one compilation
            padded = np.pad(crops, ((0, missing), (0, 0), (0, 0)), mode="edge")
            points = predict(params, padded, config=self._model).points
            found.append(np.asarray(points)[: len(crops)])
        return self.error(np.concatenate(found))

    def error(self, points: np.ndarray) -> float:
        distance = interocular_distance(self.points, markup=self._model.markup)
        errors = np.asarray(nme(points, self.points, distance=distance))
        return float(100 * np.mean(errors[np.isfinite(errors)]))


def _chunks(*arrays):
    for start in range(0, len(arrays[0]), _EVAL_BATCH):
        yield tuple(array[start : start + _EVAL_BATCH] for array in arrays)


def _cut_straight(crops, points, *, model: ModelConfig, data: DataConfig):
    def cut(crop, shape):
        return cut_view(
            crop,
            shape,
            STRAIGHT,
            size=model.crop_size,
            margin=data.cache_margin,
            markup=model.markup,
        )

    return jax.vmap(cut)(crops, points)


def _points_in_crops(
    cache: CropCache, model: ModelConfig, data: DataConfig
) -> np.ndarray:
    """The landmarks of cached faces in plain crops: [faces, num_points, 2], crop px."""
    side = cache.crops.shape[1]
    unit = side / (data.cache_margin * model.crop_size)
    centred = np.asarray(cache.points) - (side - 1) / 2
    return centred / unit + (model.crop_size - 1) / 2


def _without_average(state: updates.TrainState) -> dict:
    """What a checkpoint stores beside the averaged parameters."""
    return {"step": state.step, "params": state.params, "opt_state": state.opt_state}


def _save(manager, state: updates.TrainState, config: RunConfig, error: float) -> None:
    if not math.isfinite(error):
        raise TrainingError(
            f"the validation error is no number at update {int(state.step)}; the last "
            "good checkpoint is kept. Lower the learning rate or clip the gradient."
        )
    checkpoint.save_step(
        manager,
        int(state.step),
        params=state.average,
        training=_without_average(state),
        config=config,
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


def _check_same_run(workdir: Path, config: RunConfig, *, resuming: bool) -> None:
    path = workdir / "config.json"
    if not resuming or not path.is_file():
        return
    try:
        stored = from_dict(RunConfig, json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise TrainingError(
            f"{path} is damaged ({error}); take a new workdir."
        ) from error
    changed = differences(stored, config)
    if refused := {k: v for k, v in changed.items() if k not in RESUMABLE}:
        listed = ", ".join(f"{k} ({a!r}, now {b!r})" for k, (a, b) in refused.items())
        raise TrainingError(
            f"{workdir} holds a run with other settings: {listed}. Give it the same "
            "settings or another workdir."
        )


def _write_config(workdir: Path, config: RunConfig) -> None:
    text = json.dumps(to_dict(config), indent=2)
    (workdir / "config.json").write_text(text + "\n", encoding="utf-8")


def _write_refused(workdir: Path, cache: CropCache) -> None:
    with (workdir / "refused.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("name", "reason"), *cache.refused])


class _MetricsTable:
    """`metrics.csv`: a row per validation; rows of undone updates go when a run resumes."""

    _HEADER = ("step", "loss", "nme_interocular", "faces_per_second")

    def __init__(self, workdir: Path, *, upto: int):
        self._path = workdir / "metrics.csv"
        rows: list[list[str]] = []
        if self._path.is_file():
            with self._path.open(newline="", encoding="utf-8") as file:
                rows = [
                    row for row in list(csv.reader(file))[1:] if int(row[0]) <= upto
                ]
        self.last_nme = float(rows[-1][2]) if rows else math.nan
        with self._path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([self._HEADER, *rows])

    def add(self, step: int, loss: float, error: float, speed: float) -> None:
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(
                [step, f"{loss:.6f}", f"{error:.4f}", f"{speed:.1f}"]
            )
