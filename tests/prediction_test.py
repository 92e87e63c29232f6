"""The mean with the mirror image: by hand, and the same from either side."""

import dataclasses

import numpy as np
import pytest
from five import CONTEXT, FIVE, SETTLING, assert_same, random_params

from rcsr_jax.answers import predict, predict_adaptive
from rcsr_jax.refine import Estimate

CONFIG = dataclasses.replace(CONTEXT, own_marks=True)
BOTH = dataclasses.replace(CONFIG, mirror_average=True)
PARAMS = random_params(CONFIG)


@pytest.fixture(scope="module")
def crops():
    return np.random.default_rng(3).integers(0, 256, (3, 32, 32), np.uint8)


def _in_mirror(points):
    """Where landmarks lie in the mirrored crop, by their new names."""
    moved = np.array(points)[..., list(FIVE.mirror), :]
    moved[..., 0] = 31 - moved[..., 0]
    return moved


def test_it_is_the_mean_of_both_answers(crops):
    found = predict(PARAMS, crops, config=BOTH)
    plain = predict(PARAMS, crops, config=CONFIG)
    turned = predict(PARAMS, crops[:, :, ::-1], config=CONFIG)
    assert np.abs(plain.points - _in_mirror(turned.points)).max() > 0.1
    for name in ("points", "trajectory"):
        left, right = getattr(plain, name), _in_mirror(getattr(turned, name))
        assert_same(getattr(found, name), (np.asarray(left) + right) / 2)
    order = list(FIVE.mirror)
    expected = (np.asarray(plain.expected_error) + turned.expected_error[:, order]) / 2
    # an exponential: its rounding grows with it
    np.testing.assert_allclose(found.expected_error, expected, rtol=1e-4)
    assert_same(found.score, (plain.score + turned.score) / 2)
    assert_same(found.hidden, plain.hidden)
    assert found.num_steps.tolist() == [3, 3, 3]


def test_a_face_and_its_mirror_image_have_one_answer(crops):
    found = predict(PARAMS, crops, config=BOTH)
    turned = predict(PARAMS, crops[:, :, ::-1], config=BOTH)
    assert_same(found.points, _in_mirror(turned.points), atol=1e-3)
    alone = predict(PARAMS, crops[1], config=BOTH)
    assert_same(alone.points, found.points[1], atol=1e-3)


def test_the_slower_of_both_tells_the_steps(crops):
    params = random_params(SETTLING)
    plain = dataclasses.replace(SETTLING, max_steps=6, tolerance=0.25)
    config = dataclasses.replace(plain, mirror_average=True)
    found = predict_adaptive(params, crops, config=config)
    both = [
        predict_adaptive(params, seen, config=plain)
        for seen in (crops, crops[:, :, ::-1])
    ]
    steps = np.array([each.num_steps for each in both])
    assert (steps[0] != steps[1]).any() and len(np.unique(steps)) > 2
    np.testing.assert_array_equal(found.num_steps, steps.max(0))
    settled = np.array([each.settled for each in both])
    assert (settled[0] != settled[1]).any()
    np.testing.assert_array_equal(found.settled, settled.all(0))


def test_what_goes_on_from_an_estimate_has_no_mirror_image(crops):
    before = predict_adaptive(PARAMS, crops, config=CONFIG)
    start = Estimate(before.points, before.hidden)
    plain = predict_adaptive(PARAMS, crops, config=CONFIG, start=start)
    assert_same(predict_adaptive(PARAMS, crops, config=BOTH, start=start), plain)
