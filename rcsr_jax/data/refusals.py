"""Faces that cannot be used, and why."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rcsr_jax.data.whole_files import csv_text


class Refusal(NamedTuple):
    """A face that was left out, and why."""

    name: str
    reason: str


def refusal_table(refused: Iterable[Refusal]) -> str:
    """What a file refused.csv holds: a row with name and reason for each face."""
    return csv_text([Refusal._fields, *refused])


def none_usable(refused: Sequence[Refusal], *, purpose: str) -> ValueError:
    """The error of a data set whose faces were all refused.

    Args:
        refused: all of them; the reasons of the first three are told.
        purpose: what they cannot be, as in "evaluated".
    """
    reasons = "; ".join(f"{name}: {why}" for name, why in refused[:3])
    return ValueError(f"none of {len(refused)} faces can be {purpose}: {reasons}")
