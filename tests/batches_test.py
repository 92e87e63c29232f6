"""Epochs visit every face once, and a step depends on the seed and its number alone."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rcsr_jax.data.batches import faces_of_step, keys_of_step


def faces(steps, *, seed=0, num_faces=12, batch_size=4):
    """The faces of each of `steps`: int [steps, batch_size]."""
    return np.stack(
        [
            faces_of_step(
                int(step), seed=seed, num_faces=num_faces, batch_size=batch_size
            )
            for step in steps
        ]
    )


def keys(step, places, *, seed=0):
    return np.asarray(
        jax.random.key_data(keys_of_step(step, jnp.asarray(places), seed=seed))
    )


@pytest.mark.parametrize(
    ("num_faces", "batch_size"), [(12, 4), (5, 1), (6, 6), (68, 17)]
)
def test_an_epoch_has_every_face_once(num_faces, batch_size):
    length = num_faces // batch_size
    seen = faces(np.arange(3 * length), num_faces=num_faces, batch_size=batch_size)
    epochs = seen.reshape(3, num_faces)
    for epoch in epochs:
        assert sorted(epoch) == list(range(num_faces))
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_the_rest_of_an_epoch_is_skipped():
    epochs = faces(np.arange(20), num_faces=7, batch_size=3).reshape(10, 6)
    for epoch in epochs:
        assert len(set(epoch)) == 6
    assert set(epochs.ravel()) == set(range(7))


def test_fewer_faces_than_a_batch_are_repeated():
    for batch in faces(np.arange(4), num_faces=3, batch_size=8):
        assert sorted(np.bincount(batch, minlength=3)) == [2, 3, 3]
    assert (faces([0, 5], num_faces=1, batch_size=4) == 0).all()


def test_a_step_depends_on_the_seed_and_its_number_alone():
    steps = np.arange(6)
    np.testing.assert_array_equal(faces(steps)[4:], faces(steps[4:]))
    assert (faces(steps) != faces(steps, seed=1)).any()


def test_keys_belong_to_places_and_not_to_devices():
    whole = keys(3, np.arange(8))
    np.testing.assert_array_equal(
        np.concatenate([keys(3, np.arange(4)), keys(3, np.arange(4, 8))]), whole
    )
    by_device = jax.pmap(
        lambda places: jax.random.key_data(keys_of_step(3, places, seed=0))
    )
    split = by_device(jnp.arange(8).reshape(4, 2))
    assert len(split.sharding.device_set) == 4
    np.testing.assert_array_equal(split.reshape(8, -1), whole)


def test_keys_differ_between_places_steps_and_seeds():
    everything = np.concatenate(
        [keys(step, np.arange(8), seed=seed) for step in range(3) for seed in (0, 1)]
    )
    assert len(np.unique(everything, axis=0)) == len(everything)


def test_the_time_of_a_step_does_not_grow_with_the_faces():
    started = time.process_time()
    for step in range(100):
        faces_of_step(step, seed=0, num_faces=10**9, batch_size=32)
    assert time.process_time() - started < 1  # 0.01 s; a permutation takes minutes


def test_an_empty_data_set_is_refused():
    with pytest.raises(ValueError, match="no faces"):
        faces_of_step(0, seed=0, num_faces=0, batch_size=4)
