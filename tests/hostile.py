"""Cases made to break what reads them, each with what must become of it.

A case is a file's content and its outcome: a part of the one message that refuses it, or
a check of the answer. `judge` also sees to what holds for all of them: no other exception
than ValueError, a message that names the file and can be shown, and an end in seconds.
"""

import contextlib
import resource
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

LONGEST_MESSAGE = 1500  # characters


class Case(NamedTuple):
    """One hostile file.

    Attributes:
        title: what is wrong with it.
        content: the file.
        expected: a part of the message, or what looks at the answer.
        suffix: of the file's name; empty: that of the test.
    """

    title: str
    content: bytes | str
    expected: str | Callable[[Any], None]
    suffix: str = ""


def each(cases: list[Case]) -> pytest.MarkDecorator:
    """A test for each case."""
    titles = [case.title for case in cases]
    assert len(set(titles)) == len(titles), "two cases have one title"
    return pytest.mark.parametrize("case", cases, ids=titles)


@contextlib.contextmanager
def deadline(seconds: int) -> Iterator[None]:
    """Fails a test that hangs."""

    def stop(signum, frame):
        pytest.fail(f"took more than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def judge(
    case: Case, read: Callable[[Path], Any], folder: Path, *, suffix: str = ""
) -> None:
    """Writes a case to a file, reads it, and looks at what comes of it."""
    path = folder / f"hostile{case.suffix or suffix}"
    content = case.content
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with deadline(10):
        if callable(case.expected):
            case.expected(read(path))
            return
        with pytest.raises(ValueError) as caught:
            read(path)
    check_message(str(caught.value), path.name, case.expected)


def check_message(message: str, *parts: str) -> None:
    """Checks that a message has these parts, an end, and nothing that a terminal obeys."""
    for part in parts:
        assert part in message
    assert len(message) < LONGEST_MESSAGE
    odd = [c for c in message if unicodedata.category(c) in ("Cc", "Cs")]
    assert set(odd) <= {"\n"}, odd


def limit_memory(more: int) -> None:
    """Lets this process take so many bytes beside what it has."""
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + more, now + more))


def check_bounded(program: str, folder: Path) -> None:
    """Runs a program that limits its memory and says "bounded" where that was enough.

    Args:
        program: in Python; its arguments are the folder of the tests and another.
        folder: for its files.
    """
    words = [sys.executable, "-c", program, str(Path(__file__).parent), str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.stdout == "bounded\n", done.stderr
