"""The state before the first step."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from neuro4d._base import address, alike, explicit_axes, placed_by_compiler, step_address, words_jax
from neuro4d.model._change import counted_groups
from neuro4d.model._fields import ModelFields
from neuro4d.model._layout import Group
from neuro4d.model._learn_wide import first_wide, is_wide
from neuro4d.model._live import first_alive, first_lives
from neuro4d.model._rewire import with_slots
from neuro4d.model._state import EdgeState, GroupState, State
from neuro4d.ops import empty, pack


def key_words(key: Any) -> Array:
    """The two words of a random key.

    **Raises:** `TypeError` for anything but one typed threefry key.
    """
    if not isinstance(key, jax.Array) or not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        raise TypeError(f"expected a typed random key, `jax.random.key(0)`; got {type(key).__name__} {key!r:.80}.")
    if key.shape != ():
        raise TypeError(f"expected one key; got {key.shape[0]}. For a batch of trials: `jax.vmap(model.init)(keys)`.")
    words = jax.random.key_data(key)
    if words.shape != (2,):
        raise TypeError(
            f"expected a threefry key, `jax.random.key(0, impl='threefry2x32')`; got an implementation with {words.shape[0]} words."
        )
    return words.astype(jnp.uint32)


@jax.jit
def first_state(model: ModelFields, words: Array, step: Array) -> State:
    """The state of a trial whose key has these words."""
    if not explicit_axes():
        return _first(words, model, step)

    def tied(words: Array, model: ModelFields, step: Array) -> tuple[Array, State]:
        """All of it depends on the key, so that the trials of a batch are divided among devices as their keys are."""
        return words, jax.tree.map(lambda x: jnp.where(words[0] == words[0], x, x), _first(words, model, step))

    return placed_by_compiler(tied, words, model, step)[1]


def _first(words: Array, model: ModelFields, step: Array) -> State:
    layout = model.layout
    soft = None if model.surrogate is None else model.dtype
    groups = {group.name: _group_state(model, group, words) for group in layout.groups}
    history = {group.name: empty(group.depth, group.n, soft) for group in layout.groups}
    edges = {name: with_slots(model, name, _edge_state(model, name, step)) for name in model.plasticity}
    counted = {name: jnp.zeros(layout.group(name).n, jnp.uint32) for name in counted_groups(model)}
    lives = first_lives(model, words)
    state = State(groups, edges, history, words, step, jnp.copy(step), jnp.uint32(0), layout.populations, lives, counted)
    return alike(state, model)


def _edge_state(model: ModelFields, name: str, step: Array) -> EdgeState:
    """The synapses of a plastic pathway, before any spike has left a trace."""
    path, rule = model.pathways[name], model.plasticity[name]
    if is_wide(rule, model.dt_ms):
        return first_wide(model, name)
    pre = {trace: jnp.zeros((path.delays.shape[0], path.n_source), model.dtype) for trace in rule.pre_traces()}
    pre |= {name: jnp.full((path.delays.shape[0], path.n_source), variable.first, model.dtype) for name, variable in rule.pre_variables().items()}
    post = {trace: jnp.zeros(path.n_target, model.dtype) for trace in rule.post_traces()}
    before = step - jnp.uint32(1)
    heard = jnp.full((path.delays.shape[0], path.n_source), before) if pre else None
    return EdgeState(path.weight, rule.init(path.weight), pre, post, heard, jnp.full(path.n_target, before) if post else None)


def _group_state(model: ModelFields, group: Group, words: Array) -> GroupState:
    """Variables of a group: drawn by (key, population, variable, neuron)."""
    first = group.spans[0].name
    neuron = model.neurons[first]
    names = list(neuron.variables)
    values = {name: _joined(model, group, words, name, lambda p, v=name: model.neurons[p].rest().get(v, 0.0)) for name in names}
    receptors = {}
    for port in group.port_names:
        receptor = model.receptors[first][port]
        first_of = {v: lambda p, v=v, port=port: model.receptors[p][port].rest().get(v, 0.0) for v in receptor.variables}
        receptors[port] = receptor.init({v: _joined(model, group, words, f"{port}.{v}", first_of[v]) for v in receptor.variables})
    return GroupState(neuron.init(values), receptors, _first_alive(model, group, words), _memories(model, group, words))


def _memories(model: ModelFields, group: Group, words: Array) -> dict[str, Array]:
    """What stimuli with a memory hold at the beginning, by name."""
    found = {}
    for span in model.layout.stimuli:
        noise = model.sources[span.name].noise() if span.group == group.name else None
        if noise is not None and noise.decay is not None:
            a, b = step_address(words, address(0, "stimulus", span.name, "init"), jnp.uint32(0))
            found[span.name] = noise.first(words_jax(a, b, jnp.arange(span.n, dtype=jnp.uint32)))
    return found


def _first_alive(model: ModelFields, group: Group, words: Array) -> Array | None:
    """Who is alive at the beginning, packed, where neurons may die."""
    if not group.mortal:
        return None
    return pack(jnp.concatenate([first_alive(model, span, words) for span in group.spans]))


def _joined(model: ModelFields, group: Group, words: Array, name: str, default: Any) -> Array:
    parts = []
    for span in group.spans:
        value = model.initial[span.name].get(name)
        if value is None:
            parts.append(jnp.broadcast_to(jnp.asarray(default(span.name), model.dtype), (span.size,)))
            continue
        a, b = step_address(words, address(0, "population", span.name, "init", name), jnp.uint32(0))
        parts.append(value.draw_jax(words_jax(a, b, jnp.arange(span.size, dtype=jnp.uint32)), model.dtype))
    return parts[0] if len(parts) == 1 else jnp.concatenate(parts)
