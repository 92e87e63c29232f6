"""Tests of rcsr_jax.trust."""

import json

import numpy as np
import pytest

from rcsr_jax.markup import FACE_68
from rcsr_jax.trust import (
    failures_caught,
    reliability,
    risk_coverage,
    summarise_trust,
)


def test_reliability_by_hand():
    found = reliability([4, 1, 3, 2], [8, 1, 2, 2], num_groups=2)
    np.testing.assert_array_equal(found.expected, [1.5, 3.5])
    np.testing.assert_array_equal(found.actual, [1.5, 5.0])
    np.testing.assert_array_equal(found.counts, [2, 2])
    assert found.gap == 0.75


def test_deciles_of_a_perfect_expectation_lie_on_the_diagonal(generator):
    errors = generator.gamma(2, size=(41, 5))
    found = reliability(errors, errors)
    np.testing.assert_array_equal(found.expected, found.actual)
    assert found.gap == 0 and len(found.counts) == 10 and found.counts.sum() == 205
    assert set(found.counts) == {20, 21}
    assert (np.diff(found.expected) > 0).all()


def test_what_is_not_annotated_takes_no_part_in_reliability():
    found = reliability([[1, np.nan], [2, 3]], [[1, np.nan], [np.nan, 5]])
    np.testing.assert_array_equal(found.actual, [1, 5])
    np.testing.assert_array_equal(found.counts, [1, 1])


def test_reliability_does_not_depend_on_the_order(generator):
    expected, actual = generator.gamma(2, size=(2, 53))
    order = generator.permutation(53)
    one, other = (
        reliability(expected, actual),
        reliability(expected[order], actual[order]),
    )
    np.testing.assert_allclose(one.actual, other.actual)


def test_risk_and_coverage_by_hand():
    found = risk_coverage([0.3, 0.1, 0.8, 0.2], [0.9, 0.8, 0.1, 0.95])
    np.testing.assert_allclose(found.coverage, [0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(found.risk, [0.2, 0.25, 0.2, 0.35])
    assert found.area == pytest.approx(0.25)


def test_faces_of_one_score_count_with_their_mean():
    found = risk_coverage([1, 2, 3, 6], [5, 1, 1, 1])
    np.testing.assert_allclose(found.risk, [1, (1 + 11 / 3) / 2, (1 + 22 / 3) / 3, 3])
    blind = risk_coverage([1, 2, 3, 6], [7, 7, 7, 7])
    np.testing.assert_allclose(blind.risk, 3)


def test_no_order_beats_that_by_error_and_none_is_below_its_reverse(generator):
    errors, score = generator.gamma(2, size=(2, 60))
    best, worst = (
        risk_coverage(errors, -errors).area,
        risk_coverage(errors, errors).area,
    )
    assert best < risk_coverage(errors, score).area < worst
    assert best < errors.mean() < worst


def test_faces_without_an_error_are_not_covered():
    found = risk_coverage([1, np.nan, 3], [2, np.nan, 1])
    np.testing.assert_allclose(found.coverage, [0.5, 1])
    np.testing.assert_allclose(found.risk, [1, 2])


def test_failures_caught_by_hand():
    score = np.arange(20)
    failed = np.isin(score, (0, 1, 5, 19))
    assert failures_caught(failed, score) == 0.5  # two of four among 0 and 1
    assert failures_caught(failed, score, share=0.3) == 0.75
    assert failures_caught(failed, score, share=1) == 1
    assert failures_caught(failed, score[::-1], share=0.05) == 0.25
    assert failures_caught(failed, score, share=0.11) == 0.5  # three faces


def test_tied_scores_catch_their_share_of_failures():
    assert failures_caught([1, 0, 0, 1, 0, 0, 0, 0, 0, 0], np.zeros(10)) == (
        pytest.approx(0.1)
    )


def test_without_failures_there_is_nothing_to_catch():
    assert np.isnan(failures_caught([0, 0], [0.5, 0.4]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: reliability([1, 2], [1]), r"shape \(1,\); got \(2,\)"),
        (lambda: reliability([1], [1], num_groups=0), "at least 1; got 0"),
        (lambda: reliability([np.nan, 1], [1, 1]), "1 of 2 values of expected are NaN"),
        (lambda: reliability([1], [np.nan]), "none of 1 true values is known"),
        (lambda: risk_coverage([1, 2], [1, np.nan]), "1 of 2 values of score are NaN"),
        (lambda: failures_caught([1], [1], share=0), "at most 1; got 0"),
    ],
)
def test_what_cannot_be_judged_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_summary_is_of_the_faces_that_can_be_judged(generator):
    # quarters of pixels: one face errs by 8 per cent exactly, which is no failure
    truth = np.float32(generator.integers(0, 400, (12, 68, 2)) / 4)
    truth[:, FACE_68.eye_corners[0]] = 10
    truth[:, FACE_68.eye_corners[1]] = [50, 40]  # 50 px apart
    points = truth.copy()
    points[..., 0] += np.linspace(0.5, 6, 12)[:, None]  # 1 to 12 per cent
    truth[3, FACE_68.eye_corners[0]] = np.nan
    expected = np.full((12, 68), 3.0)
    found = summarise_trust(
        points,
        truth,
        expected_error=expected,
        score=np.linspace(0.9, 0.1, 12),
        markup=FACE_68,
    )
    assert found["num_judged"] == 11 and found["num_failures"] == 4
    np.testing.assert_allclose(found["reliability"]["expected"], 6, rtol=1e-5)
    known = np.delete(np.arange(1, 13), 3)
    curve = found["risk_coverage"]
    np.testing.assert_allclose(
        curve["risk"], np.cumsum(known) / np.arange(1, 12), rtol=1e-4
    )
    assert curve["area"] == pytest.approx(curve["area_of_best_order"])
    assert found["failures_caught"] == pytest.approx(50)  # two faces of four failures
    within = found["score_reliability"]["actual"]
    assert within[0] == 0 and within[-1] == 100
    json.dumps(found, allow_nan=False)


def test_faces_without_eye_corners_are_not_judged():
    truth = np.full((2, 68, 2), np.nan, np.float32)
    found = summarise_trust(
        np.zeros((2, 68, 2), np.float32),
        truth,
        expected_error=np.ones((2, 68)),
        score=np.ones(2),
        markup=FACE_68,
    )
    assert found == {"num_judged": 0}
