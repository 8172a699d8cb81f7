"""How many bytes an object of scikit-learn has, without a copy of it."""

from __future__ import annotations

import pickle

import numpy as np


def count_bytes(value: object) -> int:
    """The length of the pickle of a value, which is never made: a forest in memory would be there twice."""
    counter = ByteCounter()
    pickler = ArrayCounter(counter)
    pickler.dump(value)
    return counter.count + pickler.array_bytes


class ByteCounter:
    """A file that only counts."""

    count = 0

    def write(self, content: bytes | memoryview) -> int:
        size = memoryview(content).nbytes
        self.count += size
        return size


class ArrayCounter(pickle.Pickler):
    """Counts the bytes of arrays instead of copying them."""

    array_bytes = 0

    def persistent_id(self, value: object) -> str | None:
        if not isinstance(value, np.ndarray) or value.dtype.hasobject:
            return None
        self.array_bytes += value.nbytes
        return "array"
