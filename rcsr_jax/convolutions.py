"""VALID convolutions in the form that suits the backend, values and gradients.

XLA's CPU backend is slow where a convolution has one input or few output channels, and
slowest in the gradient. Both cases are matrix products in disguise, so on a CPU they are
written as such; elsewhere, and for every other kernel, it is `lax.conv_general_dilated`.
`reference` is the definition, which the tests hold every form against.
"""

import jax
import jax.numpy as jnp
from jax import Array, lax

_FEW_CHANNELS = 4


def reference(images: Array, kernel: Array) -> Array:
    """The VALID cross-correlation of images with a kernel, by `lax`.

    Args:
        images: float [batch, height, width, channels].
        kernel: float [rows, columns, channels, filters].

    Returns:
        float [batch, height - rows + 1, width - columns + 1, filters].
    """
    return lax.conv_general_dilated(
        images, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def convolve(images: Array, kernel: Array) -> Array:
    """What `reference` returns, in the fastest form known for this kernel.

    Reverse-mode differentiable; forward mode is `reference`'s alone.

    Args:
        images: float [batch, height, width, channels].
        kernel: float [rows, columns, channels, filters].

    Returns:
        float [batch, height - rows + 1, width - columns + 1, filters].
    """
    rows, columns, channels, filters = kernel.shape
    if (rows, columns) == (1, 1):
        return images @ kernel[0, 0]
    if channels == 1:
        return _from_one_channel(images, kernel)
    if filters <= _FEW_CHANNELS:
        return _to_few_channels(images, kernel)
    return reference(images, kernel)


@jax.custom_vjp
def _from_one_channel(images: Array, kernel: Array) -> Array:
    return reference(images, kernel)


def _from_one_channel_backward(residuals, cotangent):
    return lax.platform_dependent(
        *residuals, cotangent, cpu=_one_channel_gradients, default=_reference_gradients
    )


def _one_channel_gradients(images, kernel, cotangent):
    rows, columns, _, filters = kernel.shape

    def add_face(total, face):  # a face at a time: its shifted copies stay in the cache
        image, change = face  # [height, width, 1], [out height, out width, filters]
        copies = _shifts(image[..., 0], rows, columns)
        return total + jnp.tensordot(copies, change, ((1, 2), (0, 1))), None

    start = jnp.zeros((rows * columns, filters), cotangent.dtype)
    kernel_change, _ = lax.scan(add_face, start, (images, cotangent))
    flipped = kernel[::-1, ::-1].transpose(0, 1, 3, 2)  # filters -> one channel
    border = ((0, 0), (rows - 1,) * 2, (columns - 1,) * 2, (0, 0))
    image_change = _fold(jnp.pad(cotangent, border), flipped)
    return image_change, kernel_change.reshape(kernel.shape)


@jax.custom_vjp
def _to_few_channels(images: Array, kernel: Array) -> Array:
    return lax.platform_dependent(images, kernel, cpu=_fold, default=reference)


def _to_few_channels_backward(residuals, cotangent):
    return lax.platform_dependent(
        *residuals, cotangent, cpu=_few_channels_gradients, default=_reference_gradients
    )


def _few_channels_gradients(images, kernel, cotangent):
    rows, columns, channels, filters = kernel.shape
    border = ((0, 0), (rows - 1,) * 2, (columns - 1,) * 2, (0, 0))
    padded = jnp.pad(cotangent, border)
    height, width = images.shape[1:3]
    # the cotangent as each tap of the kernel met it: [batch, height, width, taps, filters]
    copies = jnp.stack(
        [
            padded[:, top : top + height, left : left + width]
            for top in range(rows - 1, -1, -1)
            for left in range(columns - 1, -1, -1)
        ],
        axis=-2,
    )
    taps = kernel.reshape(rows * columns, channels, filters)
    image_change = jnp.einsum("bhwtf,tcf->bhwc", copies, taps)
    kernel_change = jnp.einsum("bhwtf,bhwc->tcf", copies, images)
    return image_change, kernel_change.reshape(kernel.shape)


def _fold(images: Array, kernel: Array) -> Array:
    """Projects every pixel to all taps at once, then adds the shifted tap planes."""
    rows, columns, channels, filters = kernel.shape
    height, width = images.shape[1] - rows + 1, images.shape[2] - columns + 1
    taps = kernel.reshape(rows * columns, channels, filters)
    planes = jnp.einsum("bhwc,tcf->btfhw", images, taps)
    total = sum(
        planes[:, top * columns + left, :, top : top + height, left : left + width]
        for top in range(rows)
        for left in range(columns)
    )
    return jnp.moveaxis(total, 1, -1)


def _shifts(plane: Array, rows: int, columns: int) -> Array:
    """[height, width] as every tap of a kernel sees it: [taps, out height, out width]."""
    height, width = plane.shape[0] - rows + 1, plane.shape[1] - columns + 1
    return jnp.stack(
        [
            plane[top : top + height, left : left + width]
            for top in range(rows)
            for left in range(columns)
        ]
    )


def _reference_gradients(images, kernel, cotangent):
    return jax.vjp(reference, images, kernel)[1](cotangent)


_from_one_channel.defvjp(
    lambda images, kernel: (_from_one_channel(images, kernel), (images, kernel)),
    _from_one_channel_backward,
)
_to_few_channels.defvjp(
    lambda images, kernel: (_to_few_channels(images, kernel), (images, kernel)),
    _to_few_channels_backward,
)
