"""The crop cache: every face cut out once, grey, checked and memory-mapped.

A cached crop shows more than the network's frame, and a little finer, so that boxes can be
jittered and faces turned without going back to the photo. A cache is a folder:
`crops.npy`, `points.npy`, `frames.npy` and `cache.json`, which holds what the cache was
made from, the names and the checksums. `crop_builds` makes one.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rcsr_jax import config as configs
from rcsr_jax.config import DataConfig, ModelConfig
from rcsr_jax.data.refusals import Refusal
from rcsr_jax.data.rows import Rows, taken
from rcsr_jax.data.whole_files import checksum
from rcsr_jax.geometry import Frame, frames_at

_FORMAT = 2
ARRAYS = ("crops.npy", "frames.npy", "points.npy")
HEADER = "cache.json"
TAUGHT = "taught"  # in the header: the names of faces whose landmarks are a model's
FILES = (*ARRAYS, HEADER)
_OVERSAMPLING = 1.125  # cached pixels per crop pixel: turning a crop costs sharpness


class CropCache(NamedTuple):
    """Cached faces.

    Attributes:
        crops: uint8 [faces, size, size], grey; on the disk, as are the points.
        points: float32 [faces, num_points, 2], in cached pixels.
        frames: where each crop lies in its photo.
        names: of the faces.
        refused: faces that could not be used, and why.
    """

    crops: np.ndarray | Rows
    points: np.ndarray | Rows
    frames: Frame
    names: tuple[str, ...]
    refused: tuple[Refusal, ...]

    def take(self, indices: Sequence[int]) -> "CropCache":
        """The faces of these indices; those on the disk stay there."""
        index = np.asarray(indices, np.int64)
        return CropCache(
            taken(self.crops, index),
            taken(self.points, index),
            frames_at(self.frames, index),
            tuple(self.names[i] for i in index),
            self.refused,
        )

    def kept(self, keep: Sequence[bool]) -> "CropCache":
        """The faces to be kept; where these are all, it stays as it is on the disk."""
        if all(keep):
            return self
        return self.take([number for number, wanted in enumerate(keep) if wanted])


def cached_size(model: ModelConfig, data: DataConfig) -> int:
    """Side of a cached crop, in pixels."""
    return round(model.crop_size * data.cache_margin * _OVERSAMPLING)


def open_cache(folder: str | Path) -> CropCache:
    """The cache in a folder, with its checksums verified.

    Raises:
        ValueError: the folder holds no cache or a file is missing or damaged.
    """
    folder = Path(folder)
    header = read_header(folder)
    arrays = {}
    for name, known in header["checksums"].items():
        path = folder / name
        if not path.is_file() or checksum(path) != known:
            raise ValueError(
                f"{path} is missing or damaged; delete {folder} and prepare it again."
            )
        arrays[name] = np.load(path, mmap_mode="r", allow_pickle=False)
    frames = arrays["frames.npy"]
    return CropCache(
        arrays["crops.npy"],
        arrays["points.npy"],
        Frame(
            np.asarray(frames[:, :2]), np.asarray(frames[:, 2]), np.zeros(len(frames))
        ),
        tuple(header["names"]),
        tuple(Refusal(*pair) for pair in header["refused"]),
    )


def check_annotated(folder: str | Path, names: Sequence[str]) -> None:
    """Checks that faces of a cache that are validated on have landmarks of people alone.

    Raises:
        ValueError: a model has taught some; the message names one.
    """
    told = set(read_header(Path(folder)).get(TAUGHT, ()))
    if taught := sorted(told.intersection(names)):
        raise ValueError(
            f"{folder}: {len(taught)} of the {len(names)} faces to validate on have "
            f"landmarks that a model has taught, such as {taught[0]}. Give rcsr-prepare "
            "and rcsr-train the same --validation_faces and --split."
        )


def check_fits(folder: str | Path, *, model: ModelConfig, data: DataConfig) -> None:
    """Checks that a prepared cache was made for this model.

    Raises:
        ValueError: it was made with other settings; the message names them.
    """
    made, wanted = read_header(Path(folder))["settings"], settings_of(model, data)
    wrong = [name for name in wanted if made.get(name) != wanted[name]]
    if wrong:
        raise ValueError(
            f"{folder} was prepared for {_told(made, wrong)}; this model takes "
            f"{_told(wanted, wrong)}: give rcsr-prepare the preset and the settings that "
            "rcsr-train has."
        )


def _told(settings: Mapping[str, Any], names: Sequence[str]) -> str:
    """Some settings of a cache, as a person would say them."""
    told = {
        "size": "cached crops of {} pixels (crop_size, cache_margin)",
        "frame_scale": "frames of {:.3g} boxes (frame_scale, cache_margin)",
        "markup": "the landmarks of {0[name]!r} ({1} of them)",
    }
    return " and ".join(
        told[name].format(settings[name], len(settings["markup"]["mirror"]))
        for name in names
    )


def checksums(folder: str | Path) -> dict[str, str]:
    """The checksums of the arrays of a cache, as its header lists them."""
    return {name: checksum(Path(folder) / name) for name in ARRAYS}


def is_cache(folder: str | Path) -> bool:
    """Whether a folder holds a crop cache."""
    return (Path(folder) / HEADER).is_file()


def settings_of(model: ModelConfig, data: DataConfig) -> dict:
    """The settings that a cache depends on, as its header holds them.

    Args:
        model: gives the crop, the frame and the landmarks.
        data: gives the margin.
    """
    return {
        "format": _FORMAT,
        "size": cached_size(model, data),
        "frame_scale": model.frame_scale * data.cache_margin,
        "markup": json.loads(json.dumps(configs.to_dict(model.markup))),
    }


def read_header(folder: Path) -> dict:
    """What a cache says of itself: its settings, inputs, names, refusals, checksums.

    Args:
        folder: of the cache.

    Raises:
        ValueError: the folder holds none, or its header is damaged.
    """
    path = folder / HEADER
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
        if header["settings"]["format"] != _FORMAT:
            raise ValueError(
                f"format {header['settings']['format']}, not {_FORMAT}: prepare it again"
            )
        if sorted(dict(header["checksums"])) != sorted(ARRAYS):
            raise ValueError("it does not list the files of a cache")
        if missing := {"made_from", "names", "refused"} - set(header):
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
        return header
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is no crop cache ({error}).") from error
