"""What a run saves of itself, and goes on from.

Beside what prediction reads (see `checkpoint`), each checkpoint of a work folder holds
`training`: raw parameters, optimiser and step. Of several processes that train together all
save together, and each reads for itself.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as policies

from rcsr_jax import hosts
from rcsr_jax.checkpoint import (
    CHECKPOINTS,
    SCORE,
    check_room,
    digest_of,
    on_first_device,
    open_reader,
    reason_of,
    saved_error,
    saved_steps,
    writing,
)
from rcsr_jax.config import RunConfig, from_dict, to_dict
from rcsr_jax.model import Params

DAMAGED = "damaged"


def open_manager(workdir: str | Path) -> ocp.CheckpointManager:
    """The checkpoints of a work folder: saved asynchronously, latest and best kept.

    `manager.best_step()` is the step of least validation error. What a save that was
    killed has left is deleted, so a work folder has one writer at a time.

    Raises:
        ValueError: nothing can be written there, or the error of a checkpoint is damaged.
    """
    folder = Path(workdir).absolute() / CHECKPOINTS
    for step in saved_steps(workdir):
        saved_error(folder / str(step))  # orbax would not say which it is
    keep = policies.AnyPreservationPolicy(
        [policies.LatestN(2), policies.BestN(get_metric_fn=_score, reverse=True, n=1)]
    )
    with writing(folder):
        return ocp.CheckpointManager(
            folder,
            options=ocp.CheckpointManagerOptions(
                create=True,
                cleanup_tmp_directories=True,
                best_fn=_score,
                best_mode="min",
                preservation_policy=keep,
                enable_async_checkpointing=True,
            ),
            item_names=("params", "training", "config", "checksum"),
        )


def _score(metrics: Mapping[str, float]) -> float:
    return metrics[SCORE]


def save_step(
    manager: ocp.CheckpointManager,
    step: int,
    *,
    params: Params,
    training: Any,
    config: RunConfig,
    nme: float,
) -> None:
    """Saves a step of a run, in the background.

    Args:
        manager: from `open_manager`.
        step: updates done.
        params: what prediction is to use.
        training: pytree that training goes on from.
        config: the whole run.
        nme: validation error that ranks the checkpoints.

    Raises:
        ValueError: this one or the one before cannot be written.
    """
    folder = Path(manager.directory)
    with writing(folder):
        needed = (params, training) if hosts.is_first() else ()
        hosts.first_before_others(lambda: check_room(folder, needed))
        manager.save(
            step,
            args=ocp.args.Composite(
                params=ocp.args.StandardSave(params),
                training=ocp.args.StandardSave(training),
                config=ocp.args.JsonSave(to_dict(config)),
                checksum=ocp.args.JsonSave(_sums(params, training)),
            ),
            metrics={SCORE: nme},
            force=True,
        )


def finish_saving(manager: ocp.CheckpointManager) -> None:
    """Waits until what was saved is on the disk.

    Raises:
        ValueError: it cannot be written.
    """
    with writing(Path(manager.directory)):
        manager.wait_until_finished()


class Restored(NamedTuple):
    """A saved step of a run.

    Attributes:
        params: what prediction uses, on the first device.
        training: what training goes on from, likewise.
        config: the run, with what was measured of the parameters.
    """

    params: Params
    training: Any
    config: RunConfig


def restore_step(
    workdir: str | Path, step: int, *, params: Params, training: Any
) -> Restored:
    """A saved step, whatever the number of devices that it was saved from.

    Args:
        workdir: that it was saved in.
        step: which.
        params: pytree of the saved structure and shapes.
        training: likewise.

    Raises:
        ValueError: it cannot be read or is not what was written; the message names it.
    """
    place = Path(workdir).absolute() / CHECKPOINTS / str(step)
    try:
        saved_error(place)
        with open_reader() as reader:
            found = reader.restore(
                place,
                args=ocp.args.Composite(
                    params=ocp.args.StandardRestore(on_first_device(params)),
                    training=ocp.args.StandardRestore(on_first_device(training)),
                    config=ocp.args.JsonRestore(),
                    checksum=ocp.args.JsonRestore(),
                ),
            )
        sums = _sums(found["params"], found["training"])
        # what an older version wrote has no sum of "training"
        if not found["checksum"].items() <= sums.items():
            raise ValueError("its content does not match its checksum")
        config = from_dict(RunConfig, found["config"])
    except Exception as error:  # orbax raises a bare one for a damaged array
        reason = reason_of(error)
        raise ValueError(f"checkpoint {place} cannot be read: {reason}.") from error
    return Restored(found["params"], found["training"], config)


def restore_latest(
    workdir: str | Path, *, params: Params, training: Any
) -> tuple[Restored | None, tuple[str, ...]]:
    """The last step that can be read, by every process; damaged ones are put aside.

    A step that cannot be read is moved to `damaged` beside the checkpoints, so that the run
    can save a step of this number again. Of those before it only what `open_manager` needs
    is looked at.

    Args:
        workdir, params, training: as for `restore_step`.

    Returns:
        The step, None where there is none, and what was wrong with those put aside.

    Raises:
        ValueError: there are steps and none can be read. Nothing is moved then.
    """
    steps = saved_steps(workdir)[::-1]
    problems: dict[int, str] = {}
    for place, step in enumerate(steps):
        try:
            restored = restore_step(workdir, step, params=params, training=training)
            problem = ""
        except ValueError as error:
            problem = str(error)
        (failed,) = hosts.any_of(bool(problem))
        if failed:
            problems[step] = (
                problem or f"another process cannot read checkpoint {step}."
            )
            continue
        for older in steps[place + 1 :]:
            try:
                saved_error(Path(workdir) / CHECKPOINTS / str(older))
            except ValueError as error:
                problems[older] = f"{error}."
        if hosts.is_first():
            _put_aside(Path(workdir), list(problems))
        hosts.wait_for_all()  # none goes on before they are moved
        return restored, tuple(problems.values())
    if problems:
        raise ValueError(
            f"{' '.join(problems.values())} No other checkpoint is left: take a new "
            f"workdir. Where another version of rcsr_jax made them, --init_from={workdir} "
            "starts with their parameters."
        )
    return None, ()


def _put_aside(workdir: Path, steps: Sequence[int]) -> None:
    root, aside = workdir / CHECKPOINTS, workdir / DAMAGED
    for step in steps:
        aside.mkdir(exist_ok=True)
        target, number = aside / str(step), 1
        while target.exists():
            number += 1
            target = aside / f"{step}_{number}"
        (root / str(step)).rename(target)


def _sums(params: Params, training: Any) -> dict[str, str]:
    return {"sha256": digest_of(params), "training": digest_of(training)}
