"""Expected errors along the outlines and across them."""

import dataclasses

import numpy as np
import pytest

from rcsr_jax.config import ModelConfig
from rcsr_jax.data.face_shapes import frontal_landmarks
from rcsr_jax.ellipses import error_ellipses, measure_ratios, share_inside
from rcsr_jax.markup import FACE_68, Markup

# a line of four, a loop of three, and a landmark by itself
MARKUP = Markup(
    name="8",
    mirror=tuple(range(8)),
    eye_corners=(0, 3),
    eyes=((0,), (3,)),
    outlines=((0, 1, 2, 3), (4, 5, 6, 4)),
)
POINTS = np.array(
    [[0, 0], [1, 0], [2, 1], [2, 2], [0, 5], [3, 5], [0, 9], [9, 9]], float
)
ANGLES = [
    0,
    26.565,
    63.435,
    90,
    -53.13,
    90,
    0,
    0,
]  # from the landmark before to the next


def test_an_axis_lies_along_the_outline():
    found = error_ellipses(POINTS, np.ones(8), ratios=(2.0,) * 8, markup=MARKUP)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, 2], ANGLES, atol=1e-3)
    np.testing.assert_allclose(found[:, 0], 2 * found[:, 1])
    np.testing.assert_allclose((found[:, :2] ** 2).mean(-1), 1, rtol=1e-6)


def test_without_ratios_all_are_circles():
    expected = np.linspace(1, 3, 8)
    found = error_ellipses(POINTS, expected, ratios=(), markup=MARKUP)
    np.testing.assert_allclose(found[:, :2], expected[:, None] * [1, 1], rtol=1e-6)


def test_turned_and_enlarged_faces_turn_and_enlarge_their_ellipses():
    ratios = tuple(np.linspace(0.5, 2, 68))
    shape, expected = frontal_landmarks(), np.full(68, 0.1)
    angle = np.radians(20)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    plain = error_ellipses(shape, expected, ratios=ratios, markup=FACE_68)
    stacked = np.stack([shape, 3 * shape @ turn])
    found = error_ellipses(
        stacked, np.stack([expected, 3 * expected]), ratios=ratios, markup=FACE_68
    )
    np.testing.assert_allclose(found[0], plain, rtol=1e-6)
    np.testing.assert_allclose(found[1, :, :2], 3 * plain[:, :2], rtol=1e-5)
    turned = (found[1, :, 2] - plain[:, 2] - 20 + 90) % 180 - 90
    np.testing.assert_allclose(turned, 0, atol=1e-3)


def test_ratios_of_known_errors_are_found():
    generator = np.random.default_rng(0)
    shape, ratios = frontal_landmarks() * 100, np.linspace(0.6, 2.5, 68)
    ratios = np.sqrt(ratios * ratios[list(FACE_68.mirror)])  # both sides alike
    points = np.tile(shape, (4000, 1, 1))
    unit = error_ellipses(shape, np.ones(68), ratios=(1.0,) * 68, markup=FACE_68)
    angle = np.radians(unit[:, 2].astype(float))
    along = np.stack([np.cos(angle), np.sin(angle)], -1)
    across = np.stack([-along[:, 1], along[:, 0]], -1)
    size = generator.standard_normal((2, 4000, 68, 1))
    missed = size[0] * ratios[:, None] * along + size[1] * across
    truth = points + missed
    truth[::7, 5] = np.nan
    expected = np.full((4000, 68), 1.2)
    found = measure_ratios(points, truth, expected, markup=FACE_68)
    np.testing.assert_allclose(found, ratios, rtol=0.06)
    few = measure_ratios(points[:5], truth[:5], expected[:5], markup=FACE_68)
    assert np.abs(np.log(few)).mean() < np.abs(np.log(ratios)).mean()  # drawn towards 1
    np.testing.assert_allclose(
        measure_ratios(
            points[:2], np.full((2, 68, 2), np.nan), expected[:2], markup=FACE_68
        ),
        1,
    )


def test_a_landmark_of_no_outline_is_the_same_every_way():
    truth = np.tile(POINTS, (50, 1, 1)) + np.array([3.0, 1.0])
    ratios = measure_ratios(
        np.tile(POINTS, (50, 1, 1)), truth, np.ones((50, 8)), markup=MARKUP
    )
    assert ratios[7] == 1 and ratios[0] > 2 and ratios[3] < 0.5


def test_a_model_refuses_ratios_of_another_markup():
    with pytest.raises(ValueError, match="error_ratios must be 68 positive numbers"):
        ModelConfig(error_ratios=(1.0, 2.0))
    with pytest.raises(ValueError, match="error_ratios must be 68 positive"):
        dataclasses.replace(ModelConfig(), error_ratios=(0.0,) * 68)


def test_landmarks_within_their_ellipses_are_counted():
    # half axes of 4 and 2 px; the long one points to (3, 4) / 5
    ellipse = [4.0, 2.0, np.degrees(np.arctan2(4, 3))]
    at = [[2.3, 3.1], [2.5, 3.3], [-1.5, 1.1], [-1.7, 1.3], [np.nan, 0], [3.6, 4.8]]
    truth, points = np.array([at]), np.zeros((1, 6, 2))
    ellipses = np.broadcast_to(ellipse, (1, 6, 3))
    # 3.86, 4.14 and 6 along; 1.86 and 2.14 across
    assert share_inside(points, truth, ellipses) == pytest.approx(2 / 5)
    assert share_inside(points, truth, ellipses, times=2) == 1
    points[0, 0] = np.nan  # diverged
    assert share_inside(points, truth, ellipses) == pytest.approx(1 / 5)
    assert np.isnan(share_inside(points, np.full_like(truth, np.nan), ellipses))
