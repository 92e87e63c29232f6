"""Expected errors as ellipses: a landmark is surer across its outline than along it.

Where the jaw runs along the cheek, a person who marks it is sure which line it is and
unsure how far along. How much surer, each landmark has as its ratio, measured on held-out
faces and stored with the model; the outline's direction comes from the shape itself.
Everything is NumPy.
"""

import numpy as np
from numpy.typing import ArrayLike

from rcsr_jax.directions import along_and_across, outline_directions
from rcsr_jax.markup import Markup

_PRIOR = 10  # faces that pull a ratio towards 1: a few held-out faces say little
_DIGITS = 3


def measure_ratios(
    points: ArrayLike, truth: ArrayLike, expected: ArrayLike, *, markup: Markup
) -> tuple[float, ...]:
    """How many times larger errors along the outlines are than those across.

    Both sides of the face are taken together.

    Args:
        points: float [faces, num_points, 2], predicted (x, y).
        truth: float [faces, num_points, 2], annotated ones, NaN where not annotated.
        expected: float [faces, num_points], the expected error, in the unit of points.
        markup: gives the outlines and the mirror.

    Returns:
        one ratio for each landmark; 1 for one that lies on no outline.
    """
    points, expected = np.asarray(points, np.float64), np.asarray(expected, np.float64)
    missed = (np.asarray(truth, np.float64) - points) / expected[..., None]
    directions = outline_directions(points, markup=markup)
    sizes = np.abs(along_and_across(missed, directions))
    sizes = np.where(directions.any(-1), sizes, np.nan)
    sums = np.nansum(sizes, axis=1)  # [along and across, num_points]
    sums += sums[:, list(markup.mirror)]
    counts = np.isfinite(sizes[0]).sum(0)
    counts = counts + counts[list(markup.mirror)]
    prior = _PRIOR * sums.mean(0) / np.maximum(counts, 1)
    ratios = (sums[0] + prior) / np.maximum(sums[1] + prior, 1e-12)
    rounded = np.where(counts > 0, ratios, 1.0).round(_DIGITS)
    return tuple(np.maximum(rounded, 10.0**-_DIGITS).tolist())


def error_ellipses(
    points: ArrayLike,
    expected: ArrayLike,
    *,
    ratios: tuple[float, ...],
    markup: Markup,
) -> np.ndarray:
    """The ellipses of expected errors, as large as the circles of these radii.

    The mean square of the two half axes is that of the expected error, so that an ellipse
    of ratio 1 is the circle.

    Args:
        points: float [..., num_points, 2], (x, y).
        expected: float [..., num_points], the expected error of each.
        ratios: from `measure_ratios`; empty: not measured, all are circles.
        markup: gives the outlines.

    Returns:
        float32 [..., num_points, 3]: the half axis along the outline, that across it, and
        the angle of the first in degrees, from x towards y, -90 to 90.
    """
    points, expected = np.asarray(points, np.float64), np.asarray(expected, np.float64)
    ratio = np.array(ratios) if ratios else np.ones(markup.num_points)
    across = expected * np.sqrt(2 / (1 + ratio**2))
    along = outline_directions(points, markup=markup)
    turn = np.sign(along[..., 0]) + (along[..., 0] == 0)  # a line has no front
    angle = np.degrees(np.arctan2(turn * along[..., 1], turn * along[..., 0]))
    return np.stack([ratio * across, across, angle], -1).astype(np.float32)


def share_inside(
    points: ArrayLike, truth: ArrayLike, ellipses: ArrayLike, *, times: float = 1.0
) -> float:
    """The share of the annotated landmarks that lie within the ellipses around the points.

    Args:
        points: float [..., num_points, 2], predicted (x, y).
        truth: float [..., num_points, 2], annotated ones, NaN where not annotated.
        ellipses: float [..., num_points, 3], from `error_ellipses`.
        times: how many times as large the ellipses are taken.

    Returns:
        0 to 1; NaN where nothing is annotated.
    """
    truth = np.asarray(truth, np.float64)
    missed = truth - np.asarray(points, np.float64)
    longer, shorter, angle = np.moveaxis(np.asarray(ellipses, np.float64), -1, 0)
    axes = np.stack([np.cos(np.radians(angle)), np.sin(np.radians(angle))], -1)
    along, across = along_and_across(missed, axes)
    # a diverged point is outside
    inside = np.hypot(along / longer, across / shorter) <= times
    known = np.isfinite(truth).all(-1)
    return float(inside[known].mean()) if known.any() else float("nan")
