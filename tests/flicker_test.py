"""Flicker by hand, and methods whose numbers are known beforehand."""

from typing import NamedTuple

import numpy as np
import pytest
from three import THREE

from rcsr_jax.data.clips import Clip
from rcsr_jax.flicker import flicker, frame_by_frame, measure, tracked

SHAPE = np.float64([[0, 0], [10, 0], [5, 8]])  # eye corners 10 px apart
TRUTH = SHAPE + np.arange(4.0)[:, None, None] * [3, 1]


def test_flicker_by_hand():
    points = TRUTH + [2, 0]  # a constant error does not flicker
    np.testing.assert_allclose(flicker(points, TRUTH, markup=THREE), 0, atol=1e-12)
    points[2, 1] += [3, 4]  # one of three landmarks jumps by 5 px, there and back
    expected = [0, 5 / 3 / 10, 5 / 3 / 10]
    np.testing.assert_allclose(flicker(points, TRUTH, markup=THREE), expected)
    partly = TRUTH.copy()
    partly[:, 2] = np.nan  # the mouth is not annotated: of two landmarks one jumps
    expected = [0, 5 / 2 / 10, 5 / 2 / 10]
    np.testing.assert_allclose(flicker(points, partly, markup=THREE), expected)


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


def test_each_frame_is_predicted_as_a_photo_of_its_own():
    asked = []

    def predictor(image, box):
        asked.append((int(image[0, 0, 0]), box.tolist()))
        return FOUND._replace(num_steps=np.array([len(asked)]))

    boxes = np.arange(16.0).reshape(4, 4)
    answers = list(frame_by_frame(predictor)(_numbered_clip(), boxes))
    assert asked == [(number, box.tolist()) for number, box in enumerate(boxes)]
    assert [steps for _, steps in answers] == [1, 2, 3, 4]
    np.testing.assert_array_equal(answers[2][0], SHAPE)


def test_a_tracker_sees_frame_after_frame_and_detects_the_box_of_each():
    class Tracker:
        def __init__(self, detect):
            self.detect = detect

        def start(self):
            return ()

        def __call__(self, state, image):
            seen = (*state, (int(image[0, 0, 0]), self.detect(image).tolist()))
            states.append(seen)
            lost = len(seen) == 2
            return seen, NONE if lost else FOUND

    states = []
    boxes = np.arange(16.0).reshape(4, 4)
    answers = list(tracked(Tracker)(_numbered_clip(), boxes))
    assert states[-1] == tuple((n, box.tolist()) for n, box in enumerate(boxes))
    assert [steps for _, steps in answers] == [3, 0, 3, 3]
    assert np.isnan(answers[1][0]).all() and answers[1][0].shape == SHAPE.shape
    np.testing.assert_array_equal(answers[3][0], SHAPE)


class Answer(NamedTuple):
    """As much of an answer as the methods look at."""

    ids: np.ndarray
    points: np.ndarray
    num_steps: np.ndarray


FOUND = Answer(np.array([7]), SHAPE[None], np.array([3]))
NONE = Answer(np.zeros(0, int), np.zeros((0, 3, 2)), np.zeros(0, int))


def _numbered_clip():
    frames = np.broadcast_to(
        np.arange(4, dtype=np.uint8).reshape(-1, 1, 1, 1), (4, 8, 8, 3)
    )
    return Clip(frames, TRUTH.astype(np.float32))
