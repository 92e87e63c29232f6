"""Checkpoints: parameters as orbax arrays, everything else as JSON beside them.

A checkpoint folder holds `params` (what prediction uses: the averaged parameters, mean
shape included), `config` (the whole run as JSON: model, markup, stopping rule, data,
training), `checksum` (of the arrays: orbax takes a flipped bit for a weight) and,
while training, `training` (see `resumption`). A work folder holds many of them under
`checkpoints/`, each of which gets its number for a name when it is whole; an exported
folder is one without `training`. What reads a checkpoint reads a weights file too (see
`weights`).
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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from rcsr_jax.config import RunConfig, check_run_config, from_dict, to_dict
from rcsr_jax.model import Params, params_like
from rcsr_jax.weights import (
    SUFFIX,
    check_params,
    model_source,
    read_weights,
    write_weights,
)

CHECKPOINTS = "checkpoints"
SCORE = "nme_interocular"  # what ranks the checkpoints of a run


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
        return float(json.loads(path.read_text(encoding="utf-8"))[SCORE])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is damaged") from error


def load_params(checkpoint: str | Path) -> tuple[Params, RunConfig]:
    """The parameters and the run stored in a folder or a weights file.

    Args:
        checkpoint: a work folder (its best checkpoint is taken), a checkpoint, an
            exported folder, a weights file (.npz), or the name of shipped weights.

    Raises:
        ValueError: it is none of these, or cannot be read.
    """
    checkpoint = model_source(checkpoint)
    if Path(checkpoint).suffix == SUFFIX and not Path(checkpoint).is_dir():
        return read_weights(checkpoint)
    place = find_checkpoint(checkpoint)
    try:
        with open_reader() as reader:
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
                on_first_device(params_like(config.model))
            )
            restored = reader.restore(place, args=ocp.args.Composite(params=wanted))
        # as a weights file gives them: bound to no device, whatever the run was made on
        params = jax.device_get(restored["params"])
        if "checksum" in names and texts["checksum"]["sha256"] != digest_of(params):
            raise ValueError("its parameters do not match their checksum")
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params)):
            raise ValueError("its parameters are not all finite")
    except Exception as error:  # orbax raises a bare one for a damaged array
        reason = reason_of(error)
        raise ValueError(
            f"checkpoint {place} cannot be read: {reason}. Take another one or export it "
            "again."
        ) from error
    return params, config


def write_model(out: Path, *, params: Params, config: RunConfig) -> None:
    """Writes a model: one file of weights where the name ends in `.npz`, else a folder.

    Args, raises: those of `weights.write_weights` and `export_params`.
    """
    write = write_weights if out.suffix == SUFFIX else export_params
    write(out, params=params, config=config)


def export_params(folder: str | Path, *, params: Params, config: RunConfig) -> None:
    """Writes the parameters and the run alone, as an orbax folder.

    Args:
        folder: a new one, or an empty one or a link to one; its parents need not exist.
        params: of the model.
        config: the run that made them.

    Raises:
        ValueError: something else is there, nothing can be written there, config is no
            `RunConfig`, or the parameters are not those of its model.
    """
    check_run_config(config)
    check_params(params, config=config.model)
    folder = Path(folder).absolute()
    empty = folder.is_dir() and not any(folder.iterdir())
    if os.path.lexists(folder) and not empty:  # files, pipes, devices, links to nothing
        raise ValueError(f"{folder} exists already; choose a new folder.")
    place = Path(os.path.realpath(folder))  # orbax replaces no link to a folder
    with writing(folder):
        place.parent.mkdir(parents=True, exist_ok=True)
        check_room(place.parent, params)
        try:
            _save(place, params, config)
        except BaseException:  # Ctrl-C as well
            unfinished = place.with_name(f"{place.name}.orbax-checkpoint-tmp")
            shutil.rmtree(unfinished, ignore_errors=True)
            raise


def _save(place: Path, params: Params, config: RunConfig) -> None:
    with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
        checkpointer.save(
            place,
            args=ocp.args.Composite(
                params=ocp.args.StandardSave(params),
                config=ocp.args.JsonSave(to_dict(config)),
                checksum=ocp.args.JsonSave({"sha256": digest_of(params)}),
            ),
            force=True,
        )


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Errors of writing a checkpoint tell the folder and what to do.

    Args:
        folder: that is written to.

    Raises:
        ValueError: in place of any error.
    """
    try:
        yield
    except Exception as error:  # of Python, of orbax or of tensorstore
        raise ValueError(
            f"no checkpoint can be written to {folder}: {reason_of(error)}. Those that are "
            "there stay whole. See to room and permissions; then the same command goes on."
        ) from error


def check_room(folder: Path, tree: Any) -> None:
    """Looks for room before orbax does.

    Args:
        folder: that is written to.
        tree: pytree of the arrays to come.

    Raises:
        OSError: they do not fit, or no file can be written there.
    """
    # orbax notices as well, but tells it in many lines, and leaves threads that wait for
    # minutes before they give up
    needed = sum(leaf.nbytes for leaf in jax.tree.leaves(tree))
    if shutil.disk_usage(folder).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"room")


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
    if folder.suffix in (".stablehlo", ".onnx"):
        raise ValueError(
            f"{folder} is a program, which is not read back: give the checkpoint or .npz "
            "that it was exported from."
        )
    what = "is no checkpoint" if folder.exists() else "does not exist"
    raise ValueError(
        f"{folder} {what}: give the folder that rcsr-train or rcsr-export wrote."
    )


def open_reader() -> ocp.Checkpointer:
    """Of this process alone: it waits for no other."""
    alone = ocp.options.MultiprocessingOptions(
        primary_host=jax.process_index(), active_processes={jax.process_index()}
    )
    options = ocp.CompositeOptions(multiprocessing_options=alone)
    return ocp.Checkpointer(
        ocp.CompositeCheckpointHandler(composite_options=options),
        multiprocessing_options=alone,
    )


def reason_of(error: Exception) -> str:
    """The reason for an error, in a line."""
    return textwrap.shorten(str(error.__cause__ or error), 300).rstrip(".")


def digest_of(tree: Any) -> str:
    """SHA-256 of the arrays of a pytree, in hexadecimal."""
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(jax.device_get(tree)):
        digest.update(np.asarray(leaf).tobytes())
    return digest.hexdigest()


def on_first_device(tree: Any) -> Any:
    """What orbax is to restore: arrays like those of a pytree, on the first device."""
    # An explicit sharding, or a state saved from four devices fails to load on one.
    sharding = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        tree,
    )
