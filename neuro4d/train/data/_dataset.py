"""A set of labelled samples on the host."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from neuro4d._base import card, check_seed, html_table
from neuro4d.train.data._batches import Batches
from neuro4d.train.data._order import shuffled
from neuro4d.train.data._samples import AbstractSamples, ArraySamples


class Dataset:
    """Samples with labels. They stay on the host, as an array or in files; a batch of them is made when it is asked for.

    **Arguments:**

    - `samples`: an array `(samples, ...)` or `AbstractSamples`.
    - `labels`: `(samples,)`, whole numbers from 0.
    - `classes`: the name of each label; by default its number.
    - `timed`: whether the first axis of a sample is time. A batch is then `(time, batch, ...)`, what layers take.

    **Raises:** `TypeError`, `ValueError` for labels that do not fit.

    !!! Example

        >>> import numpy as np, jax.random as jr
        >>> from neuro4d.train.data import Dataset
        >>> data = Dataset(np.zeros((10, 4)), np.arange(10) % 2, classes=("left", "right"))
        >>> data
        Dataset(10 samples of (4,) float32, 2 classes)
        >>> [x.shape for x, y in data.batches(4, key=jr.key(0), drop_last=False)]
        [(4, 4), (4, 4), (2, 4)]
    """

    __slots__ = ("_labels", "_samples", "classes", "timed")

    def __init__(self, samples: Any, labels: Any, *, classes: Sequence[str] | None = None, timed: bool = False):
        self._samples = samples if isinstance(samples, AbstractSamples) else ArraySamples(samples)
        self._labels = checked_labels(labels, len(self._samples), classes)
        most = int(self._labels.max(initial=-1)) + 1
        self.classes = tuple(str(k) for k in range(most)) if classes is None else tuple(classes)
        self.timed = timed
        if timed and len(self._samples.shape) < 2:
            raise ValueError(f"a sample with time has the shape (time, ...) of at least two dimensions; got {self._samples.shape}.")

    def __len__(self) -> int:
        """How many samples."""
        return len(self._samples)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return self._samples.shape

    @property
    def x(self) -> np.ndarray:
        """All samples, `(samples, ...)`. Reads everything."""
        return self._samples.take(np.arange(len(self)))

    @property
    def y(self) -> np.ndarray:
        """The labels, `(samples,)`, int32."""
        return self._labels

    @property
    def counts(self) -> np.ndarray:
        """How many samples each class has."""
        return np.bincount(self._labels, minlength=len(self.classes))

    def __getitem__(self, index: Any) -> "Dataset":
        """A part of the set: a slice, an array of numbers, or of truths. Nothing is copied before it is read."""
        numbers = np.arange(len(self))[index]
        if numbers.ndim != 1:
            raise TypeError("a part of a set is a slice or a list of numbers, `data[:10]` or `data[[3, 5]]`; one sample is `data[[3]]`.")
        return Dataset(PartOfSamples(self._samples, numbers), self._labels[numbers], classes=self.classes, timed=self.timed)

    def batches(self, size: int, *, drop_last: bool, key: Any = None) -> Batches:
        """The batches of one epoch.

        **Arguments:** `size`: samples in a batch; `drop_last`: whether the last batch is left out where it is smaller (a training
        step is compiled for one size; an evaluation has to see every sample); `key`: of the order; without it the samples come as
        they are.
        """
        return Batches(self._samples, self._labels, self.timed, size, key, drop_last)

    def split(self, *fractions: float, seed: int = 0) -> tuple["Dataset", ...]:
        """Disjoint parts in which every class has the same share, to within one sample per class and part.

        **Arguments:** `fractions`: of each part, positive, together 1; `seed`: which samples.

        !!! Example

            >>> import neuro4d as n4
            >>> held_out, rest = n4.train.data.digits().test.split(0.25, 0.75)
            >>> len(held_out), len(rest)
            (90, 269)
        """
        shares = checked_fractions(fractions)
        check_seed(seed)
        parts: list[list[np.ndarray]] = [[] for _ in shares]
        for label in range(len(self.classes)):
            members = np.flatnonzero(self._labels == label)
            members = members[shuffled(len(members), seed, "split", str(label))]
            ends = np.rint(np.cumsum(shares) * len(members)).astype(int)
            for part, piece in zip(parts, np.split(members, ends[:-1])):
                part.append(piece)
        return tuple(self[np.sort(np.concatenate(part))] for part in parts)

    def __repr__(self) -> str:
        time = " with time first" if self.timed else ""
        return f"Dataset({len(self)} samples of {self.shape}{time} {self._samples.dtype}, {len(self.classes)} classes)"

    def _repr_html_(self) -> str:
        rows = [(name, str(count)) for name, count in zip(self.classes, self.counts)]
        return card(repr(self), html_table(("class", "samples"), rows))


class PartOfSamples(AbstractSamples):
    """Some samples of others, by number."""

    __slots__ = ("_index", "_whole")

    def __init__(self, whole: AbstractSamples, index: np.ndarray):
        inner = whole if isinstance(whole, PartOfSamples) else None
        self._whole: AbstractSamples = whole if inner is None else inner._whole
        self._index: np.ndarray = index if inner is None else inner._index[index]

    @property
    def shape(self):
        return self._whole.shape

    @property
    def dtype(self):
        return self._whole.dtype

    def __len__(self):
        return len(self._index)

    def take(self, index):
        return self._whole.take(self._index[index])


class Splits(NamedTuple):
    """Three disjoint sets: to learn from, to decide by, and to report."""

    train: Dataset
    validation: Dataset
    test: Dataset


def checked_labels(labels: Any, n: int, classes: Sequence[str] | None) -> np.ndarray:
    """Labels as int32, one per sample, each with a class."""
    array = np.asarray(labels)
    if array.shape != (n,):
        raise ValueError(f"there is one label per sample, ({n},); got the shape {array.shape}.")
    if array.dtype.kind not in "iu" and len(array):
        raise TypeError(f"labels are whole numbers from 0, one per class; got {array.dtype}.")
    low, high = (int(array.min()), int(array.max())) if n else (0, 0)
    most = 2**31 if classes is None else max(len(classes), 1)
    if low < 0 or high >= most:
        raise ValueError(f"labels lie between 0 and {most - 1}; got {low} to {high}.")
    return array.astype(np.int32)


def checked_fractions(fractions: Sequence[float]) -> np.ndarray:
    """Positive shares that add to 1."""
    shares = np.asarray(fractions, np.float64)
    if shares.ndim != 1 or len(shares) < 2 or not (np.all(shares > 0) and abs(shares.sum() - 1) < 1e-9):
        raise ValueError(
            f"the shares of a split are at least two positive numbers that add to 1, `split(0.8, 0.2)`; got {tuple(fractions)}."
        )
    return shares
