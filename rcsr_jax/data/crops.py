"""The crop cache: every face cut out once, grey, checked and memory-mapped.

A cached crop shows more than the network's frame, and a little finer, so that boxes can be
jittered and faces turned without going back to the photo. A cache is a folder:
`crops.npy`, `points.npy`, `frames.npy` and `cache.json`, which holds what the cache was
made from, the names and the checksums. It is rebuilt when its inputs change.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rcsr_jax import config as configs
from rcsr_jax.config import DataConfig, ModelConfig
from rcsr_jax.data.locks import alone_in
from rcsr_jax.data.parts import ROWS, Part, Source, cut_parts, refusals, remove_parts
from rcsr_jax.data.refusals import Refusal, none_usable
from rcsr_jax.data.rows import Rows, new_array, taken
from rcsr_jax.data.whole_files import checksum, write_whole
from rcsr_jax.geometry import Frame, frames_at

_FORMAT = 2
_ARRAYS = ("crops.npy", "frames.npy", "points.npy")
_HEADER = "cache.json"
FILES = (*_ARRAYS, _HEADER)
_COPIED = 1024  # crops that are copied at once
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


def open_or_build(
    folder: str | Path,
    sources: Sequence[Source],
    *,
    model: ModelConfig,
    data: DataConfig,
    jobs: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> CropCache:
    """The cache of these sources in a folder, built anew where it is missing or stale.

    A build that was killed goes on where it stopped and ends with the same bytes.

    Args:
        folder: where the cache lives.
        sources: the faces.
        model: gives the crop and the frame.
        data: gives the margin, and whether a broken face is fatal.
        jobs: processes that cut faces; None: a thread for each core, which suits small
            sets and sources that cannot go to a process.
        on_progress: called with (faces done, faces).

    Raises:
        ValueError: no face can be used, one cannot and `data.strict` holds, another run is
            at work on this cache, or the folder is a mount.
        OSError: the disk has no room for it.
    """
    folder = Path(folder).resolve()  # of a link, the folder is replaced
    if folder.is_mount():
        raise ValueError(
            f"{folder} is where a disk is mounted, which cannot be replaced as a whole: "
            "name a folder in it."
        )
    made_from = fingerprint(sources, model=model, data=data)
    if _made_from(folder) == made_from:
        try:
            return open_cache(folder)
        except ValueError:
            pass  # a damaged cache is made anew, like a stale one
    return _build(
        folder,
        sources,
        model=model,
        data=data,
        made_from=made_from,
        jobs=jobs,
        on_progress=on_progress,
    )


def is_other_cache(
    folder: str | Path,
    sources: Sequence[Source],
    *,
    model: ModelConfig,
    data: DataConfig,
) -> bool:
    """Whether a folder holds a cache, and not that of these sources and settings."""
    made_from = _made_from(Path(folder))
    ours = fingerprint(sources, model=model, data=data)
    return made_from is not None and made_from != ours


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


def check_fits(folder: str | Path, *, model: ModelConfig, data: DataConfig) -> None:
    """Checks that a prepared cache was made for this model.

    Raises:
        ValueError: it was made with other settings; the message names them.
    """
    made, wanted = _read_header(Path(folder))["settings"], _settings(model, data)
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
    return {name: checksum(Path(folder) / name) for name in _ARRAYS}


def is_cache(folder: str | Path) -> bool:
    """Whether a folder holds a crop cache."""
    return (Path(folder) / _HEADER).is_file()


def _settings(model: ModelConfig, data: DataConfig) -> dict:
    return {
        "format": _FORMAT,
        "size": cached_size(model, data),
        "frame_scale": model.frame_scale * data.cache_margin,
        "markup": json.loads(json.dumps(configs.to_dict(model.markup))),
    }


def _build(
    folder: Path,
    sources: Sequence[Source],
    *,
    model: ModelConfig,
    data: DataConfig,
    made_from: str,
    jobs: int | None,
    on_progress: Callable[[int, int], None],
) -> CropCache:
    settings = _settings(model, data)
    building = folder.with_name(folder.name + ".building")
    building.mkdir(parents=True, exist_ok=True)
    with alone_in(building):
        if not _is_finished(building, made_from):
            parts = cut_parts(
                building,
                sources,
                made_from=made_from,
                size=settings["size"],
                frame_scale=settings["frame_scale"],
                jobs=jobs,
                strict=data.strict,
                on_progress=on_progress,
            )
            with closing(parts):
                _collect(building, sources, list(parts), settings, made_from)
        remove_parts(building)
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
    return open_cache(folder)


def _is_finished(building: Path, made_from: str) -> bool:
    """Whether a run was killed just before the cache came to its place."""
    if _made_from(building) != made_from:
        return False
    try:
        open_cache(building)
    except ValueError:
        return False
    return True


def _made_from(folder: Path) -> str | None:
    """What the cache in a folder was made from; None: there is none, or it is damaged."""
    try:
        return str(_read_header(folder)["made_from"])
    except ValueError:
        return None


def _collect(
    building: Path,
    sources: Sequence[Source],
    parts: list[Part],
    settings: dict,
    made_from: str,
) -> None:
    """Makes a cache of the parts: the header comes last."""
    kept = np.concatenate([part.kept for part in parts] or [np.zeros(0, bool)])
    pieces = np.split(
        np.arange(len(kept)), np.cumsum([len(part.kept) for part in parts])
    )
    refused = [
        refusal
        for part, piece in zip(parts, pieces, strict=False)
        for refusal in refusals(part, [sources[n] for n in piece])
    ]
    if not kept.any():
        raise none_usable(refused, purpose="used")
    _save_rows(building / "crops.npy", building / ROWS, kept)
    for name in ("points", "frames"):
        arrays = [getattr(part, name) for part in parts if part.kept.any()]
        np.save(building / f"{name}.npy", np.concatenate(arrays), allow_pickle=False)
    header = {
        "made_from": made_from,
        "settings": settings,
        "names": [s.name for s, used in zip(sources, kept, strict=True) if used],
        "refused": refused,
        "checksums": checksums(building),
    }
    write_whole(building / _HEADER, json.dumps(header))


def _save_rows(path: Path, rows: Path, kept: np.ndarray) -> None:
    """Saves the rows that are kept: all of them without a copy, where links are known."""
    path.unlink(missing_ok=True)
    if kept.all():
        try:
            path.hardlink_to(rows)
            return
        except OSError:
            pass
    source = np.load(rows, mmap_mode="r", allow_pickle=False)
    shape = (int(kept.sum()), *source.shape[1:])
    saved = new_array(path, dtype=source.dtype, shape=shape)
    chosen = np.flatnonzero(kept)
    for first in range(0, len(chosen), _COPIED):
        piece = chosen[first : first + _COPIED]
        saved[first : first + len(piece)] = source[piece]
    saved.flush()


def _read_header(folder: Path) -> dict:
    path = folder / _HEADER
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
        if header["settings"]["format"] != _FORMAT:
            raise ValueError(
                f"format {header['settings']['format']}, not {_FORMAT}: prepare it again"
            )
        if sorted(dict(header["checksums"])) != sorted(_ARRAYS):
            raise ValueError("it does not list the files of a cache")
        if missing := {"made_from", "names", "refused"} - set(header):
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
        return header
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is no crop cache ({error}).") from error
