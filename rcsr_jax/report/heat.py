"""Errors of landmarks drawn on a face: where each lies and how hot it is."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rcsr_jax.geometry import box_of
from rcsr_jax.markup import Markup
from rcsr_jax.report import outlines
from rcsr_jax.report.charts import round_ticks

NUM_HEATS = 9
SIDE = 300  # of the drawing, with its margin
_MARGIN = 18
_TYPICAL = 97  # percentile of the last errors that the scale ends beyond


class Landmark(NamedTuple):
    """One landmark of the drawing: its number, its region and its place."""

    number: int
    region: str
    x: float
    y: float


class FaceMap(NamedTuple):
    """A face with the errors of its landmarks.

    Attributes:
        landmarks: where they lie in a drawing of width `SIDE`.
        height: of the drawing.
        lines: the outlines, as a path.
        states: what the errors are of, each with `name`, `errors` (per cent, None where
            not known) and `heats` (0 to NUM_HEATS - 1, None likewise); the last one is
            the result.
        top: the error at which the scale ends, per cent.
    """

    landmarks: list[Landmark]
    height: float
    lines: str
    states: list[dict]
    top: float


def face_map(
    face: ArrayLike, states: Mapping[str, Sequence[float | None]], *, markup: Markup
) -> FaceMap:
    """Errors of landmarks on a face, on one scale that suits the last of them.

    Args:
        face: float [num_points, 2], an upright face.
        states: the name of each state with the error of each landmark, per cent.
        markup: what the landmarks mean.

    Raises:
        ValueError: the face or the errors are not of this markup, or there are no states.
    """
    shape = np.asarray(face, np.float64)
    if shape.shape != (markup.num_points, 2):
        raise ValueError(
            f"the face must have {markup.num_points} landmarks; got {shape.shape}."
        )
    if not states or any(len(e) != markup.num_points for e in states.values()):
        raise ValueError(f"expected states of {markup.num_points} errors each.")
    low_x, low_y, high_x, high_y = box_of(shape)
    scale = (SIDE - 2 * _MARGIN) / max(high_x - low_x, 1e-6)
    drawn = (shape - (low_x, low_y)) * scale + _MARGIN
    last = [e for e in list(states.values())[-1] if e is not None and math.isfinite(e)]
    high = float(np.percentile(last, _TYPICAL)) if last else 1.0
    top = round_ticks([high], count=5)[-1]
    regions = {i: name for name, indices in markup.regions for i in indices}
    return FaceMap(
        landmarks=[
            Landmark(number, regions.get(number, ""), float(x), float(y))
            for number, (x, y) in enumerate(drawn)
        ],
        height=float((high_y - low_y) * scale + 2 * _MARGIN),
        lines=outlines.lines(drawn, markup=markup),
        states=[_state(name, errors, top=top) for name, errors in states.items()],
        top=top,
    )


def _state(name: str, errors: Sequence[float | None], *, top: float) -> dict:
    known = [None if e is None or math.isnan(e) else e for e in errors]
    return {
        "name": name,
        # infinity is no JSON: it is as hot as can be
        "errors": [
            round(e, 2) if e is not None and math.isfinite(e) else None for e in known
        ],
        "heats": [
            None if e is None else int(min(e / top, 1 - 1e-9) * NUM_HEATS)
            for e in known
        ],
    }
