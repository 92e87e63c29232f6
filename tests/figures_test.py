"""Tests of rcsr_jax.report.figures."""

import base64
import io
import re

import numpy as np
import pytest
import tiny
from PIL import Image

from rcsr_jax.inference import Predictor
from rcsr_jax.report import figures

PREDICTOR = Predictor(tiny.make_params(), tiny.CONFIG)
MARKUP = tiny.CONFIG.markup
BOXES = np.array([[60, 40, 100, 80], [120, 50, 160, 90]])


def opened(uri):
    kind, encoded = uri.split(",")
    assert kind == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(encoded)))


def drawn_points(svg):
    """The dots of each face, as points of the photo."""
    dots = re.findall(r'class="dots" d="([^"]*)"', svg)
    pairs = [re.findall(r"M(\S+) (\S+)h", path) for path in dots]
    return np.array(pairs, float) - 0.5


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 255, (200, 300), np.uint8)


@pytest.fixture(scope="module")
def found(image):
    return figures.find(PREDICTOR, image, BOXES)


def test_the_last_step_is_the_answer_and_the_first_the_mean_shape(found, image):
    faces = PREDICTOR(image, BOXES)
    assert len(found.shapes) == faces.num_steps.max() + 1
    np.testing.assert_allclose(found.shapes[-1], faces.points)
    centre = BOXES.reshape(2, 2, 2).mean(axis=1)
    first = found.shapes[0] - centre[:, None]
    np.testing.assert_allclose(first[0], first[1], atol=1e-4)  # one shape in each box
    radii = faces.expected_error[..., None] * [1, 1]  # nobody measured ratios
    np.testing.assert_allclose(found.faces.ellipses[..., :2], radii, rtol=1e-5)


def test_the_drawing_holds_the_shapes_of_a_step(found):
    for step in (0, 1, 99):
        svg = figures.draw(found, step=step, markup=MARKUP)
        at = min(step, len(found.shapes) - 1)
        assert f'data-step="{at}"' in svg
        np.testing.assert_allclose(drawn_points(svg), found.shapes[at], atol=0.051)
        assert svg.count('class="box"') == 2
        assert svg.count('class="uncertain"') == (
            2 if at == len(found.shapes) - 1 else 0
        )
    plain = figures.draw(found, step=99, markup=MARKUP, uncertainty=False)
    assert "uncertain" not in plain


def test_the_picture_is_the_part_around_the_faces(found, image):
    assert found.window == (36, 16, 148, 98)
    with opened(found.picture) as picture:
        assert picture.size == (148, 98)
        difference = np.asarray(picture, int) - image[16:114, 36:184]
    assert np.abs(difference).mean() < 8
    none = figures.find(PREDICTOR, image, np.zeros((0, 4)))
    assert none.window == (0, 0, 300, 200) and none.shapes.shape == (1, 0, 68, 2)


def test_a_large_photo_is_made_smaller():
    with opened(
        figures.photo_uri(np.zeros((300, 900, 3), np.uint8), longest=90)
    ) as small:
        assert small.size == (90, 30)
    with pytest.raises(ValueError, match="uint8"):
        figures.photo_uri(np.zeros((4, 4)))
