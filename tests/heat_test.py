"""Tests of rcsr_jax.report.heat and rcsr_jax.report.outlines."""

import numpy as np
import pytest
import tiny

from rcsr_jax.markup import FACE_68
from rcsr_jax.report import outlines
from rcsr_jax.report.heat import NUM_HEATS, face_map

FACE = tiny.mean_shape()


def test_heats_share_one_scale():
    errors = {"first": np.full(68, 30.0), "last": np.linspace(0, 9.5, 68)}
    drawn = face_map(FACE, errors, markup=FACE_68)
    first, last = drawn.states
    assert drawn.top == 10 and set(first["heats"]) == {NUM_HEATS - 1}
    assert last["heats"] == sorted(last["heats"])
    assert last["heats"][0] == 0 and last["heats"][-1] == NUM_HEATS - 1
    assert last["errors"][-1] == 9.5


def test_landmarks_lie_in_the_drawing_with_their_regions():
    drawn = face_map(FACE, {"last": np.ones(68)}, markup=FACE_68)
    assert all(
        0 < mark.x < 300 and 0 < mark.y < drawn.height for mark in drawn.landmarks
    )
    assert [drawn.landmarks[n].region for n in (0, 17, 36, 60)] == [
        "jaw",
        "brows",
        "eyes",
        "mouth",
    ]


def test_unknown_and_infinite_errors_are_no_numbers():
    errors = [None, np.nan, np.inf, *np.ones(65)]
    (state,) = face_map(FACE, {"last": errors}, markup=FACE_68).states
    assert state["errors"][:3] == [None] * 3
    assert state["heats"][:3] == [None, None, NUM_HEATS - 1]


def test_a_face_of_another_markup_is_refused():
    with pytest.raises(ValueError, match=r"68 landmarks; got \(5, 2\)"):
        face_map(FACE[:5], {"last": np.ones(68)}, markup=FACE_68)
    with pytest.raises(ValueError, match="states of 68 errors"):
        face_map(FACE, {"last": np.ones(5)}, markup=FACE_68)


def test_paths_leave_out_what_cannot_be_drawn():
    points = np.array([[1, 2], [np.nan, 3], [4, 5], [1e9, 0]])
    assert outlines.dots(points) == "M1.0 2.0h.01M4.0 5.0h.01"
    rings = outlines.ellipses(points, [[2, 1, 0], [2, 1, 0], [0, 0, 0], [2, 1, 0]])
    half = "a2.0 1.0 0 1 0"
    assert rings == f"M-1.0 2.0{half} 4.0 0.0{half} -4.0 -0.0z"
    upright = outlines.ellipses(points[:1], [[2, 1, 90]])
    assert upright.startswith("M1.0 0.0a2.0 1.0 90 1 0 0.0 4.0")


def test_lines_join_the_landmarks_of_the_outlines():
    points = np.arange(136, dtype=float).reshape(68, 2)
    path = outlines.lines(points, markup=FACE_68)
    assert path.startswith("M0.0 1.0L2.0 3.0M2.0 3.0L4.0 5.0")
    joined = sum(len(outline) - 1 for outline in FACE_68.outlines)
    assert path.count("L") == joined
    points[3] = np.nan
    assert outlines.lines(points, markup=FACE_68).count("L") == joined - 2
