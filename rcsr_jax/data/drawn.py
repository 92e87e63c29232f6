"""Drawn faces with exact landmarks: the data set that comes with the library.

`draw_face(seed, index)` is a pure function, so a seed names an unlimited data set that
needs no disk: nothing in it shows a living person, and no landmark is a matter of
opinion. The faces vary in build, mood, pose, skin, hair, light, what covers them,
background and camera.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from rcsr_jax.data.canvas import Canvas, ellipse
from rcsr_jax.data.coverings import Hairdo, occluder_layer, paint_glasses
from rcsr_jax.data.face_shapes import FaceShape, random_face_shape
from rcsr_jax.data.palettes import any_colour, random_palette, skin_colour
from rcsr_jax.data.portraits import paint_body, paint_features, paint_skin

MIN_SIZE, MAX_SIZE = 32, 2048
_MIN_CANVAS = 320  # pixels; a smaller picture is painted at a larger factor
_MAX_CELLS = 48  # the finest clouds of a background, across the picture
_GLASSES, _OCCLUDED = 0.18, 0.22  # shares of the faces


class DrawnFace(NamedTuple):
    """A picture of a face and where its landmarks are.

    Attributes:
        image: uint8 [height, width, 3], RGB.
        points: float32 [68, 2], exact (x, y) in pixels, in the 300-W markup.
        box: float32 [4], the tight box (x0, y0, x1, y1) of the landmarks.
    """

    image: np.ndarray
    points: np.ndarray
    box: np.ndarray


def draw_face(seed: int, index: int, *, size: int = 160) -> DrawnFace:
    """Draws face number `index` of the data set that `seed` names.

    Args:
        seed: which data set; 0 or more.
        index: which of its faces; 0 or more, without an upper end.
        size: side of the square picture in pixels, 32 to 2048. Another size gives the
            same person in the same pose, but not the same noise.

    Returns:
        The face; its landmarks lie inside the picture, a few of them may be covered.
        The same arguments give the same bytes.

    Raises:
        ValueError: `seed` or `index` is negative, or `size` is out of range.
    """
    if seed < 0 or index < 0:
        raise ValueError(
            f"seed and index must be 0 or more; got seed {seed} and index {index}."
        )
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise ValueError(f"size must be {MIN_SIZE} to {MAX_SIZE} pixels; got {size}.")
    rng = np.random.default_rng([seed, index])
    shape = random_face_shape(rng, size=size)
    image = photograph(shape, rng, size=size)
    points = shape.points.astype(np.float32)
    box = np.concatenate([points.min(axis=0), points.max(axis=0)])
    return DrawnFace(image=image, points=points, box=box)


def photograph(
    shape: FaceShape,
    rng: np.random.Generator,
    *,
    size: int,
    rest: np.random.Generator | None = None,
) -> np.ndarray:
    """Some person with this face, somewhere, by some camera.

    Args:
        shape: of the face.
        rng: where the randomness comes from; it is advanced.
        size: side of the square picture in pixels.
        rest: where that of hair, light and camera comes from, if not from `rng`. An open
            mouth draws more than a shut one: with a generator of their own, one person
            looks alike in every shape.

    Returns:
        uint8 [size, size, 3].
    """
    rest = rng if rest is None else rest
    return _apply_camera(_render(shape, rng, rest, size=size), rest)


def _render(
    shape: FaceShape,
    rng: np.random.Generator,
    rest: np.random.Generator,
    *,
    size: int,
) -> np.ndarray:
    """float32 [size, size, 3], the lit scene before the camera, levels 0 to 255."""
    factor = max(2, -(-_MIN_CANVAS // size))
    side = factor * size
    backdrop = _background(rng, side=size)
    image = backdrop.resize((side, side), Image.Resampling.NEAREST)
    canvas = Canvas(image, factor=factor)
    _paint_clutter(canvas, rng, size=size)
    behind = np.asarray(canvas.image.reduce(factor))
    palette = random_palette(rng)
    hair = Hairdo(palette, rng)
    hair.paint_back(canvas, shape, rng)
    paint_body(canvas, shape, palette, rng)
    paint_skin(canvas, shape, palette, rng)
    paint_features(canvas, shape, palette, rng)
    hair.paint_front(canvas, shape, rest)
    if rest.random() < _GLASSES:
        paint_glasses(canvas, shape, rest)
    picture = np.asarray(canvas.image.reduce(factor))
    gain, shine = _light(shape, rest, size=size)
    red, green, blue = np.moveaxis(picture != behind, -1, 0)
    person = red | green | blue  # the light stays off the wall
    scene = picture * np.where(person, gain, 1)[..., None]
    scene += np.where(person, shine, 0)[..., None]
    if rest.random() < _OCCLUDED:
        layer = occluder_layer(shape, rest, side=side, factor=factor)
        cover = np.asarray(layer.reduce(factor), dtype=np.float32)
        share = cover[..., 3:] / 255
        scene = scene * (1 - share) + cover[..., :3] * share * rest.uniform(0.7, 1.1)
    return scene


def _background(rng: np.random.Generator, *, side: int) -> Image.Image:
    """A wall, a gradient or blurred clouds of any scale."""
    first, second = np.array([any_colour(rng), any_colour(rng)])
    angle = rng.uniform(0, 2 * np.pi)
    # Painted coarsely and enlarged: that costs a tenth and looks the same.
    ramp = np.linspace(-0.5, 0.5, _MAX_CELLS)
    slope = np.cos(angle) * ramp + np.sin(angle) * ramp[:, None]
    scene = first + np.clip(0.5 + slope, 0, 1)[..., None] * (second - first)
    if rng.random() < 0.6:
        strength = rng.uniform(0.1, 0.6)
        cells = int(rng.choice((3, 6, 12, 24, _MAX_CELLS)))
        grey = rng.uniform(60, 196, size=(cells, cells, 1))
        hue = rng.uniform(-1.5, 1.5, size=(cells, cells, 3))
        spots = Image.fromarray((grey + rng.uniform(0, 40) * hue).astype(np.uint8))
        clouds = spots.resize((_MAX_CELLS, _MAX_CELLS), Image.Resampling.BICUBIC)
        scene = scene + strength * (np.asarray(clouds) - 128.0)
    wall = Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8))
    return wall.resize((side, side), Image.Resampling.BICUBIC)


def _paint_clutter(canvas: Canvas, rng: np.random.Generator, *, size: int) -> None:
    if rng.random() < 0.4:
        return
    for _ in range(int(rng.integers(1, 9))):
        colour = skin_colour(rng) if rng.random() < 0.3 else any_colour(rng)
        centre = rng.uniform(0, size, size=2)
        axes = rng.normal(scale=0.14 * size, size=(2, 2))
        outline = ellipse(centre, axes[0], axes[1])
        every = int(rng.choice((1, 6, 8)))  # an ellipse, a quadrangle, a triangle
        canvas.fill(outline[::every], colour, opacity=rng.uniform(0.4, 1.0))


def _light(
    shape: FaceShape, rng: np.random.Generator, *, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """float32 [size, size] twice: how much light each pixel gets, and its gloss."""
    side = min(size, 80)
    step = size / side
    axis = (np.arange(side, dtype=np.float32) + 0.5) * step - 0.5
    points, unit, down, across = shape.points, shape.unit, shape.down, shape.across

    # The head is an egg on which nose, cheeks, lips and chin are bells of some height.
    x, y = axis[None, :] - shape.centre[0], axis[:, None] - shape.centre[1]
    u = (x * across[0] + y * across[1]) / (1.18 * unit)
    v = (x * down[0] + y * down[1]) / (1.75 * unit)
    radius = u**2 + v**2
    height = 0.9 * np.sqrt(np.maximum(1 - radius, 0.03))

    sockets = (points[36:42].mean(axis=0), points[42:48].mean(axis=0))
    cheeks = (0.5 * (sockets[0] + points[4]), 0.5 * (sockets[1] + points[12]))
    chin = points[8] - 0.16 * unit * down
    under_lip = points[57] + 0.10 * unit * down
    bumps = (
        (points[28], 0.10, 0.07),
        (points[29], 0.12, 0.12),
        (points[30], 0.14, 0.20),
        (points[31], 0.09, 0.06),
        (points[35], 0.09, 0.06),
        (points[19], 0.18, 0.06),
        (points[24], 0.18, 0.06),
        (sockets[0], 0.18, -0.10),
        (sockets[1], 0.18, -0.10),
        (cheeks[0], 0.26, 0.07),
        (cheeks[1], 0.26, 0.07),
        (points[51], 0.11, 0.05),
        (points[57], 0.11, 0.05),
        (under_lip, 0.10, -0.05),
        (chin, 0.16, 0.07),
    )
    centres = np.array([centre for centre, _, _ in bumps])
    spreads = np.array([[spread * unit] for _, spread, _ in bumps])
    rises = np.array([[rise] for _, _, rise in bumps])

    def bell(centre: np.ndarray, spread: np.ndarray) -> np.ndarray:
        return np.exp(-0.5 * ((axis - centre) / spread) ** 2)

    columns, rows = bell(centres[:, :1], spreads), bell(centres[:, 1:], spreads)
    height = height + (rises * rows).T @ columns

    slope_y, slope_x = np.gradient(height, step / unit)
    normal_z = 1 / np.sqrt(1 + slope_x**2 + slope_y**2)
    turn, tilt = rng.uniform(0, 2 * np.pi), rng.uniform(0.0, 1.0) ** 0.7
    light = np.array([np.cos(turn) * tilt, np.sin(turn) * tilt - 0.35, 1.0])
    light /= np.linalg.norm(light)
    facing = normal_z * (light[2] - slope_x * light[0] - slope_y * light[1])
    ambient = rng.uniform(0.48, 0.85)
    gain = ambient + (1.05 - ambient) * np.maximum(facing, 0) / max(light[2], 0.6)
    cast = points[30] + unit * (0.12 * down - 0.30 * light[:2])
    cast_column, cast_row = bell(cast[:, None], np.full((2, 1), 0.16 * unit))
    gain = gain * (1 - 0.3 * (1 - ambient) * np.outer(cast_row, cast_column))
    inside = np.clip((1.12 - radius) / 0.3, 0, 1)
    beside = 0.5 * (1 + ambient)  # neck, ears and hair away from the face
    gain = beside + inside * (gain - beside)
    shine = inside * rng.uniform(0, 45) * np.clip(facing, 0, 1) ** 24

    def enlarge(plane: np.ndarray) -> np.ndarray:
        picture = Image.fromarray(plane.astype(np.float32))
        return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR))

    return enlarge(gain), enlarge(shine)


def _apply_camera(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """uint8 [size, size, 3], the scene as some camera gives it; nothing moves."""
    size = len(scene)
    tint = 1 + rng.normal(scale=0.045, size=3)
    contrast, level = rng.uniform(0.7, 1.15), rng.normal(scale=12)
    curve = 255 * (np.arange(256) / 255) ** np.exp(rng.normal(scale=0.2))
    # As a table: a power of every pixel would cost more than the rest of the camera.
    scene = (scene - 128) * np.float32(contrast) + np.float32(128 + level)
    scene = np.clip(scene * tint.astype(np.float32), 0, 255).astype(np.uint8)
    image = Image.fromarray(scene).point(3 * curve.astype(int).tolist())
    if rng.random() < 0.2:
        small = int(size * rng.uniform(0.35, 0.75))
        image = image.resize((small, small), Image.Resampling.BOX)
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    if rng.random() < 0.4:
        radius = rng.uniform(0.2, 1.2) * size / 160
        image = image.filter(ImageFilter.GaussianBlur(radius))
    if rng.random() < 0.12:
        image = image.filter(_motion_kernel(rng))
    if rng.random() < 0.12:
        image = image.convert("L").convert("RGB")
    noise = rng.choice((0.0, rng.uniform(0, 5), rng.uniform(5, 14)), p=(0.3, 0.5, 0.2))
    if noise == 0:
        return np.array(image)
    grain = rng.standard_normal(size=(size, size, 1), dtype=np.float32)
    grainy = np.asarray(image) + np.float32(noise) * grain
    return np.clip(grainy, 0, 255).astype(np.uint8)


def _motion_kernel(rng: np.random.Generator) -> ImageFilter.Kernel:
    """A symmetric streak through the middle of 5 x 5 pixels."""
    steps = np.arange(5)
    streaks = ((2, steps), (steps, 2), (steps, steps), (steps, 4 - steps))
    kernel = np.zeros((5, 5))
    kernel[streaks[rng.integers(4)]] = 0.2
    return ImageFilter.Kernel((5, 5), kernel.ravel().tolist(), scale=1.0)
