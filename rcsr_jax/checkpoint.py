"""Checkpoints: parameters as orbax arrays, everything else as JSON beside them.

A checkpoint folder holds `params` (what prediction uses: the averaged parameters, mean
shape included), `config` (the whole run as JSON: model, markup, stopping rule, data,
training), `checksum` (of the arrays: orbax takes a flipped bit for a weight) and,
while training, `training` (raw parameters, optimiser, step). A work folder
holds many of them under `checkpoints/`, each of which gets its number for a name when it is
whole; an exported folder is one without `training`. What reads a checkpoint reads a weights
file too (see `weights`).

Of several processes that train together all save together, and each reads for itself.
"""

import contextlib
import errno
import hashlib
import json
import math
import os
import shutil
import tempfile
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as policies

from rcsr_jax import hosts
from rcsr_jax.config import RunConfig, from_dict, to_dict
from rcsr_jax.model import Params, params_like
from rcsr_jax.weights import SUFFIX, read_weights

CHECKPOINTS = "checkpoints"
DAMAGED = "damaged"
_SCORE = "nme_interocular"


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
    with _writing(folder):
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
    return metrics[_SCORE]


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
    sums = {**_checksum(params), "training": _checksum(training)["sha256"]}
    with _writing(Path(manager.directory)):
        if hosts.is_first():
            _check_room(Path(manager.directory), (params, training))
        manager.save(
            step,
            args=ocp.args.Composite(
                params=ocp.args.StandardSave(params),
                training=ocp.args.StandardSave(training),
                config=ocp.args.JsonSave(to_dict(config)),
                checksum=ocp.args.JsonSave(sums),
            ),
            metrics={_SCORE: nme},
            force=True,
        )


def finish_saving(manager: ocp.CheckpointManager) -> None:
    """Waits until what was saved is on the disk.

    Raises:
        ValueError: it cannot be written.
    """
    with _writing(Path(manager.directory)):
        manager.wait_until_finished()


def _check_room(folder: Path, tree: Any) -> None:
    # orbax notices as well, but leaves threads that wait for minutes before they give up
    needed = sum(leaf.nbytes for leaf in jax.tree.leaves(tree))
    if shutil.disk_usage(folder).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"room")


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # of Python, of orbax or of tensorstore
        raise ValueError(
            f"no checkpoint can be written to {folder}: {_short(error)}. Those that are "
            "there stay whole. See to room and permissions; then the same command goes on."
        ) from error


def saved_steps(workdir: str | Path) -> list[int]:
    """The steps of which a work folder holds checkpoints, in order."""
    folder = Path(workdir) / CHECKPOINTS
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(int(path.name) for path in found if path.name.isdecimal())


def saved_error(place: Path) -> float:
    """The validation error that ranks a checkpoint of a run; infinite where there is none.

    Raises:
        ValueError: the file that holds it is damaged.
    """
    path = place / "metrics" / "metrics"
    if not path.is_file():
        return math.inf
    try:
        return float(_score(json.loads(path.read_text(encoding="utf-8"))))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is damaged") from error


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
        with _reader() as reader:
            found = reader.restore(
                place,
                args=ocp.args.Composite(
                    params=ocp.args.StandardRestore(_on_first_device(params)),
                    training=ocp.args.StandardRestore(_on_first_device(training)),
                    config=ocp.args.JsonRestore(),
                    checksum=ocp.args.JsonRestore(),
                ),
            )
        sums = {
            "sha256": _checksum(found["params"])["sha256"],
            "training": _checksum(found["training"])["sha256"],
        }
        # what an older version wrote has no sum of "training"
        if not found["checksum"].items() <= sums.items():
            raise ValueError("its content does not match its checksum")
        config = from_dict(RunConfig, found["config"])
    except Exception as error:  # orbax raises a bare one for a damaged array
        reason = _short(error)
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
        hosts.any_of(True)  # none goes on before they are moved
        return restored, tuple(problems.values())
    if problems:
        raise ValueError(
            f"{' '.join(problems.values())} No other checkpoint is left: take a new "
            "workdir."
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


def load_params(checkpoint: str | Path) -> tuple[Params, RunConfig]:
    """The parameters and the run stored in a folder or a weights file.

    Args:
        checkpoint: a work folder (its best checkpoint is taken), a checkpoint, an
            exported folder, or a weights file (.npz).

    Raises:
        ValueError: it is none of these, or cannot be read.
    """
    if Path(checkpoint).suffix == SUFFIX and not Path(checkpoint).is_dir():
        return read_weights(checkpoint)
    place = find_checkpoint(checkpoint)
    try:
        with _reader() as reader:
            names = ["config"]
            names += ["checksum"] if (place / "checksum").is_dir() else []
            texts = reader.restore(
                place,
                args=ocp.args.Composite(
                    **{name: ocp.args.JsonRestore() for name in names}
                ),
            )
            config = from_dict(RunConfig, texts["config"])
            wanted = ocp.args.StandardRestore(
                _on_first_device(params_like(config.model))
            )
            params = reader.restore(place, args=ocp.args.Composite(params=wanted))[
                "params"
            ]
        if "checksum" in names and not _matches(params, texts["checksum"]):
            raise ValueError("its parameters do not match their checksum")
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params)):
            raise ValueError("its parameters are not all finite")
    except Exception as error:  # orbax raises a bare one for a damaged array
        reason = _short(error)
        raise ValueError(
            f"checkpoint {place} cannot be read: {reason}. Take another one or export it "
            "again."
        ) from error
    return params, config


def export_params(folder: str | Path, *, params: Params, config: RunConfig) -> None:
    """Writes the parameters and the run alone, as an orbax folder.

    Raises:
        ValueError: the folder exists and is not empty.
    """
    folder = Path(folder).absolute()
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ValueError(f"{folder} exists already; choose a new folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
        checkpointer.save(
            folder,
            args=ocp.args.Composite(
                params=ocp.args.StandardSave(params),
                config=ocp.args.JsonSave(to_dict(config)),
                checksum=ocp.args.JsonSave(_checksum(params)),
            ),
            force=True,
        )


def find_checkpoint(folder: str | Path) -> Path:
    """The folder with the parameters that a work folder, checkpoint or export means.

    Raises:
        ValueError: there is none.
    """
    folder = Path(folder).absolute()
    if (folder / "params").is_dir() and (folder / "config").is_dir():
        return folder
    if (folder / CHECKPOINTS).is_dir():
        places = [folder / CHECKPOINTS / str(step) for step in saved_steps(folder)]
        if not places:
            raise ValueError(f"{folder} holds no finished checkpoint yet.")
        return min(reversed(places), key=saved_error)  # of equal ones the latest
    what = "is no checkpoint" if folder.exists() else "does not exist"
    raise ValueError(
        f"{folder} {what}: give the folder that rcsr-train or rcsr-export wrote."
    )


def _reader() -> ocp.Checkpointer:
    """Of this process alone: it waits for no other."""
    alone = ocp.options.MultiprocessingOptions(
        primary_host=jax.process_index(), active_processes={jax.process_index()}
    )
    options = ocp.CompositeOptions(multiprocessing_options=alone)
    return ocp.Checkpointer(
        ocp.CompositeCheckpointHandler(composite_options=options),
        multiprocessing_options=alone,
    )


def _short(error: Exception) -> str:
    """The reason for an error, in a line."""
    return textwrap.shorten(str(error.__cause__ or error), 300).rstrip(".")


def _matches(params: Params, stored: Mapping[str, str]) -> bool:
    return _checksum(params)["sha256"] == stored["sha256"]


def _checksum(tree: Any) -> dict[str, str]:
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(jax.device_get(tree)):
        digest.update(np.asarray(leaf).tobytes())
    return {"sha256": digest.hexdigest()}


def _on_first_device(tree: Any) -> Any:
    # An explicit sharding, or a state saved from four devices fails to load on one.
    sharding = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        tree,
    )
