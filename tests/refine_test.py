"""Both loops on toy steps whose every shape can be worked out by hand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import linalg
from three import THREE

from rcsr_jax.refine import Estimate, increment_size, settle, unroll

# Outer eye corners 10 px apart, and a chin.
TARGET = np.array([[0, 0], [10, 0], [5, 8]], np.float32)
# A face that starts `OFFSETS` px to the right of the target and halves the way at every
# step moves by OFFSETS / 10 / 2^t eye distances at step t: below 0.06 at these steps.
OFFSETS = np.array([8, 1, 64, 0], np.float32)
SETTLED_AT = np.array([4, 1, 7, 1])

moved = functools.partial(increment_size, markup=THREE, norm="mean_point")


def halve_the_way(estimate):
    """Half of the way to the target; the memory counts the steps."""
    points = (estimate.points + TARGET[None]) / 2
    return Estimate(points, estimate.hidden + 1)


def turn_and_shrink(estimate):
    """A step whose shape depends on the memory and the memory on the shape."""
    hidden = 0.5 * estimate.hidden + 0.01 * estimate.points.sum((1, 2))[:, None]
    return Estimate(0.9 * estimate.points + jnp.tanh(hidden)[..., None], hidden)


def start_at(offsets, *, hidden=()):
    points = TARGET[None] + jnp.stack([offsets, 0 * offsets], -1)[:, None, :]
    return Estimate(points, jnp.zeros((len(offsets), *hidden)))


def settle_halving(offsets, *, max_steps=9, tolerance=0.06):
    return settle(
        halve_the_way,
        start_at(offsets),
        max_steps=max_steps,
        tolerance=tolerance,
        moved=moved,
    )


def points_after(steps, offsets):
    rest = offsets / np.exp2(steps)
    return TARGET + np.stack([rest, 0 * rest], -1)[:, None, :]


@pytest.mark.parametrize("flatten", [True, False, None])
def test_unroll_is_the_hand_written_loop(flatten):
    start = start_at(OFFSETS, hidden=(1,))
    expected, estimate = [], start
    for _ in range(6):
        estimate = turn_and_shrink(estimate)
        expected.append(estimate.points)
    trajectory = unroll(turn_and_shrink, start, num_steps=6, flatten=flatten)
    np.testing.assert_allclose(trajectory, np.stack(expected), rtol=1e-6)


def test_unroll_gives_every_shape_by_hand():
    trajectory = unroll(halve_the_way, start_at(OFFSETS), num_steps=5)
    assert trajectory.shape == (5, 4, 3, 2)
    for step in range(5):
        np.testing.assert_allclose(trajectory[step], points_after(step + 1, OFFSETS))


@pytest.mark.parametrize("flatten", [True, False])
def test_the_gradient_through_unroll_is_the_share_that_is_left(flatten):
    def end(offset):
        points = start_at(OFFSETS).points + offset
        start = Estimate(points, jnp.zeros(4))
        trajectory = unroll(halve_the_way, start, num_steps=5, flatten=flatten)
        return trajectory[-1].sum()

    # 24 coordinates, of each of which 1/32 is left
    assert jax.grad(end)(0.0) == pytest.approx(24 / 32)


def test_settle_without_tolerance_ends_where_unroll_does():
    start = start_at(OFFSETS, hidden=(1,))
    end = settle(turn_and_shrink, start, max_steps=6, tolerance=0.0, moved=moved)
    trajectory = unroll(turn_and_shrink, start, num_steps=6)
    np.testing.assert_allclose(end.trajectory, trajectory, rtol=1e-6)
    np.testing.assert_allclose(end.points, trajectory[-1], rtol=1e-6)
    np.testing.assert_array_equal(end.num_steps, [6] * 4)
    assert not end.settled.any()


def test_every_face_stops_when_the_contraction_says():
    end = settle_halving(OFFSETS)
    np.testing.assert_array_equal(end.num_steps, SETTLED_AT)
    assert end.num_steps.dtype == jnp.int32
    assert end.settled.all()
    np.testing.assert_allclose(end.points, points_after(SETTLED_AT, OFFSETS))


def test_steps_run_out():
    end = settle_halving(OFFSETS, max_steps=5)
    np.testing.assert_array_equal(end.num_steps, [4, 1, 5, 1])
    np.testing.assert_array_equal(end.settled, [True, True, False, True])
    np.testing.assert_allclose(end.points, points_after([4, 1, 5, 1], OFFSETS))


def test_an_increment_of_just_the_tolerance_goes_on():
    # 0.1 eye distances at the first step, 0.05 at the second
    end = settle_halving(np.float32([2.0]), tolerance=0.1)
    np.testing.assert_array_equal(end.num_steps, [2])


def test_trajectory_keeps_the_last_shape_of_settled_faces():
    end = settle_halving(OFFSETS)
    assert end.trajectory.shape == (9, 4, 3, 2)
    for row in range(9):
        taken = np.minimum(row + 1, SETTLED_AT)
        np.testing.assert_allclose(end.trajectory[row], points_after(taken, OFFSETS))


def test_a_face_does_not_depend_on_its_batch_mates():
    together = settle_halving(OFFSETS)
    for index in range(len(OFFSETS)):
        alone = settle_halving(OFFSETS[index : index + 1])
        np.testing.assert_array_equal(alone.points[0], together.points[index])
        np.testing.assert_array_equal(alone.num_steps[0], together.num_steps[index])
        np.testing.assert_array_equal(
            alone.trajectory[:, 0], together.trajectory[:, index]
        )


def test_a_lost_face_runs_out_of_steps_and_disturbs_no_other():
    end = settle_halving(np.append(OFFSETS, np.float32(np.nan)))
    np.testing.assert_array_equal(end.num_steps, [*SETTLED_AT, 9])
    np.testing.assert_array_equal(end.settled, [True] * 4 + [False])


def test_settle_under_jit_and_vmap():
    jitted = jax.jit(settle_halving)(OFFSETS)
    np.testing.assert_array_equal(jitted.num_steps, SETTLED_AT)
    each = jax.vmap(settle_halving)(OFFSETS[:, None])
    np.testing.assert_array_equal(each.num_steps[:, 0], SETTLED_AT)
    assert each.settled.all()
    np.testing.assert_allclose(each.points[:, 0], points_after(SETTLED_AT, OFFSETS))
    np.testing.assert_allclose(
        each.trajectory[:, :, 0].swapaxes(0, 1), jitted.trajectory
    )


def test_settle_has_forward_but_no_reverse_mode():
    def end(offsets):
        return settle_halving(offsets).points[:, 0, 0]

    _, slope = jax.jvp(end, (OFFSETS,), (jnp.ones(4),))
    np.testing.assert_allclose(slope, 1 / np.exp2(SETTLED_AT))
    with pytest.raises(ValueError, match="Reverse-mode"):
        jax.grad(lambda offsets: end(offsets).sum())(OFFSETS)


def test_increment_sizes_by_hand():
    old = np.zeros((1, 3, 2), np.float32)
    new = np.float32([[[0, 0], [3, 4], [8, 6]]])  # moved by 0, 5 and 10; eyes 5 apart
    whole = increment_size(new, old, markup=THREE, norm="shape")
    np.testing.assert_allclose(whole, [np.sqrt(125) / 5], rtol=1e-6)
    mean = increment_size(new, old, markup=THREE, norm="mean_point")
    np.testing.assert_allclose(mean, [1.0], rtol=1e-6)


def test_an_unknown_norm_is_refused():
    shape = np.zeros((1, 3, 2), np.float32)
    with pytest.raises(ValueError, match="norm must be shape or mean_point; got 'l2'"):
        increment_size(shape, shape, markup=THREE, norm="l2")


def test_increment_size_is_the_norm_of_the_whole_vector(generator):
    new, old = generator.uniform(0, 90, (2, 5, 3, 2)).astype(np.float32)
    expected = [
        linalg.norm(np.float64(n - o).ravel()) / np.hypot(*np.float64(n[0] - n[1]))
        for n, o in zip(new, old, strict=True)
    ]
    np.testing.assert_allclose(
        increment_size(new, old, markup=THREE), expected, rtol=1e-5
    )
