"""The grid of a plane against the layers that make it, counted by hand and by shape."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rcsr_jax.features.srcnn import SRCNN
from rcsr_jax.patches import slice_patches
from rcsr_jax.planes import Plane

PAPER = Plane(filters=(64, 32, 1), extra_layers=0, pixel=1)
GRIDS = [
    Plane(filters=(3, 2, 2), extra_layers=extra, pixel=pixel)
    for extra, pixel in [(0, 1), (2, 1), (0, 2), (1, 2), (1, 4), (0, 8)]
]


def ids(plane):
    return f"pixel {plane.pixel}, {plane.extra_layers} extra"


def net(plane):
    return SRCNN(plane.filters, plane.extra_layers, plane.pooling, plane.stride)


def random_params(plane):
    generator = np.random.default_rng(0)
    images = jnp.zeros((1, plane.patch_size(1), plane.patch_size(1), 1))
    shapes = jax.eval_shape(net(plane).init, jax.random.key(0), images)
    return jax.tree.map(
        lambda leaf: np.float32(generator.normal(0, 0.3, leaf.shape)), shapes
    )


def test_the_paper_takes_twelve_pixels_off():
    assert PAPER.map_size(30) == 18
    assert PAPER.patch_size(18) == 30
    assert PAPER.map_size(12) == 0
    assert PAPER.first_pixel == 6
    assert PAPER.layer_sizes(30) == (22, 22, 18)


def test_a_coarse_grid_by_hand():
    # blocks of 2, windows of 9 every 2 blocks, then 3x3 and 5x5: 6 more pixels
    plane = Plane(filters=(8, 4, 2), extra_layers=1, pixel=4)
    assert (plane.pooling, plane.stride, plane.channels) == (2, 2, 2)
    assert plane.patch_size(1) == 2 * ((7 - 1) * 2 + 9)
    # 48 blocks hold 20 windows
    assert plane.layer_sizes(96) == (20, 18, 18, 14)
    # the first window's middle is block 4; the layers behind take 3 windows off
    assert plane.first_pixel == 2 * (4 + 3 * 2) + 0.5


@pytest.mark.parametrize("plane", GRIDS, ids=ids)
def test_sizes_are_those_of_the_net(plane):
    for size in (plane.patch_size(1), plane.patch_size(4), plane.patch_size(2) + 1):
        images = jnp.zeros((1, size, size, 1))
        made = jax.eval_shape(net(plane).apply, random_params(plane), images)
        assert made.shape[1] == plane.layer_sizes(size)[-1]
        assert plane.map_size(size) == plane.layer_sizes(size)[-1]
    assert plane.map_size(plane.patch_size(5)) == 5
    assert plane.map_size(plane.patch_size(5) - 1) == 4


@pytest.mark.parametrize("plane", GRIDS, ids=ids)
def test_patches_on_the_grid_have_the_features_of_the_plane(generator, plane):
    map_size, size = 3, plane.patch_size(3)
    side = (size // plane.pixel + 4) * plane.pixel
    images = np.float32(generator.normal(size=(1, side, side, 1)))
    params = random_params(plane)
    of_plane = net(plane).apply(params, images)
    # the middle feature of the map lies on a feature of the plane, away from the edges
    first = plane.first_pixel
    start = np.ceil((size / 2 - first) / plane.pixel)
    places = first + plane.pixel * (start + np.array([[[0, 0], [1, 0], [2, 1]]]))
    places = np.float32(places)
    cut = slice_patches(of_plane, (places - first) / plane.pixel, size=map_size)
    patches = slice_patches(images, places, size=size)
    of_patches = net(plane).apply(params, patches[0])
    np.testing.assert_allclose(of_patches, cut[0], atol=1e-4)
    assert np.ptp(of_patches) > 0.1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"filters": (64, 32)}, r"three counts, as 64,32,1; got \(64, 32\)"),
        ({"filters": (64, 0, 1)}, "three counts"),
        ({"extra_layers": -1}, "extra_layers must be 0 or more; got -1"),
        ({"pixel": 3}, r"pixel must be one of \(1, 2, 4, 8\); got 3"),
    ],
)
def test_grids_that_do_not_exist_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Plane(**{"filters": (4, 3, 1), "extra_layers": 0, "pixel": 1, **fields})
