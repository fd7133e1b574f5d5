"""A network, placed or not, as a graph of NIR, the exchange format of neuromorphic frameworks."""

import importlib
from typing import Any, Literal, NamedTuple

import brainunit as u
import numpy as np
from jaxtyping import Float

from neuro4d._base import AbstractValue, Constant, Given, NotInNIRError
from neuro4d.hardware._connections import ModelConnections
from neuro4d.hardware._placement import Placement
from neuro4d.model import Model
from neuro4d.neurons import LIF, Relay
from neuro4d.receptors import Delta, ExpCurrent

LARGEST = 1 << 24
"""Weights of all matrices together: NIR knows dense ones only, and 16 million take 128 MB."""

MS, MV, PA, PF = 1e-3, 1e-3, 1e-12, 1e-12
"""Units of a model in SI."""


class Parts(NamedTuple):
    """A graph in the making: nodes by name, and edges."""

    nodes: dict[str, Any]
    edges: list[tuple[str, str]]

    def add(self, name: str, node: Any, *before: str) -> str:
        """A node under a name that no other has, behind others."""
        unique = name
        while unique in self.nodes:
            unique += "_"
        self.nodes[unique] = node
        self.edges.extend((each, unique) for each in before)
        return unique


def to_nir(
    placement: Placement | Model, refractory: Literal["refuse", "metadata"] = "refuse", initial: Literal["rest", "refuse", "metadata"] = "rest"
) -> Any:
    r"""The network of a placement as a graph of NIR, to be written with `nir.write`; needs `pip install "neuro4d[nir]"`.

    | neuro4d | NIR |
    |---|---|
    | `LIF` without refractory period, reached by `ExpCurrent` with one time constant | `CubaLIF` |
    | the same, reached by `Delta` | `LIF` |
    | the same, with both, or with several time constants | `LI` for each `ExpCurrent`, before a `LIF` |
    | `Relay` that a stimulus drives | `Input` |
    | a projection | for each delay: `Delay` if there is one, and a dense `Linear` |

    All numbers are in SI units: s, V, A, Ohm. A spike is a pulse of height 1 that lasts for a step, as frameworks with a clock take it; so a jump of a potential by
    $w$ is a current of $w C / \mathrm{d}t$, and a jump of a current goes through `w_in` or `r` $= \tau_\text{syn} / \mathrm{d}t$. The time step stands in the metadata of the graph,
    `dt`, and those of a population have `core` and `chip` of each of its neurons. A `Delta` acts one step after its spike at the earliest, and its delay says so.
    NIR fires above the threshold, `LIF` at it: they differ where a potential meets it exactly; the metadata of a population say which it is (`fires`), those of a matrix name
    its `projection` and its `port`.

    A population that reaches no other has an `Output`, and all of them if each reaches another. A population that nothing reaches has an
    `Input` of its own.

    No node of NIR has a refractory period, so one is refused unless you ask for `refractory="metadata"`. The graph is then the network **without** it: NIR gives metadata no
    meaning, and where nobody reads them a neuron may fire again at once. `t_ref` stands in the metadata of the node, in s and for each neuron, and the metadata of the graph say so
    (`refractory`); a program that holds `v` at `v_reset` for that long after a spike, while currents of synapses go on, has the network as it was.

    **Arguments:**

    - `placement`: of a model, or a model that lies on no chip; nothing is known of the neurons of a workload from arrays.
    - `refractory`: what becomes of refractory periods, `refuse` or `metadata`.
    - `initial`: what becomes of potentials that do not begin at rest, where NIR begins: `rest` leaves them out, `refuse` lists them, `metadata` notes `v0` in V.

    **Returns:** a `nir.NIRGraph`. `n4.io.from_nir` reads it back.

    **Raises:** `NotInNIRError` for other neurons and receptors, refractory periods, plasticity, gap junctions, stimuli that act on other neurons than `Relay`, and more
    weights than fit into dense matrices: all that there is, in one list. `ValueError` for an unknown `refractory` or `initial`. `TypeError` for a workload without a model. `ImportError`
    without the package `nir`.

    **Source:** Pedersen et al. 2024, Nature Communications 15, 8122.

    !!! Example

        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 4, lif, {"exc": n4.ExpCurrent(tau=5*u.ms)})
        >>> ring = n4.Projection("ring", cells, cells, "exc", n4.FixedProb(0.5), weight=1*u.nA, delay=1*u.ms)
        >>> model = n4.Network(cells, ring).build(dt=0.1*u.ms, seed=0)
        >>> load = n4.hardware.workload(model, n4.simulate(model, jr.key(0), 10*u.ms, n4.Counts(), progress=False))
        >>> graph = n4.hardware.to_nir(n4.hardware.partition(load, n4.hardware.target("loihi2")))
        >>> graph.nodes["cells"].tau_mem, graph.metadata["dt"]
        (array([0.02, 0.02, 0.02, 0.02]), 0.0001)
    """
    model, nir, graph = _checked(placement, refractory, initial), _package(), Parts({}, [])
    enter = {name: _population(nir, _notes(placement, model, name, initial), model, name, graph) for name in model.populations}
    for name in model.projections:
        _projection(nir, model, name, graph, enter)
    _ends(nir, model, graph)
    return nir.NIRGraph(graph.nodes, graph.edges, metadata=_graph_notes(placement, model, graph))


def _graph_notes(placement: Placement | Model, model: Model, graph: Parts) -> dict[str, Any]:
    """Metadata of the graph: the time step, what numbers mean, and what is left out of the equations."""
    notes: dict[str, Any] = {"dt": model.dt_ms * MS, "units": "s, V, A, Ohm", "spike": "height 1 for one step of dt"}
    if isinstance(placement, Placement):
        notes["target"] = placement.target.name
    if any("t_ref" in node.metadata for node in graph.nodes.values()):
        notes["refractory"] = "not in the equations of the nodes: t_ref in their metadata, in s"
    return notes


def _package() -> Any:
    try:
        return importlib.import_module("nir")
    except ImportError as error:
        raise ImportError('to_nir needs the package nir: `pip install "neuro4d[nir]"`.') from error


def _checked(placement: Placement | Model, refractory: str, initial: str) -> Model:
    """The model of a placement, all of which NIR can express."""
    if refractory not in ("refuse", "metadata"):
        raise ValueError(f"to_nir: refractory is 'refuse' or 'metadata'; got {refractory!r}.")
    if initial not in ("rest", "refuse", "metadata"):
        raise ValueError(f"to_nir: initial is 'rest', 'refuse' or 'metadata'; got {initial!r}.")
    if not isinstance(placement, Placement | Model):
        raise TypeError(f"to_nir takes a placement or a model, for example `network.build(dt=0.1*u.ms)`; got {placement!r:.80}.")
    connections = placement.workload.connections if isinstance(placement, Placement) else ModelConnections(placement)
    if not isinstance(connections, ModelConnections):
        raise TypeError(
            "to_nir: this placement is of a workload from arrays, which says nothing of neurons; take one of `n4.hardware.workload(model, run)`."
        )
    model = connections.model
    missing = [*_populations(model, refractory), *([] if initial == "rest" else _beginnings(model, initial)), *_inputs(model), *_projections(model)]
    if missing:
        raise NotInNIRError("to_nir: NIR cannot express\n" + "\n".join(f"- {each}" for each in missing))
    return model


def _beginnings(model: Model, initial: str) -> list[str]:
    """Initial values that are not those of rest, and cannot be noted or are not to be."""
    found = []
    for name, values in model.initial.items():
        for variable, value in values.items():
            if _at_rest(model, name, variable, value) or isinstance(model.neurons[name], Relay):
                continue
            if variable != "v" or not isinstance(value, Constant | Given):
                found.append(f"population {name!r}: the initial {variable}, {value!r:.80}; only potentials that are numbers can be noted")
            elif initial == "refuse":
                found.append(f"population {name!r}: an initial v that is not at rest, where NIR begins; `initial='metadata'` notes it")
    return found


def _at_rest(model: Model, name: str, variable: str, value: AbstractValue) -> bool:
    """Whether an initial value is the one that is taken where none is given."""
    if not isinstance(value, Constant | Given):
        return False
    rest = model.neurons[name].rest().get(variable, 0.0)
    return bool(np.all(value.draw(np.zeros(model.populations[name].size, np.uint32)).astype(model.dtype) == np.asarray(rest, model.dtype)))


def _notes(placement: Placement | Model, model: Model, name: str, initial: str) -> dict[str, Any]:
    """Metadata of a population: its name, where its neurons lie, at which potential they begin."""
    notes: dict[str, Any] = {"population": name}
    if isinstance(placement, Placement):
        part = next(part for part in placement.workload.parts if part.name == name)
        core = placement.core[part.first : part.first + part.n]
        notes |= {"core": core.astype(np.int64), "chip": placement.tile[core, 0].astype(np.int64)}
    value = model.initial[name].get("v")
    if initial == "metadata" and value is not None and not _at_rest(model, name, "v", value):
        n = model.populations[name].size
        notes["v0"] = np.broadcast_to(value.draw(np.zeros(n, np.uint32)), (n,)).astype(np.float64) * MV
    return notes


def _populations(model: Model, refractory: str) -> list[str]:
    """Neurons and receptors that NIR does not know."""
    found = []
    for name, neuron in model.neurons.items():
        if type(neuron) not in (LIF, Relay):
            found.append(f"population {name!r}: {type(neuron).__name__} neurons; `LIF` is `LIF` or `CubaLIF` there, and `Relay` an `Input`")
            continue
        if refractory == "refuse" and _held(neuron):
            found.append(
                f"population {name!r}: a refractory period, t_ref = {float(np.max(neuron.t_ref)):g} ms; `refractory='metadata'` exports the network without it, and notes it"
            )
        others = {port: type(each).__name__ for port, each in model.receptors[name].items() if type(each) not in (Delta, ExpCurrent)}
        found += [f"population {name!r}: receptor {port!r}, {kind}; `ExpCurrent` and `Delta` can be" for port, kind in others.items()]
        if model.populations[name].alive is not None:
            found.append(f"population {name!r}: neurons that die and are born")
    return found


def _held(neuron: Any) -> bool:
    """Whether neurons have a refractory period."""
    return isinstance(neuron, LIF) and bool(np.any(np.asarray(neuron.t_ref) > 0))


def _inputs(model: Model) -> list[str]:
    """Stimuli that act on anything but a relay, and gap junctions."""
    relays = {model.populations[name].group for name, neuron in model.neurons.items() if isinstance(neuron, Relay)}
    acting = [(f"stimulus {each.name!r}", each.group) for each in model.layout.stimuli]
    acting += [(f"Poisson input at '{each.group}.{each.port}'", each.group) for each in model.layout.banks]
    found = [f"{name}: it acts on neurons; on a `Relay`, it becomes an `Input`" for name, group in acting if group not in relays]
    return found + [f"gap junctions {gap.name!r}" for gap in model.layout.gaps]


def _projections(model: Model) -> list[str]:
    """Plasticity, synapses onto relays, and matrices that are too large."""
    found, weights = [], 0
    for span in model.layout.projections:
        if model.pathways[span.pathway].plastic:
            found.append(f"projection {span.name!r}: plasticity")
        if model.pathways[span.pathway].free is not None:
            found.append(f"projection {span.name!r}: delays that are trained; `model.freeze()` puts them on the grid")
        if isinstance(model.neurons[span.post.population], Relay):
            found.append(f"projection {span.name!r}: it reaches `Relay` neurons, which are inputs")
        size = model.populations[span.pre.population].size * model.populations[span.post.population].size
        weights += size if size > LARGEST else size * len(np.unique(model.edges(span.name).delay.to_decimal(u.ms)))
    if weights > LARGEST:
        found.append(f"{len(model.projections)} projections as dense matrices: {weights:,} weights, at most {LARGEST:,}")
    return found


def _population(nir: Any, where: dict[str, Any], model: Model, name: str, graph: Parts) -> dict[str, str]:
    """Adds a population. **Returns:** the node that each of its receptors enters by."""
    n, neuron, receptors = model.populations[name].size, model.neurons[name], model.receptors[name]
    if isinstance(neuron, Relay):
        graph.add(name, nir.Input({"input": np.array([n])}, metadata=where))
        return {}
    many = lambda x, unit: np.broadcast_to(np.asarray(x, np.float64) * unit, (n,)).copy()  # noqa: E731
    place = {key: value for key, value in where.items() if key != "v0"}
    where = where | {"fires": "at v_threshold and above"}
    if _held(neuron):
        where["t_ref"] = many(neuron.t_ref, MS)
    tau, leak = many(neuron.tau, MS), many(neuron.v_rest, MV)
    threshold, reset, resistance = many(neuron.v_th, MV), many(neuron.v_reset, MV), many(neuron.tau, MS) / many(neuron.c, PF)
    ports = {span.port for span in model.layout.projections if span.post.population == name} or set(receptors)
    slow = {port: many(each.tau, MS) for port, each in receptors.items() if port in ports and isinstance(each, ExpCurrent)}
    dt, taus = model.dt_ms * MS, list(slow.values())
    if slow and len(slow) == len(ports) and all(np.array_equal(taus[0], other) for other in taus[1:]):
        node = nir.CubaLIF(taus[0], tau, resistance, leak, threshold, reset, taus[0] / dt, metadata=where)
        graph.add(name, node)
        return dict.fromkeys(receptors, name)
    graph.add(name, nir.LIF(tau, resistance, leak, threshold, reset, metadata=where))
    enter = dict.fromkeys(receptors, name)
    for port, each in slow.items():
        enter[port] = graph.add(f"{name} {port}", nir.LI(each, each / dt, np.zeros(n), metadata=place | {"port": port}))
        graph.edges.append((enter[port], name))
    return enter


def _projection(nir: Any, model: Model, name: str, graph: Parts, enter: dict[str, dict[str, str]]) -> None:
    """Adds a matrix for each delay of a projection, with the delay before it."""
    span, edges = model.layout.projections_by_name[name], model.edges(name)
    pre, post = span.pre.population, span.post.population
    kind, neuron = model.receptors[post][span.port], model.neurons[post]
    n_pre, n_post = model.populations[pre].size, model.populations[post].size
    delay = np.asarray(edges.delay.to_decimal(u.ms), np.float64) * MS
    if isinstance(kind, Delta):
        delay = np.maximum(delay, model.dt_ms * MS)
        charge = (
            np.asarray(edges.weight.to_decimal(u.mV), np.float64)
            * MV
            * np.broadcast_to(np.asarray(neuron.c, np.float64) * PF, (n_post,))[edges.post]
        )
        weight = charge / (model.dt_ms * MS)
    else:
        weight = np.asarray(edges.weight.to_decimal(u.pA), np.float64) * PA
    for number, each in enumerate(np.unique(delay)):
        matrix = _dense(edges.pre, edges.post, np.where(delay == each, weight, 0), n_post, n_pre)
        after = f" {number}" if number else ""
        begin = pre if each == 0 else graph.add(f"{name}{after} delay", nir.Delay(np.full(n_pre, each)), pre)
        graph.edges.append((graph.add(f"{name}{after}", nir.Linear(matrix, metadata={"projection": name, "port": span.port}), begin), enter[post][span.port]))


def _dense(
    pre: np.ndarray, post: np.ndarray, weight: Float[np.ndarray, " k"], n_post: int, n_pre: int
) -> Float[np.ndarray, "n_post n_pre"]:
    """Weights as a matrix; several synapses between two neurons add up."""
    return np.bincount(post.astype(np.int64) * n_pre + pre, weight, n_post * n_pre).reshape(n_post, n_pre)


def _ends(nir: Any, model: Model, graph: Parts) -> None:
    """Inputs for populations that nothing reaches, and outputs for those that reach nothing, or for all."""
    reached = {edge[1] for edge in graph.edges}
    cells = [name for name, neuron in model.neurons.items() if not isinstance(neuron, Relay)]
    alone = [name for name in cells if name not in reached]
    if not alone and len(cells) == len(model.neurons):
        alone = cells
    size = lambda name: np.array([model.populations[name].size])  # noqa: E731
    for name in alone:
        graph.edges.append((graph.add(f"{name} input", nir.Input({"input": size(name)}, metadata={"added": name})), name))
    reaching = {edge[0] for edge in graph.edges}
    for name in [name for name in cells if name not in reaching] or cells:
        graph.add(f"{name} output", nir.Output({"output": size(name)}), name)
