"""How a program runs: what it tells of itself, and one way to fail."""

import io
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from absl import app, flags, logging

from rcsr_jax.data.names import shown
from rcsr_jax.version import __version__

from . import outputs, process

_MISSING = re.compile(r"Flag --(\w+) must have a value other than None")


def run(
    main: Callable[[list[str]], None],
    *,
    shared: Sequence[str] = (),
    at_once: bool = False,
) -> None:
    """Runs a program: a user's mistake ends it with one line and exit code 1.

    Args:
        main: takes what is left of the command line behind the flags.
        shared: names of modules whose flags are the program's as well.
        at_once: after an error wait for no thread: one that waits for another process, or
            for a disk, may do so for minutes.
    """

    def guarded(arguments: list[str]) -> None:
        logging.set_verbosity(logging.WARNING)  # orbax tells every file it writes
        process.set_up()
        for kind in process.ends_from_outside():
            signal.signal(kind, _end)
        if isinstance(sys.stdout, io.TextIOWrapper):  # folders may be called anything
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            main(arguments)
        except (ValueError, OSError, ImportError) as error:  # an extra that lacks, too
            message = shown(" ".join(str(error).split()), limit=outputs.LONGEST_MESSAGE)
            leave(f"error: {message}", 1)
        except MemoryError:
            leave("error: not enough memory", 1)
        except KeyboardInterrupt as ended:
            leave("interrupted", 128 + (ended.args[0] if ended.args else signal.SIGINT))

    def leave(message: str, code: int) -> NoReturn:
        print(message, file=sys.stderr)
        if at_once:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        sys.exit(code)

    def parse(arguments: list[str]) -> list[str]:
        if {"--help", "-help", "-h"} & set(arguments):
            # absl looks for the flags of the installed script, which defines none
            module = main.__module__
            told = [sys.modules[module].__doc__ or ""]
            for owner in (module, *shared, process.__name__):
                name = sys.argv[0] if owner == "__main__" else owner
                told.append(flags.FLAGS.module_help(name))
            _tell("\n".join(told))
            sys.exit(0)
        if {"--version", "-version"} & set(arguments):
            _tell(f"rcsr_jax {__version__}")
            sys.exit(0)
        try:
            return list(flags.FLAGS(arguments))
        except flags.Error as error:
            leave(f"error: {_mistake(error)}; --help lists the flags.", 1)

    app.run(guarded, flags_parser=parse)


def _tell(text: str) -> None:
    """Prints what was asked for; who has stopped reading has seen enough."""
    try:
        print(text, flush=True)
    except BrokenPipeError:  # at its end Python would try again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _mistake(error: flags.Error) -> str:
    """What is wrong with flags; absl has no plain words for one that is missing."""
    text = str(error).rstrip(".")
    if missing := _MISSING.search(text):
        name = missing[1]
        return f"--{name} is missing: {flags.FLAGS[name].help.rstrip('.')}"
    return text


def no_arguments(arguments: Iterable[str]) -> None:
    """Refuses words that are no flags: a forgotten -- would pass unnoticed.

    Raises:
        ValueError: there are some.
    """
    if extra := list(arguments)[1:]:
        raise ValueError(f"unknown arguments {' '.join(extra)}; flags begin with --.")


def _end(number: int, frame: Any) -> NoReturn:
    """A request to end is a Ctrl-C: what is done is told, and files are closed."""
    signal.signal(number, signal.SIG_DFL)  # asked twice, the program ends at once
    raise KeyboardInterrupt(number)
