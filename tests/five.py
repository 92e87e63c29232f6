"""A model of five landmarks, small enough for every test, and parameters that move them."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from rcsr_jax.config import ModelConfig
from rcsr_jax.markup import Markup
from rcsr_jax.model import init_params

# Eye corners, mouth corners and nose of a face that is its own mirror image.
FIVE = Markup(
    name="five", mirror=(1, 0, 3, 2, 4), eye_corners=(0, 1), eyes=((0,), (1,))
)
MEAN = np.float32([[9.5, 11.5], [21.5, 11.5], [11.5, 20.5], [19.5, 20.5], [15.5, 16.5]])
CONFIG = ModelConfig(
    markup=FIVE,
    crop_size=32,
    patch_size=16,
    filters=(4, 3, 1),
    hidden_size=5,
    num_steps=3,
    max_steps=3,
    tolerance=0.0,
)
PATCHES = dataclasses.replace(CONFIG, sampling="patches")
CONTEXT = dataclasses.replace(
    CONFIG, context_widths=(3, 4, 6), context_blocks=(0, 1), context_channels=2
)
SETTLING = dataclasses.replace(CONFIG, tolerance=0.93)
HIDDEN = 4 * 4 * 5


def random_params(config=CONFIG, *, seed=0):
    """Parameters under which every step moves the points by a pixel or so."""
    generator = np.random.default_rng(seed)
    start = functools.partial(init_params, config=config, mean_shape=MEAN)
    network = jax.eval_shape(start, jax.random.key(0))["network"]
    drawn = {
        name: jax.tree.map(
            lambda leaf: jnp.float32(generator.normal(0, 0.3, leaf.shape)),
            network[name],
        )
        for name in sorted(network, key=lambda name: (name == "doubt", name))
    }
    return {"network": drawn, "mean_shape": jnp.asarray(MEAN)}


def with_output(params, *, kernel, bias):
    """The same parameters with another dense layer."""
    old = params["network"]["output"]
    output = {
        "kernel": jnp.full_like(old["kernel"], kernel),
        "bias": jnp.broadcast_to(jnp.asarray(bias, jnp.float32), old["bias"].shape),
    }
    return {**params, "network": {**params["network"], "output": output}}


def assert_same(found, expected, *, atol=1e-4):
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, atol=atol), found, expected
    )
