"""Runs made of known spikes, for the tests of results and pictures: no simulation behind them."""

import dataclasses
from typing import NamedTuple

import numpy as np

from neuro4d.recorders import SpikeRecord
from neuro4d.results import Run


class Span(NamedTuple):
    """Where a population lies in its group."""

    name: str
    group: str
    start: int
    size: int


@dataclasses.dataclass(frozen=True)
class SmallModel:
    """The attributes of a model that results may rely on."""

    populations: dict
    dt_ms: float = 0.1
    n_synapses: int = 0
    lattice_shape: tuple | None = None
    places: dict = dataclasses.field(default_factory=dict)

    @property
    def n_neurons(self):
        return sum(span.size for span in self.populations.values())

    def coordinates(self, pop):
        return self.places.get(pop)


def pack(dense):
    """Boolean `(steps, n)` to little-endian words `(steps, ceil(n / 32))`."""
    steps, n = dense.shape
    padded = np.zeros((steps, -(-n // 32) * 32), bool)
    padded[:, :n] = dense
    return np.packbits(padded, axis=1, bitorder="little").view("<u4").astype(np.uint32)


def bernoulli(rng, steps, n, hz, dt_ms=0.1):
    """Independent spikes with a fixed probability per step; `hz` is a number, or an array that broadcasts to `(steps, n)`."""
    return rng.random((steps, n), dtype=np.float32) < np.asarray(hz, np.float32) * np.float32(dt_ms / 1e3)


def spans(sizes, group="lif"):
    """Populations one after the other in one group."""
    starts = np.concatenate([[0], np.cumsum(list(sizes.values()))])
    return {name: Span(name, group, int(start), size) for (name, size), start in zip(sizes.items(), starts, strict=False)}


def run_of(dense_by_name, *, dt_ms=0.1, start_step=0, records=(), model=None, **fields):
    """A completed run with one spike record of these dense arrays."""
    populations = spans({name: dense.shape[1] for name, dense in dense_by_name.items()})
    words = pack(np.concatenate(list(dense_by_name.values()), axis=1))
    model = model or SmallModel(populations, dt_ms, n_synapses=1000)
    fields = {"compile_s": 1.0, "wall_s": 2.0, **fields}
    return Run(model, None, dt_ms, start_step, len(words), {"spikes": SpikeRecord({"lif": words}, tuple(populations.values())), **dict(records)}, **fields)
