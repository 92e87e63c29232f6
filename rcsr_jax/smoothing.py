"""The 1-euro filter: calm where a face rests, quick where it moves.

Casiez, Roussel, Vogel: 1 Euro Filter, CHI 2012. A low-pass filter of first order whose
cutoff grows with the speed of what it filters; here each landmark has its own speed, in
eye distances a second, so that settings hold for every size of face and picture.
"""

import dataclasses
from typing import NamedTuple

import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True)
class OneEuro:
    """The settings of the filter.

    Attributes:
        min_cutoff: hertz, of a landmark at rest; lower is calmer and lags more.
        beta: hertz that the cutoff gains for each eye distance a second; higher lags less.
        speed_cutoff: hertz, of the speed itself.
    """

    min_cutoff: float = 2.0
    beta: float = 20.0
    speed_cutoff: float = 1.0

    def __post_init__(self):
        if not (self.min_cutoff > 0 and self.speed_cutoff > 0 and self.beta >= 0):
            raise ValueError(
                f"cutoffs must be positive and beta at least 0; got {self}."
            )


class Smoothed(NamedTuple):
    """What the filter keeps from one frame to the next.

    Attributes:
        points: float [..., 2], (x, y) in pixels, smoothed.
        speed: float [..., 2], pixels a second, smoothed.
    """

    points: np.ndarray
    speed: np.ndarray


def at_rest(points: np.ndarray) -> Smoothed:
    """What the filter knows after its first frame.

    Args:
        points: float [..., 2], px.
    """
    return Smoothed(points, np.zeros_like(points))


def smooth(
    before: Smoothed,
    points: np.ndarray,
    *,
    seconds: float,
    unit: np.ndarray,
    settings: OneEuro,
) -> Smoothed:
    """The next frame, smoothed.

    Args:
        before: the frame before.
        points: float [faces, num_points, 2], px, as found in this frame.
        seconds: since the frame before, above 0.
        unit: float [faces], pixels: the eye distance of each face, above 0.
        settings: of the filter.

    Raises:
        ValueError: no time has passed.
    """
    if not seconds > 0:
        raise ValueError(f"seconds must be above 0; got {seconds}.")
    share = _share(settings.speed_cutoff, seconds)
    speed = before.speed + share * ((points - before.points) / seconds - before.speed)
    pace = np.linalg.norm(speed, axis=-1) / unit[:, None]
    share = _share(settings.min_cutoff + settings.beta * pace, seconds)[..., None]
    moved = before.points + share * (points - before.points)
    return Smoothed(moved.astype(points.dtype), speed.astype(points.dtype))


def _share(cutoff: float | np.ndarray, seconds: float) -> np.ndarray:
    """What a new value counts, against the one before."""
    return np.asarray(1 / (1 + 1 / (2 * np.pi * cutoff * seconds)))
