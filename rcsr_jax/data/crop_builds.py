"""Builds a crop cache: cut part by part, put together, moved to its place at last.

It is built anew when its inputs change. A build that was killed goes on where it stopped.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from rcsr_jax.config import DataConfig, ModelConfig
from rcsr_jax.data.crops import (
    HEADER,
    TAUGHT,
    CropCache,
    checksums,
    open_cache,
    read_header,
    settings_of,
)
from rcsr_jax.data.cutting import Source
from rcsr_jax.data.locks import alone_in
from rcsr_jax.data.parts import ROWS, Part, cut_parts, refusals, remove_parts
from rcsr_jax.data.refusals import none_usable
from rcsr_jax.data.rows import new_array
from rcsr_jax.data.whole_files import write_whole

_COPIED = 1024  # crops that are copied at once


def open_or_build(
    folder: str | Path,
    sources: Sequence[Source],
    *,
    model: ModelConfig,
    data: DataConfig,
    asked: str = "",
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
        asked: a digest of what the sources were made of, where that took long: see
            `open_asked`.
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
        asked=asked,
        jobs=jobs,
        on_progress=on_progress,
    )


def open_asked(folder: str | Path, asked: str) -> CropCache | None:
    """The cache that was made when the same was asked for; None: there is none, or damaged.

    Args:
        folder: where the cache lives.
        asked: as for `open_or_build`; not empty.
    """
    if asked_for(folder) != asked:
        return None
    try:
        return open_cache(folder)
    except ValueError:
        return None


def asked_for(folder: str | Path) -> str | None:
    """What was asked for when the cache in a folder was made; None: there is no cache."""
    try:
        return str(read_header(Path(folder)).get("asked", ""))
    except ValueError:
        return None


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
    digest = hashlib.sha256(json.dumps(settings_of(model, data)).encode())
    for source in sources:
        digest.update(f"{source.name}\0{source.stamp}\n".encode())
    return digest.hexdigest()


def _build(
    folder: Path,
    sources: Sequence[Source],
    *,
    model: ModelConfig,
    data: DataConfig,
    made_from: str,
    asked: str,
    jobs: int | None,
    on_progress: Callable[[int, int], None],
) -> CropCache:
    settings = settings_of(model, data)
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
                made = {"made_from": made_from, "asked": asked, "settings": settings}
                _collect(building, sources, list(parts), made)
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
        return str(read_header(folder)["made_from"])
    except ValueError:
        return None


def _collect(
    building: Path,
    sources: Sequence[Source],
    parts: list[Part],
    made: Mapping[str, Any],
) -> None:
    """Makes a cache of the parts: the header, what it was made of first, comes last."""
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
    used = [source for source, keep in zip(sources, kept, strict=True) if keep]
    header = {
        **made,
        "names": [source.name for source in used],
        TAUGHT: [source.name for source in used if source.taught],
        "refused": refused,
        "checksums": checksums(building),
    }
    write_whole(building / HEADER, json.dumps(header))


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
