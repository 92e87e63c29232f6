"""A residual pyramid over the whole crop: what part of the face lies where.

The SRCNN sees a few pixels around a place, so a landmark far from the first shape is out of
its sight. This net goes down to a few cells that each see the whole face and comes back up
to one feature every `STRIDE` crop pixels, and every landmark has channels of its own there.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from rcsr_jax.convolutions import convolve

STRIDE = 4  # crop pixels from one feature to the next
_kernel = nn.initializers.he_uniform()


class Pyramid(nn.Module):
    """Down by halves from a 9x9 layer with residual blocks, and up again by sums.

    Attributes:
        widths: channels on the grids of every 2nd, 4th, 8th, ... pixel.
        blocks: residual blocks on each of the grids from the 4th pixel on.
        outputs: channels of what comes out.
    """

    widths: tuple[int, ...]
    blocks: tuple[int, ...]
    outputs: int

    @nn.compact
    def __call__(self, images: Array) -> Array:
        """The features on a grid of every 4th pixel, from the first one on.

        Args:
            images: float [batch, height, width, 1].

        Returns:
            float [batch, ceil(height / 4), ceil(width / 4), outputs].
        """
        features = jax.nn.relu(_Conv(self.widths[0], 9, stride=2, name="first")(images))
        levels = []
        for level, (width, blocks) in enumerate(
            zip(self.widths[1:], self.blocks, strict=True)
        ):
            features = _Conv(width, 3, stride=2, name=f"down{level}")(features)
            for block in range(blocks):
                features = _Residual(name=f"block{level}_{block}")(features)
            levels.append(features)
        for level in range(len(levels) - 2, -1, -1):
            finer = levels[level]
            lifted = _Conv(finer.shape[-1], 1, name=f"lift{level}")(
                jax.nn.relu(features)
            )
            features = finer + _doubled(lifted, finer.shape)
            features = _Residual(name=f"up{level}")(features)
        return _Conv(self.outputs, 1, name="last")(jax.nn.relu(features))


class _Residual(nn.Module):
    """x + conv(relu(conv(relu(x)))); the second kernel starts at zero, so that any depth
    begins as the identity and needs no normalisation."""

    @nn.compact
    def __call__(self, features: Array) -> Array:
        width = features.shape[-1]
        change = _Conv(width, 3, name="conv1")(jax.nn.relu(features))
        change = _Conv(width, 3, kernel_init=nn.initializers.zeros, name="conv2")(
            jax.nn.relu(change)
        )
        return features + change


class _Conv(nn.Module):
    """A convolution with a bias, padded to the grid of its input."""

    filters: int
    size: int
    stride: int = 1
    kernel_init: nn.initializers.Initializer = _kernel

    @nn.compact
    def __call__(self, features: Array) -> Array:
        shape = (self.size, self.size, features.shape[-1], self.filters)
        kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.filters,), jnp.float32)
        made = convolve(features, kernel, stride=self.stride, border=self.size // 2)
        return made + bias.reshape(1, 1, 1, -1)


def _doubled(features: Array, shape: tuple[int, ...]) -> Array:
    """Every cell twice along both axes, cut to a shape."""
    twice = jnp.repeat(jnp.repeat(features, 2, axis=1), 2, axis=2)
    return twice[:, : shape[1], : shape[2]]
