"""LeNet without its dense layers, as in Fig. 9: patches to feature maps."""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from rcsr_jax.convolutions import convolve
from rcsr_jax.patch_nets import KERNEL, PATCH_NETS
from rcsr_jax.pooling import max_pool


class LeNet(nn.Module):
    """5x5 convolutions without borders, each halved by max-pooling; no ReLU between them.

    Attributes:
        filters: of its two layers.
    """

    filters: tuple[int, ...] = PATCH_NETS["lenet"].published

    @nn.compact
    def __call__(self, patches: Array) -> Array:
        """Features of patches.

        Args:
            patches: float [batch, size, size, channels], at least 16 pixels a side.

        Returns:
            float [batch, map, map, filters[-1]], map = ((size - 4) // 2 - 4) // 2.
        """
        features = patches
        for number, filters in enumerate(self.filters, start=1):
            shape = (KERNEL, KERNEL, features.shape[-1], filters)
            kernel = self.param(
                f"w{number}", nn.initializers.he_uniform(), shape, jnp.float32
            )
            bias = self.param(
                f"b{number}", nn.initializers.zeros, (filters,), jnp.float32
            )
            features = convolve(features, kernel) + bias.reshape(1, 1, 1, -1)
            features = max_pool(features)
        return features
