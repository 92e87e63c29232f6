"""What several processes that train together agree on, and which of them writes.

Every process runs the same program on its own devices; an update is one computation over
all devices of all of them. So they must take the same branches: what only one of them can
know, such as a signal or the time, is made common here. Of one process nothing changes.
"""

from collections.abc import Callable
from typing import TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

Made = TypeVar("Made")


def is_first() -> bool:
    """Whether this process writes what one process writes: tables, settings, crops."""
    return jax.process_index() == 0


def any_of(*here: bool) -> tuple[bool, ...]:
    """For each condition, whether it holds in any process; all of them must ask."""
    if jax.process_count() == 1:
        return here
    everywhere = multihost_utils.process_allgather(np.array(here))
    return tuple(bool(holds) for holds in everywhere.any(axis=0))


def wait_for_all() -> None:
    """Returns when every process has come here."""
    any_of(True)


def first_before_others(make: Callable[[], Made]) -> Made:
    """What a function returns, called by the first process and then by all others.

    Args:
        make: may write files, which the others find then.

    Raises:
        ValueError: the first process failed; there, its own error.
    """
    made: list[Made] = []
    fault: Exception | None = None
    if is_first():
        try:
            made.append(make())
        except Exception as error:
            fault = error
    (failed,) = any_of(fault is not None)
    if fault is not None:
        raise fault
    if failed:
        raise ValueError("the first process of this run has failed; it says why.")
    return made[0] if made else make()
