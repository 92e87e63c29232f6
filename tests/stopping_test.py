"""Where faces stop for a tolerance, and the tolerance that is best, on made-up paths."""

import numpy as np
import pytest
from three import THREE

from rcsr_jax.stopping import calibrate_tolerance, stopping_steps

TRUTH = np.array([[0, 0], [100, 0], [50, 60]], np.float32)  # eye distance 100 px

INCREMENTS = [
    [0.50, 0.02, 0.5],
    [0.10, 0.50, 0.4],
    [0.02, 0.01, 0.3],
]  # [steps, faces]


@pytest.mark.parametrize(
    ("tolerance", "steps"),
    [
        (0.6, [1, 1, 1]),
        (0.5, [2, 1, 2]),  # equal is not below
        (0.4, [2, 1, 3]),
        (0.1, [3, 1, 3]),
        (0.015, [3, 3, 3]),
        (0.001, [3, 3, 3]),  # never settled: all the steps
    ],
)
def test_a_face_stops_at_the_first_small_increment(tolerance, steps):
    found = stopping_steps(np.array(INCREMENTS), tolerance=tolerance)
    np.testing.assert_array_equal(found, steps)


def path(offsets, *, num_faces: int = 2):
    """Shapes moved as a whole to these x offsets from the truth: trajectory, start."""
    shapes = TRUTH + np.array(offsets, np.float32)[:, None, None] * np.float32([1, 0])
    shapes = np.repeat(shapes[:, None], num_faces, axis=1)
    return shapes[1:], shapes[0]


def calibrate(offsets, *, norm="mean_point", truth=TRUTH, num_faces=2):
    trajectory, start = path(offsets, num_faces=num_faces)
    truth = np.broadcast_to(truth, start.shape)
    return calibrate_tolerance(trajectory, start, truth, markup=THREE, norm=norm)


def test_it_stops_where_the_error_is_least():
    # increments 0.2, 0.1, 0.05, 0.025, 0.0125; the error falls until step 3, then rises
    tolerance = calibrate([35, 15, 5, 0, -2.5, -3.75])
    assert 0.05 < tolerance <= 0.1  # step 3 is taken, and is the last
    assert tolerance == pytest.approx(0.1, rel=0.06)  # the largest of the grid


def test_the_whole_shape_moves_by_the_root_of_the_count():
    # the l2 norm over three landmarks that all move by d is sqrt(3) d
    tolerance = calibrate([35, 15, 5, 0, -2.5, -3.75], norm="shape")
    assert tolerance == pytest.approx(0.1 * np.sqrt(3), rel=0.06)
    assert tolerance <= 0.1 * np.sqrt(3)


def test_steps_that_gain_nothing_are_not_taken():
    # from step 2 on the shape goes round the truth at a distance of 5
    assert calibrate([35, 15, 5, -5, 5, -5]) == pytest.approx(0.2, rel=0.06)
    assert calibrate([5, -5, 5, -5]) == 1.0  # nothing is ever gained: stop at once


def test_a_gain_below_a_ten_thousandth_is_no_gain():
    # step 3 lowers the error from 5 to 4.9997
    assert calibrate([35, 15, 5, 4.9997]) == pytest.approx(0.2, rel=0.06)
    assert calibrate([35, 15, 5, 4.9]) == pytest.approx(0.1, rel=0.06)


def test_an_error_that_always_falls_takes_all_steps():
    # the last increment is 0.01, the one before 0.02
    assert calibrate([11, 7, 3, 1, 0]) == pytest.approx(0.02, rel=0.06)


def test_faces_are_weighed_against_each_other():
    # one face is best after a step of 0.2 and worsens, the other gains more by going on
    hurt, hurt_start = path([20, 0, 1, 0], num_faces=1)
    helped, helped_start = path([50, 30, 29, 9], num_faces=1)
    truth = np.stack([TRUTH, TRUTH])
    tolerance = calibrate_tolerance(
        np.concatenate([hurt, helped], axis=1),
        np.concatenate([hurt_start, helped_start]),
        truth,
        markup=THREE,
        norm="mean_point",
    )
    # increments 0.2, 0.01, 0.01 and 0.2, 0.01, 0.2: only 0.01 and less reach step 3
    assert tolerance <= 0.01


def test_faces_without_eye_corners_are_left_out():
    trajectory, start = path([35, 15, 5, 0, -2.5, -3.75])
    blind, blind_start = path([35, 85, 185, 1], num_faces=1)
    blind = np.concatenate([blind, blind[-1:], blind[-1:]])  # as many steps
    truth = np.stack([TRUTH, TRUTH, np.where([[1], [0], [0]], np.nan, TRUTH)])
    tolerance = calibrate_tolerance(
        np.concatenate([trajectory, blind], axis=1),
        np.concatenate([start, blind_start]),
        truth,
        markup=THREE,
        norm="mean_point",
    )
    assert tolerance == calibrate([35, 15, 5, 0, -2.5, -3.75])


def test_a_missing_landmark_that_is_no_eye_corner_does_no_harm():
    truth = np.where([[0], [0], [1]], np.nan, TRUTH).astype(np.float32)
    offsets = [35, 15, 5, 0, -2.5, -3.75]
    assert calibrate(offsets, truth=truth) == calibrate(offsets)


def test_without_any_eye_corner_there_is_nothing_to_measure():
    truth = np.where([[1], [0], [0]], np.nan, TRUTH)
    with pytest.raises(ValueError, match="no face has both eye corners annotated"):
        calibrate([5, 0], truth=truth)
