"""Expected errors made true on average, and the score of a face, against SciPy."""

import numpy as np
import pytest
from scipy import stats

from rcsr_jax.confidence import calibrate_errors, measure_model, score_of
from rcsr_jax.data.face_shapes import frontal_landmarks
from rcsr_jax.markup import FACE_68
from rcsr_jax.metrics import DEFAULT_LIMIT


def test_errors_are_right_on_average_after_calibration(generator):
    expected = generator.uniform(0.01, 0.1, (400, 7))
    of_faces = np.exp(generator.normal(0, 0.4, (400, 1)))
    errors = 1.3 * expected * of_faces
    scale, spread = calibrate_errors(expected, errors)
    assert scale == pytest.approx(errors.mean() / expected.mean(), rel=1e-3)
    assert spread == pytest.approx(0.4, rel=0.08)
    # twice the expectation, half the factor
    half, same = calibrate_errors(2 * expected, errors)
    assert half == pytest.approx(scale / 2, rel=1e-3)
    assert same == spread


def test_what_is_not_annotated_does_not_count():
    expected = np.array([[0.1, 0.3], [0.2, 0.9], [0.5, 0.5]])
    errors = np.array([[0.2, 0.6], [0.4, np.nan], [np.nan, np.nan]])
    scale, spread = calibrate_errors(expected, errors)
    assert scale == 2
    assert spread == 0.05  # no face scatters, but nobody is that sure
    with pytest.raises(ValueError, match="no face has an annotated landmark, both eye"):
        calibrate_errors(expected, np.full((3, 2), np.nan))


def test_a_landmark_that_diverged_does_not_count():
    expected = np.array([[0.1, 0.3, 0.2], [0.2, 0.9, np.inf]])
    errors = np.array([[0.2, 0.6, np.inf], [0.4, 1.8, 0.1]])
    assert calibrate_errors(expected, errors) == (2, 0.05)


def test_a_model_is_measured_in_whatever_unit_its_faces_come(generator):
    points = np.tile(frontal_landmarks() * 50, (300, 1, 1))
    truth = points + generator.normal(0, 1.5, points.shape)
    truth[0] = np.nan  # a face that nobody annotated
    expected = np.full((300, 68), 1.0)
    found = measure_model(points, truth, expected, markup=FACE_68)
    # the mean length of a Gaussian step on the plane
    assert found["error_scale"] == pytest.approx(1.5 * np.sqrt(np.pi / 2), rel=0.02)
    assert found["error_spread"] < 0.2 and len(found["error_ratios"]) == 68
    np.testing.assert_allclose(found["error_ratios"], 1, atol=0.2)
    large = measure_model(7 * points, 7 * truth, 7 * expected, markup=FACE_68)
    assert large == found


def test_scores_are_a_lognormal_distribution():
    expected = np.array([0.01, 0.04, 0.08, 0.3])
    found = score_of(expected, spread=0.5)
    # scipy's shape is the deviation of the logarithm; its scale the median
    median = expected * np.exp(-(0.5**2) / 2)
    truth = stats.lognorm(0.5, scale=median).cdf(DEFAULT_LIMIT)
    np.testing.assert_allclose(found, truth, rtol=1e-5)
    np.testing.assert_allclose(stats.lognorm(0.5, scale=median).mean(), expected)
    assert (np.diff(found) < 0).all()
    assert found.dtype == np.float32


def test_scores_of_no_faces_and_of_unknown_errors():
    assert score_of(np.zeros(0), spread=0.3).shape == (0,)
    assert np.isnan(score_of([np.nan], spread=0.3)[0])
