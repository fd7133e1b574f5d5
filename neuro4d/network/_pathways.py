"""Projections resolved and collected into pathways, whose edges are drawn and sorted."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from neuro4d._base import Given, address, check_fits
from neuro4d.connect import Ends, Rows
from neuro4d.kernels import WeightKind
from neuro4d.lattice import Placement
from neuro4d.model import End, ProjectionSpan
from neuro4d.network._delays import delay_range, distinct_delays
from neuro4d.network._dendritic import check_steps
from neuro4d.network._population import Chosen, PopulationView
from neuro4d.network._projection import Projection
from neuro4d.network._sort import ResolvedProjection, Shape, pairs_with_synapses, sort_edges, weight_kind
from neuro4d.network._spec import BuildSpec
from neuro4d.network._structure import Draw, Sides, allowed_rule, check_structured, make_structure, with_room
from neuro4d.ops import MAX_XLA_EDGES, Pathway, host_edges
from neuro4d.plasticity import AbstractPlasticity
from neuro4d.structure import Structure


class PathwayKey(NamedTuple):
    """What projections must share to lie in one pathway: the groups of their ends, whether their spikes arrive at the beginning of a
    step, and the very same plasticity rule, if any. Static synapses are never kept with plastic ones, and a projection whose delays are
    trained, or whose synapses come and go, has a pathway of its own."""

    source: str
    target: str
    early: bool
    plasticity: int | None
    trained: str | None
    structured: str | None = None


class Member(NamedTuple):
    """A projection of a pathway: as it was written, resolved, with its shortest and longest delay in steps."""

    projection: Projection
    resolved: ResolvedProjection
    low: int
    high: int


class Members(NamedTuple):
    """The projections of a pathway and its name in the model."""

    name: str
    rule: AbstractPlasticity | None
    members: list[Member]


def collect(projections: Sequence[Projection], spec: BuildSpec, resolve: Callable[..., Any] | None = None) -> dict[PathwayKey, Members]:
    """All projections by pathway. `resolve` takes a projection, its number and the spec; by default it draws who is connected to whom."""
    found: dict[PathwayKey, Members] = {}
    names: set[str] = set()
    for projection in projections:
        low, high = delay_range(projection, spec.dt)
        check_steps(projection, low, spec.dt)
        rule, key = projection.plasticity, _pathway_key(projection, high, spec)
        if key not in found:
            found[key] = Members(_name_of(key, projection, names), rule, [])
            names.add(found[key].name)
        members = found[key].members
        members.append(Member(projection, (resolve or _resolve)(projection, len(members), spec), low, high))
    return found


def _pathway_key(projection: Projection, high: int, spec: BuildSpec) -> PathwayKey:
    """The pathway that a projection belongs to; `high`: its longest delay in steps."""
    receptor, rule = projection.target.population.receptors[projection.port], projection.plasticity
    return PathwayKey(
        spec.spans[projection.source.population.name].group,
        spec.spans[projection.target.population.name].group,
        high == 0 and receptor.takes_early,
        None if rule is None else id(rule),
        None if projection.trainable is None else projection.name,
        None if projection.structure is None else projection.name,
    )


def _name_of(key: PathwayKey, first: Projection, taken: set[str]) -> str:
    """The name of a pathway: its groups, what sets it apart, and its first projection where that is not enough."""
    name = f"{key.source}->{key.target}{' (early)' if key.early else ''}{'' if key.plasticity is None else ' (plastic)'}"
    if key.trained is not None:
        name = f"{name} (trained delays)"
    if key.structured is not None:
        name = f"{name} (structural)"
    return name if name not in taken else f"{name} {first.name}"


def draw_rows(part: Any, kind: str, spec: BuildSpec) -> tuple[Chosen, Chosen, Rows]:
    """The two ends of a projection, or of what has a `source`, a `target` and a `rule` like one, and the edges between them."""
    pre, post = part.source, part.target
    sources, targets = pre.resolve(spec.spans[pre.population.name].size), post.resolve(spec.spans[post.population.name].size)
    ends = Ends(
        address=address(spec.seed, kind, part.name, "structure"),
        n_pre=sources.n,
        n_post=targets.n,
        self_shift=_shift(part, kind, sources, targets),
        pre_xyz=_positions(pre, spec, sources.selection),
        post_xyz=_positions(post, spec, targets.selection),
        wrap=_wrap(pre),
    )
    try:
        return sources, targets, part.rule.rows(ends)
    except (ValueError, IndexError) as error:
        raise type(error)(f"{kind} {part.name!r}: {error}") from error


def _resolve(projection: Projection, number: int, spec: BuildSpec) -> ResolvedProjection:
    pre, post = projection.source, projection.target
    sources, targets, rows = draw_rows(projection, "projection", spec)
    _check_per_edge(projection, rows.n_edges)
    check_fits(np.asarray(projection.weight.bounds()), spec.dtype, f"projection {projection.name!r}: weight")
    pre_span, post_span = spec.spans[pre.population.name], spec.spans[post.population.name]
    return ResolvedProjection(
        name=projection.name,
        number=number,
        sources=sources.in_group(pre_span.start),
        targets=targets.in_group(post_span.start),
        port=spec.ports[post_span.group].index(projection.port),
        rows=rows,
        weight=projection.weight,
        delay=projection.delay,
        weight_address=address(spec.seed, "projection", projection.name, "weight"),
        delay_address=address(spec.seed, "projection", projection.name, "delay"),
    )


def _shift(part: Any, kind: str, sources: Chosen, targets: Chosen) -> int | None:
    """What turns the index of a source into that of the same neuron among the targets, if there is such."""
    if part.source.population is not part.target.population:
        return None
    try:
        return sources.shift_to(targets)
    except ValueError as error:
        if getattr(part.rule, "autapses", True):
            return None
        raise ValueError(f"{kind} {part.name!r}: {error}. Use slices, or list the edges: `n4.EdgeList(pre, post)`.") from error


def _check_per_edge(projection: Projection, n_edges: int) -> None:
    for what, value in (("weight", projection.weight), ("delay", projection.delay)):
        if isinstance(value, Given) and value.values.shape != (n_edges,):
            raise ValueError(
                f"projection {projection.name!r}: {what} has one entry per edge, shape ({n_edges},); got shape {value.values.shape}."
            )


def _positions(view: PopulationView, spec: BuildSpec, index: Any) -> np.ndarray | None:
    sites, placement = spec.sites[view.population.name], view.population.size
    return placement.lattice.xyz(sites[index]) if isinstance(placement, Placement) and sites is not None else None


def _wrap(view: PopulationView) -> np.ndarray | None:
    placement = view.population.size
    return placement.lattice.period if isinstance(placement, Placement) else None


def span_of(member: Member, pathway: str, spec: BuildSpec) -> ProjectionSpan:
    """Where the edges of a projection will be found."""
    projection = member.projection
    return ProjectionSpan(
        projection.name, pathway, projection.port, end_of(projection.source, spec), end_of(projection.target, spec), member.resolved.number
    )


def end_of(view: PopulationView, spec: BuildSpec) -> End:
    """One end of a projection, as a model knows it."""
    span = spec.spans[view.population.name]
    chosen = view.resolve(span.size)
    return End(span.name, chosen.first, span.start + chosen.first, chosen.n, chosen.extent)


def make_pathway(key: PathwayKey, group: Members, spec: BuildSpec, done: Callable[[int], None]) -> Pathway:
    """The synapses of one pathway, drawn and sorted."""
    resolved = [member.resolved for member in group.members]
    n_ports, n_target, n_source = len(spec.ports[key.target]), spec.totals[key.target], spec.totals[key.source]
    width = spec.widths[key.target]
    delays = np.array([1], np.int32) if key.early else distinct_delays([(m.projection.delay, m.low, m.high) for m in group.members])
    exact = key.trained is not None or key.structured is not None
    capacity = sum(member.resolved.rows.n_edges if exact else _capacity(member, spec) for member in group.members)
    for member in group.members if key.structured is not None else ():
        check_structured(member.resolved.name, delays, member.resolved.n_rows, member.projection.slots or 0)
    _check_addresses(capacity, [member.name for member in resolved], spec)
    shape = Shape(n_source, n_target, n_ports, width, -(-n_target // width), delays, capacity)
    plastic = group.rule is not None
    kind: WeightKind = "edge" if plastic else weight_kind(resolved, n_source)
    stored = spec.weight_dtype if kind == "edge" and not plastic else spec.dtype
    table = sort_edges(resolved, shape, spec.dt, stored, kind, need_owners(group.members, spec), done)
    some = pairs_with_synapses(table, shape)
    mean = capacity / max(n_source * len(delays) * shape.n_blocks, 1)
    path = Pathway(
        targets=on_device(table.targets),
        weight=on_device(table.weight),
        delays=jnp.asarray(delays),
        start=on_device(table.start),
        bounds=on_device(table.bounds),
        owner=None if table.owner is None else on_device(table.owner),
        source=key.source,
        target=key.target,
        early=key.early,
        n_target=n_target,
        n_ports=n_ports,
        width=width,
        weight_kind=kind,
        plastic=plastic,
        row_hint=1 << min(max(math.ceil(math.log2(max(1.25 * mean, 1))), 3), 10),
        some=None if some is None else on_device(some),
    )
    if key.structured is not None:
        only = group.members[0]
        return with_room(path, only.resolved.name, only.resolved.source_ids(0, only.resolved.n_rows), only.projection.slots or 0)
    return path if key.trained is None else _with_trained_delays(path, group.members[0], shape, spec)


def structure_of(member: Member, spec: BuildSpec) -> Structure:
    """What events of a projection need whose synapses come and go."""
    projection, resolved = member.projection, member.resolved
    rule, pre, post = projection.structure, projection.source, projection.target
    if rule is None:
        raise TypeError(f"the synapses of projection {projection.name!r} stay.")
    chosen = [view.resolve(spec.spans[view.population.name].size) for view in (pre, post)]
    sides = Sides(
        sources=resolved.source_ids(0, resolved.n_rows),
        targets=resolved.target_ids(np.arange(chosen[1].n, dtype=np.int32)),
        pre_xyz=_positions(pre, spec, chosen[0].selection),
        post_xyz=_positions(post, spec, chosen[1].selection),
        wrap=_wrap(pre),
    )
    allowed = allowed_rule(rule, sides, projection.name)
    rows = None if allowed is None else draw_rows(Draw(projection.name, pre, post, allowed), "structure", spec)[2]
    return make_structure(projection, sides, rows, resolved.port, spec)


def _with_trained_delays(path: Pathway, member: Member, shape: Shape, spec: BuildSpec) -> Pathway:
    """A pathway with the delays of its only projection as floats: drawn once more, unrounded, in place of weights."""
    if not member.resolved.rows.n_edges:
        raise ValueError(
            f"projection {member.projection.name!r} has no edges, so there are no delays to train: check its rule and its ends."
        )
    given = member.resolved._replace(weight=member.resolved.delay, weight_address=member.resolved.delay_address)
    delays = sort_edges([given], shape, spec.dt, np.float64, "edge", False, lambda _: None).weight
    _, source, which, where = host_edges(path, 0, path.n_source)
    del which
    neuron, port = np.divmod(where, path.n_ports)
    block, inside = np.divmod(neuron, path.width)
    trainable = member.projection.trainable
    if trainable is None:
        raise TypeError(f"projection {member.projection.name!r} has no delays that are trained.")
    return trainable.free(path, source, block * path.block_size + port * path.width + inside, delays[: len(source)], spec.dt, spec.dtype)


def need_owners(members: list[Member], spec: BuildSpec) -> bool:
    """Whether the ends of an edge do not say which projection it belongs to: two of them overlap."""
    ends = [(m.projection.port, end_of(m.projection.source, spec), end_of(m.projection.target, spec)) for m in members]
    by_port: dict[str, list[tuple[End, End]]] = {}
    for port, pre, post in ends:
        by_port.setdefault(port, []).append((pre, post))
    return any(_any_overlap(pairs) for pairs in by_port.values())


def _any_overlap(pairs: list[tuple[End, End]]) -> bool:
    """Whether two of several rectangles (sources, targets) have a point in common."""
    if len(pairs) < 2:
        return False
    low = np.array([[pre.in_group, post.in_group] for pre, post in pairs])
    high = low + np.array([[pre.extent, post.extent] for pre, post in pairs])
    if all(_are_apart(low[:, axis], high[:, axis]) for axis in (0, 1)):  # whole populations: equal or apart
        return len(np.unique(low, axis=0)) < len(low)
    for number in range(len(pairs) - 1):
        rest = slice(number + 1, None)
        if np.any((low[rest] < high[number]).all(axis=1) & (low[number] < high[rest]).all(axis=1)):
            return True
    return False


def _are_apart(low: np.ndarray, high: np.ndarray) -> bool:
    """Whether the different ones of some intervals, none of them empty, have no point in common."""
    distinct = np.unique(np.stack([low, high], axis=1), axis=0)
    return bool((distinct[:, 0] < distinct[:, 1]).all() and (distinct[1:, 0] >= distinct[:-1, 1]).all())


def _check_addresses(n_edges: int, names: list[str], spec: BuildSpec) -> None:
    if not spec.backend.can_address(n_edges):
        raise ValueError(
            f"projections {', '.join(repr(name) for name in names)} share one pathway of {n_edges:,} synapses; plain XLA addresses at most "
            f"{MAX_XLA_EDGES:,}. The native kernels for the CPU have no such limit: build with `backend=n4.Backend.AUTO`; `neuro4d devices` "
            "says whether they are there."
        )


def _capacity(member: Member, spec: BuildSpec) -> int:
    """Room for the edges of a projection: a function of sizes where the rule knows one, so that seeds share a shape."""
    projection, rows = member.projection, member.resolved.rows
    shared = projection.source.population is projection.target.population
    n_post = projection.target.resolve(spec.spans[projection.target.population.name].size).n
    bound = projection.rule.capacity(len(rows.counts), n_post, shared)
    return max(bound or 0, rows.n_edges, 1)


def on_device(array: np.ndarray) -> jax.Array:
    """A host array as a JAX array; on a CPU without a copy, so that large networks are held once."""
    if array.nbytes < 1 << 20 or jax.default_backend() != "cpu":
        return jnp.asarray(array)
    return jnp.from_dlpack(array)
