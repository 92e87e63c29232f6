"""The progressive loss against equation 8 in NumPy float64."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from rcsr_jax.losses import (
    doubt_loss,
    heatmap_loss,
    progressive_loss,
    step_weights,
)
from rcsr_jax.markup import Markup

NAN = float("nan")
KINDS = ["l2", "l1", "wing"]
SCHEMES = ["progressive", "log_range"]
# Outer eye corners 0 and 1, nose and chin.
FOUR = Markup(name="four", mirror=(1, 0, 2, 3), eye_corners=(0, 1), eyes=((0,), (1,)))
FACE = np.array([[0, 0], [10, 0], [5, 5], [5, 10]], np.float32)

_loss = jax.jit(
    progressive_loss, static_argnames=("markup", "kind", "scheme", "across_weight")
)
loss_of = functools.partial(_loss, markup=FOUR, mean_eye_distance=10.0)


def one_error(kind, distance, *, truth=FACE, mean_eye_distance=10.0):
    """The loss of a face with one wrong landmark, the chin, after the only step."""
    shape = FACE + np.float32([[0, 0], [0, 0], [0, 0], [0, distance]])
    loss = loss_of(
        jnp.asarray(shape)[None, None],
        jnp.asarray(truth)[None],
        mean_eye_distance=mean_eye_distance,
        kind=kind,
    )
    return float(loss[0])


def numpy_loss(trajectory, truth, *, kind, scheme, mean_eye_distance):
    num_steps = len(trajectory)
    if scheme == "progressive":
        weights = [10 ** (t / num_steps) for t in range(1, num_steps + 1)]
    else:
        weights = [10**w for w in np.linspace(-2, 2, num_steps)]
    totals = []
    for face, points in enumerate(np.float64(truth)):
        eyes = np.hypot(*(points[0] - points[1]))
        unit = mean_eye_distance if np.isnan(eyes) else eyes
        unit = max(unit, mean_eye_distance / 2)
        total = 0.0
        for weight, shapes in zip(weights, np.float64(trajectory), strict=True):
            errors = []
            for guess, point in zip(shapes[face], points, strict=True):
                if np.isnan(point).any():
                    continue
                far = np.hypot(*(guess - point)) / unit
                errors.append(
                    {
                        "l2": far**2,
                        "l1": far,
                        "wing": 0.1 * np.log(1 + far / 0.02)
                        if far < 0.1
                        else far - (0.1 - 0.1 * np.log(1 + 0.1 / 0.02)),
                    }[kind]
                )
            total += weight * np.mean(errors) if errors else 0.0
        totals.append(total / sum(weights))
    return np.array(totals)


def random_faces(generator):
    truth = FACE + generator.normal(0, 1, (5, 4, 2))
    trajectory = truth + generator.normal(0, 1.5, (3, 5, 4, 2))
    truth[1, 2:] = NAN
    truth[2, 0, 1] = NAN  # an eye corner: the unit falls back
    truth[3, 1] = truth[3, 0] + [2, 0]  # a profile: the unit has a floor
    truth[4] = NAN
    return jnp.float32(trajectory), jnp.float32(truth)


def test_weights_by_hand():
    ends = np.sqrt(10), 10.0
    np.testing.assert_allclose(
        step_weights(2, scheme="progressive"), np.divide(ends, sum(ends)), rtol=1e-6
    )
    np.testing.assert_allclose(
        step_weights(5, scheme="log_range"),
        np.array([0.01, 0.1, 1, 10, 100]) / 111.11,
        rtol=1e-6,
    )


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("num_steps", [1, 2, 5, 13])
def test_weights_increase_and_sum_to_one(scheme, num_steps):
    weights = step_weights(num_steps, scheme=scheme)
    assert weights.shape == (num_steps,)
    assert weights.sum() == pytest.approx(1, abs=1e-6)
    assert (np.diff(weights) > 0).all()


def test_one_wrong_landmark_by_hand():
    # 3 px of 10, on one of four landmarks
    assert one_error("l2", 3) == pytest.approx(0.3**2 / 4, rel=1e-5)
    assert one_error("l1", 3) == pytest.approx(0.3 / 4, rel=0.01)
    # 0.5 px lie in the logarithm: 0.1 ln(1 + 0.05 / 0.02) ; 3 px on the straight part
    bent, corner = 0.1 * np.log(3.5) / 4, 0.1 * np.log(6)
    assert one_error("wing", 0.5) == pytest.approx(bent, rel=0.05)
    assert one_error("wing", 3) == pytest.approx((corner + 0.2) / 4, rel=0.05)


def test_wing_is_continuous_at_its_corner():
    below, above = one_error("wing", 0.9999), one_error("wing", 1.0001)
    assert above == pytest.approx(below, rel=1e-3)
    assert above > below


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_values_are_equation_8(generator, kind, scheme):
    trajectory, truth = random_faces(generator)
    expected = numpy_loss(
        trajectory, truth, kind=kind, scheme=scheme, mean_eye_distance=10.0
    )
    found = loss_of(trajectory, truth, kind=kind, scheme=scheme)
    assert found.shape == (5,)
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-6)
    assert found[4] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_finite_and_leave_missing_landmarks_alone(generator, kind):
    trajectory, truth = random_faces(generator)
    trajectory = trajectory.at[:, 0].set(truth[0][None])  # no error at all: a kink

    def total(trajectory):
        return loss_of(trajectory, truth, kind=kind).sum()

    gradient = np.asarray(jax.jit(jax.grad(total))(trajectory))
    assert np.isfinite(gradient).all()
    known = np.isfinite(truth).all(-1)
    assert (gradient[:, ~known] == 0).all()
    assert (np.abs(gradient[:, 2:4][:, known[2:4]]).max(-1) > 0).all()
    np.testing.assert_array_equal(gradient[:, 0], 0)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_equal_finite_differences(generator, kind):
    trajectory, truth = random_faces(generator)
    with jax.enable_x64(True):
        trajectory = jnp.asarray(np.float64(trajectory))
        truth = jnp.asarray(np.float64(truth))
        check_grads(
            jax.jit(lambda shapes: loss_of(shapes, truth, kind=kind)),
            (trajectory,),
            order=1,
            modes=["rev"],
        )


def test_later_steps_count_more():
    wrong, right = FACE + 1, FACE
    early = loss_of(jnp.stack([wrong, right])[:, None], jnp.asarray(FACE)[None])
    late = loss_of(jnp.stack([right, wrong])[:, None], jnp.asarray(FACE)[None])
    assert late[0] / early[0] == pytest.approx(np.sqrt(10), rel=1e-5)


def test_unit_without_an_eye_corner_is_the_mean_eye_distance():
    truth = FACE.copy()
    truth[0] = NAN  # three landmarks are left
    found = one_error("l2", 3, truth=truth, mean_eye_distance=20.0)
    assert found == pytest.approx((3 / 20) ** 2 / 3, rel=1e-5)


def test_unit_is_at_least_half_of_the_mean_eye_distance():
    # eyes 10 px apart, the mean is 60: the unit is 30
    found = one_error("l2", 3, mean_eye_distance=60.0)
    assert found == pytest.approx((3 / 30) ** 2 / 4, rel=1e-5)


def test_size_and_place_of_a_face_do_not_matter(generator):
    trajectory, truth = random_faces(generator)
    big = loss_of(3 * trajectory + 7, 3 * truth + 7, mean_eye_distance=30.0)
    np.testing.assert_allclose(big, loss_of(trajectory, truth), rtol=1e-4)


def test_errors_across_an_outline_count_more_by_hand():
    # eyes 0 and 1, then a line of three points that runs to the right
    lined = dataclasses.replace(
        FOUR, name="lined", mirror=(1, 0, 4, 3, 2), outlines=((2, 3, 4),)
    )
    face = np.float32([[0, 0], [10, 0], [3, 6], [5, 6], [7, 6]])

    def loss(place, step, *, weight, truth=face):
        shape = np.nan_to_num(truth)
        shape[place] += step
        return float(
            loss_of(
                jnp.asarray(shape)[None, None],
                jnp.asarray(truth)[None],
                markup=lined,
                across_weight=weight,
            )[0]
        )

    plain = 0.3**2 / 5
    assert loss(3, [3, 0], weight=1.0) == pytest.approx(plain, rel=1e-5)
    # three times as much across: 9 and 1 of shares that add up to two
    assert loss(3, [3, 0], weight=3.0) == pytest.approx(plain * 0.2, rel=1e-5)
    assert loss(3, [0, 3], weight=3.0) == pytest.approx(plain * 1.8, rel=1e-5)
    assert loss(3, [3, 3], weight=3.0) == pytest.approx(plain * 2, rel=1e-5)
    # an eye corner lies on no line, and without its neighbour there is no direction
    assert loss(1, [0, 3], weight=3.0) == pytest.approx(plain, rel=1e-5)
    alone = face.copy()
    alone[4] = NAN
    assert loss(3, [0, 3], weight=3.0, truth=alone) == pytest.approx(0.3**2 / 4)


def test_the_weight_across_turns_with_the_face(generator):
    lined = dataclasses.replace(FOUR, name="lined", outlines=((0, 2, 3),))
    trajectory, truth = random_faces(generator)
    cos, sin = np.cos(0.7), np.sin(0.7)
    turn = np.float32([[cos, -sin], [sin, cos]])
    options = {"markup": lined, "kind": "l1", "across_weight": 2.0}
    found = loss_of(trajectory, truth, **options)
    np.testing.assert_allclose(
        loss_of(trajectory @ turn.T, truth @ turn.T, **options), found, rtol=1e-4
    )
    assert np.isfinite(found).all()
    assert not np.allclose(found, loss_of(trajectory, truth, kind="l1"), rtol=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_of_weighted_errors_is_finite(generator, kind):
    lined = dataclasses.replace(FOUR, name="lined", outlines=((0, 2, 3),))
    trajectory, truth = random_faces(generator)
    trajectory = trajectory.at[:, 0].set(truth[0][None])
    gradient = jax.grad(
        lambda shapes: loss_of(
            shapes, truth, kind=kind, markup=lined, across_weight=2.0
        ).sum()
    )(trajectory)
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(np.asarray(gradient)[:, 0], 0)


def test_shapes_that_do_not_fit_are_refused():
    truth = np.zeros((2, 4, 2), np.float32)
    for shape in ((4, 2, 1, 2), (4, 3, 4, 2), (2, 4, 2)):
        with pytest.raises(ValueError, match=r"\[num_steps, batch, num_points, 2\]"):
            progressive_loss(
                np.zeros(shape, np.float32), truth, markup=FOUR, mean_eye_distance=1.0
            )
    with pytest.raises(ValueError, match="num_steps must be at least 1; got 0"):
        step_weights(0, scheme="progressive")


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="progressive or log_range; got 'flat'"):
        step_weights(3, scheme="flat")
    with pytest.raises(ValueError, match="l2, l1 or wing; got 'huber'"):
        one_error("huber", 1)


def test_a_doubt_is_cheapest_where_it_is_the_mean_error():
    truth = jnp.asarray(FACE)[None]
    shape = FACE + np.float32([[3, 0], [0, 3], [3, 0], [0, -3]])
    # the eye corners move as well: the unit is the true distance, 10 px
    unit = {"markup": FOUR, "mean_eye_distance": 10.0}

    def cost(expected):
        logs = jnp.full((1, 1, 4), np.log(expected), jnp.float32)
        return float(doubt_loss(logs, jnp.asarray(shape)[None, None], truth, **unit)[0])

    assert cost(0.3) == pytest.approx(np.log(0.3) + 1, rel=1e-5)
    assert cost(0.3) < min(cost(0.28), cost(0.32))
    assert cost(0.6) == pytest.approx(np.log(0.6) + 0.5, rel=1e-5)


def test_doubts_do_not_pull_at_the_shapes_nor_at_missing_landmarks(generator):
    trajectory, truth = random_faces(generator)
    logs = jnp.float32(generator.normal(-2, 0.3, trajectory.shape[:-1]))

    def total(logs, trajectory):
        loss = doubt_loss(
            logs, trajectory, truth, markup=FOUR, mean_eye_distance=jnp.float32(10)
        )
        return loss.sum()

    of_logs, of_shapes = jax.grad(total, (0, 1))(logs, trajectory)
    known = np.isfinite(truth).all(-1)
    assert np.isfinite(of_logs).all()
    assert (of_logs[:, ~known] == 0).all()
    assert (np.abs(of_logs[:, known]) > 0).all()
    np.testing.assert_array_equal(of_shapes, 0)


def test_a_heatmap_by_hand():
    # two landmarks on 3 x 4 cells of 4 px; equal scores: log 12 wherever the truth lies
    truth = jnp.float32([[[6, 5], [0, 8]]])
    flat = jnp.zeros((1, 2, 3, 4))
    assert heatmap_loss(flat, truth, stride=4)[0] == pytest.approx(np.log(12), rel=1e-6)
    # x = 6 lies half way between cells 1 and 2, y = 5 a quarter from row 1 to row 2
    marked = np.zeros((1, 2, 3, 4), np.float32)
    marked[0, 0, 1, 1] = 2
    first = np.log(11 + np.e**2) - 0.5 * 0.75 * 2
    expected = (first + np.log(12)) / 2
    assert heatmap_loss(marked, truth, stride=4)[0] == pytest.approx(expected, rel=1e-6)


def test_heatmaps_leave_out_what_is_not_annotated_or_outside():
    truth = jnp.float32([[[6, 5], [NAN, NAN]], [[-1, 5], [6, 9]]])
    scores = jnp.zeros((2, 2, 3, 4)).at[0, 1].set(100.0)
    losses = heatmap_loss(scores, truth, stride=4)
    np.testing.assert_allclose(losses, [np.log(12), 0], rtol=1e-6)
    gradient = jax.grad(lambda s: heatmap_loss(s, truth, stride=4).sum())(scores)
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient[1], 0)


def test_a_plane_ends_at_the_middles_of_its_outer_cells():
    # 3 x 4 cells of 4 px: from 0 to 12 along x and from 0 to 8 along y
    inside = jnp.float32([[[0, 0]], [[12, 0]], [[0, 8]], [[12, 8]]])
    outside = jnp.float32([[[-0.1, 0]], [[12.1, 0]], [[0, -0.1]], [[0, 8.1]]])
    scores = jnp.zeros((4, 1, 3, 4))
    np.testing.assert_allclose(
        heatmap_loss(scores, inside, stride=4), np.log(12), rtol=1e-6
    )
    np.testing.assert_array_equal(heatmap_loss(scores, outside, stride=4), 0)


def test_a_sharp_heatmap_costs_nothing():
    scores = jnp.zeros((1, 1, 5, 5)).at[0, 0, 3, 2].set(50.0)
    assert heatmap_loss(scores, jnp.float32([[[8, 12]]]), stride=4)[0] < 1e-6
