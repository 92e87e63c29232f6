"""One face cut out of its photo: grey, square and antialiased.

Everything heavy happens inside NumPy and Pillow with the interpreter's lock released, so
threads can cut many photos at once.
"""

import math

import numpy as np
from PIL import Image

from rcsr_jax.data.images import checked_image
from rcsr_jax.geometry import Frame

LUMA = np.array([0.299, 0.587, 0.114])  # of red, green and blue
_LARGEST_SCALE = 1e9  # photo pixels per crop pixel; Pillow counts them in 32 bits
_LARGEST_SHORT_SUM = 257  # bytes whose sum always fits into 16 bits


def cut_crop(image: np.ndarray, frame: Frame, *, size: int) -> np.ndarray:
    """The grey crop that a frame sees; antialiased, edges of the photo repeated.

    Args:
        image: uint8 [height, width] or [height, width, 3].
        frame: corner [2] and scale of one crop.
        size: pixels along a side of the crop.

    Returns:
        uint8 [size, size].

    Raises:
        ValueError: the photo is no uint8 picture, or the frame lies outside it or is
            not finite, positive and of a sensible scale.
    """
    image = checked_image(image)
    height, width = image.shape[:2]
    x, y = (float(value) for value in frame.corner)
    scale = float(frame.scale)
    if not (math.isfinite(x) and math.isfinite(y) and 0 < scale < _LARGEST_SCALE):
        raise ValueError(
            f"a crop frame must be finite, of a scale above 0 and below "
            f"{_LARGEST_SCALE:g}; got corner {[x, y]} and scale {scale:g}."
        )
    left, top = x - scale / 2 + 0.5, y - scale / 2 + 0.5  # pixel edges
    right, bottom = left + scale * size, top + scale * size
    if right <= 0 or bottom <= 0 or left >= width or top >= height:
        raise ValueError(
            f"the crop frame {[round(left, 1), round(top, 1)]} to "
            f"{[round(right, 1), round(bottom, 1)]} lies outside the image of "
            f"{width} x {height} pixels."
        )
    # shrink first: a frame far larger than its crop, or its photo, stays cheap
    shrink = int(scale // 2) if scale > 4 else 1
    columns = _pixels_seen(left, right, scale=scale, count=width)
    rows = _pixels_seen(top, bottom, scale=scale, count=height)
    grey = shrunken_grey(image[rows, columns], shrink)
    left, right = (left - columns.start) / shrink, (right - columns.start) / shrink
    top, bottom = (top - rows.start) / shrink, (bottom - rows.start) / shrink
    reach = max(scale / shrink, 1)  # of the antialiasing filter
    borders = [
        (math.ceil(max(reach - low, 0)), math.ceil(max(high + reach - count, 0)))
        for low, high, count in zip(
            (top, left), (bottom, right), grey.shape, strict=True
        )
    ]
    if any(map(any, borders)):
        grey = np.pad(grey, borders, mode="edge")
    (above, _), (before, _) = borders
    box = (left + before, top + above, right + before, bottom + above)
    cut = Image.fromarray(grey).resize((size, size), Image.Resampling.BILINEAR, box=box)
    return np.rint(np.asarray(cut)).astype(np.uint8)


def shrunken_grey(image: np.ndarray, shrink: int) -> np.ndarray:
    """The mean luma of each block of pixels; blocks at the far edges may be smaller.

    Integer sums and one matrix product with the luma's weights: Pillow's own way, to grey
    and then to `reduce`, takes ten times as long on a large face.

    Args:
        image: uint8 [height, width] or [height, width, 3].
        shrink: side of a block in pixels, 1 or more.

    Returns:
        float32 [ceil(height / shrink), ceil(width / shrink)], 0 to 255.
    """
    height, width = image.shape[:2]
    weights = (LUMA if image.ndim == 3 else np.ones(1)).astype(np.float32)
    depth = len(weights)
    shrink = min(
        shrink, max(height, width)
    )  # a larger block is the whole image as well
    if shrink == 1:
        rows = image.reshape(height, width * depth).astype(np.float32)
        if depth == 1:
            return rows
    else:
        whole, rest = divmod(height, shrink)
        rows = np.empty((whole + bool(rest), width * depth), np.float32)
        blocks = image[: whole * shrink].reshape(whole, shrink, width * depth)
        total = np.uint16 if shrink <= _LARGEST_SHORT_SUM else np.float32
        rows[:whole] = blocks.sum(1, dtype=total)
        if rest:
            rows[whole] = image[-rest:].reshape(rest, -1).mean(0) * shrink
        weights /= shrink
    whole, rest = divmod(width, shrink)
    grey = np.empty((len(rows), whole + bool(rest)), np.float32)
    blocks = rows[:, : whole * shrink * depth].reshape(len(rows), whole, shrink * depth)
    grey[:, :whole] = blocks @ np.tile(weights / shrink, shrink)
    if rest:
        grey[:, whole] = rows[:, -rest * depth :] @ np.tile(weights / rest, rest)
    return grey


def _pixels_seen(low: float, high: float, *, scale: float, count: int) -> slice:
    """What a window and its antialiasing filter see of `count` pixels; one or more."""
    reach = math.ceil(scale) + 1
    first = min(max(math.floor(low) - reach, 0), count - 1)
    return slice(first, max(min(math.ceil(high) + reach, count), first + 1))
