"""Rates and irregularity of the zoo's networks against the reference numbers, over several seeds."""

import brainunit as u
import jax
import numpy as np
import pytest

import neuro4d as n4


def simulate(network, dt, seed, duration):
    model = network.build(dt=dt, seed=seed)
    return n4.simulate(model, model.init(jax.random.key(seed)), duration, record=(n4.Spikes(),), progress=False)


def measure(name, seeds, duration=None, network=None, dt=None):
    """Mean rate and CV of every population, averaged over seeds; also the rates of each seed."""
    entry = n4.zoo.get(name)
    network = entry.network() if network is None else network
    runs = [simulate(network, entry.dt if dt is None else dt, seed, duration or entry.duration) for seed in seeds]
    rates = {pop: np.array([float(run.rate(pop).to_decimal(u.Hz)) for run in runs]) for pop in runs[0].populations}
    cvs = {pop: float(np.mean([run.cv(pop) for run in runs])) for pop in runs[0].populations}
    return rates, cvs


def inside(rates, bands, slack):
    """Every band holds the mean over seeds, with a relative slack for the spread of few seeds."""
    for band in bands:
        mean = rates[band.population].mean()
        assert band.low * (1 - slack) <= mean <= band.high * (1 + slack), f"{band}: {rates[band.population]}"


def test_cuba():
    rates, cvs = measure("cuba", range(4))
    inside(rates, n4.zoo.get("cuba").rates(), 0.02)
    assert 0.50 <= cvs["cells"] <= 0.62


def test_coba_driven():
    rates, cvs = measure("coba", range(3))
    inside(rates, n4.zoo.get("coba").rates(), 0.04)
    assert 1.40 <= cvs["cells"] <= 1.70


def test_coba_alone():
    rates, cvs = measure("coba-alone", range(3))
    inside(rates, n4.zoo.get("coba-alone").rates(), 0.04)
    assert 1.45 <= cvs["cells"] <= 1.80


def test_izhikevich2003():
    entry = n4.zoo.get("izhikevich2003")
    rates = {"exc": [], "inh": []}
    for seed in range(4):
        run = simulate(n4.zoo.izhikevich2003(seed), entry.dt, seed, entry.duration)
        for pop, values in rates.items():
            values.append(float(run.rate(pop).to_decimal(u.Hz)))
    inside({pop: np.array(values) for pop, values in rates.items()}, entry.rates(), 0.06)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "cv", "warmup", "duration"),
    [
        ("brunel-a", (0.0, 0.02), 100, 150),
        ("brunel-b", (0.70, 0.85), 100, 300),
        ("brunel", (0.36, 0.45), 100, 400),
        ("brunel-d", (0.45, 0.65), 200, 1500),
    ],
)
def test_brunel(name, cv, warmup, duration):
    entry = n4.zoo.get(name)
    model = entry.network().build(dt=entry.dt, seed=1)
    start = n4.simulate(model, model.init(jax.random.key(1)), warmup * u.ms, record=(), progress=False)
    run = n4.simulate(model, start.state, duration * u.ms, record=(n4.Spikes(),), progress=False)
    for band in entry.rates():
        rate = float(run.rate(band.population).to_decimal(u.Hz))
        assert 0.96 * band.low <= rate <= 1.04 * band.high, band
    assert cv[0] <= run.cv("exc") <= cv[1]


@pytest.mark.slow
def test_microcircuit_like_nest(nest_microcircuit):
    """After 0.5 s, 1 s, three seeds: within 15 % of NEST, and within five standard errors where that is wider."""
    entry = n4.zoo.get("microcircuit")
    found = []
    for seed in range(3):
        model = entry.network().build(dt=entry.dt, seed=seed)
        start = n4.simulate(model, model.init(jax.random.key(seed)), 500 * u.ms, record=(), progress=False)
        run = n4.simulate(model, start.state, 1 * u.second, record=(n4.Spikes(),), progress=False)
        found.append({pop: float(rate.to_decimal(u.Hz)) for pop, rate in run.rate().items()})
    for pop, expected in nest_microcircuit["rates_hz"].items():
        mean = np.mean([rates[pop] for rates in found])
        error = nest_microcircuit["rates_sd_over_seeds_hz"][pop] * np.sqrt(1 / 3 + 1 / 10)
        assert abs(mean - expected) <= max(0.15 * expected, 5 * error), (pop, mean, expected)


@pytest.mark.slow
def test_microcircuit_direct_current_is_alive():
    run = simulate(n4.zoo.microcircuit(0.1, background=n4.zoo.Background.DC), 0.1 * u.ms, 0, 500 * u.ms)
    for pop, rate in run.rate().items():
        assert 0.1 < float(rate.to_decimal(u.Hz)) < 20, pop


@pytest.mark.slow
def test_thalamic_pulse_is_seen_in_layer_4():
    run = simulate(n4.zoo.microcircuit(0.1, thalamus=True), 0.1 * u.ms, 0, 730 * u.ms)
    spikes = run.spikes("L4E")
    before = len(spikes.between(680 * u.ms, 700 * u.ms))
    after = len(spikes.between(703 * u.ms, 723 * u.ms))
    relays = run.spikes("TC")
    assert len(relays.between(0 * u.ms, 700 * u.ms)) == 0
    assert len(relays) == pytest.approx(90 * 120 * 0.01, rel=0.4)
    assert after > 3 * before
