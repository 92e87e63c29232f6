"""Recurrent Convolutional Shape Regression: look, remember, move.

From the mean shape in a face crop, each step looks at the features around the landmarks,
takes them into the memory, and moves the shape by what a dense layer reads off the memory.
The parameters are a plain pytree {"network": ..., "mean_shape": [num_points, 2]}; the mean
shape is measured, not learned.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, cast

import flax
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from rcsr_jax.config import ModelConfig, check_model_config
from rcsr_jax.network import RCSR, Scene, is_exact
from rcsr_jax.refine import Estimate

Params = dict[str, Any]


def init_params(key: Array, *, config: ModelConfig, mean_shape: ArrayLike) -> Params:
    """Fresh parameters.

    Args:
        key: PRNG key.
        config: the model's settings.
        mean_shape: float [num_points, 2], crop px.

    Raises:
        ValueError: the mean shape does not have the markup's number of landmarks, or
            config is no `ModelConfig`.
    """
    check_model_config(config)
    mean_shape = jnp.asarray(mean_shape, jnp.float32)
    if mean_shape.shape != (config.num_points, 2):
        raise ValueError(
            f"mean_shape must be {(config.num_points, 2)}; got {mean_shape.shape}."
        )
    return {"network": _fresh_network(key, config=config), "mean_shape": mean_shape}


@functools.partial(jax.jit, static_argnames="config")
def _fresh_network(key: Array, *, config: ModelConfig) -> Any:
    # one program: Flax alone compiles every operation of a forward pass by itself
    crops = jnp.zeros((1, config.crop_size, config.crop_size, 1), jnp.float32)
    start = first_estimate(jnp.zeros((config.num_points, 2)), batch=1, config=config)
    return RCSR(config).init(key, crops, start)["params"]


def params_like(config: ModelConfig) -> Params:
    """The structure, shapes and types of a model's parameters, without values.

    Args:
        config: of the model.
    """
    shape = jnp.zeros((config.num_points, 2))
    return jax.eval_shape(
        lambda: init_params(jax.random.key(0), config=config, mean_shape=shape)
    )


def first_estimate(mean_shape: Array, *, batch: int, config: ModelConfig) -> Estimate:
    """The mean shape and an empty memory for each face of a batch."""
    if config.cell == "conv_gru":
        memory: tuple[int, ...] = (config.map_size, config.map_size, config.hidden_size)
    else:
        memory = (config.hidden_size,)
    shape = mean_shape.astype(jnp.float32)  # of parameters of any precision
    points = jnp.broadcast_to(shape, (batch, *shape.shape))
    return Estimate(points, jnp.zeros((batch, *memory), config.compute_dtype))


def normalise(crops: Array) -> Array:
    """Crops of zero mean and unit deviation each; less where one varies by some 0.001.

    Args:
        crops: uint8 or float [batch, height, width] or [batch, height, width, 1].

    Returns:
        float32 [batch, height, width, 1].
    """
    crops = jnp.asarray(crops, jnp.float32)
    crops = crops.reshape(*crops.shape[:3], 1)
    centred = crops - crops.mean((1, 2, 3), keepdims=True)
    # the floor of the deviation: a flat crop stays zero
    variance = jnp.square(centred).mean((1, 2, 3), keepdims=True)
    return centred * lax.rsqrt(variance + 1e-6)


def make_scene(params: Params, crops: Array, *, config: ModelConfig) -> Scene:
    """What every step over a batch of crops samples.

    Args:
        params: from `init_params` or a checkpoint.
        crops: uint8 or float [batch, crop_size, crop_size], grey.
        config: the settings the parameters were made with.

    Raises:
        ValueError: the crops are of another size, or the parameters are not those of a
            network of the config.
    """
    check_model_config(config)
    check_crops(crops, config=config)
    images = normalise(crops).astype(config.compute_dtype)
    return cast(
        Scene, _apply(config, _variables(params, config), images, method="scene")
    )


def make_step(
    params: Params, crops: Array, *, config: ModelConfig, scene: Scene | None = None
) -> tuple[Callable[[Estimate], Estimate], Estimate]:
    """One refinement step over a batch of crops, and the estimate it starts from.

    Args:
        params: from `init_params` or a checkpoint.
        crops: uint8 or float [batch, crop_size, crop_size], grey.
        config: the settings the parameters were made with.
        scene: from `make_scene`, where the caller has it already.

    Raises:
        ValueError: the parameters are not those of the config, or the crops are of
            another size.
    """
    check_model_config(config)
    variables = _variables(params, config)
    if params["mean_shape"].shape != (config.num_points, 2):
        raise ValueError(
            f"these parameters are of {len(params['mean_shape'])} landmarks, the config of "
            f"{config.num_points}."
        )
    if scene is None:
        scene = make_scene(params, crops, config=config)
    first = first_estimate(
        lax.stop_gradient(params["mean_shape"]), batch=crops.shape[0], config=config
    )

    def step(estimate: Estimate) -> Estimate:
        arguments = scene, first.points, estimate
        return cast(Estimate, _apply(config, variables, *arguments, method="step"))

    return step, first


def check_model_params(params: Params) -> None:
    """Checks that parameters are those of a whole model.

    Raises:
        ValueError: they are of something else.
    """
    if not isinstance(params, Mapping) or not {"network", "mean_shape"} <= set(params):
        raise ValueError(
            "params must hold 'network' and 'mean_shape', as those of a predictor, "
            f"load_params or init_params do; got {type(params).__name__}."
        )


def log_doubts(params: Params, hidden: Array, *, config: ModelConfig) -> Array:
    """Logarithms of the errors to expect with this memory, in eye distances.

    Args:
        params: from `init_params` or a checkpoint.
        hidden: float [batch, ...], the memory after a step.
        config: the settings the parameters were made with.

    Returns:
        float32 [batch, num_points], as they were learned: not calibrated.

    Raises:
        ValueError: the parameters are not those of a network of the config.
    """
    variables = _variables(params, config)
    return cast(Array, _apply(config, variables, hidden, method="doubts"))


def _apply(config: ModelConfig, variables: Any, *arguments: Any, method: str) -> Any:
    try:
        return RCSR(config).apply(variables, *arguments, method=method)
    except flax.errors.FlaxError as error:
        raise ValueError(
            f"the parameters are not those of a network of this config: {error}"
        ) from error


def _variables(params: Params, config: ModelConfig) -> dict[str, Any]:
    """Parameters as flax takes them, in the numbers that the model computes in."""
    return {
        "params": {
            name: _cast(part, "float32" if is_exact(name) else config.compute_dtype)
            for name, part in params["network"].items()
        }
    }


def _cast(tree: Any, dtype: str) -> Any:
    return jax.tree.map(lambda leaf: leaf.astype(dtype), tree)


def check_crops(crops: Array, *, config: ModelConfig) -> None:
    """Checks a batch of crops.

    Args:
        crops: as `make_scene` takes them.
        config: the model's settings.

    Raises:
        ValueError: they are of another size.
    """
    shape = (
        crops.shape[:-1] if crops.ndim == 4 and crops.shape[-1] == 1 else crops.shape
    )
    if len(shape) != 3 or shape[1:] != (config.crop_size, config.crop_size):
        raise ValueError(
            f"crops must be grey, [batch, {config.crop_size}, {config.crop_size}]; got "
            f"{crops.shape}."
        )
