"""Flicker by hand, and methods whose numbers are known beforehand."""

import numpy as np
import pytest

from rcsr_jax.data.clips import Clip
from rcsr_jax.flicker import flicker, measure
from rcsr_jax.markup import Markup

THREE = Markup(name="three", mirror=(1, 0, 2), eye_corners=(0, 1), eyes=((0,), (1,)))
SHAPE = np.float64([[0, 0], [10, 0], [5, 8]])  # eye corners 10 px apart
TRUTH = SHAPE + np.arange(4.0)[:, None, None] * [3, 1]


def test_flicker_by_hand():
    points = TRUTH + [2, 0]  # a constant error does not flicker
    np.testing.assert_allclose(flicker(points, TRUTH, markup=THREE), 0, atol=1e-12)
    points[2, 1] += [3, 4]  # one of three landmarks jumps by 5 px, there and back
    expected = [0, 5 / 3 / 10, 5 / 3 / 10]
    np.testing.assert_allclose(flicker(points, TRUTH, markup=THREE), expected)


def test_methods_are_judged_on_all_frames_but_the_first():
    clip = Clip(np.zeros((4, 8, 8, 3), np.uint8), TRUTH.astype(np.float32))

    def shaking(clip, boxes):
        assert boxes.shape == (4, 4)
        for number, points in enumerate(clip.points):
            yield points + np.float32([number % 2, 0]), 3

    def failing(clip, boxes):
        for number, points in enumerate(clip.points):
            yield (points * np.nan if number == 2 else points), 1

    found = measure({"a": shaking, "b": failing}, [clip], markup=THREE)
    assert found["a"]["nme"] == pytest.approx(100 * (0.1 + 0 + 0.1) / 3, rel=1e-4)
    assert found["a"]["flicker"] == pytest.approx(10, rel=1e-4)
    assert found["a"]["steps"] == 3 and found["a"]["found"] == 100
    assert found["a"]["frames_per_second"] > 0
    assert found["b"]["nme"] == pytest.approx(0, abs=1e-4)
    assert found["b"]["found"] == pytest.approx(100 * 2 / 3)
