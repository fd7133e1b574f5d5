"""The stage *learn*: plastic synapses change by what they have seen of a step."""

import jax.numpy as jnp
from jaxtyping import Array, Bool

from neuro4d.model._fields import ModelFields
from neuro4d.model._stages import Stepped
from neuro4d.model._state import EdgeState, State
from neuro4d.ops import Pathway, Visit, edge_table, fold_rows, unpack
from neuro4d.plasticity import Seen

EDGES_AT_ONCE = 1 << 10


def learn(model: ModelFields, state: State, after: dict[str, Stepped]) -> dict[str, EdgeState]:
    """The plastic synapses after a step; what there was where nothing learns."""
    edges = dict(state.edges)
    for name, rule in model.plasticity.items():
        if rule.learns:
            edges[name] = _learn_one(model, name, state, after)
    return edges


def _learn_one(model: ModelFields, name: str, state: State, after: dict[str, Stepped]) -> EdgeState:
    path, held = model.pathways[name], state.edges[name]
    target = model.layout.group(path.target)
    fired = unpack(after[path.target].words, target.n)
    seen = Seen(_arrivals(path, state), _of_targets(path, fired))
    return EdgeState(*model.plasticity[name].step(model.dt_ms, held.weight, held.variables, seen))


def _arrivals(path: Pathway, state: State) -> Bool[Array, " nnz"]:
    """The synapses through which a spike arrives in this step."""
    history = state.history[path.source]

    def mark(marks: Array, some: Visit) -> Array:
        place = jnp.where(some.real, some.edge, marks.shape[0])
        return marks.at[place.reshape(-1)].set(True, mode="drop")

    nothing = jnp.zeros(path.targets.shape[0], bool)
    return fold_rows(path, history.ids, history.count, state.step, nothing, mark, EDGES_AT_ONCE)[0]


def _of_targets(path: Pathway, fired: Bool[Array, " n"]) -> Bool[Array, " nnz"]:
    """What holds for the target of every synapse; padding belongs to no source and is left out by `arrives`."""
    _, _, block = edge_table(path)
    neuron = block * path.width + path.targets.astype(jnp.int32) % path.width
    return fired[jnp.minimum(neuron, fired.shape[0] - 1)]
