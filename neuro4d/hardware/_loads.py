"""What spikes make the cores and links of a chip do: linear functions of spikes, so that cost can be differentiated, compiled and batched."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from neuro4d.hardware._entries import arriving, staying
from neuro4d.hardware._hops import hop_sums
from neuro4d.hardware._placement import Placement


class Loads(eqx.Module):
    """What happens in a step, means: on each core `(cores,)`, and on all links together.

    **Fields:** `events` at synapses; `active` and `idle` neurons, in whose step something or nothing arrives; `spikes` that are made; `messages` that
    leave for other cores and `arrivals` from them; `along` and `across`: hops within a row and from row to row; `between`: hops between chips.
    """

    events: Float[Any, " cores"]
    active: Float[Any, " cores"]
    idle: Float[Any, " cores"]
    spikes: Float[Any, " cores"]
    messages: Float[Any, " cores"]
    arrivals: Float[Any, " cores"]
    along: Float[Any, ""]
    across: Float[Any, ""]
    between: Float[Any, ""]


class LoadModel(eqx.Module):
    """From spikes of every neuron per step to `Loads`: what a placement fixes, as arrays.

    Entries `(k,)` are pairs of a neuron and a core that it reaches, those of a neuron one behind the other from `start` on. Each neuron sends `leaving` messages per
    spike, which pass `hops` links, and `own` of its messages are for its own core. Whether something arrives at a neuron is counted per core: with a mean of
    $\\lambda$ events per neuron a share of $1 - e^{-\\lambda}$ is active, as if events were independent.
    """

    start: Int[np.ndarray, " n+1"]
    source: Int[np.ndarray, " k"]
    core: Int[np.ndarray, " k"]
    synapses: Float[Any, " k"]
    leaving: Float[Any, " n"]
    own: Float[Any, " n"]
    hops: Float[Any, "3 n"]
    home: Int[np.ndarray, " n"]
    outside: Float[Any, " cores"]
    neurons: Float[Any, " cores"]

    def __call__(self, spikes: Float[Any, "*rows n"]) -> Loads:
        """The loads of one step, from spikes of every neuron per step `(n,)`. NumPy arrays stay with NumPy: a report compiles nothing.

        NumPy arrays may have rows, `(rows, n)`; what is found has them too.
        """
        traced = isinstance(spikes, jax.Array)
        arriving, reached = (self._traced if traced else self._listed)(spikes)
        home = (lambda x: jax.ops.segment_sum(x, self.home, len(self.neurons))) if traced else self._at_home
        events = arriving + self.outside
        share = -(jnp if traced else np).expm1(-events / self.neurons)
        # Not by `@` with NumPy: threads of a BLAS that wait for each other cost more than this product.
        along, across, between = self.hops @ spikes.T if traced else np.einsum("kn,...n->k...", self.hops, spikes)
        return Loads(
            events=events,
            active=self.neurons * share,
            idle=self.neurons * (1 - share),
            spikes=home(spikes),
            messages=home(spikes * self.leaving),
            arrivals=reached - home(spikes * self.own),
            along=along,
            across=across,
            between=between,
        )

    def _traced(self, spikes: Float[Any, " n"]) -> tuple[Any, Any]:
        """Events from inside and messages that reach each core, those of its own neurons among them, `(cores,)`."""
        sent = spikes[self.source]
        events, messages = (jax.ops.segment_sum(x, self.core, len(self.neurons)) for x in (sent * self.synapses, sent))
        return events, messages

    def _listed(self, spikes: Float[np.ndarray, "*rows n"]) -> tuple[Any, Any]:
        """The same with NumPy."""
        return arriving(self.start, self.core, self.synapses, spikes, len(self.neurons))

    def _at_home(self, x: Float[np.ndarray, "*rows n"]) -> Float[np.ndarray, "*rows cores"]:
        rows = [np.bincount(self.home, row, len(self.neurons)) for row in x.reshape(-1, x.shape[-1])]
        return np.array(rows).reshape(*x.shape[:-1], len(self.neurons))


def load_model(placement: Placement) -> LoadModel:
    """What a placement fixes. Every message to another core is counted by itself: a copy for each, whatever paths they share."""
    table, home, n_cores = placement.fan_out, placement.core, placement.n_cores
    own = staying(table, home)
    count = lambda where, weight=None: np.bincount(where, weight, minlength=n_cores)  # noqa: E731
    return LoadModel(
        start=table.start,
        source=table.source,
        core=table.core,
        synapses=table.synapses.astype(np.float32),
        leaving=(np.diff(table.start) - own).astype(np.float32),
        own=own.astype(np.float32),
        hops=hop_sums(placement).astype(np.float32),
        home=home,
        outside=count(home, np.asarray(placement.workload.arrivals)),
        neurons=count(home).astype(float),
    )

