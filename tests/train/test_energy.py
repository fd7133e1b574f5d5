"""Energy on a chip in losses: slopes with respect to thresholds, statistics that are tuned, and what a classifier costs."""

import brainunit as u
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from train.networks import KEYS, PLIF, convolutional

import neuro4d as n4
from neuro4d import train as t
from neuro4d.train.tuners._structure import Structure


def driven(precision="float32"):
    """Six cells that drive each other, all above threshold, with a threshold each."""
    lif = n4.LIF(tau=10 * u.ms, c=100 * u.pF, v_rest=0 * u.mV, v_th=np.linspace(9, 11, 6) * u.mV, v_reset=0 * u.mV, t_ref=2 * u.ms)
    cells = n4.Population("cells", 6, lif, {"exc": n4.ExpCurrent(tau=3 * u.ms)})
    ring = n4.Projection(
        "ring", cells, cells, "exc", n4.EdgeList(np.arange(6), (np.arange(6) * 5 + 1) % 6), weight=20 * u.pA, delay=2 * u.ms
    )
    return n4.Network(cells, ring, n4.Clamp("drive", cells, np.linspace(120, 180, 6) * u.pA)).build(
        dt=0.5 * u.ms, seed=0, precision=precision
    )


def noisy(precision="float64"):
    """Cells under Poisson input, of which mean-field theory holds."""
    lif = n4.LIF(tau=20 * u.ms, c=250 * u.pF, v_rest=0 * u.mV, v_th=20 * u.mV, v_reset=10 * u.mV, t_ref=2 * u.ms)
    cells = n4.Population("cells", 40, lif, {"in": n4.Delta()})
    rec = n4.Projection("rec", cells, cells, "in", n4.FixedProb(0.2), weight=-0.1 * u.mV, delay=1.5 * u.ms)
    return n4.Network(cells, n4.Poisson("noise", cells, "in", rate=10 * u.kHz, weight=0.1 * u.mV), rec).build(
        dt=0.1 * u.ms, seed=0, precision=precision
    )


def meter_of(model, target="loihi1", duration=20 * u.ms):
    return n4.hardware.meter(n4.hardware.workload(model, n4.simulate(model, jr.key(0), duration, n4.Counts(), progress=False)), target)


def with_thresholds(model, v_th):
    return n4.set(model, lambda m: m.neurons["cells"].v_th, v_th * u.mV)


def slope(f, x, h):
    """Central differences in every direction."""
    return np.array([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(len(x))])


@pytest.mark.slow
def test_energy_has_the_slope_of_thresholds_that_differences_measure(x64):
    """Through spike times. Next to the power of a SpiNNaker board no difference is left of 16 digits, so that there what is paid per event counts."""
    model = driven("float64")
    one, two, clocked = (meter_of(model, target) for target in ("loihi1", "loihi2", "spinnaker1"))

    def energy(v_th):
        run = t.spike_times(with_thresholds(model, v_th), jr.key(0), 60 * u.ms, max_spikes=12)
        times, counts = run.times["cells"], run.counts["cells"]
        last = jnp.take_along_axis(times, counts[:, None] - 1, axis=1)[:, 0]
        spikes = (counts - 1) / (last - times[:, 0]) * model.dt_ms
        paid = sum(term.value for term in clocked.events(spikes).values())
        return jnp.stack([one.energy(spikes).value, two.energy(spikes).value, paid]) * 1e9

    both = jax.jit(lambda v_th, way: jax.jvp(energy, (v_th,), (way,)))  # one program for the slope and for what is measured
    v_th = np.linspace(9, 11, 6)
    found = np.stack([both(v_th, way)[1] for way in np.eye(6)])
    measured = slope(lambda x: both(x, np.eye(6)[0])[0], v_th, 1e-5)
    assert (measured < 0).all()
    np.testing.assert_allclose(found, measured, rtol=1e-6)


@pytest.mark.slow
def test_energy_of_the_mean_field_has_the_slope_that_differences_measure(x64):
    model = noisy()
    meter = meter_of(model)

    def energy(v_th):
        rates = n4.analysis.mean_field(with_thresholds(model, v_th), sample=10).rates_hz
        return meter.energy(jnp.repeat(rates, 40) * 1e-4).value * 1e9

    both = jax.jit(jax.value_and_grad(energy))
    found = both(20.0)[1]
    assert found < 0
    np.testing.assert_allclose(found, (both(20.0001)[0] - both(19.9999)[0]) / 2e-4, rtol=1e-5)


@pytest.mark.slow
def test_a_run_and_a_traced_trial_give_the_same_energy():
    model = driven()
    power = t.EnergyPerSecond(meter_of(model), 30 * u.ms, discard=10 * u.ms)
    assert power.unit == u.watt
    np.testing.assert_allclose(
        power.measure([model], jr.split(jr.key(1), 1)), [jax.jit(power.__call__)(model, jr.split(jr.key(1), 1)[0])], rtol=1e-5
    )


def test_energy_is_that_of_the_estimate():
    model = driven()
    run = n4.simulate(model, jr.key(0), 40 * u.ms, n4.Counts(), progress=False)
    load = n4.hardware.workload(model, run)
    power = t.EnergyPerSecond(n4.hardware.partition(load, n4.hardware.target("loihi1")), 40 * u.ms)
    assert power.of(run) == pytest.approx(n4.hardware.estimate(load, None, "loihi1").energy_per_second.value)


def test_meters_of_other_networks_are_refused():
    power = t.EnergyPerSecond(meter_of(driven()), 30 * u.ms)
    with pytest.raises(ValueError, match="made for 6 neurons, the model has 40"):
        power.measure([noisy("float32")], jr.split(jr.key(0), 1))
    with pytest.raises(TypeError, match="a meter or a placement; got float"):
        t.EnergyPerSecond(3.0, 30 * u.ms)


# --- classifiers ---------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_synapses_are_those_through_which_a_spike_changes_a_current():
    """Each source alone, through the layers themselves: which neurons of the next layers notice."""
    found = {layer.name: layer.reached.toarray() > 0 for layer in Structure(convolutional(), (8, 8, 1)).layers}
    assert {name: each.shape[1] for name, each in found.items()} == {"1": 72, "3.1": 18, "6": 5, "output": 3}
    conv, pool, again = t.Conv2d(1, 2, 3, key=KEYS[0], padding="valid"), t.MaxPool2d(2), t.Conv2d(2, 2, 3, key=KEYS[1])
    one = jnp.eye(64).reshape(1, 64, 8, 8, 1)
    np.testing.assert_array_equal(found["1"][:64], np.asarray(conv(one) - conv(0 * one))[0].reshape(64, -1) != 0)
    pooled = pool(jnp.eye(72).reshape(1, 72, 6, 6, 2))
    np.testing.assert_array_equal(found["3.1"][64:136], np.asarray(again(pooled))[0].reshape(72, -1) != 0)
    # Around the block a spike reaches all 5 neurons through the pool, or inside it through neurons of the block, or both.
    np.testing.assert_array_equal(found["6"][64:136].all(axis=1), np.asarray(pooled)[0].reshape(72, -1).any(axis=1))
    assert found["6"][136:154].all()
    np.testing.assert_array_equal(found["6"][154:159], ~np.eye(5, dtype=bool))
    assert found["output"][154:159].all() and not found["output"][:154].any()


@pytest.fixture(scope="module")
def net():
    return t.Sequential(t.Dense(64, 20, key=KEYS[0]), t.Hold(4), t.Spiking(PLIF), t.Dense(20, 10, key=KEYS[1]), t.Readout("mean"))


@pytest.fixture(scope="module")
def some():
    digits = t.data.digits().test
    return digits.x[:64], digits.y[:64]


@pytest.mark.slow
def test_what_a_classifier_asks_of_a_chip(net, some):
    load = t.chip_workload(net, some)
    assert [part.name for part in load.parts] == ["2", "output"]
    assert load.synapses == 200 and load.steps == 4 and not np.any(load.arrivals)
    spikes = np.sum(np.asarray(net.trace(t.encoders.Direct(1)(jnp.asarray(some[0]), jr.key(0)))[1][0].spikes)) / 64
    assert load.spikes[:20].sum() * 4 == pytest.approx(spikes)


def test_spikes_from_outside_count_as_events():
    deep = t.Sequential(t.Dense(6, 4, key=KEYS[0]), t.Spiking(PLIF))
    x = np.zeros((8, 6), np.float32)
    x[:, :3] = 1
    assert t.chip_workload(deep, (x, np.zeros(8, int))).arrivals.tolist() == [3.0] * 4
    assert t.chip_workload(deep, (0.5 * x, np.zeros(8, int))).arrivals.tolist() == [0.0] * 4


def test_several_ways_to_a_neuron_are_one_synapse():
    """Through two layers without neurons between them, into neurons of either kind; weights of the last axis act in every place."""
    for neurons in (t.Spiking(PLIF), t.Recurrent(PLIF, 5, key=KEYS[3])):
        deep = t.Sequential(t.Dense(3, 4, key=KEYS[0]), t.Dense(4, 5, key=KEYS[1]), neurons)
        assert t.chip_workload(deep, (np.ones((2, 3), np.float32), np.zeros(2, int))).arrivals.tolist() == [3.0] * 5
    places = t.Sequential(t.Dense(3, 4, key=KEYS[0]), t.Spiking(PLIF), t.Flatten())
    (found,) = Structure(places, (2, 3)).layers
    np.testing.assert_array_equal(found.reached.toarray(), np.kron(np.eye(2), np.ones((3, 4))))


def test_one_layer_in_two_places_is_two_layers_of_neurons():
    both = t.Spiking(PLIF)
    deep = t.Sequential(t.Dense(3, 4, key=KEYS[0]), both, t.Dense(4, 4, key=KEYS[1]), both)
    assert [part.name for part in t.chip_workload(deep, (np.ones((2, 3), np.float32), np.zeros(2, int))).parts] == ["1", "3"]


def test_the_energy_of_a_sample_is_that_of_the_placed_network(net, some):
    energy = t.ChipEnergy(net, some, "loihi1")
    mean = energy.workload.spikes[:20].sum() * 4
    found = energy(net, np.array([[mean], [2 * mean]]), np.array([4, 4]))
    cost = n4.hardware.estimate(energy.placement).energy_per_inference
    assert found[0].to_decimal(u.joule) == pytest.approx(cost.value, rel=1e-5)
    assert found[1] > found[0]
    band = energy.interval(np.array([[mean]]), 4)
    assert float(band.low[0]) == pytest.approx(cost.low, rel=1e-5) and float(band.high[0]) == pytest.approx(cost.high, rel=1e-5)


@pytest.mark.parametrize("target", ["spinnaker2", "edge"])
def test_energy_serves_the_tuners(net, some, target):
    energy = t.ChipEnergy(net, some, target)
    total = t.measure_energy(net, some, energy=energy)
    silent = t.ThresholdTuner().optimize_thresholds(net, some, target_sparsity=0.99)
    assert t.measure_energy(silent, some, energy=energy) <= total


def test_an_energy_of_another_network_is_refused(net, some):
    energy = t.ChipEnergy(net, some, "loihi1")
    other = t.Sequential(t.Spiking(PLIF), t.Dense(64, 10, key=KEYS[0]))
    with pytest.raises(ValueError, match="spiking layers 2; got one with 0"):
        t.measure_energy(other, some, energy=energy)
