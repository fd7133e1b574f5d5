"""The stage *learn* event by event, in plain XLA: only synapses through which a spike arrives, or whose target fires, are looked at."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Int32

from neuro4d.model._choice import foreign, native_rule, obstacle
from neuro4d.model._fields import ModelFields
from neuro4d.model._learn_wide import is_wide
from neuro4d.ops import History, Pairs, Pathway, Rows, Visit, after, fold_rows, ids_of, walk_rows, with_columns
from neuro4d.plasticity import AbstractPlasticity, Seen

EDGES_AT_ONCE = 1 << 10

Ends = tuple[Int32[Array, "*k"], Int32[Array, "*k"], Int32[Array, "*k"]]
"""Number of the delay, source and target of some synapses."""

Held = tuple[Array, dict[str, Array]]
"""Weights and further variables of all synapses of a pathway."""


def goes_by_events(rule: AbstractPlasticity, dt: float) -> bool:
    """Whether nothing happens to a synapse but when a spike arrives or its target fires, and once in several steps; not so where a number of the rule belongs to
    single synapses."""
    kind, scalars = type(rule), all(jnp.ndim(leaf) == 0 for leaf in jax.tree.leaves(rule))
    seldom = rule.every > 1 or kind.on_step is AbstractPlasticity.on_step
    return rule.learns and scalars and not is_wide(rule, dt) and kind.step is AbstractPlasticity.step and seldom


def by_targets(model: Any) -> tuple[str, ...]:
    """Pathways whose synapses have to be found by their targets: those that learn event by event, and not natively."""
    if all(native_rule(rule) is not None for rule in model.plasticity.values() if rule.learns) and not _steps_apart(model):
        return ()
    return tuple(name for name, rule in model.plasticity.items() if goes_by_events(rule, model.dt_ms) and name not in model.structures)


def ready_for_events(model: Any) -> Any:
    """The model with its synapses by targets, where a rule asks for them and does not learn natively. On the host."""
    names = by_targets(model)
    paths = {name: with_columns(path) if name in names else path for name, path in model.pathways.items()}
    return eqx.tree_at(lambda m: m.pathways, model, paths, is_leaf=lambda x: x is None) if names else model


def _steps_apart(model: ModelFields) -> bool:
    """Whether anything stands in the way of many steps in one native call, but rules of plasticity."""
    return model.surrogate is not None or bool(model.layout.gaps) or any(obstacle(model, g) or foreign(model, g) for g in model.layout.groups)


def visited(path: Pathway, rule: AbstractPlasticity, held: Held, spikes: tuple[Array, Array, History, Array], look: Callable[[Ends], Seen]) -> Held:
    """Weights and variables after a step. `spikes`: who of the targets fired, as booleans and packed; the past of the sources; the step.
    `look`: what synapses with some ends see of the step."""
    fired, words, history, step = spikes
    kind, size = type(rule), held[0].shape[0]

    def changed(held: Held, of: Callable, edge: Array, real: Array, ends: Ends) -> Held:
        at = edge.reshape(-1)
        some = jax.tree.map(lambda x: x[at], held)
        which, source, target = (jnp.broadcast_to(x, edge.shape).reshape(-1) for x in ends)
        new = of(*some, look((which, source, target)))
        place = jnp.where(real.reshape(-1), at, size)
        return jax.tree.map(lambda x, y: x.at[place].set(jnp.asarray(y, x.dtype), mode="drop"), held, new)

    if kind.on_post is not AbstractPlasticity.on_post:
        ids, number = ids_of(fired, words)
        # Weights are written in place only if whoever delivers them has read before.
        held = _columns(path, held, (ids, after(number, history.count[0])), lambda held, *some: changed(held, rule.on_post, *some))
    if kind.on_pre is AbstractPlasticity.on_pre:
        return held

    def arriving(held: Held, some: Visit) -> Held:
        neuron = some.block * path.width + path.targets[some.edge].astype(jnp.int32) % path.width
        ends = (some.which[:, None], some.source[:, None], jnp.minimum(neuron, path.n_target - 1))
        return changed(held, rule.on_pre, some.edge, some.real, ends)

    return fold_rows(path, history.ids, history.count, step, held, arriving, EDGES_AT_ONCE)[0]


def _columns(path: Pathway, held: Held, fired: tuple[Array, Array], change: Callable) -> Held:
    """All synapses of the targets that fired."""
    columns, (ids, number) = path.columns, fired
    if columns is None:
        raise TypeError(f"the synapses from {path.source!r} to {path.target!r} cannot be found by their targets.")

    def pairs_at(rank: Int32[Array, " pairs"]) -> Pairs:
        valid = rank < number
        return Pairs(jnp.zeros_like(rank), jnp.where(valid, ids[jnp.minimum(rank, ids.shape[0] - 1)], 0), valid)

    def firing(held: Held, some: Visit) -> Held:
        ends = (columns.which[some.edge], columns.source[some.edge], some.source[:, None])
        return change(held, columns.edge[some.edge], some.real, ends)

    return walk_rows(Rows(columns.start, columns.bounds, 1, columns.hint), number, pairs_at, held, firing, EDGES_AT_ONCE)[1]


def each_lane(events: Callable, everywhere: Callable) -> Callable:
    """`events(*arrays)`, whose lanes under `vmap` follow each other on a CPU: loops that went on together would select among all synapses in every
    turn. Elsewhere, and for derivatives, `everywhere(*arrays)`, which computes the same and looks at all synapses."""

    @custom_vmap
    def run(*arrays: Any) -> Any:
        return events(*arrays)

    @run.def_vmap
    def rule(axis_size: int, in_batched: Any, *arrays: Any) -> Any:
        leaves, tree = jax.tree.flatten(arrays)
        flags = jax.tree.leaves(in_batched)

        def lanes(*leaves: Array) -> Any:
            def lane(i: Array) -> Any:
                own = [jax.lax.dynamic_index_in_dim(x, i, 0, keepdims=False) if here else x for x, here in zip(leaves, flags, strict=True)]
                return run(*jax.tree.unflatten(tree, own))

            return jax.lax.map(lane, jnp.arange(axis_size))

        def together(*leaves: Array) -> Any:
            axes = jax.tree.unflatten(tree, [0 if here else None for here in flags])
            return jax.vmap(everywhere, axes, axis_size=axis_size)(*jax.tree.unflatten(tree, leaves))

        out = jax.lax.platform_dependent(*leaves, cpu=lanes, default=together)
        return out, jax.tree.map(lambda _: True, out)

    @jax.custom_jvp
    def whole(*arrays: Any) -> Any:
        return run(*arrays)

    whole.defjvp(lambda primals, tangents: jax.jvp(everywhere, primals, tangents))
    return whole
