"""Coloured noise, random neurons and rates that change: their statistics. Each claim is five standard errors wide, so a right program fails
one of them with a probability below 6e-7; the seeds are fixed."""

import brainunit as u
import jax
import jax.random as jr
import numpy as np
import pytest
from core.networks import lif

import neuro4d as n4
from neuro4d.ops import Backend

N = 2000


def deviations(model, state, steps, every):
    """What the noise holds, as (samples, neurons)."""
    (group,) = model.layout.groups
    _, held = jax.jit(lambda s: n4.scan(model, s, steps, lambda s, _: s.groups[group.name].stimuli["noise"]))(state)
    return np.asarray(held, np.float64)[every - 1 :: every]


@pytest.mark.parametrize("dt", [0.1, 1.0])
def test_coloured_noise_has_its_variance_and_correlation_for_any_step(dt):
    cells = n4.Population("cells", N, lif())
    net = n4.Network(cells, n4.OrnsteinUhlenbeck("noise", cells, mean=30 * u.pA, std=50 * u.pA, tau=5 * u.ms))
    model = net.build(dt=dt * u.ms, seed=0)
    x = deviations(model, model.init(jr.key(0)), round(20 / dt), round(1 / dt))  # one sample per ms, of which each knows e^-0.2 of the last
    assert abs(x.mean()) < 5 * 50 * np.sqrt(2 * 5 / 20 / N)
    for row in (0, 10, 19):  # stationary from the first step on
        assert abs(x[row].var() / 50**2 - 1) < 5 * np.sqrt(2 / N)
    for lag in (1, 5, 10):
        assert abs((x[lag] * x[0]).mean() / 50**2 - np.exp(-lag / 5)) < 5 * np.sqrt(2 / N)
    assert abs(np.mean((x[0] / 50) ** 4) - 3) < 5 * np.sqrt(96 / N)  # normal: the fourth moment is 3


@pytest.mark.slow
def test_coloured_noise_goes_on_where_it_was_and_acts_where_it_is_told():
    cells = n4.Population("cells", 40, n4.LIF(tau=10 * u.ms, c=100 * u.pF, v_rest=-60 * u.mV, v_th=1e6 * u.mV, v_reset=-61 * u.mV))
    chosen = cells[np.array([3, 5, 21])]
    net = n4.Network(cells, n4.OrnsteinUhlenbeck("noise", chosen, mean=np.array([10, 20, 30]) * u.pA, std=50 * u.pA, tau=5 * u.ms))
    model, plain = (net.build(dt=0.1 * u.ms, seed=0, backend=backend) for backend in (Backend.AUTO, Backend.REFERENCE))
    run = lambda model, state, steps: n4.simulate(model, state, steps * 0.1 * u.ms).state  # noqa: E731
    whole, half = run(model, model.init(jr.key(1)), 100), run(model, model.init(jr.key(1)), 50)
    other, held = n4.from_user(plain, n4.to_user(model, half))
    for got in (run(model, half, 50), run(other, held, 50)):
        np.testing.assert_allclose(got["cells", "v"], whole["cells", "v"], rtol=1e-6)
    v = np.asarray(whole["cells", "v"])
    assert (np.delete(v, [3, 5, 21]) == -60).all() and (v[[3, 5, 21]] != -60).all()
    with pytest.raises(n4.UnitError, match="give tau, for example"):
        n4.OrnsteinUhlenbeck("noise", cells, std=50 * u.pA)


@pytest.mark.slow
@pytest.mark.parametrize("backend", [Backend.AUTO, Backend.REFERENCE])
def test_poisson_neurons_fire_at_their_rate_with_their_dead_time(backend):
    rates, t_ref = np.array([0.02, 0.1, 0.5]), np.array([0.0, 5.0, 2.0])
    cells = n4.Population("cells", 3 * N, n4.PoissonNeuron(rate=np.repeat(rates, N) * u.kHz, t_ref=np.repeat(t_ref, N) * u.ms))
    model = n4.Network(cells).build(dt=0.1 * u.ms, seed=0, backend=backend)
    counts = n4.simulate(model, model.init(jr.key(0)), 500 * u.ms, n4.Counts()).counts("cells").reshape(3, N)
    for count, rate, dead in zip(counts, rates, t_ref, strict=True):
        chance = -np.expm1(-0.1 * rate)
        interval = 0.1 / chance + dead  # a geometric number of free steps, then the dead time
        cv2 = 0.01 * (1 - chance) / chance**2 / interval**2
        expected = 500 / interval + (cv2 - 1) / 2  # renewal theory: trains begin free, not in equilibrium
        spread = np.sqrt(500 / interval * cv2 / N)
        assert abs(count.mean() - expected) < 5 * spread + 1.0  # up to one spike by how a train begins
        assert abs(count.var() / (500 / interval * cv2) - 1) < 5 * np.sqrt(2 / N) + 0.1
    with pytest.raises(ValueError, match="exerts a current, but PoissonNeuron uses only nothing"):
        n4.Population("p", 1, n4.PoissonNeuron(rate=1 * u.Hz), {"in": n4.ExpCurrent(tau=1 * u.ms)})


@pytest.mark.slow
@pytest.mark.parametrize("backend", [Backend.AUTO, Backend.REFERENCE])
def test_rates_per_neuron_and_in_time(backend):
    rates = np.array([[0.0, 1.0, 4.0], [2.0, 0.5, 0.0]])  # kHz
    cells = n4.Population("cells", 3 * N, lif(v_th=1e3 * u.mV), {"in": n4.PulseCurrent()})
    wave = n4.RateSteps(samples=np.repeat(rates, N, axis=1) * u.kHz, every=2 * u.ms)
    net = n4.Network(cells, n4.Poisson("p", cells, "in", rate=wave, weight=1 * u.pA))
    model = net.build(dt=0.1 * u.ms, seed=0, backend=backend)
    arrived = jax.jit(lambda s: n4.scan(model, s, 60, lambda s, _: s.receptors["cells"]["in"].i))(model.init(jr.key(0)))[1]
    counts = np.asarray(arrived, np.float64).reshape(3, 20, 3, N).sum((1, 3))
    expected = np.vstack([rates, np.zeros(3)]) * 2 * N
    assert (np.abs(counts - expected) <= 5 * np.sqrt(expected)).all()
    single = np.asarray(arrived, np.float64).reshape(3, 20, 3, N)[0, :, 2]
    assert abs(single.var() / 0.4 - 1) < 5 * np.sqrt((2 + 1 / 0.4) / single.size)  # Poisson: the variance is the mean
    with pytest.raises(ValueError, match=r"samples must have shape \(T,\) or \(T, 6000\)"):
        short = n4.RateSteps(samples=rates * u.kHz, every=2 * u.ms)
        n4.Network(cells, n4.Poisson("p", cells, "in", rate=short, weight=1 * u.pA)).build(dt=0.1 * u.ms, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("backend", [Backend.AUTO, Backend.REFERENCE])
def test_rates_in_time_reach_the_neurons_that_they_are_for(backend):
    """Also where other neurons lie in between."""
    cells = n4.Population("cells", 300, lif(v_th=1e3 * u.mV), {"in": n4.PulseCurrent()})
    chosen = np.arange(1, 300, 3)
    wave = n4.RateSteps(samples=np.array([8.0, 2.0]) * u.kHz, every=5 * u.ms)
    net = n4.Network(cells, n4.Poisson("p", cells[chosen], "in", rate=wave, weight=2 * u.pA))
    model = net.build(dt=0.1 * u.ms, seed=0, backend=backend)
    arrived = jax.jit(lambda s: n4.scan(model, s, 120, lambda s, _: s.receptors["cells"]["in"].i))(model.init(jr.key(0)))[1]
    counts = np.asarray(arrived, np.float64) / 2
    assert not np.delete(counts, chosen, axis=1).any() and not counts[100:].any()
    for part, rate in ((slice(0, 50), 8.0), (slice(50, 100), 2.0)):
        expected = rate * 5 * len(chosen)
        assert abs(counts[part].sum() - expected) <= 5 * np.sqrt(expected)


def test_a_tree_with_a_stimulus_that_the_model_lacks_is_refused():
    cells = n4.Population("cells", 3, lif())
    net = lambda name: n4.Network(cells, n4.OrnsteinUhlenbeck(name, cells, std=1 * u.pA, tau=5 * u.ms)).build(dt=0.1 * u.ms, seed=0)  # noqa: E731
    first = net("slow")
    with pytest.raises(n4.UnknownNameError, match="no stimulus named 'slow', which the tree has"):
        n4.from_user(net("other"), n4.to_user(first, first.init(jr.key(0))))
