"""Supervised descent: as the gateless recurrent unit, as ridge regression, as a fit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from rcsr_jax.descent import DescentConfig, descend, fit_descent
from rcsr_jax.recurrent import GRUCell, LinearCell

CONFIG = DescentConfig(patch_sizes=(8, 4), cells=1, num_orientations=4, ridge=0.1)


def recurrent_unit(hidden, features, *, gates, candidate):
    """Eqs. 4 to 7 with what is put for gates and candidate."""
    keep, accept, reset = gates(hidden, features)
    return keep * hidden + accept * candidate(reset * hidden, features)


def test_without_gates_and_tanh_the_recurrent_unit_is_supervised_descent(generator):
    """Section 3.3: from the GRU to eq. 14, the linear cell in its place."""
    shape, features = (
        generator.standard_normal((3, 6)),
        generator.standard_normal((3, 9)),
    )
    both = 6 + 9
    gate_kernel, gate_bias = generator.standard_normal((both, 12)), np.ones(12)
    kernel, bias = generator.standard_normal((both, 6)), generator.standard_normal(6)

    def sigmoid_gates(hidden, seen):
        told = np.concatenate([hidden, seen], -1) @ gate_kernel + gate_bias
        update, reset = np.split(1 / (1 + np.exp(-told)), 2, axis=-1)
        return 1 - update, update, reset

    def tanh_layer(hidden, seen):
        return np.tanh(np.concatenate([hidden, seen], -1) @ kernel + bias)

    with jax.enable_x64(True):
        # the equations are those of the library's unit ...
        gru = {
            "gates": {"kernel": gate_kernel, "bias": gate_bias},
            "candidate": {"kernel": kernel, "bias": bias},
        }
        library = GRUCell(6).apply({"params": gru}, jnp.array(shape), features)
        ours = recurrent_unit(
            shape, features, gates=sigmoid_gates, candidate=tanh_layer
        )
        np.testing.assert_allclose(library, ours, rtol=1e-12)

        # ... which without gates, and with a regressor for its tanh layer, is eq. 14
        descent = generator.standard_normal((9, 6))  # R
        offset = generator.standard_normal(6)  # b, a column of ones in the features
        linear = {"candidate": {"kernel": -descent, "bias": offset}}
        cell = LinearCell(6).apply({"params": linear}, jnp.array(shape), features)
        gateless = recurrent_unit(
            shape,
            features,
            gates=lambda hidden, seen: (1, 1, 0),
            candidate=lambda hidden, seen: seen @ -descent + offset,
        )
        expanded = np.concatenate([features, np.ones((3, 1))], -1)
        equation_14 = shape - expanded @ np.concatenate([descent, -offset[None]])
        assert cell.dtype == jnp.float64
        np.testing.assert_allclose(cell, gateless, rtol=0, atol=1e-14)
        np.testing.assert_allclose(cell, equation_14, rtol=0, atol=1e-14)


def moving_square(generator, count):
    """Crops with a bright square whose corners are among the landmarks."""
    shape = tiny.mean_shape()
    crops = np.full((count, 32, 32), 40, np.uint8)
    shifts = generator.integers(-2, 3, (count, 2))
    for crop, (dx, dy) in zip(crops, shifts, strict=True):
        crop[10 + dy : 22 + dy, 10 + dx : 22 + dx] = 200
    return crops, shape[None] + shifts[:, None].astype(np.float32), shape


def test_the_cascade_finds_what_moves_and_each_level_helps(generator):
    crops, points, shape = moving_square(generator, 80)
    fitted = fit_descent(
        crops[:60], points[:60], mean_shape=shape, config=CONFIG, batch_size=32
    )
    path = np.asarray(descend(fitted, crops[60:], config=CONFIG))
    assert path.shape == (2, 20, 68, 2)
    errors = np.linalg.norm(
        np.concatenate([np.broadcast_to(shape, (1, 20, 68, 2)), path])
        - points[None, 60:],
        axis=-1,
    ).mean((1, 2))
    assert errors[0] > 1.2 and errors[1] < errors[0] / 3 and errors[2] < errors[1]


def test_a_level_is_ridge_regression(generator):
    from rcsr_jax.descent import _regress

    features = generator.standard_normal((20, 6)) + 1
    left = generator.standard_normal((20, 4)) - 2
    pieces = [jnp.asarray(features[:12], jnp.float32), jnp.asarray(features[12:])]
    level = _regress(pieces, [left[:12], left[12:]], ridge=0.5)["candidate"]
    centred = features - features.mean(0)
    gram = centred.T @ centred
    held = 0.5 * np.trace(gram) / 6 * np.eye(6)
    kernel = np.linalg.solve(gram + held, centred.T @ (left - left.mean(0)))
    np.testing.assert_allclose(level["kernel"], kernel, atol=1e-5)
    bias = left.mean(0) - features.mean(0) @ kernel
    np.testing.assert_allclose(level["bias"], bias, atol=1e-4)


def test_missing_landmarks_and_odd_patches_are_refused(generator):
    crops, points, shape = moving_square(generator, 4)
    points[1, 3] = np.nan
    with pytest.raises(ValueError, match="every landmark annotated; got 4 with 1"):
        fit_descent(crops, points, mean_shape=shape, config=CONFIG)
    with pytest.raises(ValueError, match="multiples of 3 cells"):
        DescentConfig(patch_sizes=(24, 16))
    with pytest.raises(ValueError, match="ridge positive"):
        DescentConfig(ridge=0.0)
    with pytest.raises(
        ValueError, match="cells and num_orientations must be at least 1"
    ):
        DescentConfig(cells=0)
    with pytest.raises(ValueError, match=r"patch_sizes must be a tuple; got \[24\]"):
        DescentConfig(patch_sizes=[24])
