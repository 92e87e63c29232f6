"""What a run tells of itself: while it goes on, how fast it does, and how it ended."""

import math
import time
from typing import NamedTuple


class Progress(NamedTuple):
    """What a run reports while it goes on.

    Attributes:
        stage: "data" while crops are cut, then "train".
        done: faces or updates done.
        total: of these.
        loss: mean training loss since the last report; NaN before the first update, which
            compiles.
        nme: last validation error, inter-ocular, percent; NaN before the first.
        baseline_nme: the same for the mean shape.
        faces_per_second: training speed since the last report.
        seconds_left: estimate for the whole run.
        compile_seconds: what the first update took.
        checkpoint: whether this report comes with a saved checkpoint.
        skipped: updates so far whose gradient was not finite; they changed nothing.
        note: what a user should know: a damaged checkpoint that was passed over, another
            version of JAX than before, landmarks that are not mirrored as faces are.
            Empty: nothing.
    """

    stage: str
    done: int
    total: int
    loss: float = math.nan
    nme: float = math.nan
    baseline_nme: float = math.nan
    faces_per_second: float = math.nan
    seconds_left: float = math.nan
    compile_seconds: float = math.nan
    checkpoint: bool = False
    skipped: int = 0
    note: str = ""


class TrainResult(NamedTuple):
    """How a run ended.

    Attributes:
        step: updates done.
        finished: whether these were all; else time was up or the run was told to stop.
        nme: validation error of the last checkpoint, inter-ocular, percent.
        baseline_nme: that of the mean shape.
        num_faces: of `data`, trained on.
        num_refused: faces of `data` and `last_data` that were left out; `refused.csv` in
            the work folder names them.
        skipped: updates whose gradient was not finite.
        told: whether `should_stop` ended it.
    """

    step: int
    finished: bool
    nme: float
    baseline_nme: float
    num_faces: int
    num_refused: int
    skipped: int = 0
    told: bool = False


class Pace:
    """How fast updates are done, by the clock; the first one of a start compiles.

    Attributes:
        compile_seconds: what the first update took; NaN before it.
    """

    def __init__(self, step: int):
        self.compile_seconds = math.nan
        self._begun = step
        self._started = self._marked = time.monotonic()
        self._marked_step = step

    def is_first(self, step: int) -> bool:
        """Whether a number of updates done means that the first one of this start is."""
        return step == self._begun + 1

    def count_from(self, step: int) -> None:
        """The first update is done: it tells nothing of the others."""
        self.compile_seconds = time.monotonic() - self._started
        self._started = time.monotonic()
        self.mark(step)

    def mark(self, step: int) -> None:
        """A report is made here."""
        self._marked, self._marked_step = time.monotonic(), step

    def updates_per_second(self, step: int) -> float:
        """Since the last report."""
        seconds = max(time.monotonic() - self._marked, 1e-9)
        return (step - self._marked_step) / seconds

    def seconds_left(self, step: int, *, total: int) -> float:
        """Until all updates are done, if they go on as since the first one."""
        done = max(step - self._begun - 1, 1)
        return (time.monotonic() - self._started) / done * (total - step)
