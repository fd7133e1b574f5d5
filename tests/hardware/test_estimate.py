"""Estimates: by hand on a small network, slopes against differences, and what must hold for any network."""

import json

import brainunit as u
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neuro4d as n4
from neuro4d import hardware as h
from neuro4d.cli import main


def ring(n=6, fan_out=2, spikes=0.25, **more):
    """Every neuron reaches the next ones."""
    pre = np.repeat(np.arange(n), fan_out)
    post = (pre + 1 + np.tile(np.arange(fan_out), n)) % n
    return h.layered(["ring"], [n], pre, post, np.full(n, spikes), dt=1 * u.ms, steps=10, **more)


def test_energy_of_one_core_by_hand():
    """6 neurons with 0.25 spikes and 2 x 0.25 events in a step on one core of Loihi 1; a share exp(-0.5) of them is idle."""
    cost, of = h.estimate(ring(), None, "loihi1"), h.target("loihi1")
    idle = 6 * np.exp(-0.5)
    assert float(cost.terms["synapses"].value) == pytest.approx(6 * 0.5 * of.energy.event.value)
    assert float(cost.terms["neurons"].value) == pytest.approx((6 - idle) * of.energy.update.value + idle * of.energy.idle.value)
    assert float(cost.terms["spikes"].value) == pytest.approx(6 * 0.25 * of.energy.spike.value)
    assert float(cost.terms["messages"].value) == float(cost.terms["links"].value) == 0
    time = float(cost.step_time.value)
    work = 3 * of.time.event.value + (6 - idle) * of.time.update.value + idle * of.time.idle.value + 1.5 * of.time.spike.value
    assert time == pytest.approx(work + of.time.barrier[0].time.value)
    assert float(cost.terms["host"].value) == pytest.approx(of.power.host.value * time)
    assert cost.cores == cost.chips == 1 and cost.events == 3
    assert float(cost.energy_per_inference.value) == pytest.approx(10 * float(cost.energy_per_step.value))
    assert float(cost.energy_per_event.value) == pytest.approx(float(cost.energy_per_step.value) / 3)
    assert sum(cost.shares().values()) == pytest.approx(1)


def two_cores(load):
    """The first half of the neurons on one core of Loihi 1, the others on one of the next tile."""
    core = (np.arange(load.n) >= load.n // 2).astype(np.int32)
    return h.Placement(h.target("loihi1"), load, core, np.array([0, 4]))


def test_messages_between_two_cores_by_hand():
    """Two neurons of each half reach the other half: one message for each spike, over one link along a row."""
    cost, of = h.estimate(two_cores(ring())), h.target("loihi1").energy
    assert float(cost.terms["messages"].value) == pytest.approx(4 * 0.25 * of.message.value)
    assert float(cost.terms["links"].value) == pytest.approx(4 * 0.25 * of.hop.value)


def test_the_slope_of_energy_is_that_of_differences(x64):
    meter = h.meter(two_cores(ring()))
    energy = jax.jit(lambda spikes: meter.energy(spikes).value * 1e9)
    at = jnp.asarray([0.2, 0.0, 0.3, 0.1, 0.5, 0.7])
    slope = jax.jit(jax.grad(energy))(at)
    for i, step in enumerate(1e-6 * np.eye(6)):
        assert float(slope[i]) == pytest.approx(float(energy(at + step) - energy(at - step)) / 2e-6, rel=1e-6)
    many = jax.jit(jax.vmap(energy))(jnp.stack([at, 2 * at]))
    assert many[0] == pytest.approx(float(energy(at))) and many[1] > many[0]


@pytest.mark.usefixtures("x64")
def test_energy_follows_thresholds_of_a_network_through_its_spikes():
    """A loss that holds the energy of a chip: thresholds rise, spikes and energy fall, and the slope is that of differences of the same function."""
    meter = h.meter(ring(), "loihi2")
    spikes = lambda threshold: jax.nn.sigmoid(4 * (0.6 - threshold) + jnp.linspace(-1, 1, 6))  # noqa: E731
    energy = jax.jit(lambda threshold: meter.energy(spikes(threshold)).value * 1e9)
    slope = float(jax.jit(jax.grad(energy))(0.5))
    assert slope < 0 and slope == pytest.approx(float(energy(0.5 + 1e-6) - energy(0.5 - 1e-6)) / 2e-6, rel=1e-6)


@given(st.lists(st.floats(0, 1), min_size=6, max_size=6), st.integers(0, 5), st.floats(0, 1))
def test_more_spikes_never_cost_less(spikes, which, more):
    loud = np.array(spikes)
    loud[which] += more
    for meter in METERS:
        quiet, louder = meter(np.array(spikes)), meter(loud)
        for end in ("low", "value", "high"):
            assert getattr(louder, end) >= getattr(quiet, end) * (1 - 1e-6)


METERS = [h.meter(ring(), name).energy for name in ("loihi1", "spinnaker2", "cpu")]


def test_bursts_decide_latency():
    """The same spikes in one of two windows: the step time of that window is longer, and the table shows the mean of both."""
    load = ring(spikes=0.5)
    even = h.estimate(load, None, "loihi1")
    burst = h.Workload(load.parts, load.connections, load.spikes, np.stack([0 * load.spikes, 2 * load.spikes]), load.arrivals, load.dt, load.steps)
    found = h.estimate(burst, None, "loihi1").window_times.value
    assert found[1] > float(even.step_time.value) > found[0]


def test_a_run_of_a_model(tmp_path, capsys):
    model = n4.zoo.coba(scale=0.05).build(dt=0.1 * u.ms, seed=0)
    run = n4.simulate(model, jr.key(0), 50 * u.ms, n4.Counts(every=10 * u.ms))
    load = h.workload(model, run)
    assert load.windows.shape == (5, 200) and np.allclose(load.windows.mean(0), load.spikes)
    fan_out = sum(model.fan_out(name) for name in model.projections)
    cost = h.estimate(model, run, "loihi1")
    assert cost.events == pytest.approx(load.spikes @ fan_out)
    assert "energy per step" in repr(cost) and "<table" in cost._repr_html_() and json.dumps(cost.to_dict())
    assert cost.plot().get_xlabel() == "energy per step (J)"
    table = h.compare(model, run, h.targets())
    assert set(table.costs) == set(h.targets()) and all(not isinstance(x, str) for x in table.costs.values())
    assert "per event" in repr(table) and "<table" in table._repr_html_()
    out = tmp_path / "cost.json"
    assert main(["cost", "coba", "--scale", "0.05", "--duration", "20 ms", "--target", "cpu", "--json", str(out), "--no-progress"]) == 0
    assert json.loads(out.read_text())["target"] == "cpu" and "bottleneck" in capsys.readouterr().out


@pytest.mark.parametrize("kept", [n4.Counts(every=10 * u.ms), n4.Window(length=10 * u.ms)])
def test_spikes_per_step_are_those_of_the_steps_that_were_recorded(kept):
    """After a beginning that does not count, and where only the last steps are kept."""
    model = n4.zoo.coba(scale=0.05).build(dt=0.1 * u.ms, seed=0)
    run = n4.simulate(model, jr.key(0), 50 * u.ms, kept, discard=20 * u.ms)
    load = h.workload(model, run)
    assert load.spikes.sum() > 0 and np.allclose(load.spikes, run.rates("cells").to_decimal(u.Hz) * 1e-4)
    assert np.allclose(load.windows.mean(0), load.spikes)


def test_poisson_input_arrives_from_outside():
    cells = n4.Population("cells", 3, n4.LIF(tau=10 * u.ms, c=9 * u.pF, v_rest=0 * u.mV, v_th=9 * u.mV, v_reset=0 * u.mV), {"in": n4.Delta()})
    noise = n4.Poisson("noise", cells, "in", rate=500 * u.Hz, weight=0.1 * u.mV)
    model = n4.Network(cells, noise).build(dt=1 * u.ms, seed=0)
    load = h.workload(model, n4.simulate(model, jr.key(0), 5 * u.ms, n4.Counts()))
    assert np.allclose(load.arrivals, 0.5)
    cost = h.estimate(load, None, "spinnaker1")
    assert cost.events == pytest.approx(1.5) and "from outside" in repr(cost)


@pytest.mark.slow
def test_what_cannot_be_is_said():
    load = ring()
    with pytest.raises(TypeError, match="`target` is the chip"):
        h.estimate(load)
    with pytest.raises(h.TargetError, match="Did you mean 'loihi2'"):
        h.estimate(load, None, "loihi3")
    with pytest.raises(TypeError, match="expected a model and its run; got Model and NoneType"):
        h.estimate(n4.zoo.coba(scale=0.05).build(dt=0.1 * u.ms, seed=0), None, "loihi1")
    with pytest.raises(ValueError, match="expected one name per size"):
        h.layered(["a"], [3], [0], [1], np.zeros(2), dt=1 * u.ms, steps=1)
    crowded = h.compare(ring(5000, 4000), None, ["truenorth", "cpu"])
    assert "axons_in" in crowded["truenorth"] and "does not fit" in repr(crowded)
    assert main(["cost", "coba", "--duration", "1 ms"]) == 2
