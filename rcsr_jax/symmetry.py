"""Whether a mean shape is its own mirror image, as that of faces is.

Training mirrors faces and renames their landmarks by the markup. A wrong twin there, or
landmarks whose x and y are swapped, teach the network nonsense without an error; but the
mean shape shows it. Where all is right, no landmark of it lies further than 7 % of the eye
distance from its mirror image, be it of helen29 (1.8 %), of drawn faces (1.5 %), of 300-W
(4 to 6 %) or of YouTube faces (5 to 7 %). Without any twins that is 120 % or more, with
swapped axes 180 %, and with one pair that stays where it is 15 % at least.
"""

import math

import numpy as np

from rcsr_jax.geometry import mirror_points
from rcsr_jax.markup import Markup
from rcsr_jax.metrics import interocular_distance

_FEWEST = 20  # faces; of fewer, the mean looks to a side
# Eye distances, from so many faces on. Of fewer, heads that are turned leave more, as 1 by
# the root of their number: of 20 up to 32 %, of 50 24 %, of 100 17 %.
_FURTHEST, _MANY = 0.12, 200
_TOLD = 3  # landmarks


def asymmetry(shape: np.ndarray, *, markup: Markup) -> np.ndarray:
    """How far landmarks lie from their mirror images, laid over them by a shift.

    Not turned: to a face whose x and y are swapped half a turn would lead.

    Args:
        shape: float [num_points, 2], a mean shape.
        markup: says which landmark becomes which.

    Returns:
        float64 [num_points], in eye distances.
    """
    twin = mirror_points(shape, width=0, markup=markup)
    twin = twin + (shape - twin).mean(0)
    eyes = float(interocular_distance(shape, markup=markup))
    return np.linalg.norm(np.asarray(twin - shape, np.float64), axis=-1) / eyes


def mirror_problem(shape: np.ndarray, *, num_faces: int, markup: Markup) -> str:
    """Why mirroring the faces of this mean shape is likely to be wrong; empty: it is not.

    Args:
        shape: float [num_points, 2], their mean shape.
        num_faces: how many they are; of fewer than 20 nothing is said.
        markup: says which landmark becomes which.
    """
    if num_faces < _FEWEST:
        return ""
    apart = asymmetry(shape, markup=markup)
    limit = _FURTHEST * max(1, math.sqrt(_MANY / num_faces))
    # those that lie as far as their twins in the order of their numbers
    order = np.argsort(-apart.round(3), kind="stable")
    worst = [int(i) for i in order[:_TOLD] if apart[i] > limit]
    if not worst:
        return ""
    return (
        f"landmarks of the mean shape lie up to {100 * apart.max():.0f} % of the eye "
        f"distance from their mirror images, most at {', '.join(map(str, worst))}: look "
        "at `mirror` of the markup, or are landmarks (y, x), or faces all turned to a side?"
    )
