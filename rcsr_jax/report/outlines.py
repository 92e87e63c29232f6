"""Landmarks as the paths of vector graphics (the `d` of an SVG path).

Coordinates are those of the picture they are laid over, from its upper left corner: the
centre of the first pixel is (0.5, 0.5). A landmark that is not finite is not drawn.
"""

import itertools

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


def circles(points: ArrayLike, radii: ArrayLike) -> str:
    """A circle around each landmark.

    Args:
        points: float [num_points, 2], (x, y).
        radii: float [num_points], of the same unit; what is not positive is not drawn.
    """
    return "".join(
        f"M{_pair((x - r, y))}a{r:.1f} {r:.1f} 0 1 0 {2 * r:.1f} 0"
        f"a{r:.1f} {r:.1f} 0 1 0 {-2 * r:.1f} 0z"
        for (x, y), r in zip(np.asarray(points), np.asarray(radii), strict=True)
        if _drawn((x, y)) and 0 < r < _FAR
    )


def _pair(point: ArrayLike) -> str:
    x, y = np.asarray(point)
    return f"{x:.1f} {y:.1f}"


def _drawn(point: ArrayLike) -> bool:
    return bool((np.abs(np.asarray(point)) < _FAR).all())
