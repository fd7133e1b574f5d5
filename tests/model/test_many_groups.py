"""Many groups, many receptors: what is traced once, what the native pass serves, and what plain XLA takes over."""

import brainunit as u
import jax
import jax.random as jr
import numpy as np
import pytest

import neuro4d as n4
from neuro4d.kernels import native_available, native_limits
from neuro4d.model import _names, prepare

DT = 0.1 * u.ms
needs_native = pytest.mark.skipif(not native_available(), reason="the native kernels are not built here")


def lif(**changes):
    values = {"tau": 10 * u.ms, "c": 250 * u.pF, "v_rest": -65 * u.mV, "v_th": -50 * u.mV, "v_reset": -60 * u.mV, "t_ref": 2 * u.ms}
    return n4.LIF(**values | changes)


def a_ring(groups: int, backend=n4.Backend.AUTO):
    """Populations that cannot be merged, since their receptors have different names, each heard by the next."""
    cells = [
        n4.Population(f"p{i}", 10, lif(tau=(8 + i) * u.ms), {f"exc{i}": n4.ExpCurrent(tau=2 * u.ms)}, v0=n4.Normal(-56 * u.mV, 5 * u.mV))
        for i in range(groups)
    ]
    parts = []
    for i, source in enumerate(cells):
        j = (i + 1) % groups
        parts.append(n4.Projection(f"e{i}", source, cells[j], f"exc{j}", n4.FixedProb(0.5), weight=300 * u.pA, delay=0.5 * u.ms))
        parts.append(n4.Clamp(f"d{i}", source, (300 + 10 * i) * u.pA))
    return n4.Network(*cells, *parts).build(dt=DT, seed=0, backend=backend)


@pytest.mark.slow
@needs_native
@pytest.mark.parametrize("delays", [(0.5, 0.5), (0.6, 1.0), (0.1, 1.5), (0.7, 0.7), (0, 0.4)])
def test_groups_that_go_on_alone_hear_every_spike_in_its_step(delays):
    """Groups make several steps before they look at each other again; with single steps they meet in each."""
    cells = [
        n4.Population(f"p{i}", 40, lif(), {f"exc{i}": n4.ExpCurrent(tau=2 * u.ms)}, v0=n4.Normal(-56 * u.mV, 5 * u.mV)) for i in range(6)
    ]
    parts = [n4.Clamp(f"d{i}", source, (400 + 10 * i) * u.pA) for i, source in enumerate(cells)]
    for i, source in enumerate(cells):
        for k, delay in enumerate(delays):
            j = (i + 1 + k) % 6
            rule = n4.FixedProb(0.5)
            parts.append(n4.Projection(f"e{i}.{k}", source, cells[j], f"exc{j}", rule, weight=300 * u.pA, delay=delay * u.ms))
    model = n4.Network(*cells, *parts).build(dt=DT, seed=0)
    many, single = (n4.simulate(model, jr.key(0), 60 * u.ms, chunk=chunk) for chunk in (600, 1))
    assert len(single.spikes("p0")) > 100
    for a, b in zip(jax.tree.leaves(single.state), jax.tree.leaves(many.state), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@pytest.mark.slow
@needs_native
def test_groups_of_equal_shapes_are_traced_once(monkeypatch):
    traced = []
    monkeypatch.setattr(_names, "plain_step", lambda task, past, one=_names.plain_step: traced.append(task.group) or one(task, past))
    jax.clear_caches()
    model = a_ring(7)
    jax.eval_shape(lambda state: n4.scan(model, state, 3)[0], model.init(jr.key(0)))
    assert len(traced) == 1
    leaks = [float(group.native.neuron.leak) for group in prepare(model).groups.values()]
    assert len(set(leaks)) == 7  # one trace, and numbers of their own


@pytest.mark.slow
@pytest.mark.parametrize("backend", [n4.Backend.AUTO, n4.Backend.REFERENCE])
def test_a_group_runs_among_others_as_in_a_network_of_its_own(backend):
    """Names are left out of a step: groups keep their own parameters, pasts and ports."""
    model = a_ring(12, backend)
    run = n4.simulate(model, model.init(jr.key(0)), 30 * u.ms)
    assert all(len(run.spikes(name)) for name in model.populations)
    step = jax.jit(lambda model, state: model.step(state))
    state = model.init(jr.key(0))
    for _ in range(300):
        state, _ = step(model, state)
    for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(run.state), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def many_receptors(n: int, backend=n4.Backend.AUTO):
    """More receptors than names of one digit, each with a time constant of its own."""
    ports = {f"r{i}": n4.ExpCurrent(tau=(1 + i / 8) * u.ms) for i in range(n)}
    cells = n4.Population("cells", 12, lif(), ports, v0=n4.Normal(-58 * u.mV, 5 * u.mV))
    wires = [
        n4.Projection(f"w{i}", cells, cells, f"r{i}", n4.FixedProb(0.4), weight=(20 + i) * u.pA, delay=(1 + i) * 0.1 * u.ms)
        for i in range(0, n, 7)
    ]
    return n4.Network(cells, *wires, n4.Clamp("drive", cells, 420 * u.pA)).build(dt=DT, seed=0, backend=backend)


@pytest.mark.slow
@needs_native
@pytest.mark.parametrize("over", [0, 1])
def test_the_native_pass_serves_so_many_receptors_and_plain_xla_the_rest(over):
    most = native_limits().ports
    model = many_receptors(most + over)
    (group,) = model.plan().groups
    assert group.step == ("plain XLA" if over else "native")
    assert group.because == (f"{most + 1} receptors, more than the {most} that the native pass serves" if over else "")
    assert model.plan().many_steps is not bool(over)
    run = n4.simulate(model, model.init(jr.key(0)), 20 * u.ms)
    plain = many_receptors(most + over, n4.Backend.REFERENCE)
    expected = n4.simulate(plain, plain.init(jr.key(0)), 20 * u.ms)
    assert len(run.spikes("cells"))
    assert np.array_equal(run.records["spikes"].words["cells"], expected.records["spikes"].words["cells"])
    for number in range(most + over):  # every port has its own past
        name = f"r{number}.i"
        np.testing.assert_allclose(run.state["cells", name], expected.state["cells", name], rtol=2e-5, atol=1e-6)


def test_ends_that_are_whole_populations_are_told_apart_without_comparing_all_pairs():
    cells = [n4.Population(f"p{i}", 4, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)}) for i in range(3)]
    wires = [
        n4.Projection(f"w{i}{j}", a, b, "exc", n4.AllToAll(), weight=(1 + 3 * i + j) * u.pA, delay=DT)
        for i, a in enumerate(cells)
        for j, b in enumerate(cells)
    ]
    apart = n4.Network(*cells, *wires).build(dt=DT, seed=0)
    again = n4.Projection("again", cells[1], cells[2], "exc", n4.AllToAll(), weight=99 * u.pA, delay=DT)
    over = n4.Projection("over", cells[0][2:], cells[2], "exc", n4.AllToAll(), weight=77 * u.pA, delay=DT)
    assert all(path.owner is None for path in apart.pathways.values())
    for extra, weight, number in ((again, 99, 16), (over, 77, 8)):
        model = n4.Network(*cells, *wires, extra).build(dt=DT, seed=0)
        assert all(path.owner is not None for path in model.pathways.values())
        assert model.weights(extra.name).to_decimal(u.pA).tolist() == [weight] * number
        assert model.weights("w12").to_decimal(u.pA).tolist() == [6] * 16
