"""Delays that are trained: what arrives, derivatives against differences, and the way back to the grid."""

import importlib.util
from pathlib import Path

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neuro4d as n4
from neuro4d.train import Delays, Spread

pytestmark = pytest.mark.usefixtures("x64")

N, DT = 20, 0.5
RNG = np.random.default_rng(7)
PRE, POST = np.nonzero(RNG.random((N, N)) < 0.25)
TRUE = RNG.integers(4, 31, len(PRE)) * DT  # 2 to 15 ms, on the grid
WEIGHT = RNG.uniform(20, 60, len(PRE)) * np.where(PRE < 15, 1, -1)


def network(delay, surrogate=None, n_inputs=10, backend=n4.Backend.AUTO):
    """A sparse recurrent network with delays by edge, driven by currents."""
    lif = n4.LIF(tau=10 * u.ms, c=100 * u.pF, v_rest=0 * u.mV, v_th=10 * u.mV, v_reset=0 * u.mV, t_ref=2 * u.ms)
    cells = n4.Population("cells", N, lif, {"in": n4.ExpCurrent(tau=3 * u.ms)})
    e = n4.Projection("e", cells, cells, "in", n4.EdgeList(PRE, POST), weight=WEIGHT * u.pA, delay=delay)
    drive = n4.Clamp("drive", cells, np.linspace(95, 160, N) * u.pA)
    return n4.Network(cells, e, drive).build(dt=DT * u.ms, seed=1, precision="float64", surrogate=surrogate, backend=backend)


def trained(init, spread=0 * u.ms):
    return n4.TrainableDelays(init, low=1 * u.ms, high=20 * u.ms, spread=spread)


@eqx.filter_jit
def fired(model):
    return n4.scan(model, model.init(jax.random.key(0)), 200, lambda _, spikes: spikes["cells"])[1]


@pytest.fixture(scope="module")
def soft():
    with jax.enable_x64(True):
        return network(trained(np.linspace(2.1, 14.2, len(PRE)) * u.ms), n4.SuperSpike(width=2 * u.mV))


# --- what arrives ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("surrogate", [None, n4.SuperSpike()])
def test_whole_delays_give_the_spikes_of_the_event_layout(surrogate):
    model, plain = network(trained(TRUE * u.ms), surrogate), network(TRUE * u.ms, surrogate)
    want = fired(plain)
    assert want.sum() > 100
    np.testing.assert_array_equal(fired(model), want)
    frozen = model.freeze()
    np.testing.assert_array_equal(fired(frozen), want)
    for name in ("pre", "post", "weight", "delay"):
        got, want = (u.get_mantissa(getattr(m.edges("e"), name)) for m in (frozen, plain))
        np.testing.assert_array_equal(got, want)


def test_a_spike_arrives_in_the_two_steps_next_to_its_delay_in_proportion():
    inputs = n4.Population("inputs", 1, n4.Relay(), {"in": n4.Delta()})
    target = n4.Population("target", 1, n4.LI(tau=10 * u.ms), {"in": n4.PulseCurrent()})
    e = n4.Projection("e", inputs, target, "in", n4.AllToAll(), weight=4 * u.pA, delay=trained(2.1 * u.ms, spread=1 * u.ms))
    given = n4.SpikeTimes("given", inputs, "in", times=[5.0] * u.ms, ids=np.array([0]), weight=1 * u.mV)
    model = n4.Network(inputs, target, e, given).build(dt=DT * u.ms, precision="float64")

    def arrived(model):
        return np.asarray(n4.scan(model, model.init(jax.random.key(0)), 20, lambda s, _: s["target", "in.i"][0])[1])

    narrow = arrived(n4.set(model, Spread("e"), 0 * u.ms))
    want = np.zeros(20)
    want[[13, 14]] = 4 * np.array([0.8, 0.2])  # 5 ms + 2.0 ms ends step 13 (counted from 0), 2.1 ms is a fifth of a step more
    np.testing.assert_allclose(narrow, want, atol=1e-12)
    wide, lags = arrived(model), np.arange(20) - 9
    triangle = np.maximum(0, 1 - np.abs(lags - 4.2) / 3)
    np.testing.assert_allclose(wide, 4 * triangle / triangle.sum(), atol=1e-12)


@pytest.mark.slow
def test_a_batch_is_its_trials(soft):
    keys = jax.random.split(jax.random.key(0), 2)
    delays = jnp.stack([Delays("e")(soft), Delays("e")(soft) + 0.3])

    def potentials(delay, key):
        model = n4.set(soft, Delays("e"), delay)
        return n4.scan(model, model.init(key), 50, lambda s, _: s["cells", "v"])[1]

    both = jax.jit(jax.vmap(potentials))(delays, keys)
    np.testing.assert_allclose(both[1], jax.jit(potentials)(delays[1], keys[1]), rtol=1e-12)
    assert not np.allclose(both[0], both[1])


# --- derivatives -------------------------------------------------------------------------------------------------------------


def quiet(model, delay):
    """The potentials of neurons that hear given spikes and never fire: a smooth function of delays."""
    model = n4.set(model, Delays("e"), delay)
    v = n4.scan(model, model.init(jax.random.key(0)), 120, lambda s, _: s["target", "v"])[1]
    return jnp.sum(jnp.sin(v))


both = eqx.filter_jit(jax.value_and_grad(quiet, argnums=1))
"""One program for the value and its derivative by the delays."""


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.0, 2.0])
def test_the_gradient_of_a_delay_is_the_difference(spread):
    inputs = n4.Population("inputs", 6, n4.Relay(), {"in": n4.Delta()})
    target = n4.Population("target", 4, n4.LI(tau=10 * u.ms), {"in": n4.ExpCurrent(tau=3 * u.ms)})
    delays = trained(np.linspace(2.1, 14.3, 24) * u.ms, spread=spread * u.ms)
    e = n4.Projection("e", inputs, target, "in", n4.AllToAll(), weight=np.linspace(-1, 3, 24) * u.pA, delay=delays)
    times, ids = np.arange(4, 100, 3) * DT, np.arange(32) % 6
    given = n4.SpikeTimes("given", inputs, "in", times=times * u.ms, ids=ids, weight=1 * u.mV)
    model = n4.Network(inputs, target, e, given).build(dt=DT * u.ms, precision="float64")
    loss, slope = (lambda delay, which=which: both(model, delay)[which] for which in (0, 1))
    at = Delays("e")(model)
    gradient = np.asarray(slope(at))
    for edge in range(0, 24, 5):
        h = 1e-5 * jnp.zeros(24).at[edge].set(1)
        want = float(loss(at + h) - loss(at - h)) / 2e-5
        assert gradient[edge] == pytest.approx(want, rel=1e-6, abs=1e-9)
    assert np.abs(gradient).min() > 1e-6
    # On the grid the function has a corner, also where a spread has shrunk to nothing: its slope is that towards a longer delay.
    at = jnp.round(at / DT) * DT
    h = 0.01 * jnp.zeros(24).at[3].set(1)  # wider than what counts as on the grid
    for narrow in [model, n4.set(model, Spread("e"), 0 * u.ms)]:
        want = float(both(narrow, at + h)[0] - both(narrow, at)[0]) / 0.01
        assert float(both(narrow, at)[1][3]) == pytest.approx(want, rel=0.02)


@pytest.mark.slow
def test_gradients_with_respect_to_delays_weights_and_spikes_are_finite(soft):
    @eqx.filter_jit
    @eqx.filter_grad
    def slope(model):
        v = n4.scan(model, model.init(jax.random.key(0)), 100, lambda s, _: s["cells", "v"])[1]
        return jnp.mean(v**2)

    found = slope(soft)
    path = found.pathways["cells->cells (trained delays)"]
    for leaf in (path.free.delay, path.weight, found.neurons["cells"].v_th):
        assert np.isfinite(leaf).all() and np.abs(leaf).max() > 0


# --- refused -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: n4.TrainableDelays(5 * u.ms, low=0 * u.ms, high=9 * u.ms), "above 0"),
        (lambda: n4.TrainableDelays(5 * u.ms, low=9 * u.ms, high=2 * u.ms), "below high"),
        (lambda: n4.TrainableDelays(30 * u.ms, low=1 * u.ms, high=20 * u.ms), "between low and high"),
        (lambda: n4.TrainableDelays(5 * u.ms, low=1 * u.ms, high=20 * u.ms, spread=-1 * u.ms), "spread"),
        (lambda: network(n4.TrainableDelays(5 * u.ms, low=0.1 * u.ms, high=20 * u.ms)), "one step or longer"),
        (lambda: network(TRUE * u.ms).freeze() and Delays("e")(network(TRUE * u.ms)), "lie on the grid"),
    ],
)
def test_what_cannot_be_is_refused_with_what_would_work(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_a_projection_without_edges_has_no_delays_to_train():
    cells = n4.Population("cells", 2, n4.Relay(), {"in": n4.Delta()})
    none = n4.EdgeList(np.zeros(0, int), np.zeros(0, int))
    e = n4.Projection("e", cells, cells, "in", none, weight=1 * u.mV, delay=trained(5 * u.ms))
    with pytest.raises(ValueError, match="no edges"):
        n4.Network(cells, e).build(dt=DT * u.ms)


def test_a_bare_number_and_another_unit_are_refused():
    with pytest.raises(n4.UnitError):
        n4.TrainableDelays(5, low=1 * u.ms, high=20 * u.ms)
    with pytest.raises(n4.UnitError):
        n4.TrainableDelays(5 * u.ms, low=1 * u.mV, high=20 * u.ms)


def test_a_delay_beyond_its_bounds_is_not_frozen(soft):
    wrong = eqx.tree_at(Delays("e"), soft, Delays("e")(soft).at[3].set(25.0))
    with pytest.raises(ValueError, match="delay 3 is"):
        wrong.freeze()


def test_delays_are_drawn_unrounded_in_the_order_of_edges_and_reported(soft):
    np.testing.assert_array_equal(Delays("e")(soft), soft.edges("e").delay.to_decimal(u.ms))
    order = np.lexsort((soft.edges("e").post, soft.edges("e").pre))
    np.testing.assert_allclose(np.asarray(Delays("e")(soft))[order], np.linspace(2.1, 14.2, len(PRE)), rtol=1e-15)
    assert "delays that are trained" in str(soft.plan())


@pytest.mark.full
def test_known_delays_are_found_and_the_closed_network_fires_the_spikes_of_its_teacher(monkeypatch):
    """The small version of `benchmarks/delays.py`, which says what is done."""
    where = Path(__file__).resolve().parents[2] / "benchmarks" / "delays.py"
    monkeypatch.syspath_prepend(str(where.parent))  # as if it were started there
    spec = importlib.util.spec_from_file_location("benchmark_delays", where)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    with jax.enable_x64(False):
        found = benchmark.recover(n=15, fan_in=4, dt=1.0, duration=1000.0, updates=200, rate=0.4, seed=2)
    assert found["with_influence"] >= 0.9 * found["edges"]
    assert found["within_a_step_at_first"] < 0.2
    assert found["within_a_step"] >= 0.95
    assert found["exact_when_frozen"] == found["free_spikes_shared"] == 1 > 2 * found["free_spikes_shared_at_first"]
