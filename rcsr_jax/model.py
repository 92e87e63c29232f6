"""Recurrent Convolutional Shape Regression: look, remember, move.

From the mean shape in a face crop, each step looks at the features around the landmarks,
takes them into the memory, and moves the shape by what a dense layer reads off the memory.
The parameters are a plain pytree {"network": ..., "mean_shape": [num_points, 2]}; the mean
shape is measured, not learned.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, cast

import flax
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from rcsr_jax.annotation import as_seen
from rcsr_jax.confidence import score_of
from rcsr_jax.config import ModelConfig, check_model_config
from rcsr_jax.metrics import interocular_distance
from rcsr_jax.network import RCSR, Scene, is_exact
from rcsr_jax.prediction import (
    Prediction,
    annotated,
    check_num_steps,
    first_face,
    mean_with_mirror,
    of_no_face,
    with_mirror_images,
    without_mirror,
)
from rcsr_jax.refine import Estimate, increment_size, settle, unroll

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
        ValueError: the crops are of another size.
    """
    check_model_config(config)
    _check_crops(crops, config)
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


@functools.partial(jax.jit, static_argnames=("config", "num_steps", "flatten"))
def predict(
    params: Params,
    crops: Array,
    *,
    config: ModelConfig,
    num_steps: int | None = None,
    flatten: bool | None = None,
) -> Prediction:
    """Landmarks after a fixed number of steps; under jit, vmap and reverse-mode grad alike.

    Forward mode passes none of it alone, but through a gradient: `jax.hessian`.

    Args:
        params: from `init_params` or a checkpoint (`predictor.params`).
        crops: uint8 or float [batch, crop_size, crop_size], grey, with a white of 1, 255
            or more: each crop is normalised. One crop without the batch axis is taken as
            well, and so are crops with a channel axis of one, [batch, size, size, 1].
        config: the settings the parameters were made with.
        num_steps: how many; by default as many as in training.
        flatten: write the loop out, see `refine.unroll`; by default on a CPU.

    Returns:
        A `Prediction`; without its batch axis where `crops` had none.

    Raises:
        ValueError: the crops are not of the config's size, the parameters are not those
            of the config, or there is no such number of steps.
    """
    _check_arguments(params, crops, config)
    if crops.ndim == 2:
        batched = predict(
            params, crops[None], config=config, num_steps=num_steps, flatten=flatten
        )
        return first_face(batched)
    num_steps = config.num_steps if num_steps is None else num_steps
    check_num_steps(num_steps)
    _check_crops(crops, config)
    if crops.shape[0] == 0:
        blank = jnp.zeros((1, *crops.shape[1:]))
        return of_no_face(predict(params, blank, config=config, num_steps=num_steps))
    if config.mirror_average:
        both = predict(
            params,
            with_mirror_images(crops),
            config=without_mirror(config),
            num_steps=num_steps,
            flatten=flatten,
        )
        return mean_with_mirror(both, config=config)
    # how a model was trained does not make its own gradient another one
    exact = dataclasses.replace(config, position_gradient=True)
    step, start = make_step(params, crops, config=exact)
    trajectory, hidden = unroll(
        step, start, num_steps=num_steps, flatten=flatten, keep=tuple
    )
    before = trajectory[-2] if num_steps > 1 else start.points
    increment = _increment_size(config)(trajectory[-1], before)
    return _answer(
        params,
        Estimate(trajectory[-1], hidden[-1]),
        trajectory=trajectory,
        num_steps=jnp.full(crops.shape[:1], num_steps, jnp.int32),
        settled=increment < config.tolerance,
        config=config,
    )


@functools.partial(jax.jit, static_argnames="config")
def predict_adaptive(
    params: Params,
    crops: Array,
    *,
    config: ModelConfig,
    start: Estimate | None = None,
) -> Prediction:
    """Landmarks after as many steps as each face needs (the stopping rule of 4.3).

    A while loop: there is no reverse-mode gradient through it, take `predict` for that.
    Arguments, returns and errors are those of `predict`.

    Args:
        start: what is known already, such as the answer for the last frame of a video:
            points in pixels of these crops and the memory behind them. By default the
            mean shape and an empty memory. What is known of a face is not known of its
            mirror image, so there is no mean with it then.

    Raises:
        ValueError: as there, or `start` is not one of this model and these crops.
    """
    _check_arguments(params, crops, config)
    if crops.ndim == 2:
        if start is not None:
            start = jax.tree.map(lambda leaf: leaf[None], start)
        batched = predict_adaptive(params, crops[None], config=config, start=start)
        return first_face(batched)
    _check_crops(crops, config)
    if crops.shape[0] == 0:
        blank = jnp.zeros((1, *crops.shape[1:]))
        return of_no_face(predict_adaptive(params, blank, config=config))
    if config.mirror_average and start is None:
        both = predict_adaptive(
            params, with_mirror_images(crops), config=without_mirror(config)
        )
        return mean_with_mirror(both, config=config)
    step, first = make_step(params, crops, config=config)
    if start is not None:
        start = _checked_start(start, first)
        seen = as_seen(
            start.points, shift=config.annotation_shift, markup=config.markup
        )
        first = start._replace(points=seen)
    end = settle(
        step,
        first,
        max_steps=config.max_steps,
        tolerance=config.tolerance,
        moved=_increment_size(config),
    )
    return _answer(
        params,
        Estimate(end.points, end.hidden),
        trajectory=end.trajectory,
        num_steps=end.num_steps,
        settled=end.settled,
        config=config,
    )


def log_doubts(params: Params, hidden: Array, *, config: ModelConfig) -> Array:
    """Logarithms of the errors to expect with this memory, in eye distances.

    Args:
        params: from `init_params` or a checkpoint.
        hidden: float [batch, ...], the memory after a step.
        config: the settings the parameters were made with.

    Returns:
        float32 [batch, num_points], as they were learned: not calibrated.
    """
    variables = _variables(params, config)
    return cast(Array, _apply(config, variables, hidden, method="doubts"))


def _answer(
    params: Params,
    last: Estimate,
    *,
    trajectory: Array,
    num_steps: Array,
    settled: Array,
    config: ModelConfig,
) -> Prediction:
    """What is said of the steps of a loop: shapes as people annotate, and how sure."""
    expected_error, score = _confidence(params, last, config=config)
    return Prediction(
        points=annotated(last.points, config=config),
        num_steps=num_steps,
        settled=settled,
        trajectory=annotated(trajectory, config=config),
        expected_error=expected_error,
        score=score,
        hidden=last.hidden,
    )


def _confidence(
    params: Params, estimate: Estimate, *, config: ModelConfig
) -> tuple[Array, Array]:
    """The calibrated expected errors, [batch, num_points] in crop px, and the scores."""
    logs = log_doubts(params, estimate.hidden, config=config)
    doubts = config.error_scale * jnp.exp(logs)
    distance = interocular_distance(estimate.points, markup=config.markup)
    score = score_of(doubts.mean(-1), spread=config.error_spread)
    return doubts * distance[:, None], score


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
            name: part if is_exact(name) else _cast(part, config.compute_dtype)
            for name, part in params["network"].items()
        }
    }


def _cast(tree: Any, dtype: str) -> Any:
    return jax.tree.map(lambda leaf: leaf.astype(dtype), tree)


def _increment_size(config: ModelConfig) -> Callable[[Array, Array], Array]:
    return functools.partial(
        increment_size, markup=config.markup, norm=config.increment_norm
    )


def _check_arguments(params: Params, crops: Array, config: ModelConfig) -> None:
    check_model_config(config)
    if not isinstance(params, Mapping) or not {"network", "mean_shape"} <= set(params):
        raise ValueError(
            "params must hold 'network' and 'mean_shape', as those of a predictor, "
            f"load_params or init_params do; got {type(params).__name__}."
        )
    if not hasattr(crops, "ndim"):
        raise ValueError(f"crops must be one array; got {type(crops).__name__}.")


def _checked_start(start: Estimate, first: Estimate) -> Estimate:
    """A start in the numbers that the steps compute in."""
    if not isinstance(start, Estimate):
        raise ValueError(
            f"start must be an Estimate of points and memory; got {type(start).__name__}."
        )
    for name, given, wanted in zip(Estimate._fields, start, first, strict=True):
        if jnp.shape(given) != wanted.shape:
            raise ValueError(
                f"the {name} of start must be {wanted.shape} for these crops and this "
                f"model; got {jnp.shape(given)}."
            )
    return jax.tree.map(lambda given, own: jnp.asarray(given, own.dtype), start, first)


def _check_crops(crops: Array, config: ModelConfig) -> None:
    shape = (
        crops.shape[:-1] if crops.ndim == 4 and crops.shape[-1] == 1 else crops.shape
    )
    if len(shape) != 3 or shape[1:] != (config.crop_size, config.crop_size):
        raise ValueError(
            f"crops must be grey, [batch, {config.crop_size}, {config.crop_size}]; got "
            f"{crops.shape}."
        )
