"""What spikes make the cores and links of a chip do: linear functions of spikes, so that cost can be differentiated, compiled and batched."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from neuro4d.hardware._hops import distances
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

    Entries `(k,)` are pairs of a neuron and a core that it reaches. Whether something arrives at a neuron is counted per core: with a mean of $\\lambda$ events per
    neuron a share of $1 - e^{-\\lambda}$ is active, as if events were independent.
    """

    source: Int[np.ndarray, " k"]
    core: Int[np.ndarray, " k"]
    synapses: Float[Any, " k"]
    away: Float[Any, " k"]
    hops: Float[Any, "3 k"]
    home: Int[np.ndarray, " n"]
    outside: Float[Any, " cores"]
    neurons: Float[Any, " cores"]

    def __call__(self, spikes: Float[Any, " n"]) -> Loads:
        """The loads of one step, from spikes of every neuron per step `(n,)`. NumPy arrays stay with NumPy: a report compiles nothing."""
        n_cores, traced = len(self.neurons), isinstance(spikes, jax.Array)
        sums = (lambda x, where: jax.ops.segment_sum(x, where, n_cores)) if traced else (lambda x, where: np.bincount(where, x, n_cores))
        sent = spikes[self.source]
        events = sums(sent * self.synapses, self.core) + self.outside
        leaving = sent * self.away
        share = -(jnp if traced else np).expm1(-events / self.neurons)
        along, across, between = self.hops @ sent
        return Loads(
            events=events,
            active=self.neurons * share,
            idle=self.neurons * (1 - share),
            spikes=sums(spikes, self.home),
            messages=sums(leaving, self.home[self.source]),
            arrivals=sums(leaving, self.core),
            along=along,
            across=across,
            between=between,
        )


def load_model(placement: Placement) -> LoadModel:
    """What a placement fixes. Every message to another core is counted by itself: a copy for each, whatever paths they share."""
    table, home, n_cores = placement.fan_out, placement.core, placement.n_cores
    begin, end = home[table.source], table.core
    away = begin != end
    along, across, between = distances(placement, begin, end)
    count = lambda where, weight=None: np.bincount(where, weight, minlength=n_cores)  # noqa: E731
    return LoadModel(
        source=table.source,
        core=end,
        synapses=table.synapses.astype(np.float32),
        away=away.astype(np.float32),
        hops=(np.stack([along, across, between]) * away).astype(np.float32),
        home=home,
        outside=count(home, np.asarray(placement.workload.arrivals)),
        neurons=count(home).astype(float),
    )
