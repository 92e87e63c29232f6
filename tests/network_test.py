"""The network of one step: where it looks and what moves the points."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from five import (
    CONFIG,
    CONTEXT,
    MEAN,
    PATCHES,
    assert_same,
    random_params,
)

from rcsr_jax.answers import predict, predict_adaptive
from rcsr_jax.features.pyramid import STRIDE
from rcsr_jax.model import first_estimate, make_step, normalise
from rcsr_jax.network import RCSR
from rcsr_jax.refine import Estimate

MARKS = dataclasses.replace(CONTEXT, own_marks=True)


def test_planes_are_patches_at_whole_pixels(params, crops):
    images = normalise(crops)
    # even patches lie on pixels where their middle is half way between two
    points = np.random.default_rng(1).integers(7, 24, (3, 5, 2)) + np.float32(0.5)

    def look(config):
        network, variables = RCSR(config), {"params": params["network"]}
        scene = network.apply(variables, images, method="scene")
        return network.apply(variables, scene, points, method="look")

    assert look(PATCHES).shape == (3, 5, 4, 4, 1)
    np.testing.assert_allclose(look(CONFIG), look(PATCHES), atol=1e-4)
    first = [predict(params, crops, config=c, num_steps=1) for c in (CONFIG, PATCHES)]
    assert np.abs(first[0].points - MEAN[None]).max() > 0.5
    np.testing.assert_allclose(first[0].points, first[1].points, atol=1e-3)


def test_each_landmark_looks_at_its_own_channels_of_the_pyramid(crops):
    params = random_params(CONTEXT)
    network, variables = RCSR(CONTEXT), {"params": params["network"]}
    fine, own = network.apply(variables, normalise(crops), method="scene")
    assert fine.shape == (3, 20, 20, 1)
    assert own.shape == (3, 5, 8, 8, 2)
    # a map of 4 has its middle between two features: x = 10 is 2.5 cells of 4 pixels
    points = jnp.broadcast_to(jnp.float32([[10, 14]]), (3, 5, 2))
    maps = network.apply(variables, (fine, own), points, method="look")
    assert maps.shape == (3, 5, 4, 4, 3)
    for landmark in range(5):
        expected = own[:, landmark, 2:6, 1:5]
        np.testing.assert_allclose(maps[:, landmark, ..., 1:], expected, atol=1e-5)


def test_a_pyramid_sees_beyond_the_patch(crops):
    params = random_params(CONTEXT)
    network, variables = RCSR(CONTEXT), {"params": params["network"]}
    images = normalise(crops)
    points = jnp.broadcast_to(jnp.float32([[8, 8]]), (3, 5, 2))

    def look(images):
        scene = network.apply(variables, images, method="scene")
        return network.apply(variables, scene, points, method="look")

    changed = look(images.at[:, 28:].add(1.0)) - look(images)
    changed = np.abs(changed).max((0, 1, 2, 3))
    assert changed[0] == 0
    assert changed[1:].min() > 0


def test_look_cuts_the_maps_of_each_landmark(crops):
    config = dataclasses.replace(PATCHES, filters=(4, 3, 2))
    params = random_params(config)
    points = jnp.asarray(np.stack([MEAN] * 3))
    network, variables = RCSR(config), {"params": params["network"]}
    images = normalise(crops)
    maps = network.apply(variables, (images,), points, method="look")
    assert maps.shape == (3, 5, 4, 4, 2)
    # landmark 2 is at (11.5, 20.5): its patch is columns 4..19 and rows 13..28
    alone = network.apply(variables, images[:, 13:29, 4:20], method=features_of)
    np.testing.assert_allclose(maps[:, 2], alone, atol=1e-4)


def features_of(network, images):
    return network.features(images)


def test_a_stopped_position_gradient_stops_nothing_else(params, crops):
    points = jnp.asarray(np.stack([MEAN + np.float32(0.2)] * 3))
    scene = normalise(crops)
    weights = np.float32(np.random.default_rng(3).normal(size=(3, 5, 4, 4, 1)))
    results = {}
    for through in (True, False):
        network = RCSR(dataclasses.replace(PATCHES, position_gradient=through))

        def total(params, scene, points, network=network):
            variables = {"params": params["network"]}
            maps = network.apply(variables, (scene,), points, method="look")
            return (maps * weights).sum()

        results[through] = jax.jit(jax.value_and_grad(total, (0, 1, 2)))(
            params, scene, points
        )
    value, (by_params, by_scene, by_points) = results[True]
    stopped, (same_params, same_scene, no_points) = results[False]
    assert stopped == value
    assert_same(same_params, by_params)
    assert_same(same_scene, by_scene)
    assert np.abs(by_points).min() > 0
    np.testing.assert_array_equal(no_points, np.zeros((3, 5, 2)))


def test_gru_memory_is_flat(crops):
    config = dataclasses.replace(CONFIG, cell="gru", increment="step")
    params = random_params(config)
    assert first_estimate(jnp.asarray(MEAN), batch=3, config=config).hidden.shape == (
        3,
        5,
    )
    assert params["network"]["cell"]["gates"]["kernel"].shape == (5 + 4 * 4 * 5, 10)
    found = predict(params, crops, config=config)
    assert np.isfinite(found.points).all()
    adaptive = predict_adaptive(params, crops, config=config)
    assert_same(adaptive, found, atol=1e-3)


def test_a_step_goes_towards_its_marks_as_far_as_it_trusts_them(crops):
    plain, params = random_params(CONTEXT), random_params(MARKS)
    network = {**plain["network"], "trust": params["network"]["trust"]}
    images = normalise(crops)
    start = Estimate(
        jnp.asarray(np.stack([MEAN] * 3)), jnp.zeros((3, 4, 4, CONFIG.hidden_size))
    )

    def step(config):
        net, variables = RCSR(config), {"params": network}
        scene = net.apply(variables, images, method="scene")
        maps = net.apply(variables, scene, start.points, method="look")
        stepped = net.apply(variables, scene, start.points, start, method="step")
        return np.asarray(maps, np.float64), stepped

    maps, guess = step(CONTEXT)
    _, pulled = step(MARKS)
    np.testing.assert_array_equal(pulled.hidden, guess.hidden)
    # the first of the pyramid's two channels, behind the fine one
    scores = maps[..., 1]
    cells = np.arange(4) - 1.5
    far = np.add.outer(cells**2, cells**2)
    weights = np.exp(scores - far / (2 * 1.5**2))
    weights /= weights.sum((-1, -2), keepdims=True)
    mark = np.stack(
        [(weights * cells).sum((-1, -2)), (weights * cells[:, None]).sum((-1, -2))], -1
    )
    share = shares(network, guess.hidden)[..., None]
    marked = np.asarray(start.points) + STRIDE * mark
    expected = (1 - share) * np.asarray(guess.points) + share * marked
    np.testing.assert_allclose(pulled.points, expected, atol=1e-4)
    assert np.abs(pulled.points - guess.points).max() > 0.1


def shares(network, hidden):
    """How far each landmark goes towards its mark: [batch, 5]."""
    layer = jax.tree.map(np.asarray, network["trust"])
    flat = np.asarray(hidden).reshape(len(hidden), -1)
    return 1 / (1 + np.exp(-(flat @ layer["kernel"] + layer["bias"])))


@pytest.mark.parametrize("increment", ["whole", "step"])
def test_without_a_position_gradient_a_mark_moves_along_with_its_window(
    crops, increment
):
    config = dataclasses.replace(MARKS, increment=increment, position_gradient=False)
    params = random_params(config)

    def stepped(points):
        step, start = make_step(params, crops[:1], config=config)
        return step(start._replace(points=points))

    points = jnp.asarray(MEAN + np.float32(0.2))[None]
    jacobian = jax.jit(jax.jacrev(lambda points: stepped(points).points))(points)
    share = shares(params["network"], stepped(points).hidden)[0]
    kept = {"whole": share, "step": np.ones(5)}[increment]
    # x and y of each landmark, by those of each landmark before
    np.testing.assert_allclose(
        np.reshape(jacobian, (10, 10)), np.diag(np.repeat(kept, 2)), atol=1e-6
    )
