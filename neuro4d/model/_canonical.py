"""A model's numbers and a state as the user knows them: by population, port and projection, edges in their canonical order.

Nothing in this form depends on groups, pathways or blocks. So it survives another number of cores, another backend, a network with
more populations, and a version that lays out differently.
"""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from neuro4d._base import UnknownNameError, did_you_mean, field_units
from neuro4d.model._canonical_life import life_from, life_tree
from neuro4d.model._canonical_parts import parts_tree, with_parts
from neuro4d.model._canonical_slots import slots_from, slots_tree
from neuro4d.model._canonical_wide import coming_tree, later_from, wide_from, wide_tree
from neuro4d.model._edges import as_wired, bare_weights, locate
from neuro4d.model._initial import first_state
from neuro4d.model._layout import Group, Span
from neuro4d.model._learn_wide import split_of
from neuro4d.model._model import Model
from neuro4d.model._shares import Share, check_counts, collected, shares
from neuro4d.model._state import EdgeState, GroupState, State
from neuro4d.model._weights import with_weights
from neuro4d.ops import History, pack

Tree = dict[str, Any]


def to_user(model: Model, state: State | None = None) -> Tree:
    """The numbers of a model, and those of a state if one is given, as nested dictionaries of NumPy arrays.

    **Returns:**

    - `"fingerprint"`: of the model, and `"seed"`.
    - `"parameters"`: by population and parameter, those of receptors with their port in front.
    - `"weights"`: by projection, `(k,)` in the order of `model.edges`, in the unit of the receptor.
    - `"gaps"`, if there are any: conductances of gap junctions by name, `(k,)` in the order of `model.edges`, in nS.
    - all other numbers of the model, if there are any: `"stimuli"` by name; `"plasticity"` and `"structures"` by projection; `"lives"` and `"initial"` by
      population; `"delays"` that are trained, in ms, by projection, and `"frozen"` ones; `"surrogate"`.
    - `"state"`, if one is given: `"step"`, `"start"`, `"key"`, `"fault"`; `"variables"` by population and variable; `"alive"` by
      population where neurons may die; `"coming"`: what is on its way along dendrites by population and port `(slots, n)`, the next
      step first; `"spikes"` by population, booleans `(depth, n)`, the last step first (`"soft"`: the same as
      floats, `"near"`: who has a slope, in a model with a surrogate); `"stimuli"`: what those with a memory hold; `"edges"` by projection: weights that live in the
      state, variables of the rule, and the traces that each edge sees (`"pre.plus"`, `"post.minus"`), each as its last spike left it, with
      the steps of these spikes (`"heard"`, `"fired"`), and where synapses come and go their ends (`"pre"`, `"post"`) and all of their slots; `"life"` by population: what is known of neurons with a life cycle, inherited
      parameters as `"parameter.v_th"`; `"counted"`: spikes by population, where an event asks for them.

    !!! Example

        >>> import brainunit as u, jax.random as jr, neuro4d as n4
        >>> cells = n4.Population("cells", 3, n4.Relay(), {"in": n4.Delta()})
        >>> model = n4.Network(cells).build(dt=0.1*u.ms, seed=0)
        >>> tree = n4.to_user(model, model.init(jr.key(0)))
        >>> int(tree["state"]["step"]), tree["state"]["spikes"]["cells"].shape
        (0, (1, 3))
    """
    tree = model_tree(model, bare_weights(model, model.layout.projections_by_name))
    if state is not None:
        tree["state"] = state_tree(model, state)
    return tree


def model_tree(model: Model, weights: Mapping[str, np.ndarray]) -> Tree:
    """The part of `to_user` that speaks of a model, with these arrays as its weights: who asks for shapes alone need not read billions of them."""
    tree: Tree = {
        "fingerprint": model.fingerprint(),
        "seed": model.build_seed,
        "parameters": {population: _parameters(model, population) for population in model.populations},
        "weights": dict(weights),
    }
    if model.gaps:
        tree["gaps"] = {name: np.asarray(gap.conductance) for name, gap in model.gaps.items()}
    return tree | parts_tree(model)


def _parameters(model: Model, population: str) -> dict[str, np.ndarray]:
    parts = {"": model.neurons[population]} | {f"{port}.": part for port, part in model.receptors[population].items()}
    return {
        prefix + name: np.asarray(getattr(part, name))
        for prefix, part in parts.items()
        for name in field_units(part)
        if getattr(part, name) is not None
    }


def state_tree(model: Model, state: State) -> Tree:
    """The part of `to_user` that speaks of a state: what changes while a network runs, without the numbers of its model."""
    model = as_wired(model, state)
    tree: Tree = {name: np.asarray(getattr(state, name)) for name in ("step", "start", "key", "fault")}
    tree["variables"], tree["spikes"], tree["alive"], tree["soft"], tree["near"] = {}, {}, {}, {}, {}
    for name, span in model.populations.items():
        here = slice(span.start, span.start + span.size)
        tree["variables"][name] = {v: np.asarray(x)[here] for v, x in state.variables(span.group).items()}
        fired, soft, near = _past(state.history[span.group], int(state.step))
        tree["spikes"][name] = fired[:, here]
        if soft is not None and near is not None:
            tree["soft"][name], tree["near"][name] = soft[:, here], near[:, here]
        if span.alive is not None:
            tree["alive"][name] = np.asarray(state.alive[name])
    tree["stimuli"] = {name: np.asarray(x) for held in state.groups.values() for name, x in held.stimuli.items()}
    found: Tree = {}
    for pathway in state.edges:
        found |= _edge_trees(model, state, pathway)
    tree["edges"] = {name: found[name] for name in model.projections if name in found}
    coming = coming_tree(model, state)
    if coming:
        tree["coming"] = coming
    return tree | life_tree(model, state)


def _past(history: History, step: int) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """A ring as booleans `(depth, n)`, as floats, and who has a slope, if it has them; row 0 is the last step that was done."""
    ids, count = np.asarray(history.ids), np.asarray(history.count)
    depth, n = ids.shape
    fired = np.zeros((depth, n), bool)
    rows = (step - 1 - np.arange(depth)) % depth
    for age, row in enumerate(rows):
        fired[age, ids[row, : count[row]]] = True
    if history.soft is None or history.near is None:
        return fired, None, None
    bits = np.asarray(history.near)[rows][:, :, None] >> np.arange(32, dtype=np.uint32) & 1
    return fired, np.asarray(history.soft)[rows], bits.reshape(depth, -1)[:, :n].astype(bool)


def _edge_trees(model: Model, state: State, pathway: str) -> dict[str, Tree]:
    """What the edges of a pathway hold in a state, by projection."""
    held, names = state.edges[pathway], [span.name for span in model.layout.projections_by_pathway[pathway]]
    arrays = {"weight": np.asarray(held.weight)} | {name: np.asarray(x) for name, x in held.variables.items()}
    ends = {f"pre.{name}": (np.asarray(x), 0) for name, x in held.pre.items()} | {f"post.{name}": (np.asarray(x), 1) for name, x in held.post.items()}
    ends |= {name: (np.asarray(x), side) for name, x, side in (("heard", held.heard, 0), ("fired", held.fired, 1)) if x is not None}
    seen = _trace_places(model, pathway) if ends else None

    def read(share: Share) -> Tree:
        places = seen(share) if seen else ()
        return {name: share.read(x) for name, x in arrays.items()} | {name: x[places[side]] for name, (x, side) in ends.items()} | wide_tree(held, share)

    found = collected(model, pathway, names, read)
    for name in names if held.slots is not None else ():
        found[name] |= slots_tree(model, state, name, locate(model, name))
    return found


def _trace_places(model: Model, pathway: str) -> Callable[[Share], tuple[Any, Any]]:
    """A function that says where the traces that some edges see lie in those of their pathway: of arrivals, and of targets."""
    split = split_of(model.pathways[pathway], model.plasticity[pathway], model.dt_ms)

    def places(share: Share) -> tuple[Any, Any]:
        pre = (np.minimum(share.delay_number, split.axonal.shape[0] - 1), share.source)
        if split.dendritic is None:
            return pre, share.target
        return pre, (np.minimum(share.delay_number, split.dendritic.shape[0] - 1), share.target)

    return places


def from_user(model: Model, tree: Mapping[str, Any]) -> tuple[Model, State | None]:
    """A model and a state with the numbers of `to_user`, on whatever machine and backend the model was built for.

    **Arguments:**

    - `model`: of the same network, or of one with more populations and projections, which keep their own numbers and begin as after
      `init`.
    - `tree`: from `to_user`.

    **Returns:** the model with the parameters and weights of the tree, and its state, `None` if the tree has none.

    **Raises:** `UnknownNameError` for a population, variable or projection that the model does not have, `ValueError` for another
    number of neurons or edges; both before anything is changed.

    !!! Example

        >>> import brainunit as u, jax.random as jr, neuro4d as n4
        >>> cells = n4.Population("cells", 3, n4.Relay(), {"in": n4.Delta()})
        >>> net = n4.Network(cells)
        >>> model = net.build(dt=0.1*u.ms, seed=0)
        >>> tree = n4.to_user(model, model.init(jr.key(0)))
        >>> other, state = n4.from_user(net.build(dt=0.1*u.ms, seed=0, backend=n4.Backend.REFERENCE), tree)
        >>> int(state.step)
        0
    """
    _check_names(model, tree)
    for population, parameters in tree["parameters"].items():
        model = _with_parameters(model, population, parameters)
    model = with_weights(with_parts(model, tree), tree["weights"], tree["seed"])
    for name, values in tree.get("gaps", {}).items():
        if np.shape(values) != model.gaps[name].conductance.shape:
            raise ValueError(
                f"{name!r} has {len(model.gaps[name].a)} gap junctions; the tree has {len(values)}. Build with seed={tree['seed']}."
            )
        model = _with_gaps(model, name, values)
    return model, state_from(model, tree["state"]) if "state" in tree else None


def _check_names(model: Model, tree: Mapping[str, Any]) -> None:
    for what, known, given in (
        ("population", model.populations, tree["parameters"]),
        ("projection", model.layout.projections_by_name, tree["weights"]),
        ("gap junctions", model.gaps, tree.get("gaps", {})),
        ("stimulus", model.sources, tree.get("state", {}).get("stimuli", {})),
    ):
        for name in given:
            if name not in known:
                raise UnknownNameError(f"the model has no {what} named {name!r}, which the tree has.{did_you_mean(name, known)}")


def _with_gaps(model: Model, name: str, conductances: np.ndarray) -> Model:
    return eqx.tree_at(lambda m: m.gaps[name].conductance, model, jnp.asarray(conductances, model.dtype))


def _with_parameters(model: Model, population: str, parameters: Mapping[str, np.ndarray]) -> Model:
    for name, value in parameters.items():
        port, field = name.rsplit(".", 1) if "." in name else (None, name)

        def where(m: Model, port: Any = port, field: str = field) -> Any:
            return getattr(m.neurons[population] if port is None else m.receptors[population][port], field)

        if not np.array_equal(np.asarray(where(model)), value):
            model = eqx.tree_at(where, model, jnp.asarray(value, model.dtype))
    return model


def state_from(model: Model, tree: Mapping[str, Any]) -> State:
    """A state from `state_tree`. Raises as `from_user`."""
    fresh = first_state(model, jnp.asarray(tree["key"], jnp.uint32), jnp.asarray(tree["start"], jnp.uint32))
    step = jnp.asarray(tree["step"], jnp.uint32)
    groups = {group.name: _group_from(model, group, fresh, tree) for group in model.layout.groups}
    history = {group.name: _history_from(group, fresh.history[group.name], int(tree["step"]), tree) for group in model.layout.groups}
    wide = {name: wide_from(model, name, held, tree) for name, held in fresh.edges.items() if name not in model.structures}
    edges = {name: _edges_from(model, name, fresh.edges[name], tree)._replace(wide=x) for name, x in wide.items()}
    edges |= {name: slots_from(model, name, fresh.edges[name], later_from(model, name, fresh.edges[name], tree), tree) for name in model.structures}
    lives, counted = life_from(model, fresh, tree)
    return State(groups, edges, history, fresh.key, step, fresh.start, jnp.asarray(tree["fault"], jnp.uint32), fresh.spans, lives, counted)


def _group_from(model: Model, group: Group, fresh: State, tree: Mapping[str, Any]) -> GroupState:
    values = {name: np.array(x) for name, x in fresh.variables(group.name).items()}
    for span in group.spans:
        for variable, given in tree["variables"].get(span.name, {}).items():
            if variable not in values:
                raise UnknownNameError(f"population {span.name!r} has no variable {variable!r}.{did_you_mean(variable, values)}")
            values[variable][span.start : span.start + span.size] = _sized(given, span)
    held = fresh.groups[group.name]
    neurons = type(held.neurons)(**{v: jnp.asarray(values[v]) for v in held.neurons._fields}) if held.neurons else held.neurons
    receptors = {
        port: type(state)(**{v: jnp.asarray(values[f"{port}.{v}"]) for v in state._fields}) if state else state
        for port, state in held.receptors.items()
    }
    state = eqx.tree_at(lambda s: s.groups[group.name], fresh, GroupState(neurons, receptors, held.alive, _memories_from(held, tree)))
    for span in group.spans:
        if span.name in tree["alive"]:
            state = state.with_alive(span.name, jnp.asarray(_sized(tree["alive"][span.name], span)))
    return state.groups[group.name]


def _memories_from(held: GroupState, tree: Mapping[str, Any]) -> dict[str, Any]:
    """What stimuli with a memory hold; those that the tree does not know begin as after `init`."""
    given = {name: np.asarray(values) for name, values in tree.get("stimuli", {}).items() if name in held.stimuli}
    for name, values in given.items():
        if held.stimuli[name].shape != values.shape:
            raise ValueError(f"stimulus {name!r} acts on {len(held.stimuli[name])} neurons; the tree has {len(values)}.")
    return held.stimuli | {name: jnp.asarray(values, held.stimuli[name].dtype) for name, values in given.items()}


def _sized(given: np.ndarray, span: Span) -> np.ndarray:
    if np.shape(given)[-1] != span.size:
        raise ValueError(f"population {span.name!r} has {span.size} neurons; the tree has {np.shape(given)[-1]}.")
    return np.asarray(given)


def _history_from(group: Group, empty: History, step: int, tree: Mapping[str, Any]) -> History:
    """The ring of a group, from the pasts of its populations. What lies further back than a past reaches is silent."""
    fired = np.zeros((group.depth, group.n), bool)
    soft = None if empty.soft is None else np.zeros((group.depth, group.n), empty.soft.dtype)
    near = np.ones((group.depth, group.n), bool)  # where a tree does not say who has a slope, all may
    for span in group.spans:
        here = slice(span.start, span.start + span.size)
        if span.name in tree["spikes"]:
            given = _sized(tree["spikes"][span.name], span)[: group.depth]
            fired[: len(given), here] = given
        if soft is not None:
            floats = tree["soft"].get(span.name, tree["spikes"].get(span.name, np.zeros((0, span.size))))[: group.depth]
            soft[: len(floats), here] = floats
            marked = tree.get("near", {}).get(span.name, np.ones((0, span.size), bool))[: group.depth]
            near[: len(marked), here] = marked
    rows = (step - 1 - np.arange(group.depth)) % group.depth
    ids, count = np.zeros((group.depth, group.n), np.int32), np.zeros(group.depth, np.int32)
    ring, marks = None if soft is None else np.zeros_like(soft), np.zeros_like(near)
    for age, row in enumerate(rows):
        found = np.flatnonzero(fired[age])
        ids[row, : len(found)], count[row] = found, len(found)
        if ring is not None and soft is not None:
            ring[row], marks[row] = soft[age], near[age]
    if ring is None:
        return History(jnp.asarray(ids), jnp.asarray(count), None)
    return History(jnp.asarray(ids), jnp.asarray(count), jnp.asarray(ring), jax.vmap(pack)(jnp.asarray(marks)))


def _edges_from(model: Model, pathway: str, fresh: EdgeState, tree: Mapping[str, Any]) -> EdgeState:
    weight = np.array(fresh.weight)
    variables, pre, post = ({name: np.array(x) for name, x in held.items()} for held in fresh[1:4])
    heard, fired = (None if steps is None else np.array(steps) for steps in fresh[4:6])
    names = [span.name for span in model.layout.projections_by_pathway[pathway] if span.name in tree["edges"]]
    counts = dict.fromkeys(names, 0)
    held = {"weight": weight} | variables
    sides = [[(f"pre.{name}", x) for name, x in pre.items()], [(f"post.{name}", x) for name, x in post.items()]]
    sides[0] += [] if heard is None else [("heard", heard)]
    sides[1] += [] if fired is None else [("fired", fired)]
    seen = _trace_places(model, pathway) if any(sides) else None
    for share in shares(model, pathway, names):
        given, counts[share.span.name] = tree["edges"][share.span.name], share.here.stop
        if len(given["weight"]) < share.here.stop:
            continue  # how many there are is known at the end
        for name, values in held.items():
            share.write(values, given[name][share.here])
        for side, place in zip(sides, seen(share) if seen else ((), ()), strict=True):
            for name, values in side:
                values[place] = given[name][share.here]
    for field in (*held, *(name for side in sides for name, _ in side)):
        check_counts(counts, {name: tree["edges"][name][field] for name in names})
    return EdgeState(*jax.tree.map(jnp.asarray, (weight, variables, pre, post, heard, fired)))
