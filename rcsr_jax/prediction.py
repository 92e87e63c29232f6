"""What is found in a batch of crops, and the mean with what their mirror images give."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from rcsr_jax.annotation import as_annotated, as_seen
from rcsr_jax.config import ModelConfig
from rcsr_jax.geometry import mirror_points

Answer = TypeVar("Answer", bound=Any)

_MOST_STEPS = 1000


class Prediction(NamedTuple):
    """The landmarks of a batch of crops.

    The faces are the first axis of all fields but the trajectory, which has its steps
    there: what goes over faces takes the fields one by one. Expected errors and scores say
    how sure the model is of its input as it is; no gradient of them reaches the features.

    Attributes:
        points: float [batch, num_points, 2], (x, y) in crop pixels.
        num_steps: int32 [batch], steps taken.
        settled: bool [batch], whether the last increment was below the tolerance.
        trajectory: float [steps, batch, num_points, 2], the shape after each step.
        expected_error: float [batch, num_points], how far from its landmark the model
            expects each point to lie, in crop pixels.
        score: float [batch], from 0 to 1, how probable it is that the mean error of a
            face is below 8 per cent of its eye distance.
        hidden: float [batch, ...], the memory behind the last shape: with it and the
            points a further prediction can go on from this one.
    """

    points: Array
    num_steps: Array
    settled: Array
    trajectory: Array
    expected_error: Array
    score: Array
    hidden: Array


def by_field(function: Callable[..., Any], *found: Answer) -> Answer:
    """What a function makes of each field of answers.

    Args:
        function: called with a field of each of them, and `axis`, that of its faces.
        *found: answers of one kind, a `Prediction` or `landmarks.Faces`.
    """
    kind = type(found[0])
    fields = zip(kind._fields, *found, strict=True)
    # the steps of a trajectory come before its faces
    return kind(*(function(*each, axis=int(n == "trajectory")) for n, *each in fields))


def first_face(batched: Prediction) -> Prediction:
    """The answer for one crop, without the batch axis."""
    return by_field(
        lambda leaf, axis: lax.index_in_dim(leaf, 0, axis, keepdims=False), batched
    )


def check_num_steps(num_steps: int) -> None:
    """Checks a fixed number of recurrences.

    Raises:
        ValueError: it is no whole number from 1 to 1000.
    """
    if not isinstance(num_steps, int | np.integer) or isinstance(num_steps, bool):
        raise ValueError(f"num_steps must be a whole number; got {num_steps!r}.")
    if num_steps < 1:
        raise ValueError(f"num_steps must be at least 1; got {num_steps}.")
    if num_steps > _MOST_STEPS:
        raise ValueError(f"num_steps must be at most {_MOST_STEPS}; got {num_steps}.")


def of_no_face(found: Prediction) -> Prediction:
    """The answer for no crop, cut from that for some."""
    return by_field(lambda leaf, axis: lax.slice_in_dim(leaf, 0, 0, axis=axis), found)


def without_mirror(config: ModelConfig) -> ModelConfig:
    """The same model, asked for what it sees in the crop as it is.

    Annotation is shifted alike in a face and its mirror image: the shift is for the mean.
    """
    return dataclasses.replace(
        config, mirror_average=False, annotation_shift=(0.0, 0.0)
    )


def annotated(points: Array, *, config: ModelConfig) -> Array:
    """Shapes that a model sees, as people would annotate them: [..., num_points, 2]."""
    moved: Array = as_annotated(
        points, shift=config.annotation_shift, markup=config.markup
    )
    return moved


def with_mirror_images(crops: Array) -> Array:
    """A batch of crops and then their mirror images: [2 batch, height, width, ...]."""
    return jnp.concatenate([crops, jnp.flip(crops, axis=2)])


def mean_of_mirrored(points: Array, mirrored: Array, *, config: ModelConfig) -> Array:
    """The mean of the shapes in crops and of those in their mirror images.

    Args:
        points: float [..., num_points, 2], crop px.
        mirrored: likewise, in the mirror image.
        config: names the landmark that each becomes in the mirror, and the crop's side.
    """
    back = mirror_points(mirrored, width=config.crop_size, markup=config.markup)
    return (points + back) / 2


def mirrored_back(found: Prediction, *, config: ModelConfig) -> Prediction:
    """What was found in mirrored crops, in the crops as they are.

    Args:
        found: NumPy arrays, of a model that answers where people annotate.
        config: names the landmark that each becomes in the mirror, the crop's side, and
            how annotation is shifted: alike in a face and its mirror image.
    """
    shift, markup = config.annotation_shift, config.markup

    def back(shapes: Array) -> Array:
        seen = as_seen(shapes, shift=shift, markup=markup)
        turned = mirror_points(seen, width=config.crop_size, markup=markup)
        return annotated(turned, config=config)

    return found._replace(
        points=back(found.points),
        trajectory=back(found.trajectory),
        expected_error=found.expected_error[:, np.array(markup.mirror)],
    )


def mean_with_mirror(both: Prediction, *, config: ModelConfig) -> Prediction:
    """The mean of the answers to crops and to their mirror images, as people annotate.

    Args:
        both: the answer to `with_mirror_images` of the model `without_mirror`.
        config: names the landmark that each becomes in the mirror, the crop's side, and
            how annotation is shifted.

    Returns:
        The mean of the shapes, at the end and after each step, of the expected errors and
        of the scores. A face has taken as many steps as the slower of both and is settled
        where both are. The memory is that of the crop as it is.
    """
    batch = both.points.shape[0] // 2
    halves: Any = by_field(
        lambda leaf, axis: jnp.split(leaf, (batch,), axis=axis), both
    )

    def merged(shapes: Sequence[Array]) -> Array:
        return annotated(mean_of_mirrored(*shapes, config=config), config=config)

    error, mirrored_error = halves.expected_error
    score, mirrored_score = halves.score
    return Prediction(
        points=merged(halves.points),
        num_steps=jnp.maximum(*halves.num_steps),
        settled=jnp.logical_and(*halves.settled),
        trajectory=merged(halves.trajectory),
        expected_error=(error + mirrored_error[:, np.array(config.markup.mirror)]) / 2,
        score=(score + mirrored_score) / 2,
        hidden=halves.hidden[0],
    )
