"""Build: the only place where randomness meets structure. On the host, seeded by (seed, name), the same on every platform."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from neuro4d._base import AbstractValue, Given, address, as_value, check_fits, words
from neuro4d.connect import Ends
from neuro4d.lattice import Placement
from neuro4d.network._assemble import Shape, Strand, assemble, n_cores, weight_kind
from neuro4d.network._delays import check_delay, distinct_delays
from neuro4d.network._groups import Span, cast, realise
from neuro4d.network._population import Population, PopulationView, view_of
from neuro4d.network._projection import Projection, check_sign
from neuro4d.ops import LARGEST, Backend, Pathway
from neuro4d.receptors import Delta
from neuro4d.stimuli import AbstractSource, Binding, Share, bank

BLOCK_TARGETS = 1 << 16
"""Accumulators of a target block: as many as 16-bit ids can name, which also fits into a core's cache."""

NEURONS_PER_CORE = 1536
"""With at least so many neurons for each, a group is split into as many target blocks as there are cores; fewer are done before
several threads have met."""


class Plan(NamedTuple):
    """What a build has fixed before edges are made."""

    dt: float
    seed: int
    dtype: Any
    spans: dict[str, Span]
    sizes: dict[str, int]
    sites: dict[str, np.ndarray | None]
    ports: dict[str, tuple[str, ...]]
    backend: Backend
    weight_dtype: Any


def place(populations: list[Population], seed: int) -> tuple[dict[str, int], dict[str, np.ndarray | None]]:
    """Sizes, and the sites of those that live on a lattice."""
    sites: dict[str, np.ndarray | None] = {}
    sizes: dict[str, int] = {}
    for population in populations:
        if isinstance(population.size, Placement):
            found = population.size.sites(address(seed, "population", population.name))
            if not len(found):
                raise ValueError(f"population {population.name!r}: {population.size} has no neuron with seed {seed}. Raise the density.")
            sites[population.name], sizes[population.name] = found, len(found)
        else:
            sites[population.name], sizes[population.name] = None, population.size
    return sizes, sites


def group_sizes(spans: dict[str, Span]) -> dict[str, int]:
    """Neurons of every group."""
    total: dict[str, int] = {}
    for span in spans.values():
        total[span.group] = max(total.get(span.group, 0), span.start + span.size)
    return total


def realise_parts(populations: list[Population], plan: Plan) -> tuple[dict, dict]:
    """Neuron models and receptors of every population, drawn, checked against the time step, in the model's precision."""
    neurons, receptors = {}, {}
    for population in populations:
        n, where = plan.sizes[population.name], ("population", population.name)
        neuron = realise(population.neuron, n, plan.seed, where)
        neuron.check(plan.dt)
        neurons[population.name] = cast(neuron, plan.dtype)
        _check_initial(population, n)
        ports = {port: realise(r, n, plan.seed, (*where, port)) for port, r in population.receptors.items()}
        receptors[population.name] = {port: cast(r, plan.dtype) for port, r in ports.items()}
    return neurons, receptors


def _check_initial(population: Population, n: int) -> None:
    for variable, value in population.initial.items():
        if isinstance(value, Given) and value.values.shape != (n,):
            raise ValueError(
                f"population {population.name!r}: initial {variable} must be a scalar or have shape ({n},), one entry per neuron; "
                f"got shape {value.values.shape}."
            )


def strands_of(projections: list[Projection], plan: Plan) -> dict[tuple[str, str, bool], list[tuple[Strand, int, int, Projection]]]:
    """Projections resolved and sorted into pathways (source group, target group, early), with their range of delays."""
    pathways: dict[tuple[str, str, bool], list] = {}
    for projection in projections:
        strand, low, high = _strand(projection, plan)
        source = plan.spans[projection.source.population.name].group
        target = plan.spans[projection.target.population.name].group
        receptor = projection.target.population.receptors[projection.port]
        early = high == 0 and not isinstance(receptor, Delta)
        pathways.setdefault((source, target, early), []).append((strand, low, high, projection))
    return pathways


def _strand(projection: Projection, plan: Plan) -> tuple[Strand, int, int]:
    low, high = check_delay(projection.delay, plan.dt, projection.name)
    pre, post = projection.source.population.name, projection.target.population.name
    pre_start, n_pre = projection.source.resolve(plan.sizes[pre])
    post_start, n_post = projection.target.resolve(plan.sizes[post])
    ends = Ends(
        address=address(plan.seed, "projection", projection.name, "structure"),
        n_pre=n_pre,
        n_post=n_post,
        self_shift=pre_start - post_start if pre == post else None,
        pre_xyz=_positions(projection.source, plan, pre_start, n_pre),
        post_xyz=_positions(projection.target, plan, post_start, n_post),
        wrap=_wrap(projection.source),
    )
    try:
        rows = projection.rule.rows(ends)
    except (ValueError, IndexError) as error:
        raise type(error)(f"projection {projection.name!r}: {error}") from error
    _check_per_edge(projection, rows.n_edges)
    check_fits(np.asarray(projection.weight.bounds()), plan.dtype, f"projection {projection.name!r}: weight")
    strand = Strand(
        projection.name,
        plan.spans[pre].start + pre_start,
        plan.spans[post].start + post_start,
        plan.ports[plan.spans[post].group].index(projection.port),
        rows,
        projection.weight,
        projection.delay,
        plan.seed,
    )
    return strand, low, high


def _check_per_edge(projection: Projection, n_edges: int) -> None:
    for what, value in (("weight", projection.weight), ("delay", projection.delay)):
        if isinstance(value, Given) and value.values.shape != (n_edges,):
            raise ValueError(
                f"projection {projection.name!r}: {what} has one entry per edge, shape ({n_edges},); got shape {value.values.shape}."
            )


def _positions(view: PopulationView, plan: Plan, start: int, n: int) -> np.ndarray | None:
    sites, placement = plan.sites[view.population.name], view.population.size
    return placement.lattice.xyz(sites[start : start + n]) if isinstance(placement, Placement) and sites is not None else None


def _wrap(view: PopulationView) -> np.ndarray | None:
    placement = view.population.size
    return placement.lattice.period if isinstance(placement, Placement) else None


def block_width(n: int, n_ports: int, backend: Backend) -> int:
    """Neurons of a target block: all in one where they fit, else a multiple of 512; with native kernels one block for each core."""
    blocks = max(-(-n * n_ports // BLOCK_TARGETS), 1)
    if backend.native_here:
        blocks = max(blocks, min(n_cores(), n // NEURONS_PER_CORE, 16))
    return n if blocks == 1 else -(-n // (blocks * 512)) * 512


def _check_addresses(n_edges: int, names: list[str], backend: Backend) -> None:
    if n_edges > LARGEST and not backend.native_here:
        raise ValueError(
            f"projections {', '.join(repr(name) for name in names)} share one pathway of {n_edges:,} synapses; plain XLA addresses at most "
            f"{LARGEST:,}. The native kernels for the CPU have no such limit: build with `backend=n4.Backend.AUTO`; `neuro4d devices` says "
            "whether they are there."
        )


def make_pathway(key: tuple[str, str, bool], members: list, plan: Plan, sizes: dict[str, int]) -> Pathway:
    """The synapses of one pathway, drawn and sorted."""
    source, target, early = key
    strands = [strand for strand, *_ in members]
    n_ports, n_target, n_source = len(plan.ports[target]), sizes[target], sizes[source]
    width = block_width(n_target, n_ports, plan.backend)
    delays = np.array([1], np.int32) if early else distinct_delays([(p.delay, low, high) for _, low, high, p in members])
    capacity = sum(_capacity(strand, projection, plan) for strand, _, _, projection in members)
    _check_addresses(capacity, [strand.name for strand in strands], plan.backend)
    shape = Shape(n_source, n_target, n_ports, width, -(-n_target // width), delays, capacity)
    plastic = any(projection.plastic for *_, projection in members)
    kind = "edge" if plastic else weight_kind(strands, n_source)
    stored = plan.weight_dtype if kind == "edge" and not plastic else plan.dtype
    table = assemble(strands, shape, plan.dt, stored, kind)
    mean = capacity / max(n_source * len(delays) * shape.n_blocks, 1)
    return Pathway(
        targets=on_device(table.targets),
        weight=on_device(table.weight),
        delays=jnp.asarray(delays),
        start=on_device(table.start),
        offset=on_device(table.offset),
        source=source,
        target=target,
        early=early,
        n_target=n_target,
        n_ports=n_ports,
        width=width,
        weight_kind=kind,
        plastic=plastic,
        row_hint=1 << min(max(math.ceil(math.log2(max(1.25 * mean, 1))), 3), 10),
    )


def _capacity(strand: Strand, projection: Projection, plan: Plan) -> int:
    """Room for the edges of a projection: a function of sizes where the rule knows one, so that seeds share a shape."""
    shared = projection.source.population is projection.target.population
    _, n_post = projection.target.resolve(plan.sizes[projection.target.population.name])
    bound = projection.rule.capacity(len(strand.rows.counts), n_post, shared)
    return max(bound or 0, strand.rows.n_edges, 1)


def on_device(array: np.ndarray) -> jax.Array:
    """A host array as a JAX array; on a CPU without a copy, so that large networks are held once."""
    if array.nbytes < 1 << 20 or jax.default_backend() != "cpu":
        return jnp.asarray(array)
    return jnp.from_dlpack(array)


def make_sources(stimuli: list[Any], plan: Plan, sizes: dict[str, int]) -> tuple[dict, dict]:
    """Sources by stimulus, and one bank for all constant Poisson inputs of a port."""
    sources, banks = {}, {}
    for stimulus in stimuli:
        view = view_of(stimulus.target, f"stimulus {stimulus.name!r}")
        span = plan.spans[view.population.name]
        start, n = view.resolve(span.size)
        sites = plan.sites[span.name]
        binding = Binding(n, plan.dt, plan.dtype, None if sites is None else sites[start : start + n], _drawer(stimulus.name, n, plan.seed))
        receptor = None if stimulus.port is None else view.population.receptors[stimulus.port]
        unit = None if receptor is None else receptor.weight_unit
        if receptor is not None and stimulus.weight is not None:
            where = f"{type(stimulus).__name__} {stimulus.name!r}: weight"
            check_sign(receptor, as_value(stimulus.weight, unit, where), where)
        bound = _check_bound(stimulus, stimulus.bind(binding, unit))
        if isinstance(bound, Share):
            _join(banks, (span.group, stimulus.port), (span.start + start, n, stimulus.name, bound))
        else:
            sources[stimulus.name] = (span.group, stimulus.port, span.start + start, n, bound)
    made = {}
    for (group, port), layers in banks.items():
        for number, parts in enumerate(layers):
            made[f"{group}.{port}.{number}"] = (group, port, bank(parts, sizes[group], plan.dtype))
    return sources, made


def _check_bound(stimulus: Any, bound: Any) -> AbstractSource | Share:
    where = f"{type(stimulus).__name__} {stimulus.name!r}"
    if not isinstance(bound, AbstractSource | Share):
        raise TypeError(f"{where}: `bind` gives an `AbstractSource` or a `Share`; got {bound!r}.")
    if stimulus.port is None and isinstance(bound, Share):
        raise TypeError(f"{where}: a `Share` is input to a port, but `port` is None.")
    if stimulus.port is not None and not isinstance(bound, Share) and bound.steady:
        raise TypeError(f"{where}: only a drive (`port = None`) can be `steady`; leave it False where spikes arrive at a port.")
    return bound


def _join(banks: dict, key: tuple, part: tuple) -> None:
    """Into the first bank of the port in which these neurons have no input yet."""
    layers = banks.setdefault(key, [])
    for layer in layers:
        if all(part[0] + part[1] <= first or first + size <= part[0] for first, size, *_ in layer):
            layer.append(part)
            return
    layers.append([part])


def _drawer(name: str, n: int, seed: int):
    def draw(value, where: str) -> np.ndarray:
        if not isinstance(value, AbstractValue):
            return value
        return value.draw(words(address(seed, "stimulus", name, where), np.arange(n)))

    return draw
