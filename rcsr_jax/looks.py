"""Further looks at a face that does not lie in its crop as faces do.

A box may be of another detector, or off; a head may be tilted further than the network has
learned. The landmarks that a first look finds are then far from exact, but good enough to
say how the face lies. So it is cut out anew around them, upright, and looked at again.
"""

import functools
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np

from rcsr_jax.config import ModelConfig
from rcsr_jax.data.cutting import cut_crop
from rcsr_jax.geometry import (
    Frame,
    frame_of_shape,
    frames_at,
    join_frames,
    tilt_of,
    to_crop,
    to_photo,
    upright_frame,
)
from rcsr_jax.landmarks import (
    Faces,
    join_faces,
    mean_of_faces,
    put_rows,
    replace_faces,
    split_faces,
)
from rcsr_jax.markup import Markup
from rcsr_jax.metrics import interocular_distance
from rcsr_jax.prediction import by_field
from rcsr_jax.refine import Estimate

# A face is looked at again where it is turned in its crop by more than the first, more than
# 7/6 or less than 6/7 as large, or off by more than a quarter of the eye distance. In the
# boxes of a detector that is a few faces in a hundred; of the others little more is won.
_TILTED = math.radians(18)
_LARGER = 7 / 6
_OFF = 0.25
_LEVEL = math.radians(10)  # crops are turned by no less: it takes time and wins nothing
_RESIZED = 4.0  # times as large, or as small, as its crop is no face


class Sight(NamedTuple):
    """What was seen of faces, and in which crops.

    Attributes:
        faces: in pixels of the photos.
        estimate: points in pixels of the crops, and the memory behind them.
        crops: uint8 [faces, crop_size, crop_size], of the last look at each face.
        frames: where each crop lies in its photo.
        num_looks: int32 [faces], how often each face was looked at.
    """

    faces: Faces
    estimate: Estimate
    crops: np.ndarray
    frames: Frame
    num_looks: np.ndarray


def join_sights(sights: Sequence[Sight]) -> Sight:
    """What was seen of the faces of several photos, as of those of one."""
    faces, estimates, crops, frames, num_looks = zip(*sights, strict=True)
    return Sight(
        faces=join_faces(faces),
        estimate=jax.tree.map(lambda *parts: np.concatenate(parts), *estimates),
        crops=np.concatenate(crops),
        frames=join_frames(frames),
        num_looks=np.concatenate(num_looks),
    )


def split_sights(sight: Sight, counts: Sequence[int]) -> Iterator[Sight]:
    """What was seen of photos that hold so many faces each; the way back of joining."""
    ends = np.cumsum(counts).tolist()
    faces = split_faces(sight.faces, counts)
    for count, end, found in zip(counts, ends, faces, strict=True):
        here = slice(end - count, end)
        yield Sight(
            faces=found,
            estimate=jax.tree.map(operator.itemgetter(here), sight.estimate),
            crops=sight.crops[here],
            frames=frames_at(sight.frames, here),
            num_looks=sight.num_looks[here],
        )


def look_again(
    sight: Sight,
    *,
    photo_of: Callable[[int], np.ndarray],
    see: Callable[[np.ndarray, Frame], Sight],
    mean_shape: np.ndarray,
    config: ModelConfig,
) -> Sight:
    """What is seen at last: of each face in its last crop.

    Args:
        sight: of the first look.
        photo_of: uint8 [height, width] or [height, width, 3] of a face, by its number.
        see: a single look at crops that lie in these frames.
        mean_shape: float [num_points, 2], crop px.
        config: of the model: how many looks there are at most, and the crop's size.
    """
    size = config.crop_size
    faces = np.arange(len(sight.crops))
    for _ in range(config.max_looks - 1):
        better = frames_around(
            sight.faces.points[faces], mean_shape=mean_shape, markup=config.markup
        )
        frames = frames_at(sight.frames, faces)
        wanted = _lies_astray(
            frames, better, mean_shape=mean_shape, markup=config.markup
        )
        if wanted.any():
            sizes = _sizes(faces, photo_of)
            wanted &= _can_be_seen(frames, better, sizes=sizes, size=size)
        faces, better = faces[wanted], frames_at(better, wanted)
        if not len(faces):
            break
        seen = see(_cut(faces, better, photo_of=photo_of, size=size), better)
        sight = _replaced(sight, faces, seen)
    return sight


def look_in_mirror(
    sight: Sight,
    *,
    photo_of: Callable[[int], np.ndarray],
    see: Callable[[np.ndarray, Frame], Sight],
    mean_shape: np.ndarray,
    config: ModelConfig,
) -> Sight:
    """What is seen once every face has been looked at in the mirror as well.

    The mean of both looks is nearer to the truth than either: they err differently, as one
    lies as its box says and the other upright, the other way round.

    Args:
        sight: of the looks before; its crops, frames and memory are kept.
        photo_of: as for `look_again`.
        see: a look at crops that are to be mirrored, which lie in these frames; what it
            gives is not mirrored any more.
        mean_shape: float [num_points, 2], crop px.
        config: of the model.
    """
    faces, size = np.arange(len(sight.crops)), config.crop_size
    frames = upright_frame(
        sight.faces.points, mean_shape=mean_shape, markup=config.markup
    )
    sizes = _sizes(faces, photo_of)
    wanted = _can_be_seen(sight.frames, frames, sizes=sizes, size=size)
    faces, frames = faces[wanted], frames_at(frames, wanted)
    if not len(faces):
        return sight
    crops = _cut(faces, frames, photo_of=photo_of, size=size)
    mirrored = see(crops, frames).faces
    plain = by_field(functools.partial(np.take, indices=faces), sight.faces)
    mean = mean_of_faces(plain, mirrored, config=config)
    num_looks = sight.num_looks.copy()
    num_looks[faces] += 1
    return sight._replace(
        faces=replace_faces(sight.faces, faces, mean), num_looks=num_looks
    )


def frames_around(
    points: np.ndarray,
    *,
    mean_shape: np.ndarray,
    markup: Markup,
    angle: np.ndarray | None = None,
) -> Frame:
    """The frames in which shapes lie as faces do.

    Args:
        points: float [faces, num_points, 2], px.
        mean_shape: float [num_points, 2], crop px.
        markup: names the eye corners.
        angle: float [faces], radians by which the frames are turned; by default as
            `tilt_worth_turning` says.
    """
    if angle is None:
        angle = tilt_worth_turning(points, mean_shape=mean_shape, markup=markup)
    return frame_of_shape(points, angle=angle, mean_shape=mean_shape)


def tilt_worth_turning(
    points: np.ndarray, *, mean_shape: np.ndarray, markup: Markup
) -> np.ndarray:
    """By how much crops of faces are turned: by their tilt, but by 10 degrees at least.

    Args:
        points: float [faces, num_points, 2], px.
        mean_shape: float [num_points, 2], px.
        markup: names the eye corners.

    Returns:
        float64 [faces], radians.
    """
    tilt = tilt_of(points, mean_shape=mean_shape, markup=markup)
    return np.where(np.abs(tilt) < _LEVEL, 0.0, tilt)


def _lies_astray(
    frames: Frame, better: Frame, *, mean_shape: np.ndarray, markup: Markup
) -> np.ndarray:
    """bool [faces], whether faces that belong into better frames are far from these."""
    middle = mean_shape.mean(0, keepdims=True)
    there = to_crop(to_photo(middle, better), frames) - middle
    off = np.linalg.norm(there[:, 0], axis=-1)
    eyes = interocular_distance(mean_shape, markup=markup)
    resized = better.scale / frames.scale
    tilted = np.cos(better.angle - frames.angle) < math.cos(_TILTED)
    return tilted | (resized > _LARGER) | (resized < 1 / _LARGER) | (off > _OFF * eyes)


def _cut(
    faces: np.ndarray,
    frames: Frame,
    *,
    photo_of: Callable[[int], np.ndarray],
    size: int,
) -> np.ndarray:
    """The crops of faces, by their numbers: uint8 [faces, size, size]."""
    crops = [
        cut_crop(photo_of(face), frames_at(frames, number), size=size)
        for number, face in enumerate(faces.tolist())
    ]
    return np.stack(crops)


def _sizes(
    faces: np.ndarray, photo_of: Callable[[int], np.ndarray]
) -> list[tuple[int, ...]]:
    """The shapes of the photos of faces."""
    return [photo_of(face).shape for face in faces.tolist()]


def _can_be_seen(
    frames: Frame, better: Frame, *, sizes: list[tuple[int, ...]], size: int
) -> np.ndarray:
    """bool [faces], whether there may be a face in better frames.

    Where there is none to begin with, landmarks may be anywhere, and in a heap.
    """
    middle = to_photo(np.full((1, 2), (size - 1) / 2), better)
    seen = to_crop(middle, frames)[:, 0]
    width_and_height = np.array([shape[1::-1] for shape in sizes]).reshape(-1, 2)
    inside = (middle[:, 0] >= 0) & (middle[:, 0] < width_and_height)
    inside &= (seen >= 0) & (seen < size)
    resized = better.scale / frames.scale
    return inside.all(-1) & (resized > 1 / _RESIZED) & (resized < _RESIZED)


def _replaced(sight: Sight, rows: np.ndarray, seen: Sight) -> Sight:
    """A sight in which some faces have been looked at once more."""
    seen = seen._replace(num_looks=sight.num_looks[rows] + 1)
    faces = replace_faces(sight.faces, rows, seen.faces)
    others = jax.tree.map(functools.partial(put_rows, rows), sight[1:], seen[1:])
    return Sight(faces, *others)
