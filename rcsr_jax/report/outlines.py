"""Landmarks as the paths of vector graphics (the `d` of an SVG path).

Coordinates are those of the picture they are laid over, from its upper left corner: the
centre of the first pixel is (0.5, 0.5). A landmark that is not finite is not drawn.
"""

import itertools
import math

import numpy as np
from numpy.typing import ArrayLike

from rcsr_jax.markup import Markup

_FAR = 1e5  # what is farther off would only widen the numbers


def dots(points: ArrayLike) -> str:
    """A dot for each landmark: lines of no length, which round caps make visible.

    Args:
        points: float [num_points, 2], (x, y).
    """
    return "".join(
        f"M{_pair(point)}h.01" for point in np.asarray(points) if _drawn(point)
    )


def lines(points: ArrayLike, *, markup: Markup) -> str:
    """The outlines that join the landmarks.

    Args:
        points: float [num_points, 2], (x, y).
        markup: says which landmarks are joined.
    """
    shape = np.asarray(points)
    return "".join(
        f"M{_pair(shape[start])}L{_pair(shape[end])}"
        for outline in markup.outlines
        for start, end in itertools.pairwise(outline)
        if _drawn(shape[start]) and _drawn(shape[end])
    )


def ellipses(points: ArrayLike, shapes: ArrayLike) -> str:
    """An ellipse around each landmark.

    Args:
        points: float [num_points, 2], (x, y).
        shapes: float [num_points, 3], of `ellipses.error_ellipses`, in the unit of the
            points; what is not positive is not drawn.
    """
    return "".join(
        _ellipse(point, *shape)
        for point, shape in zip(np.asarray(points), np.asarray(shapes), strict=True)
        if _drawn(point) and shape[1] > 0 and 0 < shape[0] < _FAR
    )


def _ellipse(point: np.ndarray, along: float, across: float, degrees: float) -> str:
    angle = math.radians(degrees)
    reach = along * np.array([math.cos(angle), math.sin(angle)])
    half = f"a{along:.1f} {across:.1f} {degrees:.0f} 1 0"
    return (
        f"M{_pair(point - reach)}{half} {_pair(2 * reach)}{half} {_pair(-2 * reach)}z"
    )


def _pair(point: ArrayLike) -> str:
    x, y = np.asarray(point)
    return f"{x:.1f} {y:.1f}"


def _drawn(point: ArrayLike) -> bool:
    return bool((np.abs(np.asarray(point)) < _FAR).all())
