"""The cells against equations 4 to 7 in NumPy float64, with separate kernels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import signal

from rcsr_jax.recurrent import ConvGRUCell, GRUCell

HIDDEN, INPUTS = 3, 2


def _case(generator, cell):
    if cell is ConvGRUCell:
        shapes = (2, 5, 4, HIDDEN), (2, 5, 4, INPUTS)
    else:
        shapes = (2, HIDDEN), (2, 2, 1, INPUTS)
    hidden, inputs = (np.float32(generator.normal(size=shape)) for shape in shapes)
    shapes = jax.eval_shape(cell(HIDDEN).init, jax.random.key(0), hidden, inputs)
    params = jax.tree.map(
        lambda leaf: np.float32(generator.normal(0, 0.5, leaf.shape)), shapes
    )
    return params, hidden, inputs


def _product(kernel, maps):
    """W * maps: a 3x3 SAME cross-correlation, or a matrix product of flat features."""
    kernel, maps = np.float64(kernel), np.float64(maps)
    if kernel.ndim == 2:
        return maps.reshape(len(maps), -1) @ kernel
    faces = [
        [
            sum(
                signal.correlate2d(face[..., c], kernel[:, :, c, f], mode="same")
                for c in range(kernel.shape[2])
            )
            for f in range(kernel.shape[3])
        ]
        for face in maps
    ]
    return np.moveaxis(np.array(faces), 1, -1)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _equations(params, hidden, inputs):
    gates, candidate = params["params"]["gates"], params["params"]["candidate"]
    w_z, w_r = gates["kernel"][..., :HIDDEN], gates["kernel"][..., HIDDEN:]
    b_z, b_r = gates["bias"][:HIDDEN], gates["bias"][HIDDEN:]
    w_zh, w_zf = w_z[..., :HIDDEN, :], w_z[..., HIDDEN:, :]
    w_rh, w_rf = w_r[..., :HIDDEN, :], w_r[..., HIDDEN:, :]
    w_ch = candidate["kernel"][..., :HIDDEN, :]
    w_cf = candidate["kernel"][..., HIDDEN:, :]
    z = _sigmoid(_product(w_zh, hidden) + _product(w_zf, inputs) + b_z)  # eq. 4
    r = _sigmoid(_product(w_rh, hidden) + _product(w_rf, inputs) + b_r)  # eq. 5
    c = np.tanh(
        _product(w_ch, r * hidden) + _product(w_cf, inputs) + candidate["bias"]
    )  # eq. 6
    return (1 - z) * hidden + z * c  # eq. 7


@pytest.mark.parametrize("cell", [ConvGRUCell, GRUCell])
def test_the_next_memory_is_equations_4_to_7(generator, cell):
    params, hidden, inputs = _case(generator, cell)
    found = jax.jit(cell(HIDDEN).apply)(params, hidden, inputs)
    assert found.shape == hidden.shape
    np.testing.assert_allclose(found, _equations(params, hidden, inputs), atol=1e-5)


@pytest.mark.parametrize("cell", [ConvGRUCell, GRUCell])
def test_gates_at_their_ends(generator, cell):
    params, hidden, inputs = _case(generator, cell)

    apply = jax.jit(cell(HIDDEN).apply)

    def with_gates(update, reset):
        bias = np.float32([update] * HIDDEN + [reset] * HIDDEN)
        gates = {**params["params"]["gates"], "bias": bias}
        changed = {"params": {**params["params"], "gates": gates}}
        return lambda hidden: apply(changed, hidden, inputs)

    np.testing.assert_allclose(with_gates(-80, 0)(hidden), hidden, atol=1e-7)
    # both open and closed: the candidate of the features alone
    forgets = with_gates(80, -80)
    np.testing.assert_allclose(forgets(hidden), forgets(0 * hidden), atol=1e-6)
    assert np.abs(forgets(hidden)).max() <= 1
    remembers = with_gates(80, 80)
    assert np.abs(remembers(hidden) - remembers(0 * hidden)).max() > 0.1


@pytest.mark.parametrize("cell", [ConvGRUCell, GRUCell])
def test_gradients_equal_finite_differences(generator, cell):
    params, hidden, inputs = _case(generator, cell)
    with jax.enable_x64(True):
        arguments = jax.tree.map(
            lambda leaf: jnp.asarray(np.float64(leaf)), (params, hidden, inputs)
        )
        check_grads(jax.jit(cell(HIDDEN).apply), arguments, order=1, modes=["rev"])


def test_flat_features_are_taken_in_any_shape(generator):
    params, hidden, inputs = _case(generator, GRUCell)
    flat = GRUCell(HIDDEN).apply(params, hidden, inputs.reshape(2, -1))
    maps = GRUCell(HIDDEN).apply(params, hidden, inputs)
    np.testing.assert_array_equal(maps, flat)
