"""Theory of stationary rates: the integral, its limits, its derivative, and simulations."""

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.special

import neuro4d as n4


def by_quadrature(mu, sigma, tau, v_th, v_reset, t_ref):
    """Siegert's formula in Hz by an adaptive rule, for moderate arguments."""
    integral, _ = scipy.integrate.quad(
        lambda x: np.exp(x * x) * scipy.special.erfc(-x), (v_reset - mu) / sigma, (v_th - mu) / sigma, epsabs=0, epsrel=1e-12
    )
    return 1e3 / (t_ref + tau * np.sqrt(np.pi) * integral)


def rate(mu, sigma, tau=20.0, v_th=20.0, v_reset=10.0, t_ref=2.0, tau_syn=0.0):
    """The same from the package, bare."""
    return n4.analysis.siegert(mu * u.mV, sigma * u.mV, tau * u.ms, v_th * u.mV, v_reset * u.mV, t_ref * u.ms, tau_syn * u.ms).to_decimal(
        u.Hz
    )


@pytest.mark.parametrize(("wide", "error"), [(True, 1e-10), (False, 1e-5)])
def test_the_integral(wide, error):
    mu, sigma = (x.ravel() for x in np.meshgrid([5.0, 12.0, 19.0, 20.0, 21.0, 30.0, 60.0], [2.0, 5.0, 10.0, 50.0]))
    with jax.enable_x64(wide):
        got = np.asarray(rate(mu, sigma))
    expected = [by_quadrature(m, s, 20.0, 20.0, 10.0, 2.0) for m, s in zip(mu, sigma, strict=True)]
    np.testing.assert_allclose(got, expected, rtol=error)


@pytest.mark.slow
@pytest.mark.parametrize("wide", [True, False])
def test_limits_are_finite(wide):
    with jax.enable_x64(wide):
        strong = np.asarray(rate(np.array([30.0, 1e4]), 1e-6))
        deep = np.asarray(rate(np.array([-1e3, 0.0, 19.0, 19.9]), np.array([1e-3, 0.0, 1e-2, 1e-3])))
        slope = jax.vmap(
            jax.grad(lambda m: jnp.sum(n4.analysis.siegert(m, 1e-2 * u.mV, 20 * u.ms, 20 * u.mV, 10 * u.mV, 2 * u.ms).to_decimal(u.Hz)))
        )
        slopes = np.asarray(slope(jnp.asarray([-1e3, 0.0, 19.9, 20.1, 1e4])))
    # Without noise the neuron needs t_ref + tau ln((mu - v_reset) / (mu - v_th)).
    np.testing.assert_allclose(strong, [1e3 / (2 + 20 * np.log(20 / 10)), 1e3 / (2 + 20 * np.log1p(10 / 9980))], rtol=5e-6)
    assert np.all(deep >= 0) and np.all(deep < 1e-12)
    assert np.isfinite(slopes).all()


@pytest.mark.parametrize(
    "at", [(15.0, 5.0, 20.0, 20.0, 10.0, 2.0, 0.5), (30.0, 2.0, 10.0, 20.0, 0.0, 1.0, 1.0), (2.0, 6.0, 20.0, 20.0, 10.0, 2.0, 2.0)]
)
def test_the_derivative_is_that_of_differences(at):
    def bare(*x):
        return rate(*x)

    with jax.enable_x64(True):
        gradient = jax.grad(lambda x: n4.analysis._siegert.siegert_rate(*x))(jnp.asarray(at))
        for number, slope in enumerate(np.asarray(gradient) * 1e3):
            h = 1e-5 * max(1.0, abs(at[number]))
            low, high = (np.array(at) + sign * h * np.eye(7)[number] for sign in (-1, 1))
            difference = (float(bare(*high)) - float(bare(*low))) / (2 * h)
            assert slope == pytest.approx(difference, rel=2e-6, abs=1e-7)


def neuron(**changed):
    given = {"tau": 20 * u.ms, "c": 250 * u.pF, "v_rest": 0 * u.mV, "v_th": 20 * u.mV, "v_reset": 10 * u.mV, "t_ref": 2 * u.ms}
    return n4.LIF(**given | changed)


@pytest.mark.slow
def test_simulated_neurons_fire_as_predicted():
    """Delta and exponential synapses near threshold: 300 neurons for 2 s are 6,000 spikes and more, 2 % at three standard errors."""
    fast = n4.Population("fast", 300, neuron(), {"in": n4.Delta()}, v0=n4.Uniform(0 * u.mV, 20 * u.mV))
    slow = n4.Population("slow", 300, neuron(), {"in": n4.ExpCurrent(tau=1 * u.ms)}, v0=n4.Uniform(0 * u.mV, 20 * u.mV))
    model = n4.Network(
        fast,
        slow,
        n4.Poisson("to fast", fast, "in", rate=9.5 * u.kHz, weight=0.1 * u.mV),
        n4.Clamp("more", fast, 20 * u.pA),
        n4.Poisson("to slow", slow, "in", rate=9.8 * u.kHz, weight=25 * u.pA),
    ).build(dt=0.1 * u.ms, seed=0)
    run = n4.simulate(model, jax.random.key(0), 2 * u.second, n4.Counts(), discard=200 * u.ms)
    theory = n4.analysis.mean_field(model)
    # Jumps of a tenth of a mV and the first order in the synaptic time constant: the theory is good to 3 %.
    for name in ("fast", "slow"):
        assert float(theory.rate(name).to_decimal(u.Hz)) == pytest.approx(float(run.rate(name).to_decimal(u.Hz)), rel=0.05)
    assert bool(theory.converged) and theory.stable


@pytest.fixture(scope="module")
def recurrent():
    """Two coupled populations with all kinds of current receptors and stimuli, in double precision."""
    with jax.enable_x64(True):
        receptors = {
            "exc": n4.ExpCurrent(tau=0.5 * u.ms),
            "inh": n4.AlphaCurrent(tau=0.3 * u.ms),
            "jump": n4.Delta(),
            "pulse": n4.PulseCurrent(),
        }
        exc = n4.Population("exc", 80, neuron(v_th=n4.Normal(20 * u.mV, 0.5 * u.mV)), receptors)
        inh = n4.Population("inh", 20, neuron(tau=10 * u.ms), receptors)
        told = n4.Population("told", 10, n4.PoissonNeuron(rate=20 * u.Hz, t_ref=5 * u.ms))
        parts = [
            n4.Projection("ee", exc, exc, "exc", n4.FixedProb(0.3), weight=n4.Normal(20 * u.pA, 4 * u.pA), delay=1 * u.ms),
            n4.Projection("ei", exc, inh, "exc", n4.FixedProb(0.3), weight=20 * u.pA, delay=1 * u.ms),
            n4.Projection("ie", inh, exc, "inh", n4.FixedProb(0.5), weight=-40 * u.pA, delay=1 * u.ms),
            n4.Projection("te", told, exc, "jump", n4.FixedProb(0.5), weight=0.2 * u.mV, delay=1 * u.ms),
            n4.Poisson("outside", exc, "jump", rate=9 * u.kHz, weight=0.1 * u.mV),
            n4.Poisson("pulses", inh[5:], "pulse", rate=5 * u.kHz, weight=200 * u.pA),
            n4.Clamp("drive", inh, 400 * u.pA),
            n4.WhiteNoise("white", inh, mean=10 * u.pA, std=300 * u.pA),
            n4.OrnsteinUhlenbeck("slow", exc[:40], mean=5 * u.pA, std=20 * u.pA, tau=2 * u.ms),
        ]
        yield n4.Network(exc, inh, told, *parts).build(dt=0.1 * u.ms, seed=1, precision=jnp.float64)


@pytest.mark.slow
def test_a_fixed_point_sends_what_it_receives(recurrent):
    with jax.enable_x64(True):
        theory = n4.analysis.mean_field(recurrent)
        rates = dict(zip(theory.names, np.asarray(theory.rates_hz), strict=True))
        assert rates["told"] == pytest.approx(1e3 / 55, rel=1e-12)
        assert bool(theory.converged) and 1 < rates["exc"] < 200 and 1 < rates["inh"] < 200
        # By hand, neuron by neuron, for the inhibitory population.
        edges = recurrent.edges("ei")
        total = np.bincount(edges.post, edges.weight.to_decimal(u.pA), 20) * 0.5 / 250
        squares = np.bincount(edges.post, edges.weight.to_decimal(u.pA) ** 2, 20) * (0.5 / 250) ** 2
        pulsed = np.arange(20) >= 5
        mean = 10 * (410 / 250 + rates["exc"] / 1e3 * total + pulsed * 5 * 200 * 0.1 / 250)
        white = (300 / 250) ** 2 * 0.1 + pulsed * 5 * (200 * 0.1 / 250) ** 2
        sigma = np.sqrt(10 * (white + rates["exc"] / 1e3 * squares))
        share = rates["exc"] / 1e3 * squares * 10 / sigma**2
        shift = sigma * 2.0652531522312176 / 2 * share * np.sqrt(0.5 / 10)
        step = 0.5825971579390107 * (1 - share) * sigma * np.sqrt(0.1 / 10)
        by_hand = [by_quadrature(m, s, 10.0, 20.0 + a + b, 10.0 + a, 2.0) for m, s, a, b in zip(mean, sigma, shift, step, strict=True)]
        assert rates["inh"] == pytest.approx(np.mean(by_hand), rel=1e-8)


PLACES = {
    "threshold": lambda m: m.neurons["exc"].v_th,
    "tau": lambda m: m.neurons["inh"].tau,
    "synapse": lambda m: m.receptors["exc"]["exc"].tau,
    "drive": lambda m: m.sources["drive"].amplitude,
    "weights": n4.Weights("ie"),
    "spread weights": n4.Weights("ee"),
    "outside": n4.train.PoissonRate("outside"),
}


@pytest.mark.slow
def test_slopes_are_those_of_differences(recurrent):
    statistic = n4.train.Rate("exc", 1 * u.second)
    with jax.enable_x64(True):
        found = n4.train.MeanField().estimate(recurrent, PLACES, statistic, jax.random.key(0))
        assert found.value == pytest.approx(float(n4.analysis.mean_field(recurrent).rate("exc").to_decimal(u.Hz)), rel=1e-12)
        for name, place in PLACES.items():
            lever = n4.train._tune_places.levers(recurrent, {name: place}, None)[0]
            along = float(np.sum(np.asarray(found.gradient[name]) * lever.leaf_slope()))
            ends = [n4.analysis.mean_field(lever.written(recurrent, sign * 1e-3)).rates_hz[0] for sign in (-1, 1)]
            assert along == pytest.approx(float(ends[1] - ends[0]) / 2e-3, rel=1e-5), name


def test_published_networks():
    """Brunel (2000), model A in state C: theory 38.0 Hz there, without steps; 37.2 to 37.8 Hz in simulations."""
    model = n4.zoo.brunel("C", 0.1).build(dt=0.1 * u.ms, seed=0)
    assert float(n4.analysis.mean_field(model, sample=50).rate("exc").to_decimal(u.Hz)) == pytest.approx(37.5, rel=0.02)


@pytest.mark.full
def test_a_state_that_was_not_found_is_no_answer():
    """Neurons that excite each other without a limit to their rate: the more they get, the more they send."""
    cells = n4.Population("cells", 20, neuron(t_ref=0 * u.ms), {"in": n4.Delta()})
    e = n4.Projection("e", cells, cells, "in", n4.AllToAll(), weight=1 * u.mV, delay=1 * u.ms)
    model = n4.Network(cells, e, n4.Poisson("noise", cells, "in", rate=10 * u.kHz, weight=0.15 * u.mV)).build(dt=0.1 * u.ms, seed=0)
    theory = n4.analysis.mean_field(model)
    assert not theory.converged and theory.rates_hz[0] >= 0
    assert "no fixed point was found" in repr(theory) and "no fixed point was found" in theory._repr_html_()
    with pytest.raises(ValueError, match="no fixed point"):
        n4.train.MeanField().estimate(
            model, n4.train.places(lambda m: m.neurons["cells"].v_th), n4.train.Rate("cells", 1 * u.second), jax.random.key(0)
        )
    broken = eqx.tree_at(lambda m: m.neurons["cells"].tau, model, model.neurons["cells"].tau * jnp.nan)
    assert not n4.analysis.mean_field(broken).converged


def test_what_the_theory_does_not_know():
    with pytest.raises(TypeError, match=r"'exc' of 'cells' is ExpConductance"):
        n4.analysis.mean_field(n4.zoo.coba(0.02).build(dt=0.1 * u.ms, seed=0))
    cells = n4.Population("cells", 2, neuron())
    wave = n4.Clamp("wave", cells, n4.Waveform(np.ones(5) * u.pA))
    with pytest.raises(TypeError, match="'wave' changes in time"):
        n4.analysis.mean_field(n4.Network(cells, wave).build(dt=0.1 * u.ms, seed=0))
    with pytest.raises(TypeError, match="theory of rates"):
        n4.train.MeanField().estimate(None, {}, n4.train.CV("cells", 1 * u.second), None)
    with pytest.raises(ValueError, match="v_th has to lie above v_reset"):
        rate(10.0, 2.0, v_th=10.0)
    with pytest.raises(n4.UnitError, match="siegert: mu"):
        n4.analysis.siegert(10.0, 1 * u.mV, 20 * u.ms, 20 * u.mV, 10 * u.mV, 2 * u.ms)
