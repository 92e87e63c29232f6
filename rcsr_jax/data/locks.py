"""Folders that one run at a time may write into."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Holds a folder against other runs until the block or the process ends.

    Where the system or its file system knows no such locks nobody is kept out.

    Args:
        folder: it exists, and stays where it is or goes with all that is in it.

    Raises:
        ValueError: another run holds it, or has just moved it away.
    """
    if fcntl is None:
        yield
        return
    held = os.open(folder, os.O_RDONLY)  # locks go with the process, however it ends
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(
                f"another run is at work in {folder}: wait for it, or choose another "
                "folder."
            ) from error
        except OSError:
            pass  # this file system knows no locks
        if not (folder.exists() and os.path.samestat(os.fstat(held), folder.stat())):
            raise ValueError(
                f"another run has just finished with {folder}: the same command again "
                "takes what it made."
            )
        yield
    finally:
        os.close(held)
