"""Boxes matched and rows carried on, against values worked out by hand."""

import itertools

import numpy as np
import pytest

from rcsr_jax import tracks as rows
from rcsr_jax.refine import Estimate
from rcsr_jax.smoothing import at_rest
from rcsr_jax.tracks import Tracks

SQUARE = np.float32([[0, 0], [10, 0], [10, 10], [0, 10]])


def make(places, *, velocity=(0, 0)):
    """Tracks of square faces with their upper left corners at these places."""
    points = SQUARE[None] + np.float32(places)[:, None]
    count = len(points)
    return Tracks(
        ids=np.arange(count),
        points=points,
        velocity=np.broadcast_to(np.float32(velocity), (count, 2)).copy(),
        unseen=np.zeros(count, np.int64),
        score=np.ones(count, np.float32),
        num_steps=np.ones(count, np.int32),
        anchor=Estimate(points, np.zeros((count, 3), np.float32)),
        angle=np.zeros(count),
        afresh=np.zeros(count, bool),
        smoothed=at_rest(points),
    )


def test_overlaps_by_hand():
    boxes = [[0, 0, 10, 10], [20, 20, 30, 40]]
    others = [[5, 0, 15, 10], [0, 0, 10, 10], [20, 20, 30, 30]]
    expected = [[50 / 150, 1, 0], [0, 0, 0.5]]
    np.testing.assert_allclose(rows.overlaps(boxes, others), expected)
    assert rows.overlaps([], others).shape == (0, 3)


def test_pairs_are_the_best_as_a_whole(generator):
    for _ in range(20):
        corners = generator.uniform(0, 40, (2, 4, 2))
        boxes, others = np.concatenate([corners, corners + 30], -1)
        shared = rows.overlaps(boxes, others)
        worth = np.where(shared >= 0.2, shared, 0)
        best = max(
            worth[range(4), order].sum() for order in itertools.permutations(range(4))
        )
        ours, theirs = rows.match(boxes, others, min_overlap=0.2)
        assert shared[ours, theirs].sum() == pytest.approx(best)
        assert (shared[ours, theirs] >= 0.2).all()


def test_nothing_matches_nothing():
    ours, theirs = rows.match(np.zeros((0, 4)), [[0, 0, 1, 1]], min_overlap=0.3)
    assert len(ours) == len(theirs) == 0


def test_velocity_follows_the_middle_of_the_shape():
    tracks = make([(0, 0)], velocity=(1, 0))
    after = rows.moved(tracks, tracks.points + np.float32([3, -2]))
    np.testing.assert_allclose(after.velocity, [[0.7 * 1 + 0.3 * 3, 0.3 * -2]])
    np.testing.assert_array_equal(tracks.velocity, [[1, 0]])


def test_a_lost_face_coasts():
    after = rows.coasting(make([(0, 0)], velocity=(2, 1)))
    np.testing.assert_array_equal(after.points[0], SQUARE + np.float32([2, 1]))
    np.testing.assert_array_equal(after.unseen, [1])
    np.testing.assert_array_equal(after.afresh, [True])


def test_the_stray_is_the_one_off_its_way():
    before = make([(0, 0), (8, 0), (50, 50)], velocity=(0, 0))
    before = before._replace(velocity=np.float32([[4, 0], [-4, 0], [0, 0]]))
    found = SQUARE[None] + np.float32([(4, 0), (8, 0), (50, 50)])[:, None]
    np.testing.assert_array_equal(rows.strays(before, found), [False, False, False])
    # both on the face of the first, which came where it was expected
    found = SQUARE[None] + np.float32([(4, 0), (3, 1), (50, 50)])[:, None]
    np.testing.assert_array_equal(rows.strays(before, found), [False, True, False])


def test_rows_are_selected_joined_and_replaced_anew():
    tracks = make([(0, 0), (20, 0), (40, 0)])
    last = rows.select(tracks, np.array([2]))
    np.testing.assert_array_equal(last.ids, [2])
    np.testing.assert_array_equal(last.anchor.points, tracks.points[2:])
    both = rows.join(last, rows.select(tracks, tracks.ids == 0))
    np.testing.assert_array_equal(both.ids, [2, 0])
    changed = rows.replace_rows(tracks, np.array([1]), last)
    np.testing.assert_array_equal(changed.ids, [0, 2, 2])
    np.testing.assert_array_equal(tracks.ids, [0, 1, 2])


def test_repeated_boxes_are_left_out():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 12], [5, 0, 15, 10], [0, 0, 10, 9]])
    np.testing.assert_array_equal(rows.distinct(boxes), boxes[[0, 2]])
    assert rows.distinct(np.zeros((0, 4))).shape == (0, 4)


def test_a_track_on_the_face_of_another_is_known():
    tracks, others = make([(0, 0), (30, 0)]), make([(1, 0)])
    np.testing.assert_array_equal(rows.on_same_face(tracks, others), [True, False])
