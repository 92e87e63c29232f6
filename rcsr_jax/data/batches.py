"""Which faces make up a step, and with what randomness: pure functions of (seed, step).

Nothing has to be stored to resume a run, and a step is the same on any number of devices:
each face's randomness belongs to its place in the batch, not to the device it is on.
"""

import jax
import numpy as np
from jax import Array

from rcsr_jax.data.permutation import permuted


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
