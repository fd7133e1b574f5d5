"""Projections whose synapses come and go: rows with room, and what events need to know, made in `build`."""

import dataclasses
from typing import Any, NamedTuple

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
import numpy as np

from neuro4d._base import address, attach, check_count, steps_of
from neuro4d.connect import AllToAll, BallMask, Neighbours, Rows
from neuro4d.lattice import distance
from neuro4d.model import cast, realise
from neuro4d.network._projection import Projection
from neuro4d.network._spec import BuildSpec
from neuro4d.ops import MAX_XLA_EDGES, Pathway, host_edges
from neuro4d.structure import PURPOSES, Candidates, Formation, StructuralPlasticity, Structure

MOST_PAIRS = 1 << 28


class Draw(NamedTuple):
    """What a rule of connection draws like the edges of a projection: who may propose whom."""

    name: str
    source: Any
    target: Any
    rule: Any


class Sides(NamedTuple):
    """The two ends of a projection: neurons of their groups, positions in um or `None`, and the period of each axis."""

    sources: np.ndarray
    targets: np.ndarray
    pre_xyz: np.ndarray | None
    post_xyz: np.ndarray | None
    wrap: np.ndarray | None


def check_structured(name: str, delays: np.ndarray, n_rows: int, slots: int) -> None:
    """Refuses what rows with room cannot hold, before an edge is drawn."""
    if len(delays) != 1:
        raise ValueError(
            f"projection {name!r}: synapses that come and go have one delay; got {len(delays)}, from {delays[0]} to {delays[-1]} steps. "
            "Use one projection for each, for example `delay=1*u.ms`."
        )
    if n_rows * slots > MAX_XLA_EDGES:
        raise ValueError(
            f"projection {name!r}: {n_rows:,} sources with {slots:,} slots each are {n_rows * slots:,}; plain XLA, which makes the events, addresses "
            f"at most {MAX_XLA_EDGES:,}. For example `slots={MAX_XLA_EDGES // n_rows}`."
        )


def with_room(path: Pathway, name: str, sources: np.ndarray, slots: int) -> Pathway:
    """A pathway in which every source has room for some synapses, of which those that there are come first.

    **Raises:** `ValueError` for a row that is longer, and for two synapses between the same two neurons.
    """
    bounds = np.asarray(path.bounds)
    counts = bounds[sources, -1].astype(np.int64)
    if counts.size and counts.max() > slots:
        raise ValueError(
            f"projection {name!r}: source {int(np.argmax(counts))} begins with {counts.max()} synapses; slots is {slots}. "
            f"For example `slots={2 * int(counts.max())}`."
        )
    _, source, _, where = host_edges(path, 0, path.n_source)
    if np.any((np.diff(source) == 0) & (np.diff(where) == 0)):  # edges are in order
        raise ValueError(
            f"projection {name!r}: synapses that come and go are at most one from a neuron to another; the first ones are not. Use a rule with "
            "`multapses=False`."
        )
    size = len(sources) * slots
    place = np.repeat(np.arange(len(sources)) * slots, counts) + np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    first = np.full(path.n_source, size, np.int64)
    first[sources] = np.arange(len(sources)) * slots
    return dataclasses.replace(
        path,
        targets=jnp.asarray(_spread(path.targets, place, size)),
        weight=jnp.asarray(_spread(path.weight, place, size)),
        start=jnp.asarray(np.stack([first & 0xFFFFFFFF, first >> 32], axis=1).astype(np.uint32)),
        row_hint=min(max(path.row_hint, 1 << (slots // (2 * path.n_blocks)).bit_length()), 1 << 10),
        some=None,
        room=slots,
    )


def _spread(values: Any, place: np.ndarray, size: int) -> np.ndarray:
    found = np.asarray(values)
    room = np.zeros(size, found.dtype)
    room[place] = found[: len(place)]
    return room


def make_structure(projection: Projection, sides: Sides, allowed: Rows | None, port: int, spec: BuildSpec) -> Structure:
    """What events of a projection need. `allowed`: who may propose whom, where that is not anybody."""
    rule, name = projection.structure, projection.name
    if rule is None:
        raise TypeError(f"projection {name!r} has no structure that changes.")
    every = int(steps_of(float(rule.every), spec.dt, f"projection {name!r}: StructuralPlasticity.every"))
    if every < 1:
        raise ValueError(f"projection {name!r}: StructuralPlasticity.every is at least one step of {attach(spec.dt, u.ms)}; got {attach(rule.every, u.ms)}.")
    n = len(sides.targets)
    _check_proposals(rule.formation, n if allowed is None else int(allowed.counts.max(initial=0)), name)
    pre, post = projection.source.population.name, projection.target.population.name
    return Structure(
        rule=_drawn(rule, name, sides, spec),
        sources=jnp.asarray(sides.sources, jnp.int32),
        targets=jnp.asarray(sides.targets, jnp.int32),
        candidates=None if allowed is None or rule.formation is None else _candidates(rule.formation, sides, allowed, spec),
        room=check_count(projection.slots, "slots"),
        every=every,
        port=port,
        recurrent=spec.spans[pre].group == spec.spans[post].group,
        addresses=tuple(address(0, "structure", name, purpose) for purpose in PURPOSES),
    )


def allowed_rule(rule: StructuralPlasticity, sides: Sides, name: str) -> Any:
    """The rule of connection that says who may propose whom, or `None` where anybody may.

    **Raises:** `ValueError` for neurons without a place, and where there are too many pairs.
    """
    formation = rule.formation
    if formation is None or not formation.spatial:
        return None
    if sides.pre_xyz is None or sides.post_xyz is None:
        raise ValueError(
            f"projection {name!r}: a kernel and a radius of Formation need neurons with a place. Put both populations on a lattice, for example "
            "`Population('v1', brain['V1'].sample(density=0.1), ...)`, or use `kernel=\"uniform\"` without a radius."
        )
    if formation.radius is not None:
        return Neighbours(BallMask(float(formation.radius) * u.um), autapses=rule.autapses)
    if len(sides.sources) * len(sides.targets) > MOST_PAIRS:
        raise ValueError(
            f"projection {name!r}: {len(sides.sources):,} times {len(sides.targets):,} pairs are too many to list; give Formation a radius, for example "
            "`radius=200*u.um`."
        )
    return AllToAll(autapses=rule.autapses)


def _check_proposals(formation: Formation | None, candidates: int, name: str) -> None:
    if formation is None:
        return
    least = formation.least_proposals(candidates)
    if formation.proposals < least:
        raise ValueError(
            f"projection {name!r}: with rate {float(formation.rate):g} and {candidates:,} candidates a source needs at least {least} proposals; got "
            f"{formation.proposals}. For example `proposals={least}`, a smaller `rate` or `radius`."
        )


def _drawn(rule: StructuralPlasticity, name: str, sides: Sides, spec: BuildSpec) -> StructuralPlasticity:
    """The rule with its distributions drawn, in the precision of the model."""
    growth = rule.growth
    if growth is not None:
        ends = (("axonal", len(sides.sources)), ("dendritic", len(sides.targets)))
        curves = [cast(realise(getattr(growth, side), n, spec.seed, ("structure", name, side)), spec.dtype) for side, n in ends]
        growth = eqx.tree_at(lambda g: (g.axonal, g.dendritic), cast(growth, spec.dtype), tuple(curves))
    parts = [growth, *(None if part is None else cast(part, spec.dtype) for part in (rule.formation, rule.pruning))]
    return eqx.tree_at(lambda r: (r.growth, r.formation, r.pruning), cast(rule, spec.dtype), tuple(parts), is_leaf=lambda x: x is None)


def _candidates(formation: Formation, sides: Sides, allowed: Rows, spec: BuildSpec) -> Candidates:
    if sides.pre_xyz is None or sides.post_xyz is None:
        raise TypeError("candidates have places.")
    counts = np.asarray(allowed.counts, np.int64)
    target = np.asarray(allowed.targets(0, len(counts)), np.int32)
    share = np.empty(len(target))
    source = np.repeat(np.arange(len(counts)), counts)
    for low in range(0, len(target), 1 << 20):
        here = slice(low, low + (1 << 20))
        share[here] = formation.share(distance(sides.pre_xyz[source[here]], sides.post_xyz[target[here]], sides.wrap))
    if not len(target):  # nobody has candidates; arrays to be read have one entry at least
        target, share = np.zeros(1, np.int32), np.zeros(1)
    starts = (np.cumsum(counts) - counts).astype(np.int32)
    return Candidates(jnp.asarray(starts), jnp.asarray(counts, jnp.int32), jnp.asarray(target), jnp.asarray(share, spec.dtype))
