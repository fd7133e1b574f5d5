"""Changing the weights of a projection, also where it shares a pathway with others."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neuro4d._base import check_fits, check_name, check_range, is_traced, strip_traced
from neuro4d.model._edges import as_wired, locate, span_of, traced_mask, unit_of
from neuro4d.model._fields import ModelFields
from neuro4d.model._layout import ProjectionSpan
from neuro4d.model._shares import PIECE, Share, check_counts, shares
from neuro4d.model._state import State
from neuro4d.ops import Pathway


@dataclasses.dataclass(frozen=True)
class Weights:
    """Points at the weights of a projection, for `n4.set` and `n4.sweep`.

    !!! Example

        >>> import neuro4d as n4
        >>> n4.Weights("e")
        Weights(projection='e')
    """

    projection: str

    def __post_init__(self):
        check_name(self.projection, "projection")


def set_weights(target: Any, projection: str, values: Any, *, model: ModelFields | None = None) -> Any:
    """A model or a state in which a projection has other weights. Works on the host and inside `jit`, `vmap` and `grad`.

    **Arguments:**

    - `target`: a model, or a state (then name its `model`) where the weights of the projection live in the state.
    - `projection`: its name.
    - `values`: one quantity for all, or one for each edge, `(k,)` in the order of `model.edges(projection)`; a traced bare number is
      in the unit of the receptor's weights.

    **Returns:** the new model or state. A projection that shares its pathway gets a number for each source or edge of the pathway.

    **Raises:** `UnknownNameError`, `UnitError`, `TypeError`, `ValueError` if the values do not fit: their number, a negative
    conductance, what is not finite. Where the model is traced itself, a wrong number of values makes the weights `nan`, and the run
    that uses them raises.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> cells = n4.Population("cells", 3, n4.Relay(), {"in": n4.Delta()})
        >>> chain = n4.Projection("chain", cells[:2], cells[1:], "in", n4.OneToOne(), weight=1*u.mV)
        >>> model = n4.Network(cells, chain).build(dt=0.1*u.ms, seed=0)
        >>> n4.set_weights(model, "chain", [2, 3]*u.mV).weights("chain").to_decimal(u.mV).tolist()
        [2.0, 3.0]
    """
    if isinstance(target, State):
        if model is None:
            raise TypeError("a state does not know its projections: `n4.set_weights(state, 'e', values, model=model)`.")
        return _in_state(target, model, projection, values)
    if not isinstance(target, ModelFields):
        raise TypeError(f"expected a model or a state; got {type(target).__name__}.")
    span = span_of(target, projection)
    path = target.pathways[span.pathway]
    bare = _bare(target, projection, values, path.weight.dtype)
    return eqx.tree_at(lambda m: m.pathways[span.pathway], target, _changed(target, span, path, bare))


def _bare(model: ModelFields, projection: str, values: Any, dtype: Any) -> Array:
    """Values in the unit of the receptor, checked unless they are traced."""
    unit, where = unit_of(model, projection), f"weights of projection {projection!r}"
    given = strip_traced(values, unit, where)
    if not is_traced(given):
        span = span_of(model, projection)
        receptor = model.receptors[span.post.population][span.port]
        check_range(given, unit, where, low=None if receptor.signed else 0)
        check_fits(given, dtype, where)
    bare = jnp.asarray(given, dtype)
    if bare.ndim > 1:
        raise ValueError(f"{where} are one number or one per edge, shape (k,); got shape {bare.shape}.")
    return bare


def _changed(model: ModelFields, span: ProjectionSpan, path: Pathway, bare: Array) -> Pathway:
    others = [other for other in model.layout.projections_by_pathway[span.pathway] if other.name != span.name]
    if bare.ndim == 0 and not others:
        return dataclasses.replace(path, weight=jnp.broadcast_to(bare, path.weight.shape))
    if bare.ndim == 0 and path.weight_kind != "edge" and not any(_meet(span, other) for other in others):
        here = slice(span.pre.in_group, span.pre.in_group + span.pre.extent)
        per_source = jnp.broadcast_to(path.weight, (path.n_source,)).at[here].set(bare)
        return dataclasses.replace(path, weight=per_source, weight_kind="source")
    whole = _per_edge(path)
    return dataclasses.replace(path, weight=_put(model, span, whole, bare), weight_kind="edge")


def _meet(a: ProjectionSpan, b: ProjectionSpan) -> bool:
    """Whether two projections may have sources in common."""
    return a.pre.in_group < b.pre.in_group + b.pre.extent and b.pre.in_group < a.pre.in_group + a.pre.extent


def _per_edge(path: Pathway) -> Array:
    if path.weight_kind == "edge":
        return path.weight
    if path.weight_kind == "one":
        return jnp.broadcast_to(path.weight, path.targets.shape)
    lengths = path.bounds[:, -1].astype(jnp.int32)
    return jnp.repeat(path.weight, lengths, total_repeat_length=path.targets.shape[0])


def _put(model: ModelFields, span: ProjectionSpan, whole: Array, bare: Array) -> Array:
    """Weights of a pathway with those of one projection replaced."""
    if is_traced(model.pathways[span.pathway].targets):
        mine = traced_mask(model, span.name)
        if bare.ndim == 0:
            return jnp.where(mine, bare, whole)
        bare = jnp.where(jnp.sum(mine) == bare.shape[0], bare, jnp.nan)  # how many edges there are is not known earlier
        return whole.at[jnp.nonzero(mine, size=bare.shape[0], fill_value=whole.shape[0])[0]].set(bare, mode="drop")
    place = locate(model, span.name).place
    if bare.shape not in ((), place.shape):
        raise ValueError(f"projection {span.name!r} has {len(place)} edges: give one weight, or one per edge; got shape {bare.shape}.")
    return whole.at[place].set(bare)


def _in_state(state: State, model: ModelFields, projection: str, values: Any) -> State:
    span = span_of(model, projection)
    if span.pathway not in state.edges:
        raise ValueError(
            f"the weights of projection {projection!r} live in the model: `n4.set_weights(model, {projection!r}, ...)`. They live in the "
            "state if the projection is made with `plasticity=n4.Free()` or a rule."
        )
    held, model = state.edges[span.pathway], as_wired(model, state)
    weight = _put(model, span, held.weight, _bare(model, projection, values, held.weight.dtype))
    return eqx.tree_at(lambda s: s.edges[span.pathway], state, held._replace(weight=weight))


def with_weights(model: Any, given: Mapping[str, Any], seed: Any) -> Any:
    """A model in which projections have these weights, bare, `(k,)` each in the order of `edges`. Where one number for a pathway or one for a source says
    it, as before, the pathway keeps that form. `seed`: that of the model that they come from, for the message.

    **Raises:** `ValueError` for another number of edges, and what `set_weights` raises.
    """
    for pathway, spans in model.layout.projections_by_pathway.items():  # in the order of definition, in which errors are found
        path = model.pathways[pathway]
        mine = {span.name: np.asarray(given[span.name]) for span in spans if span.name in given}
        if not mine:
            continue
        short = _Short(path, len(mine) == len(spans))
        counts = dict.fromkeys(mine, 0)
        changed: dict[str, bool] = {}
        for share in shares(model, pathway, tuple(mine)):
            name, counts[share.span.name] = share.span.name, share.here.stop
            values = mine[name].reshape(-1)[share.here]
            if len(values) == share.n and short.take(share, values):
                changed[name] = True
        check_counts(counts, mine, f" Build with seed={seed}.")
        for name in changed:
            _check_like_typed(model, name, mine[name], path.weight.dtype)
        if changed:
            after = short.result() if short.possible else _by_edge(model, pathway, mine)
            model = eqx.tree_at(lambda m: m.pathways, model, model.pathways | {pathway: after})
    return model


def _check_like_typed(model: ModelFields, name: str, values: np.ndarray, dtype: Any) -> None:
    """What `set_weights` checks, a piece at a time; an error speaks of the whole."""
    unit = unit_of(model, name)
    try:
        for begin in range(0, len(values), PIECE):
            _bare(model, name, values[begin : begin + PIECE].astype(np.float64) * unit, dtype)
    except ValueError:
        _bare(model, name, values.astype(np.float64) * unit, dtype)
        raise


def _by_edge(model: ModelFields, pathway: str, given: Mapping[str, np.ndarray]) -> Pathway:
    """A pathway with a number for each edge, those of some projections given."""
    path = model.pathways[pathway]
    whole = np.array(_per_edge(path))
    for share in shares(model, pathway, tuple(given)):
        share.write(whole, given[share.span.name][share.here].astype(whole.dtype))
    return dataclasses.replace(path, weight=jnp.asarray(whole), weight_kind="edge")


class _Short:
    """The weights of a pathway in the form in which they are kept, as they change share by share. `possible`: whether that form says them."""

    def __init__(self, path: Pathway, complete: bool):
        self.path, self.kind, self.before = path, path.weight_kind, np.asarray(path.weight)
        self.after: np.ndarray | None = None  # a copy only where something changes
        self.known = np.zeros(() if self.kind == "edge" else self.before.shape, bool)
        self.complete, self.possible = complete or self.kind == "edge", True

    def take(self, share: Share, values: np.ndarray) -> bool:
        """Puts the weights of a share; returns whether some are others than before."""
        values = values.astype(self.before.dtype, copy=False)
        old = share.read(self.before) if self.kind == "edge" else self.before[() if self.kind == "one" else share.source]
        changed = not np.all(old == values)
        if changed and self.after is None:
            self.after, self.possible = self.before.copy(), self.complete
        if self.kind == "edge":
            if changed and self.after is not None:
                share.write(self.after, values)
        elif share.n:
            self._keep(() if self.kind == "one" else share.source, values, changed)
        return changed

    def _keep(self, place: Any, values: np.ndarray, changed: bool) -> None:
        """One number for all, or one for a source: it is possible where all that speak of it agree."""
        held = self.before if self.after is None else self.after
        known = self.known[place]
        if changed and self.after is not None:
            first = values[0] if self.kind == "one" else values
            self.after[place] = np.where(known, held[place], first)
            held = self.after
        self.known[place] = True
        self.possible &= bool(np.all(held[place] == values))

    def result(self) -> Pathway:
        """The pathway with these weights."""
        return dataclasses.replace(self.path, weight=jnp.asarray(self.after))
