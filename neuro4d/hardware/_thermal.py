"""How hot each tile of a chip gets: heat flows to the neighbours, to the package, and from there to the air."""

import dataclasses
from types import MappingProxyType
from typing import Any, NamedTuple

import brainunit as u
import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int
from scipy.sparse.linalg import splu

from neuro4d._base import AbstractPart, card, html_table, quantity, table
from neuro4d.hardware._interval import total
from neuro4d.hardware._mesh import mesh_of
from neuro4d.hardware._meter import chip_meter, paid, planned, value
from neuro4d.hardware._placement import Placement

DIE = MappingProxyType({"loihi1": 60.0, "loihi2": 31.0, "spinnaker1": 102.0, "spinnaker2": 102.0, "truenorth": 430.0})
"""mm2 of a chip: Davies et al. 2018; Intel technology brief 2021; Painkras et al. 2013, IEEE JSSC 48(8); Scholze et al. 2026; Akopyan et al. 2015."""

ROUNDS, CLOSE, TOO_HOT = 500, 1e-9, 1000.0
"""How often leakage and temperatures are matched, how close they have to come, in K, and where it is given up."""

W_PER_MK = u.watt / u.meter / u.kelvin


class Package(AbstractPart):
    r"""What the heat of a chip flows through.

    **Arguments:**

    - `die`: area of the chip, such as `60*u.mm**2`; of the chips that come with neuro4d it is known.
    - `thickness` and `conductivity` of the silicon; `interface` and `interface_conductivity`: of what lies between it and the package. The values are those of
      HotSpot's example.
    - `resistance`: from the package to the air. Bare packages have 10 to 60 K/W, those with a fan on a heat sink 0.1 K/W.
    - `board`: conductance from a package to that of a neighbouring chip. Inferred: a square of board with four sheets of copper of 35 um.
    - `ambient`: temperature of the air.
    - `growth`, `reference`: leakage is $P_0 \exp(\beta (T - T_0))$, with $\beta$ the growth per K and $T_0$ the temperature at which the power of the target file was
      measured. Both inferred.

    **Raises:** `UnitError` for a bare number; `ValueError` for one that isn't above 0.

    **Source:** Skadron et al. 2003, HotSpot (resistances in a grid, constants).
    """

    die: Any = quantity(u.meter**2, low=0, open_low=True, optional=True, default=None)
    thickness: Any = quantity(u.meter, low=0, open_low=True, default=150 * u.um)
    conductivity: Any = quantity(W_PER_MK, low=0, open_low=True, default=130 * W_PER_MK)
    interface: Any = quantity(u.meter, low=0, open_low=True, default=20 * u.um)
    interface_conductivity: Any = quantity(W_PER_MK, low=0, open_low=True, default=4 * W_PER_MK)
    resistance: Any = quantity(u.kelvin / u.watt, low=0, open_low=True, default=20 * u.kelvin / u.watt)
    board: Any = quantity(u.watt / u.kelvin, low=0, default=0.05 * u.watt / u.kelvin)
    ambient: Any = quantity(u.kelvin, low=0, open_low=True, default=298.15 * u.kelvin)
    growth: Any = quantity(u.kelvin**-1, low=0, default=0.02 / u.kelvin)
    reference: Any = quantity(u.kelvin, low=0, open_low=True, default=318.15 * u.kelvin)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Temperatures:
    """Temperatures in K.

    **Fields:** `chip`: the numbers of the chips in use, `(chips,)`; `tile`: of every tile, `(chips, rows, columns)`; `heat`: what each gives off, in W, of the same shape;
    `package`: of the package of each chip, `(chips,)`; `ambient`: of the air.
    """

    chip: Int[np.ndarray, " chips"]
    tile: Float[np.ndarray, "chips rows columns"]
    heat: Float[np.ndarray, "chips rows columns"]
    package: Float[np.ndarray, " chips"]
    ambient: float

    @property
    def hottest(self) -> float:
        """K, of the hottest tile."""
        return float(self.tile.max())

    @property
    def mean(self) -> float:
        """K, over all tiles."""
        return float(self.tile.mean())

    def rows(self) -> list[tuple[str, str]]:
        """What is printed."""
        return [
            ("hottest tile", f"{self.hottest - 273.15:.2f} C"),
            ("mean of tiles", f"{self.mean - 273.15:.2f} C"),
            ("coolest tile", f"{self.tile.min() - 273.15:.2f} C"),
            ("air", f"{self.ambient - 273.15:.2f} C"),
            ("heat", f"{self.heat.sum():.4g} W from {self.tile.size:,} tiles"),
        ]

    def __repr__(self) -> str:
        return table(("temperature", "value"), self.rows())

    def _repr_html_(self) -> str:
        return card("Temperature", html_table(("", "value"), self.rows()))


def temperature(placement: Placement, package: Package | None = None) -> Temperatures:
    r"""The temperature of every tile of the chips in use, when power and flow of heat have come to rest.

    $$G\,(T - T_\text{air}) = P_\text{work} + P_\text{leak}\, e^{\beta (T - T_0)}$$

    with conductances $G$ between neighbouring tiles, from each tile through the interface to the package of its chip, from the package to the air and to packages of
    neighbouring chips. Power is that of `estimate`, at the mean spikes of the run: operations lie on the tiles of their cores, packets half on the tile that they
    leave and half on the one that they reach, and what a chip and its processors take is spread evenly. Power of boards is left out.

    **Arguments:** `package`: a `Package`; its die is looked up by the name of the target if left out.

    **Raises:** `ValueError` for a chip whose die is not known, and where leakage grows faster than heat flows off.

    **Source:** Skadron et al. 2003, ISCA (HotSpot).

    !!! Example

        >>> pre = np.arange(4000)
        >>> work = n4.hardware.layered(["E"], [4000], pre, pre[::-1], np.full(4000, 0.01), dt=1*u.ms, steps=100)
        >>> found = n4.hardware.temperature(n4.hardware.partition(work, n4.hardware.target("loihi1")))
        >>> found.tile.shape, found.ambient < found.mean < found.hottest < found.mean + 0.1
        ((1, 4, 8), True)
    """
    return Solver(placement, package or Package()).temperatures(placement)


class Heat(NamedTuple):
    """Power in W. `core`: of the work of each core, `(cores,)`; `site`: leakage of every site of the chips in use, whether it has a core or not; `chip` and
    `host`: static power of each chip, and of its processors."""

    core: Float[np.ndarray, " cores"]
    site: Float[np.ndarray, " sites"]
    chip: float
    host: float


class Solver:
    """The conductances of the chips of a placement, factorised once. Nodes are all tiles, chip by chip, and then the packages."""

    def __init__(self, placement: Placement, package: Package):
        chip = placement.chip
        self.package = package
        self.chips = np.unique(placement.site // chip.cores)
        self.tiles, self.columns, self.rows = chip.columns * chip.rows, chip.columns, chip.rows
        self.n = len(self.chips) * self.tiles
        area = _die(placement, package) / self.tiles
        silicon = float(package.thickness) / float(package.conductivity)
        interface = float(package.interface) / float(package.interface_conductivity)
        self.down = area / (silicon + interface)
        self.out = 1 / float(package.resistance)
        self.lu = splu(self._conductances(placement))
        self.air = np.zeros(self.n + len(self.chips))
        self.air[self.n :] = self.out * float(package.ambient)

    def _conductances(self, placement: Placement) -> sp.csc_matrix:
        number = np.arange(self.n).reshape(-1, self.rows, self.columns)
        sideways = float(self.package.conductivity) * float(self.package.thickness)
        links = [
            (number[:, :, 1:], number[:, :, :-1], sideways),
            (number[:, 1:], number[:, :-1], sideways),
            (number, np.broadcast_to(self.n + np.arange(len(self.chips))[:, None, None], number.shape), self.down),
            (*_neighbours(placement, self.chips, self.n), float(self.package.board)),
        ]
        a, b = (np.concatenate([np.ravel(link[i]) for link in links]) for i in (0, 1))
        g = np.concatenate([np.full(np.size(link[0]), link[2]) for link in links])
        size = self.n + len(self.chips)
        between = sp.coo_matrix((np.tile(g, 2), (np.concatenate([a, b]), np.concatenate([b, a]))), (size, size))
        own = np.asarray(between.sum(axis=1)).ravel()
        own[self.n :] += self.out
        return (sp.diags(own) - between).tocsc()

    def temperatures(self, placement: Placement) -> Temperatures:
        """Those of a placement on the same chips."""
        heat = heat_of(placement)
        found, given = self.rest(*self.on_tiles(placement, heat))
        shape = len(self.chips), self.rows, self.columns
        ambient = float(self.package.ambient)
        return Temperatures(self.chips, found[: self.n].reshape(shape), given.reshape(shape), found[self.n :], ambient)

    def on_tiles(self, placement: Placement, heat: Heat) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Power of every tile: what does not depend on temperature, and leakage."""
        sites = (self.chips[:, None] * placement.chip.cores + np.arange(placement.chip.cores)).ravel()
        work = np.bincount(self.node(placement, placement.site), heat.core, self.n) + heat.host / self.tiles
        leak = np.bincount(self.node(placement, sites), heat.site, self.n) + heat.chip / self.tiles
        return work, leak

    def node(self, placement: Placement, site: Int[np.ndarray, "*k"]) -> Int[np.ndarray, "*k"]:
        """The tile of a site."""
        where, inside = np.divmod(site, placement.chip.cores)
        return np.searchsorted(self.chips, where) * self.tiles + inside // placement.chip.per_tile

    def response(self, node: int) -> Float[np.ndarray, " n"]:
        """By how much each tile gets warmer, in K per W at a tile."""
        heat = np.zeros(len(self.air))
        heat[node] = 1.0
        return self.lu.solve(heat)[: self.n]

    def rest(
        self, work: Float[np.ndarray, " n"], leak: Float[np.ndarray, " n"]
    ) -> tuple[Float[np.ndarray, " nodes"], Float[np.ndarray, " n"]]:
        """Temperatures of all nodes, and heat of the tiles, for power that does not depend on temperature and leakage at the reference."""
        growth, reference = float(self.package.growth), float(self.package.reference)
        found = np.full(len(self.air), float(self.package.ambient))
        for _ in range(ROUNDS):
            heat = work + leak * np.exp(growth * (found[: self.n] - reference))
            after = self.lu.solve(self.air + np.pad(heat, (0, len(self.chips))))
            if after.max() > TOO_HOT:
                break
            if np.abs(after - found).max() < CLOSE:
                return after, heat
            found = after
        raise ValueError(
            f"temperature: leakage of {leak.sum():.3g} W grows faster than heat flows off; the chip would run away. "
            f"A package with less resistance, or less growth, for example `n4.hardware.Package(resistance={0.1 / self.out:.3g}*u.kelvin/u.watt)`."
        )


def heat_of(placement: Placement) -> Heat:
    """Where the power of a placement becomes heat, at the mean spikes of the run."""
    counted, load, power = chip_meter(placement), placement.workload, placement.target.power
    loads = counted.loads(np.asarray(load.spikes, float))
    time = float(total(counted.times_of(loads).values()).value)
    work = sum(paid(placement.target.energy, loads, value).values())
    events = counted.events_of(loads)
    ends = loads.messages + loads.arrivals
    work = work + float(events["links"].value) * ends / max(float(ends.sum()), np.finfo(float).tiny)
    if "waking" in events:
        work = work + float(events["waking"].value) / placement.n_cores
    groups, plan = planned(placement)
    chip, off = placement.chip, value(power.gated)
    chips = np.unique(placement.site // chip.cores)
    where, inside = np.divmod(np.arange(len(chips) * chip.cores), chip.cores)
    each = -(-chip.cores // power.group)
    found = np.full(len(chips) * each, off)
    used = np.searchsorted(chips, placement.site // chip.cores) * each + placement.site % chip.cores // power.group
    found[used] += (value(power.core) - off) * plan.share[groups.of]
    return Heat(work / time, found[where * each + inside // power.group], value(power.chip), value(power.host))


def _die(placement: Placement, package: Package) -> float:
    if package.die is not None:
        return float(package.die)
    name = placement.target.name
    if name not in DIE:
        raise ValueError(f"temperature: the area of the chip of {name!r} is not known. Give it: `n4.hardware.Package(die=60*u.mm**2)`.")
    return DIE[name] * 1e-6


def _neighbours(placement: Placement, chips: Int[np.ndarray, " chips"], first: int) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """Packages of chips that lie side by side: one link apart where a chip is one node of the mesh, otherwise in the array of chips."""
    chip = placement.chip
    sites = (chips[:, None] * chip.cores + np.arange(chip.cores)).ravel()
    mesh, node = mesh_of(dataclasses.replace(placement, site=sites))
    nodes = node.reshape(len(chips), -1)
    a, b = np.triu_indices(len(chips), 1)
    if (nodes == nodes[:, :1]).all():
        near = mesh.hops(nodes[a, 0], nodes[b, 0]) == 1
    else:
        place = mesh.place[nodes[:, 0]] // (chip.columns, chip.rows)
        near = np.abs(place[a] - place[b]).sum(axis=1) == 1
    return first + a[near], first + b[near]
