"""Recurrent Convolutional Shape Regression: look, remember, move.

From the mean shape in a face crop, each step looks at the features around the landmarks,
takes them into the memory, and moves the shape by what a dense layer reads off the memory.
The parameters are a plain pytree {"network": ..., "mean_shape": [num_points, 2]}; the mean
shape is measured, not learned.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from rcsr_jax.config import ModelConfig
from rcsr_jax.features.fauc import FAUC
from rcsr_jax.features.hog import hog
from rcsr_jax.features.lenet import LeNet
from rcsr_jax.features.srcnn import SRCNN
from rcsr_jax.patch_nets import HOG_CELL, patch_layers
from rcsr_jax.patches import slice_patches
from rcsr_jax.recurrent import ConvGRUCell, GRUCell
from rcsr_jax.refine import Estimate, increment_size, settle, unroll

Params = dict[str, Any]

DENSE_UNITS = 256  # of the dense layers below the last one; the paper does not tell


class Prediction(NamedTuple):
    """The landmarks of a batch of crops.

    Attributes:
        points: float [batch, num_points, 2], (x, y) in crop pixels.
        num_steps: int32 [batch], steps taken.
        settled: bool [batch], whether the last increment was below the tolerance.
        trajectory: float [steps, batch, num_points, 2], the shape after each step.
    """

    points: Array
    num_steps: Array
    settled: Array
    trajectory: Array


class RCSR(nn.Module):
    """The network of one step.

    Attributes:
        config: the model's settings.
    """

    config: ModelConfig

    def setup(self):
        config = self.config
        self.features, *coarse = _make_nets(config)
        if coarse:
            self.coarse_features = coarse[0]
        cell = ConvGRUCell if config.cell == "conv_gru" else GRUCell
        self.cell = cell(config.hidden_size)
        self.dense = [nn.Dense(DENSE_UNITS) for _ in range(config.dense_layers - 1)]
        self.output = nn.Dense(
            config.num_points * 2, kernel_init=nn.initializers.zeros, name="output"
        )

    def scene(self, crops: Array) -> tuple[Array, ...]:
        """What every step samples: the feature planes of each crop, or the crop itself."""
        if self.config.sampling == "patches":
            return (crops,)
        return tuple(
            features(crops, padded=grid.padded)
            for features, grid in zip(self._nets(), self.config.planes, strict=True)
        )

    def look(self, scene: tuple[Array, ...], points: Array) -> Array:
        """The feature maps around the landmarks, stacked: [batch, map, map, points * c]."""
        config = self.config
        if not config.position_gradient:
            points = lax.stop_gradient(points)
        cut = self._of_planes if config.sampling == "planes" else self._of_patches
        maps = jnp.concatenate(cut(scene, points), axis=-1)
        maps = jnp.moveaxis(maps, 1, 3)  # landmarks beside their channels
        return maps.reshape(*maps.shape[:3], -1)

    def _nets(self) -> list[Callable]:
        coarse = [self.coarse_features] if self.config.coarse_filters else []
        return [self.features, *coarse]

    def _of_planes(self, scene: tuple[Array, ...], points: Array) -> list[Array]:
        size = self.config.map_size
        return [
            slice_patches(plane, (points - grid.first_pixel) / grid.pixel, size=size)
            for plane, grid in zip(scene, self.config.planes, strict=True)
        ]

    def _of_patches(self, scene: tuple[Array, ...], points: Array) -> list[Array]:
        maps = []
        for features, size in zip(self._nets(), self.config.patch_sizes, strict=True):
            patches = slice_patches(scene[0], points, size=size)
            found = features(patches.reshape(-1, *patches.shape[2:]))
            maps.append(found.reshape(*patches.shape[:2], *found.shape[1:]))
        return maps

    def move(self, hidden: Array) -> Array:
        """The shape increment that the memory stands for: [batch, num_points, 2]."""
        flat = hidden.reshape(len(hidden), -1).astype(jnp.float32)
        for dense in self.dense:
            flat = nn.relu(dense(flat))
        # The layer starts at zero; every one of its thousands of inputs then pulls the
        # same way, and this scale keeps Adam's first update to about a pixel.
        increment = self.output(flat) * (1e4 / max(flat.shape[-1], 1e4))
        return increment.reshape(len(hidden), -1, 2)

    def step(
        self, scene: tuple[Array, ...], first: Array, estimate: Estimate
    ) -> Estimate:
        """One recurrence: look, remember, move."""
        hidden = self.cell(estimate.hidden, self.look(scene, estimate.points))
        whole = self.config.increment == "whole"
        origin = first if whole else estimate.points
        return Estimate(origin + self.move(hidden), hidden)

    def __call__(self, crops: Array, estimate: Estimate) -> Estimate:
        """A first step from crops: what creates the parameters."""
        return self.step(self.scene(crops), estimate.points, estimate)


def _make_nets(config: ModelConfig) -> list[Callable]:
    """What makes feature maps of images or patches: the fine net and any coarse one."""
    if config.features == "srcnn":
        return [
            SRCNN(plane.filters, plane.extra_layers, plane.pooling, plane.stride)
            for plane in config.planes
        ]
    if config.features == "hog":
        return [lambda patches: hog(patches[..., 0], cell_size=HOG_CELL)]
    net = {"lenet": LeNet, "fauc": FAUC}[config.features]
    return [net(patch_layers(config.features, config.patch_filters))]


def init_params(key: Array, *, config: ModelConfig, mean_shape: ArrayLike) -> Params:
    """Fresh parameters.

    Args:
        key: PRNG key.
        config: the model's settings.
        mean_shape: float [num_points, 2], crop px.

    Raises:
        ValueError: the mean shape does not have the markup's number of landmarks.
    """
    mean_shape = jnp.asarray(mean_shape, jnp.float32)
    if mean_shape.shape != (config.num_points, 2):
        raise ValueError(
            f"mean_shape must be {(config.num_points, 2)}; got {mean_shape.shape}."
        )
    crops = jnp.zeros((1, config.crop_size, config.crop_size, 1))
    start = first_estimate(mean_shape, batch=1, config=config)
    network = RCSR(config).init(key, crops, start)["params"]
    return {"network": network, "mean_shape": mean_shape}


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
    points = jnp.broadcast_to(mean_shape, (batch, *mean_shape.shape))
    return Estimate(points, jnp.zeros((batch, *memory), config.compute_dtype))


def normalise(crops: Array) -> Array:
    """Crops of zero mean and unit deviation each, whatever their range.

    Args:
        crops: uint8 or float [batch, height, width] or [batch, height, width, 1].

    Returns:
        float32 [batch, height, width, 1].
    """
    crops = jnp.asarray(crops, jnp.float32)
    crops = crops.reshape(*crops.shape[:3], 1)
    centred = crops - crops.mean((1, 2, 3), keepdims=True)
    # a flat crop stays zero
    variance = jnp.square(centred).mean((1, 2, 3), keepdims=True)
    return centred * lax.rsqrt(variance + 1e-6)


def make_step(
    params: Params, crops: Array, *, config: ModelConfig
) -> tuple[Callable[[Estimate], Estimate], Estimate]:
    """One refinement step over a batch of crops, and the estimate it starts from.

    Args:
        params: from `init_params` or a checkpoint.
        crops: uint8 or float [batch, crop_size, crop_size], grey.
        config: the settings the parameters were made with.
    """
    network = RCSR(config)
    variables = {
        "params": {
            name: part
            if name.startswith(("output", "dense"))
            else _cast(part, config.compute_dtype)
            for name, part in params["network"].items()
        }
    }
    images = normalise(crops).astype(config.compute_dtype)
    scene = network.apply(variables, images, method="scene")
    first = first_estimate(
        lax.stop_gradient(params["mean_shape"]), batch=len(crops), config=config
    )

    def step(estimate: Estimate) -> Estimate:
        stepped = network.apply(variables, scene, first.points, estimate, method="step")
        return cast(Estimate, stepped)

    return step, first


@functools.partial(jax.jit, static_argnames=("config", "num_steps"))
def predict(
    params: Params, crops: Array, *, config: ModelConfig, num_steps: int | None = None
) -> Prediction:
    """Landmarks after a fixed number of steps; works under jit, vmap and reverse-mode grad.

    Args:
        params: from `init_params` or a checkpoint (`predictor.params`).
        crops: uint8 or float [batch, crop_size, crop_size], grey, of any range: each
            crop is normalised. One crop without the batch axis, or a channel axis of one
            behind, is taken as well.
        config: the settings the parameters were made with.
        num_steps: how many; by default as many as in training.

    Returns:
        A `Prediction`; without its batch axis where `crops` had none.

    Raises:
        ValueError: the crops are not of the config's size.
    """
    if crops.ndim == 2:
        batched = predict(params, crops[None], config=config, num_steps=num_steps)
        return _first_face(batched)
    _check_crops(crops, config)
    step, start = make_step(params, crops, config=config)
    num_steps = config.num_steps if num_steps is None else num_steps
    if num_steps < 1:
        raise ValueError(f"num_steps must be at least 1; got {num_steps}.")
    trajectory = unroll(step, start, num_steps=num_steps)
    before = trajectory[-2] if num_steps > 1 else start.points
    increment = _increment_size(config)(trajectory[-1], before)
    return Prediction(
        points=trajectory[-1],
        num_steps=jnp.full(len(crops), num_steps, jnp.int32),
        settled=increment < config.tolerance,
        trajectory=trajectory,
    )


@functools.partial(jax.jit, static_argnames="config")
def predict_adaptive(
    params: Params, crops: Array, *, config: ModelConfig
) -> Prediction:
    """Landmarks after as many steps as each face needs (the stopping rule of 4.3).

    A while loop: there is no reverse-mode gradient through it, take `predict` for that.
    Arguments, returns and errors are those of `predict`.
    """
    if crops.ndim == 2:
        return _first_face(predict_adaptive(params, crops[None], config=config))
    _check_crops(crops, config)
    step, start = make_step(params, crops, config=config)
    end = settle(
        step,
        start,
        max_steps=config.max_steps,
        tolerance=config.tolerance,
        moved=_increment_size(config),
    )
    return Prediction(end.points, end.num_steps, end.settled, end.trajectory)


def _cast(tree: Any, dtype: str) -> Any:
    return jax.tree.map(lambda leaf: leaf.astype(dtype), tree)


def _increment_size(config: ModelConfig) -> Callable[[Array, Array], Array]:
    return functools.partial(
        increment_size, markup=config.markup, norm=config.increment_norm
    )


def _first_face(batched: Prediction) -> Prediction:
    return Prediction(
        points=batched.points[0],
        num_steps=batched.num_steps[0],
        settled=batched.settled[0],
        trajectory=batched.trajectory[:, 0],
    )


def _check_crops(crops: Array, config: ModelConfig) -> None:
    shape = (
        crops.shape[:-1] if crops.ndim == 4 and crops.shape[-1] == 1 else crops.shape
    )
    if len(shape) != 3 or shape[1:] != (config.crop_size, config.crop_size):
        raise ValueError(
            f"crops must be grey, [batch, {config.crop_size}, {config.crop_size}]; got "
            f"{crops.shape}."
        )
