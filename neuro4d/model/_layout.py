"""The static side of a model: who runs together, where each part lies, what the machine needs to know before it compiles."""

import dataclasses
import functools
from typing import Any, NamedTuple

from neuro4d._base import lookup
from neuro4d.ops import Backend, n_words


class Span(NamedTuple):
    """Where a population lies in its group. `alive`: how many of its neurons are alive at the beginning, where neurons may die and be
    born; `None` where all live for ever. `drawn`: whether these are drawn in each trial, or are the first ones."""

    name: str
    group: str
    start: int
    size: int
    alive: int | None = None
    drawn: bool = False


class Port(NamedTuple):
    """A receptor of a group, and whether synapses reach it at the end of a step (`late`) or at its beginning (`early`)."""

    name: str
    late: bool
    early: bool


class Group(NamedTuple):
    """Populations that share a neuron model and the kinds and names of their receptors: what one step is made of.

    **Fields:** `n` neurons; `width` neurons of a block of targets; `depth` of the past, a power of two; `ports` by name; `spans` of
    the populations, one behind the other.
    """

    name: str
    n: int
    width: int
    depth: int
    ports: tuple[Port, ...]
    spans: tuple[Span, ...]

    @property
    def n_words(self) -> int:
        """Words that hold one bit for each neuron."""
        return n_words(self.n)

    @property
    def n_blocks(self) -> int:
        """Blocks of targets."""
        return -(-self.n // self.width)

    @property
    def port_names(self) -> tuple[str, ...]:
        return tuple(port.name for port in self.ports)

    @property
    def mortal(self) -> bool:
        """Whether neurons of the group may die."""
        return any(span.alive is not None for span in self.spans)

    def port_number(self, name: str) -> int:
        """The place of a port."""
        return self.port_names.index(name)


class StimulusSpan(NamedTuple):
    """Where a stimulus acts: `n` neurons of a group from `start` on, at a port or as a drive."""

    name: str
    group: str
    port: str | None
    start: int
    n: int


class BankSpan(NamedTuple):
    """Where the Poisson input of a bank arrives, and the stimuli that it is made of, in the order of its parts."""

    name: str
    group: str
    port: str
    stimuli: tuple[str, ...]


class End(NamedTuple):
    """One end of a projection: its population, its first neuron there and in the group, how many neurons it has, and how far they
    reach: more than their number where some in between are left out."""

    population: str
    first: int
    in_group: int
    n: int
    extent: int


class ProjectionSpan(NamedTuple):
    """Where the edges of a projection lie: its pathway, its port, its two ends; `number` counts projections in order of definition."""

    name: str
    pathway: str
    port: str
    pre: End
    post: End
    number: int


class GapSpan(NamedTuple):
    """Where the two ends of gap junctions lie; `most`: how many a neuron has at most, on side a and on side b."""

    name: str
    a: End
    b: End
    a_group: str
    b_group: str
    most: tuple[int, int]


@dataclasses.dataclass(frozen=True, eq=False)
class Layout:
    """Names, sizes, ports, depths, the time step. Equal for all seeds of a network, so that they share a program.

    Compared by content; the hash is computed once, since a compiled function asks for it at every call.
    """

    dt: float
    dtype: Any
    backend: Backend
    populations: tuple[Span, ...]
    groups: tuple[Group, ...]
    stimuli: tuple[StimulusSpan, ...]
    banks: tuple[BankSpan, ...]
    projections: tuple[ProjectionSpan, ...]
    lattice_shape: tuple[int, ...] | None
    axes: tuple[str, ...] | None
    gaps: tuple[GapSpan, ...] = ()

    @functools.cached_property
    def _content(self) -> tuple:
        return tuple(getattr(self, field.name) for field in dataclasses.fields(self))

    @functools.cached_property
    def _hash(self) -> int:
        return hash(self._content)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Layout) and self._hash == other._hash and self._content == other._content)

    @functools.cached_property
    def spans(self) -> dict[str, Span]:
        """Populations by name."""
        return {span.name: span for span in self.populations}

    @functools.cached_property
    def _by_name(self) -> dict[str, Group]:
        return {group.name: group for group in self.groups}

    def group(self, name: str) -> Group:
        """A group by its name."""
        return self._by_name[name]

    def group_of(self, population: str) -> Group:
        """The group of a population.

        **Raises:** `UnknownNameError` for a name that no population carries.
        """
        return self._by_name[lookup(self.spans, population, "population").group]

    @functools.cached_property
    def gaps_by_name(self) -> dict[str, GapSpan]:
        return {gap.name: gap for gap in self.gaps}

    @functools.cached_property
    def projections_by_name(self) -> dict[str, ProjectionSpan]:
        return {projection.name: projection for projection in self.projections}

    @functools.cached_property
    def projections_by_pathway(self) -> dict[str, tuple[ProjectionSpan, ...]]:
        """Projections that share a pathway, in order of definition; pathways in the order of their first one."""
        found: dict[str, list[ProjectionSpan]] = {}
        for projection in self.projections:
            found.setdefault(projection.pathway, []).append(projection)
        return {pathway: tuple(spans) for pathway, spans in found.items()}
