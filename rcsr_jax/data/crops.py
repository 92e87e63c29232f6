"""The crop cache: every face cut out once, grey, checked and memory-mapped.

A cached crop shows more than the network's frame, and a little finer, so that boxes can be
jittered and faces turned without going back to the photo. A cache is a folder:
`crops.npy`, `points.npy`, `frames.npy` and `cache.json`, which holds what the cache was
made from, the names and the checksums. It is rebuilt when its inputs change.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rcsr_jax import config as configs
from rcsr_jax.config import DataConfig, ModelConfig
from rcsr_jax.data.cutting import cut_crop
from rcsr_jax.data.faces import Refusal
from rcsr_jax.geometry import Frame, frame_of_box, to_crop

_FORMAT = 2
_OVERSAMPLING = 1.125  # cached pixels per crop pixel: turning a crop costs sharpness


class Source(NamedTuple):
    """One annotated face that a crop can be cut from.

    Attributes:
        name: unique in its data set.
        load: gives the photo uint8 [height, width, 3], the landmarks float
            [num_points, 2] and the box float [4]; raises ValueError where it cannot.
        stamp: changes when the inputs do.
    """

    name: str
    load: Callable[[], tuple[np.ndarray, np.ndarray, np.ndarray]]
    stamp: str


class CropCache(NamedTuple):
    """Cached faces.

    Attributes:
        crops: uint8 [faces, size, size], grey.
        points: float32 [faces, num_points, 2], in cached pixels.
        frames: where each crop lies in its photo.
        names: of the faces.
        refused: faces that could not be used, and why.
    """

    crops: np.ndarray
    points: np.ndarray
    frames: Frame
    names: tuple[str, ...]
    refused: tuple[Refusal, ...]

    def take(self, indices: Sequence[int]) -> "CropCache":
        """The faces of these indices."""
        index = np.asarray(indices, np.int64)
        return CropCache(
            self.crops[index],
            self.points[index],
            Frame(self.frames.corner[index], self.frames.scale[index]),
            tuple(self.names[i] for i in index),
            self.refused,
        )


def cached_size(model: ModelConfig, data: DataConfig) -> int:
    """Side of a cached crop, in pixels."""
    return round(model.crop_size * data.cache_margin * _OVERSAMPLING)


def open_or_build(
    folder: str | Path,
    sources: Sequence[Source],
    *,
    model: ModelConfig,
    data: DataConfig,
    on_progress: Callable[[int, int], None] | None = None,
) -> CropCache:
    """The cache of these sources in a folder, built anew where it is missing or stale.

    Args:
        folder: where the cache lives.
        sources: the faces.
        model: gives the crop and the frame.
        data: gives the margin, and whether a broken face is fatal.
        on_progress: called with (faces done, faces).

    Raises:
        ValueError: no face can be used, or one cannot and `data.strict` holds.
    """
    folder = Path(folder)
    made_from = fingerprint(sources, model=model, data=data)
    if (folder / "cache.json").is_file():
        try:
            if _read_header(folder)["made_from"] == made_from:
                return open_cache(folder)
        except ValueError:
            pass  # a damaged cache is made anew, like a stale one
    return _build(folder, sources, model, data, made_from, on_progress)


def fingerprint(
    sources: Sequence[Source], *, model: ModelConfig, data: DataConfig
) -> str:
    """A digest of everything a cache depends on."""
    digest = hashlib.sha256(json.dumps(_settings(model, data)).encode())
    for source in sources:
        digest.update(f"{source.name}\0{source.stamp}\n".encode())
    return digest.hexdigest()


def open_cache(folder: str | Path) -> CropCache:
    """The cache in a folder, with its checksums verified.

    Raises:
        ValueError: the folder holds no cache or a file is missing or damaged.
    """
    folder = Path(folder)
    header = _read_header(folder)
    arrays = {}
    for name, checksum in header["checksums"].items():
        path = folder / name
        if not path.is_file() or _checksum(path) != checksum:
            raise ValueError(
                f"{path} is missing or damaged; delete {folder} and prepare it again."
            )
        arrays[name] = np.load(path, mmap_mode="r", allow_pickle=False)
    frames = arrays["frames.npy"]
    return CropCache(
        arrays["crops.npy"],
        np.asarray(arrays["points.npy"]),
        Frame(np.asarray(frames[:, :2]), np.asarray(frames[:, 2])),
        tuple(header["names"]),
        tuple(Refusal(*pair) for pair in header["refused"]),
    )


def check_fits(folder: str | Path, *, model: ModelConfig, data: DataConfig) -> None:
    """Checks that a prepared cache was made for this model.

    Raises:
        ValueError: it was made with other settings; the message names them.
    """
    made, wanted = _read_header(Path(folder))["settings"], _settings(model, data)
    wrong = [name for name in wanted if made.get(name) != wanted[name]]
    if wrong:
        raise ValueError(
            f"{folder} was prepared with another "
            + ", ".join(f"{n} ({made.get(n)}, not {wanted[n]})" for n in wrong)
            + "; run rcsr-prepare again with the model's settings."
        )


def is_cache(folder: str | Path) -> bool:
    """Whether a folder holds a crop cache."""
    return (Path(folder) / "cache.json").is_file()


def _settings(model: ModelConfig, data: DataConfig) -> dict:
    return {
        "format": _FORMAT,
        "size": cached_size(model, data),
        "frame_scale": model.frame_scale * data.cache_margin,
        "markup": json.loads(json.dumps(configs.to_dict(model.markup))),
    }


def _build(folder, sources, model, data, made_from, on_progress) -> CropCache:
    settings = _settings(model, data)
    building = folder.with_name(folder.name + ".building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)

    def cut(source: Source):
        try:
            image, points, box = source.load()
            frame = frame_of_box(
                box, frame_scale=settings["frame_scale"], size=settings["size"]
            )
            crop = cut_crop(image, frame, size=settings["size"])
            return crop, to_crop(points, frame), [*frame.corner, frame.scale]
        except ValueError as error:
            return Refusal(source.name, str(error))

    crops = np.lib.format.open_memmap(
        building / "crops.npy",
        mode="w+",
        dtype=np.uint8,
        shape=(len(sources), settings["size"], settings["size"]),
    )
    names: list[str] = []
    refused: list[Refusal] = []
    points, frames = [], []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, result in enumerate(pool.map(cut, sources), start=1):
            if isinstance(result, Refusal):
                refused.append(result)
                if data.strict:
                    raise ValueError(f"{result.name}: {result.reason}")
            else:
                crops[len(names)] = result[0]
                points.append(result[1])
                frames.append(result[2])
                names.append(sources[done - 1].name)
            if on_progress is not None:
                on_progress(done, len(sources))
    if not names:
        reasons = "; ".join(f"{name}: {why}" for name, why in refused[:3])
        raise ValueError(f"none of {len(sources)} faces can be used: {reasons}")
    crops.flush()
    if refused:  # the file was sized for all of them
        kept = np.array(crops[: len(names)])
        del crops
        np.save(building / "crops.npy", kept, allow_pickle=False)
    np.save(building / "points.npy", np.array(points, np.float32), allow_pickle=False)
    np.save(building / "frames.npy", np.array(frames, np.float64), allow_pickle=False)
    header = {
        "made_from": made_from,
        "settings": settings,
        "names": names,
        "refused": refused,
        "checksums": {
            path.name: _checksum(path) for path in sorted(building.glob("*.npy"))
        },
    }
    (building / "cache.json").write_text(json.dumps(header), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    building.rename(folder)
    return open_cache(folder)


def _read_header(folder: Path) -> dict:
    path = folder / "cache.json"
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
        if header["settings"]["format"] != _FORMAT:
            raise ValueError(f"format {header['settings']['format']}, not {_FORMAT}")
        if set(dict(header["checksums"])) != {"crops.npy", "points.npy", "frames.npy"}:
            raise ValueError("it does not list the files of a cache")
        if missing := {"made_from", "names", "refused"} - set(header):
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
        return header
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is no crop cache ({error}).") from error


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
