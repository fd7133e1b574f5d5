"""Who reaches whom, in pieces: a network of 300 million synapses is read once and never held twice."""

import abc
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from neuro4d.hardware._groups import ranges
from neuro4d.model import Model
from neuro4d.ops import host_targets


class Piece(NamedTuple):
    """Synapses by source: `pre` and `post` are neurons of the workload, `(k,)`; all synapses of a source and pathway are in one piece."""

    pre: Int[np.ndarray, " k"]
    post: Int[np.ndarray, " k"]


class Run(NamedTuple):
    """Synapses of ascending sources: how many each `source` has, `(k,)`, and the neurons `post` that they lead to, one source behind the other."""

    source: Int[np.ndarray, " k"]
    number: Int[np.ndarray, " k"]
    post: Int[np.ndarray, " synapses"]


class AbstractConnections(abc.ABC):
    """The synapses between the neurons of a workload."""

    @property
    @abc.abstractmethod
    def number(self) -> int:
        """How many there are."""

    @abc.abstractmethod
    def pieces(self) -> Iterator[Piece]:
        """All of them, some at a time; the same pieces each time."""

    def runs(self, place: Int[np.ndarray, " n"]) -> Iterator[Run]:
        """The same by ascending sources, each in one run of a piece at most once, with `place[post]` in place of targets."""
        for pre, post in self.pieces():
            for some in _ascending(pre):
                begin = np.flatnonzero(np.concatenate([[True], pre[some][1:] != pre[some][:-1]]))
                yield Run(pre[some][begin], np.diff(begin, append=some.stop - some.start), place[post[some]])


class ModelConnections(AbstractConnections):
    """The synapses of a model. Neurons are numbered population by population, in the order of their definition."""

    def __init__(self, model: Model):
        self.model = model
        self.first = first_of(model)
        self.number_of = {}
        for group in model.layout.groups:
            numbers = np.empty(group.n, np.int32)
            for span in group.spans:
                numbers[span.start : span.start + span.size] = self.first[span.name] + np.arange(span.size, dtype=np.int32)
            self.number_of[group.name] = numbers

    @property
    def number(self) -> int:
        return self.model.n_synapses

    def pieces(self) -> Iterator[Piece]:
        for source, number, post in self._rows(np.arange(self.model.n_neurons, dtype=np.int32)):
            yield Piece(np.repeat(source, number), post)

    def runs(self, place: Int[np.ndarray, " n"]) -> Iterator[Run]:
        for source, number, post in self._rows(place):
            some = number > 0
            if (np.diff(source[some]) > 0).all():
                yield Run(source[some], number[some], post)
            else:
                first = np.concatenate([[0], np.cumsum(number)])
                for part in _ascending(source):
                    here = np.flatnonzero(some[part]) + part.start
                    yield Run(source[here], number[here], post[first[part.start] : first[part.stop]])

    def _rows(self, place: Int[np.ndarray, " n"]) -> Iterator[Run]:
        """Rows of the pathways, some at a time; a source may have none, and sources may not ascend."""
        for path in self.model.pathways.values():
            pre, post = self.number_of[path.source], place[self.number_of[path.target]]
            bounds = np.asarray(path.bounds)
            each = bounds[:, -1].astype(np.int64) - bounds[:, 0]
            for low, high in ranges(np.concatenate([[0], np.cumsum(each)])):
                number, where = host_targets(path, low, high)
                yield Run(pre[low:high], number, post[where])


class ListedConnections(AbstractConnections):
    """Synapses that are given as arrays."""

    def __init__(self, pre: Int[np.ndarray, " k"], post: Int[np.ndarray, " k"]):
        order = np.argsort(pre, kind="stable")
        self.pre, self.post = np.asarray(pre, np.int32)[order], np.asarray(post, np.int32)[order]

    @property
    def number(self) -> int:
        return len(self.pre)

    def pieces(self) -> Iterator[Piece]:
        if len(self.pre):
            yield Piece(self.pre, self.post)


def first_of(model: Model) -> dict[str, int]:
    """The number of the first neuron of each population."""
    sizes = [span.size for span in model.populations.values()]
    return dict(zip(model.populations, np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(int).tolist(), strict=True))


def _ascending(pre: Int[np.ndarray, " k"]) -> Iterator[slice]:
    """A piece may go through its sources in more than one run."""
    low = 0
    for high in (*(np.flatnonzero(pre[1:] < pre[:-1]) + 1).tolist(), len(pre)):
        if high > low:
            yield slice(low, high)
        low = high
