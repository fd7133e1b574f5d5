"""The lattice, its areas, and who lives where."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import brainunit as u
import numpy as np
from jaxtyping import Bool, Float, Int

from neuro4d._base import Address, attach, check_name, check_range, lookup, strip, words
from neuro4d.lattice._checks import check_fraction, check_shape
from neuro4d.lattice._metric import distance
from neuro4d.lattice._morton import morton_order
from neuro4d.lattice._regions import AbstractRegion, Box


@dataclasses.dataclass(frozen=True, init=False, repr=False)
class Lattice:
    """A regular grid of sites in any number of axes; the usual four are called x, y, z, w.

    A site is a tuple of coordinates, its position is coordinate times spacing. Areas are named sets of sites and may overlap
    (two populations that share sites are two neurons at one place). The lattice is immutable and draws nothing: who sits
    where is decided by `Network.build`.

    **Arguments:**

    - `shape`: sites along each axis.
    - `spacing`: distance between neighbouring sites, one length or one for each axis.
    - `wrap`: whether an axis is periodic (the last site neighbours the first): one answer, or one for each axis.
    - `areas`: names and regions, `Box` or `Mask`.
    - `axes`: names of the axes; `x, y, z, w, x4, x5, ...` if omitted.

    **Raises:** `TypeError` or `ValueError` naming the argument, the value and the allowed range; `KeyError` with the nearest name
    for an unknown area.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> brain = n4.Lattice((20, 20, 20, 20), spacing=50 * u.um, areas={"V1": n4.Box(x=(0, 9), w=(0, 2))})
        >>> brain
        Lattice(20 x 20 x 20 x 20, spacing 50.0 um, areas V1)
        >>> brain["V1"].n_sites
        12000
        >>> brain["V1"].sample(density=0.1)
        Placement(V1, density 0.1, about 1200 sites)
    """

    shape: tuple[int, ...]
    _spacing: tuple[float, ...]
    wrap: tuple[bool, ...]
    axes: tuple[str, ...]
    _regions: tuple[tuple[str, AbstractRegion], ...]

    def __init__(
        self,
        shape: tuple[int, ...],
        spacing: Any = 50.0 * u.um,
        wrap: bool | tuple[bool, ...] = False,
        areas: Mapping[str, AbstractRegion] | None = None,
        axes: tuple[str, ...] | None = None,
    ):
        sizes = check_shape(shape)
        names = _check_axes(axes, len(sizes))
        fields = {
            "shape": sizes,
            "_spacing": _check_spacing(spacing, len(sizes)),
            "wrap": _check_wrap(wrap, len(sizes)),
            "axes": names,
            "_regions": _check_areas({} if areas is None else areas, sizes, names),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def __repr__(self):
        alike = len(set(self._spacing)) == 1
        spacing = f"{self._spacing[0]} um" if alike else f"{' x '.join(map(str, self._spacing))} um"
        wrapped = [axis for axis, periodic in zip(self.axes, self.wrap, strict=True) if periodic]
        parts = [" x ".join(map(str, self.shape)), f"spacing {spacing}"]
        parts += [f"periodic {' '.join(wrapped)}"] if wrapped else []
        parts += [f"areas {' '.join(self)}"] if self._regions else []
        return f"Lattice({', '.join(parts)})"

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def spacing(self) -> Any:
        """Distance between neighbouring sites along each axis, a quantity of shape `(axes,)`."""
        return attach(np.array(self._spacing), u.um)

    @property
    def n_sites(self) -> int:
        """The number of sites."""
        return self.whole.n_sites

    @property
    def whole(self) -> "Area":
        """All sites as an area."""
        return Area(self, "whole lattice", Box())

    @property
    def areas(self) -> dict[str, "Area"]:
        """The areas by name, in the order in which they were written."""
        return {name: Area(self, name, region) for name, region in self._regions}

    def __getitem__(self, name: str) -> "Area":
        return lookup(self.areas, name, "area")

    def __contains__(self, name: object) -> bool:
        return name in self.areas

    def __iter__(self) -> Iterator[str]:
        return iter(self.areas)

    def __len__(self) -> int:
        return len(self._regions)

    def __bool__(self) -> bool:
        return True

    def sample(self, density: float) -> "Placement":
        """A place for a population anywhere on the lattice, see `Area.sample`."""
        return self.whole.sample(density)

    def all(self) -> "Placement":
        """A place for a population with one neuron at every site."""
        return self.whole.all()

    @property
    def period(self) -> Float[np.ndarray, "axes"]:
        """Length of each periodic axis in um, NaN where an axis is not periodic."""
        lengths = np.array(self.shape) * np.array(self._spacing)
        return np.where(self.wrap, lengths, np.nan)

    def xyz(self, sites: Int[np.ndarray, "n axes"]) -> Float[np.ndarray, "n axes"]:
        """Positions of sites as bare numbers in um."""
        return np.asarray(sites) * np.array(self._spacing)

    def coordinates(self, sites: Int[np.ndarray, "n axes"]) -> Any:
        """Positions of sites as a quantity."""
        return attach(self.xyz(sites), u.um)

    def distance(self, a: Int[np.ndarray, "*n axes"], b: Int[np.ndarray, "*n axes"]) -> Any:
        """Distance between sites, the shorter way round along periodic axes. Shapes broadcast.

        !!! Example

            >>> import brainunit as u, neuro4d as n4
            >>> ring = n4.Lattice((10, 10), spacing=50 * u.um, wrap=(True, False))
            >>> float(ring.distance([0, 0], [9, 0]) / u.um)
            50.0
        """
        return attach(distance(self.xyz(a), self.xyz(b), self.period), u.um)

    def site_number(self, sites: Int[np.ndarray, "n axes"]) -> Int[np.ndarray, "n"]:
        """Sites counted through, the first axis fastest."""
        return np.ravel_multi_index(tuple(np.asarray(sites).T), self.shape, order="F")

    def site(self, number: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n axes"]:
        """Coordinates of sites given by their number."""
        return np.stack(np.unravel_index(number, self.shape, order="F"), axis=-1).astype(np.int32)


@dataclasses.dataclass(frozen=True, repr=False)
class Area:
    """A named set of sites of a lattice, got with `lattice["V1"]`."""

    lattice: Lattice
    name: str
    region: AbstractRegion

    def __repr__(self):
        return f"Area({self.name}, {self.region}, {self.n_sites} sites)"

    @property
    def n_sites(self) -> int:
        """The number of sites."""
        return self.region.count(self.lattice.shape, self.lattice.axes)

    def sample(self, density: float) -> "Placement":
        """A place for a population: every site is taken with probability `density`, independently and seeded.

        Nothing is drawn until a network is built. A site's draw depends on its own number only, so a change of one area moves
        nobody in another.

        **Raises:** `TypeError` or `ValueError` unless `density` is a number from 0 to 1.
        """
        return Placement(self, check_fraction(density, "density", "sample(density=0.1)"))

    def all(self) -> "Placement":
        """A place for a population with one neuron at every site of the area."""
        return Placement(self, 1.0)

    def contains(self, sites: Int[np.ndarray, "n axes"]) -> Bool[np.ndarray, "n"]:
        """Which of the sites lie in the area."""
        return self.region.holds(np.asarray(sites), self.lattice.axes)


@dataclasses.dataclass(frozen=True, repr=False)
class Placement:
    """Where a population lives: an area and the share of its sites that carry a neuron."""

    area: Area
    density: float

    def __repr__(self):
        return f"Placement({self.area.name}, density {self.density:g}, about {self.expected:.0f} sites)"

    @property
    def lattice(self) -> Lattice:
        """The lattice that the area belongs to."""
        return self.area.lattice

    @property
    def expected(self) -> float:
        """The mean number of neurons."""
        return self.density * self.area.n_sites

    def sites(self, address: Address) -> Int[np.ndarray, "n axes"]:
        """The sites that carry a neuron, int32, in Morton order: neurons that are close in space are close in memory.

        **Arguments:** `address`, the place of this population in the space of random words.
        """
        shape, axes = self.lattice.shape, self.lattice.axes
        limit = np.uint64(round(self.density * 2**32))
        taken = []
        for numbers in self.area.region.pieces(shape, axes):
            everywhere = self.density == 1.0
            taken.append(numbers if everywhere else numbers[words(address, numbers) < limit])
        sites = self.lattice.site(np.concatenate(taken))
        return sites[morton_order(sites)]


def _check_axes(axes: Any, n_axes: int) -> tuple[str, ...]:
    if axes is None:
        return ("x", "y", "z", "w", *(f"x{axis}" for axis in range(4, n_axes)))[:n_axes]
    if isinstance(axes, str) or not all(isinstance(axis, str) and axis.isidentifier() for axis in axes):
        raise TypeError(f"Lattice.axes is a tuple of names, for example `axes=('x', 'y', 't')`; got {axes!r}.")
    if len(axes) != n_axes or len(set(axes)) != n_axes:
        raise ValueError(f"Lattice.axes names each of the {n_axes} axes once; got {tuple(axes)!r}.")
    return tuple(axes)


def _check_spacing(spacing: Any, n_axes: int) -> tuple[float, ...]:
    lengths = strip(spacing, u.um, "Lattice.spacing")
    check_range(lengths, u.um, "Lattice.spacing", low=0.0, open_low=True)
    if lengths.shape not in ((), (n_axes,)):
        raise ValueError(f"Lattice.spacing is one length, or one for each of the {n_axes} axes; got the shape {lengths.shape}.")
    return tuple(float(length) for length in np.broadcast_to(lengths, (n_axes,)))


def _check_wrap(wrap: Any, n_axes: int) -> tuple[bool, ...]:
    answers = (wrap,) * n_axes if isinstance(wrap, bool) else wrap
    if not isinstance(answers, tuple | list) or not all(isinstance(answer, bool) for answer in answers):
        raise TypeError(f"Lattice.wrap is True, False, or one of them for each axis, for example `wrap=(True, False)`; got {wrap!r}.")
    if len(answers) != n_axes:
        raise ValueError(f"Lattice.wrap has one answer for each of the {n_axes} axes; got {len(answers)}.")
    return tuple(answers)


def _check_areas(areas: Any, shape: tuple[int, ...], axes: tuple[str, ...]) -> tuple[tuple[str, AbstractRegion], ...]:
    if not isinstance(areas, Mapping):
        raise TypeError(f"Lattice.areas is a dictionary of names and regions, for example `areas={{'V1': Box(x=(0, 9))}}`; got {areas!r}.")
    seen: dict[str, str] = {}
    for name, region in areas.items():
        check_name(name, "area")
        twin = seen.setdefault(name.casefold(), name)
        if twin != name:
            raise ValueError(f"Lattice.areas: the names {twin!r} and {name!r} differ only in case; use two names that cannot be confused.")
        if not isinstance(region, AbstractRegion):
            raise TypeError(f"Lattice.areas[{name!r}] is a `Box` or a `Mask`, for example `Box(x=(0, 9))`; got {region!r}.")
        region.check(shape, axes, f"Lattice.areas[{name!r}]")
    return tuple(areas.items())
