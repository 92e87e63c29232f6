"""Faces that cannot be used, and why."""

from collections.abc import Iterable
from typing import NamedTuple

from rcsr_jax.data.whole_files import csv_text


class Refusal(NamedTuple):
    """A face that was left out, and why."""

    name: str
    reason: str


def refusal_table(refused: Iterable[Refusal]) -> str:
    """What a file refused.csv holds: a row with name and reason for each face."""
    return csv_text([Refusal._fields, *refused])
