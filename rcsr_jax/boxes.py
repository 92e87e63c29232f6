"""Boxes of another face detector, made into those that the models were trained on.

Detectors differ in what they call the face: some boxes reach from the hair to the chin,
others from the brows. The difference is nearly the same for every face, so a few faces
that carry landmarks show it, and one small map takes it away.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike

from rcsr_jax.array_kinds import namespace_of
from rcsr_jax.box_checks import size_hint
from rcsr_jax.geometry import box_of
from rcsr_jax.plain_values import check_types, from_dict, to_dict

_FEWEST = 3  # faces; of fewer, a bad one is not outvoted


@dataclasses.dataclass(frozen=True, kw_only=True)
class BoxMap:
    """A linear map of boxes, in units of the box itself. By default it changes nothing.

    Attributes:
        shift_x: how far the centre moves to the right, in widths of the box.
        shift_y: how far it moves down, in heights of the box.
        scale_w: the new width, in old ones.
        scale_h: the new height, in old ones.
    """

    shift_x: float = 0.0
    shift_y: float = 0.0
    scale_w: float = 1.0
    scale_h: float = 1.0

    def __post_init__(self):
        check_types(self)
        values = dataclasses.astuple(self)
        if not (np.isfinite(values).all() and min(values[2:]) > 0):
            raise ValueError(
                f"a box map is finite and its scales are positive; got {self}."
            )

    def apply(self, boxes: ArrayLike) -> Any:
        """The boxes after the map.

        Args:
            boxes: float [..., 4], (x0, y0, x1, y1) in pixels.

        Returns:
            float64 [..., 4], pixels; of JAX arrays, also inside jit, such as they are.

        Raises:
            ValueError: the last axis is not a box.
        """
        if not isinstance(boxes, jax.Array):
            boxes = np.asarray(boxes, np.float64)
        if boxes.shape[-1:] != (4,):
            raise ValueError(f"a box is (x0, y0, x1, y1); got shape {boxes.shape}.")
        size = boxes[..., 2:] - boxes[..., :2]
        centre = (boxes[..., :2] + boxes[..., 2:]) / 2
        numbers = namespace_of(boxes)
        shift, scale = (
            numbers.broadcast_to(numbers.asarray(pair, dtype=boxes.dtype), size.shape)
            for pair in ((self.shift_x, self.shift_y), (self.scale_w, self.scale_h))
        )
        centre, half = centre + shift * size, scale * size / 2
        return numbers.concatenate([centre - half, centre + half], axis=-1)

    def to_dict(self) -> dict[str, float]:
        """The map as plain JSON values; `BoxMap.from_dict` reads it back."""
        return to_dict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "BoxMap":
        """The map that `to_dict` wrote; missing fields change nothing.

        Raises:
            ValueError: a field is unknown or its value does not fit.
        """
        return from_dict(cls, fields)


def read_box_map(path: str | Path) -> BoxMap:
    """The map in a JSON file, as `BoxMap.to_dict` gives it.

    Raises:
        ValueError: the file is missing or holds no map; the message names it.
    """
    try:
        return BoxMap.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no file of a box map: {error}") from error


# A face detector's box around the tight box of the landmarks, on the average of 3,837
# faces: the middle of what `detector_like_box` draws.
TYPICAL_BOX = BoxMap(scale_w=0.973, scale_h=0.997)

# From the boxes of dlib's frontal face detector to those that the shipped models were
# trained with, the medians over the faces of the 300-W training folders that it finds:
#   python -m rcsr_jax.experiments.detector_boxes --data=300W --boxes=300W/boxes.csv
DLIB_BOXES = BoxMap(shift_x=-0.007, shift_y=0.088, scale_w=0.951, scale_h=0.954)


def calibrate_boxes(
    boxes: ArrayLike,
    *,
    landmarks: ArrayLike | None = None,
    ours: ArrayLike | None = None,
) -> BoxMap:
    """The map from the boxes of another detector to those that a model expects.

    Each of its four numbers is the median over the faces, so that up to half of them may
    be wrong: a box on another face, a landmark astray.

    Args:
        boxes: float [faces, 4], the other detector's, (x0, y0, x1, y1) in pixels.
        landmarks: float [faces, num_points, 2], pixels, NaN where not annotated, all
            that the model finds; it expects the typical box around them.
        ours: float [faces, 4], the boxes that the model expects, instead of landmarks.

    Raises:
        ValueError: the shapes do not fit, there are fewer than three faces, a box is
            inverted or not finite, or most boxes do not meet their face.
    """
    if (landmarks is None) == (ours is None):
        raise ValueError("give either the landmarks of the faces or our boxes of them.")
    theirs = _checked(boxes, what="boxes")
    wanted = _expected(landmarks) if ours is None else _checked(ours, what="ours")
    if len(theirs) != len(wanted) or len(theirs) < _FEWEST:
        raise ValueError(
            f"there must be a box for each face and at least {_FEWEST} of them; got "
            f"{len(theirs)} boxes and {len(wanted)} faces."
        )
    shared = np.minimum(theirs[:, 2:], wanted[:, 2:]) - np.maximum(
        theirs[:, :2], wanted[:, :2]
    )
    apart = (shared <= 0).any(-1)
    if 2 * apart.sum() >= len(theirs):
        raise ValueError(
            f"{apart.sum()} of {len(theirs)} boxes do not meet their face, such as box "
            f"{int(np.argmax(apart))}: both are in pixels of the same photo, and boxes "
            "are (x0, y0, x1, y1), not (x, y, width, height)."
        )
    size = theirs[:, 2:] - theirs[:, :2]
    shift = np.median((wanted - theirs).reshape(-1, 2, 2).mean(1) / size, axis=0)
    scale = np.median((wanted[:, 2:] - wanted[:, :2]) / size, axis=0)
    return BoxMap(
        shift_x=float(shift[0]),
        shift_y=float(shift[1]),
        scale_w=float(scale[0]),
        scale_h=float(scale[1]),
    )


def _expected(landmarks: Any) -> np.ndarray:
    points = np.asarray(landmarks, np.float64)
    if points.ndim != 3 or points.shape[-1] != 2:
        raise ValueError(
            f"landmarks must be [faces, num_points, 2]; got {points.shape}."
        )
    known = np.isfinite(points).all(-1).sum(1)
    if (known < 2).any():
        face = int(np.argmin(known))
        raise ValueError(f"face {face} has {known[face]} landmarks; leave it out.")
    return TYPICAL_BOX.apply(_checked(box_of(points), what="landmarks"))


def _checked(boxes: ArrayLike, *, what: str) -> np.ndarray:
    boxes = np.asarray(boxes, np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"{what} must be [faces, 4]; got {boxes.shape}.")
    good = np.isfinite(boxes).all(-1) & (boxes[:, :2] < boxes[:, 2:]).all(-1)
    if not good.all():
        face = int(np.argmin(good))
        raise ValueError(
            f"{what}: box {face} is inverted, empty or not finite: "
            f"{boxes[face].tolist()}; boxes are (x0, y0, x1, y1)"
            f"{size_hint(boxes[face].tolist())}."
        )
    return boxes
