"""When a run looks up from its updates: to report, to judge the model, to end."""

import math
import time
from collections.abc import Callable
from typing import NamedTuple

import jax

from rcsr_jax import hosts
from rcsr_jax.config import TrainConfig

_LOOK_EVERY = 10  # updates between two looks at the device: it runs ahead meanwhile


class Look(NamedTuple):
    """What is due after an update.

    Attributes:
        report: to tell how far the run is.
        evaluate: to judge the model and save it.
        told: the run was told to end here.
        late: its time is up.
    """

    report: bool = False
    evaluate: bool = False
    told: bool = False
    late: bool = False


class Lookout:
    """Says what is due after each update: in all of several processes the same."""

    def __init__(self, config: TrainConfig, *, should_stop: Callable[[], bool]):
        """Begins to count the time of a run.

        Args:
            config: how many updates there are, and what is due between them.
            should_stop: asked whether to end.
        """
        self._config, self._should_stop = config, should_stop
        self._deadline = time.monotonic() + (config.max_seconds or math.inf)

    def after(self, step: int, *, first: bool) -> Look:
        """What is due.

        Args:
            step: updates done.
            first: whether this one, which compiled, is the first of this start.
        """
        last = step == self._config.num_updates
        due = last or step % self._config.eval_every == 0
        report = due or first or step % _LOOK_EVERY == 0
        if not report and jax.process_count() > 1:
            return Look()  # they do not stop to agree on more than they must
        told, late = hosts.any_of(
            self._should_stop(), time.monotonic() >= self._deadline
        )
        return Look(
            report=report or told or late,
            # the last look decides for good: no later start would make up for it
            evaluate=last or ((due or late) and not told),
            told=told,
            late=late,
        )
