"""Events at which the synapses of a projection vanish and form, carried out on a state."""

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32, UInt32

from neuro4d._base import alike, step_address
from neuro4d.model._fields import ModelFields
from neuro4d.model._state import EdgeState, State
from neuro4d.ops import Pathway, neurons_in_rows, opaque, rows_of_neurons, unpack
from neuro4d.plasticity import AbstractPlasticity
from neuro4d.structure import (
    Activity,
    Elements,
    Left,
    Slots,
    Structure,
    Vacant,
    admitted,
    in_front,
    moved,
    new_ones,
    partners,
    proposals,
    remade,
    rows_at_once,
    vacant,
    without_axonal,
    without_dead,
    without_dendritic,
    without_weak,
)

MOST_NEW = 8
"""Synapses of a row, of each kind, that are made anew together; a row with more is gone through again."""


def first_slots(path: Pathway, structure: Structure, dtype: Any) -> Slots:
    """The synapses with which a projection begins."""
    rows, ends = structure.sources.shape[0], structure.targets.shape[0]
    nobody, nothing = path.n_target, jnp.uint32(0)
    neurons = neurons_in_rows(path.targets.reshape(rows, -1), path.bounds[structure.sources], path.width, nobody)
    fan_in = jnp.zeros(nobody, jnp.int32).at[neurons].add(1, mode="drop")
    elements = None
    if structure.rule.growth is not None:
        there = (path.bounds[structure.sources, -1].astype(dtype), fan_in[structure.targets].astype(dtype))
        elements = Elements(*there, jnp.zeros(rows, dtype), jnp.zeros(ends, dtype))
    counts = (jnp.zeros(rows, jnp.uint32), jnp.zeros(rows, jnp.uint32), jnp.zeros(ends, jnp.uint32))
    born = jnp.zeros(path.targets.shape, jnp.uint32)
    return Slots(path.targets, path.bounds, fan_in, born, *counts, elements, nothing, nothing, nothing)


def with_slots(model: ModelFields, name: str, held: EdgeState) -> EdgeState:
    """Synapses before the first step, with slots where they come and go."""
    structure = model.structures.get(name)
    return held if structure is None else held._replace(slots=first_slots(model.pathways[name], structure, model.dtype))


class _Table(NamedTuple):
    """The rows of a projection, and all that belongs to its synapses, `(rows, room, ...)`."""

    targets: Array
    bounds: UInt32[Array, "n_source blocks+1"]
    fan_in: Int32[Array, " nobody"]
    formed: UInt32[Array, ""]
    values: Any


class _Decided(NamedTuple):
    """What an event does: what goes, which elements are paired, what is proposed and admitted, and how many find no slot."""

    left: Left
    found: Vacant | None
    wanted: Int32[Array, "rows m"]
    refused: UInt32[Array, ""]
    elements: Elements | None


class _Event:
    """One event of one projection: what it reads of the model and the state."""

    def __init__(self, model: ModelFields, name: str, state: State):
        held = state.edges[name]
        if held.slots is None:
            raise TypeError(f"the synapses of {name!r} have no slots in this state: use `model.init`.")
        structure, self.path, self.rule = model.structures[name], model.pathways[name], model.plasticity[name]
        self.structure = dataclasses.replace(structure, rule=opaque(structure.rule))  # the same bits where a model is part of the program
        self.held, self.slots, self.state, self.dtype = held, held.slots, state, model.dtype
        self.ms, self.nobody = self.structure.every * model.dt_ms, self.path.n_target
        self.number = (state.step - state.start) // jnp.uint32(self.structure.every)
        sources, targets = self.structure.sources, self.structure.targets
        self.spikes_pre, self.spikes_post = state.counted[self.path.source][sources], state.counted[self.path.target][targets]
        self.heard, self.fired = self.spikes_pre - self.slots.spikes_pre, self.spikes_post - self.slots.spikes_post
        self.used = jnp.where(self.heard > 0, self.number, self.slots.used)
        self.lives = self._alive(self.path.source, sources), self._alive(self.path.target, None)

    def _alive(self, group: str, some: Array | None) -> Bool[Array, " n"] | None:
        words = self.state.groups[group].alive
        if words is None:
            return None
        alive = unpack(words, self.state.counted[group].shape[0])
        return alive if some is None else alive[some]

    def address(self, purpose: str) -> tuple[Array, Array]:
        """Where the randomness of this event lies."""
        return step_address(self.state.key, self.structure.address(purpose), self.number)

    def rows(self, at: Any) -> Int32[Array, "some room"]:
        """The targets of the synapses of some rows, or of all."""
        bounds = self.slots.bounds[self.structure.sources[at]]
        return neurons_in_rows(self.in_rows(self.slots.targets)[at], bounds, self.path.width, self.nobody)

    def in_rows(self, x: Array) -> Array:
        """What belongs to slots, row by row."""
        return x.reshape(self.structure.sources.shape[0], self.structure.room, *x.shape[1:])

    def living(self, x: Array, side: int) -> Array:
        """Numbers of sources (0) or targets (1) of the projection, 0 for the dead."""
        alive = self.lives[side]
        if alive is None:
            return x
        return jnp.where(alive if side == 0 else alive[self.structure.targets], x, 0)


def rewire(model: ModelFields, name: str, state: State) -> State:
    """The state after an event of the projection in pathway `name`."""
    event = _Event(model, name, state)
    decided = _decide(event)
    table = _remake(event, decided)
    flat = lambda x: x.reshape(-1, *x.shape[2:])  # noqa: E731
    weight, variables, born = jax.tree.map(flat, table.values)
    slots = Slots(
        flat(table.targets),
        table.bounds,
        table.fan_in,
        born,
        event.used,
        event.spikes_pre,
        event.spikes_post,
        _without_loss(event, decided.elements, table),
        event.slots.formed + table.formed,
        event.slots.pruned + jnp.sum(decided.left.gone, dtype=jnp.uint32),
        event.slots.refused + decided.refused,
    )
    held = event.held._replace(weight=weight, variables=variables, slots=slots)
    return eqx.tree_at(lambda s: s.edges[name], state, held, is_leaf=lambda x: x is None)


def _decide(event: _Event) -> _Decided:
    structure, slots, rule = event.structure, event.slots, event.structure.rule
    number = slots.bounds[structure.sources, -1].astype(jnp.int32)
    left = Left(jnp.zeros((number.shape[0], structure.room), bool), number, slots.fan_in, number)
    if event.lives[0] is not None or event.lives[1] is not None:
        sources, targets = (jnp.zeros(n, bool) if x is None else ~x for n, x in zip((number.shape[0], event.nobody), event.lives, strict=True))
        left = without_dead(left, event.rows, sources, targets)
    if rule.pruning is not None:
        idle = event.number - jnp.maximum(event.in_rows(slots.born), event.used[:, None])
        left = without_weak(left, event.rows, rule.pruning, event.in_rows(event.held.weight), (idle, event.ms), event.address("prune"))
    elements, found = _grown(event), None
    refused = jnp.uint32(0)
    if elements is not None:
        left = without_axonal(left, event.rows, elements.axonal, event.address("withdraw axonal"))
        of_targets = jnp.zeros(event.nobody, event.dtype).at[structure.targets].set(elements.dendritic)
        left = without_dendritic(left, event.rows, of_targets, event.address("withdraw dendritic"))
        found = vacant(structure, left, elements.axonal, elements.dendritic)
        refused = found.refused
    wanted, more = _wanted(event, left, found)
    return _Decided(left, found, wanted, refused + more, elements)


def _grown(event: _Event) -> Elements | None:
    """Elements and calcium after the time since the last event; the dead have none."""
    growth, before = event.structure.rule.growth, event.slots.elements
    if growth is None or before is None:
        return None
    sides = ((growth.axonal, before.axonal, before.calcium_pre, event.heard), (growth.dendritic, before.dendritic, before.calcium_post, event.fired))
    elements = [event.living(growth.elements_after(*side, event.ms), number) for number, side in enumerate(sides)]
    calcium = [event.living(growth.calcium_after(*side[2:], event.ms), number) for number, side in enumerate(sides)]
    return Elements(*elements, *calcium)


def _wanted(event: _Event, left: Left, found: Vacant | None) -> tuple[Int32[Array, "rows m"], UInt32[Array, ""]]:
    """Proposed synapses that find a slot, and how many do not."""
    structure, formation = event.structure, event.structure.rule.formation
    rows = jnp.arange(left.number.shape[0], dtype=jnp.int32)
    if formation is None:
        return jnp.full((rows.shape[0], 0), event.nobody, jnp.int32), jnp.uint32(0)
    spikes = (event.heard, event.fired)
    active = Activity(*(event.living(formation.activity(x, event.ms, event.dtype), side) for side, x in enumerate(spikes)))
    wanted = proposals(structure, active, rows, event.nobody, event.address("propose"))
    wanted = new_ones(wanted, event.rows, structure.room, event.nobody)
    free, taken = structure.room - left.number, left.fan_in
    if found is not None:
        free, taken = free - found.axonal, taken.at[structure.targets].add(found.dendritic)
    most = structure.rule.max_in
    open_at = jnp.zeros_like(taken) if most is None else most - taken
    return admitted(wanted, free, open_at, most is not None, event.address("refuse"))


def _remake(event: _Event, decided: _Decided) -> _Table:
    """The rows that change, some at a time: the work follows their number. Rows with many new synapses are gone through several times."""
    structure, path, left = event.structure, event.path, decided.left
    n_rows, room = left.gone.shape
    changed = jnp.any(left.gone, axis=1) | jnp.any(decided.wanted < event.nobody, axis=1)
    if decided.found is not None:
        changed |= decided.found.axonal > 0
    some = rows_at_once(n_rows, room)
    ids, total = in_front(changed, some)
    address, fresh = event.address("pair"), _fresh(event, some)

    wanted = jnp.sort(decided.wanted, axis=1)
    wanted = jnp.pad(wanted, ((0, 0), (0, -wanted.shape[1] % MOST_NEW)), constant_values=event.nobody)

    def body(carry: tuple[Array, Array, _Table]) -> tuple[Array, Array, _Table]:
        i, first, table = carry
        rows = jax.lax.dynamic_slice_in_dim(ids, i, some)
        at = jnp.minimum(rows, n_rows - 1)
        neurons = neurons_in_rows(table.targets[at], table.bounds[structure.sources[at]], path.width, event.nobody)
        which = first + jnp.arange(MOST_NEW, dtype=jnp.int32)
        more = [] if decided.found is None else [partners(structure, decided.found, at, which, event.nobody, address)]
        more += [wanted[at[:, None], which]] if wanted.shape[1] else [jnp.full((some, 0), event.nobody, jnp.int32)]
        after = remade(neurons, left.gone[at] & (first == 0), jnp.concatenate(more, axis=1), event.nobody)
        formed = (after.origin >= room) & (rows < n_rows)[:, None]
        local, bounds = rows_of_neurons(after.neurons, structure.port, path.width, path.n_blocks, event.nobody, table.targets.dtype)
        values = moved(jax.tree.map(lambda x: x[at], table.values), after.origin, fresh)
        again = i + some >= total
        return jnp.where(again, 0, i + some), jnp.where(again, first + MOST_NEW, first), _Table(
            table.targets.at[rows].set(local, mode="drop"),
            table.bounds.at[jnp.where(rows < n_rows, structure.sources[at], path.n_source)].set(bounds, mode="drop"),
            table.fan_in.at[jnp.where(formed, after.neurons, event.nobody)].add(1, mode="drop"),
            table.formed + jnp.sum(formed, dtype=jnp.uint32),
            jax.tree.map(lambda x, new: x.at[rows].set(new, mode="drop"), table.values, values),
        )

    values = jax.tree.map(event.in_rows, (event.held.weight, event.held.variables, event.slots.born))
    table = _Table(event.in_rows(event.slots.targets), event.slots.bounds, left.fan_in, jnp.uint32(0), values)
    most = jnp.max(jnp.sum(wanted < event.nobody, axis=1, dtype=jnp.int32), initial=0)
    most = most if decided.found is None else jnp.maximum(most, jnp.max(decided.found.axonal))
    begin = alike((jnp.int32(0), jnp.int32(0), table), ids, total, decided)
    unfinished = lambda carry: (total > 0) & ((carry[1] == 0) | (carry[1] < most))  # noqa: E731
    return jax.lax.while_loop(unfinished, body, begin)[2]


def _fresh(event: _Event, some: int) -> Any:
    """Weight, variables and event of birth of new synapses, for `some` rows."""
    room = event.structure.room
    value = event.structure.rule.weight
    weight = jnp.full(some * room, 0.0 if value is None else value, event.held.weight.dtype)
    rule: AbstractPlasticity = event.rule
    variables = {name: x.reshape(some, room, *x.shape[1:]) for name, x in rule.init(weight).items()}
    return weight.reshape(some, room), variables, jnp.broadcast_to(event.number, (some, room))


def _without_loss(event: _Event, elements: Elements | None, table: _Table) -> Elements | None:
    """A share of the elements that stay vacant is lost."""
    growth = event.structure.rule.growth
    if growth is None or elements is None:
        return None
    sources, targets = event.structure.sources, event.structure.targets

    def kept(held: Float[Array, " n"], connected: Int32[Array, " n"]) -> Float[Array, " n"]:
        return held - growth.lost(jnp.maximum(jnp.floor(held) - connected.astype(held.dtype), 0))

    return elements._replace(
        axonal=kept(elements.axonal, table.bounds[sources, -1].astype(jnp.int32)), dendritic=kept(elements.dendritic, table.fan_in[targets])
    )
