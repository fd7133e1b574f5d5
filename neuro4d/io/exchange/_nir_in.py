"""Networks from graphs of NIR."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import brainunit as u
import numpy as np

from neuro4d._base import strip
from neuro4d.connect import EdgeList
from neuro4d.io.exchange._imported import Imported
from neuro4d.io.exchange._nir_cells import FIRING, GRADED, Cell, Entry, before_cell, cell
from neuro4d.io.exchange._nir_flat import LINEAR, Flat, flatten, safe_name, shape_of
from neuro4d.io.exchange._nir_linear import Arriving, RefusedError, Term, add, identity, through
from neuro4d.network import Network, Population, Projection
from neuro4d.neurons import Relay
from neuro4d.receptors import AbstractReceptor, Delta
from neuro4d.stimuli import Clamp

LONGEST = 100
"""Linear nodes one behind the other, of which each is read inside of the next."""


class NotFromNIRError(ValueError):
    """A graph of NIR with parts that a network cannot express; the message lists all of them."""


def from_nir(graph: Any, dt: Any = None, method: Literal["exact", "euler"] = "exact") -> Imported:
    r"""A network from a graph of NIR, written by neuro4d or by another framework.

    | NIR | neuro4d |
    |---|---|
    | `Input` | a population of `Relay` neurons with a port `in`: drive it with `n4.SpikeTimes`, `n4.Poisson` or `n4.Input`, weight 1 mV |
    | `LIF`, `IF`, `Threshold` | `LIF` with a `Delta` port; without a leak, and without a memory |
    | `CubaLIF` | `LIF` with an `ExpCurrent` port |
    | `LI` before neurons | an `ExpCurrent` port of theirs |
    | `LI`, `CubaLI`, `I` otherwise | a population of `n4.LI`, a readout: record its `v` |
    | `Linear`, `Affine`, `Conv1d`, `Conv2d`, `SumPool2d`, `AvgPool2d`, `Scale`, `Flatten`, `Delay`, in any sequence | one projection, its edges those that are not 0 |
    | the bias of an `Affine` or a convolution | a `Clamp` |
    | a graph inside a graph | its nodes, named `outer.inner` |

    A spike is a pulse of height 1 that lasts for a step, as every framework with a clock has it: through a weight $w$ it moves the potential of an `LIF` by
    $w\,r\,\mathrm{d}t/\tau$, and the current of a `CubaLIF` by $w\,w_\mathrm{in}\,\mathrm{d}t/\tau_\mathrm{syn}$. Between spikes the equations are those of NIR, and `method` says how they
    are solved: `exact`, or `euler` as most frameworks do, $v \leftarrow (1 - \mathrm{d}t/\tau) v + \dots$, which is an exact step of another time constant. NIR fires above the
    threshold and `LIF` at it, so the threshold becomes the next number of single precision, unless the graph says that it was meant as here.

    A spike acts in a later step at the earliest. Frameworks that send spikes through all layers within one step have theirs one step later here for every layer between the input and
    them. Numbers without units are read as s, V, A and Ohm.

    **Arguments:**

    - `graph`: a `nir.NIRGraph`; `n4.io.load_nir` reads one from a file.
    - `dt`: the time step; by default that which the metadata of the graph name. Delays have to be multiples of it. [time]
    - `method`: `exact`, or `euler`.

    **Returns:** `n4.io.Imported`: `network`, `dt`, and the names of `inputs` and `outputs`.

    **Raises:** `NotFromNIRError` with all that cannot be read, in one list: unknown nodes, signals that are no spikes (an `LI` before a matrix), delays off the grid, numbers out of range.
    `ValueError` where no `dt` is known. `TypeError` for what is no graph.

    **Source:** Pedersen et al. 2024, Nature Communications 15, 8122.

    !!! Example

        >>> import nir
        >>> layer = nir.LIF(tau=np.full(2, 0.02), r=np.ones(2), v_leak=np.zeros(2), v_threshold=np.ones(2), v_reset=np.zeros(2))
        >>> nodes = {"in": nir.Input(np.array([3])), "fc": nir.Linear(np.ones((2, 3))), "lif": layer, "out": nir.Output(np.array([2]))}
        >>> graph = nir.NIRGraph(nodes, [("in", "fc"), ("fc", "lif"), ("lif", "out")])
        >>> found = n4.io.from_nir(graph, dt=1*u.ms)
        >>> found
        Imported(2 populations, 1 projections, dt = 1. ms; inputs in; outputs lif)
        >>> found.network.build(dt=found.dt).weights("fc").to_decimal(u.mV)[0].round(6)
        np.float32(50.0)
    """
    if type(graph).__name__ != "NIRGraph":
        raise TypeError(f"from_nir takes a `nir.NIRGraph`, for example of `nir.read(path)`; got {graph!r:.80}.")
    if method not in ("exact", "euler"):
        raise ValueError(f"from_nir: method is 'exact' or 'euler'; got {method!r}.")
    reader = _Reader(graph, _time_step(graph, dt), method == "euler")
    reader.read()
    if reader.problems:
        raise NotFromNIRError("from_nir: a network cannot express\n" + "\n".join(f"- {each}" for each in dict.fromkeys(reader.problems)))
    return reader.made()


def _time_step(graph: Any, dt: Any) -> float:
    """The time step in s."""
    if dt is not None:
        value = float(strip(dt, u.ms, "from_nir: dt")) * 1e-3
    else:
        noted = np.asarray(graph.metadata.get("dt", np.nan))
        value = float(noted) if noted.ndim == 0 and noted.dtype.kind in "fiu" else np.nan
    if not (np.isfinite(value) and value > 0):
        raise ValueError("from_nir: the graph names no time step; give one, for example `dt=1*u.ms`.")
    return value


class Into:
    """What enters the `n` neurons of a population: receptors by port, initial values, constant currents in pA, and signals that become projections."""

    def __init__(self, n: int, init: dict[str, np.ndarray]):
        self.n, self.init = n, init
        self.ports: dict[str, AbstractReceptor] = {}
        self.current = np.zeros(n)
        self.wanted: list[tuple[str, Entry, Term]] = []

    def take(self, entry: Entry, part: Arriving | None, default: str) -> None:
        """A signal through an entry; terms may name the port that they were read from."""
        if part is None:
            return
        if part.bias.size != self.n:
            raise RefusedError(f"{part.bias.size} signals arrive at {self.n} neurons")
        for term in part.terms:
            port = _port(term.notes or {}, default)
            if type(self.ports.setdefault(port, entry.receptor)) is not type(entry.receptor):
                raise RefusedError(f"two kinds of receptors would have the name {port!r}")
            self.wanted.append((port, entry, term))
        if np.any(part.bias):
            self.current = self.current + entry.steady * part.bias
            if entry.unit == u.pA:  # a current that grows from 0 is a constant one and one that falls
                self.ports.setdefault(default, entry.receptor)
                self.init[f"{default}.i"] = self.init.get(f"{default}.i", 0) - entry.steady * part.bias / entry.held


def _port(notes: Mapping[str, Any], default: str) -> str:
    """The port that metadata name, as a name that a population takes."""
    noted = notes.get("port")
    return safe_name(noted if isinstance(noted, str) else default, set()).replace(".", "_")


@dataclasses.dataclass
class _Reader:
    """A graph on its way to a network; `dt` in s."""

    graph: Any
    dt: float
    euler: bool

    def __post_init__(self) -> None:
        self.problems: list[str] = []
        self.flat: Flat = flatten(self.graph, self.problems)
        self.names: dict[str, str] = {}
        self.cells: dict[str, Cell] = {}
        self.signals: dict[str, Arriving | None] = {}
        self.populations: dict[str, Population] = {}
        self.wanted: list[tuple[str, str, Entry, Term]] = []
        self.currents: dict[str, np.ndarray] = {}
        self.parts: list[Any] = []
        self.outputs: dict[str, None] = {}

    def read(self) -> None:
        """All nodes; what cannot be read is in `problems`."""
        kinds = {name: self.flat.kind(name) for name in self.flat.nodes}
        people = [name for name, kind in kinds.items() if self._is_population(name, kind)]
        taken: set[str] = set()
        self.names = {name: safe_name(name, taken) for name in people}
        refractory = "refractory" in self.graph.metadata
        for name in people:
            if kinds[name] != "Input":
                self.cells[name] = self._guarded(name, lambda name=name: cell(self.flat.nodes[name], kinds[name], self.dt, self.euler, refractory))
        for name in people:
            self._guarded(name, lambda name=name: self._population(name, kinds[name]))
        if not self.problems:
            self._projections()
        for name, kind in kinds.items():
            if kind == "Output" and name not in self.flat.wires:
                self._output(name)

    def _is_population(self, name: str, kind: str) -> bool:
        if kind == "Input":
            return "added" not in self.flat.nodes[name].metadata
        return kind in FIRING or (kind in GRADED and not (kind == "LI" and self._feeds(name)))

    def _feeds(self, name: str) -> bool:
        """Whether an `LI` acts on neurons."""
        return any(self.flat.kind(each) in FIRING for each in self.flat.after[name])

    def _guarded(self, name: str, make: Any) -> Any:
        try:
            return make()
        except (RefusedError, ValueError, TypeError) as error:
            self.problems.append(f"node {name!r}, {self.flat.kind(name)}: {error}")
            return None

    def _signal(self, name: str, path: tuple[str, ...] = ()) -> Arriving | None:
        """What a node sends on; `None` where it cannot be read, which is noted once."""
        if name in self.signals:
            return self.signals[name]
        kind = self.flat.kind(name)
        if name in path:
            self.problems.append(f"node {name!r}: a circle of linear nodes without neurons in it")
            return None
        if len(path) > LONGEST:
            self.problems.append(f"node {name!r}: it is before more than {LONGEST} linear nodes, one behind the other")
            return None
        if kind in ("Input", *FIRING):
            added = kind == "Input" and name not in self.names
            found = None if added else self._guarded(name, lambda: identity(name, shape_of(self.flat.nodes[name], kind)))
        elif kind in LINEAR:
            parts = [part for each in self.flat.before[name] if (part := self._signal(each, (*path, name))) is not None]
            node = self.flat.nodes[name]
            wire = name in self.flat.wires
            found = self._guarded(name, lambda: add(parts) if wire else through(node, name, add(parts), self.dt)) if parts else None
        else:
            if kind in GRADED:
                self.problems.append(f"node {name!r}, {kind}: it sends a potential through a matrix or to no neurons; only spikes travel")
            found = None
        self.signals[name] = found
        return found

    def _population(self, name: str, kind: str) -> None:
        """Neurons, the receptors that something reaches, constant currents, and in `wanted` what shall be projections."""
        if kind == "Input":
            size = int(np.prod(shape_of(self.flat.nodes[name], kind)))
            self.populations[name] = Population(self.names[name], size, Relay(), {"in": Delta()})
            return
        held, before = self.cells[name], {each: self._signal(each) for each in self.flat.before[name] if self.flat.kind(each) != "LI"}
        if held is None:
            return
        into = Into(held.entry.pulse.size, {} if held.v0 is None else {"v": held.v0})
        for each in self.flat.before[name]:
            if self.flat.kind(each) != "LI":
                into.take(held.entry, before[each], "in")
                continue
            if kind not in ("LIF", "IF"):
                raise RefusedError(f"the LI {each!r} acts on it; before `LIF` and `IF`, it is a receptor")
            entry, current = before_cell(self.flat.nodes[each], into.n, self.dt, held.tau, self.euler)
            into.current = into.current + current
            port = _port(self.flat.nodes[each].metadata, each)
            for one in self.flat.before[each]:
                into.take(entry, self._signal(one), port)
        init = {variable: values * (u.mV if variable == "v" else u.pA) for variable, values in into.init.items()}
        self.populations[name] = Population(self.names[name], into.n, held.neuron, into.ports, init=init)
        self.wanted += [(name, *each) for each in into.wanted]
        if np.any(into.current):
            self.currents[name] = into.current

    def _projections(self) -> None:
        """One projection for all edges that leave one population under one name for one port."""
        joined: dict[tuple[str, str, str, str], list[tuple[Entry, Term]]] = {}
        for name, port, entry, term in self.wanted:
            noted = (term.notes or {}).get("projection")
            label = noted if isinstance(noted, str) else term.label or f"{term.source} to {name}"
            joined.setdefault((label, term.source, name, port), []).append((entry, term))
        used: set[str] = set()
        for (label, source, name, port), terms in joined.items():
            unit = terms[0][0].unit
            pre, post, weight, delay = self._edges(terms)
            delay = np.maximum(delay, 1) if unit == u.mV else delay  # which is the same for a jump of the potential
            # A delay of 0 holds for a whole projection or for none of it.
            for chosen in [each for each in (delay > 0, delay == 0) if each.any()] or [delay > 0]:
                ends = (self.populations[source], self.populations[name])
                rule, late = EdgeList(pre[chosen], post[chosen]), delay[chosen] * self.dt * 1e3 * u.ms
                self.parts.append(Projection(safe_name(label, used), *ends, port, rule, weight=weight[chosen] * unit, delay=late))
        for name, current in self.currents.items():
            self.parts.append(Clamp(safe_name(f"{self.names[name]} bias", used), self.populations[name], current * u.pA))

    def _edges(self, terms: list[tuple[Entry, Term]]) -> list[np.ndarray]:
        """Source, target, weight and delay in steps of each edge."""
        columns: list[list[np.ndarray]] = [[], [], [], []]
        for entry, term in terms:
            for steps, matrix in term.by_delay.items():
                found = matrix.tocoo()
                post = found.row.astype(np.int64)
                values = (found.col.astype(np.int64), post, found.data * entry.pulse[post], np.full(post.size, float(steps)))
                for column, each in zip(columns, values):
                    column.append(each)
        return [np.concatenate(column) for column in columns]

    def _output(self, name: str) -> None:
        """Who an `Output` belongs to: a population, behind nothing but names of axes."""
        for each in self.flat.before[name]:
            while self.flat.kind(each) in ("Identity", "Flatten") and len(self.flat.before[each]) == 1:
                each = self.flat.before[each][0]
            if each in self.names:
                self.outputs[each] = None
            elif self.flat.kind(each) in LINEAR:
                self.problems.append(f"node {name!r}, Output: it is behind {each!r}, a {self.flat.kind(each)}, and only neurons can be recorded")

    def made(self) -> Imported:
        """The network, if there were no problems."""
        names = self.names
        network = Network(*self.populations.values(), *self.parts)
        inputs = tuple(names[name] for name in names if self.flat.kind(name) == "Input")
        return Imported(network, self.dt * 1e3 * u.ms, inputs, tuple(names[name] for name in self.outputs))
