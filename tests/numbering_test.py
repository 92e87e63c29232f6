import dataclasses
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from rcsr_jax.data.face_shapes import frontal_landmarks
from rcsr_jax.markup import FACE_49, FACE_68, INNER_49
from rcsr_jax.report.numbering import landmark_diagram

SVG = "{http://www.w3.org/2000/svg}"


def drawn(points, markup):
    """The dots, [n, 2], their colours and the places of their numbers, by number."""
    root = ElementTree.fromstring(landmark_diagram(points, markup=markup, width=500))
    dots = [dot for dot in root.iter(f"{SVG}circle") if dot.get("r") == "3.5"]
    places = np.array([[float(dot.get("cx")), float(dot.get("cy"))] for dot in dots])
    labels = {
        int(text.text): (float(text.get("x")), float(text.get("y")))
        for text in root.iter(f"{SVG}text")
        if text.text.isdigit()
    }
    return places, [dot.get("fill") for dot in dots], labels


@pytest.mark.parametrize(
    ("markup", "kept"), [(FACE_68, tuple(range(68))), (FACE_49, INNER_49)]
)
def test_every_landmark_has_its_place_number_and_colour(markup, kept):
    shape = frontal_landmarks(mouth=0.7)[list(kept)]
    places, colours, labels = drawn(shape, markup)
    factor = (500 - 88) / np.ptp(shape[:, 0])
    np.testing.assert_allclose(places, (shape - shape.min(0)) * factor + 44, atol=0.06)
    assert sorted(labels) == list(range(markup.num_points))
    away = np.array([labels[i] for i in range(len(places))]) - [0, 4.5] - places
    np.testing.assert_allclose(np.linalg.norm(away, axis=1), 14, atol=0.2)
    for _, indices in markup.regions:
        assert len({colours[i] for i in indices}) == 1
    assert len(set(colours)) == len(markup.regions)


def test_numbers_stand_outside_of_eyes_and_jaw_and_inside_of_the_inner_lips():
    shape = frontal_landmarks(mouth=0.7)
    places, _, labels = drawn(shape, FACE_68)
    shift = np.array([labels[i] for i in range(68)]) - [0, 4.5] - places
    assert shift[0, 0] < 0 < shift[16, 0] and shift[8, 1] > 0  # jaw
    assert shift[36, 0] < 0 < shift[39, 0] and shift[37, 1] < 0 < shift[41, 1]  # eye
    assert shift[51, 1] < 0 < shift[57, 1]  # outer lip
    assert shift[62, 1] > 0 > shift[66, 1]  # inner lip
    assert (shift[17:27, 1] < 0).all()  # brows
    assert (shift[27:31, 0] > 0).all()  # bridge of the nose


def test_the_face_is_as_symmetric_as_its_markup():
    shape = frontal_landmarks(mouth=0.3)
    np.testing.assert_allclose(shape[list(FACE_68.mirror)], shape * [-1, 1], atol=1e-12)
    closed = frontal_landmarks()
    assert (shape[65:68, 1] > closed[65:68, 1]).all()  # the lower lip goes down


def test_names_are_escaped_and_landmarks_without_a_line_are_drawn():
    bare = dataclasses.replace(FACE_68, name="<a&b>", outlines=(), regions=())
    text = landmark_diagram(frontal_landmarks(), markup=bare)
    assert "&lt;a&amp;b&gt;" in text and "<a&b>" not in text
    assert len(drawn(frontal_landmarks(), bare)[0]) == 68


def test_shapes_that_cannot_be_drawn_are_refused():
    with pytest.raises(ValueError, match=r"\(68, 2\) for the markup 68; got \(5, 2\)"):
        landmark_diagram(np.zeros((5, 2)), markup=FACE_68)
    with pytest.raises(ValueError, match="above each other"):
        landmark_diagram(np.zeros((68, 2)), markup=FACE_68)
