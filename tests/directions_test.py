"""Directions of outlines, in NumPy and in JAX."""

import jax
import jax.numpy as jnp
import numpy as np

from rcsr_jax.data.face_shapes import frontal_landmarks
from rcsr_jax.directions import outline_directions
from rcsr_jax.markup import FACE_68, Markup

# an open line of four landmarks, a closed one of three, and one that lies on neither
LINES = Markup(
    name="lines",
    mirror=tuple(range(8)),
    eye_corners=(0, 1),
    eyes=((0,), (1,)),
    outlines=((0, 1, 2, 3), (4, 5, 6, 4)),
)
SHAPE = np.array(
    [[0, 0], [2, 0], [2, 2], [2, 6], [10, 0], [13, 4], [10, 8], [5, 5]], float
)


def test_directions_by_hand():
    half = np.sqrt(0.5)
    expected = [
        [1, 0],  # an end goes to its neighbour
        [half, half],
        [0, 1],
        [0, 1],
        np.array([3, -4]) / 5,  # closed: from 6 to 5
        [0, 1],
        np.array([-3, -4]) / 5,
        [0, 0],  # on no line
    ]
    np.testing.assert_allclose(outline_directions(SHAPE, markup=LINES), expected)


def test_what_is_not_known_has_no_direction():
    shape = SHAPE.copy()
    shape[2], shape[5] = np.nan, np.inf
    shape[6] = shape[5 - 1]
    found = outline_directions(shape, markup=LINES)
    none = [1, 3, 4, 6, 7]
    np.testing.assert_array_equal(found[none], np.zeros((5, 2)))
    np.testing.assert_allclose(found[0], [1, 0])
    np.testing.assert_array_equal(found[5], [0, 0])  # both beside it at one place


def test_numpy_and_jax_say_the_same_of_any_batch():
    face = np.float32(frontal_landmarks())
    batch = np.stack([face, 2 * face + 1]).reshape(2, 1, 68, 2)
    found = outline_directions(batch, markup=FACE_68)
    assert isinstance(found, np.ndarray) and found.shape == batch.shape
    in_jax = jax.jit(lambda shapes: outline_directions(shapes, markup=FACE_68))
    np.testing.assert_allclose(in_jax(jnp.asarray(batch)), found, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1, atol=1e-6)
    np.testing.assert_allclose(found[1], found[0], atol=1e-5)
