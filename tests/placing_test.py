"""Shapes are resized and moved to where they are seen: by hand, and with one astray."""

import numpy as np
import pytest

from rcsr_jax.placing import placed

SHAPE = np.float32([[10, 10], [30, 10], [20, 22], [20, 30]])


@pytest.mark.parametrize("scale", [0.5, 1, 1.3])
def test_a_shape_is_placed_by_scale_and_shift(scale):
    seen = scale * SHAPE + [7, -3]
    np.testing.assert_allclose(placed(SHAPE, seen), seen, atol=1e-6)
    cos, sin = np.cos(0.3), np.sin(0.3)
    turned = SHAPE @ np.array([[cos, -sin], [sin, cos]])
    back = placed(turned, seen)  # neither turned nor bent: its form stays
    form = (back - back[0]) / np.linalg.norm(back[1] - back[0])
    np.testing.assert_allclose(form, (turned - turned[0]) / 20, atol=1e-6)


def test_one_landmark_astray_moves_the_others_little():
    shape = np.concatenate([SHAPE + [0, y] for y in (0, 5, 9, 13)])
    seen = shape + [5.0, 2.0]
    seen[3] += [30, -20]
    others = np.arange(len(shape)) != 3
    moved = placed(shape, seen)[others] - seen[others]
    assert np.abs(moved).max() < 0.5
    # least squares would have moved all by about 30 / 16 and 20 / 16 pixels
    assert np.abs(moved.mean(0)).max() < 0.2


def test_what_is_not_annotated_stays_so():
    shape = SHAPE.copy()
    shape[2] = np.nan
    found = placed(shape, SHAPE * 2)
    np.testing.assert_allclose(found[[0, 1, 3]], (SHAPE * 2)[[0, 1, 3]], atol=1e-6)
    assert np.isnan(found[2]).all()
    shape[1:] = np.nan
    with pytest.raises(ValueError, match="1 landmarks are no shape"):
        placed(shape, SHAPE)
    with pytest.raises(ValueError, match=r"would become .* times"):
        placed(SHAPE, SHAPE[:, ::-1])  # a quarter turn and a mirror
