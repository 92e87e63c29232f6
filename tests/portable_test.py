import numpy as np
import pytest

from rcsr_jax.convolutions import convolve, reference
from rcsr_jax.patches import extract_patches, slice_patches
from rcsr_jax.portable import is_portable, portable_forms


def test_portable_patches_are_the_patches(generator):
    images = generator.normal(size=(3, 20, 17, 2)).astype(np.float32)
    points = generator.uniform(-15, 35, (3, 6, 2)).astype(
        np.float32
    )  # far outside, too
    with portable_forms():
        found = slice_patches(images, points, size=4)
    wanted = extract_patches(images, points, size=4)
    np.testing.assert_allclose(found, wanted, atol=2e-5)


@pytest.mark.parametrize("shape", [(9, 9, 1, 4), (5, 5, 3, 1), (1, 1, 3, 2)])
def test_portable_convolutions_are_the_convolutions(shape, generator):
    images = generator.normal(size=(2, 12, 12, shape[2])).astype(np.float32)
    kernel = generator.normal(size=shape).astype(np.float32)
    with portable_forms():
        found = convolve(images, kernel)
    np.testing.assert_array_equal(found, reference(images, kernel))


def test_the_forms_end_with_their_block():
    assert not is_portable()
    with pytest.raises(KeyError), portable_forms():
        assert is_portable()
        raise KeyError
    assert not is_portable()
