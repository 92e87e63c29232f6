"""LeNet and FAUC: sizes, values by loops, and what a model with them does."""

import dataclasses

import numpy as np
import pytest
import tiny

from rcsr_jax.answers import predict
from rcsr_jax.config import ModelConfig
from rcsr_jax.costs import static_costs
from rcsr_jax.features.fauc import FAUC
from rcsr_jax.features.lenet import LeNet
from rcsr_jax.model import params_like
from rcsr_jax.patch_nets import PATCH_NETS, patch_map_size
from rcsr_jax.pooling import max_pool, quadrant_pool

PATCHES = dataclasses.replace(tiny.CONFIG, sampling="patches")
SMALL = {
    "lenet": {"patch_filters": (2, 3)},
    "fauc": {"patch_filters": (2, 2, 3)},
    "hog": {"cell": "gru"},
}


def correlate(image, kernel, border):
    """A cross-correlation by loops: [height, width, in], [5, 5, in, out]."""
    image = np.pad(image, ((border, border), (border, border), (0, 0)))
    rows, columns = (side - 4 for side in image.shape[:2])
    return np.array(
        [
            [
                np.einsum("yxc,yxcf->f", image[y : y + 5, x : x + 5], kernel)
                for x in range(columns)
            ]
            for y in range(rows)
        ]
    )


def halved(image):
    rows, columns = (side // 2 for side in image.shape[:2])
    return np.array(
        [
            [
                image[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].max((0, 1))
                for x in range(columns)
            ]
            for y in range(rows)
        ]
    )


def test_lenet_is_two_convolutions_each_halved(generator):
    patch = generator.standard_normal((1, 17, 17, 1)).astype(np.float32)
    net = LeNet((2, 3))
    params = tiny.random_variables(net, patch, generator)["params"]
    expected = patch[0]
    for n in (1, 2):
        convolved = correlate(expected, params[f"w{n}"], 0) + params[f"b{n}"]
        expected = halved(convolved)
    found = net.apply({"params": params}, patch)
    np.testing.assert_allclose(found[0], expected, atol=1e-4)
    assert found.shape[1] == patch_map_size("lenet", 17) == 1


def test_fauc_has_no_biases_and_ends_in_quadrants(generator):
    patch = generator.standard_normal((1, 12, 12, 1)).astype(np.float32)
    net = FAUC((2, 2, 3))
    params = tiny.random_variables(net, patch, generator)["params"]
    assert set(params) == {"w1", "w2", "w3"}
    expected = patch[0]
    for n in (1, 2, 3):
        expected = np.maximum(correlate(expected, params[f"w{n}"], 2), 0)
        expected = halved(expected) if n < 3 else expected
    quadrants = [
        [expected[rows][:, columns].mean((0, 1)) for columns in _HALVES]
        for rows in _HALVES
    ]
    found = net.apply({"params": params}, patch)
    np.testing.assert_allclose(found[0], quadrants, atol=1e-4)


_HALVES = (slice(0, 2), slice(1, 3))  # of three pixels: the middle one is in both


def test_pooling_of_odd_sides(generator):
    images = generator.standard_normal((2, 5, 7, 3)).astype(np.float32)
    np.testing.assert_allclose(max_pool(images)[1], halved(images[1]))
    pooled = np.asarray(quadrant_pool(images))
    np.testing.assert_allclose(
        pooled[0, 0, 1], images[0, :3, 3:].mean((0, 1)), rtol=1e-5
    )
    mirrored = quadrant_pool(images[:, :, ::-1])
    np.testing.assert_allclose(mirrored, pooled[:, :, ::-1], rtol=1e-5)


def test_the_published_sizes():
    assert PATCH_NETS["lenet"].published == (20, 50)
    assert PATCH_NETS["lenet"].layer_sizes(28) == (24, 8)  # of 28 pixel digits
    assert patch_map_size("lenet", 28) == 4
    assert PATCH_NETS["fauc"].published == (64, 128, 256)
    assert PATCH_NETS["fauc"].layer_sizes(96) == (96, 48, 24)
    assert patch_map_size("fauc", 96) == 2
    full = ModelConfig(features="fauc", sampling="patches", patch_size=30)
    assert (full.map_size, full.channels) == (2, 256)
    weights = params_like(full)["network"]["features"]
    assert weights["w3"].shape == (5, 5, 128, 256)


@pytest.mark.parametrize("features", SMALL)
def test_each_net_is_a_setting_of_the_model(features, generator):
    config = dataclasses.replace(PATCHES, features=features, **SMALL[features])
    params = tiny.make_params(config)
    assert ("features" in params["network"]) == (features != "hog")
    crops = generator.uniform(0, 255, (2, 32, 32)).astype(np.float32)
    found = predict(params, crops, config=config)
    assert found.points.shape == (2, 68, 2) and np.isfinite(found.points).all()
    other = predict(params, 255 - crops, config=config).points
    assert np.abs(other - found.points).max() > 1e-3  # it looks


def test_more_dense_layers_lie_between_memory_and_increment(generator):
    config = dataclasses.replace(tiny.CONFIG, dense_layers=3)
    params = tiny.make_params(config)
    shapes = {
        name: leaf["kernel"].shape
        for name, leaf in params["network"].items()
        if name.startswith(("dense", "output"))
    }
    memory = config.map_size**2 * config.hidden_size
    assert shapes == {
        "dense_0": (memory, 256),
        "dense_1": (256, 256),
        "output": (256, 136),
    }
    counted = static_costs(config).step - static_costs(tiny.CONFIG).step
    assert counted == memory * (256 - 136) + 256 * (256 + 136)
    assert "dense_0" not in tiny.make_params()["network"]


def test_costs_count_the_layers():
    config = dataclasses.replace(PATCHES, features="lenet", patch_filters=(2, 3))
    layers = 12**2 * 25 * 2 + 2**2 * 25 * 2 * 3
    assert static_costs(config).features == 68 * layers
    hog = dataclasses.replace(PATCHES, features="hog", cell="gru")
    assert static_costs(hog).features == 68 * 18 * 2 * 16 * (16 + 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"features": "lenet"},
            "features=lenet works on patches alone.*sampling=patches",
        ),
        ({"features": "hog", "sampling": "patches", "patch_size": 20}, "multiple .* 8"),
        ({"features": "lenet", "sampling": "patches", "patch_size": 15}, "too small"),
        ({"features": "fauc", "sampling": "patches", "patch_size": 7}, "too small"),
        (
            {"features": "fauc", "sampling": "patches", "patch_filters": (2, 3)},
            "patch_filters of fauc must be 3 counts, as 64,128,256",
        ),
        (
            {"features": "hog", "sampling": "patches", "patch_filters": (2,)},
            "patch_filters of hog must be 0 counts",
        ),
        ({"features": "sift"}, "features must be one of srcnn, lenet, fauc, hog"),
        ({"dense_layers": 0}, "dense_layers must be at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(ModelConfig(), **changes)
