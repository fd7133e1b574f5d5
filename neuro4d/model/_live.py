"""The event of a life cycle: neurons of a population grow older, die, have children and divide."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32, UInt32

from neuro4d._base import address, alike, step_address, words_jax
from neuro4d.model._fields import ModelFields
from neuro4d.model._layout import Span
from neuro4d.model._learn_wide import ends, first_of_targets
from neuro4d.model._state import EdgeState, GroupState, State, in_force
from neuro4d.ops import ids_of, pack, rounded, unpack
from neuro4d.structure import LifeState, Living, Wired, dividing, dying, kept_valid, normal, older, settle, varied

At = Callable[..., tuple[Array, Array]]
"""The address of random words of an event, by what they decide."""


class Births(NamedTuple):
    """Who is born in an event, `(n,)`: whether a child begins at a place, and the place of its parent."""

    here: Bool[Array, " n"]
    parent: Int32[Array, " n"]


def first_lives(model: ModelFields, words: UInt32[Array, "2"]) -> dict[str, LifeState]:
    """The lives before the first step, by population."""
    return {name: _first_life(model, name, words) for name in model.lives}


def _first_life(model: ModelFields, name: str, words: UInt32[Array, "2"]) -> LifeState:
    living, n, dtype = model.lives[name], model.layout.spans[name].size, model.dtype
    index = jnp.arange(n, dtype=jnp.uint32)
    a, b = step_address(words, address(0, "population", name, "life", "age"), jnp.uint32(0))
    age = living.first_age.draw_jax(words_jax(a, b, index), dtype)
    lost = jnp.zeros((), dtype) if living.health_decay is None else living.health_decay
    neuron, nothing = model.neurons[name], jnp.uint32(0)
    return LifeState(
        age=_whole(jnp.broadcast_to(age, (n,)) / model.dt_ms),
        health=jnp.broadcast_to(jnp.maximum(1 - rounded(lost * age), 0).astype(dtype), (n,)),
        generation=jnp.zeros(n, jnp.uint32),
        identity=index.astype(jnp.int32),
        parent=jnp.full(n, -1, jnp.int32),
        born=jnp.full(n, -1, jnp.int32),
        parameters={field: jnp.broadcast_to(getattr(neuron, field), (n,)) for field in living.inherits},
        heard=jnp.zeros(n, jnp.uint32) if living.counts else None,
        births=nothing,
        deaths=nothing,
        refused=nothing,
    )


def first_alive(model: ModelFields, span: Span, words: UInt32[Array, "2"]) -> Bool[Array, " n"]:
    """Who of a population is alive before the first step: those that were named, or that are drawn, or the first ones."""
    if span.alive is None:
        return jnp.ones(span.size, bool)
    index = jnp.arange(span.size, dtype=jnp.uint32)
    if span.name in model.founders:
        return unpack(model.founders[span.name], span.size)
    if not span.drawn:
        return index < span.alive
    a, b = step_address(words, address(0, "population", span.name, "alive"), jnp.uint32(0))
    order = jnp.argsort(words_jax(a, b, index), stable=True)
    return jnp.zeros(span.size, bool).at[order[: span.alive]].set(True)


def live(model: ModelFields, name: str, state: State) -> State:
    """The state after an event of the life cycle of a population."""
    living, span, elapsed = model.lives[name], model.layout.spans[name], state.step - state.start
    here = slice(span.start, span.start + span.size)
    alive = state.alive_in(span.group)
    heard = state.counted[span.group][here] if living.counts else None

    def at(*what: str) -> tuple[Array, Array]:
        return step_address(state.key, address(0, "population", name, "life", *what), elapsed)

    lost = None if living.health_decay is None else rounded(living.health_decay * (living.every * model.dt_ms))
    life = older(state.life[name], alive[here], living.every, lost)
    oldest = None if living.max_age is None else _whole(living.max_age / model.dt_ms)
    dead = dying(life, alive[here], living.death_below, oldest)
    births, refused = _births(living, life, alive[here] & ~dead, dead, heard, at, model.dt_ms)
    living_now = (alive[here] & ~dead) | births.here
    state = eqx.tree_at(lambda s: s.groups[span.group].alive, state, pack(_put(alive, living_now, span.start)))
    count = lambda x: jnp.sum(x, dtype=jnp.uint32)  # noqa: E731
    life = life._replace(
        births=life.births + count(births.here), deaths=life.deaths + count(dead), refused=life.refused + refused, heard=heard
    )
    state = _with_life(state, name, life)
    return jax.lax.cond(jnp.any(births.here), lambda state: _born(model, name, state, births, at), lambda state: state, state)


def _whole(steps: Float[Array, "*n"]) -> UInt32[Array, "*n"]:
    """The nearest number of steps that can be counted; no clock goes further than 2^32."""
    return jnp.minimum(jnp.round(steps), 2.0**32 - 2.0**8).astype(jnp.uint32)


def _put(old: Array, new: Array, start: int) -> Array:
    """An array with some entries replaced. Not `at`: its empty index has no place on several devices below a choice and `vmap`."""
    return jax.lax.dynamic_update_slice_in_dim(old, new, start, 0)


def _with_life(state: State, name: str, life: LifeState) -> State:
    return eqx.tree_at(lambda s: s.life[name], state, life)


def _births(
    living: Living, life: LifeState, alive: Bool[Array, " n"], dead: Bool[Array, " n"], heard: Any, at: At, dt: float
) -> tuple[Births, UInt32[Array, ""]]:
    """Children in the places of those who died, and of those who divide, and how many of the latter found no place."""
    n = alive.shape[0]
    me = jnp.arange(n, dtype=jnp.int32)
    replaced = dead if living.reproduction else jnp.zeros(n, bool)
    if living.division_rate is None:
        return Births(replaced, me), jnp.uint32(0)
    time = living.every * dt
    busy = None
    if heard is not None and life.heard is not None:
        busy = (heard - life.heard).astype(living.division_above.dtype) >= living.division_above * time
    word = words_jax(*at("division"), me.astype(jnp.uint32))
    parents = dividing(alive, word, -jnp.expm1(-living.division_rate * time), busy)
    owner, refused = settle(parents, ~(alive | replaced), living.places, at("place"))
    return Births(replaced | (owner >= 0), jnp.where(owner >= 0, owner, me)), refused


def _born(model: ModelFields, name: str, state: State, births: Births, at: At) -> State:
    """The state in which children begin: what they inherit, and all else as at the beginning."""
    living, span, life = model.lives[name], model.layout.spans[name], state.life[name]
    elapsed, index = state.step - state.start, jnp.arange(span.size, dtype=jnp.uint32)
    before = {field: life.parameters[field][births.parent] for field in living.inherits}
    draw = lambda field: normal(words_jax(*at("parameter", field), index), living.quantiles, model.dtype)  # noqa: E731
    drawn = {field: varied(x, draw(field), living.mutation_params) for field, x in before.items()}
    inherited = kept_valid(drawn, before, living.ranges, living.ordered)

    def new(value: Any, old: Array) -> Array:
        return jnp.where(births.here, value, old)

    rank = jnp.cumsum(births.here, dtype=jnp.int32)
    earlier = (life.births - jnp.sum(births.here, dtype=jnp.uint32)).astype(jnp.int32)
    life = life._replace(
        age=new(jnp.uint32(0), life.age),
        health=new(jnp.ones((), life.health.dtype), life.health),
        generation=new(life.generation[births.parent] + 1, life.generation),
        identity=new(span.size + earlier + rank - 1, life.identity),
        parent=new(life.identity[births.parent], life.parent),
        born=new(elapsed.astype(jnp.int32), life.born),
        parameters={field: new(value, life.parameters[field]) for field, value in inherited.items()},
    )
    group = model.layout.group(span.group)
    whole = _put(jnp.zeros(group.n, bool), births.here, span.start)
    held = _at_rest(model, span, state.groups[span.group], life, births.here)
    edges = {path: _edges_after(model, path, each, {span.group: whole}, living, at) for path, each in state.edges.items()}
    state = eqx.tree_at(lambda s: (s.groups[span.group], s.edges), state, (held, edges))
    return _with_life(state, name, life)


def _at_rest(model: ModelFields, span: Span, held: GroupState, life: LifeState, born: Bool[Array, " n"]) -> GroupState:
    """A group in which those who are born begin at rest."""
    neuron, dtype = model.neurons[span.name], model.dtype
    if life.parameters:
        fields = tuple(life.parameters)
        neuron = eqx.tree_at(lambda p: [getattr(p, f) for f in fields], neuron, [life.parameters[f] for f in fields])
    each = lambda x: jnp.broadcast_to(jnp.asarray(x, dtype), (span.size,))  # noqa: E731
    rest = neuron.rest()
    neurons = neuron.init({v: each(rest.get(v, 0.0)) for v in neuron.variables})
    receptors = {}
    for port, receptor in model.receptors[span.name].items():
        rest = receptor.rest()
        receptors[port] = receptor.init({v: each(rest.get(v, 0.0)) for v in receptor.variables})
    here = slice(span.start, span.start + span.size)

    def put(old: Array, new: Array) -> Array:
        return _put(old, jnp.where(born, new.astype(old.dtype), old[here]), span.start)

    return held._replace(
        neurons=jax.tree.map(put, held.neurons, neurons),
        receptors={port: jax.tree.map(put, old, receptors[port]) for port, old in held.receptors.items()},
    )


def _edges_after(
    model: ModelFields, name: str, held: EdgeState, born: dict[str, Bool[Array, " n"]], living: Living, at: At
) -> EdgeState:
    """Synapses that live in the state, after births in a group: their weights are inherited, what traces say of the dead is forgotten."""
    path, rule = model.pathways[name], model.plasticity[name]
    source, target = born.get(path.source), born.get(path.target)
    if source is not None:
        first = {variable: each.first for variable, each in rule.pre_variables().items()}
        held = held._replace(pre={trace: jnp.where(source, first.get(trace, 0), x).astype(x.dtype) for trace, x in held.pre.items()})
    if target is not None:
        held = held._replace(post={trace: jnp.where(target, 0, x) for trace, x in held.post.items()})
        if held.wide is not None:
            own = first_of_targets(path, rule, model)
            fresh = {v: jnp.where(target.reshape(-1, *(1,) * (x.ndim - 1)), own[v], x) for v, x in held.wide.targets.items()}
            held = held._replace(wide=held.wide._replace(targets=fresh))
    if name not in living.wired:
        return held
    wired = living.wired[name]
    sources, targets = wired.source, wired.target
    if held.slots is not None:  # synapses that come and go: those that there are now
        sources, _, targets, _ = ends(in_force(path, held))
        targets = jnp.where(sources < path.n_source, targets, path.n_target)
    born_at = [jnp.append(each, False)[who] for each, who in ((source, sources), (target, targets)) if each is not None]
    changed = born_at[0] if len(born_at) == 1 else born_at[0] | born_at[1]
    lasting = rule.lasting()
    old = held.weight if lasting is None else held.variables[lasting]
    inherited = _moved(old, changed, wired, living, at("weight", name))
    if lasting is None:
        return held._replace(weight=inherited)
    # What the next spike releases follows in the next step; a strength that the rule alone knows is what its children inherit.
    return held._replace(variables=held.variables | {lasting: inherited})


AT_ONCE = 1 << 12
"""Synapses that inherit at a time."""


def _moved(
    old: Float[Array, " nnz"], changed: Bool[Array, " nnz"], wired: Wired, living: Living, address: tuple[Array, Array]
) -> Float[Array, " nnz"]:
    """Weights of which some have moved by a normally distributed number, within their bounds. Costs what moves."""
    n, sigma = old.shape[0], living.mutation_weights
    ids, number = ids_of(changed, pack(changed))
    rank = jnp.arange(min(AT_ONCE, n), dtype=jnp.int32)

    def body(carry: tuple[Array, Array]) -> tuple[Array, Array]:
        first, weight = carry
        who = jnp.where(first + rank < number, ids[jnp.minimum(first + rank, n - 1)], n)
        here = jnp.minimum(who, n - 1)
        noise = rounded(sigma * normal(words_jax(*address, who.astype(jnp.uint32)), living.quantiles, sigma.dtype))
        low = wired.low[here] if wired.low.ndim else wired.low
        after = jnp.clip(weight[here].astype(sigma.dtype) + noise, low, wired.high)
        return first + rank.shape[0], weight.at[who].set(after.astype(weight.dtype), mode="drop")

    begin = alike((jnp.int32(0), old), ids, number, wired, sigma, address)
    return jax.lax.while_loop(lambda carry: carry[0] < number, body, begin)[1] if n else old
