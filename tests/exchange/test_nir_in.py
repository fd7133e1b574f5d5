"""Graphs of NIR as networks: what other frameworks compute, step by step, and the spikes of a network that went out and came back."""

import itertools

import brainunit as u
import jax.random as jr
import numpy as np
import pytest
import scipy.signal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import neuro4d as n4
from neuro4d.io import NotInNIRError

nir = pytest.importorskip("nir", reason="pip install '.[nir]'")
STEPS = 60


def full(n, x):
    return np.full(n, float(x))


def lif(n, tau=0.01, r=10.0, th=1.0, leak=0.0, reset=0.0, **more):
    return nir.LIF(tau=full(n, tau), r=full(n, r), v_leak=full(n, leak), v_threshold=full(n, th), v_reset=full(n, reset), **more)


def cuba(n, tau_syn=0.005, tau=0.01, w_in=5.0, th=1.0):
    return nir.CubaLIF(full(n, tau_syn), full(n, tau), full(n, 1.0), full(n, 0.0), full(n, th), full(n, 0.0), full(n, w_in))


def sent(n, seed=0, p=0.3):
    """Spikes of inputs, one row for each step."""
    return np.random.default_rng(seed).random((STEPS, n)) < p


def graph(nodes, edges):
    return nir.NIRGraph(nodes, edges, type_check=False)


def chain(*nodes):
    names = [f"{type(node).__name__} {i}" for i, node in enumerate(nodes)]
    return graph(dict(zip(names, nodes)), list(itertools.pairwise(names))), names


def table_of(spikes, dt_ms):
    step, ids = np.nonzero(spikes)
    return {"times": (step + 1) * dt_ms * u.ms, "ids": ids}


def spikes_of(found, spikes, wanted, source=None, dt_ms=1.0):
    """Rasters of populations, the inputs given."""
    name = source or found.inputs[0]
    target = next(each for each in found.network.populations if each.name == name)
    net = found.network.add(n4.SpikeTimes("given", target, "in", **table_of(spikes, dt_ms), weight=1 * u.mV))
    run = n4.simulate(net.build(found.dt), jr.key(0), len(spikes) * dt_ms * u.ms, progress=False)
    return [run.spikes(each).dense() for each in wanted]


def framework(spikes, layers, dt=1e-3):
    """Layers as frameworks with a clock have them: Euler's method, spikes through all layers within a step, reset to zero at once."""
    x, out = spikes.astype(float), []
    for weight, bias, node in layers:
        v, current, found = np.zeros(weight.shape[0]), np.zeros(weight.shape[0]), np.zeros((len(x), weight.shape[0]))
        for step, row in enumerate(x):
            drive = weight @ row + bias
            if isinstance(node, nir.CubaLIF):
                current = (1 - dt / node.tau_syn) * current + dt / node.tau_syn * node.w_in * drive
                drive, tau = current, node.tau_mem
            else:
                tau = node.tau
            v = (1 - dt / tau) * v + dt / tau * (node.v_leak + node.r * drive)
            found[step] = v > node.v_threshold
            v = np.where(found[step] > 0, node.v_reset, v)
        x = found
        out.append(found > 0)
    return out


def late(x, steps):
    return np.concatenate([np.zeros((steps, x.shape[1]), bool), x[: len(x) - steps]])


def test_layers_of_a_framework_fire_as_there_one_step_later_for_every_layer():
    """Integer weights meet thresholds exactly: above and at make a difference here. A bias is there in every step, so it is none here: it would begin one step early in later layers."""
    rng = np.random.default_rng(1)
    first, second, third = rng.integers(-2, 4, (6, 5)) / 4.0, rng.integers(-2, 5, (4, 6)) / 2.0, rng.integers(0, 4, (3, 4)) / 2.0
    layers = [lif(6, tau=0.002, r=2.0, th=0.75), cuba(4, tau_syn=0.002, tau=0.004, w_in=2.0, th=0.25), lif(3, tau=0.001, r=1.0, th=0.5)]
    g, names = chain(
        nir.Input(np.array([5])), nir.Linear(first), layers[0], nir.Linear(second), layers[1], nir.Linear(third), layers[2], nir.Output(np.array([3]))
    )
    spikes = sent(5)
    there = framework(spikes, [(w, np.zeros(w.shape[0]), node) for w, node in zip((first, second, third), layers)])
    found = n4.io.from_nir(g, dt=1 * u.ms, method="euler")
    assert found.outputs == (names[6],)
    here = spikes_of(found, spikes, [names[2], names[4], names[6]])
    for depth, (a, b) in enumerate(zip(there, here), start=1):
        assert a.sum() > 10 and np.array_equal(late(a, depth), b), depth


@pytest.mark.parametrize("node", [lif(3, th=0.9), cuba(3, th=0.6)], ids=["LIF", "CubaLIF"])
def test_a_bias_is_a_constant_from_the_first_step_on(node):
    """What arrives comes one step later here, and the bias of an LIF does not, so they are looked at one without the other."""
    bias = np.array([1.0, 1.2, 0.95]) / (10 if isinstance(node, nir.LIF) else 5)
    g, names = chain(nir.Input(np.array([2])), nir.Affine(np.zeros((3, 2)), bias), node)
    (there,) = framework(sent(2), [(np.zeros((3, 2)), bias, node)])
    (here,) = spikes_of(n4.io.from_nir(g, dt=1 * u.ms, method="euler"), sent(2), [names[2]])
    assert there.sum() >= 5 and np.array_equal(here, late(there, int(isinstance(node, nir.CubaLIF))))


def test_nodes_without_a_leak_and_without_a_memory():
    weight = np.random.default_rng(2).integers(0, 3, (4, 5)).astype(float)
    spikes = sent(5)
    integrate, levels = nir.IF(r=full(4, 1e3), v_threshold=full(4, 6.0), v_reset=full(4, 0.0)), np.array([0.0, 1.0, 2.0, -1.0])
    nodes = {"in": nir.Input(np.array([5])), "w": nir.Linear(weight), "if": integrate, "th": nir.Threshold(levels)}
    found = n4.io.from_nir(graph(nodes, [("in", "w"), ("w", "if"), ("w", "th")]), dt=1 * u.ms)
    here_if, here_th = spikes_of(found, spikes, ["if", "th"])
    drive = late(spikes, 1) @ weight.T.astype(float)
    v = np.zeros(4)
    for step in range(STEPS):
        v = v + drive[step]
        assert np.array_equal(here_if[step], v > 6)
        v = np.where(v > 6, 0, v)
    assert np.array_equal(here_th, drive > levels) and here_if.sum() > 20


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.data())
def test_convolutions_and_pooling_are_those_of_their_definition(data):
    from neuro4d.io.exchange._nir_linear import identity, through

    pick = lambda low, high: data.draw(st.integers(low, high))  # noqa: E731
    groups, c, rows, columns = pick(1, 2), pick(1, 2), pick(4, 6), pick(4, 7)
    c_in, c_out, size = groups * c, groups * pick(1, 2), (pick(1, 3), pick(1, 3))
    stride, dilation, padding = (pick(1, 2), pick(1, 2)), (pick(1, 2), pick(1, 2)), (pick(0, 2), pick(0, 1))
    span = [d * (k - 1) + 1 for d, k in zip(dilation, size)]
    if any(n + 2 * p < s for n, p, s in zip((rows, columns), padding, span)):
        return
    rng = np.random.default_rng(pick(0, 99))
    weight, bias, x = rng.normal(size=(c_out, c, *size)), rng.normal(size=c_out), rng.normal(size=(c_in, rows, columns))
    node = nir.Conv2d((rows, columns), weight, stride, padding, dilation, groups, bias)
    got = through(node, "conv", identity("a", x.shape), 1e-3)
    padded, spread = np.pad(x, [(0, 0), *((p, p) for p in padding)]), np.zeros((c_out, c, *span))
    spread[:, :, :: dilation[0], :: dilation[1]] = weight
    expected = np.stack(
        [
            sum(scipy.signal.correlate2d(padded[o // (c_out // groups) * c + i], spread[o, i], "valid") for i in range(c))[:: stride[0], :: stride[1]]
            for o in range(c_out)
        ]
    )
    assert got.shape == expected.shape
    assert np.allclose((got.terms[0].by_delay[0] @ x.ravel()).reshape(expected.shape), expected)
    assert np.allclose(got.bias.reshape(expected.shape), bias[:, None, None])
    pool = through(nir.AvgPool2d(np.array(size), np.array(size), np.array([0, 0])), "pool", identity("a", x.shape), 1e-3)
    means = [[x[:, i : i + size[0], j : j + size[1]].mean((1, 2)) for j in range(0, columns - size[1] + 1, size[1])] for i in range(0, rows - size[0] + 1, size[0])]
    assert np.allclose((pool.terms[0].by_delay[0] @ x.ravel()).reshape(pool.shape), np.moveaxis(np.array(means), 2, 0))


def test_a_chain_of_linear_nodes_is_one_projection_with_delays():
    late_by = np.array([0.0, 0.002, 0.003])
    g, names = chain(
        nir.Input(np.array([1, 2, 3])),
        nir.SumPool2d(np.array([2, 1]), np.array([2, 1]), np.array([0, 0])),
        nir.Flatten({"input": np.array([1, 1, 3])}, 0, -1),
        nir.Delay(late_by),
        nir.Scale(np.array([1.0, 2.0, 4.0])),
        nir.Linear(np.array([[1.0, 1.0, 0.0], [0.0, 0.5, 1.0]])),
        lif(2, tau=0.01, r=10.0, th=1e3),
    )
    found = n4.io.from_nir(g, dt=1 * u.ms)
    edges = found.network.build(found.dt).edges(names[5])
    made = zip(edges.pre, edges.post, edges.weight.to_decimal(u.volt), edges.delay.to_decimal(u.ms))
    # A pulse of weight 1 moves the potential by r dt / tau = 1 V; pixels of both rows are summed; columns have a delay and a factor each.
    weights, delays = {(0, 0): 1.0, (1, 0): 2.0, (1, 1): 1.0, (2, 1): 4.0}, (1.0, 2.0, 3.0)
    expected = [(3 * row + column, post, weight, delays[column]) for (column, post), weight in weights.items() for row in (0, 1)]
    assert np.allclose(sorted(made), sorted(expected))


def test_graphs_inside_graphs_and_recurrence():
    inner = graph(
        {"input": nir.Input(np.array([2])), "lif": lif(2, tau=0.001, r=1.0, th=0.5), "w": nir.Linear(np.eye(2)[::-1]), "output": nir.Output(np.array([2]))},
        [("input", "lif"), ("lif", "w"), ("w", "lif"), ("lif", "output")],
    )
    g = graph(
        {"x": nir.Input(np.array([2])), "fc": nir.Linear(np.eye(2)), "layer": inner, "y": nir.Output(np.array([2]))},
        [("x", "fc"), ("fc", "layer"), ("layer", "y")],
    )
    found = n4.io.from_nir(g, dt=1 * u.ms)
    assert (found.inputs, found.outputs) == (("x",), ("layer.lif",))
    once = np.zeros((STEPS, 2), bool)
    once[3, 0] = True
    (here,) = spikes_of(found, once, ["layer.lif"])
    assert np.array_equal(np.argwhere(here)[:4], [[4, 0], [5, 1], [6, 0], [7, 1]])


def test_readouts_are_leaky_integrators():
    nodes = {"in": nir.Input(np.array([2])), "w": nir.Linear(np.array([[0.5, 0.25]])), "out": nir.LI(full(1, 0.02), full(1, 4.0), full(1, 0.1))}
    found = n4.io.from_nir(graph({**nodes, "o": nir.Output(np.array([1]))}, [("in", "w"), ("w", "out"), ("out", "o")]), dt=1 * u.ms)
    spikes = sent(2)
    target = found.network.populations[0]
    net = found.network.add(n4.SpikeTimes("given", target, "in", **table_of(spikes, 1.0), weight=1 * u.mV))
    run = n4.simulate(net.build(found.dt), jr.key(0), STEPS * u.ms, n4.Trace("out", "v"), progress=False)
    v, expected = 0.1, []
    for row in late(spikes, 1):
        v = 0.1 + (v - 0.1) * np.exp(-1 / 20) + 4 * (row @ [0.5, 0.25]) * 1 / 20
        expected.append(v)
    assert np.allclose(run.trace("out", "v").values.to_decimal(u.volt)[:, 0], expected, rtol=1e-5)


def test_all_that_cannot_be_read_is_listed():
    nodes = {
        "in": nir.Input(np.array([2])),
        "off": nir.Delay(full(2, 0.0015)),
        "big": nir.Linear(np.ones((3, 7))),
        "a": lif(2),
        "li": nir.LI(full(2, 0.02), full(2, 1.0), full(2, 0.0)),
        "fc": nir.Linear(np.ones((2, 2))),
        "b": lif(2, th=-1.0),
        "c": lif(3),
        "loop": nir.Scale(full(3, 1.0)),
        "out": nir.Output(np.array([3])),
    }
    edges = [("in", "off"), ("off", "a"), ("in", "big"), ("big", "c"), ("in", "li"), ("li", "fc"), ("fc", "b"), ("loop", "loop"), ("loop", "c"), ("big", "out"), ("a", "gone")]
    with pytest.raises(n4.io.NotFromNIRError) as error:
        n4.io.from_nir(graph(nodes, edges), dt=1 * u.ms)
    said = str(error.value)
    for text in ("'off', Delay: a delay must be a multiple", "'big', Linear: weights of the shape (3, 7) for 2", "'li', LI: it sends a potential", "'b', LIF: a v_threshold", "'loop': a circle", "'gone'", "'out', Output"):
        assert text in said, text
    assert len(said.splitlines()) == 8
    with pytest.raises(ValueError, match="names no time step"):
        n4.io.from_nir(graph({"in": nir.Input(np.array([2]))}, []))
    with pytest.raises(n4.io.NotFromNIRError, match="shorter than a step"):
        n4.io.from_nir(chain(nir.Input(np.array([1])), nir.Linear(np.ones((2, 1))), lif(2, tau=1e-4))[0], dt=1 * u.ms, method="euler")
    with pytest.raises(TypeError, match=r"takes a `nir\.NIRGraph`"):
        n4.io.from_nir({"nodes": {}})


def test_a_chain_too_long_to_follow_is_refused():
    with pytest.raises(n4.io.NotFromNIRError, match="before more than 100 linear nodes"):
        n4.io.from_nir(chain(nir.Input(np.array([1])), *(nir.Scale(np.ones(1)) for _ in range(2000)), lif(1))[0], dt=1 * u.ms)


def small_network(seed, delta=True, pairs=False):
    """Recurrent cells behind a source, with weights that do not come in pairs between the same two neurons."""
    rng = np.random.default_rng(seed)
    source = n4.Population("source", 4, n4.Relay(), {"in": n4.Delta()})
    levels = {"v_rest": np.full(5, -60) * u.mV, "v_th": rng.uniform(-56, -50, 5) * u.mV, "v_reset": np.full(5, -61) * u.mV, "t_ref": np.zeros(5) * u.ms}
    cells = n4.LIF(tau=rng.uniform(5, 30, 5) * u.ms, c=rng.uniform(50, 300, 5) * u.pF, **levels)
    taus = [np.full(5, 5.0) if pairs else rng.uniform(2, 9, 5) for _ in range(2)]
    ports = {"e": n4.ExpCurrent(tau=taus[0] * u.ms), "i": n4.ExpCurrent(tau=taus[1] * u.ms)} | ({"d": n4.Delta()} if delta else {})
    pop = n4.Population("cells", 5, cells, ports)
    delays = lambda k: (1 + np.arange(k) % 4) * 0.5 * u.ms  # noqa: E731
    drive = n4.Projection("drive", source, pop, "e", n4.AllToAll(), weight=rng.uniform(100, 500, 20) * u.pA, delay=delays(20))
    back = n4.Projection("back", pop, pop, "i", n4.AllToAll(), weight=rng.uniform(-90, 40, 25) * u.pA, delay=0 * u.ms)
    parts = [n4.Projection("jump", source, pop, "d", n4.AllToAll(), weight=rng.uniform(0, 4, 20) * u.mV, delay=delays(20))] if delta else []
    return n4.Network(source, pop, drive, back, *parts)


@settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), delta=st.booleans(), pairs=st.booleans())
def test_what_went_out_comes_back_bit_for_bit(tmp_path, seed, delta, pairs):
    """Every number of the model: so its spikes are the same for any input."""
    net = small_network(seed, delta, pairs)
    n4.io.save_nir(tmp_path / "net.nir", net, dt=0.5 * u.ms, seed=3)
    back = n4.io.load_nir(tmp_path / "net.nir")
    model, made = net.build(0.5 * u.ms, seed=3), back.network.build(back.dt)
    for name in model.projections:
        a, b = model.edges(name), made.edges(name)
        assert np.array_equal(a.pre, b.pre) and np.array_equal(a.post, b.post)
        assert np.array_equal(a.weight.mantissa, b.weight.mantissa) and np.array_equal(a.delay.mantissa, b.delay.mantissa)
    for name in ("tau", "c", "v_rest", "v_th", "v_reset", "t_ref"):
        assert np.array_equal(getattr(model.neurons["cells"], name), getattr(made.neurons["cells"], name)), name
    for port, receptor in model.receptors["cells"].items():
        assert type(receptor) is type(made.receptors["cells"][port])
        assert port == "d" or np.array_equal(receptor.tau, made.receptors["cells"][port].tau)


def test_a_network_that_came_back_makes_the_same_spikes(tmp_path):
    net = small_network(7)
    n4.io.save_nir(tmp_path / "net.nir", net, dt=0.5 * u.ms)
    back, spikes = n4.io.load_nir(tmp_path / "net.nir"), sent(4, 7)
    (here,), (there,) = (spikes_of(each, spikes, ["cells"], "source", dt_ms=0.5) for each in (n4.io.Imported(net, 0.5 * u.ms), back))
    assert here.sum() > 20 and np.array_equal(here, there)


def test_what_nir_does_not_have_is_refused_or_noted():
    net = small_network(0)
    cells = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-58 * u.mV, v_reset=-60 * u.mV, t_ref=2 * u.ms)
    late_cells = n4.Population("late", 3, cells, {"e": n4.ExpCurrent(tau=5 * u.ms)}, v0=np.array([-59.0, -60.0, -70.0]) * u.mV)
    drawn = n4.Population("drawn", 3, cells, {"e": n4.ExpCurrent(tau=5 * u.ms)}, v0=n4.Normal(-60 * u.mV, 1 * u.mV))
    source = net.populations[0]
    more = lambda pop: n4.Projection(f"to {pop.name}", source, pop, "e", n4.AllToAll(), weight=300 * u.pA, delay=1 * u.ms)  # noqa: E731
    with pytest.raises(NotInNIRError) as error:
        n4.io.to_nir(net.add(late_cells, drawn, more(late_cells), more(drawn)), dt=0.5 * u.ms)
    assert len(str(error.value).splitlines()) == 5 and "'late': an initial v" in str(error.value) and "'drawn': the initial v, Normal" in str(error.value)
    back = n4.io.from_nir(n4.io.to_nir(n4.Network(source, late_cells, more(late_cells)), dt=0.5 * u.ms, refractory="metadata", initial="metadata"))
    found = back.network.populations[1]
    assert np.allclose(found.neuron.t_ref, 2) and np.allclose(found.initial["v"].values, [-59, -60, -70])
    with pytest.raises(TypeError, match=r"n4.io.to_nir\(network, dt=0.1"):
        n4.io.to_nir(net)
    with pytest.raises(TypeError, match="takes a network or a model"):
        n4.io.to_nir(3)
