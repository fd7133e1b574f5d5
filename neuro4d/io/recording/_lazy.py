"""Columns on disk as an xarray data set that reads what is asked for. xarray is loaded with this module."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

try:
    import xarray
    from xarray.backends import BackendArray
    from xarray.core import indexing
except ImportError as error:
    raise ImportError("a data set of xarray needs xarray, which is not installed: `pip install xarray`.") from error

Read = Callable[[int, int], np.ndarray]


class _Column(BackendArray):
    """One column; `read(first, stop)` gives a piece of it."""

    def __init__(self, read: Read, n: int, dtype: str):
        self.shape, self.dtype, self._read = (n,), np.dtype(dtype), read

    def __getitem__(self, key: Any) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._get)

    def _get(self, key: tuple[Any, ...]) -> Any:
        if isinstance(key[0], slice):
            first, stop, step = key[0].indices(self.shape[0])
            low, high = (first, stop) if step > 0 else (stop + 1, first + 1)
            return self._read(low, max(low, high))[::step] if step > 0 else self._read(low, max(low, high))[::-1][::-step]
        place = int(key[0]) % max(1, self.shape[0])
        return self._read(place, place + 1)[0]


def dataset(variables: Mapping[str, tuple[Read, str, Mapping[str, Any]]], n: int, attributes: Mapping[str, Any]) -> Any:
    """A data set of columns of `n` entries along `spike`."""
    lazy = {
        name: xarray.Variable("spike", indexing.LazilyIndexedArray(_Column(read, n, dtype)), dict(own)) for name, (read, dtype, own) in variables.items()
    }
    return xarray.Dataset(lazy, attrs=dict(attributes))
