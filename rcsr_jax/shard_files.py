"""The faces of a shard as a Parquet file, which is there whole or not at all.

A file has a row for each face, and one without a face for each photo that has none or
failed, so every photo is in it. It is written under another name and then moved to its
place: a shard that is worked on twice, because a worker was killed or two took it, leaves
the same one file. What it was made from stands in its footer.
"""

import os
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rcsr_jax.data.shards import Shard
from rcsr_jax.data.whole_files import whole_file
from rcsr_jax.landmarks import Faces

SUFFIX = ".parquet"
_UNFINISHED = ".unfinished"
_GRAIN = 1 / 256  # of a pixel: what is finer only takes space
_KEY = b"rcsr_"


class Counts(NamedTuple):
    """What became of the photos of a shard.

    Attributes:
        photos: in it.
        faces: found.
        failed: photos that could not be read, or have no box where boxes are given.
    """

    photos: int
    faces: int
    failed: int


class Row(NamedTuple):
    """A face, or a photo without one.

    Attributes:
        photo: its name in the shard.
        size: of the photo, width and height; None where it was not read.
        face: from 1; 0 of a photo without a face.
        box: float [4].
        detection_score: None where boxes were given.
        faces: of the photo; None where there is no face.
        error: why the photo failed.
    """

    photo: str
    size: tuple[int, int] | None
    face: int = 0
    box: np.ndarray | None = None
    detection_score: float | None = None
    faces: Faces | None = None
    error: str | None = None


def write_shard(
    out: Path, shard: Shard, rows: list[Row], *, num_points: int, made_with: str
) -> Counts:
    """Writes the file of a shard, in place of one that is there.

    Args:
        out: the folder; it exists.
        shard: whose.
        rows: from `predict_shard`.
        num_points: of the markup.
        made_with: tells results of other models and settings apart.
    """
    import pyarrow as pa
    from pyarrow import parquet

    counts = Counts(
        photos=len({row.photo for row in rows}),
        faces=sum(row.face > 0 for row in rows),
        failed=sum(row.error is not None for row in rows),
    )
    told = {"stamp": shard.stamp, "made_with": made_with, **counts._asdict()}
    table = _table(shard, rows, num_points=num_points).replace_schema_metadata(
        {_KEY + name.encode(): str(value) for name, value in told.items()}
    )
    # readers of folders of Parquet leave out what begins with a dot
    unfinished = out / f".{shard.name}-{uuid.uuid4().hex}{_UNFINISHED}"
    with whole_file(_place(out, shard), unfinished=unfinished) as file:
        numbers = [f.name for f in table.schema if pa.types.is_fixed_size_list(f.type)]
        parquet.write_table(
            table,
            file,
            compression="zstd",
            use_dictionary=["source", "photo", "error"],
            use_byte_stream_split=[f"{name}.list.element" for name in numbers],
        )
    return counts


def what_is_done(
    out: Path, shard: Shard, *, made_with: str, overwrite: bool = False
) -> Counts | None:
    """What the file of a shard tells; None where it is missing, damaged or stale.

    Args:
        out: the folder.
        shard: whose.
        made_with: as `write_shard` was given it.
        overwrite: files of other settings count as stale.

    Raises:
        ValueError: the file was made with other settings.
    """
    path = _place(out, shard)
    told = _footer(path)
    try:
        counts = Counts(*(int(told[name]) for name in Counts._fields))
        stamp, made = told["stamp"], told["made_with"]
    except (ValueError, KeyError):
        return None
    if made != made_with and not overwrite:
        raise _made_otherwise(path)
    return counts if (stamp, made) == (shard.stamp, made_with) else None


def what_ended_it(out: Path, shard: Shard) -> str | None:
    """Why the archive of a shard could not be read to its end; None where it could.

    Args:
        out: the folder; the file of the shard is there.
        shard: whose.

    Raises:
        ValueError: the file is damaged.
    """
    from pyarrow import parquet

    path = _place(out, shard)
    try:
        with parquet.ParquetFile(path) as file:
            table = file.read(["photo", "error"])
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path}: cannot be read: {error}. Remove it, and the same command makes it."
        ) from error
    # a photo without a name, the last one, is the archive as a whole: `photos_of`
    last = table.slice(max(len(table) - 1, 0)).to_pylist()
    return last[0]["error"] if last and not last[0]["photo"] else None


def remove_others(
    out: Path, shards: Iterable[Shard], *, made_with: str, overwrite: bool = False
) -> list[Path]:
    """Keeps results of two models apart: removes those of others, if that is wanted.

    Args:
        out: the folder.
        shards: whose files are left to `what_is_done`.
        made_with: as `write_shard` is given it.
        overwrite: remove files of other settings.

    Returns:
        The files that were removed.

    Raises:
        ValueError: it is not wanted, and there is such a file.
    """
    removed = []
    ours = {_place(out, shard) for shard in shards}
    for path in sorted({*out.glob(f"*{SUFFIX}")} - ours):
        # a file that does not tell is none of ours, or damaged
        if _footer(path).get("made_with", made_with) != made_with:
            if not overwrite:
                raise _made_otherwise(path)
            path.unlink()
            removed.append(path)
    return removed


def _footer(path: Path) -> dict[str, str]:
    """What a file tells of how it was made; nothing: it is none of ours, or damaged."""
    from pyarrow import parquet

    try:
        told = parquet.read_metadata(path).metadata or {}
        ours = {k: v for k, v in told.items() if k.startswith(_KEY)}
        return {k.removeprefix(_KEY).decode(): v.decode() for k, v in ours.items()}
    except (OSError, ValueError):
        return {}


def _made_otherwise(path: Path) -> ValueError:
    return ValueError(
        f"{path} was made with another model or other settings; --overwrite removes all "
        "such files, or choose another --out."
    )


def remove_unfinished(out: Path) -> None:
    """Removes files that nobody works on any more; only while there are no workers."""
    for left in out.glob(f".*{_UNFINISHED}"):
        left.unlink(missing_ok=True)


def _place(out: Path, shard: Shard) -> Path:
    return out / f"{shard.name}{SUFFIX}"


def _table(shard: Shard, rows: list[Row], *, num_points: int) -> Any:
    import pyarrow as pa

    def each(values: Callable[[Faces], Any], kind: Any) -> Any:
        found = [row.faces if row.faces is None else values(row.faces) for row in rows]
        return pa.array(found, kind)

    def lists(values: list[np.ndarray | None], size: int) -> Any:
        missing = np.array([value is None for value in values], bool)
        filled = [np.zeros(size) if value is None else value for value in values]
        flat = np.concatenate([np.ravel(v) for v in filled] or [np.zeros(0)])
        rounded = np.rint(flat.astype(np.float64) / _GRAIN) * _GRAIN
        return pa.FixedSizeListArray.from_arrays(
            pa.array(rounded.astype(np.float32)), size, mask=pa.array(missing)
        )

    faces = [row.faces for row in rows]
    return pa.table(
        {
            "source": pa.array([_text(shard.source)] * len(rows), pa.string()),
            "photo": pa.array([_text(row.photo) for row in rows], pa.string()),
            "width": pa.array([row.size and row.size[0] for row in rows], pa.int32()),
            "height": pa.array([row.size and row.size[1] for row in rows], pa.int32()),
            "face": pa.array([row.face for row in rows], pa.int32()),
            "box": lists([row.box for row in rows], 4),
            "detection_score": pa.array(
                [row.detection_score for row in rows], pa.float32()
            ),
            "points": lists([f and f.points for f in faces], 2 * num_points),
            "expected_error": lists(
                [f and f.expected_error for f in faces], num_points
            ),
            "score": each(lambda found: float(found.score[0]), pa.float32()),
            "num_steps": each(lambda found: int(found.num_steps[0]), pa.int32()),
            "settled": each(lambda found: bool(found.settled[0]), pa.bool_()),
            "error": pa.array(
                [row.error and _text(row.error) for row in rows], pa.string()
            ),
        }
    )


def _text(name: str) -> str:
    """A name as text: those of files may hold bytes that are none."""
    return os.fsencode(name).decode(errors="backslashreplace")
