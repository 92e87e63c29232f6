"""Who is who from one frame to the next: rows of faces, and their boxes matched.

Everything is NumPy and nothing is changed in place: functions return new rows.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from rcsr_jax.boxes import TYPICAL_BOX
from rcsr_jax.geometry import box_of, overlap
from rcsr_jax.landmarks import put_rows
from rcsr_jax.refine import Estimate
from rcsr_jax.smoothing import Smoothed

_SAME_FACE = 0.6  # boxes that overlap by more are of one face
_INERTIA = 0.7  # share of its velocity that a track keeps at each frame


class Tracks(NamedTuple):
    """The faces that are followed, one row each.

    Attributes:
        ids: int64 [faces], the identity; never given twice.
        points: float32 [faces, num_points, 2], (x, y) in pixels, as found, or moved on
            by the velocity where the face is out of sight.
        velocity: float32 [faces, 2], pixels a frame.
        unseen: int64 [faces], frames since the face was seen; 0: it is in sight.
        score: float32 [faces], from when it was last seen.
        num_steps: int32 [faces], recurrences taken in this frame.
        anchor: the answer of the last prediction that started from the mean shape, points
            in pixels of its crop: what the next frame starts from.
        angle: float64 [faces], radians by which the anchor's crop was turned.
        afresh: bool [faces], whether the next frame starts from the mean shape instead.
        smoothed: of the filter.
    """

    ids: np.ndarray
    points: np.ndarray
    velocity: np.ndarray
    unseen: np.ndarray
    score: np.ndarray
    num_steps: np.ndarray
    anchor: Estimate
    angle: np.ndarray
    afresh: np.ndarray
    smoothed: Smoothed


def select(tracks: Tracks, rows: np.ndarray) -> Tracks:
    """Some of the rows, by their indices or a mask."""
    return jax.tree.map(lambda leaf: leaf[rows], tracks)


def join(tracks: Tracks, others: Tracks) -> Tracks:
    """The rows of both."""
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), tracks, others)


def replace_rows(tracks: Tracks, rows: np.ndarray, others: Tracks) -> Tracks:
    """Others in place of these rows, which are indices."""
    return jax.tree.map(functools.partial(put_rows, rows), tracks, others)


def boxes_of(points: np.ndarray) -> np.ndarray:
    """Boxes as a face detector finds them around shapes.

    Args:
        points: float [faces, num_points, 2], px.

    Returns:
        float64 [faces, 4].
    """
    return TYPICAL_BOX.apply(box_of(points))


def moved(tracks: Tracks, points: np.ndarray) -> Tracks:
    """The tracks where their faces were found in the next frame, with new velocities.

    Args:
        tracks: before.
        points: float32 [faces, num_points, 2], px.
    """
    step = (points - tracks.points).mean(1)
    velocity = _INERTIA * tracks.velocity + (1 - _INERTIA) * step
    return tracks._replace(points=points, velocity=velocity.astype(np.float32))


def coasting(tracks: Tracks) -> Tracks:
    """The tracks after a frame in which none of them was seen."""
    return tracks._replace(
        points=tracks.points + tracks.velocity[:, None],
        unseen=tracks.unseen + 1,
        num_steps=np.zeros_like(tracks.num_steps),
        afresh=np.ones_like(tracks.afresh),
    )


def strays(before: Tracks, points: np.ndarray) -> np.ndarray:
    """Tracks that have left their face for one that another track follows.

    Where one face passes before another, both tracks may end on the one in front. The
    one that is farther from where its own way would have led it is the stray.

    Args:
        before: the tracks before the frame.
        points: float32 [faces, num_points, 2], px, where they are found in it.

    Returns:
        bool [faces].
    """
    boxes = boxes_of(points)
    size = (boxes[:, 2:] - boxes[:, :2]).mean(1)
    expected = before.points + before.velocity[:, None]
    off = np.linalg.norm((points - expected).mean(1), axis=-1) / size
    same = overlaps(boxes, boxes) > _SAME_FACE
    astray = np.zeros(len(points), bool)
    for one, other in np.argwhere(np.triu(same, 1)).tolist():
        if not astray[[one, other]].any():
            astray[one if off[one] > off[other] else other] = True
    return astray


def distinct(boxes: np.ndarray) -> np.ndarray:
    """The boxes without those that repeat an earlier one.

    Args:
        boxes: float [n, 4].
    """
    repeats = np.triu(overlaps(boxes, boxes) > _SAME_FACE, 1).any(0)
    return boxes[~repeats]


def on_same_face(tracks: Tracks, others: Tracks) -> np.ndarray:
    """bool [faces], which tracks lie on a face of others."""
    shared = overlaps(boxes_of(tracks.points), boxes_of(others.points))
    return np.asarray((shared > _SAME_FACE).any(1))


def first_on_each(
    tracks: Tracks, chosen: np.ndarray, *, order: Sequence[np.ndarray]
) -> np.ndarray:
    """Of the chosen tracks that lie on one face, the first.

    Args:
        tracks: of any faces.
        chosen: bool [faces], those that count.
        order: keys [faces], the first one foremost; small ones come first.

    Returns:
        bool [faces].
    """
    boxes = boxes_of(tracks.points)
    same = overlaps(boxes, boxes) > _SAME_FACE
    kept = np.zeros(len(boxes), bool)
    for face in np.lexsort(tuple(reversed(order))).tolist():
        kept[face] = chosen[face] and not same[face, kept].any()
    return kept


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The share of their union that boxes have in common.

    Args:
        boxes: float [n, 4], (x0, y0, x1, y1).
        others: float [m, 4].

    Returns:
        float64 [n, m], 0 to 1.
    """
    return overlap(np.reshape(boxes, (-1, 1, 4)), np.reshape(others, (1, -1, 4)))


def match(
    boxes: np.ndarray, others: np.ndarray, *, min_overlap: float
) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of boxes that overlap most as a whole (the Hungarian method).

    Args:
        boxes: float [n, 4].
        others: float [m, 4].
        min_overlap: pairs of less are none.

    Returns:
        int [pairs] twice: rows of `boxes`, and the rows of `others` that belong to them.
    """
    from scipy.optimize import linear_sum_assignment  # half a second, for videos alone

    shared = overlaps(boxes, others)
    # what is no pair counts nothing, or it would tear good pairs apart
    worth = np.where(shared >= min_overlap, shared, 0)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    good = worth[rows, columns] > 0
    return rows[good], columns[good]
