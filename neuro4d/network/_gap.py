"""Gap junctions: what joins two neurons electrically."""

from typing import Any

import brainunit as u
import jax.numpy as jnp
import numpy as np

from neuro4d._base import AbstractValue, Given, address, as_value, attach, check_fits, check_name, words
from neuro4d.connect import AbstractRule
from neuro4d.model import Gap, GapSpan
from neuro4d.network._pathways import draw_rows, end_of
from neuro4d.network._population import Population, PopulationView, view_of
from neuro4d.network._spec import BuildSpec

BYTES = 12
"""Of a junction next to its conductance: its ends and the order by its second end."""


class GapJunctions:
    r"""Electrical synapses: the current $g\,(v_\mathrm{other} - v)$ into both partners, at once and the same with opposite sign.

    Every edge that the rule draws is one junction, which acts on both of its ends: no second edge makes it symmetric. A pair that is
    drawn twice, also once in each direction, has two junctions in parallel. So inside a population `AllToAll(autapses=False)` joins
    each pair by two, and `EdgeList(*np.triu_indices(n, 1))` by one.

    A step sees the potentials of the partners at its beginning, and the neuron's own as it moves: to neurons junctions are the drive $i - g v$
    with $g = \sum_j g_j$ and $i = \sum_j g_j v_j$, so that exponential schemes stay stable whatever `g`. The coupling is of first order in
    the time step. Spikes of integrate-and-fire neurons are points in time, so junctions do not carry them; a `Projection` onto a
    `Delta` receptor stands for the spikelet, where it matters.

    **Arguments:**

    - `name`: unique among gap junctions and projections.
    - `a`, `b`: populations or slices whose neurons have a potential, of the same kind or not; without `b` junctions inside `a`.
    - `rule`: which pairs are joined.
    - `conductance`: of a junction: a quantity, a distribution, or one entry per edge, 0 or more. [conductance]

    **Raises:** `UnitError`, `TypeError`, `ValueError` for a negative conductance or neurons without a potential; when the network is
    built, `ValueError` where a rule joins a neuron to itself.

    **Source:** Kopell and Ermentrout (2004), PNAS 101, 15482; Hahne et al. (2015), Frontiers in Neuroinformatics 9, 22.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 100, lif)
        >>> n4.GapJunctions("gap", cells, rule=n4.FixedProb(0.05, autapses=False), conductance=0.5*u.nS)
        GapJunctions('gap', cells[0:] -- cells[0:], FixedProb)
    """

    __slots__ = ("name", "source", "target", "rule", "conductance")
    name: str
    source: PopulationView
    target: PopulationView
    rule: AbstractRule
    conductance: AbstractValue

    def __init__(self, name, a, b=None, rule=None, *, conductance):
        put = object.__setattr__
        where = f"gap junctions {name!r}"
        put(self, "name", check_name(name, "gap junctions"))
        put(self, "source", view_of(a, f"{where}: a"))
        put(self, "target", self.source if b is None else view_of(b, f"{where}: b"))
        if not isinstance(rule, AbstractRule):
            raise TypeError(f"{where}: expected a rule such as `rule=n4.FixedProb(0.02, autapses=False)`; got {rule!r}.")
        put(self, "rule", rule)
        for end in (self.source, self.target):
            _check_neuron(end.population, where)
        put(self, "conductance", as_value(conductance, u.nS, f"{where}: conductance"))
        low, _ = self.conductance.bounds()
        if not low >= 0:
            raise ValueError(
                f"{where}: conductance is 0 or more; got one that reaches down to {attach(low, u.nS)}. "
                "For a distribution give a limit: `n4.Normal(1*u.nS, 0.2*u.nS, low=0*u.nS)`."
            )

    def __setattr__(self, key, value):
        raise AttributeError(f"GapJunctions do not change; make new ones (tried to set {key!r}).")

    def __repr__(self):
        return f"GapJunctions({self.name!r}, {self.source} -- {self.target}, {type(self.rule).__name__})"


def _check_neuron(population: Population, where: str) -> None:
    neuron = population.neuron
    if "v" not in neuron.variables or not {"g", "i"} <= neuron.accepts:
        raise ValueError(
            f"{where}: they join membrane potentials, but {type(neuron).__name__} neurons (population {population.name!r}) have none that a "
            "current moves. Join neurons such as `n4.LIF(...)`, or use a `n4.Projection` for spikes."
        )


def make_gap(part: GapJunctions, spec: BuildSpec) -> tuple[Gap, GapSpan]:
    """The junctions of a network, drawn and sorted."""
    where = f"gap junctions {part.name!r}"
    sources, targets, rows = draw_rows(part, "gap junctions", spec)
    a, b = np.repeat(np.arange(sources.n), rows.counts), rows.targets(0, sources.n)
    value, order = part.conductance, np.lexsort((b, a))
    if isinstance(value, Given) and value.values.shape != (rows.n_edges,):
        raise ValueError(f"{where}: conductance has one entry per edge, shape ({rows.n_edges},); got shape {value.values.shape}.")
    if isinstance(value, Given):
        drawn = value.values if rows.order is None else value.values[rows.order]
    else:
        drawn = value.draw(words(address(spec.seed, "gap junctions", part.name, "conductance"), np.arange(rows.n_edges)))
    check_fits(drawn, spec.dtype, f"{where}: conductance")
    here, there = (spec.spans[view.population.name].group for view in (part.source, part.target))
    most = int(np.bincount(a).max(initial=0)), int(np.bincount(b).max(initial=0))
    span = GapSpan(part.name, end_of(part.source, spec), end_of(part.target, spec), here, there, most)
    first, last = (spec.spans[x.population.name].start for x in (part.source, part.target))
    a, b, drawn = np.asarray(sources.ids)[a[order]] + first, np.asarray(targets.ids)[b[order]] + last, drawn[order]
    alone = np.flatnonzero(a == b) if span.a_group == span.b_group else np.empty(0, int)
    if len(alone):
        raise ValueError(
            f"{where}: {len(alone)} of {len(a)} edges join a neuron to itself, the first neuron {a[alone[0]] - first} of "
            f"{span.a.population!r}; no current flows there. Give the rule `autapses=False`."
        )
    gap = Gap(
        conductance=jnp.asarray(drawn, spec.dtype),
        a=jnp.asarray(a, jnp.int32),
        b=jnp.asarray(b, jnp.int32),
        by_b=jnp.asarray(np.argsort(b, kind="stable"), jnp.int32),
    )
    return gap, span


def gap_bytes(part: Any, spec: BuildSpec, number: int) -> int:
    """The bytes of the junctions of a network, twice: as they are kept, and sorted for a run."""
    pre, post = part.source, part.target
    sizes = [view.resolve(spec.spans[view.population.name].size).n for view in (pre, post)]
    return 2 * (BYTES + number) * (part.rule.capacity(*sizes, pre.population is post.population) or 0)
