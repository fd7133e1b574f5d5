"""Where samples come from: an array, or files that are read when a batch asks for them."""

import abc
from typing import Any

import numpy as np


class AbstractSamples(abc.ABC):
    """A sequence of samples of one shape, of which some are read at a time.

    A subclass gives `shape` (of one sample), `dtype`, `__len__` and `take`. What is large stays on the disk until `take` asks.
    """

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""

    @property
    @abc.abstractmethod
    def dtype(self) -> np.dtype:
        """The type of its numbers."""

    @abc.abstractmethod
    def __len__(self) -> int:
        """How many samples there are."""

    @abc.abstractmethod
    def take(self, index: np.ndarray) -> np.ndarray:
        """Some samples, `(len(index), *shape)`, in the order of `index`."""


class ArraySamples(AbstractSamples):
    """Samples of an array, `(samples, ...)`; also of a memory-mapped one. Numbers are given as `dtype`, multiplied by `scale`.

    So images stay bytes in memory, and only a batch becomes floats.

    !!! Example

        >>> import numpy as np
        >>> from neuro4d.train.data import ArraySamples
        >>> ArraySamples(np.array([[0, 255]], np.uint8), scale=1/255).take(np.array([0]))
        array([[0., 1.]], dtype=float32)
    """

    __slots__ = ("_array", "_dtype", "_scale", "_shape")

    def __init__(self, array: Any, *, scale: float | None = None, dtype: Any = np.float32, shape: tuple[int, ...] | None = None):
        self._array = array if isinstance(array, np.ndarray) else np.asarray(array)
        if self._array.ndim < 2:
            raise ValueError(f"samples are an array (samples, ...) of at least two dimensions; got the shape {self._array.shape}.")
        if self._array.dtype.kind not in "biuf":
            raise TypeError(f"samples are real numbers; got an array of {self._array.dtype}.")
        self._scale, self._dtype = scale, np.dtype(dtype)
        self._shape = self._array.shape[1:] if shape is None else checked_shape(shape, self._array.shape[1:])

    @property
    def shape(self):
        return self._shape

    @property
    def dtype(self):
        return self._dtype

    def __len__(self):
        return len(self._array)

    def take(self, index):
        taken = self._array[index].reshape(len(index), *self._shape).astype(self._dtype)
        return taken if self._scale is None else taken * self._dtype.type(self._scale)


def checked_shape(shape: tuple[int, ...], own: tuple[int, ...]) -> tuple[int, ...]:
    """Another shape of one sample with the same number of entries."""
    new = tuple(int(n) for n in shape)
    if int(np.prod(new)) != int(np.prod(own)):
        raise ValueError(f"a sample has the shape {own}, {int(np.prod(own))} numbers; the shape {new} needs {int(np.prod(new))}.")
    return new
