"""A keyed permutation has everything once, looks random and is the same everywhere."""

import numpy as np
import pytest

from rcsr_jax.data.permutation import permuted


@pytest.mark.parametrize("count", [1, 2, 3, 5, 12, 97, 1000, 4097])
def test_everything_is_there_once(count):
    for epoch in range(3):
        found = permuted(np.arange(count), count=count, key=(0, epoch))
        assert sorted(found) == list(range(count))


def test_a_place_is_looked_up_alone():
    whole = permuted(np.arange(1000), count=1000, key=(3, 1))
    some = np.array([[999, 0], [17, 500]])
    np.testing.assert_array_equal(permuted(some, count=1000, key=(3, 1)), whole[some])


def test_it_is_the_same_everywhere_and_for_ever():
    # a run goes on with another version, on another machine
    assert permuted(np.arange(8), count=8, key=(0, 0)).tolist() == [
        5,
        1,
        6,
        7,
        4,
        2,
        3,
        0,
    ]
    far = np.array([0, 1, 999_999_999_999])
    expected = [101230726167, 588844472716, 487699672674]
    assert permuted(far, count=10**12, key=(5, 7)).tolist() == expected


@pytest.mark.parametrize("count", [2, 3, 12])
def test_each_thing_comes_to_each_place_as_often(count):
    seen = np.zeros((count, count))
    keys = 2000
    for epoch in range(keys):
        seen[
            np.arange(count), permuted(np.arange(count), count=count, key=(1, epoch))
        ] += 1
    # seven deviations of a binomial count
    spread = np.sqrt(keys / count * (1 - 1 / count))
    assert np.abs(seen - keys / count).max() < 7 * spread


def test_neighbours_are_no_neighbours():
    count = 20_000
    found = permuted(np.arange(count), count=count, key=(2, 0))
    assert abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 0.03
    assert abs(np.corrcoef(np.arange(count), found)[0, 1]) < 0.03
    steps = np.histogram(np.diff(found) % count, 10, (0, count))[0]
    assert np.abs(steps / steps.sum() - 0.1).max() < 0.02


def test_keys_differ():
    orders = {
        tuple(permuted(np.arange(50), count=50, key=key))
        for key in [(0, 0), (0, 1), (1, 0), (1, 1)]
    }
    assert len(orders) == 4


@pytest.mark.parametrize("place", [-1, 5])
def test_a_place_outside_is_refused(place):
    with pytest.raises(ValueError, match=f"from 0 to 4; got {place} to {place}"):
        permuted(np.array([place]), count=5, key=(0,))
