"""The stage *learn*: plastic synapses change by what they have seen of a step."""

import math
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int32

from neuro4d.model._fields import ModelFields
from neuro4d.model._stages import Stepped
from neuro4d.model._state import EdgeState, State
from neuro4d.ops import Pathway, Visit, arriving_rows, edge_table, fold_rows, unpack
from neuro4d.plasticity import Seen, Trace

EDGES_AT_ONCE = 1 << 10


def learn(model: ModelFields, state: State, after: dict[str, Stepped]) -> dict[str, EdgeState]:
    """The plastic synapses after a step; what there was where nothing learns."""
    edges = dict(state.edges)
    for name, rule in model.plasticity.items():
        if rule.learns:
            edges[name] = _learn_one(model, name, state, after)
    return edges


def _learn_one(model: ModelFields, name: str, state: State, after: dict[str, Stepped]) -> EdgeState:
    """Rules see traces that have passed through the step; the spikes of the step enter them afterwards."""
    path, held, rule = model.pathways[name], state.edges[name], model.plasticity[name]
    fired = unpack(after[path.target].words, model.layout.group(path.target).n)
    source, which, target = _ends(path, fired.shape[0])
    pre, post = _faded(held.pre, rule.pre_traces(), model.dt_ms), _faded(held.post, rule.post_traces(), model.dt_ms)
    real, heard = source < path.n_source, jnp.minimum(source, path.n_source - 1)
    arrived = _arrived(path, state) if pre else None
    seen = Seen(
        _arrivals(path, state) if arrived is None else real & arrived[which, heard],
        real & fired[target],
        {trace: x[which, heard] for trace, x in pre.items()},
        {trace: x[target] for trace, x in post.items()},
    )
    weight, variables = rule.step(model.dt_ms, held.weight, held.variables, seen)
    pre = pre if arrived is None else _taken_in(pre, rule.pre_traces(), arrived)
    return EdgeState(weight, variables, pre, _taken_in(post, rule.post_traces(), fired))


def _faded(held: dict[str, Array], traces: dict[str, Trace], dt: float) -> dict[str, Array]:
    return {name: held[name] * _kept(dt, trace.tau) for name, trace in traces.items()}


def _kept(dt: float, tau: Any) -> Any:
    """What a step leaves of a trace; a time constant that is a leaf of the model is only known when the program runs."""
    return math.exp(-dt / tau) if isinstance(tau, int | float) else jnp.exp(-dt / tau)


def _taken_in(held: dict[str, Array], traces: dict[str, Trace], spikes: Bool[Array, "..."]) -> dict[str, Array]:
    """Traces after the spikes of a step: set to 1 where the last spike alone counts, one more elsewhere."""
    return {name: jnp.where(spikes, 1 if trace.nearest else held[name] + 1, held[name]) for name, trace in traces.items()}


def _arrivals(path: Pathway, state: State) -> Bool[Array, " nnz"]:
    """The synapses through which a spike arrives in this step."""
    history = state.history[path.source]

    def mark(marks: Array, some: Visit) -> Array:
        place = jnp.where(some.real, some.edge, marks.shape[0])
        return marks.at[place.reshape(-1)].set(True, mode="drop")

    nothing = jnp.zeros(path.targets.shape[0], bool)
    return fold_rows(path, history.ids, history.count, state.step, nothing, mark, EDGES_AT_ONCE)[0]


def _arrived(path: Pathway, state: State) -> Bool[Array, "D n_source"]:
    """For every delay, the sources whose spikes arrive in this step."""
    history = state.history[path.source]
    rows = arriving_rows(state.step, path.delays, history.count.shape[0])
    along = jnp.arange(path.n_source)
    ids = jnp.where(along < history.count[rows][:, None], history.ids[rows], path.n_source)
    nothing = jnp.zeros((rows.shape[0], path.n_source), bool)
    return nothing.at[jnp.arange(rows.shape[0])[:, None], ids].set(True, mode="drop")


def _ends(path: Pathway, n: int) -> tuple[Int32[Array, " nnz"], Int32[Array, " nnz"], Int32[Array, " nnz"]]:
    """Source, number of the delay and target of every synapse; padding has the source `n_source`."""
    source, which, block = edge_table(path)
    neuron = block * path.width + path.targets.astype(jnp.int32) % path.width
    return source, which, jnp.minimum(neuron, n - 1)
