"""Landmarks of crops: after a number of steps, or after as many as each face needs."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax

from rcsr_jax.annotation import as_seen
from rcsr_jax.confidence import score_of
from rcsr_jax.config import ModelConfig, check_model_config
from rcsr_jax.metrics import error_unit, interocular_distance
from rcsr_jax.model import (
    Params,
    check_crops,
    check_model_params,
    log_doubts,
    make_step,
)
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
from rcsr_jax.refine import Estimate, Step, increment_size, settle, unroll


@functools.partial(jax.jit, static_argnames=("config", "num_steps", "flatten"))
def predict(
    params: Params,
    crops: Array,
    *,
    config: ModelConfig,
    num_steps: int | None = None,
    start: Estimate | None = None,
    flatten: bool | None = None,
) -> Prediction:
    """Landmarks after a fixed number of steps; under jit, vmap and reverse-mode grad alike.

    Forward mode passes none of it alone, but through a gradient: `jax.hessian`.

    Args:
        params: from `init_params` or a checkpoint (`predictor.params`). The mean shape
            among them is measured: it gets no gradient.
        crops: uint8 or float [batch, crop_size, crop_size], grey, with a white of 1, 255
            or more: each crop is normalised. One crop without the batch axis is taken as
            well, and so are crops with a channel axis of one, [batch, size, size, 1].
        config: the settings the parameters were made with.
        num_steps: how many; by default as many as in training.
        start: what is known already, such as the answer for the last frame of a video:
            points in pixels of these crops and the memory behind them. By default the
            mean shape and an empty memory. What is known of a face is not known of its
            mirror image, so there is no mean with it then.
        flatten: write the loop out, see `refine.unroll`; by default on a CPU.

    Returns:
        A `Prediction`; without its batch axis where `crops` had none.

    Raises:
        ValueError: the crops are not of the config's size, the parameters are not those
            of the config, `start` is not one of this model and these crops, or there is
            no such number of steps.
    """
    answer = functools.partial(_after, num_steps=num_steps, flatten=flatten)
    return _for_any(answer, params, crops, config=config, start=start)


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
    """
    return _for_any(_at_rest, params, crops, config=config, start=start)


def _for_any(
    answer: Callable[..., Prediction],
    params: Params,
    crops: Array,
    *,
    config: ModelConfig,
    start: Estimate | None,
) -> Prediction:
    """What `answer` says of a batch: of one crop and of none, and with mirror images."""
    _check_arguments(params, crops, config)
    if crops.ndim == 2 or crops.shape == (config.crop_size, config.crop_size, 1):
        start = jax.tree.map(lambda leaf: leaf[None], start)
        return first_face(
            _for_any(answer, params, crops[None], config=config, start=start)
        )
    check_crops(crops, config=config)
    if crops.shape[0] == 0:
        blank = jnp.zeros((1, *crops.shape[1:]))
        return of_no_face(answer(params, blank, config=config, start=None))
    if config.mirror_average and start is None:
        both = with_mirror_images(crops)
        found = answer(params, both, config=without_mirror(config), start=None)
        return mean_with_mirror(found, config=config)
    return answer(params, crops, config=config, start=start)


def _after(
    params: Params,
    crops: Array,
    *,
    config: ModelConfig,
    start: Estimate | None,
    num_steps: int | None,
    flatten: bool | None,
) -> Prediction:
    """The answer after a fixed number of steps."""
    num_steps = config.num_steps if num_steps is None else num_steps
    check_num_steps(num_steps)
    # how a model was trained does not make its own gradient another one
    exact = dataclasses.replace(config, position_gradient=True)
    step, first = _begin(params, crops, config=exact, start=start)
    trajectory, hidden = unroll(
        step, first, num_steps=num_steps, flatten=flatten, keep=tuple
    )
    before = trajectory[-2] if num_steps > 1 else first.points
    increment = _increment_size(config)(trajectory[-1], before)
    return _answer(
        params,
        Estimate(trajectory[-1], hidden[-1]),
        trajectory=trajectory,
        num_steps=jnp.full(crops.shape[:1], num_steps, jnp.int32),
        settled=increment < config.tolerance,
        config=config,
    )


def _at_rest(
    params: Params, crops: Array, *, config: ModelConfig, start: Estimate | None
) -> Prediction:
    """The answer where each face has settled."""
    step, first = _begin(params, crops, config=config, start=start)
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


def _begin(
    params: Params, crops: Array, *, config: ModelConfig, start: Estimate | None
) -> tuple[Step, Estimate]:
    """The step, and what the first one begins with."""
    step, first = make_step(params, crops, config=config)
    if start is None:
        return step, first
    start = _checked_start(start, first)
    seen = as_seen(start.points, shift=config.annotation_shift, markup=config.markup)
    return step, start._replace(points=seen)


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
    mean_shape = params["mean_shape"].astype(jnp.float32)
    points, mean_shape = lax.stop_gradient((estimate.points, mean_shape))
    distance, usual = (
        interocular_distance(shape, markup=config.markup)
        for shape in (points, mean_shape)
    )
    unit = error_unit(distance, mean_eye_distance=usual)  # as they were learned
    score = score_of(doubts.mean(-1) * (unit / distance), spread=config.error_spread)
    return doubts * unit[:, None], score


def _increment_size(config: ModelConfig) -> Callable[[Array, Array], Array]:
    return functools.partial(
        increment_size, markup=config.markup, norm=config.increment_norm
    )


def _check_arguments(params: Params, crops: Array, config: ModelConfig) -> None:
    check_model_config(config)
    check_model_params(params)
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
