"""Recurrent cells: how the memory takes in new features (sections 3.1 and 3.3)."""

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
        seen = jnp.concatenate([hidden, inputs], axis=-1)
        gates = _conv(2 * self.features, "gates")(seen)
        update, reset = jnp.split(nn.sigmoid(gates), 2, axis=-1)
        seen = jnp.concatenate([reset * hidden, inputs], axis=-1)
        candidate = nn.tanh(_conv(self.features, "candidate")(seen))
        return (1 - update) * hidden + update * candidate


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
        inputs = inputs.reshape(inputs.shape[0], -1)
        seen = jnp.concatenate([hidden, inputs], axis=-1)
        gates = nn.Dense(2 * self.features, kernel_init=_init, name="gates")(seen)
        update, reset = jnp.split(nn.sigmoid(gates), 2, axis=-1)
        seen = jnp.concatenate([reset * hidden, inputs], axis=-1)
        candidate = nn.tanh(
            nn.Dense(self.features, kernel_init=_init, name="candidate")(seen)
        )
        return (1 - update) * hidden + update * candidate


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


def _conv(features: int, name: str) -> nn.Conv:
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
