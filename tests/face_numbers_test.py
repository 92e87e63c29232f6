"""Numbers of faces: inside the picture, and no larger than it is."""

import numpy as np
import pytest
from rcsr_jax.experiments.face_numbers import draw_face_numbers

BLANK = np.zeros((90, 160, 3), np.uint8)


def test_a_number_stands_above_its_face():
    drawn = draw_face_numbers(BLANK, np.float64([[60, 50, 100, 88]]), numbers=[7])
    rows, columns = np.nonzero(drawn.max(-1))
    assert rows.min() > 30 and rows.max() < 52 and 58 < columns.min() < 70


@pytest.mark.parametrize(
    "box", [[0, 0, 900_000, 900_000], [150, 0, 159, 9], [-1e5, -1e5, 200, 80]]
)
def test_a_number_is_seen_whatever_the_box(box):
    drawn = draw_face_numbers(BLANK, np.float64([box]), numbers=[8])
    assert drawn.shape == BLANK.shape
    assert 20 < (drawn.max(-1) > 128).sum() < 0.2 * 90 * 160
