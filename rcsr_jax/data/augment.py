"""Variation of training faces: pure `jax.random` functions that run on the device.

A face is cut from its cached crop by one similarity map, so turning, resizing, shifting
and mirroring cost a single interpolation. Written for one face; `vmap` adds the batch.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rcsr_jax.config import AugmentConfig
from rcsr_jax.geometry import Frame, to_photo, upright_frame
from rcsr_jax.markup import Markup

# Noise of the frames around landmarks that were found, by that of boxes.
_STEADIER = 0.4


class View(NamedTuple):
    """How the crop of the network lies in the frame around a face box.

    Attributes:
        mirrored: bool, whether the picture is mirrored.
        angle: float, turn of the view in radians.
        scale: float, size of the view in crop frames.
        shift: float [2], of its centre, in crop frames.
        stretch: float [2], log of how much longer the face is along a direction and
            narrower across it, in the view: exp of a symmetric matrix without trace,
            [[a, b], [b, -a]].
    """

    mirrored: Array | np.ndarray
    angle: Array | np.ndarray
    scale: Array | np.ndarray
    shift: Array | np.ndarray
    stretch: Array | np.ndarray


STRAIGHT = View(
    mirrored=np.zeros((), bool),
    angle=np.zeros((), np.float32),
    scale=np.ones((), np.float32),
    shift=np.zeros(2, np.float32),
    stretch=np.zeros(2, np.float32),
)


def random_view(key: Array, *, config: AugmentConfig, frame_scale: float) -> View:
    """A view through a detector's box: shifted, resized, turned, perhaps mirrored.

    Args:
        key: PRNG key.
        config: how strong.
        frame_scale: side of the crop frame in box sides: box noise is in box sides.
    """
    # few draws of many numbers: every draw adds half a second of compilation
    choice_key, amount_key = jax.random.split(key)
    choice = jax.random.uniform(choice_key, (2,))
    amount = jax.random.normal(amount_key, (6,))
    spread = jnp.where(choice[1] < config.wide_boxes, 1.5, 1.0)
    return View(
        mirrored=choice[0] < config.mirror,
        angle=jnp.deg2rad(config.rotation) * amount[0],
        scale=jnp.exp(spread * config.box_scale * amount[1]),
        shift=spread * config.box_shift / frame_scale * amount[2:4],
        stretch=config.stretch / math.sqrt(2) * amount[4:],
    )


def view_of(frame: Frame, *, side: int, size: int, margin: float) -> View:
    """The view that shows what a frame in a cached crop shows.

    Args:
        frame: of a crop of `size` pixels, in cached pixels.
        side: of the cached crop, pixels.
        size: pixels along a side of the crop.
        margin: side of the cached crop in crop frames.
    """
    middle = to_photo(np.full((1, 2), (size - 1) / 2, np.float32), frame)[0]
    return STRAIGHT._replace(
        angle=frame.angle,
        scale=frame.scale * (margin * size / side),
        shift=(middle - (side - 1) / 2) * (margin / side),
    )


def again(view: View, around: View) -> View:
    """A view of a face as a further look has it, which is cut out around its landmarks.

    Args:
        view: as through a detector's box.
        around: exactly around the landmarks. Those of a first look are not exact: they
            are off by a share of what boxes are off by.
    """
    return view._replace(
        angle=around.angle + _STEADIER * view.angle,
        scale=around.scale * view.scale**_STEADIER,
        shift=around.shift + _STEADIER * view.shift,
    )


@jax.default_matmul_precision("highest")  # ten bits, as on a GPU, move landmarks
def cut_view(
    cached: Array,
    points: Array,
    view: View,
    *,
    size: int,
    margin: float,
    markup: Markup,
) -> tuple[Array, Array]:
    """The crop and the landmarks that a view of a cached face shows.

    Args:
        cached: uint8 [side, side], a cached crop.
        points: float [num_points, 2], landmarks in cached pixels.
        view: how to look at it.
        size: pixels along a side of the crop.
        margin: side of the cached crop in crop frames.
        markup: says what each landmark becomes in the mirror.

    Returns:
        float [size, size] in grey levels and float [num_points, 2] in crop pixels. The
        landmarks are exact, also outside the crop.
    """
    side = len(cached)
    unit = side / (margin * size)  # cached pixels per crop pixel of a straight view
    cos, sin = jnp.cos(view.angle), jnp.sin(view.angle)
    turn = jnp.array([[cos, -sin], [sin, cos]])
    flip = jnp.where(view.mirrored, -1.0, 1.0)
    forward = unit * view.scale * turn * jnp.stack([flip, jnp.ones(())])[None, :]
    # exp of [[a, b], [b, -a]], whose square is a number times the identity
    a, b = view.stretch
    amount = jnp.sqrt(a * a + b * b + 1e-12)
    along = jnp.array([[a, b], [b, -a]]) / amount
    same, other = jnp.cosh(amount) * jnp.eye(2), jnp.sinh(amount) * along
    longer, shorter = same + other, same - other
    # the inverse of a turn is its transpose, flip included
    backward = longer @ forward.T / jnp.square(unit * view.scale)
    forward = forward @ shorter
    middle = (size - 1) / 2
    centre = (side - 1) / 2 + view.shift * (side / margin)

    grid = jnp.arange(size) - middle
    dx, dy = jnp.meshgrid(grid, grid)
    x = centre[0] + forward[0, 0] * dx + forward[0, 1] * dy
    y = centre[1] + forward[1, 0] * dx + forward[1, 1] * dy
    crop = jnp.clip(_sampled(cached, y, x), 0, 255)  # a cubic swings beyond both

    moved = (points - centre[None, :]) @ backward.T + middle
    mirrored = moved[jnp.array(markup.mirror)]
    return crop, jnp.where(view.mirrored, mirrored, moved)


def _sampled(cached: Array, y: Array, x: Array) -> Array:
    """The grey levels at places of a crop by cubic convolution, edges repeated.

    Keys, "Cubic convolution interpolation for digital image processing", IEEE Trans. ASSP
    1981, a = -1/2. Linear interpolation would take away so much of the contrast between
    neighbours that training saw blurrier faces than prediction does.

    Args:
        cached: uint8 [side, side].
        y, x: float [size, size], cached pixels.
    """
    side = len(cached)
    grey = jnp.asarray(cached, jnp.float32).ravel()

    def taps(place: Array) -> list[tuple[Array, Array]]:
        """The four pixels around places along one axis, and their weights."""
        first = jnp.floor(place)
        t = place - first
        weights = (
            ((-0.5 * t + 1) * t - 0.5) * t,
            (1.5 * t - 2.5) * t * t + 1,
            ((-1.5 * t + 2) * t + 0.5) * t,
            (0.5 * t - 0.5) * t * t,
        )
        pixels = [jnp.clip(first.astype(int) + k, 0, side - 1) for k in range(-1, 3)]
        return list(zip(pixels, weights, strict=True))

    columns, level = taps(x), jnp.zeros_like(x)
    for row, across in taps(y):
        for column, along in columns:
            level += across * along * grey[row * side + column]
    return level


def vary_light(key: Array, crop: Array, *, config: AugmentConfig) -> Array:
    """Another exposure of a crop: contrast, brightness, gamma, noise; clipped to 0..255.

    Args:
        key: PRNG key.
        crop: float [size, size], grey levels.
        config: how strong.
    """
    amount_key, grain_key = jax.random.split(key)
    amount = jax.random.normal(amount_key, (4,))
    grain = jax.random.normal(grain_key, crop.shape)
    crop = (crop - 128) * jnp.exp(config.contrast * amount[0]) + 128
    crop = jnp.clip((crop + config.brightness * amount[1]) / 255, 1e-3, 1.0)
    crop = 255 * crop ** jnp.exp(config.gamma * amount[2])
    level = config.noise * jnp.minimum(jnp.abs(amount[3]) / 2, 1.0)
    return jnp.clip(crop + level * grain, 0, 255)


def occlude(key: Array, crop: Array, *, config: AugmentConfig) -> Array:
    """A crop with, sometimes, a rectangle of one grey and rough texture over it.

    Args:
        key: PRNG key.
        crop: float [size, size], grey levels.
        config: how often and how large.
    """
    place_key, rough_key = jax.random.split(key)
    place = jax.random.uniform(place_key, (7,))
    rough = jax.random.normal(rough_key, crop.shape)
    size = len(crop)
    half = config.occlusion_size * size / 2 * place[:2]
    middle = size * place[2:4]
    grid = jnp.arange(size)
    rows = jnp.abs(grid - middle[0]) < half[0]
    columns = jnp.abs(grid - middle[1]) < half[1]
    covered = rows[:, None] & columns[None, :] & (place[4] < config.occlusion)
    texture = 255 * place[5] + 40 * place[6] * rough
    return jnp.where(covered, jnp.clip(texture, 0, 255), crop)


def augment(
    key: Array,
    cached: Array,
    points: Array,
    *,
    config: AugmentConfig,
    size: int,
    margin: float,
    frame_scale: float,
    markup: Markup,
    mean_shape: Array | np.ndarray,
) -> tuple[Array, Array]:
    """A training example: a random view of a cached face in another light.

    Args, returns: those of `cut_view` and `random_view`; the mean shape, float
    [num_points, 2] in crop pixels, says how a face lies in the crop of a further look.
    """
    view_key, light, cover = jax.random.split(key, 3)
    view = random_view(view_key, config=config, frame_scale=frame_scale)
    if config.looked_again:
        frame = upright_frame(points, mean_shape=mean_shape, markup=markup)
        around = view_of(frame, side=len(cached), size=size, margin=margin)
        chosen = jax.random.uniform(jax.random.fold_in(view_key, 1))
        # where landmarks are missing nobody knows how the others lie in the crop
        chosen = (chosen < config.looked_again) & jnp.isfinite(points).all()
        view = jax.tree.map(
            functools.partial(jnp.where, chosen), again(view, around), view
        )
    crop, points = cut_view(
        cached, points, view, size=size, margin=margin, markup=markup
    )
    crop = occlude(cover, vary_light(light, crop, config=config), config=config)
    return crop, points
