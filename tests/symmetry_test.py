"""Mean shapes that are their own mirror images, and those that are not."""

import dataclasses

import numpy as np
import pytest

from rcsr_jax.data.drawn import draw_face
from rcsr_jax.geometry import box_of, frame_of_box, mean_shape, to_crop
from rcsr_jax.markup import FACE_68, Markup
from rcsr_jax.symmetry import asymmetry, mirror_problem

# the corners of both eyes, those of the mouth, the chin
FIVE = Markup(name="5", mirror=(1, 0, 3, 2, 4), eye_corners=(0, 1), eyes=((0,), (1,)))
SHAPE = np.array([[20, 10], [60, 10], [30, 50], [50, 50], [40, 70]], np.float32)


def test_a_symmetrical_shape_lies_on_its_mirror_image_wherever_it_is():
    np.testing.assert_allclose(asymmetry(SHAPE + [7, 3], markup=FIVE), 0, atol=1e-6)


def test_asymmetry_is_in_eye_distances():
    """A mouth corner 5 px lower: its twin is not, and the mean of all stays."""
    shape = SHAPE.copy()
    shape[3, 1] += 5
    np.testing.assert_allclose(
        asymmetry(shape, markup=FIVE), [0, 0, 5 / 40, 5 / 40, 0], atol=1e-6
    )


def test_a_pair_that_is_no_pair_is_named():
    wrong = dataclasses.replace(FIVE, mirror=(1, 0, 2, 3, 4))  # 20 of 40 px apart
    assert mirror_problem(SHAPE, num_faces=500, markup=FIVE) == ""
    problem = mirror_problem(SHAPE, num_faces=500, markup=wrong)
    assert "up to 50 % of the eye distance" in problem
    assert "most at 2, 3: look at `mirror`" in problem


def test_swapped_axes_are_told():
    problem = mirror_problem(SHAPE[:, ::-1], num_faces=500, markup=FIVE)
    assert "or are landmarks (y, x)" in problem


@pytest.mark.parametrize(
    ("num_faces", "share", "told"),
    [
        (19, 0.9, False),
        (20, 0.36, False),  # the limit: 0.12 * sqrt(200 / 20) = 0.379
        (20, 0.40, True),
        (50, 0.23, False),  # 0.12 * 2
        (50, 0.25, True),
        (200, 0.11, False),
        (200, 0.13, True),
        (5000, 0.11, False),
        (5000, 0.13, True),
    ],
)
def test_fewer_faces_may_look_to_a_side(num_faces, share, told):
    shape = SHAPE.copy()
    shape[3, 1] += 40 * share
    problem = mirror_problem(shape, num_faces=num_faces, markup=FIVE)
    assert bool(problem) == told


def test_drawn_faces_are_symmetrical_and_those_without_twins_are_not():
    points = np.stack([draw_face(0, index, size=100).points for index in range(60)])
    frames = frame_of_box(box_of(points), frame_scale=1.5, size=96)
    shape = mean_shape(to_crop(points, frames))
    assert mirror_problem(shape, num_faces=60, markup=FACE_68) == ""
    alone = dataclasses.replace(FACE_68, mirror=tuple(range(68)))
    assert mirror_problem(shape, num_faces=60, markup=alone)
