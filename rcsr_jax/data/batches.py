"""Which faces make up a step, and what examples they become: functions of (seed, step).

Nothing has to be stored to resume a run, and a step is the same on any number of devices:
each face's randomness belongs to its place in the batch, not to the device it is on.
"""

import functools
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array

from rcsr_jax.config import RunConfig
from rcsr_jax.data.augment import augment
from rcsr_jax.data.permutation import permuted


class TrainingSet(NamedTuple):
    """All cached faces of a run.

    Attributes:
        crops: uint8 [faces, side, side], cached crops; arrays, or `Rows` on the disk.
        points: float32 [faces, num_points, 2], in cached pixels; likewise.
        num_last: how many of them, at the end, are for the last updates alone.
    """

    crops: Any
    points: Any
    num_last: int = 0


class Batch(NamedTuple):
    """The cached faces of a step, or of some places in it.

    Attributes:
        crops: uint8 [..., side, side].
        points: float32 [..., num_points, 2], in cached pixels.
    """

    crops: Any
    points: Any


def faces_of_step(
    step: int, *, seed: int, num_faces: int, batch_size: int
) -> np.ndarray:
    """The faces of a step: each epoch is a new permutation of the data set.

    What is left of an epoch after its last whole batch is skipped; where there are fewer
    faces than a batch holds, the permutation is repeated.

    Args:
        step: from 0.
        seed: of the run.
        num_faces: in the data set.
        batch_size: faces per step.

    Returns:
        int64 [batch_size], indices of faces. Its time does not grow with the data set.

    Raises:
        ValueError: there are no faces.
    """
    if num_faces < 1:
        raise ValueError("there are no faces to make batches of.")
    steps_per_epoch = max(num_faces // batch_size, 1)
    epoch, position = divmod(step, steps_per_epoch)
    places = (position * batch_size + np.arange(batch_size)) % num_faces
    return permuted(places, count=num_faces, key=(seed, epoch))


def keys_of_step(step: Array, places: Array, *, seed: int) -> Array:
    """The random key of each face of a step.

    Args:
        step: int scalar, from 0.
        places: int [faces], their places in the whole batch.
        seed: of the run.
    """
    # 1: stream 0 was that of the faces when JAX permuted them
    stream = jax.random.fold_in(jax.random.key(seed), 1)
    key = jax.random.fold_in(stream, step)
    return jax.vmap(jax.random.fold_in, (None, 0))(key, places)


def faces_at(
    step: int, places: np.ndarray, faces: TrainingSet, *, config: RunConfig
) -> Batch:
    """The faces of a step, in some places of its batch.

    Args:
        step: from 0.
        places: int [...], in the batch.
        faces: the training set; only these are read of what is on the disk.
        config: the run.

    Returns:
        Their arrays, with the shape of `places` in front.
    """
    chosen = numbers_at(step, places, faces, config=config)
    return Batch(faces.crops[chosen], faces.points[chosen])


def numbers_at(
    step: int, places: np.ndarray, faces: TrainingSet, *, config: RunConfig
) -> np.ndarray:
    """The numbers of the faces of a step, in some places of its batch.

    Args:
        step: from 0.
        places: int [...], in the batch.
        faces: the training set.
        config: the run.

    Returns:
        int64, with the shape of `places`.
    """
    train = config.train
    first, count = 0, len(faces.crops) - faces.num_last
    begins = train.num_updates - train.last_updates
    if faces.num_last and step >= begins:
        step, first, count = step - begins, count, faces.num_last
    chosen = faces_of_step(
        step, seed=train.seed, num_faces=count, batch_size=train.batch_size
    )
    return first + chosen[places]


def examples(
    step: Array,
    places: Array,
    batch: Batch,
    *,
    config: RunConfig,
    mean_shape: Array | np.ndarray,
) -> tuple[Array, Array]:
    """The training examples of a step: a pure function of (seed, step, place).

    Args:
        step: int scalar, from 0.
        places: int [faces], their places in the whole batch.
        batch: the faces in these places; `faces_at` says which.
        config: the run.
        mean_shape: float [num_points, 2], crop px.

    Returns:
        float [faces, crop_size, crop_size] and float [faces, num_points, 2].
    """
    model, train = config.model, config.train
    vary = functools.partial(
        augment,
        config=config.augment,
        size=model.crop_size,
        margin=config.data.cache_margin,
        frame_scale=model.frame_scale,
        markup=model.markup,
        mean_shape=mean_shape,
    )
    keys = keys_of_step(step, places, seed=train.seed)
    return jax.vmap(vary)(keys, batch.crops, batch.points)
