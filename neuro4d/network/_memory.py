"""The memory of a model, predicted from sizes alone, before an edge is drawn."""

import numpy as np

from neuro4d._base import Constant, Given, MemoryBudgetError, available_bytes, bytes_text
from neuro4d.network._delays import delay_range
from neuro4d.network._gap import GapJunctions, gap_bytes
from neuro4d.network._population import Population
from neuro4d.network._projection import Projection
from neuro4d.network._spec import BuildSpec
from neuro4d.ops import depth_for

COUNTERS = 8
"""Bytes of a neuron next to its variables: the steps for which it is held, its place in the record of spikes."""


def check_build(
    populations: list[Population], projections: list[Projection], gaps: list[GapJunctions], spec: BuildSpec, limit: int | None = None
) -> int:
    """The bytes of the model and of one state, or a refusal.

    Rules whose number of edges does not follow from sizes are left out, so the number is a lower bound.

    **Raises:** `MemoryBudgetError` with the share of every part.
    """
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
    needed, budget = sum(shares.values()), available_bytes() if limit is None else limit
    if needed > budget:
        largest = sorted(shares, key=shares.__getitem__, reverse=True)[:3]
        listed = ", ".join(f"{name} {bytes_text(shares[name])}" for name in largest)
        raise MemoryBudgetError(
            f"this network needs at least {needed} bytes ({bytes_text(needed)}), but {bytes_text(budget)} are available; the largest parts: "
            f"{listed}. Use fewer neurons, fewer synapses or shorter delays."
        )
    return needed


def _synapses(projection: Projection, spec: BuildSpec, n_source: int, delays: tuple[int, int], number: int) -> int:
    """Targets and weights of the edges, and the bounds of the rows."""
    pre, post = projection.source.population, projection.target.population
    n_pre, n_post = projection.source.resolve(spec.spans[pre.name].size).n, projection.target.resolve(spec.spans[post.name].size).n
    if projection.slots is not None:  # a target, a weight and an event of birth in the model or in the state
        return n_pre * projection.slots * (2 * (2 + number) + 4) + 4 * n_source * 4
    edges = projection.rule.capacity(n_pre, n_post, pre is post) or 0
    distinct = delays[1] - delays[0] + 1
    if isinstance(projection.delay, Given):
        distinct = min(distinct, delays[1])
    per_edge = 2 + (0 if isinstance(projection.weight, Constant) else number)
    return edges * per_edge + 4 * n_source * (distinct + 3)
