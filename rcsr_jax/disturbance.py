"""Faces made harder: a wrong box, a turned photo, poor light, blur, something before them.

What happens to a picture happens to its landmarks, so a disturbed face is a `Source` like
any other and is judged in the same way.
"""

import math
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from rcsr_jax.boxes import BoxMap
from rcsr_jax.data.cutting import Source

Face = tuple[np.ndarray, np.ndarray, np.ndarray]  # photo, landmarks and box

_RIM = 2.0  # a window goes beyond the frame's corners: further looks see more
_GRAIN = 2.0  # grey levels, of the sensor: what is left to see of a dark photo
# How often each disturbance is met among hard faces, and how far it goes.
_SHARE = 0.12
_SHIFT, _LOG_SCALE, _DEGREES = 0.3, 0.35, 60.0
_BLUR, _DARKEST, _COVER = 0.06, 0.02, 0.8


class Disturbance(NamedTuple):
    """Ways in which a face is made harder. By default nothing changes.

    Attributes:
        shift_x: the box moves to the right by this share of its width.
        shift_y: it moves down by this share of its height.
        scale: its sides become this many times as long.
        degrees: the photo is turned by this about the middle of the box, which stays
            upright; anticlockwise as one looks at it.
        cover: side of a square of one grey over the face, in box sides.
        cover_x, cover_y: its middle, in box sides from the middle of the true box.
        shade: its grey, 0 to 255.
        blur: standard deviation of a Gaussian blur, in box sides.
        light: share of the light that is left. Below 1 the grain of a sensor shows.
    """

    shift_x: float = 0.0
    shift_y: float = 0.0
    scale: float = 1.0
    degrees: float = 0.0
    cover: float = 0.0
    cover_x: float = 0.0
    cover_y: float = 0.0
    shade: float = 128.0
    blur: float = 0.0
    light: float = 1.0

    def box(self, box: np.ndarray) -> np.ndarray:
        """The disturbed box, of float [..., 4]."""
        moved = BoxMap(
            shift_x=self.shift_x,
            shift_y=self.shift_y,
            scale_w=self.scale,
            scale_h=self.scale,
        )
        return moved.apply(box)


def hard_faces(
    sources: list[Source], *, copies: int, frame_scale: float, seed: int = 0
) -> list[Source]:
    """Faces under several disturbances at once, each at random.

    Args:
        sources: annotated faces.
        copies: how often each is taken, every time differently.
        frame_scale: of the model that is to see them.
        seed: of what happens to them.

    Returns:
        the copies of all faces, then those of all faces again.
    """
    return [
        disturbed(
            source,
            random_disturbance(np.random.default_rng([seed, copy, index])),
            frame_scale=frame_scale,
            name=f"{source.name}#{copy}",
        )
        for copy in range(copies)
        for index, source in enumerate(sources)
    ]


def random_disturbance(generator: np.random.Generator) -> Disturbance:
    """What happens to a hard face: each kind in one of eight faces, mild to severe.

    Args:
        generator: of random numbers.
    """
    box, turned, covered, blurred, dark = (generator.random(5) < _SHARE).tolist()
    at = generator.uniform(-1, 1, 10).tolist()
    return Disturbance(
        shift_x=box * _SHIFT * at[0],
        shift_y=box * _SHIFT * at[1],
        scale=math.exp(box * _LOG_SCALE * at[2]),
        degrees=turned * _DEGREES * at[3],
        cover=covered * _COVER * abs(at[4]),
        cover_x=0.5 * at[5],
        cover_y=0.5 * at[6],
        shade=127.5 * (1 + at[9]),
        blur=blurred * _BLUR * abs(at[7]),
        light=_DARKEST ** (dark * abs(at[8])),
    )


def disturbed(
    source: Source, kind: Disturbance, *, frame_scale: float, name: str = ""
) -> Source:
    """A face as it is found under a disturbance.

    Args:
        source: the face.
        kind: what happens to it.
        frame_scale: of the model that is to see it: how much of the photo is needed.
        name: of the disturbed face; by default that of the face.
    """

    def load() -> Face:
        return disturb(*source.load(), kind, frame_scale=frame_scale)

    return Source(name or source.name, load, stamp=f"{source.stamp} {kind}")


def disturb(
    image: np.ndarray,
    points: np.ndarray,
    box: np.ndarray,
    kind: Disturbance,
    *,
    frame_scale: float,
) -> Face:
    """A photo with its landmarks and box under a disturbance.

    Args:
        image: uint8 [height, width] or [height, width, 3]; its edges are repeated beyond.
        points: float [num_points, 2], px.
        box: float [4], px.
        kind: what happens.
        frame_scale: side of the frame that is to be cut of it, in box sides.

    Returns:
        The photo, or a window of it that holds the frame; the landmarks and the disturbed
        box in its pixels.
    """
    side = _side(box)
    if kind.cover:
        image = _covered(image, box, kind)
    if kind.degrees:
        corner = (
            frame_scale * kind.scale / math.sqrt(2)
        )  # of the frame, from its middle
        reach = _RIM * side * (corner + math.hypot(kind.shift_x, kind.shift_y))
        image, points, box = turn_photo(
            image, points, box, degrees=kind.degrees, reach=reach
        )
    if kind.blur:
        blur = ImageFilter.GaussianBlur(kind.blur * side)
        image = np.asarray(Image.fromarray(image).filter(blur))
    if kind.light < 1:
        grain = _GRAIN * np.random.default_rng(0).standard_normal(image.shape)
        image = np.clip(np.rint(kind.light * image + grain), 0, 255).astype(np.uint8)
    return image, points, kind.box(box)


def turn_photo(
    image: np.ndarray,
    points: np.ndarray,
    box: np.ndarray,
    *,
    degrees: float,
    reach: float,
) -> Face:
    """A window of a photo, turned about the middle of a box.

    Args:
        image: uint8 [height, width] or [height, width, 3]; its edges are repeated
            beyond.
        points: float [num_points, 2], px.
        box: float [4], px. It stays upright and keeps its size.
        degrees: anticlockwise as one looks at it.
        reach: how far around the middle there has to be picture afterwards, in pixels.

    Returns:
        uint8 [side, side] or [side, side, 3]; the turned points and the box in its
        pixels.
    """
    centre = np.asarray(box, np.float64).reshape(2, 2).mean(0)
    low = np.floor(centre - reach).astype(int)
    side = int(np.ceil(2 * reach)) + 2
    rows, columns = (
        np.clip(np.arange(first, first + side), 0, length - 1)
        for first, length in zip(low[::-1], image.shape[:2], strict=True)
    )
    window = Image.fromarray(image[rows[:, None], columns])
    middle = centre - low
    turned = window.rotate(
        degrees, Image.Resampling.BICUBIC, center=tuple(middle + 0.5)
    )
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    # y points down: anticlockwise takes (1, 0) to (cos, -sin)
    rotation = np.array([[cosine, sine], [-sine, cosine]])
    moved = (np.asarray(points, np.float64) - centre) @ rotation.T + middle
    return np.asarray(turned), moved, np.asarray(box, np.float64) - np.tile(low, 2)


def hidden_by(kind: Disturbance, points: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Which landmarks lie under the cover.

    Args:
        kind: the disturbance, of a face that is not turned.
        points: float [num_points, 2], px.
        box: float [4], the true box, px.

    Returns:
        bool [num_points].
    """
    low, high = _cover(kind, box)
    inside = (points >= low - 0.5) & (points < high - 0.5)
    return np.asarray(inside.all(-1))


def _covered(image: np.ndarray, box: np.ndarray, kind: Disturbance) -> np.ndarray:
    low, high = _cover(kind, box)
    painted = image.copy()
    painted[low[1] : high[1], low[0] : high[0]] = round(kind.shade)
    return painted


def _cover(kind: Disturbance, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first pixel (x, y) under the cover and that behind its last one, not below 0."""
    side = _side(box)
    middle = np.asarray(box, np.float64).reshape(2, 2).mean(0)
    middle = middle + side * np.array([kind.cover_x, kind.cover_y])
    half = side * kind.cover / 2
    low, high = (np.rint(middle + way * half).astype(int) for way in (-1, 1))
    return np.maximum(low, 0), np.maximum(high, 0)


def _side(box: np.ndarray) -> float:
    return float(np.subtract(box[2:], box[:2]).mean())
