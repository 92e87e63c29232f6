"""Which faces make up a step, and with what randomness: pure functions of (seed, step).

Nothing has to be stored to resume a run, and a step is the same on any number of devices:
each face's randomness belongs to its place in the batch, not to the device it is on.
"""

import jax
import jax.numpy as jnp
from jax import Array


def faces_of_step(step: Array, *, seed: int, num_faces: int, batch_size: int) -> Array:
    """The faces of a step: each epoch is a new permutation of the data set.

    What is left of an epoch after its last whole batch is skipped; where there are fewer
    faces than a batch holds, the permutation is repeated.

    Args:
        step: int scalar, from 0.
        seed: of the run.
        num_faces: in the data set.
        batch_size: faces per step.

    Returns:
        int32 [batch_size], indices of faces.

    Raises:
        ValueError: there are no faces.
    """
    if num_faces < 1:
        raise ValueError("there are no faces to make batches of.")
    steps_per_epoch = max(num_faces // batch_size, 1)
    epoch, position = step // steps_per_epoch, step % steps_per_epoch
    key = jax.random.fold_in(_stream(seed, 0), epoch)
    order = jax.random.permutation(key, num_faces)
    return order[(position * batch_size + jnp.arange(batch_size)) % num_faces]


def keys_of_step(step: Array, places: Array, *, seed: int) -> Array:
    """The random key of each face of a step.

    Args:
        step: int scalar, from 0.
        places: int [faces], their places in the whole batch.
        seed: of the run.
    """
    key = jax.random.fold_in(_stream(seed, 1), step)
    return jax.vmap(jax.random.fold_in, (None, 0))(key, places)


def _stream(seed: int, number: int) -> Array:
    return jax.random.fold_in(jax.random.key(seed), number)
