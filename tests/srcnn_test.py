"""The SRCNN against equation 9 in NumPy, and its exchange with cutting patches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal
from tiny import random_variables

from rcsr_jax.features.srcnn import SRCNN
from rcsr_jax.patches import slice_patches


def _layer(planes, kernel, bias):
    """W * planes + B on [channels, height, width], in float64."""
    kernel, bias = np.float64(kernel), np.float64(bias)
    return np.stack(
        [
            bias[f]
            + sum(
                signal.correlate2d(plane, kernel[:, :, c, f], mode="valid")
                for c, plane in enumerate(planes)
            )
            for f in range(len(bias))
        ]
    )


@pytest.mark.parametrize("filters", [(4, 3, 1), (3, 2, 2), (5, 4, 5)])
def test_features_are_equation_9(generator, filters):
    images = np.float32(generator.normal(size=(2, 17, 15, 1)))
    network = SRCNN(filters)
    params = random_variables(network, images, generator)
    features = jax.jit(network.apply)(params, images)
    assert features.shape == (2, 5, 3, filters[-1])
    w = params["params"]
    for image, found in zip(images, features, strict=True):
        planes = np.moveaxis(np.float64(image), -1, 0)
        first = np.maximum(0, _layer(planes, w["w1"], w["b1"]))
        second = np.maximum(0, _layer(first, w["w2"], w["b2"]))
        third = _layer(second, w["w3"], w["b3"])
        np.testing.assert_allclose(np.moveaxis(found, -1, 0), third, atol=1e-4)


def test_parameters_are_those_of_the_paper():
    images = jnp.zeros((1, 13, 13, 1))
    params = jax.eval_shape(SRCNN().init, jax.random.key(0), images)["params"]
    assert {name: leaf.shape for name, leaf in params.items()} == {
        "w1": (9, 9, 1, 64),
        "b1": (64,),
        "w2": (1, 1, 64, 32),
        "b2": (32,),
        "w3": (5, 5, 32, 1),
        "b3": (1,),
    }


def test_features_of_a_patch_are_the_patch_of_the_features(generator):
    images = np.float32(generator.normal(size=(2, 30, 28, 1)))
    network = SRCNN((4, 3, 2))
    params = random_variables(network, images, generator)
    # patches of 16 lie on pixels where their middle is half way between two
    points = np.float32([[[7.5, 8.5], [19.5, 21.5]], [[12.5, 7.5], [10.5, 17.5]]])
    patches = slice_patches(images, points, size=16)
    of_patches = network.apply(params, patches.reshape(4, 16, 16, 1))
    planes = network.apply(params, images)
    cut = slice_patches(planes, points - 6, size=4)
    np.testing.assert_allclose(of_patches.reshape(cut.shape), cut, atol=1e-4)


def test_features_move_with_the_picture(generator):
    images = np.float32(generator.normal(size=(1, 24, 24, 1)))
    network = SRCNN((4, 3, 1))
    params = random_variables(network, images, generator)
    whole = network.apply(params, images)
    part = network.apply(params, images[:, 3:, 5:])
    np.testing.assert_allclose(part, whole[:, 3:, 5:], atol=1e-4)
