"""Tests of rcsr_jax.report.gallery."""

import numpy as np
import pytest
import tiny

from rcsr_jax.evaluation import Evaluation
from rcsr_jax.inference import Faces
from rcsr_jax.report.gallery import SIDE, choose_faces, make_gallery

MARKUP = tiny.CONFIG.markup


def test_the_worst_the_best_and_some_at_random_are_chosen():
    errors = np.array([0.05, np.nan, 0.01, 0.2, np.inf, 0.03])
    chosen = choose_faces(errors, count=2)
    assert next(iter(chosen)) == 4  # the worst first
    assert [f for f, groups in chosen.items() if "worst" in groups] == [4, 3]
    assert [f for f, groups in chosen.items() if "best" in groups] == [5, 2]
    assert sum("random" in groups for groups in chosen.values()) == 2
    assert 1 not in chosen and chosen == choose_faces(errors, count=2)
    assert choose_faces(errors, count=0) == {}
    assert all(len(groups) == 3 for groups in choose_faces(errors, count=9).values())


@pytest.fixture
def evaluation():
    """Two faces; the second one has stopped after the first of two steps."""
    truth = tiny.mean_shape() * 2 + 30
    truths = np.stack([truth, truth + 10])
    trajectory = np.stack([truths + 2, truths + [[[1.0]], [[2.0]]]]).astype(np.float32)
    faces = Faces(
        points=trajectory[-1],
        num_steps=np.array([2, 1]),
        settled=np.array([True, False]),
        trajectory=trajectory,
        spread=np.zeros((2, 68), np.float32),
        expected_error=np.full((2, 68), 1.5, np.float32),
        ellipses=np.tile(np.float32([1.8, 1.2, 30]), (2, 68, 1)),
        score=np.array([0.9, 0.2], np.float32),
    )
    return Evaluation(
        names=("one", "two"),
        truth=truths,
        mean_shape=truths + 5,
        adaptive=faces,
        fixed=trajectory,
        boxes=np.array([[20, 20, 90, 90], [40, 40, 100, 100]], np.float32),
        milliseconds_per_face=1.0,
        fixed_milliseconds=np.array([0.5, 0.8]),
        refused=(),
    )


def photo(name):
    """Brightness is the column, plus a dot of another colour where "one" has a landmark."""
    return np.tile(np.arange(128, dtype=np.uint8)[None, :, None], (128, 1, 3))


def test_shapes_and_truth_follow_the_picture(evaluation):
    two, one = make_gallery(evaluation, markup=MARKUP, load_image=photo, count=1)
    assert (one.name, two.name) == ("one", "two")
    assert "best" in one.groups and "worst" in two.groups
    assert len(one.shapes) == 3 and len(two.shapes) == 2 and not two.settled
    assert one.image.shape == (SIDE, SIDE, 3) and one.image.dtype == np.uint8
    # the picture's brightness says which column of the photo a place is
    x, y = one.truth[40]
    column = float(one.image[int(y), int(x), 0])
    assert column == pytest.approx(evaluation.truth[0, 40, 0], abs=1.5)
    moved = np.linalg.norm(one.shapes - one.truth, axis=-1).mean(axis=1)
    np.testing.assert_allclose(moved / moved[-1], [5, 2, 1], rtol=1e-3)
    np.testing.assert_allclose(one.errors / one.errors[-1], [5, 2, 1], rtol=1e-3)


def test_a_photo_ends_in_black(evaluation):
    far = evaluation._replace(boxes=np.array([[-60, 0, 90, 90]] * 2, np.float32))
    face, *_ = make_gallery(far, markup=MARKUP, load_image=photo, count=1)
    assert face.image[:, 0].max() == 0 and face.image[:, -1].max() > 0


@pytest.mark.parametrize("reach", [1e3, 1e5, 1e7])
def test_a_huge_box_makes_no_huge_picture(reach, evaluation):
    boxes = np.array([[-reach, -reach, 2 * reach, reach]] * 2, np.float32)
    far = evaluation._replace(boxes=boxes)
    face, *_ = make_gallery(far, markup=MARKUP, load_image=photo, count=1)
    assert face.image.shape == (SIDE, SIDE, 3)
    seen = (face.image.max(-1) > 0).mean()  # of 90 pixels, in a square of 3 reach
    assert seen < (90 / reach) ** 2


def test_what_a_model_expects_is_scaled_with_the_picture(evaluation):
    two, one = make_gallery(evaluation, markup=MARKUP, load_image=photo, count=1)
    wide, drawn = np.ptp(evaluation.truth[0, :, 0]), np.ptp(one.truth[:, 0])
    unit = drawn / wide
    found = one.ellipses / [unit, unit, 1]
    np.testing.assert_allclose(found, [[1.8, 1.2, 30]] * 68, rtol=1e-4)
    assert (one.score, two.score) == pytest.approx((0.9, 0.2))
