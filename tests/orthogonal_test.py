"""Orthogonal matrices: against NumPy's singular values, and the longer way there."""

import jax
import numpy as np
import pytest

from rcsr_jax.orthogonal import orthogonalised


def with_values(generator, rows, columns, values):
    """A matrix of these singular values, and its singular vectors."""
    left, _, right = np.linalg.svd(
        generator.normal(size=(rows, columns)), full_matrices=False
    )
    return (left * values) @ right, left, right


@pytest.mark.parametrize(("rows", "columns"), [(432, 48), (12, 40), (7, 7)])
def test_singular_values_become_one_and_vectors_stay(generator, rows, columns):
    values = np.geomspace(1, 0.05, min(rows, columns))
    matrix, left, right = with_values(generator, rows, columns, values)
    made = np.float64(jax.jit(orthogonalised)(matrix.astype(np.float32)))
    core = left.T @ made @ right.T
    taken = np.diag(core)
    assert taken.min() > 0.65
    assert taken.max() < 1.25
    np.testing.assert_allclose(core - np.diag(taken), 0, atol=2e-5)


def test_it_is_the_iteration_on_the_matrix_itself(generator):
    """Also where values lie far below what the Gram matrix can hold in float32."""
    matrix = with_values(generator, 216, 24, np.geomspace(1, 1e-6, 24))[0]
    expected = matrix / np.linalg.norm(matrix)
    for _ in range(5):
        gram = expected.T @ expected
        factor = 3.4445 * np.eye(24) - 4.775 * gram + 2.0315 * gram @ gram
        expected = expected @ factor
    made = orthogonalised(matrix.astype(np.float32))
    np.testing.assert_allclose(made, expected, atol=1e-3)  # of 0.07, as they are


def test_size_of_the_matrix_does_not_matter(generator):
    matrix = generator.normal(size=(30, 8)).astype(np.float32)
    made = orthogonalised(matrix)
    np.testing.assert_allclose(orthogonalised(1e-4 * matrix), made, atol=1e-3)
    np.testing.assert_array_equal(orthogonalised(0 * matrix), 0)


def test_every_product_is_in_full_precision():
    """By default a GPU rounds to ten bits, which the iteration makes large."""
    text = jax.jit(orthogonalised).lower(np.ones((30, 8), np.float32)).as_text()
    products = [line for line in text.splitlines() if "dot_general" in line]
    assert len(products) > 15
    assert all("precision = [HIGHEST, HIGHEST]" in line for line in products)
