"""Weights files: a whole model in one `.npz`, small enough to ship with the package.

The file holds the parameters as float16 (the mean shape as float32: it is measured in
pixels), each under its path such as `network/output/kernel`, and a `header`: JSON with
the format, the run and the SHA-256 of all of it. Nothing in it is pickled.
"""

import hashlib
import json
import textwrap
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import flax
import jax
import numpy as np

from rcsr_jax.config import (
    ModelConfig,
    RunConfig,
    check_run_config,
    from_dict,
    replace_fields,
    to_dict,
)
from rcsr_jax.data.names import shown
from rcsr_jax.data.whole_files import whole_file
from rcsr_jax.model import Params, params_like

SUFFIX = ".npz"
_FORMAT = 1
_LARGEST = 256 << 20  # bytes of a file as unpacked, twelve times the largest preset
_HEADER = "header"
_MEAN_SHAPE = "mean_shape"
_SHIPPED = Path(__file__).with_name("shipped")


def write_weights(path: str | Path, *, params: Params, config: RunConfig) -> None:
    """Writes a model as one weights file.

    A weight loses at most one part in 2048, or 3e-8 where that is more. Of the data that
    the run was trained on the names are kept, not the folders they lay in.

    Args:
        path: the new file; it ends in .npz.
        params: of the model.
        config: the run that made them.

    Raises:
        ValueError: the file exists or ends otherwise, a weight is beyond float16, config
            is no `RunConfig`, or the parameters are not those of its model.
    """
    check_run_config(config)
    path = Path(path)
    if path.suffix != SUFFIX:
        raise ValueError(f"{path}: a weights file ends in {SUFFIX}.")
    if path.exists():
        raise ValueError(f"{path} exists already; choose a new file.")
    arrays = {name: _stored(name, leaf) for name, leaf in _flat(params).items()}
    check_params(params, config=config.model)
    run = to_dict(_without_folders(config))
    header = {"format": _FORMAT, "run": run, "sha256": _digest(run, arrays)}
    path.parent.mkdir(parents=True, exist_ok=True)
    named: dict[str, Any] = {_HEADER: np.array(json.dumps(header)), **arrays}
    with whole_file(path) as file:
        np.savez(file, **named)


def read_weights(path: str | Path) -> tuple[Params, RunConfig]:
    """The parameters, float32, and the run of a weights file.

    Raises:
        ValueError: the file is missing, damaged, of another format or does not fit the
            model that it names.
    """
    path = Path(path)
    try:
        header, arrays = _read(path)
        if _digest(header["run"], arrays) != header["sha256"]:
            raise ValueError("its content does not match its checksum")
        config = from_dict(RunConfig, header["run"])
        return _fitted(arrays, config.model), config
    except Exception as error:  # zipfile and NumPy raise many kinds for a damaged file
        reason = textwrap.shorten(str(error), 300).rstrip(".")
        raise ValueError(
            f"weights file {path} cannot be read: {reason}. Export it again, or install "
            "the package again where it came with that."
        ) from error


def model_source(
    checkpoint: str | Path | None = None, *, preset: str | None = None
) -> str | Path:
    """The checkpoint that is named, or the weights that come with the package.

    Args:
        checkpoint: of a trained model; the name of shipped weights, where no model of
            this name lies here, means those.
        preset: which of the shipped weights, in place of "base".

    Raises:
        ValueError: both are given, or there are no weights of the preset.
    """
    if checkpoint is None:
        return shipped_weights("base" if preset is None else preset)
    if preset is not None:
        raise ValueError(
            f"give a checkpoint or a preset; got {checkpoint} and {preset!r}: not both."
        )
    named = str(checkpoint) in _shipped_names() and not _may_be_model(Path(checkpoint))
    return shipped_weights(str(checkpoint)) if named else checkpoint


def shipped_weights(preset: str) -> Path:
    """The weights file of a preset that came with the package.

    Args:
        preset: such as "base".

    Raises:
        ValueError: there is none of that name; the message tells which there are.
    """
    path = _SHIPPED / f"{preset}{SUFFIX}"
    shipped = _shipped_names()
    if preset not in shipped:
        raise ValueError(
            f"no weights of a preset {preset!r} come with this installation, which has "
            f"{', '.join(shipped) or 'none'}; give the checkpoint of a model that you "
            "trained."
        )
    return path


def _may_be_model(path: Path) -> bool:
    """Whether a path is a file, or a folder like those of checkpoints and runs."""
    return path.is_file() or any((path / n).is_dir() for n in ("params", "checkpoints"))


def _shipped_names() -> list[str]:
    return sorted(file.stem for file in _SHIPPED.glob(f"*{SUFFIX}"))


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    if not path.is_file():
        raise ValueError("there is no such file")
    if not zipfile.is_zipfile(path):  # np.load would take it for a pickle
        raise ValueError("it is not a whole .npz file")
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > _LARGEST:  # a few kilobytes may unpack to as many gigabytes
        raise ValueError(f"it would unpack to {size} bytes, more than {_LARGEST}")
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    header = json.loads(str(arrays.pop(_HEADER, "{}")))
    form = header.get("format") if isinstance(header, dict) else None
    if form != _FORMAT:
        raise ValueError(
            f"it is of format {form}, where this version of rcsr_jax reads {_FORMAT}"
        )
    if missing := {"run", "sha256"} - set(header):
        raise ValueError(f"its header lacks {', '.join(sorted(missing))}")
    return header, arrays


def _flat(params: Params) -> dict[str, np.ndarray]:
    flat = flax.traverse_util.flatten_dict(params, sep="/")
    return dict(sorted(flat.items()))


def _stored(name: str, leaf: np.ndarray) -> np.ndarray:
    leaf = np.asarray(leaf, np.float32)
    if name == _MEAN_SHAPE:
        return leaf
    largest = np.abs(leaf).max(initial=0)
    if not largest <= np.finfo(np.float16).max:
        raise ValueError(
            f"{name} holds {largest:g}, which float16 cannot; the model has not been "
            "trained well enough to be written."
        )
    return leaf.astype(np.float16)


def _fitted(arrays: Mapping[str, np.ndarray], model: ModelConfig) -> Params:
    params = {name: array.astype(np.float32) for name, array in arrays.items()}
    _check_flat(params, model)
    return flax.traverse_util.unflatten_dict(params, sep="/")


def check_params(params: Params, *, config: ModelConfig) -> None:
    """Checks parameters before they are written.

    Args:
        params: of a model.
        config: of it.

    Raises:
        ValueError: they are not those of a network of the config, or not all finite.
    """
    _check_flat(_flat(jax.device_get(params)), config)


def _check_flat(arrays: Mapping[str, np.ndarray], model: ModelConfig) -> None:
    wanted = {name: leaf.shape for name, leaf in _flat(params_like(model)).items()}
    found = {name: np.shape(array) for name, array in arrays.items()}
    wrong = sorted(
        name
        for name in wanted.keys() | found.keys()
        if wanted.get(name) != found.get(name)
    )
    if wrong:
        name = wrong[0]
        raise ValueError(
            f"{shown(name)} has the shape {found.get(name, 'of nothing')}, where the "
            f"model has {wanted.get(name, 'no such array')}"
        )
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds what is not a finite number")


def _without_folders(config: RunConfig) -> RunConfig:
    """The run without the folders of its files, which tell of a machine alone."""

    def names(paths: str) -> str:
        return ",".join(PurePath(path).name or path for path in paths.split(","))

    return replace_fields(
        config,
        {
            "data": names(config.data.data),
            "last_data": names(config.data.last_data),
            "boxes": names(config.data.boxes),
            "init_from": names(config.train.init_from),
        },
    )


def _digest(run: object, arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(json.dumps(run, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
