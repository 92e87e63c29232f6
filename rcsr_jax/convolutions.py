"""VALID convolutions in the form that suits the backend, values and gradients.

XLA's CPU backend is slow where a convolution has one input or few output channels or gives
a few cells only, and slowest in the gradient. These cases are matrix products in disguise,
so on a CPU they are written as such; elsewhere, and for every other kernel, it is
`lax.conv_general_dilated`. `reference` is the definition, which the tests hold every form
against.
"""

import functools
import math

import jax
import jax.numpy as jnp
from jax import Array, lax

from rcsr_jax.portable import is_portable

_FEW_CHANNELS = 4
_FEW_CELLS = 9


def reference(
    images: Array, kernel: Array, *, stride: int = 1, border: int = 0
) -> Array:
    """The cross-correlation of images with a kernel, by `lax`.

    Args:
        images: float [batch, height, width, channels].
        kernel: float [rows, columns, channels, filters].
        stride: pixels from one window to the next.
        border: zeros around the images.

    Returns:
        float [batch, out height, out width, filters], of the windows that fit.
    """
    return lax.conv_general_dilated(
        images,
        kernel,
        (stride, stride),
        ((border, border), (border, border)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def convolve(
    images: Array, kernel: Array, *, stride: int = 1, border: int = 0
) -> Array:
    """What `reference` returns, in the fastest form known for this kernel.

    Reverse-mode differentiable; forward mode is `reference`'s alone. Arguments and returns
    are those of `reference`.
    """
    rows, columns, channels, filters = kernel.shape
    if is_portable():
        return reference(images, kernel, stride=stride, border=border)
    if (rows, columns, stride, border) == (1, 1, 1, 0):
        return images @ kernel[0, 0]
    if channels == 1:
        return _from_one_channel(stride, _bordered(images, border), kernel)
    if filters <= _FEW_CHANNELS and stride == 1:
        return _to_few_channels(_bordered(images, border), kernel)
    windows = [
        size + 2 * border - taken + 1
        for size, taken in zip(images.shape[1:3], (rows, columns), strict=True)
    ]
    if stride == 1 and min(windows) > 0 and math.prod(windows) <= _FEW_CELLS:
        # differentiated as it is: the gradients of a product are products
        return lax.platform_dependent(
            _bordered(images, border), kernel, cpu=_product, default=reference
        )
    return reference(images, kernel, stride=stride, border=border)


def _bordered(images: Array, border: int) -> Array:
    if border == 0:
        return images
    return jnp.pad(images, ((0, 0), (border, border), (border, border), (0, 0)))


def _one_channel(stride: int, images: Array, kernel: Array) -> Array:
    return reference(images, kernel, stride=stride)


_from_one_channel = jax.custom_vjp(_one_channel, nondiff_argnums=(0,))


def _from_one_channel_backward(stride, residuals, cotangent):
    return lax.platform_dependent(
        *residuals,
        cotangent,
        cpu=functools.partial(_one_channel_gradients, stride),
        default=functools.partial(_reference_gradients, stride),
    )


def _one_channel_gradients(stride, images, kernel, cotangent):
    rows, columns, _, filters = kernel.shape
    taps = [(top, left) for top in range(rows) for left in range(columns)]
    height, width = cotangent.shape[1:3]

    flipped = kernel[::-1, ::-1].transpose(0, 1, 3, 2)  # filters -> one channel
    unseen = [  # pixels behind the last window
        size - (windows - 1) * stride - taken
        for size, windows, taken in zip(
            images.shape[1:3], (height, width), (rows, columns), strict=True
        )
    ]

    # a face at a time: its shifted copies and its tap planes stay in the cache
    def add_face(total, face):
        image, change = face  # [height, width, 1], [out height, out width, filters]
        copies = jnp.stack(
            [
                image[top:, left:, 0][
                    : height * stride : stride, : width * stride : stride
                ]
                for top, left in taps
            ]
        )
        spread = lax.pad(
            change,
            jnp.zeros((), change.dtype),
            (
                (rows - 1, rows - 1 + unseen[0], stride - 1),
                (columns - 1, columns - 1 + unseen[1], stride - 1),
                (0, 0, 0),
            ),
        )
        total = total + jnp.tensordot(copies, change, ((1, 2), (0, 1)))
        return total, _fold(spread[None], flipped)[0]

    start = jnp.zeros((rows * columns, filters), cotangent.dtype)
    kernel_change, image_change = lax.scan(add_face, start, (images, cotangent))
    return image_change, kernel_change.reshape(kernel.shape)


def _few_channels(images: Array, kernel: Array) -> Array:
    return lax.platform_dependent(images, kernel, cpu=_fold, default=reference)


_to_few_channels = jax.custom_vjp(_few_channels)


def _to_few_channels_backward(residuals, cotangent):
    return lax.platform_dependent(
        *residuals,
        cotangent,
        cpu=_few_channels_gradients,
        default=functools.partial(_reference_gradients, 1),
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


def _product(images: Array, kernel: Array) -> Array:
    """Every window as a row of one matrix."""
    rows, columns, channels, filters = kernel.shape
    height, width = images.shape[1] - rows + 1, images.shape[2] - columns + 1
    windows = jnp.concatenate(
        [
            images[:, top : top + height, left : left + width]
            for top in range(rows)
            for left in range(columns)
        ],
        axis=-1,
    )
    return windows @ kernel.reshape(rows * columns * channels, filters)


def _reference_gradients(stride, images, kernel, cotangent):
    form = functools.partial(reference, stride=stride)
    return jax.vjp(form, images, kernel)[1](cotangent)


# the forward rules compute by plain functions: the second derivative of a rule that calls
# itself loses an axis inside a scan
_from_one_channel.defvjp(
    lambda stride, images, kernel: (
        _one_channel(stride, images, kernel),
        (images, kernel),
    ),
    _from_one_channel_backward,
)
_to_few_channels.defvjp(
    lambda images, kernel: (_few_channels(images, kernel), (images, kernel)),
    _to_few_channels_backward,
)
