"""Whether operations are written for other programs to read, or to be quick in JAX.

Converters know the common operations and few of the forms that XLA runs fastest. A model
that is traced within `portable_forms` uses the common ones alone; its values are the same.
"""

import contextlib
import contextvars
from collections.abc import Iterator

_PORTABLE = contextvars.ContextVar("portable", default=False)


@contextlib.contextmanager
def portable_forms() -> Iterator[None]:
    """What is traced inside keeps to common operations; no gradients, no speed.

    Only for functions that nobody jits elsewhere: a cached trace does not look here.
    """
    token = _PORTABLE.set(True)
    try:
        yield
    finally:
        _PORTABLE.reset(token)


def is_portable() -> bool:
    """Whether this runs within `portable_forms`."""
    return _PORTABLE.get()
