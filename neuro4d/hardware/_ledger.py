"""What every core uses and does, kept up to date while neurons move: the same counts as `usage` and `LoadModel`, without counting anew."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from neuro4d.hardware._incoming import Incoming
from neuro4d.hardware._meter import value
from neuro4d.hardware._packing import limits, synapse_bits
from neuro4d.hardware._placement import FanOut, Placement

NEURONS, AXONS_IN, AXONS_OUT, MEMORY, EVENTS, SPIKES, MESSAGES, ARRIVALS = range(8)
"""Rows of the books."""

LARGEST = 1 << 31
"""Bytes of the table of neurons and cores."""


class Move(NamedTuple):
    """Neurons that go from core `begin` to core `end`, who reaches them with how many synapses, and the books afterwards, `(8, cores)`."""

    neurons: Int[np.ndarray, " m"]
    begin: int
    end: int
    source: Int[np.ndarray, " k"]
    synapses: Int[np.ndarray, " k"]
    books: Float[np.ndarray, "8 cores"]


class Work(NamedTuple):
    """As `Loads`, without links and without what JAX needs to know: it is made for every move that is tried."""

    events: Float[np.ndarray, " cores"]
    active: Float[np.ndarray, " cores"]
    idle: Float[np.ndarray, " cores"]
    spikes: Float[np.ndarray, " cores"]
    messages: Float[np.ndarray, " cores"]
    arrivals: Float[np.ndarray, " cores"]


class Ledger:
    """Neurons on cores.

    **Arguments:** `n_cores`: with those that are still empty.

    **Raises:** `ValueError` for a network whose table of neurons and cores is too large to hold.
    """

    def __init__(self, placement: Placement, n_cores: int):
        work = placement.workload
        self.target, self.home = placement.target, placement.core.astype(np.int64)
        self.spikes, self.outside = np.asarray(work.spikes, float), np.broadcast_to(np.asarray(work.arrivals, float), work.n)
        self.counts = _table(placement, n_cores)
        self.reached = np.diff(placement.fan_out.start)
        incoming = Incoming(work.connections, np.arange(work.n, dtype=np.int32))
        self.start, self.source = incoming.start, incoming.source  # the sources of every neuron
        most = int(self.counts.max(initial=0))
        self.bits = synapse_bits(placement.target, np.arange(2 * most + 2))
        self.limits = limits(placement.target)
        self.weight = self._weight(placement)
        self.books = self._books(placement.fan_out, n_cores)

    def _weight(self, placement: Placement) -> Float[np.ndarray, " n"]:
        """About how much each neuron adds to the time of its core, in s, updates left out."""
        time, inputs = self.target.time, np.array(self.outside)
        for piece in placement.workload.connections.pieces():
            inputs = inputs + np.bincount(piece.post, self.spikes[piece.pre], len(inputs))
        return value(time.event) * inputs + self.spikes * (value(time.spike) + value(time.message) * self.reached)

    def _books(self, table: FanOut, n_cores: int) -> Float[np.ndarray, "8 cores"]:
        sums = lambda where, weight=None: np.bincount(where, weight, n_cores).astype(float)  # noqa: E731
        here, sent = self.home[table.source], self.spikes[table.source]
        away = here != table.core
        neurons = sums(self.home)
        memory = sums(table.core, self._bits(table.synapses)) + neurons * int(self.target.packing.neuron)
        events = sums(table.core, sent * table.synapses) + sums(self.home, self.outside)
        return np.stack(
            [
                *(neurons, sums(table.core), sums(here[away]), memory, events),
                *(sums(self.home, self.spikes), sums(here[away], sent[away]), sums(table.core[away], sent[away])),
            ]
        )

    def _bits(self, synapses: Int[np.ndarray, " k"]) -> Int[np.ndarray, " k"]:
        if int(synapses.max(initial=0)) >= len(self.bits):
            self.bits = synapse_bits(self.target, np.arange(2 * int(synapses.max()) + 2))
        return self.bits[synapses]

    def inputs(self, neurons: Int[np.ndarray, " m"]) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
        """The sources of some neurons, ascending, and how many synapses each makes onto them."""
        found = [self.source[self.start[i] : self.start[i + 1]] for i in neurons.tolist()]
        return np.unique(np.concatenate(found), return_counts=True)

    def move(self, neurons: Int[np.ndarray, " m"], begin: int, end: int) -> Move:
        """What it would be like if these neurons, which lie on `begin`, lay on `end`."""
        source, synapses = self.inputs(neurons)
        books = self.books.copy()
        self._targets(books, source, synapses, begin, end)
        books[NEURONS, begin] -= len(neurons)
        books[NEURONS, end] += len(neurons)
        own = len(neurons) * int(self.target.packing.neuron)
        events = float(self.spikes[source] @ synapses + self.outside[neurons].sum())
        for row, amount in ((MEMORY, own), (EVENTS, events)):
            books[row, begin] -= amount
            books[row, end] += amount
        self._homes(books, neurons, source, synapses, begin, end)
        return Move(neurons, begin, end, source, synapses, books)

    def _targets(self, books: Float[np.ndarray, "8 cores"], source: np.ndarray, synapses: np.ndarray, begin: int, end: int) -> None:
        """Synapses go from one core to the other; their sources stay."""
        old, new = self.counts[source, begin].astype(np.int64), self.counts[source, end].astype(np.int64)
        for core, before, after in ((begin, old, old - synapses), (end, new, new + synapses)):
            books[MEMORY, core] += int((self._bits(after) - self._bits(before)).sum())
            sign = np.sign(after) - np.sign(before)  # -1 where the source no longer reaches the core, 1 where it does now
            books[AXONS_IN, core] += int(sign.sum())
            some = (sign != 0) & (self.home[source] != core)
            home, sent = self.home[source[some]], self.spikes[source[some]] * sign[some]
            np.add.at(books[AXONS_OUT], home, sign[some])
            np.add.at(books[MESSAGES], home, sent)
            books[ARRIVALS, core] += float(sent.sum())

    def _homes(
        self, books: Float[np.ndarray, "8 cores"], neurons: np.ndarray, source: np.ndarray, synapses: np.ndarray, begin: int, end: int
    ) -> None:
        """The neurons go from one core to the other; synapses already have."""
        old, new = self.counts[neurons, begin].astype(np.int64), self.counts[neurons, end].astype(np.int64)
        reached = self.reached[neurons].copy()
        at = np.searchsorted(source, neurons)
        inner = np.flatnonzero(source[np.minimum(at, len(source) - 1)] == neurons) if len(source) else np.zeros(0, int)
        onto = synapses[at[inner]]
        reached[inner] += (new[inner] == 0).astype(np.int64) - (old[inner] == onto)
        old[inner], new[inner] = old[inner] - onto, new[inner] + onto
        sent = self.spikes[neurons]
        for row, weight in ((AXONS_OUT, np.ones(len(neurons))), (MESSAGES, sent)):
            books[row, begin] -= weight @ (reached - (old > 0))
            books[row, end] += weight @ (reached - (new > 0))
        books[SPIKES, begin] -= sent.sum()
        books[SPIKES, end] += sent.sum()
        books[ARRIVALS, begin] += sent @ (old > 0)
        books[ARRIVALS, end] -= sent @ (new > 0)

    def fits(self, books: Float[np.ndarray, "8 cores"], before: Float[np.ndarray, "8 cores"]) -> bool:
        """Whether no limit is exceeded that was kept to before."""
        rows = {"neurons": NEURONS, "axons_in": AXONS_IN, "axons_out": AXONS_OUT, "memory": MEMORY}
        return all((books[rows[name]] <= np.maximum(limit, before[rows[name]])).all() for name, limit in self.limits.items())

    def do(self, move: Move) -> None:
        """Moves the neurons."""
        self._shift(move.source, move.synapses, move.begin, move.end)
        self.home[move.neurons], self.books = move.end, move.books

    def undo(self, move: Move, books: Float[np.ndarray, "8 cores"]) -> None:
        """Moves them back, to the books of before."""
        self._shift(move.source, move.synapses, move.end, move.begin)
        self.home[move.neurons], self.books = move.begin, books

    def _shift(self, source: np.ndarray, synapses: np.ndarray, begin: int, end: int) -> None:
        old, new = self.counts[source, begin], self.counts[source, end]
        self.reached[source] += (new == 0).astype(np.int64) - (old == synapses)
        self.counts[source, begin] = old - synapses.astype(old.dtype)
        self.counts[source, end] = new + synapses.astype(new.dtype)

    def table(self) -> FanOut:
        """The fan-out table."""
        source, core = np.nonzero(self.counts)
        start = np.searchsorted(source, np.arange(len(self.home) + 1)).astype(np.int64)
        return FanOut(start, source.astype(np.int32), core.astype(np.int32), self.counts[source, core].astype(np.int32))


def work_of(books: Float[np.ndarray, "8 cores"]) -> Work:
    """What happens on the cores in a step."""
    neurons, events = books[NEURONS], books[EVENTS]
    share = -np.expm1(-np.maximum(events, 0.0) / np.maximum(neurons, 1.0))
    return Work(events, neurons * share, neurons * (1 - share), books[SPIKES], books[MESSAGES], books[ARRIVALS])


def _table(placement: Placement, n_cores: int) -> Int[np.ndarray, "n cores"]:
    table = placement.fan_out
    degree = int(np.add.reduceat(table.synapses, table.start[:-1][np.diff(table.start) > 0]).max(initial=0)) if len(table.synapses) else 0
    kind = np.dtype(np.int16 if degree < 2**15 else np.int32)
    size = placement.workload.n * n_cores * kind.itemsize
    if size > LARGEST:
        raise ValueError(
            f"balance: a table of {placement.workload.n:,} neurons and {n_cores:,} cores takes {size / 1e9:.1f} GB, more than the {LARGEST / 1e9:.1f} GB that are "
            f"allowed. What would fit: about {LARGEST / size:.0%} of the cores."
        )
    found = np.zeros((placement.workload.n, n_cores), kind)
    found[table.source, table.core] = table.synapses
    return found
