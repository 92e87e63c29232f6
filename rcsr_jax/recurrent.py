"""Recurrent cells: how the memory takes in new features (sections 3.1 and 3.3)."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from rcsr_jax.convolutions import convolve

# Half of He's deviation: gates and tanh are no ReLUs, and a calm start lets the first
# updates of five chained steps stay small.
_init = nn.initializers.variance_scaling(0.5, "fan_in", "uniform")


class ConvGRUCell(nn.Module):
    """A gated recurrent unit whose products are 3x3 SAME convolutions (eqs. 4 to 7).

    One kernel over [memory, features] gives the paper's sum of two convolutions.

    Attributes:
        features: channels of the memory.
    """

    features: int

    @nn.compact
    def __call__(self, hidden: Array, inputs: Array) -> Array:
        """The next memory.

        Args:
            hidden: float [batch, height, width, features], the memory H of the last step.
            inputs: float [batch, height, width, channels], the stacked feature maps f.

        Returns:
            float [batch, height, width, features].
        """
        return _gated(hidden, inputs, size=self.features, layer=_conv)


class GRUCell(nn.Module):
    """The traditional unit: the same equations with matrix products, on flat features.

    Attributes:
        features: length of the memory.
    """

    features: int

    @nn.compact
    def __call__(self, hidden: Array, inputs: Array) -> Array:
        """The next memory.

        Args:
            hidden: float [batch, features], the memory of the last step.
            inputs: float [batch, ...], flattened behind the batch axis.

        Returns:
            float [batch, features].
        """
        inputs = inputs.reshape(len(inputs), -1)
        return _gated(hidden, inputs, size=self.features, layer=_dense)


class LinearCell(nn.Module):
    """The traditional unit without gates, a linear regressor in place of its tanh layer.

    Its memory is the shape itself, which makes it a step of supervised descent (eq. 14).
    The descent direction R and the bias b of eq. 12 are the layer's, with their signs:
    h + F(h) kernel + bias.

    Attributes:
        features: length of the memory: two numbers a landmark.
    """

    features: int

    @nn.compact
    def __call__(self, hidden: Array, inputs: Array) -> Array:
        """The next shape.

        Args:
            hidden: float [batch, features], the shape of the last step, flat.
            inputs: float [batch, ...], features at that shape, flattened behind the batch.

        Returns:
            float [batch, features].
        """
        inputs = inputs.reshape(len(inputs), -1)
        candidate = nn.Dense(
            self.features, kernel_init=nn.initializers.zeros, name="candidate"
        )(inputs)
        return hidden + candidate


def _gated(
    hidden: Array, inputs: Array, *, size: int, layer: Callable[..., nn.Module]
) -> Array:
    """The next memory by eqs. 4 to 7, with layers of either kind in place of products."""
    seen = jnp.concatenate([hidden, inputs], axis=-1)
    gates = layer(2 * size, name="gates")(seen)
    update, reset = jnp.split(nn.sigmoid(gates), 2, axis=-1)
    seen = jnp.concatenate([reset * hidden, inputs], axis=-1)
    candidate = nn.tanh(layer(size, name="candidate")(seen))
    return (1 - update) * hidden + update * candidate


def _dense(features: int, *, name: str) -> nn.Dense:
    return nn.Dense(features, kernel_init=_init, name=name)


def _conv(features: int, *, name: str) -> nn.Conv:
    """A 3x3 SAME convolution with a bias."""

    def convolved(images: Array, kernel: Array, *_: Any, **__: Any) -> Array:
        return convolve(images, kernel, border=1)

    return nn.Conv(
        features,
        (3, 3),
        kernel_init=_init,
        conv_general_dilated=convolved,
        name=name,
    )
