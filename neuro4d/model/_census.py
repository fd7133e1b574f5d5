"""What a model consists of, counted."""

import hashlib
import json
from typing import Any, NamedTuple

import brainunit as u
import jax
import numpy as np

from neuro4d._base import bytes_text
from neuro4d.model._edges import locate, span_of, unit_of, weights
from neuro4d.model._fields import ModelFields
from neuro4d.ops import Pathway


class PopulationCensus(NamedTuple):
    """A population: its neurons, their model, the receptors by port, and the state variables of one neuron."""

    name: str
    neurons: int
    model: str
    receptors: dict[str, str]
    variables: tuple[str, ...]


class ProjectionCensus(NamedTuple):
    """A projection: its ends, its synapses, and how many of them have each delay (in steps); `distinct_weights` and their bounds."""

    name: str
    source: str
    target: str
    port: str
    synapses: int
    delays: dict[int, int]
    distinct_weights: int
    weight_low: Any
    weight_high: Any
    plastic: bool


class GapCensus(NamedTuple):
    """Gap junctions: the populations that they join, how many there are, and the bounds of their conductances."""

    name: str
    a: str
    b: str
    junctions: int
    conductance_low: Any
    conductance_high: Any


class Census(NamedTuple):
    """What there is, by population, by projection and by gap junctions."""

    populations: tuple[PopulationCensus, ...]
    projections: tuple[ProjectionCensus, ...]
    gaps: tuple[GapCensus, ...] = ()

    @property
    def neurons(self) -> int:
        """All neurons."""
        return sum(each.neurons for each in self.populations)

    @property
    def synapses(self) -> int:
        """All synapses."""
        return sum(each.synapses for each in self.projections)


def census(model: ModelFields) -> Census:
    """The census of a model. Reads the arrays, projection by projection."""
    populations = []
    for name, span in model.layout.spans.items():
        receptors = model.receptors[name]
        variables = [*model.neurons[name].variables, *(f"{port}.{v}" for port, r in receptors.items() for v in r.variables)]
        kinds = {port: type(r).__name__ for port, r in receptors.items()}
        populations.append(PopulationCensus(name, span.size, type(model.neurons[name]).__name__, kinds, tuple(variables)))
    projections = tuple(_of_projection(model, name) for name in model.layout.projections_by_name)
    return Census(tuple(populations), projections, tuple(_of_gap(model, name) for name in model.layout.gaps_by_name))


def _of_gap(model: ModelFields, name: str) -> GapCensus:
    span, values = model.layout.gaps_by_name[name], np.asarray(model.gaps[name].conductance)
    low, high = (values.min(), values.max()) if values.size else (np.nan, np.nan)
    return GapCensus(name, span.a.population, span.b.population, len(values), low * u.nS, high * u.nS)


def _of_projection(model: ModelFields, name: str) -> ProjectionCensus:
    span, unit = span_of(model, name), unit_of(model, name)
    found = locate(model, name)
    values = np.asarray(weights(model, name, None).to_decimal(unit))
    steps, counts = np.unique(found.delay, return_counts=True)
    low, high = (values.min(), values.max()) if values.size else (np.nan, np.nan)
    return ProjectionCensus(
        name=name,
        source=span.pre.population,
        target=span.post.population,
        port=span.port,
        synapses=len(found.place),
        delays=dict(zip(steps.tolist(), counts.tolist(), strict=True)),
        distinct_weights=len(np.unique(values)),
        weight_low=low * unit,
        weight_high=high * unit,
        plastic=span.pathway in model.plasticity,
    )


def n_synapses(path: Pathway) -> int:
    """Synapses of a pathway, without its padding."""
    return int(np.asarray(path.bounds[:, -1]).sum(dtype=np.int64))


def storage(model: ModelFields) -> list[dict[str, Any]]:
    """How the synapses of every pathway are kept."""
    rows = []
    for name, path in model.pathways.items():
        arrays = [path.targets, path.weight, path.start, path.bounds, path.delays]
        arrays += [x for x in (path.owner, path.some, *jax.tree.leaves(path.columns)) if x is not None]
        rows.append(
            {
                "pathway": name,
                "synapses": n_synapses(path),
                "id_bits": 8 * path.targets.dtype.itemsize,
                "weight_per": {"one": "pathway", "source": "source", "edge": "edge"}[path.weight_kind],
                "weight_type": path.weight.dtype.name,
                "blocks": path.n_blocks,
                "delays": len(path.delays),
                "bytes": sum(x.nbytes for x in arrays),
            }
        )
    return rows


def describe(model: ModelFields) -> str:
    """What `print(model)` shows: populations, projections, and how synapses are kept."""
    lines = [repr(model), "populations:"]
    for name, span in model.layout.spans.items():
        ports = ", ".join(f"{port}: {type(receptor).__name__}" for port, receptor in model.receptors[name].items())
        lines.append(f"  {name}: {span.size:,} {type(model.neurons[name]).__name__}{f' ({ports})' if ports else ''}")
    lines.append("projections:")
    for p in model.layout.projections:
        plastic = f", {type(model.plasticity[p.pathway]).__name__}" if p.pathway in model.plasticity else ""
        lines.append(f"  {p.name}: {p.pre.population} -> {p.post.population}.{p.port} in {p.pathway!r}{plastic}")
    for gap in model.layout.gaps:
        lines.append(f"  {gap.name}: {gap.a.population} -- {gap.b.population}, {len(model.gaps[gap.name].a):,} gap junctions")
    lines.append("synapses as they are kept:")
    for row in storage(model):
        lines.append(
            f"  {row['pathway']}: {row['synapses']:,} of {row['delays']} delays, ids of {row['id_bits']} bits, one weight per "
            f"{row['weight_per']} ({row['weight_type']}), {row['blocks']} blocks, {bytes_text(row['bytes'])}"
        )
    return "\n".join(lines)


def fingerprint(model: ModelFields) -> str:
    """A hash of what two models must share to exchange states: nothing in it depends on the machine or the backend."""
    layout = model.layout
    structure = {
        "dt": layout.dt,
        "dtype": np.dtype(layout.dtype).name,
        "seed": np.asarray(model.seed).tolist(),
        "populations": [
            [span.name, span.size, type(model.neurons[span.name]).__name__]
            + [[port, type(receptor).__name__] for port, receptor in sorted(model.receptors[span.name].items())]
            for span in layout.populations
        ],
        "projections": [[p.name, p.port, *p.pre[:2], p.pre.n, *p.post[:2], p.post.n] for p in layout.projections],
        "synapses": {name: [n_synapses(path), np.asarray(path.delays).tolist()] for name, path in model.pathways.items()},
        "stimuli": sorted([s.name, s.port or ""] for s in layout.stimuli),
    }
    if layout.gaps:
        structure["gaps"] = [[g.name, *g.a[:2], g.a.n, *g.b[:2], g.b.n, len(model.gaps[g.name].a)] for g in layout.gaps]
    if model.lives:
        structure["lives"] = [[name, living.every, *living.inherits, living.counts] for name, living in sorted(model.lives.items())]
    return hashlib.blake2b(json.dumps(structure, sort_keys=True).encode(), digest_size=16).hexdigest()
