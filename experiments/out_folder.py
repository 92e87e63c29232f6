"""The folder that a program writes to: its flag, what it may not be and what stays."""

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from absl import flags

flags.disclaim_key_flags()  # it belongs to the program that asks for it


def define_out(help_text: str = "Folder for the results.") -> Callable[[], Path]:
    """The flag --out for a folder, which must be given.

    Args:
        help_text: what the folder is for.

    Returns:
        what gives the folder, to be called before the work; it raises ValueError as
        `folder_to_write` does.
    """
    holder = flags.DEFINE_string("out", None, help_text, required=True)
    must_have_name("out")
    return lambda: folder_to_write(holder.value)


def must_have_name(flag: str) -> None:
    """Refuses an empty flag, as of a variable that is not set: its Path would be "."."""
    flags.register_validator(
        flag,
        lambda value: value != "",
        message="the name of a folder is missing; . is the one you are in",
    )


def folder_to_write(name: str | Path) -> Path:
    """The folder of this name, which need not exist.

    Raises:
        ValueError: it is a file or lies below one, or nothing can be written there; either
            would show only once all the work is done.
    """
    folder = Path(name)
    for path in (folder, *folder.parents):
        if path.is_dir():
            _check_writable(path)
            break
        if os.path.lexists(path):
            what = "a file" if path.exists() else "a link to nothing"
            raise ValueError(f"{path} is {what}; name a folder.")
    return folder


def _check_writable(folder: Path) -> None:
    """Refuses a folder that takes no file; the one that is tried is gone at once."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(
            f"nothing can be written to {folder.absolute()} ({error.strerror}); choose "
            "another --out."
        ) from error


def check_kind(out: Path, kinds: Sequence[str]) -> None:
    """Refuses what looks like a file of a kind that is not written.

    Args:
        out: a file, or a new folder.
        kinds: the suffixes of files.

    Raises:
        ValueError: it has another suffix; one without a letter, as of a date, is none.
    """
    if any(map(str.isalpha, out.suffix)) and out.suffix not in kinds:
        listed = " or ".join(filter(None, [", ".join(kinds[:-1]), kinds[-1]]))
        raise ValueError(
            f"there is no format for {out.name}: a name ends in {listed}, or is that of a "
            "new folder, without a suffix."
        )


def check_new(files: Iterable[Path], *, overwrite: bool) -> None:
    """Refuses to replace a file that nobody asked to replace.

    Args:
        files: that are to be written.
        overwrite: they may be replaced.

    Raises:
        ValueError: naming the first file that is there.
    """
    if overwrite:
        return
    for file in files:
        if file.exists():
            raise ValueError(f"{file} is there already; --overwrite replaces it.")
