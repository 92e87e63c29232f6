"""Rows on the disk are those of the arrays they come from, and cost no memory unread."""

import errno
import os
import threading
import tracemalloc

import numpy as np
import pytest

from rcsr_jax.data.rows import Rows, joined, new_array, taken


@pytest.fixture
def array(generator):
    return generator.integers(0, 256, (10, 3, 2), dtype=np.uint8)


@pytest.fixture
def mapped(array, tmp_path):
    np.save(tmp_path / "rows.npy", array)
    return np.load(tmp_path / "rows.npy", mmap_mode="r")


INDICES = [3, slice(2, 5), slice(None), [4, 4, 0], np.array([[1, 2], [9, 0]]), [], -1]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_an_index_gives_what_the_array_gives(index, array, mapped):
    index = np.array(index, int) if isinstance(index, list) else index
    for rows in (Rows([mapped]), Rows([array])):
        assert rows.shape == (10, 3, 2) and rows.dtype == np.uint8 and len(rows) == 10
        np.testing.assert_array_equal(rows[index], array[index])


def test_rows_are_taken_and_joined_in_order(array, mapped):
    some = taken(mapped, np.array([7, 2, 3]))
    assert isinstance(some, Rows) and some.shape == (3, 3, 2)
    np.testing.assert_array_equal(some, array[[7, 2, 3]])
    np.testing.assert_array_equal(some.take([2, 0]), array[[3, 7]])
    both = joined([some, array, mapped])
    assert isinstance(both, Rows) and len(both) == 23
    expected = np.concatenate([array[[7, 2, 3]], array, array])
    np.testing.assert_array_equal(both, expected)
    np.testing.assert_array_equal(
        both[[22, 2, 3, 4, 12, 13]], expected[[22, 2, 3, 4, 12, 13]]
    )


def test_rows_of_rows_are_read_once(mapped, array):
    inner = joined([taken(mapped, np.array([4, 1])), mapped])
    outer = joined([joined([inner, array]), mapped[:3]])
    assert len(outer._parts) == 4  # two of the map, not rows of rows
    expected = np.concatenate([array[[4, 1]], array, array, array[:3]])
    np.testing.assert_array_equal(outer, expected)
    np.testing.assert_array_equal(outer.take([24, 1, 13]), expected[[24, 1, 13]])


def test_rows_of_rows_take_the_memory_of_what_is_read(tmp_path):
    np.save(tmp_path / "large.npy", np.zeros((400, 10_000), np.uint8))
    rows = Rows([np.load(tmp_path / "large.npy", mmap_mode="r")])
    for _ in range(3):
        rows = joined([rows])
    tracemalloc.start()
    try:
        assert rows[:].shape == (400, 10_000)
        assert tracemalloc.get_traced_memory()[1] < 1.2 * 400 * 10_000
    finally:
        tracemalloc.stop()


def test_arrays_stay_arrays(array):
    assert isinstance(taken(array, np.array([1])), np.ndarray)
    assert isinstance(joined([array, array]), np.ndarray)


def test_rows_are_converted(mapped, array):
    assert np.asarray(Rows([mapped]), np.float32).dtype == np.float32
    np.testing.assert_array_equal(np.asarray(Rows([mapped]), np.float32), array)


def test_threads_read_at_once(tmp_path, generator):
    array = generator.random((500, 40)).astype(np.float32)
    np.save(tmp_path / "rows.npy", array)
    rows = Rows([np.load(tmp_path / "rows.npy", mmap_mode="r")])
    wrong = []

    def read(seed):
        for index in np.random.default_rng(seed).integers(0, 500, (50, 8)):
            if (rows[index] != array[index]).any():
                wrong.append(index)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_file_that_was_cut_is_named(mapped, tmp_path):
    rows = Rows([mapped])
    with (tmp_path / "rows.npy").open("r+b") as file:
        file.truncate(140)
    with pytest.raises(ValueError, match=r"rows.npy is shorter than it was"):
        rows[[9]]


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="not on this system")
def test_a_disk_without_room_is_an_error_before_anything_is_written(
    tmp_path, monkeypatch
):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "a.npy"
    made = new_array(path, dtype=np.uint8, shape=(3, 5))
    made[:] = 7
    made.flush()
    np.testing.assert_array_equal(np.load(path), np.full((3, 5), 7))
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"No space left on device: .*a.npy"):
        new_array(path, dtype=np.uint8, shape=(3, 5))
    assert not path.exists()
