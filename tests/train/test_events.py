"""Spike times between grid points: closed forms, independence of the grid, derivatives against differences in double precision."""

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neuro4d as n4

pytestmark = pytest.mark.usefixtures("x64")

KEY = 0
DELAYS = np.random.default_rng(5).integers(1, 9, 400) + 0.3  # between the steps of the coarse grids


def lif(v_th=10 * u.mV, t_ref=2 * u.ms):
    return n4.LIF(tau=10 * u.ms, c=100 * u.pF, v_rest=0 * u.mV, v_th=v_th, v_reset=0 * u.mV, t_ref=t_ref)


def recurrent(dt=0.5, n=20):
    """Excitation with an exponential course and inhibition with that of an alpha function, each neuron driven above its threshold."""
    ports = {"exc": n4.ExpCurrent(tau=3 * u.ms), "inh": n4.AlphaCurrent(tau=4 * u.ms)}
    cells = n4.Population("cells", n, lif(), ports)
    rng = np.random.default_rng(2)
    pre, post = np.nonzero((rng.random((15, n)) < 0.3) & (np.arange(15)[:, None] != np.arange(n)))
    e = n4.Projection(
        "e",
        cells[:15],
        cells,
        "exc",
        n4.EdgeList(pre, post),
        weight=rng.uniform(20, 60, len(pre)) * u.pA,
        delay=n4.TrainableDelays(DELAYS[: len(pre)] * u.ms, low=1 * u.ms, high=10 * u.ms),
    )
    i = n4.Projection("i", cells[15:], cells, "inh", n4.FixedProb(0.4), weight=-30 * u.pA, delay=3 * u.ms)
    drive = n4.Clamp("drive", cells, np.linspace(95, 160, n) * u.pA)
    return n4.Network(cells, e, i, drive).build(dt=dt * u.ms, seed=3, precision="float64")


@pytest.fixture(scope="module")
def network():
    with jax.enable_x64(True):
        return recurrent()


def run(model, duration=100 * u.ms, **options):
    return n4.train.spike_times(model, jax.random.key(KEY), duration, **options)


def single(dt=0.5, current=200.0, *stimuli, t_ref=2 * u.ms, ports=None):
    cells = n4.Population("cells", 1, lif(t_ref=t_ref), ports or {})
    parts = [make(cells) for make in stimuli]
    return n4.Network(cells, n4.Clamp("drive", cells, current * u.pA), *parts).build(dt=dt * u.ms, precision="float64")


# --- values ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dt", [0.1, 2.0])
def test_a_driven_neuron_fires_at_the_times_of_its_closed_form(dt):
    times = run(single(dt), 40 * u.ms, max_spikes=6).times["cells"][0]
    k = np.arange(4)
    np.testing.assert_allclose(times[:4], (k + 1) * 10 * np.log(2) + 2 * k, rtol=0, atol=1e-9)
    assert np.isinf(times[4:]).all()


@pytest.mark.slow
def test_the_result_does_not_depend_on_the_grid(network):
    coarse, fine = run(recurrent(dt=1.0), arrivals=20), run(network)
    assert int(fine.counts["cells"].sum()) > 60
    np.testing.assert_array_equal(coarse.counts["cells"], fine.counts["cells"])
    np.testing.assert_allclose(coarse.times["cells"], fine.times["cells"], rtol=0, atol=1e-8)
    np.testing.assert_allclose(coarse.v["cells"], fine.v["cells"][1::2], rtol=0, atol=1e-7)


@pytest.mark.full
@pytest.mark.parametrize("strength", [0.0, 0.3])
def test_the_grid_simulation_comes_closer_with_the_step(strength):
    late = {}
    for dt in (0.1, 0.05):
        model = recurrent(dt=dt)
        model = eqx.tree_at(lambda m: [path.weight for path in m.pathways.values()], model, replace_fn=lambda w: strength * w)
        exact = run(model, 60 * u.ms)
        _, fired = n4.scan(model, model.init(jax.random.key(KEY)), round(60 / dt), lambda _, spikes: spikes["cells"])
        row, neuron = np.nonzero(np.asarray(fired))
        assert len(row) == int(exact.counts["cells"].sum()) > 40
        late[dt] = [(row[neuron == k] + 1) * dt - finite(exact.times["cells"][k]) for k in range(20)]
    first = np.array([times[0] for times in late[0.1] if len(times)])
    assert np.all((first > -1e-9) & (first < 0.1 + 1e-9)) or strength  # alone, the grid is late by less than a step
    means = {dt: np.concatenate(times).mean() for dt, times in late.items()}
    assert means[0.05] == pytest.approx(means[0.1] / 2, rel=0.25)


def finite(times):
    return np.asarray(times)[np.isfinite(np.asarray(times))]


@pytest.mark.slow
def test_a_spike_of_a_jump_is_its_arrival_and_moves_with_the_delay():
    cells = n4.Population("cells", 2, lif(), {"in": n4.Delta()})
    inputs = n4.SpikeTimes("given", cells, "in", times=np.array([2.0]) * u.ms, ids=np.array([0]), weight=12 * u.mV)
    delay = n4.TrainableDelays(3.2 * u.ms, low=1 * u.ms, high=5 * u.ms)
    chain = n4.Projection("chain", cells[:1], cells[1:], "in", n4.AllToAll(), weight=11 * u.mV, delay=delay)
    model, place = n4.Network(cells, chain, inputs).build(dt=0.5 * u.ms, precision="float64"), n4.train.Delays("chain")

    def times(delay):
        return run(n4.set(model, place, delay), 10 * u.ms, max_spikes=2).times["cells"]

    found, slope = jax.jvp(jax.jit(times), (place(model),), (jnp.ones(1),))
    np.testing.assert_allclose([finite(t) for t in found], [[2.0], [5.2]], atol=1e-12)
    np.testing.assert_allclose(slope[:, 0], [0, 1], atol=1e-12)


@pytest.mark.slow
def test_what_receptors_hold_at_first_counts_and_a_batch_is_its_trials():
    """A current of 400 pA that decays with the time constant of the membrane: v = 4 t exp(-t/tau), and dv/di at every time."""
    cells = n4.Population("cells", 1, lif(v_th=100 * u.mV), {"in": n4.ExpCurrent(tau=10 * u.ms)}, init={"in.i": 400 * u.pA})
    model = n4.Network(cells, n4.Clamp("drive", cells, 0 * u.pA)).build(dt=0.5 * u.ms, precision="float64")

    def v(current):
        return run(n4.set(model, lambda m: m.sources["drive"].amplitude, current), 20 * u.ms).v["cells"][:, 0]

    at = jnp.array([0.0, 100.0])
    found, slope = jax.jit(lambda x: jax.jvp(jax.vmap(v), (x,), (jnp.ones(2),)))(at)
    t = np.arange(1, 41) * 0.5
    risen = 0.1 * (1 - np.exp(-t / 10))
    np.testing.assert_allclose(found, 4 * t * np.exp(-t / 10) + at[:, None] * risen, rtol=1e-12)
    np.testing.assert_allclose(slope, np.stack([risen, risen]), rtol=1e-12)


def test_inputs_have_a_row_for_each_step():
    cells = n4.Population("cells", 1, lif())
    model = n4.Network(cells, n4.Input("command", cells)).build(dt=0.5 * u.ms, precision="float64")
    held = run(model, 20 * u.ms, inputs={"command": np.full(40, 200.0)})
    np.testing.assert_allclose(held.times["cells"][0, 0], 10 * np.log(2), atol=1e-12)
    with pytest.raises(ValueError, match="40 steps"):
        run(model, 20 * u.ms, inputs={"command": np.full(39, 200.0)})


# --- derivatives -------------------------------------------------------------------------------------------------------------


@eqx.filter_jit
def losses(model):
    """A sum of all spike times with different signs and weights, and a mean of squared potentials.

    Potentials are read at fixed times, and jump where a spike passes over one: in the first 40 ms none does for the steps of the tests.
    """
    found = run(model)
    times = found.times["cells"]
    there = jnp.isfinite(times)
    signs = jnp.cos(jnp.arange(times.size).reshape(times.shape))
    return jnp.sum(jnp.where(there, signs * jnp.where(there, times, 0), 0)), jnp.mean(found.v["cells"][:80] ** 2)


def difference(loss, model, where, direction, h):
    """A fourth-order central difference along a direction."""
    at = [np.array(loss(moved(model, where, direction, k * h))) for k in (-2, -1, 1, 2)]
    return (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h)


def moved(model, where, direction, h):
    return eqx.tree_at(where, model, where(model) + h * direction)


PLACES = {
    "tau": lambda m: m.neurons["cells"].tau,
    "c": lambda m: m.neurons["cells"].c,
    "v_th": lambda m: m.neurons["cells"].v_th,
    "v_reset": lambda m: m.neurons["cells"].v_reset,
    "v_rest": lambda m: m.neurons["cells"].v_rest,
    "t_ref": lambda m: m.neurons["cells"].t_ref,
    "drive": lambda m: m.sources["drive"].amplitude,
    "exc.tau": lambda m: m.receptors["cells"]["exc"].tau,
    "inh.tau": lambda m: m.receptors["cells"]["inh"].tau,
    "weights": lambda m: m.pathways["cells->cells (trained delays)"].weight,
    "inhibition": lambda m: m.pathways["cells->cells"].weight,
    "delays": n4.train.Delays("e"),
}


@pytest.fixture(scope="module")
def slopes(network):
    """The gradient of both losses with respect to every float of the model, in one program."""

    @eqx.filter_jit
    def both(model):
        floats, rest = eqx.partition(model, eqx.is_inexact_array)
        _, pull = jax.vjp(lambda x: losses(eqx.combine(x, rest)), floats)
        (both,) = jax.vmap(pull)((jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])))
        return both

    with jax.enable_x64(True):
        return both(network)


@pytest.mark.parametrize("name", PLACES)
def test_a_gradient_is_the_difference(network, slopes, name):
    where = PLACES[name]
    size, shape, both = where(network).size, where(network).shape, where(slopes)
    direction = np.cos(np.arange(size)).reshape(shape)
    want = difference(losses, network, where, direction, 1e-4)
    for which in (0, 1):
        got = float(np.sum(np.asarray(both[which]) * direction))
        assert got == pytest.approx(want[which], rel=1e-6, abs=1e-9), (name, which)
