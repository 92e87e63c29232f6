"""Tables in Markdown."""

from collections.abc import Iterable, Sequence
from typing import Any

from rcsr_jax.report.tables import format_number


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; numbers have two decimals, what is not known is a dash."""
    lines = [list(header), ["---"] * len(header)]
    lines += [[format_number(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
