"""Build: the only place where randomness meets structure. On the host, seeded by (seed, name), the same on every platform."""

from typing import Any

import jax.numpy as jnp

from neuro4d._base import Given
from neuro4d.lattice import Placement
from neuro4d.model import BankSpan, Layout, Model, StimulusSpan, cast, ready_for_events, realise, with_leaves
from neuro4d.network._dendritic import check_gradients
from neuro4d.network._gap import GapJunctions, make_gap
from neuro4d.network._groups import make_groups
from neuro4d.network._lives import make_founders, make_lives
from neuro4d.network._memory import check_build, check_edges
from neuro4d.network._pathways import collect, make_pathway, span_of, structure_of
from neuro4d.network._population import Population
from neuro4d.network._predict import Parts
from neuro4d.network._progress import BuildProgress
from neuro4d.network._projection import Projection
from neuro4d.network._spec import BuildSpec
from neuro4d.network._stimuli import make_sources
from neuro4d.ops import AbstractSurrogate


def build(
    populations: list[Population],
    projections: list[Projection],
    stimuli: list[Any],
    gaps: list[GapJunctions],
    spec: BuildSpec,
    surrogate: AbstractSurrogate | None,
    progress: bool | None,
) -> Model:
    """The order of a build: memory, parts, stimuli, projections, edges, layout."""
    check_build(Parts(populations, projections, stimuli, gaps), spec, surrogate)
    neurons, receptors = _draw_parts(populations, spec)
    sources, banks = make_sources(stimuli, spec)
    members = collect(projections, spec)
    check_edges(list(members.values()), spec)
    n_edges = sum(member.resolved.rows.n_edges for group in members.values() for member in group.members)
    with BuildProgress(n_edges, progress) as bar:
        pathways = {group.name: make_pathway(key, group, spec, bar.advance) for key, group in members.items()}
    rules = {group.name: group.rule for group in members.values() if group.rule is not None}
    check_gradients(rules, surrogate)
    ports = {group.name: group.members[0].projection.port for group in members.values()}
    joined = [make_gap(gap, spec) for gap in gaps]
    placed = [p.size.lattice for p in populations if isinstance(p.size, Placement)]
    spans = {span.name: span for group in members.values() for span in (span_of(m, group.name, spec) for m in group.members)}
    layout = Layout(
        dt=spec.dt,
        dtype=spec.dtype,
        backend=spec.backend,
        populations=tuple(spec.spans.values()),
        groups=make_groups(spec, members, pathways),
        stimuli=tuple(StimulusSpan(name, *where) for name, (*where, _) in sources.items()),
        banks=tuple(BankSpan(name, *where) for name, (*where, _) in banks.items()),
        projections=tuple(spans[projection.name] for projection in projections),
        lattice_shape=tuple(placed[0].shape) if placed else None,
        axes=tuple(placed[0].axes) if placed else None,
        gaps=tuple(span for _, span in joined),
    )
    model = Model(
        neurons=neurons,
        receptors=receptors,
        initial={p.name: dict(p.initial) for p in populations},
        pathways=pathways,
        plasticity={name: with_leaves(rule, spec.dtype) for name, rule in rules.items()},
        gaps={span.name: gap for gap, span in joined},
        sources={name: source for name, (*_, source) in sources.items()},
        banks={name: bank for name, (*_, bank) in banks.items()},
        sites={name: jnp.asarray(s, jnp.int32) for name, s in spec.sites.items() if s is not None},
        surrogate=surrogate,
        seed=jnp.asarray([spec.seed & 0xFFFFFFFF, spec.seed >> 32], jnp.uint32),
        layout=layout,
        founders=make_founders(populations),
        lives=make_lives(populations, spec, neurons, pathways, rules, ports),
        structures={group.name: structure_of(group.members[0], spec) for key, group in members.items() if key.structured is not None},
    )
    return ready_for_events(model)


def _draw_parts(populations: list[Population], spec: BuildSpec) -> tuple[dict, dict]:
    """Neuron models and receptors of every population, drawn, checked against the time step, in the model's precision."""
    neurons, receptors = {}, {}
    for population in populations:
        n, where = spec.spans[population.name].size, ("population", population.name)
        neuron = realise(population.neuron, n, spec.seed, where)
        neuron.check(spec.dt)
        neurons[population.name] = cast(neuron, spec.dtype)
        _check_initial(population, n)
        ports = {port: realise(r, n, spec.seed, (*where, port)) for port, r in population.receptors.items()}
        receptors[population.name] = {port: cast(r, spec.dtype) for port, r in ports.items()}
    return neurons, receptors


def _check_initial(population: Population, n: int) -> None:
    for variable, value in population.initial.items():
        if isinstance(value, Given) and value.values.shape != (n,):
            raise ValueError(
                f"population {population.name!r}: initial {variable} must be a scalar or have shape ({n},), one entry per neuron; "
                f"got shape {value.values.shape}."
            )
