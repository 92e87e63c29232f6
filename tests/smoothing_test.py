"""The 1-euro filter against its equations, written out."""

import math

import numpy as np
import pytest

from rcsr_jax.smoothing import OneEuro, Smoothed, at_rest, smooth

UNIT = np.float32([50.0])


def step(before, points, **changes):
    settings = OneEuro(**{"min_cutoff": 1.0, "beta": 2.0, **changes})
    return smooth(before, points, seconds=0.1, unit=UNIT, settings=settings)


def test_two_frames_by_hand():
    # one landmark of one face moves from (0, 0) to (3, 4) and stays there
    start = at_rest(np.zeros((1, 1, 2)))
    target = np.array([[[3.0, 4.0]]])
    first = step(start, target)
    # cutoff 1 Hz: 1 / (1 + 1 / (2 pi 0.1)) of the speed of (30, 40) pixels a second
    share = 1 / (1 + 1 / (2 * math.pi * 0.1))
    assert share == pytest.approx(0.38587, abs=1e-5)
    np.testing.assert_allclose(first.speed[0, 0], [30 * share, 40 * share])
    pace = 50 * share / 50  # eye distances a second
    moved = 1 / (1 + 1 / (2 * math.pi * (1 + 2 * pace) * 0.1))
    np.testing.assert_allclose(first.points[0, 0], [3 * moved, 4 * moved])
    second = step(first, target)
    rest = (1 - moved) * 50  # pixels a second that are seen now
    speed = 50 * share + share * (rest - 50 * share)
    np.testing.assert_allclose(np.linalg.norm(second.speed[0, 0]), speed)
    again = 1 / (1 + 1 / (2 * math.pi * (1 + 2 * speed / 50) * 0.1))
    left = 5 * (1 - moved) * (1 - again)
    np.testing.assert_allclose(second.points[0, 0], target[0, 0] * (5 - left) / 5)


def test_what_rests_stays(generator):
    points = generator.normal(size=(1, 4, 2)).astype(np.float32)
    after = step(at_rest(points), points)
    np.testing.assert_array_equal(after.points, points)
    np.testing.assert_array_equal(after.speed, 0)
    assert after.points.dtype == np.float32


def test_the_size_of_the_picture_does_not_matter(generator):
    points = generator.normal(size=(3, 1, 4, 2)) * 20
    small, large = at_rest(points[0]), at_rest(10 * points[0])
    for frame in points[1:]:
        small = step(small, frame)
        large = smooth(
            large,
            10 * frame,
            seconds=0.1,
            unit=10 * UNIT,
            settings=OneEuro(min_cutoff=1.0, beta=2.0),
        )
    np.testing.assert_allclose(large.points, 10 * small.points)


def test_fast_landmarks_lag_less():
    def lag(distance):
        after = step(at_rest(np.zeros((1, 1, 2))), np.full((1, 1, 2), distance))
        return 1 - after.points[0, 0, 0] / distance

    assert lag(1.0) > lag(10.0) > lag(100.0)


def test_bad_settings_and_times_are_told():
    with pytest.raises(ValueError, match="min_cutoff=0"):
        OneEuro(min_cutoff=0)
    still = Smoothed(np.zeros((1, 1, 2)), np.zeros((1, 1, 2)))
    with pytest.raises(ValueError, match="seconds must be above 0; got 0"):
        smooth(still, still.points, seconds=0, unit=UNIT, settings=OneEuro())
