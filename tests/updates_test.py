"""One update: four devices equal one, and what learns, what follows and what stays."""

import jax
import numpy as np
import pytest
import tiny
from tiny import tiny_run

import rcsr_jax
from rcsr_jax import sharing, updates
from rcsr_jax.config import replace_fields
from rcsr_jax.data.batches import TrainingSet
from rcsr_jax.feed import feed
from rcsr_jax.optimiser import make_optimiser


@pytest.fixture(scope="module")
def faces():
    generator = np.random.default_rng(0)
    config = tiny_run()
    side = round(config.model.crop_size * config.data.cache_margin * 1.125)
    crops = generator.integers(0, 255, (20, side, side)).astype(np.uint8)
    points = generator.uniform(side / 4, 3 * side / 4, (20, 68, 2))
    return TrainingSet(crops, points.astype(np.float32))


MEAN_SHAPE = np.linspace(10, 22, 136, dtype=np.float32).reshape(68, 2)


def fresh_params(config):
    key = jax.random.key(0)
    return rcsr_jax.init_params(key, config=config.model, mean_shape=MEAN_SHAPE)


def run_updates(faces, *, num_devices: int, count: int = 3, first: int = 0, **changes):
    config = tiny_run(**changes)
    devices = jax.devices()[:num_devices]
    optimiser = make_optimiser(config.train, num_faces=20)
    params = fresh_params(config)
    state = updates.init_state(params, optimiser=optimiser)
    state = state.replace(step=np.int32(first))
    state = sharing.on_every_device(state, devices)
    batches = feed(faces, first, config=config, devices=devices)
    update = updates.parallel_update(
        config=config, optimiser=optimiser, devices=devices
    )
    for _ in range(count):
        state, logged = update(state, next(batches))
    return state, logged


def test_four_devices_do_what_one_does_and_agree(faces):
    one, logged_one = run_updates(faces, num_devices=1)
    four, logged_four = run_updates(faces, num_devices=4)
    for leaf in jax.tree.leaves(four):
        shards = [np.asarray(shard.data) for shard in leaf.addressable_shards]
        assert len(shards) == 4
        for shard in shards[1:]:  # a forgotten pmean would show here
            np.testing.assert_array_equal(shard, shards[0])
    np.testing.assert_allclose(logged_four["loss"], logged_one["loss"], rtol=1e-5)
    # Adam divides by the size of a gradient, so the rounding of a tiny one shows
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=5e-5),
        jax.device_get(four.params),
        jax.device_get(one.params),
    )


def test_the_mean_shape_is_not_trained(faces):
    state, _ = run_updates(faces, num_devices=1)
    np.testing.assert_array_equal(state.params["mean_shape"], MEAN_SHAPE)
    np.testing.assert_array_equal(state.average["mean_shape"], MEAN_SHAPE)


def test_an_uneven_batch_is_refused():
    config = tiny_run(batch_size=6)
    optimiser = make_optimiser(config.train, num_faces=20)
    with pytest.raises(ValueError, match="multiple of the 4 devices; got 6"):
        updates.parallel_update(
            config=config, optimiser=optimiser, devices=jax.devices()[:4]
        )


# a young average forgets faster: 1 / 10 at first
@pytest.mark.parametrize(("first", "decay"), [(0, 0.1), (1_000_000, 0.75)])
def test_the_average_follows_the_parameters(faces, first, decay):
    state, _ = run_updates(faces, num_devices=1, count=1, first=first, ema_decay=0.75)
    before = fresh_params(tiny_run())
    jax.tree.map(
        lambda old, new, average: np.testing.assert_allclose(
            average, decay * old + (1 - decay) * new, rtol=1e-5, atol=1e-7
        ),
        jax.device_get(before),
        jax.device_get(state.params),
        jax.device_get(state.average),
    )


def test_steps_computed_again_give_the_same_gradient(generator):
    config = tiny_run(cell="gru")
    shape = tiny.mean_shape()
    params = tiny.make_params(config.model)
    crops = generator.uniform(0, 255, (2, 32, 32)).astype(np.float32)
    points = np.stack([shape + 1, shape - 2])
    differentiate = jax.grad(updates.batch_loss, has_aux=True)
    gradient = jax.jit(differentiate, static_argnames="config")
    kept, again = (
        gradient(
            params, crops, points, config=replace_fields(config, {"remat": remat})
        )[0]
        for remat in (False, True)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), kept, again)
    largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(again["network"]))
    assert largest > 1e-4
