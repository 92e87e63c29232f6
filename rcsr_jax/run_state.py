"""Where a run stands, in the checkpoints of its work folder: saved, and found again."""

import math
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp

from rcsr_jax import hosts, resumption
from rcsr_jax.confidence import MEASURED
from rcsr_jax.config import RunConfig
from rcsr_jax.progress import Progress
from rcsr_jax.updates import TrainState


class TrainingError(ValueError):
    """A run that cannot go on; the message says what to do."""


def restore_state(
    workdir: Path, state: TrainState
) -> tuple[TrainState, dict[str, Any], tuple[str, ...]]:
    """Where a run stands.

    Args:
        workdir: of the run.
        state: of the same structure, that of a fresh run.

    Returns:
        The state of the latest checkpoint that is whole, or the fresh one; the settings
        that were measured of it; and what is damaged.
    """
    found, problems = resumption.restore_latest(
        workdir, params=state.average, training=_without_average(state)
    )
    if found is None:
        return state, {}, problems
    names = ("tolerance", *MEASURED)
    measured = {name: getattr(found.config.model, name) for name in names}
    state = TrainState(average=found.params, **found.training)
    return state, measured, problems


def _without_average(state: TrainState) -> dict:
    """What a checkpoint stores beside the averaged parameters."""
    return {"step": state.step, "params": state.params, "opt_state": state.opt_state}


def save_state(
    manager: ocp.CheckpointManager,
    state: TrainState,
    config: RunConfig,
    report: Progress,
    *,
    judged: bool,
) -> None:
    """Saves where a run stands.

    Args:
        manager: of the run's checkpoints.
        state: to be saved.
        config: the run, with what was measured of this state.
        report: of this update; its error ranks the checkpoint.
        judged: whether that error is of this very state.

    Raises:
        TrainingError: the error is no number.
    """
    # before the first validation it ranks behind all that were judged
    error = report.baseline_nme if math.isnan(report.nme) else report.nme
    if not judged:
        # it may be worse, so it ranks right behind the one that was judged last
        error = math.nextafter(error, math.inf)
    if not math.isfinite(error):
        raise TrainingError(
            f"the validation error is no number at update {int(state.step)}; the last "
            "good checkpoint is kept. Lower the learning rate or clip the gradient."
        )
    resumption.save_step(
        manager,
        int(state.step),
        params=state.average,
        training=_without_average(state),
        config=config,
        nme=error,
    )


def finish_saving(manager: ocp.CheckpointManager) -> None:
    """Waits until all is on the disk, in all processes: none leaves before the others.

    Args:
        manager: of the run's checkpoints.
    """
    resumption.finish_saving(manager)
    hosts.wait_for_all()
