"""Recorders that add up, over the whole run or over bins: spikes of neurons, synaptic events."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from neuro4d._base import check_name, lookup
from neuro4d.recorders._base import AbstractProbe, AbstractRecorder, chosen_spans, every_steps, shape_bytes
from neuro4d.recorders._records import CountRecord, EventRecord
from neuro4d.recorders._sampled import check_every
from neuro4d.recorders._spikes import add_64, from_64


class AbstractBinnedProbe(AbstractProbe):
    """Sums over bins of `every` steps, of which only whole ones are kept; over the whole run where `every` is 0.

    A bin that two chunks share has a row in each, and the rows are added on the host.
    """

    every: eqx.AbstractVar[int]

    @abc.abstractmethod
    def empty(self) -> Any:
        """One bin before its first step."""

    @abc.abstractmethod
    def add(self, total: Any, spikes: Any) -> Any:
        """The bin with the spikes of one more step."""

    @property
    def carried(self):
        return self.every == 0

    def buffer(self, length, carry):
        if self.every == 0:
            return self.empty() if carry is None else carry
        return jax.tree.map(lambda x: jnp.zeros((self._rows(length), *x.shape), x.dtype), self.empty())

    def update(self, buffer, index, elapsed, state, spikes):
        if self.every == 0:
            return self.add(buffer, spikes)
        every = jnp.uint32(self.every)
        row = (elapsed // every - (elapsed - index.astype(jnp.uint32)) // every).astype(jnp.int32)
        total = jax.tree.map(lambda rows: jax.lax.dynamic_index_in_dim(rows, row, 0, keepdims=False), buffer)
        total = self.add(total, spikes)
        return jax.tree.map(lambda rows, bin: jax.lax.dynamic_update_index_in_dim(rows, bin, row, 0), buffer, total)

    def period(self):
        return 0

    def shortest(self):
        return max(self.every, 1)

    def sums(self, chunks: list, n_steps: int, read: Any = lambda x: x) -> Any:
        """Whole bins `(bins, ...)`, or the totals of the run. `read` turns arrays of the device into numbers that can be added."""
        if self.every == 0:
            return jax.tree.map(read, chunks[-1].buffer)
        n_bins = n_steps // self.every
        out = jax.tree.map(lambda rows: np.zeros((n_bins + 1, *read(rows).shape[1:]), read(rows).dtype), chunks[0].buffer)
        for chunk in chunks:
            low = chunk.first // self.every
            n = self._touched(chunk)
            for total, rows in zip(jax.tree.leaves(out), jax.tree.leaves(chunk.buffer), strict=True):
                total[low : low + n] += read(rows[:n])
        return jax.tree.map(lambda total: total[:n_bins], out)

    def _touched(self, chunk: Any) -> int:
        """Bins that a chunk has a share in."""
        return -(-(chunk.first + chunk.n_steps) // self.every) - chunk.first // self.every if chunk.n_steps else 0

    def _rows(self, length: int) -> int:
        return -(-length // self.every) + 1

    def bytes(self, n_steps, length):
        bin = shape_bytes(self.empty)
        if self.every == 0:
            return bin, bin
        return self._rows(length) * bin, 2 * (n_steps // self.every + 1) * bin


class CountProbe(AbstractBinnedProbe):
    """Spikes per neuron."""

    spans: tuple[Any, ...] = eqx.field(static=True)
    every: int = eqx.field(static=True)

    def empty(self):
        return {span.name: jnp.zeros(span.size, jnp.uint32) for span in self.spans}

    def add(self, total, spikes):
        fired = {span.group: spikes.fired(span.group) for span in self.spans}
        return {
            span.name: total[span.name] + fired[span.group][span.start : span.start + span.size].astype(jnp.uint32) for span in self.spans
        }

    def record(self, chunks, start_step, n_steps):
        if self.every == 0:
            return CountRecord(self.sums(chunks, n_steps), n_steps, None, start_step)
        return CountRecord(self.sums(chunks, n_steps), n_steps // self.every * self.every, self.every, start_step)


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
        return CountProbe(spans=chosen_spans(model, self.populations), every=every)


class EventProbe(AbstractBinnedProbe):
    """Synaptic events per projection, in two words each."""

    fan_out: dict[str, Any]
    """For each source population how many synapses of each of its projections leave a neuron, shape `(projections, n)`."""
    sources: tuple[tuple[Any, tuple[str, ...]], ...] = eqx.field(static=True)
    every: int = eqx.field(static=True)

    def empty(self):
        return {span.name: jnp.zeros((len(names), 2), jnp.uint32) for span, names in self.sources}

    def add(self, total, spikes):
        after = {}
        for span, _ in self.sources:
            fired = spikes.fired(span.group)[span.start : span.start + span.size]
            events = jnp.sum(jnp.where(fired, self.fan_out[span.name], jnp.uint32(0)), axis=1, dtype=jnp.uint32)
            after[span.name] = add_64(total[span.name], events)
        return after

    def record(self, chunks, start_step, n_steps):
        sums = self.sums(chunks, n_steps, from_64)
        events = {name: np.atleast_1d(sums[span.name][..., row]) for span, names in self.sources for row, name in enumerate(names)}
        if self.every == 0:
            return EventRecord(events, n_steps, None, start_step)
        return EventRecord(events, n_steps // self.every * self.every, self.every, start_step)


class Events(AbstractRecorder):
    r"""Synaptic events: how many synapses the spikes of the run have set off, by projection.

    $$E_p(b) = \sum_{k \in b} \sum_i s_i(k)\, d_{p,i}$$

    with the spikes $s_i(k)$ of step $k$ and the out-degree $d_{p,i}$ of neuron $i$ in projection $p$. An event counts in the step of its
    spike, whatever its delay. Whole numbers, exact.

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
        by_source: dict[str, list[str]] = {}
        for name in names:
            projection = lookup(model.layout.projections_by_name, name, "projection")
            by_source.setdefault(projection.pre.population, []).append(name)
        fan_out = {source: jnp.stack([jnp.asarray(model.fan_out(p), jnp.uint32) for p in own]) for source, own in by_source.items()}
        sources = tuple((model.populations[source], tuple(own)) for source, own in by_source.items())
        return EventProbe(fan_out=fan_out, sources=sources, every=every_steps(self.every, model, "Events.every", 0))
