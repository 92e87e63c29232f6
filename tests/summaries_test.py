"""Tests of rcsr_jax.summaries."""

import json

import numpy as np
import pytest
from known_faces import FACE, FIVE, GUESS, random_faces

from rcsr_jax import summaries
from rcsr_jax.markup import FACE_68


def test_summary_of_two_known_faces():
    # The second face is twice as large with the same errors in pixels; the third is off
    # by 15 px everywhere, which is a failure.
    truth = np.stack([FACE, 2 * FACE, FACE])
    guess = np.stack([GUESS, 2 * FACE + (GUESS - FACE), FACE + np.array([0, 15])])
    summary = summaries.summarise(guess, truth.astype(np.float32), markup=FIVE)
    assert summary["num_faces"] == summary["num_measured"] == 3
    errors = np.array([3, 1.5, 15])  # per cent of the eye corners' distance
    assert summary["nme_interocular"] == pytest.approx(errors.mean(), rel=1e-5)
    assert summary["nme_interpupil"] == pytest.approx(errors.mean() / 0.6, rel=1e-5)
    assert summary["nme_box"] == pytest.approx(errors.mean() / 0.8, rel=1e-5)
    assert summary["auc_08"] == pytest.approx(100 * (5 / 8 + 6.5 / 8) / 3, abs=0.1)
    assert summary["failure_rate_08"] == pytest.approx(100 / 3)
    assert json.loads(json.dumps(summary)) == summary


def test_a_summary_does_not_depend_on_the_order_of_the_faces():
    guess, truth = random_faces()
    forward = summaries.summarise(guess, truth, markup=FACE_68)
    backward = summaries.summarise(guess[::-1], truth[::-1], markup=FACE_68)
    assert forward == pytest.approx(backward)


def test_faces_that_cannot_be_measured_are_counted_and_left_out():
    truth = np.stack([FACE, FACE])
    truth[1, 0] = np.nan  # without a corner; the other normalisers remain
    summary = summaries.summarise(np.stack([GUESS, GUESS]), truth, markup=FIVE)
    assert (summary["num_faces"], summary["num_measured"]) == (2, 1)
    assert summary["nme_interocular"] == pytest.approx(3, rel=1e-5)
    # 10 / 4 px of the 40 px from the left inner corner to the right pupil, at 80.
    assert summary["nme_interpupil"] == pytest.approx((5 + 250 / 40) / 2, rel=1e-5)


def test_a_summary_without_a_single_measured_face_is_nan():
    truth = FACE[None].copy()
    truth[:, 0] = np.nan
    summary = summaries.summarise(GUESS[None], truth, markup=FIVE)
    assert summary["num_measured"] == 0
    assert np.isnan([summary["nme_interocular"], summary["auc_08"]]).all()


def test_a_diverged_face_is_a_failure():
    guess, truth = random_faces()
    guess[0] = np.nan
    summary = summaries.summarise(guess, truth, markup=FACE_68)
    assert summary["num_measured"] == 7
    assert summary["nme_box"] == np.inf
    assert summary["failure_rate_08"] >= 100 / 7


def test_subsets_count_their_own_errors_over_the_distances_of_the_face():
    guess, truth = random_faces()
    subsets = summaries.summarise_subsets(guess, truth, markup=FACE_68)
    assert list(subsets) == ["51", "49"]
    truth64, guess64 = truth.astype(np.float64), guess.astype(np.float64)
    errors = np.linalg.norm(guess64 - truth64, axis=-1)
    ioc = np.linalg.norm(truth64[:, 36] - truth64[:, 45], axis=-1)
    box = np.sqrt(np.prod(np.ptp(truth64, axis=1), axis=-1))
    inner = {"51": np.r_[17:68], "49": np.r_[17:60, 61:64, 65:68]}
    for name, indices in inner.items():
        mean = errors[:, indices].mean(1)
        summary = subsets[name]
        assert summary["nme_interocular"] == pytest.approx(
            100 * (mean / ioc).mean(), rel=1e-4
        )
        assert summary["nme_box"] == pytest.approx(100 * (mean / box).mean(), rel=1e-4)
    assert summaries.summarise_subsets(GUESS[None], FACE[None], markup=FIVE) == {}


def test_errors_by_region_and_by_landmark():
    truth = np.stack([FACE, 2 * FACE])
    guess = np.stack([GUESS, 2 * FACE + (GUESS - FACE)])
    regions = summaries.by_region(guess, truth, markup=FIVE)
    assert regions == pytest.approx({"eyes": 0.9375, "chin": 7.5}, rel=1e-5)
    landmarks = summaries.by_landmark(guess, truth, markup=FIVE)
    assert landmarks == pytest.approx([3.75, 0, 0, 0, 7.5], rel=1e-5)
    truth[0, 4] = np.nan
    landmarks = summaries.by_landmark(guess, truth, markup=FIVE)
    assert landmarks == pytest.approx([3.75, 0, 0, 0, 5], rel=1e-5)
    truth[1, 4] = np.nan
    assert np.isnan(summaries.by_landmark(guess, truth, markup=FIVE)[4])
    assert np.isnan(summaries.by_region(guess, truth, markup=FIVE)["chin"])


def test_other_shapes_and_no_faces_are_refused():
    with pytest.raises(ValueError, match=r"\[num_faces, 5, 2\]"):
        summaries.summarise(GUESS, FACE, markup=FIVE)
    for guess, truth in [(GUESS[:4], FACE), (GUESS, FACE[:4]), (GUESS[:4], FACE[:4])]:
        with pytest.raises(ValueError, match=r"\[num_faces, 5, 2\]"):
            summaries.summarise(guess[None], truth[None], markup=FIVE)
    with pytest.raises(ValueError, match="at least one face"):
        summaries.summarise(GUESS[None][:0], FACE[None][:0], markup=FIVE)
