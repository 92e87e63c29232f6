"""The facial action unit net (FAUC) of Fig. 9 without its dense layer."""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from rcsr_jax.convolutions import convolve
from rcsr_jax.patch_nets import KERNEL, PATCH_NETS
from rcsr_jax.pooling import max_pool, quadrant_pool


class FAUC(nn.Module):
    """5x5 convolutions that keep the size, ReLU, pooling; no biases.

    All layers but the last are halved by max-pooling; of the last the quadrants are left.

    Attributes:
        filters: of its three layers.
    """

    filters: tuple[int, ...] = PATCH_NETS["fauc"].published

    @nn.compact
    def __call__(self, patches: Array) -> Array:
        """Features of patches.

        Args:
            patches: float [batch, size, size, channels], at least 8 pixels a side.

        Returns:
            float [batch, 2, 2, filters[-1]].
        """
        features = patches
        for number, filters in enumerate(self.filters, start=1):
            shape = (KERNEL, KERNEL, features.shape[-1], filters)
            kernel = self.param(
                f"w{number}", nn.initializers.he_uniform(), shape, jnp.float32
            )
            features = nn.relu(convolve(features, kernel, border=KERNEL // 2))
            last = number == len(self.filters)
            features = quadrant_pool(features) if last else max_pool(features)
        return features
