"""Populations: neurons of one kind under one name."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from neuro4d._base import AbstractValue, as_value, check_count, check_name, did_you_mean, example
from neuro4d.lattice import Placement
from neuro4d.network._alive import Alive, check_alive, check_lifecycle
from neuro4d.neurons import AbstractNeuron
from neuro4d.receptors import AbstractReceptor
from neuro4d.structure import Lifecycle


class Chosen(NamedTuple):
    """Neurons of a population whose size is known: a range, or an ascending array of ids."""

    ids: range | np.ndarray

    @property
    def n(self) -> int:
        """How many."""
        return len(self.ids)

    @property
    def first(self) -> int:
        return int(self.ids[0])

    @property
    def extent(self) -> int:
        """How far they reach, from the first to the last."""
        return int(self.ids[-1]) - self.first + 1

    @property
    def contiguous(self) -> bool:
        return self.n == self.extent

    @property
    def selection(self) -> slice | np.ndarray:
        """As an index into the arrays of the population."""
        return slice(self.first, self.first + self.n) if self.contiguous else np.asarray(self.ids)

    def in_group(self, start: int) -> int | np.ndarray:
        """The first neuron of the group, or all of them if some in between are left out; the population begins at `start`."""
        return start + self.first if self.contiguous else np.asarray(self.ids) + start

    def shift_to(self, other: "Chosen") -> int | None:
        """The number that turns an index here into the index of the same neuron there; `None` if no neuron is in both.

        **Raises:** `ValueError` if there is no one number.
        """
        _, here, there = np.intersect1d(np.asarray(self.ids), np.asarray(other.ids), assume_unique=True, return_indices=True)
        if not len(here):
            return None
        shift = int(there[0] - here[0])
        if not (there - here == shift).all() or not _same_beyond(self, other, shift, len(here)):
            raise ValueError("the two ends share neurons in an irregular way, so that connections of a neuron to itself cannot be left out")
        return shift


def _same_beyond(a: Chosen, b: Chosen, shift: int, shared: int) -> bool:
    """Whether every pair of positions that are `shift` apart is the same neuron."""
    return shared == max(min(a.n + shift, b.n) - max(shift, 0), 0)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class PopulationView:
    """Some neurons of a population: a slice with a positive stride, or ascending ids."""

    population: "Population"
    chosen: slice | np.ndarray

    def __repr__(self):
        if isinstance(self.chosen, slice):
            start, stop, step = self.chosen.start, self.chosen.stop, self.chosen.step
            text = f"{start or 0}:{'' if stop is None else stop}{'' if step in (None, 1) else f':{step}'}"
        else:
            text = f"{len(self.chosen)} ids from {self.chosen[0]} to {self.chosen[-1]}"
        return f"{self.population.name}[{text}]"

    def resolve(self, size: int) -> Chosen:
        """The neurons, once the size of the population is known.

        **Raises:** `IndexError` if the view reaches past the end, or holds nothing.
        """
        chosen, text = self.chosen, f"{self!r}: population {self.population.name!r} has neurons 0 to {size - 1}."
        if isinstance(chosen, slice):
            if any(bound is not None and abs(bound) > size for bound in (chosen.start, chosen.stop)) or not len(range(size)[chosen]):
                raise IndexError(text)
            return Chosen(range(size)[chosen])
        if chosen[-1] >= size:
            raise IndexError(text)
        return Chosen(chosen)


def _choice(name: str, index: Any) -> slice | np.ndarray:
    """An index as a slice or ascending ids.

    **Raises:** `TypeError` for another kind of index, `ValueError` for a stride below 1 or ids that do not ascend.
    """
    where = f"{name}[{index!r}]"
    if isinstance(index, slice):
        for bound in (index.start, index.stop, index.step):
            if bound is not None and (isinstance(bound, bool) or not isinstance(bound, int | np.integer)):
                raise TypeError(f"a bound of {where} is a whole number, for example `{name}[0:10]`; got {bound!r}.")
        if index.step is not None and not index.step > 0:
            raise ValueError(f"{where}: the stride is at least 1, for example `{name}[::2]`; neurons keep their order.")
        return index
    ids = np.asarray(index) if isinstance(index, list | tuple | np.ndarray) else np.zeros(0)
    if ids.dtype == bool and ids.ndim == 1:
        ids = np.flatnonzero(ids)
    if ids.ndim != 1 or ids.dtype.kind not in "iu" or not ids.size:
        raise TypeError(f"{name!r} takes a slice or whole numbers, for example `{name}[0:10]`, `{name}[-3:]` or `{name}[[1, 4, 6]]`; got [{index!r}].")
    if ids[0] < 0 or not (np.diff(ids) > 0).all():
        raise ValueError(f"{where}: ids are 0 or more and ascend, each once; sort them, for example `{name}[np.unique(ids)]`.")
    return ids.astype(np.int64)


class Population:
    """Neurons of one model under one name.

    **Arguments:**

    - `name`: unique in the network.
    - `size`: how many neurons, or where they live: a placement on a lattice such as `brain["V1"].sample(density=0.1)`.
    - `neuron`: the model, whose parameters are scalars, one entry per neuron, or distributions.
    - `receptors`: what can be projected to, by port name.
    - `v0`: initial membrane potential: a quantity, one entry per neuron, or a distribution; by default the rest of the model.
    - `alive`: who is alive at the beginning: a number, the first ones; a share as a float, `0.5`, so many drawn with the key of each trial; or a
      boolean for each. Then neurons may die and be born while a simulation runs (`state.with_alive`). By default all live for ever, and none
      pays for it.
    - `lifecycle`: how neurons age, die and have children, `n4.Lifecycle(...)`; without `alive` all are alive at the beginning.
    - `init`: initial values of other variables, `{"u": ..., "exc.g": ...}`; by default rest and 0.

    `cells[a:b]`, `cells[-3:]`, `cells[::2]` and `cells[[1, 4, 6]]` are views of some of the neurons, accepted wherever a population is.

    **Raises:** `TypeError` or `ValueError` for anything else, naming the population.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 100, lif, {"exc": n4.ExpCurrent(tau=5*u.ms)}, v0=n4.Normal(-55*u.mV, 5*u.mV))
        >>> cells[:80]
        cells[0:80]
    """

    __slots__ = ("name", "size", "neuron", "receptors", "initial", "alive", "lifecycle")
    name: str
    size: int | Placement
    neuron: AbstractNeuron
    receptors: dict[str, AbstractReceptor]
    initial: dict[str, AbstractValue]
    alive: Alive | None
    lifecycle: Lifecycle | None

    def __init__(self, name, size, neuron, receptors=None, *, v0=None, init=None, alive=None, lifecycle=None):
        put = object.__setattr__
        put(self, "name", check_name(name, "population"))
        put(self, "size", size if isinstance(size, Placement) else check_count(size, f"the size of population {name!r}"))
        if not isinstance(neuron, AbstractNeuron):
            raise TypeError(f"population {name!r}: expected a neuron model such as `n4.LIF(...)`; got {neuron!r}.")
        put(self, "neuron", neuron)
        put(self, "receptors", _check_receptors(name, receptors))
        for port, receptor in self.receptors.items():
            check_accepts(neuron, receptor, f"population {name!r}, port {port!r}")
            _check_acts(name, port, receptor, self.receptors)
        values = dict(init or {})
        if v0 is not None:
            values["v"] = v0
        put(self, "initial", _check_initial(self, values))
        put(self, "lifecycle", check_lifecycle(name, lifecycle))
        put(self, "alive", check_alive(name, self.size, 1.0 if alive is None and lifecycle is not None else alive))

    def __setattr__(self, key, value):
        raise AttributeError(f"a Population does not change; make a new one (tried to set {key!r}).")

    def __repr__(self):
        ports = ", ".join(f"{port}: {type(r).__name__}" for port, r in self.receptors.items())
        return f"Population({self.name!r}, {self.size}, {type(self.neuron).__name__}, {{{ports}}})"

    def __getitem__(self, index) -> PopulationView:
        view = PopulationView(self, _choice(self.name, index))
        if isinstance(self.size, int):
            view.resolve(self.size)
        return view

    def variables(self) -> dict[str, Any]:
        """Everything that can be initialised or recorded, with its unit: `v`, `exc.g`, ..."""
        units = dict(self.neuron.variables)
        for port, receptor in self.receptors.items():
            units |= {f"{port}.{variable}": unit for variable, unit in receptor.variables.items()}
        return units


def view_of(x: Any, what: str) -> PopulationView:
    """A population or a view, as a view."""
    if isinstance(x, PopulationView):
        return x
    if isinstance(x, Population):
        return PopulationView(x, slice(None))
    raise TypeError(f"{what}: expected a population or a slice of one, for example `cells[:80]`; got {x!r}.")


def check_accepts(neuron: AbstractNeuron, part: Any, where: str) -> None:
    """Refuses a receptor or stimulus that acts on a neuron by something which its step does not use."""
    if isinstance(part, AbstractReceptor) and part.sees_v and "v" not in neuron.variables:
        raise ValueError(f"{where}: {type(part).__name__} depends on the potential, which {type(neuron).__name__} does not have.")
    lost = (part.exerts or frozenset()) - neuron.accepts
    if not lost:
        return
    words = {"g": "a conductance", "i": "a current", "jump": "a jump of the potential"}
    exerted, used = (" and ".join(words[x] for x in words if x in parts) or "nothing" for parts in (part.exerts, neuron.accepts))
    advice = " Give it a port `{\"in\": n4.Delta()}` and let spikes arrive there, for example `n4.Poisson(..., weight=1*u.mV)`."
    raise ValueError(
        f"{where}: {type(part).__name__} exerts {exerted}, but {type(neuron).__name__} uses only {used}: it would have no effect."
        f"{advice if neuron.accepts == {'jump'} else ''}"
    )


def _check_receptors(name: str, receptors: Any) -> dict[str, AbstractReceptor]:
    table = dict(receptors or {})
    for port, receptor in table.items():
        check_name(port, f"port of population {name!r}")
        if "." in port:
            raise ValueError(
                f"population {name!r}: the name of a port has no dot, since `port.variable` names what is recorded; got {port!r}."
            )
        if not isinstance(receptor, AbstractReceptor):
            raise TypeError(
                f"population {name!r}, port {port!r}: expected a receptor such as `n4.ExpCurrent(tau=5*u.ms)`; got {receptor!r}."
            )
    return table


def _check_acts(name: str, port: str, receptor: AbstractReceptor, table: dict[str, AbstractReceptor]) -> None:
    for other in receptor.acts_on():
        if other not in table or other == port:
            others = [known for known in table if known != port]
            raise ValueError(
                f"population {name!r}, port {port!r}: {type(receptor).__name__} acts on the port {other!r}, which is not one of the others: "
                f"{', '.join(others) or 'there are none'}.{did_you_mean(other, others)}"
            )


def _check_initial(population: Population, values: dict[str, Any]) -> dict[str, AbstractValue]:
    known = population.variables()
    checked = {}
    for variable, value in values.items():
        if variable not in known:
            raise ValueError(f"population {population.name!r} has no variable {variable!r} to initialise.{did_you_mean(variable, known)}")
        where = f"population {population.name!r}: initial {variable} (for example `{example(known[variable])}`)"
        checked[variable] = as_value(value, known[variable], where)
    return checked
