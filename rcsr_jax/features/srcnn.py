"""The super-resolution CNN of section 3.2: pixels to feature maps of any depth."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from rcsr_jax.convolutions import convolve
from rcsr_jax.planes import srcnn_layers
from rcsr_jax.pooling import mean_pool


class SRCNN(nn.Module):
    """9x9, n times 3x3, 1x1 and 5x5 convolutions with ReLU between them (eq. 9, Fig. 5).

    It commutes with cutting patches: the features of a patch that lies on its grid are
    the patch of the features. The paper's net has no extra layers and the image's own
    grid.

    Attributes:
        filters: outputs of the 9x9 and 3x3, the 1x1 and the 5x5 layers; the paper has 64,
            32 and 1.
        extra_layers: 3x3 layers behind the first one.
        pooling: side of the blocks of pixels that are averaged first.
        stride: of the 9x9 windows over these.
    """

    filters: tuple[int, ...] = (64, 32, 1)
    extra_layers: int = 0
    pooling: int = 1
    stride: int = 1

    @nn.compact
    def __call__(self, images: Array) -> Array:
        """Features of images.

        Args:
            images: float [batch, height, width, channels].

        Returns:
            float [batch, rows, columns, filters[-1]]; without pooling, stride and
            extra layers that is [batch, height - 12, width - 12, filters[-1]].
        """
        layers = srcnn_layers(self.filters, self.extra_layers)
        features = mean_pool(images, size=self.pooling)
        for number, (size, filters) in enumerate(layers, start=1):
            shape = (size, size, features.shape[-1], filters)
            # uniform: compiling truncated normal draws takes seconds for every shape
            kernel = self.param(
                f"w{number}", nn.initializers.he_uniform(), shape, jnp.float32
            )
            bias = self.param(
                f"b{number}", nn.initializers.zeros, (filters,), jnp.float32
            )
            stride = self.stride if number == 1 else 1
            features = convolve(features, kernel, stride=stride)
            features = features + bias.reshape(1, 1, 1, -1)
            if number < len(layers):
                features = jax.nn.relu(features)
        return features
