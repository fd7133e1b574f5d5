"""The memory of a model and of its first state, from a sketch of the model: the same parts, with shapes in the place of numbers.

What the state holds is asked of the functions that make it, by shape, so there is no second list of its arrays to be kept true.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from neuro4d._base import AbstractValue, Constant, MemoryRow, MemoryTable, field_units, n_cores, tree_bytes
from neuro4d.connect import AllToAll, DistanceDecay, EdgeList, FixedInDegree, FixedOutDegree, FixedProb, FixedTotalNumber, Modular, OneToOne
from neuro4d.model import Layout, Model, StimulusSpan, by_targets, with_leaves
from neuro4d.network._delays import distinct_delays
from neuro4d.network._gap import GapJunctions, gap_bytes
from neuro4d.network._groups import make_groups
from neuro4d.network._pathways import Members, PathwayKey, collect, draw_rows, need_owners
from neuro4d.network._population import Population
from neuro4d.network._projection import Projection
from neuro4d.network._sort import CHUNK_EDGES, words_for_some
from neuro4d.network._spec import BuildSpec
from neuro4d.network._stimuli import make_sources
from neuro4d.ops import AbstractSurrogate, Columns, FreeDelays, Pathway

ROWS: Mapping[type, tuple[float, float]] = MappingProxyType(
    {
        **dict.fromkeys((AllToAll, OneToOne, FixedProb, FixedOutDegree, Modular), (0.0, 0.2)),
        FixedInDegree: (4.0, 8.6),
        FixedTotalNumber: (4.0, 12.6),
        EdgeList: (12.0, 20.1),
        DistanceDecay: (4.0, 36.0),
    }
)
"""Bytes of an edge that a rule holds until the edges are sorted, and those that it holds at most while it draws; (4, 45) for all others."""

SORT_BYTES = 80
"""Bytes of an edge while it is sorted: its key, ends, delay, weight in double precision, and place."""

DRAW, SORT, FIRST, KEPT = "edges are drawn", "and sorted", "a state is made", "model and state"

PROGRAM = 32 << 20
"""Bytes that the compiled program takes which makes the first state, and what compiles it, as measured."""


class Sketch:
    """A network with shapes in the place of arrays. `edges`: how many a projection has, where its rule cannot say it from sizes."""

    def __init__(self, network: "Parts", spec: BuildSpec, surrogate: AbstractSurrogate | None, edges: Mapping[str, int] | None = None):
        self.network, self.spec, self.edges = network, spec, dict(edges or {})
        self.number = np.dtype(spec.dtype).itemsize
        self.members = collect(network.projections, spec, resolve=lambda *_: None)  # nothing is drawn
        self.rules = {group.name: group.rule for group in self.members.values() if group.rule is not None}
        self.pathways = {group.name: self._pathway(key, group) for key, group in self.members.items()}
        self.model = self._model(surrogate)

    def count(self, projection: Projection) -> int:
        """Room for the edges of a projection."""
        if projection.name not in self.edges:
            pre, post = projection.source, projection.target
            n_pre, n_post = (view.resolve(self.spec.spans[view.population.name].size).n for view in (pre, post))
            known = projection.rule.capacity(n_pre, n_post, pre.population is post.population)
            self.edges[projection.name] = max(draw_rows(projection, "projection", self.spec)[2].n_edges if known is None else known, 1)
        return self.edges[projection.name]

    def _pathway(self, key: PathwayKey, group: Members) -> Pathway:
        spec, members = self.spec, group.members
        n_ports, n_target, n_source, width = len(spec.ports[key.target]), spec.totals[key.target], spec.totals[key.source], spec.widths[key.target]
        delays = np.array([1], np.int32) if key.early else distinct_delays([(m.projection.delay, m.low, m.high) for m in members])
        n_edges, blocks = sum(self.count(member.projection) for member in members), -(-n_target // width)
        slots = members[0].projection.slots or 0 if key.structured is not None else 0
        room = members[0].projection.source.resolve(spec.spans[members[0].projection.source.population.name].size).n * slots or n_edges
        kind = self._weight_kind(group)
        stored = spec.weight_dtype if kind == "edge" and group.rule is None else spec.dtype
        words = 0 if slots or key.trained else words_for_some(n_source, len(delays), n_edges)
        return Pathway(
            targets=_like((room,), np.uint16 if n_ports * width <= 1 << 16 else np.uint32),
            weight=_like({"one": (), "source": (n_source,), "edge": (room,)}[kind], stored),
            delays=jnp.asarray(delays),
            start=_like((n_source, 2), np.uint32),
            bounds=_like((n_source, len(delays) * blocks + 1), np.uint32),
            owner=_like((n_edges,), np.uint8 if len(members) <= 1 << 8 else np.uint16) if need_owners(members, spec) else None,
            source=key.source,
            target=key.target,
            early=key.early,
            n_target=n_target,
            n_ports=n_ports,
            width=width,
            weight_kind=kind,
            plastic=group.rule is not None,
            row_hint=8,
            some=_like((len(delays), words), np.uint32) if words else None,
            free=self._free(members[0].projection, n_edges) if key.trained is not None else None,
            room=slots,
        )

    def _weight_kind(self, group: Members) -> Any:
        values = [(m.projection.weight.value, m.projection.source) for m in group.members if isinstance(m.projection.weight, Constant)]
        if group.rule is not None or len(values) < len(group.members):
            return "edge"
        if len({value for value, _ in values}) == 1:
            return "one"
        by_source: dict[str, set] = {}
        for value, view in values:
            by_source.setdefault(view.population.name, set()).add(value)
        return "source" if all(len(each) == 1 for each in by_source.values()) else "edge"

    def _free(self, projection: Projection, n_edges: int) -> FreeDelays:
        trainable = projection.trainable
        if trainable is None:
            raise TypeError(f"projection {projection.name!r} has no delays that are trained.")
        one, whole = _like((n_edges,), self.spec.dtype), _like((n_edges,), np.int32)
        return FreeDelays(one, _like((), self.spec.dtype), whole, whole, trainable.low, trainable.high, trainable.spread, self.spec.dt)

    def _part(self, part: Any, n: int) -> Any:
        """A neuron model or receptor with a shape for each of its numbers."""
        values = {name: getattr(part, name) for name in field_units(part) if getattr(part, name) is not None}
        shapes = {name: _like((n,) if isinstance(v, AbstractValue) or np.ndim(v) else (), self.spec.dtype) for name, v in values.items()}
        if not shapes:
            return part
        return eqx.tree_at(lambda p: [getattr(p, name) for name in shapes], part, list(shapes.values()), is_leaf=_is_whole)

    def _model(self, surrogate: AbstractSurrogate | None) -> Model:
        spec, populations = self.spec, self.network.populations
        sources, banks = make_sources(list(self.network.stimuli), spec)
        gaps: Any = tuple(gap.name for gap in self.network.gaps)  # whether there are any is all that is asked
        layout = Layout(
            dt=spec.dt,
            dtype=spec.dtype,
            backend=spec.backend,
            populations=tuple(spec.spans.values()),
            groups=make_groups(spec, self.members, self.pathways),
            stimuli=tuple(StimulusSpan(name, *where) for name, (*where, _) in sources.items()),
            banks=(),
            projections=(),
            lattice_shape=None,
            axes=None,
            gaps=gaps,
        )
        sizes = spec.sizes
        model = Model(
            neurons={p.name: self._part(p.neuron, sizes[p.name]) for p in populations},
            receptors={p.name: {port: self._part(r, sizes[p.name]) for port, r in p.receptors.items()} for p in populations},
            initial={p.name: dict(p.initial) for p in populations},
            pathways=self.pathways,
            plasticity={name: with_leaves(rule, spec.dtype) for name, rule in self.rules.items()},
            gaps={},
            sources={name: source for name, (*_, source) in sources.items()},
            banks={name: bank for name, (*_, bank) in banks.items()},
            sites={name: _like(np.shape(s), np.int32) for name, s in spec.sites.items() if s is not None},
            surrogate=surrogate,
            seed=_like((2,), np.uint32),
            layout=layout,
        )
        structured = {group.name for key, group in self.members.items() if key.structured is not None}
        paths = {name: path if name in structured else _with_columns(path) for name, path in model.pathways.items() if name in by_targets(model)}
        return eqx.tree_at(lambda m: m.pathways, model, model.pathways | paths, is_leaf=lambda x: x is None) if paths else model

    def rows(self) -> list[MemoryRow]:
        """Every part: what is held while edges are drawn, while they are sorted, and of the model and one state."""
        model, both, late = self.model, (SORT, FIRST, KEPT), (FIRST, KEPT)
        state = jax.eval_shape(model.init, jax.random.key(0))
        rows = [MemoryRow("parameters of neurons", (DRAW, *both), tree_bytes((model.neurons, model.receptors, model.sites)))]
        rows.append(MemoryRow("stimuli", (DRAW, *both), tree_bytes((model.sources, model.banks))))
        rows += [MemoryRow(f"synapses {name!r}", both, tree_bytes(path)) for name, path in model.pathways.items()]
        rows += [MemoryRow(f"gap junctions {gap.name!r}", both, gap_bytes(gap, self.spec, self.number) // 2) for gap in self.network.gaps]
        rows.append(MemoryRow("state: variables of neurons", late, tree_bytes((state.groups, state.counted))))
        rows += [MemoryRow(f"state: spikes of the past, {name!r}", late, tree_bytes(past)) for name, past in state.history.items()]
        rows += [MemoryRow(f"state: synapses {name!r}", late, tree_bytes(held)) for name, held in state.edges.items()]
        counted = tree_bytes((state.groups, state.counted, state.history, state.edges))
        rows.append(MemoryRow("clock, keys, seed, rules", late, tree_bytes(state) - counted + tree_bytes((model.seed, model.plasticity, model.surrogate))))
        return [*rows, *self._changing(), *self._scratch()]

    def _changing(self) -> list[MemoryRow]:
        """Lives, and slots of synapses that come and go: in the model and in the state."""
        rows, spec, late = [], self.spec, (FIRST, KEPT)
        for population in self.network.populations:
            if population.lifecycle is not None:
                n = spec.spans[population.name].size
                rows.append(MemoryRow(f"lives of {population.name!r}", late, n * (LIFE_NUMBERS * 4 + 2 * self.number)))
        for key, group in self.members.items():
            if key.structured is not None:
                path = self.pathways[group.name]
                sides = path.n_source + path.n_target
                size = path.targets.shape[0] * (path.targets.dtype.itemsize + 4) + tree_bytes(path.bounds) + sides * (6 * 4 + 2 * self.number)
                rows.append(MemoryRow(f"state: slots of {group.name!r}", late, size))
        return rows

    def _scratch(self) -> list[MemoryRow]:
        """What is given back before a run begins: rows of targets, and what sorting needs."""
        rows = [MemoryRow("compiled program", (FIRST,), PROGRAM)]
        for projection in self.network.projections:
            held, drawing = ROWS.get(type(projection.rule), (4.0, 45.0))
            if isinstance(projection.rule, FixedTotalNumber) and projection.rule.multapses:
                held, drawing = 0.0, 1.0
            n = self.count(projection)
            rows.append(MemoryRow(f"edges of {projection.name!r}", (DRAW, SORT), int(held * n)))
            rows.append(MemoryRow(f"drawing {projection.name!r}", (DRAW,), int((drawing - held) * n)))
        most = max((path.targets.shape[0] for path in self.pathways.values()), default=0)
        rows.append(MemoryRow("sorting", (SORT,), min(most, CHUNK_EDGES * min(n_cores(), -(-most // CHUNK_EDGES))) * SORT_BYTES))
        return rows


LIFE_NUMBERS = 9
"""Whole numbers that are known of a neuron that lives: age, descent, birth, spikes heard and counted."""


def _like(shape: tuple[int, ...], dtype: Any) -> Any:
    """The place of an array."""
    return jax.ShapeDtypeStruct(shape, dtype)


def _is_whole(x: Any) -> bool:
    return x is None or isinstance(x, AbstractValue)


def _with_columns(path: Pathway) -> Pathway:
    n_edges = path.targets.shape[0]
    ids, ends = _like((n_edges,), np.int32), _like((path.n_target, 2), np.uint32)
    return eqx.tree_at(lambda p: p.columns, path, Columns(ids, ids, ids, ends, ends, 8), is_leaf=lambda x: x is None)


class Parts(NamedTuple):
    """What a network is made of."""

    populations: Sequence[Population]
    projections: Sequence[Projection]
    stimuli: Sequence[Any]
    gaps: Sequence[GapJunctions]


def predict(network: Parts, spec: BuildSpec, surrogate: AbstractSurrogate | None, edges: Mapping[str, int] | None = None) -> MemoryTable:
    """The memory of a network that is built, phase by phase."""
    sketch = Sketch(network, spec, surrogate, edges)
    n = sum(spec.totals.values())
    title = f"a network of {n:,} neurons and {sum(sketch.count(p) for p in network.projections):,} synapses"
    return MemoryTable(title, (DRAW, SORT, FIRST, KEPT), tuple(sketch.rows()))
