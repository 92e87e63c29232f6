"""Few programs for any number of faces, and nothing of what they are filled up with."""

import jax
import numpy as np
import pytest
import tiny
from tiny import CONFIG

from rcsr_jax.answers import predict_adaptive
from rcsr_jax.pieces import (
    finish_pieces,
    largest_piece,
    piece_sizes,
    platform_of,
    start_pieces,
)


@pytest.mark.parametrize(
    ("num_faces", "sizes"),
    [(0, [0]), (1, [1]), (2, [2]), (7, [4, 2, 1]), (8, [8]), (21, [8, 8, 4, 1])],
)
def test_on_a_cpu_pieces_add_up_to_the_faces(num_faces, sizes):
    assert piece_sizes(num_faces, platform="cpu") == sizes


@pytest.mark.parametrize(
    ("num_faces", "sizes"),
    [
        (0, [0]),
        (1, [1]),
        (2, [4]),
        (4, [4]),
        (5, [16]),
        (65, [256]),
        (256, [256]),
        (257, [256, 1]),
        (600, [256, 256, 256]),
    ],
)
def test_on_an_accelerator_the_last_piece_is_filled_up(num_faces, sizes):
    assert piece_sizes(num_faces, platform="gpu") == sizes


@pytest.mark.parametrize(("platform", "most"), [("cpu", 4), ("gpu", 5), ("tpu", 5)])
def test_there_are_few_sizes_and_room_for_all_faces(platform, most):
    used = set()
    for num_faces in range(700):
        sizes = piece_sizes(num_faces, platform=platform)
        assert sum(sizes) >= num_faces
        assert sum(sizes[:-1]) < num_faces or sizes == [0]  # no other piece is empty
        used.update(sizes)
    assert len(used - {0}) == most and max(used) == largest_piece(platform)


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
@pytest.mark.parametrize("num_faces", [0, 1, 2, 6, 19])
def test_pieces_join_to_the_prediction_of_all(platform, num_faces, monkeypatch):
    monkeypatch.setattr("rcsr_jax.pieces.platform_of", lambda params: platform)
    params = jax.device_put(tiny.make_params())
    crops = np.random.default_rng(0).integers(0, 256, (num_faces, 32, 32), np.uint8)
    pieces = start_pieces(params, crops, config=CONFIG, num_steps=None)
    joined = finish_pieces(pieces, num_faces=num_faces)
    assert joined.trajectory.shape == (CONFIG.max_steps, num_faces, 68, 2)
    assert joined.points.shape == (num_faces, 68, 2)
    whole = predict_adaptive(params, np.resize(crops, (19, 32, 32)), config=CONFIG)
    np.testing.assert_array_equal(joined.num_steps, whole.num_steps[:num_faces])
    np.testing.assert_array_equal(joined.settled, whole.settled[:num_faces])
    for found, expected in (
        (joined.points, whole.points[:num_faces]),
        (joined.trajectory, whole.trajectory[:, :num_faces]),
    ):
        assert isinstance(found, np.ndarray)
        np.testing.assert_allclose(found, expected, atol=1e-3)


def test_the_platform_is_that_of_the_parameters():
    params = jax.device_put(tiny.make_params())
    assert platform_of(params) == jax.default_backend()


def test_pieces_run_where_the_parameters_are():
    """Not where the thread that calls would put new arrays."""
    other = jax.local_devices()[-1]
    assert other != jax.local_devices()[0]
    with jax.default_device(other):
        there = jax.device_put(tiny.make_params())
    here = jax.device_put(tiny.make_params())
    crops = np.zeros((1, 32, 32), np.uint8)
    for params, device, default in ((there, other, None), (here, None, other)):
        with jax.default_device(default):
            (found,) = start_pieces(params, crops, config=CONFIG, num_steps=1)
        assert found.points.devices() == {device or jax.local_devices()[0]}
