"""A canvas of several pixels per picture pixel, for smooth edges.

Everything is given in picture pixels, (x, y), integer = pixel centre; colours are
three numbers from 0 to 255, sizes and widths are in picture pixels.
"""

import functools
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

Colour = Sequence[float] | np.ndarray

_ANGLE = np.linspace(0, 2 * np.pi, 24, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLE), np.sin(_ANGLE)], axis=1)


def smooth_curve(
    points: np.ndarray, *, closed: bool = False, steps: int = 6
) -> np.ndarray:
    """A Catmull-Rom curve through every one of the points.

    Args:
        points: float [num_points, 2].
        closed: whether the curve returns to its first point.
        steps: pieces between two neighbouring points.

    Returns:
        float [num_pieces + 1, 2], or [num_pieces, 2] for a closed curve;
        every `steps`-th row is one of the points.
    """
    return _curve_weights(len(points), closed, steps) @ points


@functools.cache
def _curve_weights(num_points: int, closed: bool, steps: int) -> np.ndarray:
    """float64 [rows, num_points]: the curve is linear in its points."""
    points = np.eye(num_points)
    if closed:
        padded = np.concatenate([points[-1:], points, points[:2]])
    else:
        ends = 2 * points[[0, -1]] - points[[1, -2]]
        padded = np.concatenate([ends[:1], points, ends[1:]])
    t = np.arange(steps)[:, None] / steps
    before, start = -t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3
    end, after = t + 4 * t**2 - 3 * t**3, t**3 - t**2
    basis = np.concatenate([before, start, end, after], axis=1) / 2
    runs = [basis @ padded[first : first + 4] for first in range(len(padded) - 3)]
    return np.concatenate(runs if closed else [*runs, points[-1:]])


@functools.cache
def _taper(num_points: int) -> np.ndarray:
    return np.sin(np.linspace(0.05, np.pi - 0.05, num_points))[:, None] ** 0.7


def lens_outline(points: np.ndarray, *, corner: int) -> np.ndarray:
    """The closed outline of an eye or a lip, sharp at point 0 and at point `corner`."""
    upper = smooth_curve(points[: corner + 1])
    lower = smooth_curve(np.concatenate([points[corner:], points[:1]]))
    return np.concatenate([upper[:-1], lower[:-1]])


def ellipse(centre: np.ndarray, across: Colour, along: Colour) -> np.ndarray:
    """float64 [24, 2], an ellipse with the two half axes `across` and `along`."""
    return centre + _CIRCLE @ np.array([across, along])


class Canvas:
    """A picture, or a cut-out of one, that polygons and strokes are painted on."""

    def __init__(
        self, image: Image.Image, *, factor: int, origin: tuple[int, int] = (0, 0)
    ):
        """Paints on `image`, which has `factor` pixels per side of a picture pixel.

        Args:
            image: RGB, where paint mixes, or RGBA, where paint replaces.
            factor: canvas pixels per picture pixel.
            origin: (x, y) in canvas pixels, where in the picture a cut-out begins.
        """
        self.image = image
        self.factor = factor
        self.origin = origin
        self._pen = ImageDraw.Draw(image)
        # Mixing is slow, so that opaque paint has its own pen.
        mixes = image.mode == "RGB"
        self._mixing_pen = ImageDraw.Draw(image, "RGBA") if mixes else self._pen

    def _pixels(self, points: np.ndarray) -> list[float]:
        # Rounded here because Pillow would cut off the fraction: half a pixel of bias.
        pixels = np.asarray(points) * self.factor + (self.factor - 1) / 2
        return np.rint(pixels - self.origin).ravel().tolist()

    def fill(
        self, outline: np.ndarray, colour: Colour, *, opacity: float = 1.0
    ) -> None:
        """Fills the polygon `outline`, float [num_points, 2]."""
        red, green, blue = (
            int(min(max(level, 0.0), 255.0)) for level in np.asarray(colour).tolist()
        )
        pen = self._mixing_pen if opacity < 1 else self._pen
        pen.polygon(self._pixels(outline), (red, green, blue, int(255 * opacity)))

    def stroke(
        self,
        line: np.ndarray,
        colour: Colour,
        *,
        width: float,
        opacity: float = 1.0,
        taper: bool = False,
    ) -> None:
        """Draws `line`, float [num_points, 2], with pointed ends if `taper` is set."""
        along = np.empty((len(line), 2))
        along[1:-1] = line[2:] - line[:-2]
        along[0], along[-1] = line[1] - line[0], line[-1] - line[-2]
        along /= np.maximum(np.hypot(along[:, :1], along[:, 1:]), 1e-6)
        half = width / 2 * (_taper(len(line)) if taper else 1.0)
        normal = along[:, ::-1] * np.array([-1.0, 1.0])
        sides = np.concatenate([line + half * normal, (line - half * normal)[::-1]])
        self.fill(sides, colour, opacity=opacity)

    def cut_out(self, outlines: Sequence[np.ndarray]) -> tuple["Canvas", Image.Image]:
        """A canvas to paint on and the mask of `outlines`, to be given to `merge`."""
        corners = np.concatenate(outlines) * self.factor
        low = np.maximum(corners.min(axis=0) - 1, 0).astype(int)
        high = np.minimum(
            corners.max(axis=0) + self.factor + 1, self.image.size
        ).astype(int)
        x, y = (int(place) for place in np.minimum(low, high - 1))
        image = self.image.crop((x, y, int(high[0]), int(high[1])))
        layer = Canvas(image, factor=self.factor, origin=(x, y))
        mask = Image.new("L", image.size)
        pen = ImageDraw.Draw(mask)
        for outline in outlines:
            pen.polygon(layer._pixels(outline), 255)
        return layer, mask

    def merge(self, layer: "Canvas", mask: Image.Image) -> None:
        """Takes over what was painted on the cut-out `layer` inside the mask."""
        self.image.paste(layer.image, layer.origin, mask=mask)
