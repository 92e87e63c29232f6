"""HOG against scikit-image where they share a step, else against its definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rcsr_jax.features.hog import cell_histograms, hog, orientation_maps
from rcsr_jax.patch_nets import HOG_CELL, HOG_CHANNELS


def test_orientations_are_those_of_scikit_image(generator):
    from skimage.feature import hog as scikit_hog

    image = generator.uniform(size=(24, 32)).astype(np.float32)
    directed = np.asarray(orientation_maps(image, num_orientations=9))
    undirected = directed[:9] + directed[9:]
    cells = undirected.reshape(9, 3, 8, 4, 8).sum((2, 4))
    ours = np.moveaxis(cells / np.linalg.norm(cells, axis=0), 0, -1)
    theirs = scikit_hog(
        image,
        orientations=9,
        pixels_per_cell=(8, 8),
        cells_per_block=(1, 1),
        block_norm="L2",
        feature_vector=False,
    )[:, :, 0, 0]
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("degrees", "channel"), [(10, 0), (110, 5), (190, 9), (350, 17)]
)
def test_a_ramp_has_the_direction_it_rises_in(degrees, channel):
    angle = np.deg2rad(degrees)
    y, x = np.mgrid[:8, :8]
    ramp = (np.cos(angle) * x + np.sin(angle) * y).astype(np.float32)
    inside = np.asarray(orientation_maps(ramp, num_orientations=9))[:, 1:-1, 1:-1]
    expected = np.zeros(18)
    expected[channel] = 2  # the neighbours on both sides are two pixels apart
    wanted = np.broadcast_to(expected[:, None, None], inside.shape)
    np.testing.assert_allclose(inside, wanted, atol=1e-5)


def test_a_pixel_is_shared_out_to_the_nearest_cells():
    maps = np.zeros((1, 8, 8), np.float32)
    maps[0, 2, 3] = 1  # the cells' middles are at 1.5 and 5.5
    cells = np.asarray(cell_histograms(maps, cell_size=4))[..., 0]
    down, across = np.array([0.875, 0.125]), np.array([0.625, 0.375])
    np.testing.assert_allclose(cells, np.outer(down, across), atol=1e-6)


def test_one_cell_is_normalised_clipped_and_told_in_three_ways():
    y, x = np.mgrid[:8, :8]
    ramp = (np.cos(np.pi / 18) * x + np.sin(np.pi / 18) * y).astype(np.float32)
    maps = orientation_maps(ramp, num_orientations=9)
    cell = np.asarray(cell_histograms(maps, cell_size=8))[0, 0].astype(np.float64)
    undirected = cell[:9] + cell[9:]
    norm = np.sqrt(4 * (undirected**2).sum() + 1e-4)  # its neighbours repeat it
    told = np.minimum(cell / norm, 0.2)
    expected = np.concatenate(
        [2 * told, 2 * np.minimum(undirected / norm, 0.2), [told.sum() / 18**0.5] * 4]
    )
    found = np.asarray(hog(ramp, cell_size=8))[0, 0]
    assert found.shape == (HOG_CHANNELS,)
    assert found.max() == pytest.approx(0.4)  # clipped
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_hog_does_not_see_brightness_and_hardly_contrast(generator):
    patches = generator.uniform(size=(2, 16, 16)).astype(np.float32)
    plain = np.asarray(hog(patches, cell_size=HOG_CELL))
    np.testing.assert_allclose(hog(patches + 3, cell_size=HOG_CELL), plain, atol=1e-3)
    np.testing.assert_allclose(hog(5 * patches, cell_size=HOG_CELL), plain, atol=1e-3)
    assert plain.shape == (2, 2, 2, HOG_CHANNELS)


def test_jit_equals_eager_and_a_flat_patch_has_a_gradient(generator):
    patch = generator.uniform(size=(8, 8)).astype(np.float32)
    eager = hog(patch, cell_size=4, num_orientations=4)
    jitted = jax.jit(hog, static_argnames=("cell_size", "num_orientations"))
    np.testing.assert_allclose(
        jitted(patch, cell_size=4, num_orientations=4), eager, atol=1e-6
    )
    assert eager.shape == (2, 2, 16)
    pull = jax.grad(lambda image: hog(image, cell_size=4).sum())(jnp.zeros((8, 8)))
    assert np.isfinite(pull).all()


def test_a_patch_without_a_cell_is_refused():
    with pytest.raises(ValueError, match=r"\(6, 8\) pixels hold no cell of 8"):
        hog(np.zeros((6, 8), np.float32), cell_size=8)
