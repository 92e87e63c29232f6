"""Where people put a landmark, and where the network sees it.

Annotation can be shifted as a whole: a file that counts pixels from another place, a tool
that rounds, a hand. A network that is trained with mirror images cannot learn a sideways
shift, as half of what it is shown is shifted the other way, so it answers the middle of
both. The shift shows on faces whose annotation is known: it is measured there, stored with
the model and added to what is found.
"""

from typing import Any

import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from rcsr_jax.array_kinds import namespace_of
from rcsr_jax.markup import Markup
from rcsr_jax.metrics import interocular_distance

_TRIMMED = 0.1  # share of the faces that is left out at either end
_LEAST_FACES = 20  # fewer tell nothing of all
_FURTHEST = 1.0  # what lies beyond is no annotation, but a model that has not learned
_DIGITS = 4


def measure_shift(
    points: ArrayLike, truth: ArrayLike, *, markup: Markup
) -> tuple[float, float]:
    """How far annotated landmarks lie from predicted ones, most of the faces alike.

    The trimmed mean over the faces, less what chance alone would give (James and Stein's
    positive part): of faces that are not shifted, or of fewer than 20, it is zero.

    Args:
        points: float [faces, num_points, 2], predicted (x, y) for faces the model was not
            trained on, not shifted.
        truth: float [faces, num_points, 2], annotated (x, y), NaN where not annotated.
        markup: names the eye corners.

    Returns:
        (right, down), in eye distances, from -1 to 1.
    """
    points, truth = np.asarray(points, np.float64), np.asarray(truth, np.float64)
    points = np.where(np.isfinite(points).all(-1, keepdims=True), points, np.nan)
    apart = truth - points
    distance = np.asarray(interocular_distance(points, markup=markup), np.float64)
    known = np.isfinite(apart).any((1, 2))
    usable = known & np.isfinite(distance) & (distance > 0)
    if usable.sum() < _LEAST_FACES:
        return 0.0, 0.0
    of_faces = np.sort(np.nanmean(apart[usable], 1) / distance[usable, None], axis=0)
    cut = int(_TRIMMED * len(of_faces))
    middle = of_faces[cut : len(of_faces) - cut].mean(0)
    # Tukey and McLaughlin's standard error: those left out count as the last ones kept
    near = np.clip(of_faces, of_faces[cut], of_faces[-1 - cut])
    doubt = near.std(0, ddof=1) / ((1 - 2 * _TRIMMED) * np.sqrt(len(of_faces)))
    share = np.maximum(1 - np.square(doubt) / np.maximum(np.square(middle), 1e-30), 0)
    shift = np.clip(share * middle, -_FURTHEST, _FURTHEST)
    right, down = shift.round(_DIGITS) + 0.0  # no -0
    return float(right), float(down)


def as_annotated(
    points: Array | np.ndarray, *, shift: tuple[float, float], markup: Markup
) -> Any:
    """Shapes as people would annotate them.

    Args:
        points: float [..., num_points, 2], where the network sees the landmarks.
        shift: from `measure_shift`.
        markup: names the eye corners.

    Returns:
        JAX or NumPy array like `points`, moved as a whole.
    """
    return points + _moved(points, shift, markup) if any(shift) else points


def as_seen(
    points: Array | np.ndarray, *, shift: tuple[float, float], markup: Markup
) -> Any:
    """The inverse of `as_annotated`, with the same arguments."""
    return points - _moved(points, shift, markup) if any(shift) else points


def _moved(
    points: Array | np.ndarray, shift: tuple[float, float], markup: Markup
) -> Any:
    """How far each shape moves: [..., 1, 2]; eye distances do not change by it."""
    distance = interocular_distance(points, markup=markup)
    xp = namespace_of(points)
    return xp.stack([distance * part for part in shift], -1)[..., None, :]
