"""What a tuner shows a network: a set as batches of one size, encoded."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax.numpy as jnp
import jax.random as jr
import numpy as np

from neuro4d._base import check_count
from neuro4d.train._fit_feed import Feed as Samples
from neuro4d.train.data._dataset import checked_labels
from neuro4d.train.layers import Sequential

Encoder = Callable[..., Any]


class Shown(NamedTuple):
    """One batch as a network sees it.

    **Fields:** `x`: `(time, batch, ...)`; `y`: `(batch,)`; `n`: how many samples count. The others fill the batch up to its size, so
    that one compiled program serves all batches.
    """

    x: Any
    y: np.ndarray
    n: int


class Feed:
    """A set of samples, as often as needed: `for shown in feed`."""

    __slots__ = ("_data", "_encoder", "_order", "size")

    def __init__(self, data: Samples, encoder: Encoder, size: int, order: np.ndarray | None = None):
        self._data, self._encoder, self.size, self._order = data, encoder, min(size, data.n), order

    @property
    def samples(self) -> int:
        """How many samples the set has."""
        return self._data.n

    @property
    def labels(self) -> np.ndarray:
        """The labels of all samples."""
        return self._data.y

    def __len__(self) -> int:
        return (self.samples + self.size - 1) // self.size

    def __iter__(self) -> Iterator[Shown]:
        order = np.arange(self.samples) if self._order is None else self._order
        for number in range(len(self)):
            index = order[number * self.size : (number + 1) * self.size]
            whole = np.concatenate([index, np.full(self.size - len(index), index[0])])
            x, y = self._data.take(whole)
            yield Shown(self._encoder(jnp.asarray(x), jr.fold_in(jr.key(0), number)), y, len(index))

    def shuffled(self, order: np.ndarray) -> "Feed":
        """The same set in another order."""
        return Feed(self._data, self._encoder, self.size, order)


def feed(net: Any, data: Any, encoder: Encoder | None, size: int, where: str) -> Feed:
    """The batches of a set for a network, checked before anything is compiled. Without an encoder, samples are shown in one step, or as they
    are if they have time, as in `fit`.

    **Raises:** `TypeError` for what is no network or no set, and for labels that are no whole numbers; `ValueError` for an empty set.
    """
    if not isinstance(net, Sequential):
        raise TypeError(f"{where}: the model is a network of layers, `n4.train.Sequential(...)`; got {net!r:.60}.")
    samples = Samples(data, f"{where}: data")
    checked_labels(samples.y, samples.n, None)  # answers are compared with them
    return Feed(samples, samples.encoder() if encoder is None else encoder, check_count(size, f"{where}: batch_size"))
