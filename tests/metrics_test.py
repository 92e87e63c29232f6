"""Tests of rcsr_jax.metrics."""

import functools

import jax
import numpy as np
import pytest
from known_faces import FACE, FIVE, GUESS, random_faces
from scipy import integrate

from rcsr_jax import metrics
from rcsr_jax.markup import FACE_68


def distances(truth, *, markup):
    return (
        metrics.interocular_distance(truth, markup=markup),
        metrics.interpupil_distance(truth, markup=markup),
        metrics.box_size(truth),
    )


def test_distances_of_a_known_face():
    np.testing.assert_allclose(distances(FACE, markup=FIVE), [100, 60, 80], rtol=1e-6)


def test_distances_keep_the_leading_shape():
    batch = np.broadcast_to(FACE, (2, 3, 5, 2))
    for distance in distances(batch, markup=FIVE):
        assert distance.shape == (2, 3)


def test_distances_of_68_points_equal_numpy():
    _, truth = random_faces()
    truth64 = truth.astype(np.float64)
    pupils = truth64[:, 36:42].mean(1) - truth64[:, 42:48].mean(1)
    expected = [
        np.linalg.norm(truth64[:, 36] - truth64[:, 45], axis=-1),
        np.linalg.norm(pupils, axis=-1),
        np.sqrt(np.prod(np.ptp(truth64, axis=1), axis=-1)),
    ]
    np.testing.assert_allclose(distances(truth, markup=FACE_68), expected, rtol=1e-5)


def test_point_errors_and_nme_of_a_known_face():
    errors = metrics.point_errors(GUESS, FACE)
    np.testing.assert_allclose(errors, [5, 0, 0, 0, 10], rtol=1e-6)
    for distance, share in [(100, 0.03), (60, 0.05), (80, 0.0375)]:
        value = metrics.nme(GUESS, FACE, distance=np.float32(distance))
        np.testing.assert_allclose(value, share, rtol=1e-6)


def test_nme_is_unchanged_by_a_similarity_of_both():
    guess, truth = random_faces()
    angle, scale, shift = 0.7, 3.1, np.array([50, -20])
    turn = scale * np.array(
        [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    )

    def move(points):
        return (points @ turn.T + shift).astype(np.float32)

    for measure in (metrics.interocular_distance, metrics.interpupil_distance):
        before = metrics.nme(guess, truth, distance=measure(truth, markup=FACE_68))
        moved = move(truth)
        after = metrics.nme(move(guess), moved, distance=measure(moved, markup=FACE_68))
        np.testing.assert_allclose(before, after, rtol=1e-4)


def test_landmarks_without_annotation_take_no_part():
    truth = FACE.copy()
    truth[4, 0] = np.nan  # half an annotation is none
    errors = metrics.point_errors(GUESS, truth)
    np.testing.assert_allclose(errors, [5, 0, 0, 0, np.nan], rtol=1e-6)
    value = metrics.nme(GUESS, truth, distance=np.float32(100))
    np.testing.assert_allclose(value, 5 / 4 / 100, rtol=1e-6)
    assert metrics.box_size(truth) == 0  # what is left lies on a line


def test_pupils_are_the_means_of_what_is_annotated():
    truth = FACE.copy()
    truth[1] = np.nan
    ioc, pupils, _ = distances(truth, markup=FIVE)
    assert (ioc, pupils) == (100, 80)
    truth[0] = np.nan
    ioc, pupils, _ = distances(truth, markup=FIVE)
    assert np.isnan([ioc, pupils]).all()


def test_nme_without_any_annotation_is_nan():
    nothing = np.full_like(FACE, np.nan)
    assert np.isnan(metrics.nme(GUESS, nothing, distance=np.float32(100)))
    assert np.isnan(metrics.nme(GUESS, nothing, distance=np.float32(0)))
    assert np.isnan(distances(nothing, markup=FIVE)).all()


@pytest.mark.parametrize("guess", [FACE, GUESS], ids=["perfect", "off"])
def test_nme_is_infinite_where_the_distance_is_zero(guess):
    assert metrics.nme(guess, FACE, distance=np.float32(0)) == np.inf


def test_a_diverged_estimate_is_infinitely_wrong():
    guess = GUESS.copy()
    guess[2, 1] = np.nan
    assert metrics.point_errors(guess, FACE)[2] == np.inf
    assert metrics.nme(guess, FACE, distance=np.float32(100)) == np.inf


def test_jit_equals_eager():
    guess, truth = random_faces()
    truth[0, :5] = np.nan

    def measure(guess, truth, *, markup):
        return [
            metrics.nme(guess, truth, distance=distance)
            for distance in distances(truth, markup=markup)
        ]

    eager = measure(guess, truth, markup=FACE_68)
    jitted = jax.jit(functools.partial(measure, markup=FACE_68))(guess, truth)
    np.testing.assert_allclose(jitted, eager, rtol=1e-6)
    static = jax.jit(measure, static_argnames="markup")(guess, truth, markup=FACE_68)
    np.testing.assert_allclose(static, eager, rtol=1e-6)


def test_mismatched_shapes_are_refused():
    with pytest.raises(ValueError, match=r"one shape; got \(4, 2\) and \(5, 2\)"):
        metrics.point_errors(GUESS[:4], FACE)
    with pytest.raises(ValueError, match="one shape"):
        metrics.point_errors(GUESS, FACE[None])
    with pytest.raises(ValueError, match=r"num_points, 2\]; got \(5, 3\)"):
        metrics.box_size(np.zeros((5, 3)))
    with pytest.raises(ValueError, match="68 landmarks"):
        metrics.interocular_distance(FACE, markup=FACE_68)
    with pytest.raises(ValueError, match="68 landmarks"):
        metrics.interpupil_distance(FACE, markup=FACE_68)
    with pytest.raises(ValueError, match="one value a face"):
        metrics.nme(GUESS[None], FACE[None], distance=np.float32(100))


def test_ced_counts_faces_within_the_threshold():
    errors = [0.04, 0.02, np.inf, 0.06]
    shares = metrics.ced(errors, thresholds=[0, 0.02, 0.039, 0.06, 10])
    np.testing.assert_array_equal(shares, [0, 0.25, 0.25, 0.75, 0.75])
    assert shares.dtype == np.float64


def test_auc_and_failure_rate_of_a_short_list():
    # A face with error e covers the share (limit - e) / limit of the area.
    errors = [0.02, 0.04, 0.08, 0.1]
    assert metrics.auc(errors) == pytest.approx((0.75 + 0.5 + 0 + 0) / 4, abs=1e-3)
    assert metrics.failure_rate(errors) == pytest.approx(0.25)
    assert metrics.auc([0.0, 0.0]) == pytest.approx(1)
    assert metrics.auc([0.2]) == 0
    assert metrics.failure_rate(errors, limit=0.03) == pytest.approx(0.75)
    # shorter than two steps, a limit is cut in two: Simpson's (0 + 4 * 0 + 1) / 6
    assert metrics.auc([6e-5], limit=1e-4) == pytest.approx(1 / 6)


@pytest.mark.parametrize("limit", [0.08, 0.07, 0.1])
def test_auc_equals_scipy(limit):
    errors = np.random.default_rng(1).gamma(4, 0.01, 300)
    thresholds = np.linspace(0, limit, round(limit / 1e-4) + 1)
    shares = (errors[:, None] <= thresholds).mean(0)
    expected = integrate.simpson(shares, x=thresholds) / limit
    assert metrics.auc(errors, limit=limit) == pytest.approx(expected, rel=1e-9)


def test_a_curve_does_not_depend_on_the_order_of_the_faces():
    errors = np.random.default_rng(2).gamma(4, 0.01, 50)
    assert metrics.auc(errors) == metrics.auc(errors[::-1])
    assert metrics.failure_rate(errors) == metrics.failure_rate(errors[::-1])


@pytest.mark.parametrize(
    "errors, message",
    [([], "not empty"), ([[0.1]], "num_faces"), ([0.1, np.nan], "1 of 2 errors")],
)
def test_errors_that_make_no_curve_are_refused(errors, message):
    for summary in (metrics.auc, metrics.failure_rate):
        with pytest.raises(ValueError, match=message):
            summary(errors)


@pytest.mark.parametrize("limit", [0, -1, np.nan, np.inf])
@pytest.mark.parametrize("measure", [metrics.auc, metrics.failure_rate])
def test_a_limit_must_be_positive_and_finite(measure, limit):
    with pytest.raises(ValueError, match="positive and finite"):
        measure([0.1], limit=limit)
