"""How much of the machine's matrix-product rate the necessary multiply-adds reach."""

from collections.abc import Sequence
from typing import Any

from rcsr_jax.costs import static_costs

from .rows import model_of
from .timing import Row

_KEY = ("preset", "sampling", "batch")


def shares(ours: Sequence[Row], rate: float) -> list[dict[str, Any]]:
    """The share of each row, as written to the JSON file.

    Args:
        ours: rows of prediction.
        rate: of the matrix product, in multiply-adds a second.
    """
    return [
        {
            **{key: row.fields[key] for key in (*_KEY, "num_steps")},
            "share": _share(_needed(row), row.milliseconds_per_face, rate),
        }
        for row in ours
    ]


def parts(ours: Sequence[Row], rate: float) -> list[dict[str, Any]]:
    """What precedes the steps, and one further step, by differences of whole times.

    With `patches` the features are a part of every step, and little precedes the steps.

    Args:
        ours, rate: as for `shares`.
    """
    found = []
    for key in dict.fromkeys(tuple(row.fields[k] for k in _KEY) for row in ours):
        kind = sorted(
            (row for row in ours if tuple(row.fields[k] for k in _KEY) == key),
            key=lambda row: row.fields["num_steps"],
        )
        few, many = kind[0], kind[-1]
        if few is many:
            continue
        taken = few.fields["num_steps"]
        further = many.fields["num_steps"] - taken
        step = (many.milliseconds_per_face - few.milliseconds_per_face) / further
        step_needs = (_needed(many) - _needed(few)) / further
        before = few.milliseconds_per_face - taken * step
        before_needs = _needed(few) - taken * step_needs
        found.append(
            {
                **dict(zip(_KEY, key, strict=True)),
                "milliseconds_before_steps": before,
                "milliseconds_per_step": step,
                "share_before_steps": _share(before_needs, before, rate),
                "share_of_step": _share(step_needs, step, rate),
            }
        )
    return found


def _needed(row: Row) -> int:
    """The multiply-adds that the equations of a face need."""
    model = model_of(row.fields["preset"], row.fields["sampling"])
    return static_costs(model, num_steps=row.fields["num_steps"]).total


def _share(needed: float, milliseconds: float, rate: float) -> float | None:
    """None where a difference of times has drowned in their noise."""
    if needed <= 0 or milliseconds <= 0:
        return None
    return needed / (1e-3 * milliseconds) / rate
