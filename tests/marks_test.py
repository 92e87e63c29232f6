"""The place that a map of scores marks."""

import jax
import jax.numpy as jnp
import numpy as np

from rcsr_jax.marks import WIDTH, marked_offsets


def test_even_scores_mark_the_middle():
    for size in (4, 5):
        found = marked_offsets(jnp.full((2, 3, size, size), 7.0))
        np.testing.assert_allclose(found, np.zeros((2, 3, 2)), atol=1e-6)


def test_a_clear_peak_is_marked_as_x_and_y():
    scores = np.zeros((1, 2, 5, 5), np.float32)
    scores[0, 0, 1, 3] = 50  # a row up, a column to the right
    scores[0, 1, 4, 2] = 50
    found = marked_offsets(jnp.asarray(scores))
    np.testing.assert_allclose(found, [[[1, -1], [0, 2]]], atol=1e-5)


def test_scores_of_a_gaussian_by_hand():
    # exp(-(x - 1)^2 / 2) faded by exp(-x^2 / (2 w^2)) is a Gaussian around w^2 / (w^2 + 1);
    # on a large map its centre of mass is its middle
    cells = np.arange(21) - 10.0
    scores = -((cells[None, :] - 1) ** 2 + cells[:, None] ** 2) / 2
    found = marked_offsets(jnp.float32(scores)[None, None])
    expected = WIDTH**2 / (WIDTH**2 + 1)
    np.testing.assert_allclose(found, [[[expected, 0]]], atol=1e-5)


def test_the_gradient_pulls_towards_where_a_score_rises():
    gradient = jax.grad(lambda scores: marked_offsets(scores)[0, 0, 0])
    by_scores = gradient(jnp.zeros((1, 1, 5, 5)))[0, 0]
    assert (by_scores[:, :2] < 0).all()
    assert (by_scores[:, 3:] > 0).all()
    np.testing.assert_allclose(by_scores.sum(), 0, atol=1e-6)
