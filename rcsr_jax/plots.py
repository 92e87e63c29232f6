"""Pictures of results: landmarks over a photo, contact sheets.

Colours are from the Okabe-Ito set, which stays apart under every common colour blindness.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from rcsr_jax.data.images import checked_image
from rcsr_jax.markup import Markup

PREDICTION = (86, 180, 233)
TRUTH = (230, 159, 0)
BOX = (255, 255, 255)
WAY = (240, 228, 66)
DOUBT = (204, 121, 167)
_RIM = (0, 0, 0)
_SMALL = 0.5  # dots in their ellipses, which may be small themselves
_FAR = 1e6  # pixels; what is farther off or NaN is not drawn


def draw_overlay(
    image: np.ndarray,
    points: ArrayLike,
    *,
    markup: Markup,
    truth: ArrayLike | None = None,
    box: ArrayLike | None = None,
    trajectory: ArrayLike | None = None,
    ellipses: ArrayLike | None = None,
    min_side: int = 480,
) -> np.ndarray:
    """The image with landmarks as dots on thin outlines, one face or many.

    Small images are enlarged by a whole factor s; a pixel centre x then lies at
    (x + 1/2) s - 1/2. Landmarks that are not finite or absurdly far
    off are left out.

    Args:
        image: uint8 [height, width], [height, width, 1] or [height, width, 3].
        points: float [..., num_points, 2], estimated (x, y) in pixels of `image`.
        markup: says which landmarks the outlines join.
        truth: annotated landmarks, drawn beneath, as `points`.
        box: float [..., 4], (x0, y0, x1, y1), face boxes.
        trajectory: float [steps, ..., num_points, 2], the shape after each step; draws
            the way of each landmark beneath it.
        ellipses: float [..., num_points, 3], half axes in pixels and angle in degrees, as
            `Faces.ellipses`: drawn around the estimated landmarks.
        min_side: the longer side of the result is at least this, in pixels.

    Returns:
        uint8 [s * height, s * width, 3].

    Raises:
        ValueError: the image is not uint8 grey or RGB, or the shapes do not fit.
    """
    picture = _to_rgb(image)
    scale = max(1, math.ceil(min_side / max(picture.size)))
    width, height = picture.width * scale, picture.height * scale
    picture = picture.resize((width, height), Image.Resampling.BICUBIC)

    canvas = np.asarray(picture, np.float32).copy()

    def place(array: ArrayLike, *shape: int) -> np.ndarray:
        values = np.asarray(array, np.float64)
        if values.shape[-len(shape) :] != shape:
            raise ValueError(
                f"expected a shape that ends in {shape}; got {values.shape}."
            )
        return (values.reshape(-1, *shape) + 0.5) * scale - 0.5

    for corners in [] if box is None else place(box, 4):
        _draw_box(canvas, corners)
    shape = (markup.num_points, 2)
    for face in [] if truth is None else place(truth, *shape):
        _draw_face(canvas, face, markup=markup, colour=TRUTH)
    if trajectory is not None:
        steps = len(np.asarray(trajectory))
        ways = place(trajectory, *shape).reshape(steps, -1, markup.num_points, 2)
        for face in ways.swapaxes(0, 1):
            _draw_ways(canvas, face)
    if ellipses is not None:
        rings = np.asarray(ellipses, np.float64).reshape(-1, markup.num_points, 3)
        for face, around in zip(place(points, *shape), rings, strict=True):
            _draw_rings(canvas, face, around * [scale, scale, 1])
    dot = 1.0 if ellipses is None else _SMALL
    for face in place(points, *shape):
        _draw_face(canvas, face, markup=markup, colour=PREDICTION, dot=dot)
    return np.rint(canvas).astype(np.uint8)


def contact_sheet(images: Sequence[np.ndarray], *, columns: int) -> np.ndarray:
    """The images in a grid, row by row, each in the middle of its cell.

    Args:
        images: uint8 [height, width], [height, width, 1] or [height, width, 3] each; a
            cell has the size of the largest.
        columns: how many stand side by side.

    Returns:
        uint8 [height, width, 3]; gaps are white.

    Raises:
        ValueError: there are no images, one is not uint8 grey or RGB, or `columns` is
            not positive.
    """
    if not images or columns < 1:
        raise ValueError(
            f"a contact sheet needs images and columns; got {len(images)} and "
            f"{columns}."
        )
    pictures = [_to_rgb(image) for image in images]
    gap = 4
    cell_width = max(picture.width for picture in pictures) + gap
    cell_height = max(picture.height for picture in pictures) + gap
    columns = min(columns, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    size = (columns * cell_width + gap, rows * cell_height + gap)
    sheet = Image.new("RGB", size, "white")
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        left = column * cell_width + (gap + cell_width - picture.width) // 2
        top = row * cell_height + (gap + cell_height - picture.height) // 2
        sheet.paste(picture, (left, top))
    return np.asarray(sheet)


def _draw_face(
    canvas: np.ndarray,
    face: np.ndarray,
    *,
    markup: Markup,
    colour: tuple[int, int, int],
    dot: float = 1.0,
) -> None:
    known = (np.abs(face) < _FAR).all(axis=-1)
    if not known.any():
        return
    # Sizes follow the face, not the photo: a dot is about a hundredth of it across. The
    # photo bounds them for landmarks that went astray.
    extent = min(np.ptp(face[known], axis=0).max(), *canvas.shape[:2])
    radius = dot * max(1.5, 0.007 * extent)
    for outline in markup.outlines:
        for start, end in itertools.pairwise(outline):
            if known[start] and known[end]:
                _stroke(
                    canvas,
                    face[start],
                    face[end],
                    radius=max(0.4, radius / 4),
                    colour=colour,
                    opacity=0.8,
                )
    for point in face[known]:
        _stroke(canvas, point, point, radius=radius + 0.6, colour=_RIM)
        _stroke(canvas, point, point, radius=radius, colour=colour)


def _draw_ways(canvas: np.ndarray, shapes: np.ndarray) -> None:
    """The way of each landmark through [steps, num_points, 2], with a dot at each step."""
    near = (np.abs(shapes) < _FAR).all(axis=-1)
    if not near.any():
        return
    extent = min(np.ptp(shapes[near], axis=0).max(), *canvas.shape[:2])
    radius = max(0.8, 0.003 * extent)
    for way, known in zip(shapes.swapaxes(0, 1), near.T, strict=True):
        for start, end in itertools.pairwise(way[known]):
            _stroke(canvas, start, end, radius=radius / 2, colour=WAY)
            _stroke(canvas, start, start, radius=radius, colour=WAY)


def _draw_rings(canvas: np.ndarray, face: np.ndarray, rings: np.ndarray) -> None:
    """An ellipse around each landmark, with a light filling."""
    for middle, (along, across, degrees) in zip(face, rings, strict=True):
        sizes = np.array([along, across])
        if not (np.abs(middle) < _FAR).all() or not (sizes > 0).all():
            continue
        found = _window(canvas, middle, middle, reach=min(sizes.max(), _FAR) + 2)
        if found is None:
            continue
        window, pixels = found
        angle = math.radians(degrees)
        cosine, sine = math.cos(angle), math.sin(angle)
        place = np.abs(pixels @ [[cosine, -sine], [sine, cosine]]) + 1e-6
        level = np.linalg.norm(place / sizes, axis=-1)
        # to first order; exact where the ellipse is a circle
        beyond = (level - 1) * level / np.linalg.norm(place / sizes**2, axis=-1)
        ring = 0.8 * np.clip(1.1 - np.abs(beyond), 0, 1)
        _blend(window, np.maximum(ring, 0.15 * (beyond < 0)), colour=DOUBT)


def _draw_box(canvas: np.ndarray, corners: np.ndarray) -> None:
    if (np.abs(corners) < _FAR).all():
        x0, y0, x1, y1 = corners
        loop = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)])
        for start, end in itertools.pairwise(loop):
            _stroke(canvas, start, end, radius=0.5, colour=BOX, opacity=0.9)


def _stroke(
    canvas: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    *,
    radius: float,
    colour: tuple[int, int, int],
    opacity: float = 1.0,
) -> None:
    """Blends a line with round ends into float [height, width, 3]; a dot if no length.

    Edges are smooth at any fraction of a pixel: what of a pixel is covered follows from
    the distance of its centre.
    """
    found = _window(canvas, start, end, reach=radius + 1)
    if found is None:
        return
    window, pixels = found
    along = end - start
    share = np.clip(pixels @ along / max(along @ along, 1e-9), 0, 1)
    distance = np.linalg.norm(pixels - share[..., None] * along, axis=-1)
    cover = opacity * np.clip(radius + 0.5 - distance, 0, 1)
    _blend(window, cover, colour=colour)


def _window(
    canvas: np.ndarray, start: np.ndarray, end: np.ndarray, *, reach: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """What of the canvas lies around a line, and where its pixels lie from the start."""
    height, width = canvas.shape[:2]
    low = np.maximum(np.minimum(start, end) - reach, 0).astype(int)
    high = np.minimum(np.maximum(start, end) + reach + 1, (width, height)).astype(int)
    if (low >= high).any():
        return None
    y, x = np.mgrid[low[1] : high[1], low[0] : high[0]]
    pixels = np.stack([x, y], axis=-1) - start
    return canvas[low[1] : high[1], low[0] : high[0]], pixels


def _blend(
    window: np.ndarray, cover: np.ndarray, *, colour: tuple[int, int, int]
) -> None:
    """Paints float [height, width, 3] where, and as far as, it is covered."""
    window += cover[..., None] * (np.array(colour) - window)


def _to_rgb(image: np.ndarray) -> Image.Image:
    image = np.asarray(image)
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    return Image.fromarray(checked_image(image)).convert("RGB")
