"""Rows of arrays that stay on the disk: chosen at once, read when they are asked for.

A memory map would do as well, but for memory: what was read through it counts as the
process's own until the system takes it back. These rows are read into arrays of their own.
"""

import errno
import itertools
import os
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

_Reader = Callable[[int, np.ndarray], None]


class Rows:
    """Some rows of one or several arrays, in an order.

    It is indexed by a number, a slice or an array of numbers and gives arrays; several
    threads may do so. `np.asarray` reads all.

    Attributes:
        shape: of all rows together, as an array's.
        dtype: of their values.
    """

    _order: np.ndarray
    _starts: np.ndarray

    def __init__(self, parts: Sequence["np.ndarray | Rows"]):
        """Refers to the rows of all parts, one behind the other, and reads nothing.

        Args:
            parts: memory maps, or arrays; of equal rows.
        """
        # rows of rows are read from where these read, not by way of them
        self._parts: list[_Reader] = []
        lengths: list[int] = []
        orders = []
        for part in parts:
            inner = part if isinstance(part, Rows) else None
            own = np.arange(len(part)) if inner is None else inner._order
            orders.append(sum(lengths) + own)
            self._parts += [_reader(part)] if inner is None else inner._parts
            lengths += [len(part)] if inner is None else np.diff(inner._starts).tolist()
        self._starts = np.cumsum([0, *lengths])
        self._order = np.concatenate(orders)
        self.shape: tuple[int, ...] = (len(self._order), *parts[0].shape[1:])
        self.dtype: np.dtype = parts[0].dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> np.ndarray:
        wanted = np.asarray(self._order[index])
        numbers = wanted.ravel()
        rows = np.empty((len(numbers), *self.shape[1:]), self.dtype)
        places = np.searchsorted(self._starts, numbers, side="right") - 1
        # what lies together is read at once
        apart = (np.diff(numbers) != 1) | (np.diff(places) != 0)
        edges = [0, *(np.flatnonzero(apart) + 1), len(numbers)]
        for first, end in itertools.pairwise(edges if len(numbers) else ()):
            part = places[first]
            self._parts[part](int(numbers[first] - self._starts[part]), rows[first:end])
        return rows.reshape(*wanted.shape, *self.shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        rows = self[:]
        return rows if dtype is None else rows.astype(dtype, copy=False)

    def take(self, indices: np.ndarray) -> "Rows":
        """The rows of these indices, in their order; reads nothing."""
        chosen = object.__new__(Rows)
        chosen._parts, chosen._starts = self._parts, self._starts
        chosen._order = self._order[np.asarray(indices, np.int64)]
        chosen.shape, chosen.dtype = (len(chosen._order), *self.shape[1:]), self.dtype
        return chosen


def taken(rows: "np.ndarray | Rows", indices: Any) -> "np.ndarray | Rows":
    """Some rows of what is in memory as an array, of what is on the disk as `Rows`."""
    if isinstance(rows, np.memmap):
        rows = Rows([rows])
    return rows.take(indices) if isinstance(rows, Rows) else rows[indices]


def joined(parts: Sequence["np.ndarray | Rows"]) -> "np.ndarray | Rows":
    """The rows of several arrays one behind the other; those on the disk stay there."""
    if not any(isinstance(part, np.memmap | Rows) for part in parts):
        return np.concatenate(parts)
    return Rows(parts)


def _reader(part: Any) -> _Reader:
    """What fills an array with the rows from a number on."""
    if isinstance(part, np.memmap) and hasattr(os, "preadv"):
        return _File(part).read
    return lambda number, rows: np.copyto(rows, part[number : number + len(rows)])


class _File:
    """The file behind a memory map, which is a whole array in C order."""

    def __init__(self, mapped: np.memmap):
        name = str(mapped.filename)
        self._handle = os.open(name, os.O_RDONLY)
        weakref.finalize(self, os.close, self._handle)
        self._offset, self._size = mapped.offset, mapped[:1].nbytes
        self._name = name

    def read(self, number: int, rows: np.ndarray) -> None:
        buffer = rows.reshape(-1).view(np.uint8).data
        at = self._offset + number * self._size
        while len(buffer):
            count = os.preadv(self._handle, [buffer], at)
            if count == 0:
                raise ValueError(f"{self._name} is shorter than it was.")
            buffer, at = buffer[count:], at + count


def new_array(path: Path, *, dtype: DTypeLike, shape: tuple[int, ...]) -> np.memmap:
    """A new array on the disk, with room for all of it, as a memory map.

    Args:
        path: of the `.npy` file.
        dtype: of its values.
        shape: of it.

    Raises:
        OSError: the disk has no room. A file with holes would be made all the same, and
            writing to it later end the process without a word.
    """
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    path.unlink()
                    raise OSError(
                        error.errno, os.strerror(error.errno), path
                    ) from error
    return array
