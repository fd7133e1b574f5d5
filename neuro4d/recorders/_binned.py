"""Recorders that add up, over the whole run or over bins: spikes of neurons, synaptic events."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from neuro4d._base import check_name, lookup
from neuro4d.recorders._base import AbstractProbe, AbstractRecorder, chosen_spans, every_steps, groups_of
from neuro4d.recorders._records import CountRecord, EventRecord
from neuro4d.recorders._sampled import check_every


class AbstractBinnedProbe(AbstractProbe):
    """Spikes of each neuron in bins of `every` steps, of which only whole ones are kept; over the whole run where `every` is 0.

    A bin that two chunks share has a row in each, and the rows are added on the host. Whole groups are counted, one operation each;
    populations are cut out of them in the end.
    """

    groups: eqx.AbstractVar[tuple[tuple[str, int], ...]]
    every: eqx.AbstractVar[int]

    @property
    def carried(self):
        return self.every == 0

    def buffer(self, length, carry):
        if self.every == 0:
            return {name: jnp.zeros(n, jnp.uint32) for name, n in self.groups} if carry is None else carry
        return {name: jnp.zeros((self._rows(length), n), self._number) for name, n in self.groups}

    @property
    def _number(self) -> Any:
        """The smallest whole number that counts to a spike in every step of a bin: what a row costs in each step is its bytes."""
        return np.min_scalar_type(self.every) if self.every else np.dtype(np.uint32)

    def update(self, buffer, index, elapsed, state, spikes):
        fired = {name: spikes.fired(name).astype(self._number) for name in buffer}
        if self.every == 0:
            return {name: total + fired[name] for name, total in buffer.items()}
        every = jnp.uint32(self.every)
        row = (elapsed // every - (elapsed - index.astype(jnp.uint32)) // every).astype(jnp.int32)
        return {name: rows.at[row].add(fired[name]) for name, rows in buffer.items()}

    def period(self):
        return 0

    def shortest(self):
        return max(self.every, 1)

    def sums(self, chunks: list, n_steps: int) -> dict[str, np.ndarray]:
        """By group: whole bins `(bins, n)`, or the totals of the run `(n,)`."""
        if self.every == 0:
            return chunks[-1].buffer
        n_bins = n_steps // self.every
        out = {name: np.zeros((n_bins + 1, n), np.uint32) for name, n in self.groups}
        for chunk in chunks:
            low = chunk.first // self.every
            high = -(-(chunk.first + chunk.n_steps) // self.every)
            for name, total in out.items():
                total[low:high] += chunk.buffer[name][: high - low]
        return {name: total[:n_bins] for name, total in out.items()}

    def observed(self, n_steps: int) -> tuple[int, int | None]:
        """The steps that are counted, and the steps of a bin."""
        return (n_steps, None) if self.every == 0 else (n_steps // self.every * self.every, self.every)

    def _rows(self, length: int) -> int:
        return -(-length // self.every) + 1

    def bytes(self, n_steps, length):
        neurons = sum(n for _, n in self.groups)
        if self.every == 0:
            return 4 * neurons, 4 * neurons
        return self._rows(length) * self._number.itemsize * neurons, (n_steps // self.every + 1) * 4 * neurons


class CountProbe(AbstractBinnedProbe):
    """Spikes by population."""

    groups: tuple[tuple[str, int], ...] = eqx.field(static=True)
    spans: tuple[Any, ...] = eqx.field(static=True)
    every: int = eqx.field(static=True)

    def record(self, chunks, start_step, n_steps):
        sums, (observed, every) = self.sums(chunks, n_steps), self.observed(n_steps)
        counts = {span.name: sums[span.group][..., span.start : span.start + span.size] for span in self.spans}
        return CountRecord(counts, observed, every, start_step)


class Counts(AbstractRecorder):
    """The number of spikes of every neuron, over the whole run or in bins.

    **Arguments:**

    - `populations`: names, by default all.
    - `every`: width of a bin, a multiple of the time step; an incomplete bin at the end of the run is left out. By default there is
      one number per neuron, and memory does not grow with the run. [time]
    - `name`: the key in `run.records`.

    The record is a `CountRecord`: `run.records["counts"].counts["cells"]` has shape `(n,)`, or `(bins, n)`. `run.counts("cells")`
    and `run.rate("cells")` read it, `run.counts_over_time("cells")` gives the bins.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> total, binned = n4.Counts(), n4.Counts("cells", every=10*u.ms, name="binned")
    """

    populations: tuple[str, ...] | None = eqx.field(static=True)
    every: float | None = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __init__(self, *populations: str, every: Any = None, name: str = "counts"):
        self.populations = tuple(populations) or None
        self.every = check_every(every, "Counts.every")
        self.name = check_name(name, "recorder")

    def fit(self, model):
        every = every_steps(self.every, model, "Counts.every", 0)
        spans = chosen_spans(model, self.populations)
        return CountProbe(groups=groups_of(model, spans), spans=spans, every=every)


class EventProbe(AbstractBinnedProbe):
    """Spikes times synapses: the sum over neurons is linear, so it waits for the host, where whole numbers have 64 bits."""

    fan_out: tuple[Any, ...]
    groups: tuple[tuple[str, int], ...] = eqx.field(static=True)
    sources: tuple[tuple[str, Any], ...] = eqx.field(static=True)
    every: int = eqx.field(static=True)

    def record(self, chunks, start_step, n_steps):
        sums, (observed, every) = self.sums(chunks, n_steps), self.observed(n_steps)
        events = {}
        for (name, span), degree in zip(self.sources, self.fan_out, strict=True):
            counts = sums[span.group][..., span.start : span.start + span.size]
            events[name] = np.atleast_1d(counts.astype(np.int64) @ np.asarray(degree, np.int64))
        return EventRecord(events, observed, every, start_step)


class Events(AbstractRecorder):
    r"""Synaptic events: how many synapses the spikes of the run have set off, by projection.

    $$E_p(b) = \sum_{k \in b} \sum_i s_i(k)\, d_{p,i}$$

    with the spikes $s_i(k)$ of step $k$ and the out-degree $d_{p,i}$ of neuron $i$ in projection $p$. An event counts in the step of its
    spike, whatever its delay. Whole numbers, exact. What is counted during the run are spikes: it costs and needs what `Counts` does.

    **Arguments:**

    - `projections`: names, by default all.
    - `every`: width of a bin, a multiple of the time step; an incomplete bin at the end of the run is left out. By default one bin, the
      run. [time]
    - `name`: the key in `run.records`.

    The record is an `EventRecord`; `run.events("e")` reads it.

    **Raises:** `UnknownNameError` for a name that no projection carries, when the run begins.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> recorder = n4.Events(every=10*u.ms)
    """

    projections: tuple[str, ...] | None = eqx.field(static=True)
    every: float | None = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __init__(self, *projections: str, every: Any = None, name: str = "events"):
        self.projections = tuple(projections) or None
        self.every = check_every(every, "Events.every")
        self.name = check_name(name, "recorder")

    def fit(self, model):
        names = tuple(model.projections) if self.projections is None else self.projections
        spans = [lookup(model.layout.projections_by_name, name, "projection") for name in names]
        sources = tuple((span.name, model.populations[span.pre.population]) for span in spans)
        fan_out = tuple(jnp.asarray(model.fan_out(name), jnp.int32) for name in names)
        every = every_steps(self.every, model, "Events.every", 0)
        groups = groups_of(model, tuple(source for _, source in sources))
        return EventProbe(fan_out=fan_out, groups=groups, sources=sources, every=every)
