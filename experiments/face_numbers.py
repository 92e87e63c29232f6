"""The numbers of faces in a picture, each above its face."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

_SMALLEST = 12  # pixels of height that can be read


def draw_face_numbers(
    image: np.ndarray, boxes: np.ndarray, *, numbers: Sequence[int]
) -> np.ndarray:
    """The picture with a number above each box, or in it where there is no room above.

    Args:
        image: uint8 [height, width, 3].
        boxes: float [faces, 4], (x0, y0, x1, y1) in pixels of the picture.
        numbers: of the faces.

    Returns:
        uint8 [height, width, 3].
    """
    picture = Image.fromarray(image)
    pen = ImageDraw.Draw(picture)
    for number, box in zip(numbers, np.asarray(boxes).tolist(), strict=True):
        size = max(_SMALLEST, min(box[3] - box[1], *picture.size) / 8)
        where = np.clip(
            (box[0], box[1] - 1.2 * size),
            0,
            np.maximum(np.array(picture.size) - size, 0),
        )
        pen.text(
            tuple(where.tolist()),
            str(number),
            "white",
            font_size=size,
            stroke_width=1,
            stroke_fill=0,
        )
    return np.asarray(picture)
