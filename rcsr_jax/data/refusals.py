"""Faces that cannot be used, and why."""

import csv
import io
from collections.abc import Iterable
from typing import NamedTuple


class Refusal(NamedTuple):
    """A face that was left out, and why."""

    name: str
    reason: str


def refusal_table(refused: Iterable[Refusal]) -> str:
    """What a file refused.csv holds: a row with name and reason for each face."""
    text = io.StringIO()
    csv.writer(text).writerows([Refusal._fields, *refused])
    return text.getvalue()
