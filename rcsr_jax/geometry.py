"""Boxes, the square crop frame and its inverse, mean shape and mirror.

The one convention of the library: points are (x, y) in pixels, 0-based, and an integer is
the centre of a pixel, so an image of width w spans -0.5 to w - 0.5. Boxes are
(x0, y0, x1, y1) in the same coordinates. Everything here takes NumPy or JAX arrays of any
leading batch shape.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jax import Array

from rcsr_jax.array_kinds import namespace_of
from rcsr_jax.markup import Markup

ArrayLike = np.ndarray | Array

# The tight box of a face by that of the mean shape, on the average of the 300-W training
# faces: where landmarks scatter, the outermost lie further out than their means. It is that
# of 68 landmarks; of 49 it would be 1.02, of the eyes alone 1.07.
_ONE_OF_MEAN = 1.03


class Frame(NamedTuple):
    """A square window of a photo, seen as `size` x `size` crop pixels.

    Attributes:
        corner: [..., 2], the photo position of the centre of crop pixel (0, 0).
        scale: [...], photo pixels per crop pixel; the same along x and y.
        angle: [...], radians by which the window is turned in the photo, from x towards
            y (clockwise as one looks at it).
    """

    corner: Any
    scale: Any
    angle: Any = 0.0


def box_of(points: ArrayLike) -> np.ndarray:
    """The tight boxes of landmarks, ignoring those that are NaN.

    Args:
        points: float [..., num_points, 2], px.

    Returns:
        float32 [..., 4], (x0, y0, x1, y1).
    """
    points = np.asarray(points, np.float32)
    return np.concatenate([np.nanmin(points, -2), np.nanmax(points, -2)], -1)


def meets_image(box: Sequence[float] | np.ndarray, *, size: tuple[int, int]) -> bool:
    """Whether a box overlaps an image, which spans -0.5 to width - 0.5.

    Args:
        box: float [4], px.
        size: width and height of the image.
    """
    x0, y0, x1, y1 = box
    width, height = size
    return bool(x1 > -0.5 and y1 > -0.5 and x0 < width - 0.5 and y0 < height - 0.5)


def overlap(boxes: ArrayLike, others: ArrayLike) -> np.ndarray:
    """Intersection over union of boxes, pair by pair; 0 where they do not meet.

    Args:
        boxes: float [..., 4], (x0, y0, x1, y1); one without extent meets none.
        others: the same.

    Returns:
        float64 [...], 0 to 1.
    """
    first, second = np.asarray(boxes, np.float64), np.asarray(others, np.float64)
    low = np.maximum(first[..., :2], second[..., :2])
    shared = (np.minimum(first[..., 2:], second[..., 2:]) - low).clip(min=0).prod(-1)
    areas = [(box[..., 2:] - box[..., :2]).prod(-1) for box in (first, second)]
    union = areas[0] + areas[1] - shared
    return np.where(shared > 0, shared / np.where(shared > 0, union, 1.0), 0.0)


def box_around(boxes: ArrayLike, tight: ArrayLike) -> int | None:
    """Which box is that of landmarks: the one that overlaps them most.

    The middle of one of the two must lie in the other, so a face whose own box is missing
    does not get that of its neighbour.

    Args:
        boxes: float [boxes, 4], (x0, y0, x1, y1).
        tight: float [4], the tight box of the landmarks; it may be a line or a point.

    Returns:
        the number of the box; None: none is.
    """
    boxes, tight = np.asarray(boxes, np.float64), np.asarray(tight, np.float64)
    near = _holds(boxes, _middle(tight)) | _holds(tight, _middle(boxes))
    if not near.any():
        return None
    return int(np.where(near, overlap(boxes, tight), -1.0).argmax())


def _middle(boxes: np.ndarray) -> np.ndarray:
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def _holds(boxes: np.ndarray, points: np.ndarray) -> np.ndarray:
    inside = (boxes[..., :2] <= points) & (points <= boxes[..., 2:])
    return np.asarray(inside.all(-1))


def frame_of_box(box: ArrayLike, *, frame_scale: float, size: int) -> Frame:
    """The square frame around a face box, of uniform scale.

    Args:
        box: float [..., 4], px; of a JAX array the frame can be differentiated.
        frame_scale: side of the frame, in mean box sides ((width + height) / 2).
        size: crop pixels along a side.

    Raises:
        ValueError: the last axis is not a box.
    """
    box = _exact(box)
    if box.shape[-1:] != (4,):
        raise ValueError(f"a box is (x0, y0, x1, y1); got shape {box.shape}.")
    low, high = box[..., :2], box[..., 2:]
    scale = frame_scale * (high - low).mean(-1) / size
    corner = (low + high) / 2 - scale[..., None] * (size - 1) / 2
    return Frame(corner, scale, 0 * scale)


def whole_frames(frames: Frame) -> Frame:
    """Frames as float64 arrays [faces] of NumPy, each with its angle; also of one face."""
    scale = np.asarray(frames.scale, np.float64).reshape(-1)
    corner = np.asarray(frames.corner, np.float64).reshape(-1, 2)
    angle = np.asarray(frames.angle, np.float64).reshape(-1)
    return Frame(corner, scale, np.broadcast_to(angle, scale.shape))


def join_frames(frames: Sequence[Frame]) -> Frame:
    """The frames of several photos, as those of all their faces."""
    return Frame(*map(np.concatenate, zip(*map(whole_frames, frames), strict=True)))


def frames_at(frames: Frame, rows: Any) -> Frame:
    """Some of the frames of faces, by their numbers or a mask; or one of them."""
    angle = np.broadcast_to(frames.angle, np.shape(frames.scale))
    return Frame(frames.corner[rows], frames.scale[rows], angle[rows])


def tilt_of(points: ArrayLike, *, mean_shape: ArrayLike, markup: Markup) -> Any:
    """By how much shapes are turned against the mean shape, by the line between the eyes.

    Args:
        points: float [..., num_points, 2], px.
        mean_shape: float [num_points, 2], px.
        markup: names the outer eye corners.

    Returns:
        float [...], radians from x towards y, from -pi to pi; float64 of NumPy arrays.
    """

    def eye_line(shape: ArrayLike) -> tuple[Any, Any]:
        left, right = markup.eye_corners
        line = shape[..., right, :] - shape[..., left, :]
        return line[..., 0], line[..., 1]

    (x, y), (own_x, own_y) = eye_line(_exact(points)), eye_line(_exact(mean_shape))
    xp = namespace_of(points, mean_shape)
    return xp.arctan2(own_x * y - own_y * x, own_x * x + own_y * y)


def frame_of_shape(
    points: ArrayLike, *, angle: ArrayLike, mean_shape: ArrayLike
) -> Frame:
    """The frame in which a shape lies where the mean shape lies in its crop.

    That is, the tight boxes around the landmarks have the same middle in the crop, and the
    size (the mean of width and height) that one face has where the mean has that of the
    mean shape: 1.03 times as much.

    Args:
        points: float [..., num_points, 2], photo px.
        angle: float [...], of the frame.
        mean_shape: float [num_points, 2], crop px.
    """
    angle = _exact(angle)
    centre, side = _tight_box(turned(_exact(points), -angle))
    own_centre, own_side = _tight_box(_exact(mean_shape))
    scale = side / (_ONE_OF_MEAN * own_side)
    corner = (centre - scale[..., None] * own_centre)[..., None, :]
    return Frame(turned(corner, angle)[..., 0, :], scale, angle)


def upright_frame(points: ArrayLike, *, mean_shape: ArrayLike, markup: Markup) -> Frame:
    """The frame of a shape that is turned as the shape is.

    Args, returns: those of `frame_of_shape` and `tilt_of`.
    """
    tilt = tilt_of(points, mean_shape=mean_shape, markup=markup)
    return frame_of_shape(points, angle=tilt, mean_shape=mean_shape)


def _exact(array: ArrayLike) -> Any:
    """A NumPy array in float64; one of JAX as it is."""
    return array if isinstance(array, Array) else np.asarray(array, np.float64)


def _tight_box(points: ArrayLike) -> tuple[Any, Any]:
    """Middle [..., 2] and side [...] of the tightest boxes around shapes."""
    low, high = points.min(-2), points.max(-2)
    return (low + high) / 2, (high - low).mean(-1)


def turned(points: ArrayLike, angle: Any) -> Any:
    """Points [..., num_points, 2] turned about (0, 0) by radians [...], x towards y."""
    xp = namespace_of(points, angle)
    if np.ndim(angle):
        angle = angle[..., None]
    cosine, sine = xp.cos(angle), xp.sin(angle)
    x, y = points[..., 0], points[..., 1]
    return xp.stack([x * cosine - y * sine, x * sine + y * cosine], -1)


def to_crop(points: ArrayLike, frame: Frame) -> Any:
    """Photo points [..., num_points, 2] in crop pixels."""
    beside = points - frame.corner[..., None, :]
    return turned(beside, -frame.angle) / frame.scale[..., None, None]


def to_photo(points: ArrayLike, frame: Frame) -> Any:
    """Crop points [..., num_points, 2] in photo pixels; the inverse of `to_crop`."""
    scaled = points * frame.scale[..., None, None]
    return turned(scaled, frame.angle) + frame.corner[..., None, :]


def enlarged(points: Any, factor: float) -> Any:
    """Crop points [..., num_points, 2] in crops of the same window, `factor` times as fine.

    A whole number is the centre of a pixel, so crops begin at -0.5.
    """
    return factor * points + (factor - 1) / 2


def mean_shape(shapes: ArrayLike | Iterator[ArrayLike]) -> np.ndarray:
    """The mean of shapes in their crop frames, over the faces that annotate a landmark.

    Args:
        shapes: float [faces, num_points, 2], crop px, NaN where not annotated; or an
            iterator over such arrays, where one would be too large.

    Returns:
        float32 [num_points, 2].

    Raises:
        ValueError: there is no face, or a landmark that no face annotates.
    """
    parts = shapes if isinstance(shapes, Iterator) else iter([shapes])
    num_faces, counts, sums = 0, np.zeros(1, int), np.zeros((1, 2))
    for part in parts:
        points = np.asarray(part, np.float64)
        here = np.asarray(np.isfinite(points).all(-1))
        num_faces, counts = num_faces + len(points), counts + here.sum(0)
        sums = sums + np.where(here[..., None], points, 0).sum(0)
    if num_faces == 0 or not counts.all():
        missing = np.flatnonzero(counts == 0).tolist()
        raise ValueError(
            f"{num_faces} faces do not annotate the landmarks {missing}; leave these "
            "landmarks out of the markup or add faces that have them."
        )
    return (sums / counts[:, None]).astype(np.float32)


def mirror_points(points: ArrayLike, *, width: Any, markup: Markup) -> Any:
    """The landmarks of the mirrored picture, each in its new role.

    Args:
        points: float [..., num_points, 2], px.
        width: of the picture, px.
        markup: says which landmark becomes which.

    Raises:
        ValueError: the number of landmarks is not the markup's.
    """
    if points.shape[-2:] != (markup.num_points, 2):
        raise ValueError(
            f"markup {markup.name} has {markup.num_points} points (x, y); got shape "
            f"{points.shape}."
        )
    xp = namespace_of(points)
    flipped = xp.stack([width - 1 - points[..., 0], points[..., 1]], -1)
    return flipped[..., np.array(markup.mirror), :]
