"""Files that are there whole or not at all."""

import csv
import hashlib
import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def whole_file(path: Path, *, unfinished: Path | None = None) -> Iterator[BinaryIO]:
    """A file to write, which takes its place once it is complete and on the disk.

    Who is killed meanwhile leaves the old file, or none; an error leaves nothing else.

    Args:
        path: its place; the folder exists.
        unfinished: what it is called until then, in the same folder; by default
            `path` with .unfinished behind.
    """
    unfinished = unfinished or path.with_name(unfinished_name(path.name))
    try:
        with unfinished.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def unfinished_name(name: str) -> str:
    """What a file is called while it is written; it stays behind where that is killed."""
    return f"{name}.unfinished"


def checksum(path: Path) -> str:
    """SHA-256 of what a file holds, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def csv_text(rows: Iterable[Iterable[Any]], *, line_end: str = "\r\n") -> str:
    """Rows as the text of a CSV file."""
    text = io.StringIO()
    csv.writer(text, lineterminator=line_end).writerows(rows)
    return text.getvalue()


def write_whole(path: Path, text: str) -> None:
    """Gives a file a new content, as `whole_file` does.

    Args:
        path: of the file; its folder exists.
        text: the content, in UTF-8; its line ends are kept as they are.
    """
    with whole_file(path) as file:
        file.write(text.encode())
