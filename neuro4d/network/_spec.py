"""What a build has fixed before an edge is drawn."""

from typing import Any, NamedTuple

import numpy as np

from neuro4d._base import address
from neuro4d.lattice import Placement
from neuro4d.model import Span
from neuro4d.network._group import arrange, group_sizes
from neuro4d.network._population import Population
from neuro4d.ops import Backend


class BuildSpec(NamedTuple):
    """Time step, seed, precision; where populations lie (`spans`), their groups' sizes (`totals`), ports and blocks (`widths`);
    `sites` on the lattice, `None` without one."""

    dt: float
    seed: int
    dtype: Any
    spans: dict[str, Span]
    totals: dict[str, int]
    sites: dict[str, np.ndarray | None]
    ports: dict[str, tuple[str, ...]]
    widths: dict[str, int]
    backend: Backend
    weight_dtype: Any

    @property
    def sizes(self) -> dict[str, int]:
        """Neurons by population."""
        return {name: span.size for name, span in self.spans.items()}


def make_spec(populations: list[Population], dt: float, seed: int, dtype: Any, backend: Backend, weight_dtype: Any) -> BuildSpec:
    """Places populations and arranges them in groups."""
    sizes, sites = _place(populations, seed)
    spans = arrange(populations, sizes)
    totals = group_sizes(spans)
    ports = {spans[p.name].group: tuple(sorted(p.receptors)) for p in populations}
    widths = {group: backend.block_width(n, max(len(ports[group]), 1)) for group, n in totals.items()}
    return BuildSpec(dt, seed, dtype, spans, totals, sites, ports, widths, backend, weight_dtype)


def _place(populations: list[Population], seed: int) -> tuple[dict[str, int], dict[str, np.ndarray | None]]:
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
