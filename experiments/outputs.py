"""What programs show while they work and leave behind: bars, warnings, advice, JSON."""

import json
import math
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from rcsr_jax.data.names import shown
from rcsr_jax.data.refusals import Refusal
from rcsr_jax.data.whole_files import write_whole

LONGEST_MESSAGE = 4000  # characters
_NOTABLE_SHIFT = 0.75  # per cent of the eye distance
_MOST_REFUSED = 10  # that are told; a data set may hold thousands


def bar(steps: Iterable[Any] | None = None, **told: Any) -> tqdm:
    """A bar of progress, where somebody looks on.

    Args:
        steps: to go through; None: `update` tells of each.
        told: what tqdm is told of them, such as `total` and `unit`.
    """
    watched = sys.stderr is not None and sys.stderr.isatty()  # a daemon may have none
    return tqdm(steps, disable=not watched, **told)


def tell_refused(refused: Sequence[Refusal]) -> None:
    """Prints the first faces that cannot be used, and why, and how many more there are."""
    for refusal in refused[:_MOST_REFUSED]:
        told = shown(f"{refusal.name}: {refusal.reason}", limit=LONGEST_MESSAGE)
        print(f"left out {told}", file=sys.stderr)
    if (more := len(refused) - _MOST_REFUSED) > 0:
        print(f"and {more} more", file=sys.stderr)


def shift_advice(shift: Sequence[float]) -> str:
    """What to do about annotation that lies beside the answers; empty where it does not.

    Args:
        shift: right and down, per cent of the eye distance.
    """
    if math.hypot(*shift) < _NOTABLE_SHIFT:
        return ""
    right, down = shift
    return (
        f"the annotation lies {right:+.1f} % of the eye distance to the right of the "
        f"answers and {down:+.1f} % below them, in most faces alike: another convention, "
        "or pixels counted from another place. rcsr_jax.experiments.calibrate learns such "
        "a shift."
    )


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON file, whole or not at all; `without_nan`.

    Args:
        path: of the file; its folder exists.
        value: what it holds.
    """
    write_whole(path, json_text(value))


def json_text(value: Any) -> str:
    """What a JSON file of a value holds; `without_nan`."""
    text = json.dumps(without_nan(value), indent=1, allow_nan=False, ensure_ascii=False)
    return text + "\n"


def without_nan(value: Any) -> Any:
    """JSON has no NaN: a number that could not be measured becomes null.

    Args:
        value: a number, or dicts and lists of them.
    """
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
