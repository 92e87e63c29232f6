"""Curves as shares of their axes: what a page needs to draw them as SVG.

A chart knows nothing of pixels or colours; those are the page's.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

Curve = tuple[ArrayLike, ArrayLike]  # x and y, float [num_points] each


class Tick(NamedTuple):
    """A mark on an axis, at a share of its length from the lower left corner."""

    position: float
    label: str


class Line(NamedTuple):
    """A named curve; both coordinates are shares of their axes, 0 to 1."""

    name: str
    points: list[tuple[float, float]]


class Chart(NamedTuple):
    """What is drawn, in shares of the axes.

    Attributes:
        lines: the curves.
        x_ticks, y_ticks: from the beginning of each axis to its end.
        dots: points that belong to curves without lying on them, likewise named.
    """

    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    dots: list[Line]


def chart(
    curves: Mapping[str, Curve],
    *,
    x_ticks: Sequence[float] | None = None,
    y_ticks: Sequence[float] | None = None,
    whole_x: bool = False,
    dots: Mapping[str, tuple[float, float]] | None = None,
) -> Chart | None:
    """Curves on common axes that begin at zero.

    Args:
        curves: the name of each with x and y; values that are not finite are left out.
        x_ticks, y_ticks: where the axes begin, have their marks and end; by default round
            numbers from 0 to beyond the largest value.
        whole_x: whether the marks of the x axis are whole numbers.
        dots: single points by the name of their curve.

    Returns:
        The chart; None where no curve has a finite value.
    """
    known = {name: _finite(*curve) for name, curve in curves.items()}
    known = {name: curve for name, curve in known.items() if curve.size}
    if not known:
        return None
    marked = {n: _finite(*point) for n, point in (dots or {}).items()}
    marked = {n: point for n, point in marked.items() if point.size}
    drawn = [*known.values(), *marked.values()]
    if x_ticks is None:
        x_ticks = round_ticks((c[0] for c in drawn), count=8, whole=whole_x)
    if y_ticks is None:
        y_ticks = round_ticks((c[1] for c in drawn), count=6)

    def lines(curves: Mapping[str, np.ndarray]) -> list[Line]:
        return [
            Line(name, list(zip(_shares(x, x_ticks), _shares(y, y_ticks), strict=True)))
            for name, (x, y) in curves.items()
        ]

    return Chart(lines(known), _marks(x_ticks), _marks(y_ticks), lines(marked))


def round_ticks(
    values: Iterable[ArrayLike], *, count: int, whole: bool = False
) -> list[float]:
    """Round numbers from 0 to beyond the largest value.

    Args:
        values: finite ones.
        count: how many steps to make at most.
        whole: whether they must be whole.
    """
    highest = max((float(np.max(v)) for v in values), default=0) or 1.0
    return [*map(float, MaxNLocator(count, integer=whole).tick_values(0, highest))]


def _finite(x: ArrayLike, y: ArrayLike) -> np.ndarray:
    curve = np.array([np.atleast_1d(x), np.atleast_1d(y)], np.float64)
    return curve[:, np.isfinite(curve).all(axis=0)]


def _shares(values: ArrayLike, ticks: Sequence[float]) -> list[float]:
    extent = ticks[-1] - ticks[0]
    return ((np.asarray(values, np.float64) - ticks[0]) / extent).tolist()


def _marks(ticks: Sequence[float]) -> list[Tick]:
    places = _shares(ticks, ticks)
    return [Tick(at, f"{value:g}") for at, value in zip(places, ticks, strict=True)]
