"""The whole model on tiny settings: what it sees, how it moves, and its gradients."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from five import (
    CONFIG,
    MEAN,
    PATCHES,
    SETTLING,
    with_output,
)
from scipy import stats

from rcsr_jax.answers import predict, predict_adaptive
from rcsr_jax.config import RunConfig
from rcsr_jax.markup import FACE_68
from rcsr_jax.model import init_params, log_doubts, make_scene, make_step, normalise
from rcsr_jax.portable import portable_forms
from rcsr_jax.refine import unroll
from rcsr_jax.updates import batch_loss


def test_fresh_parameters_predict_the_mean_shape(crops):
    fresh = init_params(jax.random.key(0), config=CONFIG, mean_shape=MEAN)
    found = predict(fresh, crops, config=CONFIG)
    np.testing.assert_array_equal(found.points, np.stack([MEAN] * 3))
    np.testing.assert_array_equal(found.num_steps, [3, 3, 3])
    assert found.trajectory.shape == (3, 3, 5, 2)
    adaptive = predict_adaptive(fresh, crops, config=SETTLING)
    np.testing.assert_array_equal(adaptive.points, found.points)
    np.testing.assert_array_equal(adaptive.num_steps, [1, 1, 1])
    assert adaptive.settled.all()


def test_expected_errors_are_read_off_the_memory_and_scaled(params, crops):
    found = predict(params, crops, config=CONFIG)
    assert found.expected_error.shape == (3, 5)
    assert found.expected_error.min() > 0
    doubled = dataclasses.replace(CONFIG, error_scale=2.0)
    twice = predict(params, crops, config=doubled).expected_error
    np.testing.assert_allclose(twice, 2 * found.expected_error, rtol=1e-5)
    # an adaptive prediction that goes on to the end ends with the same memory
    adaptive = predict_adaptive(params, crops, config=CONFIG)
    np.testing.assert_allclose(adaptive.expected_error, found.expected_error, rtol=1e-4)
    # by hand: the exponential of a dense layer's output, in eye distances
    step, estimate = make_step(params, crops, config=CONFIG)
    for _ in range(3):
        estimate = step(estimate)
    layer = params["network"]["doubt"]
    hidden = np.asarray(estimate.hidden).reshape(3, -1)
    logs = hidden @ np.asarray(layer["kernel"]) + np.asarray(layer["bias"])
    eyes = np.linalg.norm(estimate.points[:, 0] - estimate.points[:, 1], axis=-1)
    expected = np.exp(np.clip(logs, np.log(1e-3), np.log(2))) * eyes[:, None]
    np.testing.assert_allclose(found.expected_error, expected, rtol=1e-3)


def test_expected_errors_leave_the_memory_alone(params, crops):
    def logs(params):
        step, start = make_step(params, crops, config=CONFIG)
        return log_doubts(params, step(start).hidden, config=CONFIG).sum()

    gradient = jax.grad(logs)(params)["network"]
    assert np.abs(gradient["doubt"]["kernel"]).max() > 0
    rest = [
        leaf
        for name, part in gradient.items()
        if name != "doubt"
        for leaf in jax.tree.leaves(part)
    ]
    assert max(np.abs(leaf).max() for leaf in rest) == 0


def test_no_gradient_of_how_sure_it_is_reaches_the_features(params, crops):
    def told(crops):
        found = predict(params, crops, config=CONFIG)
        return found.expected_error.sum() + found.score.sum(), found.points.sum()

    sure, points = jax.jacrev(told)(np.float32(crops))
    assert np.abs(points).max() > 0
    np.testing.assert_array_equal(sure, np.zeros_like(sure))


def test_errors_of_a_narrow_face_are_told_in_the_unit_they_were_learned_in(
    params, crops
):
    # eyes at 14.5 and 16.5, a sixth of the distance of 12 in the mean shape
    constant = with_output(params, kernel=0.0, bias=[5.0, 0, -5.0, 0] + [0.0] * 6)
    doubt = {"kernel": np.zeros((80, 5), np.float32), "bias": np.full(5, np.log(0.02))}
    network = constant["network"] | {"doubt": doubt}
    found = predict({**constant, "network": network}, crops, config=CONFIG)
    half = 12 / 2
    np.testing.assert_allclose(found.expected_error, np.full((3, 5), 0.02 * half), 1e-5)
    # of the face's own eye distance that is three times as much: 6 per cent
    spread = CONFIG.error_spread
    middle = np.log(0.06) - spread**2 / 2
    np.testing.assert_allclose(
        found.score, [stats.norm.cdf((np.log(0.08) - middle) / spread)] * 3, rtol=1e-5
    )


@pytest.mark.parametrize(("bias", "told"), [(-30.0, 1e-3), (30.0, 2.0)])
def test_a_doubt_beyond_its_range_is_brought_back(params, bias, told):
    def logs(bias):
        doubt = {"kernel": np.zeros((80, 5), np.float32), "bias": jnp.full(5, bias)}
        network = params["network"] | {"doubt": doubt}
        hidden = np.zeros((1, 4, 4, 5), np.float32)
        return log_doubts({**params, "network": network}, hidden, config=CONFIG)[0, 0]

    value, slope = jax.value_and_grad(logs)(bias)
    np.testing.assert_allclose(np.exp(value), told, rtol=1e-5)
    assert slope == 1


def test_bfloat16_keeps_positions_and_parameters(params, crops):
    config = dataclasses.replace(CONFIG, compute_dtype="bfloat16")
    step, start = make_step(params, crops, config=config)
    assert start.hidden.dtype == jnp.bfloat16
    after = jax.eval_shape(step, start)
    assert after.hidden.dtype == jnp.bfloat16
    assert after.points.dtype == jnp.float32
    found = predict(params, crops, config=config)
    exact = predict(params, crops, config=CONFIG)
    moved = np.abs(exact.points - MEAN[None]).max()
    assert 0 < np.abs(found.points - exact.points).mean() < 0.05 * moved
    gradient = jax.grad(lambda p: predict(p, crops, config=config).points.sum())(params)
    kinds = {leaf.dtype for leaf in jax.tree.leaves(gradient)}
    assert kinds == {jnp.dtype("float32")}


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_parameters_of_less_precision_are_taken(params, crops, dtype):
    exact = predict(params, crops, config=CONFIG)
    coarse = jax.tree.map(lambda leaf: leaf.astype(dtype), params)
    for found in (
        predict(coarse, crops, config=CONFIG),
        predict_adaptive(coarse, crops, config=CONFIG),
    ):
        assert found.points.dtype == jnp.float32
        assert np.abs(found.points - exact.points).max() < 0.5  # crop pixels


def test_increments_are_whole_or_of_a_step(params, crops):
    # the dense layer gives (2, 1) whatever it sees; 80 inputs leave its scale at one
    constant = with_output(params, kernel=0.0, bias=[2.0, 1.0] * 5)
    whole = predict(constant, crops, config=CONFIG)
    for shapes in whole.trajectory:
        np.testing.assert_allclose(shapes, np.stack([MEAN + [2, 1]] * 3), rtol=1e-6)
    steps = predict(
        constant, crops, config=dataclasses.replace(CONFIG, increment="step")
    )
    for number, shapes in enumerate(steps.trajectory, start=1):
        expected = np.stack([MEAN + np.multiply(number, [2, 1])] * 3)
        np.testing.assert_allclose(shapes, expected, rtol=1e-6)


def test_second_derivatives_are_those_of_plain_convolutions(params, crops):
    # finite differences know nothing of them: samples between pixels have kinks
    photo = jnp.float32(crops[:1])

    def found(amount):
        lit = photo + amount * jnp.flip(photo, axis=1)
        step, start = make_step(params, lit, config=CONFIG)
        return unroll(step, start, num_steps=1, flatten=False)[-1].sum()

    ours = float(jax.jit(jax.grad(jax.grad(found)))(0.3))
    forward = jax.jit(lambda at: jax.jvp(jax.grad(found), (at,), (1.0,))[1])
    assert float(forward(0.3)) == pytest.approx(ours, rel=1e-5)
    with portable_forms():
        plain = float(jax.jit(jax.grad(jax.grad(found)))(0.3))
    assert ours == pytest.approx(plain, rel=1e-3)
    assert abs(plain) > 1


@pytest.mark.parametrize("ask", [predict, predict_adaptive, make_step, make_scene])
def test_the_settings_of_a_whole_run_are_told_apart(ask, params, crops):
    with pytest.raises(
        ValueError, match="config must be a ModelConfig, .* got RunConfig"
    ):
        ask(params, crops, config=RunConfig(model=CONFIG))
    with pytest.raises(
        ValueError, match="config must be a ModelConfig, .* got RunConfig"
    ):
        init_params(jax.random.key(0), config=RunConfig(model=CONFIG), mean_shape=MEAN)


def test_a_loss_takes_crops_of_its_size_alone(params, crops):
    points = np.stack([MEAN] * 3)
    with pytest.raises(ValueError, match=r"crops must be grey, \[batch, 32, 32\]"):
        batch_loss(params, crops[:, :20], points, config=RunConfig(model=CONFIG))


def test_light_does_not_matter(params, crops):
    expected = predict(params, np.float32(crops), config=CONFIG)
    brighter = predict(params, np.float32(crops) * 0.3 + 40, config=CONFIG)
    np.testing.assert_allclose(brighter.points, expected.points, atol=1e-3)


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
def test_the_range_of_the_pixels_does_not_matter(white, crops):
    found = normalise(np.float32(white / 255) * np.float32(crops))
    np.testing.assert_allclose(found, normalise(crops), atol=1e-3)


def test_normalised_crops_by_numpy(crops):
    wide = np.float64(crops)
    expected = (wide - wide.mean((1, 2), keepdims=True)) / wide.std(
        (1, 2), keepdims=True
    )
    np.testing.assert_allclose(normalise(crops)[..., 0], expected, atol=1e-4)
    flat = normalise(np.full((1, 32, 32), 255, np.uint8))
    np.testing.assert_allclose(flat, 0, atol=0.1)


# trained without a gradient through positions: that of predict passes them all the same
STOPPED = dataclasses.replace(CONFIG, position_gradient=False)


@pytest.mark.parametrize(
    "config", [CONFIG, PATCHES, STOPPED], ids=["planes", "patches", "stopped"]
)
def test_gradients_equal_finite_differences(params, config):
    generator = np.random.default_rng(2)
    weights = np.float32(generator.normal(size=(1, 5, 2)))

    @jax.jit
    @functools.partial(jax.value_and_grad, argnums=(0, 1))
    def total(network, images):
        whole = {**params, "network": {**params["network"], **network}}
        points = predict(whole, images, config=config, num_steps=2).points
        return ((points - MEAN[None]) * weights).sum()

    y, x = np.mgrid[:32, :32]  # a smooth crop: noise has a kink at every pixel
    crop = np.float32(128 + 60 * np.sin(x / 5) * np.cos(y / 6) + x)
    moving = {name: part for name, part in params["network"].items() if name != "doubt"}
    start = moving, crop[None]
    ways = jax.tree.map(
        lambda leaf: np.float32(generator.normal(size=leaf.shape)), start
    )
    _, gradients = total(*start)
    # along one way through all parameters, and one through all pixels
    for which, reach in enumerate([1e-3, 0.1]):
        values = []
        for sign in (1, -1):
            moved = jax.tree.map(
                lambda leaf, way, far=sign * reach: leaf + far * way,
                start[which],
                ways[which],
            )
            there = (moved, start[1]) if which == 0 else (start[0], moved)
            values.append(float(total(*there)[0]))
        products = jax.tree.map(
            lambda slope, way: np.vdot(slope, way), gradients[which], ways[which]
        )
        slope = float(sum(jax.tree.leaves(products)))
        assert (values[0] - values[1]) / (2 * reach) == pytest.approx(slope, rel=0.02)


def test_the_mean_shape_is_not_learned(params, crops):
    def total(params):
        return predict(params, crops, config=CONFIG).points.sum()

    gradient = jax.grad(total)(params)
    np.testing.assert_array_equal(gradient["mean_shape"], np.zeros((5, 2)))
    assert np.abs(gradient["network"]["features"]["w1"]).max() > 0


def test_other_bad_arguments_are_refused(params, crops):
    for num_steps, message in (
        (0, "at least 1; got 0"),
        (1001, "at most 1000; got 1001"),
        (1.5, "a whole number; got 1.5"),
        (True, "a whole number; got True"),
    ):
        with pytest.raises(ValueError, match=f"num_steps must be {message}"):
            predict(params, crops, config=CONFIG, num_steps=num_steps)
    for change, message in (
        ({"hidden_size": 7}, "not those of a network of this config"),
        ({"filters": (5, 4, 1)}, "not those of a network of this config"),
        ({"markup": FACE_68}, "of 5 landmarks, the config of 68"),
    ):
        other = dataclasses.replace(CONFIG, **change)
        with pytest.raises(ValueError, match=message):
            predict(params, crops, config=other)
    with pytest.raises(ValueError, match=r"mean_shape must be \(5, 2\); got \(4, 2\)"):
        init_params(jax.random.key(0), config=CONFIG, mean_shape=MEAN[:4])


def test_parameters_of_float64_are_computed_with_as_those_of_float32(params, crops):
    with jax.enable_x64(True):
        double = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
        found = predict(double, crops, config=CONFIG)
    assert found.points.dtype == np.float32
    np.testing.assert_allclose(
        found.points, predict(params, crops, config=CONFIG).points, atol=1e-4
    )
