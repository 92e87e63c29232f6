"""Boxes that a caller gives, checked: a wrong one is named, with the remedy."""

import math
from collections.abc import Sequence

import jax
import numpy as np
from numpy.typing import ArrayLike

from rcsr_jax.data.names import shown
from rcsr_jax.geometry import meets_image


def as_boxes(boxes: ArrayLike) -> np.ndarray:
    """The boxes of an array or of nested lists: float64 [faces, 4], of one box as well.

    What is of another shape stays so: `check_boxes` tells.

    Raises:
        ValueError: they are no numbers, or traced by JAX.
    """
    if isinstance(boxes, jax.core.Tracer):
        raise ValueError(
            "boxes are taken outside of jit, vmap and grad; inside them cut with "
            "rcsr_jax.crop_faces and call rcsr_jax.predict."
        )
    try:
        boxes = np.asarray(boxes, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"boxes must be numbers [faces, 4]; got {shown(boxes)}."
        ) from error
    one_or_none = boxes.shape in ((4,), (0,))
    return boxes.reshape(-1, 4) if one_or_none else boxes


def check_boxes(boxes: np.ndarray, shape: tuple[int, ...]) -> None:
    """Checks that boxes are boxes and meet an image.

    Args:
        boxes: float [faces, 4].
        shape: of the image, (height, width, ...).

    Raises:
        ValueError: naming the first box that is not.
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes must be [faces, 4]; got {boxes.shape}.")
    height, width = shape[:2]
    for box in boxes.tolist():
        if not all(map(math.isfinite, box)) or box[0] >= box[2] or box[1] >= box[3]:
            raise ValueError(
                f"{_shown(box)} is inverted, empty or not finite; boxes are "
                f"(x0, y0, x1, y1){size_hint(box)}."
            )
        if max(box[2] - box[0], box[3] - box[1]) < 1:
            raise ValueError(f"{_shown(box)} is smaller than a pixel.")
        if not meets_image(box, size=(width, height)):
            raise ValueError(
                f"{_shown(box)} lies outside the image of {width} x {height} pixels."
            )


def size_hint(box: Sequence[float]) -> str:
    """How a box that is inverted may have come about, as the end of a message; or nothing.

    Args:
        box: float [4], px.
    """
    x0, y0, x1, y1 = box
    inverted = x0 >= x1 or y0 >= y1
    if not (inverted and np.isfinite(box).all() and min(x1, y1) > 0):
        return ""
    return ": if it is (x, y, width, height), give (x, y, x + width, y + height)"


def _shown(box: Sequence[float]) -> str:
    return f"box ({', '.join(f'{value:g}' for value in box)})"
