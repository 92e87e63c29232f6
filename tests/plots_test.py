"""Tests of rcsr_jax.plots."""

import dataclasses
import types

import numpy as np
import pytest

from rcsr_jax import plots
from rcsr_jax.markup import FACE_68, Markup

# one landmark alone is no markup, but enough to see where a point is drawn
DOT = types.SimpleNamespace(name="dot", num_points=1, outlines=())
PAIR = Markup(
    name="pair",
    mirror=(1, 0),
    eye_corners=(0, 1),
    eyes=((0,), (1,)),
    outlines=((0, 1),),
)
GREY = np.full((480, 600), 128, np.uint8)


def coloured(picture, colour, *, tolerance=12):
    """The (x, y) of the pixels of a colour: [num_pixels, 2]."""
    close = np.abs(picture.astype(int) - colour).max(-1) <= tolerance
    rows, columns = np.nonzero(close)
    return np.stack([columns, rows], -1)


@pytest.mark.parametrize("point", [(100, 50), (317.5, 200), (0, 0)])
def test_a_dot_lies_where_the_landmark_is(point):
    picture = plots.draw_overlay(GREY, [point], markup=DOT, min_side=1)
    assert picture.shape == (480, 600, 3) and picture.dtype == np.uint8
    marked = np.argwhere((picture != 128).any(-1))[:, ::-1]
    assert len(marked) > 4
    centre = marked.mean(0) if min(point) > 0 else marked.min(0)
    np.testing.assert_allclose(centre, point, atol=0.05)


def test_a_small_image_is_enlarged_and_the_dot_with_it():
    image = np.full((30, 40, 1), 128, np.uint8)
    picture = plots.draw_overlay(image, [(7, 20)], markup=DOT, min_side=400)
    assert picture.shape == (300, 400, 3)  # ten times
    marked = np.argwhere((picture != 128).any(-1))[:, ::-1]
    np.testing.assert_allclose(marked.mean(0), [74.5, 204.5], atol=0.05)


def test_every_landmark_gets_a_dot_of_its_colour():
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(10), np.arange(7)), -1).reshape(-1, 2)[:68]
    points = (grid * 55 + 40 + rng.uniform(-5, 5, grid.shape)).astype(np.float32)
    truth = points + np.array([0, 14])
    markup = dataclasses.replace(FACE_68, outlines=())
    picture = plots.draw_overlay(GREY, points, markup=markup, truth=truth)
    for places, colour in [(points, plots.PREDICTION), (truth, plots.TRUTH)]:
        x, y = np.round(places).astype(int).T
        inside = (y < 480) & (x < 600)
        assert np.abs(picture[y[inside], x[inside]].astype(int) - colour).max() <= 12


def test_outlines_join_the_landmarks_and_stop_at_missing_ones():
    points = np.array([[100, 100], [300, 100]], np.float32)
    picture = plots.draw_overlay(GREY, points, markup=PAIR)
    assert (picture[98:103, 200] != 128).any()
    points[1] = np.nan
    picture = plots.draw_overlay(GREY, points, markup=PAIR)
    assert (picture[98:103, 200] == 128).all()
    assert len(coloured(picture, plots.PREDICTION)) > 0


def test_an_ellipse_has_its_axes_and_its_angle():
    ring = [[40.0, 10.0, 30.0]]
    picture = plots.draw_overlay(GREY, [(200, 150)], markup=DOT, ellipses=ring)
    x, y = coloured(picture, 0.2 * 128 + 0.8 * np.array(plots.DOUBT)).T - [[200], [150]]
    turned = (x + 1j * y) * np.exp(-1j * np.pi / 6)  # y points down, as angles do
    level = np.hypot(turned.real / 40, turned.imag / 10)
    assert len(x) > 100 and np.abs(level - 1).max() < 0.1
    assert turned.real.max() == pytest.approx(40, abs=1)
    assert turned.imag.max() == pytest.approx(10, abs=1)
    small = plots.draw_overlay(GREY[:100, :100], [(20, 15)], markup=DOT, ellipses=ring)
    assert small.shape[1] == 500  # five times as large, and so is the ellipse
    x = coloured(small, 0.2 * 128 + 0.8 * np.array(plots.DOUBT))[:, 0]
    assert x.max() == pytest.approx(5 * (20 + 40 * np.cos(np.pi / 6)), abs=8)
    for nothing in ([[np.nan, 1, 0]], [[0, 0, 0]]):
        picture = plots.draw_overlay(GREY, [(200, 150)], markup=DOT, ellipses=nothing)
        assert not len(coloured(picture, 0.2 * 128 + 0.8 * np.array(plots.DOUBT)))


def test_several_faces_and_boxes_are_drawn_at_once():
    faces = np.array([[[50, 50]], [[400, 300]]])
    boxes = np.array([[20, 20, 90, 90], [350, 250, 450, 350]])
    picture = plots.draw_overlay(GREY, faces, markup=DOT, box=boxes)
    assert len(coloured(picture[:150, :150], plots.PREDICTION)) > 0
    assert len(coloured(picture[250:, 350:], plots.PREDICTION)) > 0
    assert picture[20, 55].min() > 200 and picture[250, 400].min() > 200
    assert picture[90, 55].min() > 200 and picture[300, 450].min() > 200


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30, -1e30])
def test_diverged_landmarks_do_no_harm(value):
    points = np.array([[100, 100], [value, 100]])
    box = [0, 0, value, 10]
    picture = plots.draw_overlay(GREY, points, markup=PAIR, truth=points, box=box)
    assert picture.shape == (480, 600, 3)


def test_the_image_itself_is_left_alone():
    image = np.random.default_rng(0).integers(0, 255, (480, 480, 3)).astype(np.uint8)
    before = image.copy()
    picture = plots.draw_overlay(image, [(400, 400)], markup=DOT)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(picture[:300], image[:300])


@pytest.mark.parametrize(
    "image, points",
    [
        (GREY.astype(np.float32), [(1, 1)]),
        (np.zeros((5, 5, 4), np.uint8), [(1, 1)]),
        (np.zeros((0, 5), np.uint8), [(1, 1)]),
        (GREY, [(1, 1), (2, 2)]),
        (GREY, [(1, 1, 1)]),
    ],
)
def test_what_cannot_be_drawn_is_refused(image, points):
    with pytest.raises(ValueError, match=r"got .*\("):
        plots.draw_overlay(image, points, markup=DOT)


def test_a_contact_sheet_places_images_row_by_row():
    images = [np.full((10, 20), 10 * n, np.uint8) for n in range(1, 6)]
    sheet = plots.contact_sheet(images, columns=3)
    assert sheet.shape == (2 * 14 + 4, 3 * 24 + 4, 3)
    np.testing.assert_array_equal(sheet[9, [14, 38, 62], 0], [10, 20, 30])
    np.testing.assert_array_equal(sheet[23, [14, 38, 62], 0], [40, 50, 255])


def test_a_contact_sheet_centres_smaller_images():
    images = [np.zeros((20, 20, 3), np.uint8), np.zeros((10, 10), np.uint8)]
    sheet = plots.contact_sheet(images, columns=9)
    black = np.argwhere(sheet[:, 26:, 0] == 0)  # the second cell is 24 px from 26 on
    np.testing.assert_array_equal(black.mean(0), [13.5, 11.5])
    np.testing.assert_array_equal(np.ptp(black, axis=0), [9, 9])


@pytest.mark.parametrize("images, columns", [([], 2), ([GREY], 0)])
def test_an_empty_contact_sheet_is_refused(images, columns):
    with pytest.raises(ValueError, match="needs images and columns"):
        plots.contact_sheet(images, columns=columns)


def test_the_way_of_each_landmark_leads_from_step_to_step():
    ways = np.array([[[100, 100]], [[200, 100]], [[200, 300]]], np.float32)
    picture = plots.draw_overlay(
        GREY, ways[-1], markup=DOT, trajectory=ways, min_side=1
    )
    x, y = coloured(picture, plots.WAY, tolerance=60).T
    assert {x.min(), y.min(), x.max()} <= {99, 100, 200, 201}
    assert y.max() > 290
    on_the_way = (abs(y - 100) <= 2) | (abs(x - 200) <= 2)
    assert on_the_way.all() and len(x) > 280
    several = np.stack([ways, ways + 50], axis=1)  # [steps, faces, points, 2]
    both = plots.draw_overlay(
        GREY, several[-1], markup=DOT, trajectory=several, min_side=1
    )
    assert len(coloured(both, plots.WAY, tolerance=60)) > 1.9 * len(x)
