"""The super-resolution CNN of section 3.2: pixels to one feature map, without padding."""

import flax.linen as nn
import jax
from jax import Array

from rcsr_jax.convolutions import convolve

_KERNELS = (9, 1, 5)  # f1, f2, f3 of the paper


class SRCNN(nn.Module):
    """Three convolutions of 9x9, 1x1 and 5x5 with ReLU between them (eq. 9).

    VALID borders take 12 pixels off each side's length. It has neither padding nor
    stride, so it commutes with cutting patches: the features of a patch at a whole-pixel
    position are the patch of the features.

    Attributes:
        filters: outputs of the layers; the paper has 64, 32 and 1.
    """

    filters: tuple[int, int, int] = (64, 32, 1)

    @nn.compact
    def __call__(self, images: Array) -> Array:
        """Features of images.

        Args:
            images: float [batch, height, width, channels].

        Returns:
            float [batch, height - 12, width - 12, filters[-1]].
        """
        features = images
        for layer, (size, filters) in enumerate(
            zip(_KERNELS, self.filters, strict=True), start=1
        ):
            shape = (size, size, features.shape[-1], filters)
            # uniform: compiling truncated normal draws takes seconds for every shape
            kernel = self.param(f"w{layer}", nn.initializers.he_uniform(), shape)
            bias = self.param(f"b{layer}", nn.initializers.zeros, (filters,))
            features = convolve(features, kernel) + bias.reshape(1, 1, 1, -1)
            if layer < len(_KERNELS):
                features = jax.nn.relu(features)
        return features
