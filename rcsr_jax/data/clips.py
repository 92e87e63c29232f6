"""Moving faces with exact landmarks: what video is tested and measured on.

A drawn clip shows one person who moves, turns and changes expression; a panned photo
moves as a whole, so that what is known of its landmarks is known in every frame.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from rcsr_jax.data.canvas import smooth_curve
from rcsr_jax.data.drawn import photograph
from rcsr_jax.data.face_shapes import FaceShape, random_face_shape

_PERIOD = 20  # frames from one mood and pose to the next
_NOISE = 2.5  # grey levels: of a sensor, afresh in every frame


class Clip(NamedTuple):
    """A short video of one face.

    Attributes:
        frames: uint8 [num_frames, height, width, 3], RGB.
        points: float32 [num_frames, num_points, 2], the landmarks in each frame, px.
    """

    frames: np.ndarray
    points: np.ndarray


def draw_clip(
    seed: int, index: int, *, num_frames: int, size: int = 240, period: int = _PERIOD
) -> Clip:
    """A drawn person who moves, turns, speaks and blinks, on a smooth path.

    Args:
        seed: which set of clips; 0 or more.
        index: which of its clips; 0 or more.
        num_frames: 1 or more.
        size: side of the square picture in pixels, as for `draw_face`.
        period: frames from one mood and pose to the next; more is calmer.

    Returns:
        The clip; the same arguments give the same bytes.
    """
    poses = 2 + (num_frames - 1) // period
    keys = [
        random_face_shape(
            np.random.default_rng([seed, index, 1, pose]),
            size=size,
            person=np.random.default_rng([seed, index, 0]),
        )
        for pose in range(poses)
    ]
    noise = np.random.default_rng([seed, index, 2])
    frames, points = [], []
    for shape in _between(keys, steps=period)[:num_frames]:
        face, rest = (np.random.default_rng([seed, index, part]) for part in (3, 4))
        frame = photograph(shape, face, size=size, rest=rest)
        frames.append(_with_noise(frame, noise))
        points.append(shape.points)
    return Clip(np.stack(frames), np.array(points, np.float32))


def pan_photo(
    image: np.ndarray,
    points: ArrayLike,
    *,
    num_frames: int,
    size: int = 240,
    seed: int = 0,
    period: int = _PERIOD,
) -> Clip:
    """A photo seen by a camera that pans, zooms and rolls on a smooth path.

    Args:
        image: uint8 [height, width, 3].
        points: float [num_points, 2], landmarks in pixels of it; their middle stays near
            that of the frame, their extent at a third to a half of it. NaN: not annotated.
        num_frames: 1 or more.
        size: side of the square frames in pixels.
        seed: of the path and the noise.
        period: frames from one position of the camera to the next; more is calmer.
    """
    known = np.asarray(points, np.float64)
    generator = np.random.default_rng(seed)
    low, high = np.nanmin(known, axis=0), np.nanmax(known, axis=0)
    extent, middle = (high - low).max(), (low + high) / 2
    poses = 2 + (num_frames - 1) // period
    logs = np.log(generator.uniform(0.35, 0.5, poses) * size / extent)
    rolls = np.deg2rad(generator.uniform(-12, 12, poses))
    shifts = (size - 1) / 2 + size * generator.uniform(-0.12, 0.12, (poses, 2))
    path = smooth_curve(np.column_stack([logs, rolls, shifts]), steps=period)
    frames, moved = [], []
    for log, roll, *shift in path[:num_frames].tolist():
        turn = np.exp(log) * np.array(
            [[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]]
        )
        back = np.linalg.inv(turn)
        # Pillow maps pixel edges, half a pixel from our centres
        offset = middle + 0.5 - back @ (np.array(shift) + 0.5)
        view = Image.fromarray(image).transform(
            (size, size),
            Image.Transform.AFFINE,
            (*back[0], offset[0], *back[1], offset[1]),
            Image.Resampling.BICUBIC,
        )
        frames.append(_with_noise(np.asarray(view), generator))
        moved.append((known - middle) @ turn.T + shift)
    return Clip(np.stack(frames), np.array(moved, np.float32))


def _between(keys: list[FaceShape], *, steps: int) -> list[FaceShape]:
    """Shapes on a smooth path through others, `steps` from each to the next."""
    paths: list[Any] = []
    for field in zip(*keys, strict=True):
        values = np.array(field, np.float64)
        path = smooth_curve(values.reshape(len(keys), -1), steps=steps)
        paths.append(path.reshape(-1, *values.shape[1:]))
    return [FaceShape(*fields) for fields in zip(*paths, strict=True)]


def _with_noise(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    grain = generator.normal(0, _NOISE, image.shape)
    return np.clip(np.rint(image + grain), 0, 255).astype(np.uint8)
