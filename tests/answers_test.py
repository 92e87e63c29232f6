"""Answers for crops of any form: how far they go on, and what transforms leave of them."""

import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from five import (
    CONFIG,
    FIVE,
    HIDDEN,
    MEAN,
    PATCHES,
    SETTLING,
    assert_same,
    random_params,
    with_output,
)

from rcsr_jax.answers import predict, predict_adaptive
from rcsr_jax.config import RunConfig
from rcsr_jax.geometry import mirror_points
from rcsr_jax.model import make_step
from rcsr_jax.refine import Estimate


@pytest.mark.parametrize(
    ("increment", "tolerance", "num_steps", "settled"),
    [
        # 5 points moved by (3, 4): sqrt(5) 5 / 12 = 0.932 eye distances, then nothing
        ("whole", 0.94, 1, True),
        ("whole", 0.93, 2, True),
        ("step", 0.93, 3, False),
    ],
)
def test_adaptive_prediction_stops_by_hand(
    params, crops, increment, tolerance, num_steps, settled
):
    constant = with_output(params, kernel=0.0, bias=[3.0, 4.0] * 5)
    config = dataclasses.replace(SETTLING, increment=increment, tolerance=tolerance)
    found = predict_adaptive(constant, crops, config=config)
    np.testing.assert_array_equal(found.num_steps, [num_steps] * 3)
    np.testing.assert_array_equal(found.settled, [settled] * 3)
    fixed = predict(constant, crops, config=config, num_steps=num_steps)
    assert_same(found.points, fixed.points)
    np.testing.assert_array_equal(fixed.settled, [settled] * 3)


def test_adaptive_without_tolerance_is_fixed(params, crops):
    adaptive = predict_adaptive(params, crops, config=CONFIG)
    assert_same(adaptive, predict(params, crops, config=CONFIG, num_steps=3), atol=1e-3)
    assert np.abs(np.diff(adaptive.trajectory, axis=0)).max() > 0.2


@pytest.mark.parametrize("adaptive", [False, True])
def test_prediction_goes_on_from_an_answer(params, crops, adaptive):
    go_on = predict_adaptive if adaptive else predict
    half = predict(params, crops, config=CONFIG, num_steps=3)
    start = Estimate(half.points, half.hidden)
    rest = go_on(params, crops, config=CONFIG, start=start)
    whole = predict(params, crops, config=CONFIG, num_steps=6)
    np.testing.assert_allclose(rest.points, whole.points, atol=1e-4)
    np.testing.assert_allclose(rest.hidden, whole.hidden, atol=1e-4)
    np.testing.assert_allclose(rest.trajectory, whole.trajectory[3:], atol=1e-4)
    one = jax.tree.map(lambda leaf: leaf[1], start)
    alone = go_on(params, crops[1], config=CONFIG, start=one)
    np.testing.assert_allclose(alone.hidden, rest.hidden[1], atol=1e-4)


def test_a_start_has_a_gradient(params, crops, generator):
    found = predict(params, crops[:1], config=CONFIG)
    way = np.float32(generator.normal(size=found.hidden.shape))

    @jax.jit
    @jax.value_and_grad
    def moved(far):
        start = Estimate(found.points, found.hidden + far * way)
        answer = predict(params, crops[:1], config=CONFIG, num_steps=1, start=start)
        return answer.points.sum()

    slope = float(moved(0.01)[0] - moved(-0.01)[0]) / 0.02
    assert abs(slope) > 0.1
    assert float(moved(0.0)[1]) == pytest.approx(slope, rel=0.01)


@pytest.mark.parametrize("dtype", [np.int32, np.float16])
def test_a_start_may_be_of_other_numbers(params, crops, dtype):
    found = predict(params, crops, config=CONFIG)
    points = np.round(found.points).astype(dtype)
    start = Estimate(points, found.hidden)
    same = Estimate(points.astype(np.float32), found.hidden)
    jax.tree.map(
        np.testing.assert_array_equal,
        predict_adaptive(params, crops, config=CONFIG, start=start),
        predict_adaptive(params, crops, config=CONFIG, start=same),
    )


def test_a_start_of_another_model_is_told(params, crops):
    found = predict(params, crops, config=CONFIG)
    start = Estimate(found.points, found.hidden)
    wrong = {
        "the points of start must be (3, 5, 2)": start._replace(
            points=start.points[:2]
        ),
        "the hidden of start must be (3, 4, 4, 5)": start._replace(
            hidden=start.hidden[..., :2]
        ),
        "start must be an Estimate of points and memory; got tuple": tuple(start),
    }
    for message, given in wrong.items():
        with pytest.raises(ValueError, match=re.escape(message)):
            predict_adaptive(params, crops, config=CONFIG, start=given)


def test_predict_is_the_loop_over_make_step(params, crops):
    step, estimate = make_step(params, crops, config=CONFIG)
    np.testing.assert_array_equal(estimate.points, np.stack([MEAN] * 3))
    np.testing.assert_array_equal(estimate.hidden, np.zeros((3, 4, 4, 5)))
    found = predict(params, crops, config=CONFIG)
    step = jax.jit(step)
    for shapes in found.trajectory:
        estimate = step(estimate)
        np.testing.assert_allclose(shapes, estimate.points, atol=1e-3)


@pytest.mark.parametrize("ask", [predict, predict_adaptive])
@pytest.mark.parametrize("part", ["network", "mean_shape"])
def test_parameters_without_a_part_are_refused(ask, part, params, crops):
    bare = {name: leaf for name, leaf in params.items() if name != part}
    with pytest.raises(ValueError, match="params must hold 'network' and 'mean_shape'"):
        ask(bare, crops, config=CONFIG)


def test_parameters_in_float64_answer_in_float32(params, crops):
    with jax.enable_x64(True):
        wide = jax.tree.map(np.float64, params)
        found = predict(wide, crops, config=CONFIG)
    kept = found._replace(num_steps=None, settled=None)
    assert {leaf.dtype for leaf in jax.tree.leaves(kept)} == {np.dtype("float32")}


def test_crops_of_every_form_give_the_same(params, crops):
    expected = predict(params, crops, config=CONFIG)
    assert_same(predict(params, np.float32(crops), config=CONFIG), expected)
    assert_same(predict(params, crops[..., None], config=CONFIG), expected)
    by_itself = jax.vmap(lambda crop: predict(params, crop, config=CONFIG))
    assert_same(by_itself(crops[..., None]).points, expected.points, atol=1e-3)
    one = predict(params, crops[1], config=CONFIG)
    assert one.points.shape == (5, 2)
    assert one.trajectory.shape == (3, 5, 2)
    assert one.num_steps.shape == one.settled.shape == ()
    np.testing.assert_allclose(one.points, expected.points[1], atol=1e-3)
    np.testing.assert_allclose(one.trajectory, expected.trajectory[:, 1], atol=1e-3)
    adaptive = predict_adaptive(params, crops[1], config=CONFIG)
    assert_same(adaptive, one, atol=1e-3)


def test_faces_do_not_depend_on_their_batch_mates(params, crops):
    expected = predict(params, crops, config=CONFIG)
    order = np.array([2, 0, 1])
    swapped = predict(params, crops[order], config=CONFIG)
    np.testing.assert_allclose(swapped.points, expected.points[order], atol=1e-4)


def test_predict_compiles_once_for_each_shape(params, crops):
    predict(params, crops, config=CONFIG)
    before = predict._cache_size()
    predict(params, 255 - crops, config=dataclasses.replace(CONFIG))
    predict(random_params(seed=1), crops, config=CONFIG)
    assert predict._cache_size() == before


def test_vmap_over_crops_and_over_parameters(params, crops):
    many = jax.vmap(functools.partial(predict, config=CONFIG), (None, 0))
    expected = predict(params, crops, config=CONFIG)
    np.testing.assert_allclose(many(params, crops).points, expected.points, atol=1e-3)
    other = random_params(seed=1)
    ensemble = jax.tree.map(lambda *leaves: jnp.stack(leaves), params, other)
    each = jax.vmap(functools.partial(predict, config=CONFIG), (0, None))
    points = each(ensemble, crops).points
    np.testing.assert_allclose(points[0], expected.points, atol=1e-3)
    alone = predict(other, crops, config=CONFIG)
    np.testing.assert_allclose(points[1], alone.points, atol=1e-3)


def test_adaptive_prediction_has_no_reverse_mode(params, crops):
    with pytest.raises(ValueError, match="Reverse-mode"):
        jax.grad(
            lambda params: predict_adaptive(params, crops, config=CONFIG).points.sum()
        )(params)


def symmetric(params):
    """Parameters that treat a mirrored face as the mirrored face."""
    mirror = np.array(FIVE.mirror)
    sign = np.float32([-1, 1])
    network = params["network"]

    def mean_with_mirrored(kernel):
        return (kernel + kernel[:, ::-1]) / 2

    def layer(old):
        inputs = np.concatenate([np.arange(5), 5 + mirror])  # memory, then landmarks
        twin = old["kernel"][:, ::-1, inputs]
        return {**old, "kernel": (old["kernel"] + twin) / 2}

    kernel = network["output"]["kernel"].reshape(4, 4, 5, 5, 2)
    twin = kernel[:, ::-1][:, :, :, mirror] * sign.reshape(1, 1, 1, 1, 2)
    bias = network["output"]["bias"].reshape(5, 2)
    output = {
        "kernel": ((kernel + twin) / 2).reshape(HIDDEN, 10),
        "bias": ((bias + bias[mirror] * sign[None]) / 2).reshape(10),
    }
    features = {
        name: mean_with_mirrored(leaf) if name.startswith("w") else leaf
        for name, leaf in network["features"].items()
    }
    cell = {name: layer(old) for name, old in network["cell"].items()}
    network = {**network, "features": features, "cell": cell, "output": output}
    return {**params, "network": network}


@pytest.mark.parametrize("config", [CONFIG, PATCHES], ids=["planes", "patches"])
def test_a_mirrored_face_gets_the_mirrored_answer(params, crops, config):
    even = symmetric(params)
    points = predict(even, crops, config=config).points
    flipped = predict(even, crops[:, :, ::-1], config=config).points
    mirrored = mirror_points(points, width=32, markup=FIVE)
    assert np.abs(points - mirrored).max() > 0.5
    np.testing.assert_allclose(flipped, mirrored, atol=5e-3)


@pytest.mark.parametrize("form", [predict, predict_adaptive])
@pytest.mark.parametrize("mirror_average", [False, True])
def test_no_crops_have_no_faces(params, crops, form, mirror_average):
    config = dataclasses.replace(CONFIG, mirror_average=mirror_average)
    none, one = (form(params, crops[:count], config=config) for count in (0, 1))
    for name, leaf in one._asdict().items():
        found = getattr(none, name)
        axis = 1 if name == "trajectory" else 0
        assert found.shape == tuple(np.delete(leaf.shape, axis).tolist())[:axis] + (
            0,
            *leaf.shape[axis + 1 :],
        )
        assert found.dtype == leaf.dtype


@pytest.mark.parametrize("form", [predict, predict_adaptive])
@pytest.mark.parametrize("shape", [(3, 31, 32), (3, 32, 32, 3), (5,), (16, 16)])
def test_crops_that_do_not_fit_are_refused(params, form, shape):
    with pytest.raises(ValueError, match=r"grey, \[batch, 32, 32\]; got"):
        form(params, jnp.zeros(shape), config=CONFIG)


def test_another_config_and_a_list_of_crops_are_refused(params, crops):
    run = RunConfig(model=CONFIG)
    for loop in (predict, predict_adaptive):
        with pytest.raises(ValueError, match=r"must be a ModelConfig.*got RunConfig"):
            loop(params, crops, config=run)
        with pytest.raises(ValueError, match="crops must be one array; got list"):
            loop(params, list(crops), config=CONFIG)
