"""Timed calls: compiled first, then interleaved, so that a drifting machine is fair."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax

from . import outputs

_LEAST = 3  # timed calls of a row, however long they take
_SLOW = 1.0  # seconds: a first call above it is no worse than the others


@dataclasses.dataclass
class Row:
    """One thing to time.

    Attributes:
        fields: what it is, as written to the JSON file.
        call: does it once; what it returns is waited for.
        faces: per call.
        prepare: compiles it and returns what is known of the program; None where the
            first call compiles.
        always: measured however long a call takes.
        compile_seconds: NaN where nothing is compiled.
        seconds: of the timed calls so far.
    """

    fields: dict[str, Any]
    call: Callable[[], Any]
    faces: int
    prepare: Callable[[], dict[str, Any]] | None = None
    always: bool = True
    compile_seconds: float = float("nan")
    seconds: list[float] = dataclasses.field(default_factory=list)

    @property
    def median(self) -> float:
        """Seconds of a call."""
        return statistics.median(self.seconds)

    @property
    def milliseconds_per_face(self) -> float:
        """Median of the calls."""
        return 1e3 * self.median / self.faces

    def warm_up(self) -> float:
        """Compiles, calls once, and returns the seconds of that call."""
        if self.prepare is not None:
            started = time.perf_counter()
            self.fields.update(self.prepare())
            self.compile_seconds = time.perf_counter() - started
        seconds = self._timed()
        if self.prepare is not None and seconds > _SLOW:
            self.seconds.append(seconds)
        return seconds

    def repeat(self) -> None:
        """Calls once more."""
        self.seconds.append(self._timed())

    def _timed(self) -> float:
        started = time.perf_counter()
        jax.block_until_ready(self.call())
        return time.perf_counter() - started


def warm_up(groups: Sequence[Sequence[Row]], *, longest: float) -> list[Row]:
    """Compiles rows and calls each once; returns those that are worth repeating.

    Args:
        groups: rows of one kind by rising number of faces. Once a call of a group would
            take too long, judged by those before, only its `always` rows follow.
        longest: seconds of a call.
    """
    kept = []
    with outputs.bar(total=sum(map(len, groups)), desc="compiling") as bar:
        for group in groups:
            per_face = 0.0
            for row in group:
                bar.update()
                if row.always or per_face * row.faces <= longest:
                    per_face = row.warm_up() / row.faces
                    kept.append(row)
    return kept


def time_interleaved(rows: Sequence[Row], *, repeats: int, seconds: float) -> None:
    """Calls each row in turn, again and again.

    Args:
        rows: warm already.
        repeats: calls of a row.
        seconds: of a row's calls, after which three are enough.
    """
    with outputs.bar(total=len(rows) * repeats, desc="timing") as bar:
        for _ in range(repeats):
            for row in rows:
                bar.update()
                done = len(row.seconds)
                if done < min(_LEAST, repeats) or (
                    done < repeats and sum(row.seconds) < seconds
                ):
                    row.repeat()
