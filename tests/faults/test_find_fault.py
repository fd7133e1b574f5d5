"""A fault names where, when and why, and loses nothing that was good."""

import re

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from core.networks import lif, same

import neuro4d as n4
from neuro4d.simulate import _look_back
from neuro4d.simulate._find_fault import Replay, find_fault
from neuro4d.simulate._look_back import LookBack

CELLS = n4.Population("cells", 10, lif(), {"cur": n4.ExpCurrent(tau=5 * u.ms), "jump": n4.Delta()})
MODEL = n4.Network(
    CELLS,
    n4.Projection("currents", CELLS[:5], CELLS[5:], "cur", n4.OneToOne(), weight=np.arange(1.0, 6) * u.pA, delay=0.5 * u.ms),
    n4.Projection("jumps", CELLS[:5], CELLS[5:], "jump", n4.OneToOne(), weight=np.arange(1.0, 6) * u.mV, delay=0.5 * u.ms),
    n4.Input("port", CELLS),
).build(dt=0.1 * u.ms, seed=0)
STATE = MODEL.init(jr.key(0))
RECORD = [n4.Spikes(), n4.Trace("cells", "v"), n4.Counts()]
STEPS = 40
PUSH = np.zeros((STEPS, 10), np.float32)
PUSH[:, 2] = 1e5  # neuron 2 fires in the first step, and whenever it may


def fails(model=MODEL, start=STATE, inputs=PUSH, chunk=10, **more):
    with pytest.raises(n4.SimulationError) as caught:
        n4.simulate(model, start, STEPS * 0.1 * u.ms, RECORD, inputs={"port": inputs}, chunk=chunk, **more)
    return caught.value


def pushed(step, neuron, value):
    inputs = PUSH.copy()
    inputs[step, neuron] = value
    return inputs


@pytest.mark.parametrize("step", [0, 9, 10, 26, 39])
@pytest.mark.parametrize("chunk", [10, 16])
def test_step_and_neuron_are_found_and_what_was_before_is_kept(step, chunk):
    error = fails(inputs=pushed(step, 7, -1e38), chunk=chunk)
    assert (error.population, error.neuron, error.variable, error.step, error.lane) == ("cells", 7, "v", step + 1, None)
    assert error.fault == n4.Fault.TOO_LARGE and error.time == round((step + 1) * 0.1, 9) * u.ms
    assert re.search(r"neuron 7.*'v' is -[\d.e+]+ mV at the end of step \d+.*Likely cause: the value -1e\+38 pA of input 'port'", str(error))
    good = n4.simulate(MODEL, STATE, step * 0.1 * u.ms, RECORD, inputs={"port": PUSH[:step]}, chunk=chunk)
    assert same(error.run.state, good.state) and same(error.state, good.state) and not error.run.completed
    assert error.run.n_steps == step and error.run.records["cells.v"].values.shape == (step, 10)
    for name in ("spikes", "counts"):
        a, b = (run.records[name] for run in (error.run, good))
        assert same(getattr(a, "packed", None) or a.counts, getattr(b, "packed", None) or b.counts)


def test_a_run_goes_on_from_the_last_good_state():
    error = fails(inputs=pushed(26, 7, -1e38))
    rest = n4.simulate(MODEL, error.state, (STEPS - 26) * 0.1 * u.ms, RECORD, inputs={"port": PUSH[26:]}, chunk=10)
    whole = n4.simulate(MODEL, STATE, STEPS * 0.1 * u.ms, RECORD, inputs={"port": PUSH}, chunk=10)
    assert same(rest.state, whole.state)


@pytest.mark.parametrize("share", [1e9, _look_back.SHARE])
def test_how_often_a_state_is_kept_changes_nothing(share, monkeypatch):
    monkeypatch.setattr(_look_back, "SHARE", share)
    assert (LookBack(STATE, 10, 10).every == 1) == (share > 1)
    assert fails(inputs=pushed(26, 7, -1e38)).step == 27


def test_lanes_are_named():
    models = [MODEL, n4.set(MODEL, lambda m: m.neurons["cells"].c, 1e-9 * u.pF), MODEL]
    with pytest.raises(n4.SimulationError) as caught:
        n4.batch(models, jr.split(jr.key(0), 3), 4 * u.ms, RECORD, inputs={"port": pushed(23, 3, -1000.0)}, chunk=10)
    error = caught.value
    assert (error.lane, error.neuron, error.step) == (1, 3, 24) and "lane 1, population 'cells', neuron 3" in str(error)
    assert [run.n_steps for run in error.runs] == [23] * 3 and error.run is error.runs[1]
    assert "value -1000 pA of input 'port'" in error.cause


def with_weight(name, edge, value, unit):
    weights = np.asarray(MODEL.weights(name).to_decimal(unit)).copy()
    weights[edge] = value
    return n4.set_weights(MODEL, name, weights * unit)


def test_a_weight_is_named():
    error = fails(with_weight("currents", 2, -1e30, u.pA))
    assert (error.neuron, error.variable) == (7, "v")
    says = r"variable 'cur\.i' of the neuron, which was -1e\+30 pA before the step; .* reaches it is 1e\+30 pA, of projection 'currents', edge 2"
    assert re.search(says, error.cause)
    error = fails(with_weight("jumps", 2, -1e30, u.mV))
    assert (error.neuron, error.step) == (7, 6)  # fired in step 1, five steps before
    says = r"the spikes that arrive in this step; the largest weight that reaches it is 1e\+30 mV, of projection 'jumps', edge 2"
    assert re.search(says, error.cause)


def test_parameters_are_named():
    c = np.full(10, 250.0, np.float32)
    c[4] = np.nan
    error = fails(eqx.tree_at(lambda m: m.neurons["cells"].c, MODEL, jnp.asarray(c)), inputs=np.float32(0) * PUSH)
    assert (error.neuron, error.step) == (4, 1) and "parameter LIF.c of population 'cells' is nan pF, neuron 4" in error.cause
    error = fails(n4.set(MODEL, lambda m: m.neurons["cells"].v_rest, -1e12 * u.mV), inputs=np.float32(0) * PUSH)
    assert (error.neuron, error.step) == (0, 1) and error.cause == "LIF.v_rest = -1e+12 mV in population 'cells'"


def test_a_state_that_is_bad_from_the_beginning():
    worse = eqx.tree_at(lambda s: s.groups["cells"].neurons.v, STATE, STATE.groups["cells"].neurons.v.at[6].set(jnp.nan))
    error = fails(start=worse)
    assert (error.neuron, error.step) == (6, 1) and "variable" not in error.cause.split()[0]
    error = fails(start=eqx.tree_at(lambda s: s.fault, worse, jnp.uint32(1)))
    assert "already before the first step" in error.cause and error.state is None and error.run.n_steps == 0


def test_what_between_puts_in_is_told_from_what_came_up():
    def between(model, state, done):
        return model, eqx.tree_at(lambda s: s.fault, state, jnp.uint32(1)) if done == 20 else state

    error = fails(between=between)
    assert "changed it between two chunks" in error.cause and error.run.n_steps == 20


class Explode(n4.plasticity.AbstractPlasticity):
    """Weights grow by ten orders of magnitude in each step."""

    def step(self, dt, weight, variables, seen):
        del dt, seen
        return weight * 1e10, variables


def test_weights_that_learn_are_looked_at():
    cells = n4.Population("cells", 3, lif(), {"cur": n4.ExpCurrent(tau=5 * u.ms)})
    e = n4.Projection("e", cells, cells, "cur", n4.OneToOne(), weight=[1, 2, 3] * u.pA, delay=0.5 * u.ms, plasticity=Explode())
    model = n4.Network(cells, e).build(dt=0.1 * u.ms, seed=0)
    with pytest.raises(n4.SimulationError) as caught:
        n4.simulate(model, jr.key(0), 2 * u.ms, chunk=10)
    error = caught.value
    assert (error.projection, error.edge, error.step, error.fault) == ("e", 0, 4, n4.Fault.WEIGHT_NOT_FINITE)
    assert re.search(r"edge 0 \(from neuron 0 of 'cells' to neuron 0 of 'cells'\) is inf pA.*1e\+30 pA before.*Explode of projection 'e'", str(error))
    quiet = n4.simulate(model, jr.key(0), 2 * u.ms, chunk=10, throw=False)
    assert n4.Fault(int(quiet.state.fault)) == n4.Fault.WEIGHT_NOT_FINITE


def a_loop(bad, flaky=False):
    """A chunk that counts its steps and is bad from step `bad` on; `flaky`: only the first time."""
    calls = []

    def call(state, carries, pieces, first, n):
        calls.append(int(n))
        step = state.step + jnp.uint32(n)
        fault = jnp.uint32(int(step) >= bad and not flaky)
        return eqx.tree_at(lambda s: (s.step, s.fault), state, (step, fault)), {}

    return Replay(call, dict, lambda buffers: {}, lambda done, n: {}), calls


def went(length, done):
    """A loop that has gone in chunks of some length, and has kept no state."""
    look = LookBack(STATE, length, 10)
    look.ends.extend(range(length, done + 1, length))
    return look


@pytest.mark.parametrize(("length", "steps"), [(1, (1, 2, 5)), (7, (1, 7, 8, 20)), (64, (1, 32, 33, 64, 65, 100))])
def test_halves_find_the_first_bad_step_and_no_step_is_made_often(length, steps):
    for bad in steps:
        replay, calls = a_loop(bad)
        done = -(-bad // length) * length
        state, _, first, n, found = find_fault(replay, went(length, done), STATE)
        assert int(state.step) == first + n == found.done == bad - 1 and int(found.after.step) == bad
        assert sum(calls) <= done + 3 * length


def test_what_does_not_come_up_again_is_said():
    replay, _ = a_loop(5, flaky=True)
    state, _, first, n, found = find_fault(replay, went(10, 20), eqx.tree_at(lambda s: s.fault, STATE, jnp.uint32(1)))
    assert (int(state.step), first + n, found.before) == (20, 20, None) and not found.early


def test_looking_and_copying_takes_a_twohundredth_by_sizes_alone():
    for n, length in ((10, 10_000), (1000, 1000), (100_000, 1000)):
        look = LookBack(STATE, length, n)
        cost = sum(_look_back.LEAF_NS + _look_back.BYTE_NS * leaf.nbytes for leaf in jax.tree.leaves(STATE))
        assert cost <= look.every * length * (_look_back.STEP_NS + _look_back.NEURON_NS * n) * _look_back.SHARE
