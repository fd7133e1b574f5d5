"""The memory of a model, weighed before an edge is drawn, and once more when it is known how many there are."""

from typing import Any

import numpy as np

from neuro4d._base import Constant, Given, available_bytes, check_budget, n_cores, tree_bytes
from neuro4d.network._delays import delay_range
from neuro4d.network._gap import gap_bytes
from neuro4d.network._pathways import Members
from neuro4d.network._predict import SORT_BYTES, Parts, predict
from neuro4d.network._projection import Projection
from neuro4d.network._sort import CHUNK_EDGES
from neuro4d.network._spec import BuildSpec
from neuro4d.ops import AbstractSurrogate, depth_for

COUNTERS = 8
"""Bytes of a neuron next to its variables: the steps for which it is held, its place in the record of spikes."""

CLOSE = 3
"""The quick sum leaves out what is in the state, and what drawing takes: where this many times as much does not fit, all is predicted."""

SAYS = "this network needs at least"
ADVICE = "Use fewer neurons, fewer synapses or shorter delays, one weight for all synapses of a projection, or `store_weights=jnp.float16`."


def check_build(parts: Parts, spec: BuildSpec, surrogate: AbstractSurrogate | None = None, limit: int | None = None) -> int:
    """The bytes of the model and of one state, quickly and from below where there is much room, or a refusal.

    Rules whose number of edges does not follow from sizes are left out: `check_edges` looks at them when they are drawn.

    **Raises:** `MemoryBudgetError` with the share of the largest parts.
    """
    budget = available_bytes() if limit is None else limit
    needed = check_budget(_shares(parts.populations, parts.projections, parts.gaps, spec) | _given(parts), SAYS, "built", ADVICE, budget)
    if CLOSE * needed + SORT_BYTES * CHUNK_EDGES * n_cores() <= budget:
        return needed
    known = {p.name: 1 for p in parts.projections if _capacity(p, spec) is None}
    table = predict(parts, spec, surrogate, known)
    return check_budget({row.what: row.bytes for row in table.largest_phase()}, SAYS, "built", ADVICE, budget)


def check_edges(members: list[Members], spec: BuildSpec, limit: int | None = None) -> int:
    """The bytes of edges whose number was not known before they were drawn, or a refusal before they are sorted.

    **Raises:** `MemoryBudgetError` with the share of the largest parts.
    """
    shares = {}
    for group in members:
        for member in group.members:
            if _capacity(member.projection, spec) is None:
                per_edge = _per_edge(member.projection, np.dtype(spec.dtype).itemsize) + (0 if group.rule is None else np.dtype(spec.dtype).itemsize)
                shares[f"synapses of projection {member.projection.name!r}"] = member.resolved.rows.n_edges * per_edge
    return check_budget(shares, SAYS, "built", ADVICE, limit) if shares else 0


def _shares(populations: Any, projections: Any, gaps: Any, spec: BuildSpec) -> dict[str, int]:
    """Bytes by part, from sizes alone, as whole numbers of Python, which no size overflows."""
    number = np.dtype(spec.dtype).itemsize
    shares = {f"population {p.name!r}": spec.spans[p.name].size * (number * (1 + len(p.variables())) + COUNTERS) for p in populations}
    longest: dict[str, tuple[int, str]] = {}
    for projection in projections:
        low, high = delay_range(projection, spec.dt)
        source = spec.spans[projection.source.population.name].group
        shares[f"synapses of projection {projection.name!r}"] = _synapses(projection, spec, spec.totals[source], (low, high), number)
        longest[source] = max(longest.get(source, (0, "")), (high, projection.name))
    for gap in gaps:
        shares[f"gap junctions {gap.name!r}"] = gap_bytes(gap, spec, number)
    for group, (high, name) in longest.items():
        shares[f"spikes remembered for the delays of projection {name!r}"] = 4 * depth_for(high) * spec.totals[group]
    return shares


def _given(parts: Parts) -> dict[str, int]:
    """Half of what the user holds for stimuli, in double precision: time courses are kept in that of the model."""
    return {f"stimulus {stimulus.name!r}": tree_bytes(stimulus) // 2 for stimulus in parts.stimuli}


def _capacity(projection: Projection, spec: BuildSpec) -> int | None:
    pre, post = projection.source.population, projection.target.population
    n_pre, n_post = projection.source.resolve(spec.spans[pre.name].size).n, projection.target.resolve(spec.spans[post.name].size).n
    return projection.rule.capacity(n_pre, n_post, pre is post)


def _per_edge(projection: Projection, number: int) -> int:
    """Bytes of a target and, where they differ, of a weight."""
    return 2 + (0 if isinstance(projection.weight, Constant) and projection.plasticity is None else number)


def _synapses(projection: Projection, spec: BuildSpec, n_source: int, delays: tuple[int, int], number: int) -> int:
    """Targets and weights of the edges, and the bounds of the rows."""
    if projection.slots is not None:  # a target, a weight and an event of birth in the model or in the state
        n_pre = projection.source.resolve(spec.spans[projection.source.population.name].size).n
        return n_pre * projection.slots * (2 * (2 + number) + 4) + 4 * n_source * 4
    edges = _capacity(projection, spec) or 0
    distinct = delays[1] - delays[0] + 1
    if isinstance(projection.delay, Given):
        distinct = min(distinct, delays[1])
    return edges * _per_edge(projection, number) + 4 * n_source * (distinct + 3)
