"""What models and results are called beside each other."""

from collections.abc import Sequence
from pathlib import Path


def short_names(paths: Sequence[str]) -> dict[str, str]:
    """Paths by the ends of them, or by all of them where an end is shared."""
    ends = {Path(path).resolve().name: path for path in paths}
    return ends if len(ends) == len(paths) else {path: path for path in paths}
