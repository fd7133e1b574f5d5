"""Populations: neurons of one kind under one name."""

import dataclasses
from typing import Any

from neuro4d._base import AbstractValue, as_value, check_count, check_name, did_you_mean, example
from neuro4d.lattice import Placement
from neuro4d.neurons import AbstractNeuron
from neuro4d.receptors import AbstractReceptor


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class PopulationView:
    """Neurons `start` to `stop - 1` of a population (`stop` is `None` for the end)."""

    population: "Population"
    start: int
    stop: int | None

    def __repr__(self):
        return f"{self.population.name}[{self.start}:{'' if self.stop is None else self.stop}]"

    def resolve(self, size: int) -> tuple[int, int]:
        """First neuron and number of neurons, once the size of the population is known.

        **Raises:** `IndexError` if the view reaches past the end.
        """
        stop = size if self.stop is None else self.stop
        if not 0 <= self.start < stop <= size:
            raise IndexError(f"{self!r}: population {self.population.name!r} has neurons 0 to {size - 1}.")
        return self.start, stop - self.start


class Population:
    """Neurons of one model under one name.

    **Arguments:**

    - `name`: unique in the network.
    - `size`: how many neurons, or where they live: a placement on a lattice such as `brain["V1"].sample(density=0.1)`.
    - `neuron`: the model, whose parameters are scalars, one entry per neuron, or distributions.
    - `receptors`: what can be projected to, by port name.
    - `v0`: initial membrane potential: a quantity, one entry per neuron, or a distribution; by default the rest of the model.
    - `init`: initial values of other variables, `{"u": ..., "exc.g": ...}`; by default rest and 0.

    `cells[a:b]` is a view of some of the neurons, accepted wherever a population is.

    **Raises:** `TypeError` or `ValueError` for anything else, naming the population.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 100, lif, {"exc": n4.ExpCurrent(tau=5*u.ms)}, v0=n4.Normal(-55*u.mV, 5*u.mV))
        >>> cells[:80]
        cells[0:80]
    """

    __slots__ = ("name", "size", "neuron", "receptors", "initial")
    name: str
    size: int | Placement
    neuron: AbstractNeuron
    receptors: dict[str, AbstractReceptor]
    initial: dict[str, AbstractValue]

    def __init__(self, name, size, neuron, receptors=None, *, v0=None, init=None):
        put = object.__setattr__
        put(self, "name", check_name(name, "population"))
        put(self, "size", size if isinstance(size, Placement) else check_count(size, f"the size of population {name!r}"))
        if not isinstance(neuron, AbstractNeuron):
            raise TypeError(f"population {name!r}: expected a neuron model such as `n4.LIF(...)`; got {neuron!r}.")
        put(self, "neuron", neuron)
        put(self, "receptors", _check_receptors(name, receptors))
        for port, receptor in self.receptors.items():
            check_accepts(neuron, receptor, f"population {name!r}, port {port!r}")
        values = dict(init or {})
        if v0 is not None:
            values["v"] = v0
        put(self, "initial", _check_initial(self, values))

    def __setattr__(self, key, value):
        raise AttributeError(f"a Population does not change; make a new one (tried to set {key!r}).")

    def __repr__(self):
        ports = ", ".join(f"{port}: {type(r).__name__}" for port, r in self.receptors.items())
        return f"Population({self.name!r}, {self.size}, {type(self.neuron).__name__}, {{{ports}}})"

    def __getitem__(self, index) -> PopulationView:
        if not isinstance(index, slice) or index.step not in (None, 1):
            raise TypeError(f"{self.name!r} can only be sliced with stride 1, for example `{self.name}[0:10]`; got [{index!r}].")
        start = 0 if index.start is None else index.start
        for bound in (start, index.stop):
            if bound is not None:
                check_count(bound, f"a bound of {self.name}[{index.start}:{index.stop}]", low=0)
        if isinstance(self.size, int):
            PopulationView(self, start, index.stop).resolve(self.size)
        return PopulationView(self, start, index.stop)

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
        return PopulationView(x, 0, None)
    raise TypeError(f"{what}: expected a population or a slice of one, for example `cells[:80]`; got {x!r}.")


def check_accepts(neuron: AbstractNeuron, part: Any, where: str) -> None:
    """Refuses a receptor or stimulus that acts on a neuron by something which its step does not use."""
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


def _check_initial(population: Population, values: dict[str, Any]) -> dict[str, AbstractValue]:
    known = population.variables()
    checked = {}
    for variable, value in values.items():
        if variable not in known:
            raise ValueError(f"population {population.name!r} has no variable {variable!r} to initialise.{did_you_mean(variable, known)}")
        where = f"population {population.name!r}: initial {variable} (for example `{example(known[variable])}`)"
        checked[variable] = as_value(value, known[variable], where)
    return checked
