"""A numbered diagram of landmarks, as SVG: which index is where, and what it belongs to."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import ArrayLike

from rcsr_jax.markup import Markup

# Okabe-Ito, without yellow, which vanishes on white
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
_OTHER = "#555555"
_MARGIN, _ROW, _LABEL = 44, 22, 14  # px: around the face, of the legend, dot to number


def landmark_diagram(points: ArrayLike, *, markup: Markup, width: int = 720) -> str:
    """A drawing of a shape with the number of each landmark and the named regions.

    Args:
        points: float [num_points, 2], (x, y) in any unit, y downwards.
        markup: gives the outlines and the regions; a landmark of several regions is
            drawn as one of the first.
        width: of the drawing, px.

    Returns:
        an SVG document; the same arguments give the same text.

    Raises:
        ValueError: the points are not the markup's, not finite or all in one place.
    """
    shape = np.asarray(points, np.float64)
    if shape.shape != (markup.num_points, 2) or not np.isfinite(shape).all():
        raise ValueError(
            f"points must be finite and {(markup.num_points, 2)} for the markup "
            f"{markup.name}; got {shape.shape}."
        )
    extent = np.ptp(shape, axis=0)
    if not extent[0] > 0:
        raise ValueError(
            "the landmarks lie above each other: there is nothing to draw."
        )
    scale = (width - 2 * _MARGIN) / extent[0]
    shape = (shape - shape.min(0)) * scale + _MARGIN
    foot = shape[:, 1].max() + _MARGIN
    height = round(foot + _ROW * (len(markup.regions) + 0.5))
    colours = _region_colours(markup)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" font-family="sans-serif" '
        'font-size="13" text-anchor="middle">',
        f"<title>The landmarks of the markup {escape(markup.name)}</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for outline in markup.outlines:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape[list(outline)])
        lines.append(f'<polyline points="{path}" fill="none" stroke="#bbbbbb"/>')
    places = shape + _LABEL * _label_directions(shape, markup)
    for index, ((x, y), (left, base)) in enumerate(zip(shape, places, strict=True)):
        lines.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colours[index]}"/>'
            f'<text x="{left:.1f}" y="{base + 4.5:.1f}" fill="#222222">{index}</text>'
        )
    for row, (name, indices) in enumerate(markup.regions):
        y = foot + _ROW * row
        lines.append(
            f'<circle cx="{_MARGIN}" cy="{y:.1f}" r="5" fill="{_colour(row)}"/>'
            f'<text x="{_MARGIN + 14}" y="{y + 4.5:.1f}" text-anchor="start" '
            f'fill="#222222">{escape(name)}: {_ranges(indices)}</text>'
        )
    return "\n".join([*lines, "</svg>", ""])


def _colour(region: int) -> str:
    return _COLOURS[region % len(_COLOURS)]


def _region_colours(markup: Markup) -> list[str]:
    colours = [_OTHER] * markup.num_points
    for number, (_, indices) in reversed(list(enumerate(markup.regions))):
        for index in indices:
            colours[index] = _colour(number)
    return colours


def _ranges(indices: Sequence[int]) -> str:
    """1, 2, 3, 7 as 1-3, 7."""
    runs: list[list[int]] = []
    for index in sorted(set(indices)):
        if runs and index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return ", ".join(
        str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs
    )


def _label_directions(points: np.ndarray, markup: Markup) -> np.ndarray:
    """float [num_points, 2], unit vectors from each landmark to its number.

    Outwards from closed outlines, inwards where one lies within another; across open
    ones, on the side away from the middle of the face.
    """
    middle = (points.min(0) + points.max(0)) / 2
    directions = np.tile([1.0, 0.0], (len(points), 1))
    loops = [line for line in markup.outlines if line[0] == line[-1]]
    for line in markup.outlines:
        shape = points[list(line)]
        if line in loops:
            away = shape - shape[:-1].mean(0)
            inner = any(_within(shape, points[list(other)]) for other in loops)
            away = -away if inner else away
        else:
            along = np.gradient(shape, axis=0) if len(shape) > 1 else shape * 0
            away = np.stack([along[:, 1], -along[:, 0]], -1)
            side = ((shape - middle) * away).sum()
            # a line through the middle has its numbers on the right
            turn = side if abs(side) > 1e-6 * np.ptp(points) ** 2 else away[:, 0].sum()
            away = away if turn >= 0 else -away
        directions[list(line)] = away
    length = np.linalg.norm(directions, axis=-1, keepdims=True)
    return directions / np.maximum(length, 1e-9)


def _within(shape: np.ndarray, other: np.ndarray) -> bool:
    """Whether a shape lies inside the bounding box of another, larger one."""
    inside = (shape >= other.min(0)).all() and (shape <= other.max(0)).all()
    return bool(inside and (np.ptp(shape, axis=0) < np.ptp(other, axis=0)).all())
