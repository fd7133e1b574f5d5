"""Samples by number, as `fit` and tuners take them, and the order in which an update of `fit` is shown them."""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from neuro4d.train.data import Dataset
from neuro4d.train.data._order import seed_of, shuffled
from neuro4d.train.encoders import Direct, Timed

CHUNK_BYTES = 32e6
"""How much one compiled call is given: several batches, if they are small."""


class Feed:
    """Samples and labels of a `Dataset` or of a pair of arrays. `first` is the first sample, `(1, ...)`: what a batch looks like."""

    __slots__ = ("data", "first", "n", "timed", "x", "y")

    def __init__(self, data: Any, where: str):
        self.data = data if isinstance(data, Dataset) else None
        self.timed = isinstance(data, Dataset) and data.timed
        if isinstance(data, Dataset):
            self.x, self.y, self.n = None, data.y, len(data)
        else:
            self.x, self.y, self.n = _pair(data, where)
        if self.n == 0:
            raise ValueError(f"{where} has no samples.")
        self.first = self.take(np.arange(1))[0]

    def encoder(self) -> Any:
        """What is done to samples if the user names no encoder."""
        return Timed() if self.timed else Direct(1)

    def take(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Some samples, batch first, and their labels."""
        if self.data is None:
            return self.x[index], self.y[index]  # type: ignore[index]
        return self.data[index].x, self.y[index]

    def chunks(self, order: np.ndarray, batch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Batches of equal size, several stacked: `(batches, batch, ...)`. The last batch is completed with samples from the beginning of the order."""
        count = -(-self.n // batch)
        order = np.resize(order, count * batch)
        at_once = self.batches_at_once(count, batch)
        for part in np.split(order, count // at_once):
            x, y = self.take(part)
            yield x.reshape(at_once, batch, *x.shape[1:]), y.reshape(at_once, batch, *y.shape[1:])

    def batches_at_once(self, count: int, batch: int) -> int:
        """How many batches fit into one call and divide their number."""
        most = max(1, int(CHUNK_BYTES // max(self.first.nbytes * batch, 1)))
        return max(k for k in range(1, min(count, most) + 1) if count % k == 0)


def epoch_order(n: int, key: Any, epoch: int) -> np.ndarray:
    """The order of samples in an epoch."""
    return shuffled(n, seed_of(key), "epoch", str(epoch))


def _pair(data: Any, where: str) -> tuple[np.ndarray, np.ndarray, int]:
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise TypeError(
            f"{where} is a `train.data.Dataset` or a pair of arrays (x, y), the first axis of each the sample; got {type(data).__name__}."
        )
    x, y = (np.asarray(jax.device_get(part)) for part in data)
    if x.ndim < 2 or len(x) != len(y):
        raise ValueError(f"{where}: x is (samples, ...) and y (samples, ...); got the shapes {x.shape} and {y.shape}.")
    return x, y, len(x)
