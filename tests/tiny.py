"""A tiny model for tests, its parameters by NumPy: compiling `init_params` takes long."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike

from rcsr_jax.config import ModelConfig, RunConfig, preset, replace_fields
from rcsr_jax.markup import FACE_68
from rcsr_jax.model import Params, init_params

CONFIG = ModelConfig(
    crop_size=32,
    patch_size=16,
    filters=(4, 3, 1),
    hidden_size=5,
    num_steps=2,
    max_steps=4,
    tolerance=0.8,
)


# A training run of seconds: settings that replace those of the demo preset.
RUN: dict[str, Any] = {
    "crop_size": 32,
    "patch_size": 16,
    "filters": (4, 3, 1),
    "hidden_size": 5,
    "num_steps": 2,
    "max_steps": 3,
    "drawn_faces": 20,
    "validation_faces": 4,
    "batch_size": 8,
}


def tiny_run(**changes: Any) -> RunConfig:
    """A run of six updates, two of which end with a checkpoint."""
    few = {"num_updates": 6, "eval_every": 3}
    return replace_fields(preset("demo"), {**RUN, **few, **changes})


def as_flags(settings: Mapping[str, Any]) -> list[str]:
    """Settings as a program takes them."""
    return [
        f"--{name}={','.join(map(str, value)) if isinstance(value, tuple) else value}"
        for name, value in settings.items()
    ]


def mean_shape(num_points: int = 68) -> np.ndarray:
    """Landmarks on two lines across a crop, with the eye corners of 68 points."""
    rising, falling = np.linspace(8, 22, num_points), np.linspace(24, 9, num_points)
    shape = np.stack([rising, falling], axis=-1).astype(np.float32)
    if num_points == FACE_68.num_points:
        shape[list(FACE_68.eye_corners)] = [[9, 12], [22, 12]]
    return shape


def make_params(config: ModelConfig = CONFIG, *, output: float = 0.3) -> Params:
    """Random parameters as a checkpoint holds them.

    Args:
        config: the model's settings.
        output: size of the dense layer's weights; 0: nothing ever moves, as before
            training.
    """
    shape = mean_shape(config.num_points)

    def start():
        return init_params(jax.random.key(0), config=config, mean_shape=shape)

    random = np.random.default_rng(0)
    network = jax.tree.map(
        lambda leaf: random.normal(0, 0.2, leaf.shape).astype(np.float32),
        jax.eval_shape(start)["network"],
    )
    kernel = network["output"]["kernel"]
    size = (output * random.standard_normal(kernel.shape)).astype(np.float32)
    network["output"] = {"kernel": size, "bias": np.zeros(kernel.shape[1], np.float32)}
    return {"network": network, "mean_shape": shape}


def random_variables(
    network: Any, images: ArrayLike, generator: np.random.Generator
) -> Any:
    """Random variables of a Flax network, as its `init` for these images has them."""
    shapes = jax.eval_shape(network.init, jax.random.key(0), images)
    return jax.tree.map(
        lambda leaf: generator.normal(0, 0.3, leaf.shape).astype(np.float32), shapes
    )
