"""One update: its loss, four devices equal one, what learns, follows and stays."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from five import CONTEXT, FIVE, MEAN, random_params
from tiny import tiny_run

import rcsr_jax
from rcsr_jax import sharing, updates
from rcsr_jax.config import RunConfig, TrainConfig, preset, replace_fields
from rcsr_jax.data.batches import TrainingSet
from rcsr_jax.feed import feed
from rcsr_jax.losses import doubt_loss, heatmap_loss, progressive_loss
from rcsr_jax.model import log_doubts, make_scene, make_step
from rcsr_jax.optimiser import make_optimiser

DEMO = tiny_run()
# Muon, a pyramid and its marks
FAST = replace_fields(
    preset("fast"),
    {
        **tiny.RUN,
        "patch_size": 21,
        "context_widths": (4, 6),
        "context_blocks": (1,),
        "num_updates": 6,
    },
)
LINED = dataclasses.replace(
    CONTEXT,
    markup=dataclasses.replace(FIVE, name="lined", outlines=((2, 4, 3),)),
    own_marks=True,
)


@pytest.fixture(scope="module")
def faces():
    generator = np.random.default_rng(0)
    side = round(DEMO.model.crop_size * DEMO.data.cache_margin * 1.125)
    crops = generator.integers(0, 255, (20, side, side)).astype(np.uint8)
    points = generator.uniform(side / 4, 3 * side / 4, (20, 68, 2))
    return TrainingSet(crops, points.astype(np.float32))


MEAN_SHAPE = np.linspace(10, 22, 136, dtype=np.float32).reshape(68, 2)


def fresh_params(config):
    key = jax.random.key(0)
    return rcsr_jax.init_params(key, config=config.model, mean_shape=MEAN_SHAPE)


def run_updates(faces, *, num_devices, config=DEMO, count=3, first=0):
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


@pytest.mark.parametrize(
    ("config", "count", "apart"),
    [(DEMO, 3, 5e-5), (FAST, 2, 3e-4)],  # a fifth of what fast's first updates change
    ids=["demo", "fast"],
)
def test_four_devices_do_what_one_does_and_agree(faces, config, count, apart):
    (one, logged_one), (four, logged_four) = (
        run_updates(faces, num_devices=number, config=config, count=count)
        for number in (1, 4)
    )
    for leaf in jax.tree.leaves(four):
        shards = [np.asarray(shard.data) for shard in leaf.addressable_shards]
        assert len(shards) == 4
        for shard in shards[1:]:  # a forgotten pmean would show here
            np.testing.assert_array_equal(shard, shards[0])
    np.testing.assert_allclose(logged_four["loss"], logged_one["loss"], rtol=1e-5)
    # Adam divides by the size of a gradient, so the rounding of a tiny one shows
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=apart),
        jax.device_get(four.params),
        jax.device_get(one.params),
    )
    # every part learns: decay alone takes less
    for new, old in zip(
        jax.tree.leaves(one.params["network"]),
        jax.tree.leaves(fresh_params(config)["network"]),
        strict=True,
    ):
        assert np.abs(new - old).max() > 1e-3


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
    config = tiny_run(ema_decay=0.75)
    state, _ = run_updates(faces, num_devices=1, config=config, count=1, first=first)
    before = fresh_params(config)
    jax.tree.map(
        lambda old, new, average: np.testing.assert_allclose(
            average, decay * old + (1 - decay) * new, rtol=1e-5, atol=1e-7
        ),
        jax.device_get(before),
        jax.device_get(state.params),
        jax.device_get(state.average),
    )


@pytest.mark.parametrize(
    ("heatmap_weight", "kind", "scheme", "across_weight"),
    [(0.05, "wing", "log_range", 2.0), (0.7, "l1", "progressive", 1.0)],
)
def test_a_loss_is_the_sum_of_its_parts(
    generator, crops, heatmap_weight, kind, scheme, across_weight
):
    params = random_params(LINED)
    truth = np.float32(MEAN + generator.normal(0, 2, (3, 5, 2)))
    truth[1, 3] = np.nan
    config = RunConfig(
        model=LINED,
        train=TrainConfig(
            heatmap_weight=heatmap_weight,
            loss=kind,
            step_weights=scheme,
            across_weight=across_weight,
        ),
    )
    total, loss = jax.jit(updates.batch_loss, static_argnames="config")(
        params, crops, truth, config=config
    )
    planes, shapes, doubts = jax.jit(seen_of)(params, crops)
    # the eyes of the mean shape are 12 px apart
    unit = {"markup": LINED.markup, "mean_eye_distance": jnp.float32(12)}
    options = {"kind": kind, "scheme": scheme, "across_weight": across_weight}
    progressive = progressive_loss(shapes, truth, **unit, **options).mean()
    doubt = doubt_loss(doubts, shapes, truth, **unit).mean()
    # a feature at every fourth pixel; the first of the two channels marks
    heatmap = heatmap_loss(planes[..., 0], truth, stride=4).mean()
    expected = progressive + 0.1 * doubt + heatmap_weight * heatmap
    np.testing.assert_allclose(loss, progressive, rtol=1e-5)
    np.testing.assert_allclose(total, expected, rtol=1e-5)


def seen_of(params, crops):
    """The planes of each landmark, and the shapes and logarithms of doubts of each step."""
    _, planes = make_scene(params, crops, config=LINED)
    step, estimate = make_step(params, crops, config=LINED)
    shapes, doubts = [], []
    for _ in range(LINED.num_steps):
        estimate = step(estimate)
        shapes.append(estimate.points)
        doubts.append(log_doubts(params, estimate.hidden, config=LINED))
    return planes, jnp.stack(shapes), jnp.stack(doubts)


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
