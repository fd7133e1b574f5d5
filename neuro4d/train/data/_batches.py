"""Batches of a set: what an epoch goes through."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from neuro4d._base import check_count
from neuro4d.train.data._order import seed_of, shuffled
from neuro4d.train.data._samples import AbstractSamples


class Batch(NamedTuple):
    """Some samples and their labels.

    **Fields:** `x`: `(batch, ...)`, or `(time, batch, ...)` where samples have a time axis; `y`: `(batch,)`, int32.
    """

    x: np.ndarray
    y: np.ndarray


class Batches:
    """The batches of one epoch. Going through them again gives the same; another epoch takes another key.

    Samples are read one batch at a time. Made by `Dataset.batches`.
    """

    __slots__ = ("_labels", "_samples", "_timed", "drop_last", "order", "size")

    def __init__(self, samples: AbstractSamples, labels: np.ndarray, timed: bool, size: int, key: Any, drop_last: bool):
        self.size = check_count(size, "the size of a batch")
        if not isinstance(drop_last, bool):
            raise TypeError(f"drop_last says whether the last batch is left out where it is smaller, True or False; got {drop_last!r}.")
        if drop_last and self.size > len(samples):
            raise ValueError(f"a batch of {self.size} is more than the {len(samples)} samples, and drop_last=True leaves nothing.")
        self._samples, self._labels, self._timed, self.drop_last = samples, labels, timed, drop_last
        self.order = np.arange(len(samples)) if key is None else shuffled(len(samples), seed_of(key), "batches")

    def __len__(self) -> int:
        """How many batches."""
        whole, rest = divmod(len(self.order), self.size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Batch]:
        for number in range(len(self)):
            index = self.order[number * self.size : (number + 1) * self.size]
            x = self._samples.take(index)
            yield Batch(np.moveaxis(x, 1, 0) if self._timed else x, self._labels[index])

    def __repr__(self) -> str:
        return f"Batches({len(self)} of {self.size}, {len(self.order)} samples, drop_last={self.drop_last})"
