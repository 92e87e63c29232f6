"""The files below a folder, whatever links lead where."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path


def files_below(
    root: str | Path, *, on_problem: Callable[[Path, str], None]
) -> Iterator[Path]:
    """Paths relative to `root`, through links to folders, without hidden files.

    Each folder is read once, whatever number of links leads to it: by its own path where
    that is met first, and a loop ends. Files come before folders, both by name.

    Args:
        root: the folder.
        on_problem: called with a folder, relative to `root`, that cannot be read, and
            why.
    """

    def tell(error: OSError) -> None:
        folder = Path(error.filename or root).relative_to(root)
        on_problem(folder, f"cannot look into this folder: {error.strerror}")

    visited = set()
    for folder, subfolders, files in os.walk(root, followlinks=True, onerror=tell):
        real = os.path.realpath(folder)
        if real in visited:
            subfolders.clear()
            continue
        visited.add(real)
        here = Path(folder)
        subfolders[:] = sorted(
            (name for name in subfolders if not name.startswith(".")),
            key=lambda name: ((here / name).is_symlink(), name),
        )
        for name in sorted(files):
            if not name.startswith("."):
                yield (here / name).relative_to(root)
