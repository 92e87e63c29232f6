"""The landmarks of the faces of a photo, in its pixels."""

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rcsr_jax.config import ModelConfig
from rcsr_jax.ellipses import error_ellipses
from rcsr_jax.geometry import Frame, to_photo
from rcsr_jax.prediction import Prediction, by_field


class Faces(NamedTuple):
    """The landmarks of the faces of one photo: an array each, a row for each face.

    So `faces.points[0]` are the landmarks of the first face, and
    `zip(faces.points, faces.score)` goes over the faces.

    Attributes:
        points: float32 [faces, num_points, 2], (x, y) in pixels of the photo.
        num_steps: int32 [faces], recurrences taken.
        settled: bool [faces], whether the shape stood still at the end.
        trajectory: float32 [steps, faces, num_points, 2], the shape after each step; a
            face that stopped early keeps its last shape. Of a face that was looked at
            several times, the steps of the last look, or their mean with those of the
            mirrored look.
        spread: float32 [faces, num_points], pixels: how far each landmark moved in the
            last step. Small where the model has made up its mind.
        expected_error: float32 [faces, num_points], pixels: how far from its landmark
            each point is expected to lie.
        ellipses: float32 [faces, num_points, 3]: the same error as an ellipse, for it is
            larger along an outline than across: half axis along the outline and across
            it, pixels, and the angle of the first in degrees, from x towards y.
        score: float32 [faces], from 0 to 1: how probable it is that the mean error of
            the face is below 8 per cent of its eye distance.
    """

    points: np.ndarray
    num_steps: np.ndarray
    settled: np.ndarray
    trajectory: np.ndarray
    spread: np.ndarray
    expected_error: np.ndarray
    ellipses: np.ndarray
    score: np.ndarray

    def __repr__(self) -> str:
        if np.ndim(self.points) != 3:  # of shapes, of one face: what tree.map may make
            return tuple.__repr__(self)
        num_faces, num_points = self.points.shape[:2]
        scores = ", ".join(f"{score:.2f}" for score in self.score)
        return f"Faces({num_faces} of {num_points} landmarks, score [{scores}])"


def faces_in_photo(
    found: Prediction, frames: Frame, *, first: ArrayLike, config: ModelConfig
) -> Faces:
    """A prediction in pixels of the photos.

    Args:
        found: NumPy arrays.
        frames: where each crop lies in its photo.
        first: float [num_points, 2] or [faces, num_points, 2], crop px, the shapes that
            the steps began with.
        config: of the model.
    """
    trajectory = to_photo(found.trajectory, frames).astype(np.float32)
    start = to_photo(np.asarray(first), frames)[None]
    shapes = np.concatenate([start, trajectory]).astype(np.float32)
    faces = np.arange(len(frames.scale))
    last = shapes[found.num_steps, faces]
    before = shapes[found.num_steps - 1, faces]
    expected_error = (found.expected_error * frames.scale[:, None]).astype(np.float32)
    return Faces(
        points=last,
        num_steps=np.asarray(found.num_steps),
        settled=np.asarray(found.settled),
        trajectory=trajectory,
        spread=np.linalg.norm(last - before, axis=-1),
        expected_error=expected_error,
        ellipses=error_ellipses(
            last, expected_error, ratios=config.error_ratios, markup=config.markup
        ),
        score=np.asarray(found.score),
    )


def mean_of_faces(one: Faces, other: Faces, *, config: ModelConfig) -> Faces:
    """The mean of what two looks at the same faces found.

    Args:
        one, other: of as many steps; each face has taken as many as the slower of both,
            and is settled where both are.
        config: of the model.
    """

    def mean(name: str) -> np.ndarray:
        values: np.ndarray = (getattr(one, name) + getattr(other, name)) / 2
        return values

    points, expected_error = mean("points"), mean("expected_error")
    return Faces(
        points=points,
        num_steps=np.maximum(one.num_steps, other.num_steps),
        settled=one.settled & other.settled,
        trajectory=mean("trajectory"),
        spread=mean("spread"),
        expected_error=expected_error,
        ellipses=error_ellipses(
            points, expected_error, ratios=config.error_ratios, markup=config.markup
        ),
        score=mean("score"),
    )


def join_faces(faces: Sequence[Faces]) -> Faces:
    """The faces of several photos as those of one; `split_faces` takes them apart."""
    return by_field(lambda *parts, axis: np.concatenate(parts, axis), *faces)


def split_faces(faces: Faces, counts: Sequence[int]) -> Iterator[Faces]:
    """The faces of photos that hold so many each."""
    first = 0
    for count in counts:
        here = slice(first, first + count)
        yield by_field(
            lambda values, axis, here=here: values[(slice(None),) * axis + (here,)],
            faces,
        )
        first += count


def replace_faces(faces: Faces, rows: np.ndarray, others: Faces) -> Faces:
    """Other faces in place of these.

    Args:
        faces: of any number.
        rows: int [n], which of them.
        others: n faces.
    """
    return by_field(functools.partial(put_rows, rows), faces, others)


def put_rows(
    rows: np.ndarray, values: np.ndarray, new: np.ndarray, *, axis: int = 0
) -> np.ndarray:
    """A copy of values with new ones at these places along an axis."""
    values = values.copy()
    values[(slice(None),) * axis + (rows,)] = new
    return values
