"""An annotated face, and its crop cut out of the photo: grey, square and antialiased.

Everything heavy happens inside NumPy and Pillow with the interpreter's lock released, so
threads can cut many photos at once.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image

from rcsr_jax.data.images import checked_image
from rcsr_jax.geometry import Frame, to_photo

LUMA = np.array([0.299, 0.587, 0.114])  # of red, green and blue
_LARGEST_SCALE = 1e9  # photo pixels per crop pixel; Pillow counts them in 32 bits
_LARGEST_SHORT_SUM = 257  # bytes whose sum always fits into 16 bits


class Source(NamedTuple):
    """One annotated face that a crop can be cut from.

    Attributes:
        name: unique in its data set.
        load: gives the photo uint8 [height, width, 3], the landmarks float
            [num_points, 2] and the box float [4]; raises ValueError where it cannot.
        stamp: changes when the inputs do.
        taught: whether a model had a say in the landmarks: such a face is none to
            validate on.
    """

    name: str
    load: Callable[[], tuple[np.ndarray, np.ndarray, np.ndarray]]
    stamp: str
    taught: bool = False


def cut_crop(image: np.ndarray, frame: Frame, *, size: int) -> np.ndarray:
    """The grey crop that a frame sees; antialiased, edges of the photo repeated.

    Args:
        image: uint8 [height, width] or [height, width, 3].
        frame: corner [2], scale and angle of one crop.
        size: pixels along a side of the crop.

    Returns:
        uint8 [size, size].

    Raises:
        ValueError: the photo is no uint8 picture, or the frame lies outside it or is
            not finite, positive and of a sensible scale.
    """
    image = checked_image(image)
    height, width = image.shape[:2]
    if problem := frame_problem(frame, image.shape, size=size):
        raise ValueError(problem)
    left, top, right, bottom = _window(frame, size)
    scale, angle = float(frame.scale), float(frame.angle)
    # shrink first: a frame far larger than its crop, or its photo, stays cheap
    shrink = int(scale // 2) if scale > 4 else 1
    if angle:  # which is sampled at up to two places along each of these pixels
        shrink = max(math.ceil(scale / 2), 1)
    columns = _pixels_seen(left, right, scale=scale, count=width)
    rows = _pixels_seen(top, bottom, scale=scale, count=height)
    grey = shrunken_grey(image[rows, columns], shrink)
    left, right = (left - columns.start) / shrink, (right - columns.start) / shrink
    top, bottom = (top - rows.start) / shrink, (bottom - rows.start) / shrink
    # of the antialiasing filter, or of the cubic that a turned crop is sampled with
    reach = max(scale / shrink, 2 if angle else 1)
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
    picture = Image.fromarray(grey)
    if angle:
        picture, box = _upright(picture, box, angle, scale=scale / shrink, size=size)
    cut = picture.resize((size, size), Image.Resampling.BILINEAR, box=box)
    return np.rint(np.asarray(cut)).clip(0, 255).astype(np.uint8)


def frame_problem(frame: Frame, shape: tuple[int, ...], *, size: int) -> str:
    """Why a frame cannot be cut out of a photo; empty: it can.

    Args:
        frame: of one crop.
        shape: of the photo, (height, width, ...).
        size: pixels along a side of the crop.
    """
    x, y = (float(value) for value in frame.corner)
    scale, angle = float(frame.scale), float(frame.angle)
    if not (all(map(math.isfinite, (x, y, angle))) and 0 < scale < _LARGEST_SCALE):
        return (
            f"a crop frame must be finite, of a scale above 0 and below "
            f"{_LARGEST_SCALE:g}; got corner {[x, y]}, scale {scale:g} and angle "
            f"{angle:g}."
        )
    height, width = shape[:2]
    left, top, right, bottom = _window(frame, size)
    if right <= 0 or bottom <= 0 or left >= width or top >= height:
        return (
            f"the crop frame {[round(left, 1), round(top, 1)]} to "
            f"{[round(right, 1), round(bottom, 1)]} lies outside the image of "
            f"{width} x {height} pixels."
        )
    return ""


def _window(frame: Frame, size: int) -> tuple[float, float, float, float]:
    """The upright window around a frame: left, top, right, bottom, as pixel edges."""
    scale, angle = float(frame.scale), float(frame.angle)
    if not angle:  # to the bit what it is
        x, y = (float(value) - scale / 2 + 0.5 for value in frame.corner)
        return x, y, x + scale * size, y + scale * size
    centre = to_photo(np.full((1, 2), (size - 1) / 2), frame)[0] + 0.5
    half = scale * size * (abs(math.cos(angle)) + abs(math.sin(angle))) / 2
    (x0, y0), (x1, y1) = (centre - half).tolist(), (centre + half).tolist()
    return x0, y0, x1, y1


def _upright(
    picture: Image.Image,
    box: tuple[float, float, float, float],
    angle: float,
    *,
    scale: float,
    size: int,
) -> tuple[Image.Image, tuple[float, float, float, float]]:
    """What a turned frame sees, finer than its crop, and where the crop lies in it.

    Args:
        picture: the pixels around the frame.
        box: the upright window around it, in their edges.
        angle: of the frame.
        scale: pixels of the picture per crop pixel.
        size: pixels along a side of the crop.
    """
    finer = max(math.ceil(scale), 1)
    rim = finer  # what the antialiasing filter sees beyond the crop
    side = finer * size + 2 * rim
    step, middle = scale / finer, side / 2
    cosine, sine = step * math.cos(angle), step * math.sin(angle)
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    turn = (
        *(cosine, -sine, x - (cosine - sine) * middle),
        *(sine, cosine, y - (sine + cosine) * middle),
    )
    # between the pixels of a photo that is enlarged as smooth as in an upright crop
    sampling = Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.BILINEAR
    seen = picture.transform((side, side), Image.Transform.AFFINE, turn, sampling)
    return seen, (rim, rim, side - rim, side - rim)


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
