"""Graphs of NIR: the network that was exported, solved by an integrator that knows nothing of neuro4d, makes the same spikes."""

import brainunit as u
import chip_cases
import jax.random as jr
import numpy as np
import pytest

import neuro4d as n4
from neuro4d import hardware as h
from neuro4d.hardware._connections import ModelConnections

nir = pytest.importorskip("nir", reason="pip install '.[nir]'")


def lif(**changes):
    numbers = {"tau": 20 * u.ms, "c": 200 * u.pF, "v_rest": -60 * u.mV, "v_th": -50 * u.mV, "v_reset": -62 * u.mV} | changes
    return n4.LIF(**numbers)


def feed_forward():
    """Inputs, two layers, a `CubaLIF`, a `LIF` with two kinds of receptors, and delays of several lengths, 0 among them."""
    source = n4.Population("source", 20, n4.Relay(), {"in": n4.Delta()})
    first = n4.Population(
        "first", 10, lif(tau=np.linspace(8, 12, 10) * u.ms), {"exc": n4.ExpCurrent(tau=4 * u.ms), "inh": n4.ExpCurrent(tau=4 * u.ms)}
    )
    second = n4.Population("second", 8, lif(), {"jump": n4.Delta(), "slow": n4.ExpCurrent(tau=7 * u.ms)})
    held = n4.Population("held", 6, lif(t_ref=np.linspace(0, 5, 6) * u.ms), {"jump": n4.Delta()})
    return n4.Network(
        source,
        first,
        second,
        held,
        n4.Poisson("noise", source, "in", rate=300 * u.Hz, weight=1 * u.mV),
        n4.Projection(
            "exc",
            source,
            first,
            "exc",
            n4.FixedProb(0.5),
            weight=n4.Uniform(100 * u.pA, 400 * u.pA),
            delay=n4.Uniform(0.2 * u.ms, 1 * u.ms),
        ),
        n4.Projection("inh", source[:5], first, "inh", n4.AllToAll(), weight=-30 * u.pA, delay=0 * u.ms),
        n4.Projection("jump", first, second, "jump", n4.FixedProb(0.5), weight=3 * u.mV, delay=0 * u.ms),
        n4.Projection("slow", first, second, "slow", n4.AllToAll(), weight=90 * u.pA, delay=0.4 * u.ms),
        n4.Projection("hold", source, held, "jump", n4.AllToAll(), weight=6 * u.mV, delay=0.2 * u.ms),
    )


@pytest.fixture(scope="module")
def exported():
    """A run of that network, and its graph as it comes back from a file."""
    model = feed_forward().build(dt=0.2 * u.ms, seed=1)
    run = n4.simulate(model, jr.key(0), 100 * u.ms, progress=False)
    placement = h.partition(h.workload(model, run), chip_cases.small_chip(neurons=8, axons_in=10**6, axons_out=10**6, memory=10**9))
    with pytest.raises(h.NotInNIRError, match=r"'held': a refractory period, t_ref = 5 ms; `refractory='metadata'`"):
        h.to_nir(placement)
    return run, placement, h.to_nir(placement, refractory="metadata")


def raster(run, name):
    spikes = run.spikes(name)
    found = np.zeros((run.n_steps, run.model.populations[name].size), bool)
    found[spikes.step, spikes.ids] = True
    return found


class Integrator:
    """The equations of NIR, solved exactly from step to step; a spike is an impulse of area `dt` at the end of its step."""

    def __init__(self, graph, steps, given):
        self.graph, self.dt, self.steps = graph, float(graph.metadata["dt"]), steps
        self.sent = {name: np.asarray(spikes, float) for name, spikes in given.items()}
        self.before = {name: [a for a, b in graph.edges if b == name] for name in graph.nodes}

    def of(self, name):
        """What a node sends in every step; a feed-forward graph is solved node by node."""
        if name not in self.sent:
            node = self.graph.nodes[name]
            sources = {each: type(self.graph.nodes[each]).__name__ for each in self.before[name]}
            nothing = np.zeros((self.steps, *node.input_type["input"]))
            impulses = sum((self.of(each) for each, kind in sources.items() if kind != "LI"), nothing)
            synapse = next((each for each, kind in sources.items() if kind == "LI"), None)
            self.sent[name] = getattr(self, type(node).__name__.lower())(node, impulses, synapse)
        return self.sent[name]

    def delay(self, node, impulses, synapse):
        late = np.rint(node.delay / self.dt).astype(int)
        return np.stack([np.concatenate([np.zeros(n), impulses[: self.steps - n, i]]) for i, n in enumerate(late)], axis=1)

    def linear(self, node, impulses, synapse):
        return impulses @ node.weight.T

    def li(self, node, impulses, synapse):
        return self.falling(node.tau, node.r * impulses)

    def falling(self, tau, impulses):
        """What obeys `tau x' = -x + impulses`, at the end of each step."""
        found, x = np.zeros_like(impulses), np.zeros(impulses.shape[1])
        for step in range(self.steps):
            x = x * np.exp(-self.dt / tau) + impulses[step] * self.dt / tau
            found[step] = x
        return found

    def lif(self, node, impulses, synapse):
        jump = node.r * impulses * self.dt / node.tau
        if synapse is None:
            return self.membrane(node, node.tau, 2 * node.tau, 0 * impulses, jump)
        return self.membrane(node, node.tau, self.graph.nodes[synapse].tau, self.of(synapse), jump)

    def cubalif(self, node, impulses, synapse):
        return self.membrane(node, node.tau_mem, node.tau_syn, self.falling(node.tau_syn, node.w_in * impulses), 0 * impulses)

    def membrane(self, node, tau, tau_syn, current, jump):
        """The solution for a current that falls by `tau_syn` from what it is at the beginning of a step; it is held where metadata say so."""
        v, spikes, held = node.v_leak.copy(), np.zeros_like(current), np.zeros(len(node.v_leak), int)
        hold = np.rint(node.metadata.get("t_ref", np.zeros(len(held))) / self.dt).astype(int)
        leak, fall = np.exp(-self.dt / tau), np.exp(-self.dt / tau_syn)
        through = node.r * tau_syn / (tau_syn - tau) * (fall - leak)
        for step in range(self.steps):
            moved = node.v_leak + (v - node.v_leak) * leak + (through * current[step - 1] if step else 0) + jump[step]
            v = np.where(held > 0, v, moved)
            spikes[step] = v > node.v_threshold
            v, held = np.where(spikes[step], node.v_reset, v), np.where(spikes[step], hold, np.maximum(held - 1, 0))
        return spikes


def test_the_graph_makes_the_spikes_of_the_network(exported, tmp_path):
    """Read back from a file, and solved without a line of neuro4d."""
    run, _, graph = exported
    nir.write(tmp_path / "net.nir", graph)
    back = nir.read(tmp_path / "net.nir")
    kinds = {name: type(node).__name__ for name, node in back.nodes.items()}
    assert [kinds[name] for name in ("source", "first", "second", "second slow", "second output")] == [
        "Input",
        "CubaLIF",
        "LIF",
        "LI",
        "Output",
    ]
    solved = Integrator(back, run.n_steps, {"source": raster(run, "source")})
    for name in ("first", "second"):
        there, here = solved.of(name), raster(run, name)
        assert here.sum() > 40
        assert np.array_equal(there, here), name
    assert np.allclose(back.nodes["held"].metadata["t_ref"], np.linspace(0, 5e-3, 6)) and "t_ref" in back.metadata["refractory"]
    there, here = solved.of("held"), raster(run, "held")
    assert np.array_equal(there, here) and here.sum() > 40
    del back.nodes["held"].metadata["t_ref"]  # what a framework makes of it, which does not read it
    free = Integrator(back, run.n_steps, {"source": raster(run, "source")}).of("held")
    assert np.array_equal(free[:, 0], here[:, 0]) and (free.sum(axis=0)[1:] > here.sum(axis=0)[1:]).all()


def test_numbers_are_in_si_and_nodes_know_their_cores(exported):
    run, placement, graph = exported
    first, second, model = graph.nodes["first"], graph.nodes["second"], run.model
    assert graph.metadata["dt"] == pytest.approx(2e-4)
    assert np.allclose(first.tau_mem, np.linspace(8e-3, 12e-3, 10)) and np.allclose(first.r, first.tau_mem / 200e-12)
    assert np.allclose(first.w_in, 4e-3 / 2e-4) and np.allclose(first.v_threshold, -0.05) and np.allclose(first.v_reset, -0.062)
    exc = sum(node.weight for name, node in graph.nodes.items() if name.startswith("exc") and isinstance(node, nir.Linear))
    edges = model.edges("exc")
    expected = np.zeros((10, 20))
    np.add.at(expected, (edges.post, edges.pre), np.asarray(edges.weight.to_decimal(u.pA)) * 1e-12)
    assert np.allclose(exc, expected, rtol=1e-6, atol=0)
    jump = graph.nodes["jump"].weight
    assert np.allclose(jump[jump != 0], 3e-3 * 200e-12 / 2e-4)
    delays = sorted(float(node.delay[0]) for node in graph.nodes.values() if isinstance(node, nir.Delay))
    assert np.allclose(delays, [2e-4, 2e-4, 2e-4, 4e-4, 4e-4, 6e-4, 8e-4, 1e-3])
    part = {each.name: slice(each.first, each.first + each.n) for each in placement.workload.parts}
    for name, node in (("first", first), ("second", second), ("source", graph.nodes["source"])):
        assert np.array_equal(node.metadata["core"], placement.core[part[name]])
        assert np.array_equal(node.metadata["chip"], placement.tile[placement.core[part[name]], 0])


def test_refractory_periods_are_refused_or_noted(exported):
    """Never left out without a word: nothing is noted where there is none, and there is no third way."""
    _, placement, graph = exported
    assert [name for name, node in graph.nodes.items() if "t_ref" in node.metadata] == ["held"]
    with pytest.raises(ValueError, match="'refuse' or 'metadata'; got 'drop'"):
        h.to_nir(placement, refractory="drop")
    cuba = h.to_nir(silent(n4.zoo.cuba(scale=0.05).build(dt=0.1 * u.ms, seed=0)), refractory="metadata")
    assert np.allclose(cuba.nodes["cells"].metadata["t_ref"], 5e-3) and isinstance(cuba.nodes["cells inh"], nir.LI)


def test_all_that_nir_cannot_express_is_listed():
    cells = n4.Population("cells", 5, lif(t_ref=2 * u.ms), {"g": n4.ExpConductance(tau=5 * u.ms, e_rev=0 * u.mV)})
    plastic = n4.Population("plastic", 3, lif(), {"in": n4.Delta()})
    adaptive = n4.Population("adaptive", 3, n4.Izhikevich.preset("RS"), {"in": n4.ExpCurrent(tau=5 * u.ms)})
    rule = n4.Hebbian(rate=0.1 * u.mV, low=0 * u.mV, high=1 * u.mV)
    net = n4.Network(
        cells,
        plastic,
        adaptive,
        n4.Clamp("drive", cells, 100 * u.pA),
        n4.Poisson("noise", plastic, "in", rate=1 * u.Hz, weight=1 * u.mV),
        n4.Projection("learns", cells, plastic, "in", n4.AllToAll(), weight=0.5 * u.mV, delay=1 * u.ms, plasticity=rule),
        n4.GapJunctions("gap", cells, cells, n4.FixedProb(0.9, autapses=False), conductance=1 * u.nS),
    )
    model = net.build(dt=0.2 * u.ms, seed=0)
    with pytest.raises(h.NotInNIRError) as error:
        h.to_nir(silent(model))
    said = str(error.value).splitlines()[1:]
    for text in (
        "t_ref = 2 ms",
        "receptor 'g', ExpConductance",
        "'drive'",
        "'plastic.in'",
        "'learns': plasticity",
        "Izhikevich",
        "gap junctions 'gap'",
    ):
        assert sum(text in line for line in said) == 1
    assert len(said) == 7


def test_large_matrices_are_refused():
    many = n4.Population("many", 5000, lif(), {"in": n4.Delta()})
    model = n4.Network(many, n4.Projection("some", many, many, "in", n4.FixedProb(1e-4), weight=1 * u.mV)).build(dt=0.2 * u.ms, seed=0)
    with pytest.raises(h.NotInNIRError, match="25,000,000 weights, at most 16,777,216"):
        h.to_nir(silent(model))


def silent(model):
    """A placement of a model that nobody ran."""
    connections, n = ModelConnections(model), model.n_neurons
    parts = tuple(h.Part(name, connections.first[name], span.size) for name, span in model.populations.items())
    work = h.Workload(parts, connections, np.zeros(n), None, np.zeros(n), 2e-4, 10)
    return h.Placement(h.target("loihi2"), work, np.zeros(n, np.int32), np.array([0]))


def test_a_workload_from_arrays_has_no_neurons():
    work = h.layered(["a"], [3], [0, 1], [1, 2], np.ones(3), dt=1 * u.ms, steps=10)
    with pytest.raises(TypeError, match="says nothing of neurons"):
        h.to_nir(h.partition(work, h.target("loihi1")))
