"""Cuts the faces of a cache part by part; what was killed goes on where it stopped.

All parts are cut into one file, which has a row for every face. Once a part is on the disk
there, a small file says so: with the landmarks and frames, the refusals and the checksum
of its rows. A part whose file is missing or does not fit is cut again.
"""

import functools
import hashlib
import itertools
import json
import os
import shutil
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rcsr_jax.data.cutting import Source, cut_crop
from rcsr_jax.data.refusals import Refusal
from rcsr_jax.data.rows import new_array
from rcsr_jax.data.whole_files import whole_file
from rcsr_jax.geometry import frame_of_box, to_crop

ROWS = "rows.npy"  # the file of all faces
_PLAN = "plan.json"
_PART = 64  # faces; what a kill costs each job at most
# NumPy has Python parse the headers of files, which on 3.11 fails now and then where two
# threads do it at once: SystemError, "AST constructor recursion depth mismatch".
_HEADERS = threading.Lock()


class Part(NamedTuple):
    """What is known of a part that is cut.

    Attributes:
        kept: bool [faces], which could be used.
        points: float32 [faces kept, num_points, 2], in cached pixels.
        frames: float64 [faces kept, 3], corner and scale.
        reasons: str [faces refused].
    """

    kept: np.ndarray
    points: np.ndarray
    frames: np.ndarray
    reasons: np.ndarray


def cut_parts(
    folder: Path,
    sources: Sequence[Source],
    *,
    made_from: str,
    size: int,
    frame_scale: float,
    jobs: int | None,
    strict: bool,
    on_progress: Callable[[int, int], None],
) -> Generator[Part, None, None]:
    """The parts in order, each cut now unless it lies in the folder already.

    Args:
        folder: of an unfinished cache, which exists; what was made from something else
            is removed.
        sources: the faces.
        made_from: a digest of all that the parts depend on.
        size: side of a crop in pixels.
        frame_scale: side of its frame in box sides.
        jobs: processes, for which sources must be importable; None: a thread per core.
        strict: end with the first face that cannot be used.
        on_progress: called with (faces done, faces).

    Raises:
        ValueError: a face cannot be used and `strict` holds, or a process was killed.
    """
    _open_plan(folder, len(sources), made_from=made_from, size=size)
    cut = functools.partial(
        _cut_part, folder=folder, size=size, frame_scale=frame_scale, strict=strict
    )
    starts = range(0, len(sources), _PART)
    done = 0
    with _pool(jobs) as pool:
        try:
            pieces = (sources[first : first + _PART] for first in starts)
            for part in pool.map(cut, starts, pieces):
                for _ in part.kept:
                    done += 1
                    on_progress(done, len(sources))
                yield part
        except BrokenProcessPool as error:
            raise ValueError(
                "a process that cuts faces was killed; the same command again goes on "
                "where it stopped. If memory was short, give fewer --jobs."
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def refusals(part: Part, sources: Sequence[Source]) -> list[Refusal]:
    """The refused faces of a part.

    Args:
        part: what is known of it.
        sources: its faces.
    """
    names = itertools.compress((source.name for source in sources), ~part.kept)
    return [Refusal(n, str(why)) for n, why in zip(names, part.reasons, strict=True)]


def remove_parts(folder: Path) -> None:
    """Removes what a folder holds of parts, once a cache was made of them."""
    for path in (folder / ROWS, folder / _PLAN, *folder.glob("part-*")):
        path.unlink(missing_ok=True)


def _pool(jobs: int | None) -> Executor:
    if jobs is None:
        return ThreadPoolExecutor(os.cpu_count())
    return ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))


def _open_plan(folder: Path, num_faces: int, *, made_from: str, size: int) -> None:
    """Makes room for the faces, or takes what an earlier run with this plan has left."""
    plan = {"made_from": made_from, "faces": num_faces, "size": size, "part": _PART}
    try:
        same = json.loads((folder / _PLAN).read_text(encoding="utf-8")) == plan
        rows = np.load(folder / ROWS, mmap_mode="r", allow_pickle=False)
        if same and rows.shape == (num_faces, size, size):
            return
    except (OSError, ValueError):
        pass
    for path in folder.iterdir():  # the folder itself is held by this run
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    new_array(folder / ROWS, dtype=np.uint8, shape=(num_faces, size, size)).flush()
    (folder / _PLAN).write_text(json.dumps(plan), encoding="utf-8")


def _cut_part(
    first: int,
    sources: Sequence[Source],
    *,
    folder: Path,
    size: int,
    frame_scale: float,
    strict: bool,
) -> Part:
    with _HEADERS:
        rows = np.lib.format.open_memmap(folder / ROWS, mode="r+")
    here = rows[first : first + len(sources)]
    path = folder / f"part-{first // _PART:07d}.npz"
    if (found := _read_part(path, here)) is not None:
        return found
    kept, points, frames, reasons = [], [], [], []
    for row, source in zip(here, sources, strict=True):
        try:
            image, shape, box = source.load()
            frame = frame_of_box(box, frame_scale=frame_scale, size=size)
            row[:] = cut_crop(image, frame, size=size)
        except ValueError as error:
            if strict:
                raise ValueError(f"{source.name}: {error}") from error
            row[:] = 0
            reasons.append(str(error))
            kept.append(False)
        else:
            points.append(to_crop(shape, frame))
            frames.append([*frame.corner, frame.scale])
            kept.append(True)
    part = Part(
        np.array(kept, bool),
        np.array(points, np.float32),
        np.array(frames, np.float64),
        np.array(reasons, np.str_),
    )
    rows.flush()  # the crops are on the disk before the file that vouches for them
    with whole_file(path) as file:
        np.savez(file, checksum=_checksum(here), **part._asdict())
    return part


def _read_part(path: Path, rows: np.ndarray) -> Part | None:
    """The part in a file; None where it is missing, damaged or not that of these rows."""
    try:
        # np.load leaves a file open that it opened and cannot read
        with (
            _HEADERS,
            path.open("rb") as file,
            np.load(file, allow_pickle=False) as arrays,
        ):
            part = Part(*(arrays[name] for name in Part._fields))
            checksum = arrays["checksum"]
        fits = len(part.kept) == len(rows) and checksum == _checksum(rows)
    except Exception:  # a torn archive raises whatever its torn bytes lead to
        return None
    return part if fits else None


def _checksum(rows: np.ndarray) -> str:
    return hashlib.sha256(rows.data).hexdigest()
