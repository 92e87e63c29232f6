"""Every form of the convolution against SciPy in float64 and against `lax`."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import signal

from rcsr_jax.convolutions import convolve, reference

WAYS = {
    "padded": {"border": 2},
    "in strides": {"stride": 2},
    "padded, in strides": {"stride": 3, "border": 1},
}
KERNELS = {
    "one by one": (1, 1, 3, 4),
    "from one channel": (5, 3, 1, 6),
    "from one to one": (3, 3, 1, 1),
    "to one channel": (5, 3, 6, 1),
    "to few channels": (3, 5, 5, 3),
    "many to many": (3, 2, 5, 7),
    "to few cells": (6, 5, 5, 7),
}


@pytest.fixture(params=KERNELS.values(), ids=KERNELS.keys())
def case(request, generator):
    kernel = generator.normal(size=request.param)
    images = generator.normal(size=(2, 8, 7, request.param[2]))
    return np.float32(images), np.float32(kernel)


def _scipy(images, kernel):
    images, kernel = np.float64(images), np.float64(kernel)
    return np.stack(
        [
            np.stack(
                [
                    sum(
                        signal.correlate2d(
                            image[..., c], kernel[..., c, f], mode="valid"
                        )
                        for c in range(kernel.shape[2])
                    )
                    for f in range(kernel.shape[3])
                ],
                -1,
            )
            for image in images
        ]
    )


def test_values_are_those_of_scipy(case):
    expected = _scipy(*case)
    np.testing.assert_allclose(convolve(*case), expected, atol=1e-4)
    np.testing.assert_allclose(jax.jit(convolve)(*case), expected, atol=1e-4)
    np.testing.assert_allclose(reference(*case), expected, atol=1e-4)


def test_gradients_are_those_of_the_reference(case, generator):
    cotangent = np.float32(generator.normal(size=reference(*case).shape))

    def gradients(form):
        return jax.jit(lambda *args: jax.vjp(form, *args)[1](cotangent))(*case)

    for ours, theirs in zip(gradients(convolve), gradients(reference), strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, atol=2e-4)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_strides_and_borders_are_rows_and_zeros(case, generator, way):
    images, kernel = case
    stride, border = way.get("stride", 1), way.get("border", 0)
    sides = ((0, 0), (border,) * 2, (border,) * 2, (0, 0))
    expected = _scipy(np.pad(images, sides), kernel)[:, ::stride, ::stride]
    for form in (convolve, reference):
        np.testing.assert_allclose(form(images, kernel, **way), expected, atol=1e-4)
    cotangent = np.float32(generator.normal(size=expected.shape))

    def gradients(form):
        form = functools.partial(form, **way)
        return jax.jit(lambda *args: jax.vjp(form, *args)[1](cotangent))(*case)

    for ours, theirs in zip(gradients(convolve), gradients(reference), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=3e-4)


def test_kernel_gradient_by_loops(case, generator):
    images, kernel = case
    cotangent = generator.normal(size=reference(*case).shape)
    expected = np.zeros(kernel.shape)
    height, width = cotangent.shape[1:3]
    for top in range(kernel.shape[0]):
        for left in range(kernel.shape[1]):
            seen = images[:, top : top + height, left : left + width]
            expected[top, left] = np.einsum(
                "bhwc,bhwf->cf", np.float64(seen), cotangent
            )
    _, pullback = jax.vjp(jax.jit(convolve), images, kernel)
    np.testing.assert_allclose(pullback(jnp.float32(cotangent))[1], expected, atol=2e-4)


def test_gradients_equal_finite_differences(case):
    with jax.enable_x64(True):
        arrays = [jnp.asarray(np.float64(array)) for array in case]
        check_grads(jax.jit(convolve), arrays, order=1, modes=["rev"])


@pytest.mark.parametrize(
    "name", ["from one channel", "to one channel", "one by one", "to few cells"]
)
def test_the_gradient_on_a_cpu_is_without_convolutions(name):
    kernel = jnp.zeros(KERNELS[name])
    images = jnp.zeros((2, 8, 7, kernel.shape[2]))

    def count(form):
        def backward(images, kernel):
            out, pullback = jax.vjp(form, images, kernel)
            return pullback(jnp.ones_like(out))

        text = (
            jax.jit(backward).trace(images, kernel).lower(lowering_platforms=("cpu",))
        )
        return text.as_text().count("stablehlo.convolution")

    assert jax.default_backend() == "cpu"
    assert count(convolve) == 0
    assert count(reference) >= 2


def test_second_derivatives_pass_a_loop(case):
    # a loop over steps, with the images of each from the one before
    images, kernel = case
    side = kernel.shape[2] * images.shape[1] * images.shape[2]

    def energy(way, scale):
        def body(images, _):
            out = jnp.sin(way(scale * images, kernel)).mean()
            return images + out, out

        start = jnp.asarray(images) / np.sqrt(side)
        return jax.lax.scan(body, start, length=3)[1].sum()

    second = [
        float(jax.jit(jax.grad(jax.grad(functools.partial(energy, way))))(0.7))
        for way in (convolve, reference)
    ]
    assert second[0] == pytest.approx(second[1], rel=1e-3)
    assert abs(second[1]) > 1e-5


def test_vmap_over_kernels_gives_each(generator):
    for shape in [(3, 3, 1, 6), (3, 3, 6, 1)]:
        images = np.float32(generator.normal(size=(2, 5, 5, shape[2])))
        kernels = np.float32(generator.normal(size=(3, *shape)))

        def loss(kernel, images=images):
            return jnp.square(convolve(images, kernel)).sum()

        alone = jax.jit(jax.grad(loss))
        gradients = jax.jit(jax.vmap(jax.grad(loss)))(kernels)
        for kernel, gradient in zip(kernels, gradients, strict=True):
            np.testing.assert_allclose(gradient, alone(kernel), rtol=1e-3)
