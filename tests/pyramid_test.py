"""The pyramid against layers written out, and what it can see."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import random_variables

from rcsr_jax.convolutions import reference
from rcsr_jax.features.pyramid import Pyramid


def _layer(features, layer, *, stride=1):
    border = layer["kernel"].shape[0] // 2
    made = reference(features, layer["kernel"], stride=stride, border=border)
    return made + layer["bias"].reshape(1, 1, 1, -1)


def _block(features, block):
    change = _layer(jax.nn.relu(features), block["conv1"])
    return features + _layer(jax.nn.relu(change), block["conv2"])


def test_two_grids_written_out(generator):
    images = np.float32(generator.normal(size=(2, 22, 26, 1)))
    network = Pyramid((3, 4, 5), (1, 0), 6)
    params = random_variables(network, images, generator)
    p = params["params"]
    first = jax.nn.relu(_layer(images, p["first"], stride=2))
    fine = _block(_layer(first, p["down0"], stride=2), p["block0_0"])
    coarse = _layer(fine, p["down1"], stride=2)
    assert fine.shape == (2, 6, 7, 4)
    assert coarse.shape == (2, 3, 4, 5)
    lifted = np.asarray(_layer(jax.nn.relu(coarse), p["lift0"]))
    twice = lifted.repeat(2, axis=1).repeat(2, axis=2)[:, :6, :7]
    expected = _layer(jax.nn.relu(_block(fine + twice, p["up0"])), p["last"])
    found = jax.jit(network.apply)(params, images)
    assert found.shape == (2, 6, 7, 6)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_fresh_blocks_change_nothing(generator):
    images = np.float32(generator.normal(size=(1, 16, 16, 1)))
    deep, flat = Pyramid((3, 4, 5), (2, 1), 2), Pyramid((3, 4, 5), (0, 0), 2)
    params = deep.init(jax.random.key(0), images)
    of_both = {
        name: layer
        for name, layer in params["params"].items()
        if not name.startswith("block")
    }
    np.testing.assert_allclose(
        deep.apply(params, images), flat.apply({"params": of_both}, images), rtol=1e-6
    )


def test_features_move_with_the_picture_by_the_coarsest_cell(generator):
    network = Pyramid((3, 4, 5), (1, 1), 2)
    images = np.float32(generator.normal(size=(1, 200, 200, 1)))
    params = random_variables(network, images, generator)
    whole = network.apply(params, images)
    part = network.apply(params, images[:, 8:, 16:])
    # away from the edges, whose zeros are part of what is seen
    np.testing.assert_allclose(
        part[:, 20:-20, 18:-20], whole[:, 22:-20, 22:-20], rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("side", [13, 16, 30])
def test_sizes_are_rounded_up(side):
    images = jnp.zeros((1, side, side, 1))
    network = Pyramid((2, 2, 2), (0, 0), 3)
    made, _ = jax.eval_shape(network.init_with_output, jax.random.key(0), images)
    assert made.shape == (1, -(-side // 4), -(-side // 4), 3)
