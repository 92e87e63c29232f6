"""A photo with the landmarks of its faces as SVG, sharp at any size, step by step."""

import base64
import io
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from rcsr_jax.data.images import checked_image
from rcsr_jax.inference import Faces, Predictor
from rcsr_jax.markup import Markup
from rcsr_jax.report import outlines

_LONGEST = 1200  # pixels of a picture inside a page
_JPEG_QUALITY = 85
_DOT = 0.008  # radius, in sides of the face
_ROOM = 0.6  # of the photo that is shown around the boxes, in sides of the largest


class Found(NamedTuple):
    """The faces of a photo, ready to be drawn.

    Attributes:
        picture: the part of the photo around the faces as a data URI, made smaller if it
            is large.
        window: (x, y, width, height) of that part in pixels of the photo, from its upper
            left corner.
        boxes: float [faces, 4], (x0, y0, x1, y1) in pixels of the photo.
        shapes: float32 [steps + 1, faces, num_points, 2], pixels of the photo: the first
            shape and that after each step; a face that stopped keeps its last one.
        faces: the answer of the predictor.
    """

    picture: str
    window: tuple[int, int, int, int]
    boxes: np.ndarray
    shapes: np.ndarray
    faces: Faces


def find(predictor: Predictor, image: np.ndarray, boxes: np.ndarray) -> Found:
    """The landmarks of the faces in these boxes, with every step towards them.

    Args:
        predictor: of the landmarks.
        image: uint8 [height, width] or [height, width, 3].
        boxes: float [faces, 4], (x0, y0, x1, y1) in pixels.

    Raises:
        ValueError: as for a call of the predictor.
    """
    sight = predictor.look(image, predictor.frames(image, boxes))
    faces, frames = sight.faces, sight.frames
    first = predictor.first_shapes(frames)[None]
    steps = int(faces.num_steps.max(initial=0))
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    x, y, width, height = window = _window(boxes, image.shape)
    return Found(
        picture=photo_uri(image[y : y + height, x : x + width]),
        window=window,
        boxes=boxes,
        shapes=np.concatenate([first, faces.trajectory[:steps]]),
        faces=faces,
    )


def draw(found: Found, *, step: int, markup: Markup, uncertainty: bool = True) -> str:
    """The faces of the photo with their shapes after some steps.

    Args:
        found: of `find`.
        step: 0: the first shape; beyond the last step the last one.
        markup: says which landmarks the outlines join.
        uncertainty: draw the ellipses of the expected errors as well, which are those of
            the last step.

    Returns:
        An `svg` element; a pixel of the photo is a unit of it.
    """
    x, y, width, height = found.window
    at = min(step, len(found.shapes) - 1)
    label = f"Photo with the landmarks of {len(found.boxes)} faces after {at} steps"
    sure = uncertainty and at == len(found.shapes) - 1
    return (
        f'<svg class="found" viewBox="{x} {y} {width} {height}" role="img" '
        f'aria-label="{label}" data-step="{at}">'
        f'<image href="{found.picture}" x="{x}" y="{y}" width="{width}" '
        f'height="{height}"/>'
        + "".join(
            _draw_face(box, shape, ellipses if sure else None, markup=markup)
            for box, shape, ellipses in zip(
                found.boxes, found.shapes[at], found.faces.ellipses, strict=True
            )
        )
        + "</svg>"
    )


def photo_uri(
    image: np.ndarray, *, longest: int = _LONGEST, quality: int = _JPEG_QUALITY
) -> str:
    """A picture as the data URI of a JPEG.

    Args:
        image: uint8 [height, width] or [height, width, 3].
        longest: its longer side is made smaller than this, pixels.
        quality: of JPEG, 1 to 95.

    Raises:
        ValueError: the image is no picture.
    """
    picture = Image.fromarray(checked_image(image))
    picture.thumbnail((longest, longest))
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _window(boxes: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The part of a photo with the boxes and some room; all of it where there are none."""
    height, width = shape[:2]
    if not len(boxes):
        return 0, 0, width, height
    room = _ROOM * (boxes[:, 2:] - boxes[:, :2]).max()
    low = np.floor(boxes[:, :2].min(axis=0) - room).astype(int)
    high = np.ceil(boxes[:, 2:].max(axis=0) + room).astype(int)
    x, y = np.maximum(low, 0).tolist()
    right, bottom = np.minimum(high, (width, height)).tolist()
    return x, y, right - x, bottom - y


def _draw_face(
    box: np.ndarray, shape: np.ndarray, ellipses: ArrayLike | None, *, markup: Markup
) -> str:
    x0, y0, x1, y1 = box + 0.5
    unit = _DOT * max(x1 - x0, y1 - y0)
    points = shape + 0.5  # the centre of the first pixel
    dots = outlines.dots(points)
    layers = [("box", f"M{x0:.1f} {y0:.1f}H{x1:.1f}V{y1:.1f}H{x0:.1f}z", 0.6)]
    if ellipses is not None:
        layers.append(("uncertain", outlines.ellipses(points, ellipses), 0.6))
    layers += [
        ("lines", outlines.lines(points, markup=markup), 0.6),
        ("rim dots", dots, 3.2),
        ("dots", dots, 2.2),
    ]
    return "".join(
        f'<path class="{name}" d="{path}" stroke-width="{width * unit:.2f}"/>'
        for name, path, width in layers
    )
