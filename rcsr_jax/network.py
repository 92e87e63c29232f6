"""The network of one step: look, remember, move, and how sure it is of that."""

import functools
import math
from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp
from jax import Array, lax

from rcsr_jax.config import ModelConfig
from rcsr_jax.features.fauc import FAUC
from rcsr_jax.features.hog import hog
from rcsr_jax.features.lenet import LeNet
from rcsr_jax.features.pyramid import STRIDE, Pyramid
from rcsr_jax.features.srcnn import SRCNN
from rcsr_jax.marks import marked_offsets
from rcsr_jax.patch_nets import HOG_CELL, patch_layers
from rcsr_jax.patches import own_patches, slice_patches
from rcsr_jax.recurrent import ConvGRUCell, GRUCell
from rcsr_jax.refine import Estimate

Scene = tuple[Array, ...]

DENSE_UNITS = 256  # of the dense layers below the last one; the paper does not tell
_FIRST_DOUBT = 0.1  # error in eye distances that fresh parameters expect
_FIRST_TRUST = -1.0  # logit of the share of its own mark in a landmark's first places
_DOUBTS = (math.log(1e-3), math.log(2.0))  # logarithms of what may be expected
# by default products have ten bits on a GPU, which is a hundredth of a pixel here
_Exact = functools.partial(nn.Dense, precision="highest")


class RCSR(nn.Module):
    """The network of one step.

    Attributes:
        config: the model's settings.
    """

    config: ModelConfig

    def setup(self):
        config = self.config
        self.features = _make_net(config)
        if config.context_widths:
            self.context = Pyramid(
                config.context_widths,
                config.context_blocks,
                config.num_points * config.context_channels,
            )
        cell = ConvGRUCell if config.cell == "conv_gru" else GRUCell
        self.cell = cell(config.hidden_size)
        self.dense = [_Exact(DENSE_UNITS) for _ in range(config.dense_layers - 1)]
        self.output = _Exact(
            config.num_points * 2, kernel_init=nn.initializers.zeros, name="output"
        )
        if config.own_marks:
            self.trust = _Exact(
                config.num_points,
                kernel_init=nn.initializers.zeros,
                bias_init=nn.initializers.constant(_FIRST_TRUST),
                name="trust",
            )
        self.doubt = _Exact(
            config.num_points,
            kernel_init=nn.initializers.zeros,
            bias_init=nn.initializers.constant(math.log(_FIRST_DOUBT)),
            name="doubt",
        )

    def scene(self, crops: Array) -> Scene:
        """What every step samples: the feature planes of each crop, or the crop itself."""
        if self.config.sampling == "patches":
            return (crops,)
        planes = [self.features(crops)]
        if self.config.context_widths:
            own = self.context(crops)
            own = own.reshape(*own.shape[:3], self.config.num_points, -1)
            planes.append(jnp.moveaxis(own, 3, 1))
        # gradients of many patches and of all steps add up on one place: in float32
        return tuple(plane.astype(jnp.float32) for plane in planes)

    def look(self, scene: Scene, points: Array) -> Array:
        """The feature maps around the landmarks: [batch, points, map, map, channels]."""
        config = self.config
        if not config.position_gradient:
            points = lax.stop_gradient(points)
        cut = self._of_planes if config.sampling == "planes" else self._of_patches
        return jnp.concatenate(cut(scene, points), axis=-1)

    def _of_planes(self, scene: Scene, points: Array) -> list[Array]:
        size, grid = self.config.map_size, self.config.plane
        places = (points - grid.first_pixel) / grid.pixel
        maps = [slice_patches(scene[0], places, size=size)]
        if self.config.context_widths:
            maps.append(own_patches(scene[1], points / STRIDE, size=size))
        return [cut.astype(self.config.compute_dtype) for cut in maps]

    def _of_patches(self, scene: Scene, points: Array) -> list[Array]:
        patches = slice_patches(scene[0], points, size=self.config.cut_size)
        found = self.features(patches.reshape(-1, *patches.shape[2:]))
        return [found.reshape(*patches.shape[:2], *found.shape[1:])]

    def move(self, hidden: Array) -> Array:
        """The shape increment that the memory stands for: [batch, num_points, 2]."""
        flat = hidden.reshape(hidden.shape[0], -1).astype(jnp.float32)
        for dense in self.dense:
            flat = nn.relu(dense(flat))
        # The layer starts at zero; every one of its thousands of inputs then pulls the
        # same way, and this scale keeps Adam's first update to about a pixel.
        increment = self.output(flat) * (1e4 / max(flat.shape[-1], 1e4))
        return increment.reshape(hidden.shape[0], -1, 2)

    def doubts(self, hidden: Array) -> Array:
        """Logarithms of the errors to expect, in eye distances: [batch, num_points].

        Read off the memory without a gradient to it: knowing the errors costs none of
        the landmarks' exactness.
        """
        flat = lax.stop_gradient(hidden).reshape(hidden.shape[0], -1)
        logs = self.doubt(flat.astype(jnp.float32))
        # with the gradient of what is not clipped: nothing else would bring it back
        return logs + lax.stop_gradient(jnp.clip(logs, *_DOUBTS) - logs)

    def pull(self, points: Array, hidden: Array, marked: Array) -> Array:
        """Points that go as far towards what is marked as the memory trusts it to."""
        flat = hidden.reshape(hidden.shape[0], -1).astype(jnp.float32)
        share = nn.sigmoid(self.trust(flat))
        return points + share[..., None] * (marked - points)

    def step(self, scene: Scene, first: Array, estimate: Estimate) -> Estimate:
        """One recurrence: look, remember, move."""
        config = self.config
        maps = self.look(scene, estimate.points)
        beside = jnp.moveaxis(maps, 1, 3)  # landmarks beside their channels
        hidden = self.cell(estimate.hidden, beside.reshape(*beside.shape[:3], -1))
        origin = first if config.increment == "whole" else estimate.points
        points = origin + self.move(hidden)
        if config.own_marks:
            scores = maps[..., -config.context_channels]
            # without a position gradient a mark counts as moving along with its window
            marked = estimate.points + STRIDE * marked_offsets(scores)
            points = self.pull(points, hidden, marked)
        return Estimate(points, hidden)

    def __call__(self, crops: Array, estimate: Estimate) -> Estimate:
        """A first step from crops: what creates the parameters."""
        stepped = self.step(self.scene(crops), estimate.points, estimate)
        self.doubts(stepped.hidden)
        return stepped


def is_exact(name: str) -> bool:
    """Whether a layer computes in float32 whatever the model computes in."""
    return name.startswith(("output", "dense", "doubt", "trust"))


def _make_net(config: ModelConfig) -> Callable[[Array], Array]:
    """What makes feature maps of images or patches."""
    if config.features == "srcnn":
        plane = config.plane
        return SRCNN(plane.filters, plane.extra_layers, plane.pooling, plane.stride)
    if config.features == "hog":
        return lambda patches: hog(patches[..., 0], cell_size=HOG_CELL)
    net = {"lenet": LeNet, "fauc": FAUC}[config.features]
    return net(patch_layers(config.features, config.patch_filters))
