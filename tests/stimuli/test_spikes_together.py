"""Correlated Poisson trains and pulse packets: their laws. A right program fails a claim of five standard errors with a probability below 6e-7,
a chi-squared test with one of 1e-5; the seeds are fixed."""

import brainunit as u
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from core.networks import lif
from scipy import stats

import neuro4d as n4

FALSE_ALARM = 1e-5
N, STEPS, DT = 60, 6000, 0.1
RATE, CORRELATION, FAST = 0.5, 0.3, 20.0
NAMES = ("few", "some", "packets", "shared")
TIMES, SIGMA, SPIKES, CROWD = np.array([20.0, 22.0, 80.0]), 2.0, 40, 400


def counting(name, n):
    """A population whose current counts what arrives."""
    return n4.Population(name, n, lif(v_th=1e6 * u.mV), {"in": n4.PulseCurrent()})


def network():
    few, some, packets, shared = counting("few", N), counting("some", N), counting("packets", CROWD), counting("shared", 5)
    return n4.Network(
        few,
        some,
        packets,
        shared,
        n4.CorrelatedPoisson("few", few, "in", rate=RATE * u.kHz, correlation=CORRELATION, weight=1 * u.pA),
        n4.CorrelatedPoisson("some", some[10:], "in", rate=FAST * u.kHz, correlation=0.8, weight=np.linspace(1, 2, N - 10) * u.pA),
        n4.PulsePackets("packets", packets, "in", times=TIMES * u.ms, spikes=SPIKES, sigma=SIGMA * u.ms, weight=1 * u.pA),
        n4.PulsePackets(
            "shared", shared[[0, 2, 3]], "in", times=TIMES * u.ms, spikes=SPIKES, sigma=SIGMA * u.ms, weight=2 * u.pA, shared=True
        ),
    )


@pytest.fixture(scope="module")
def model():
    return network().build(dt=DT * u.ms, seed=0)


def count(model, state, steps):
    """What arrives in each step, by population: `(steps, neurons)`."""
    return n4.scan(model, state, steps, lambda s, _: {name: s.receptors[name]["in"].i for name in NAMES})


@pytest.fixture(scope="module")
def arrived(model):
    found = jax.jit(lambda s: count(model, s, STEPS))(model.init(jr.key(0)))[1]
    return {name: np.asarray(x, np.float64) for name, x in found.items()}


def test_each_correlated_train_is_poisson(arrived):
    counts = arrived["few"]
    mean = RATE * DT
    # Neurons are correlated, so that only steps count as independent: variances are those of a mean over neurons with the correlation.
    spread = np.sqrt(mean * (1 + (N - 1) * CORRELATION) / N / STEPS)
    assert abs(counts.mean() - mean) < 5 * spread
    one = counts[:, 0]
    seen = np.bincount(np.minimum(one, 2).astype(int), minlength=3)
    expected = STEPS * np.array([*stats.poisson.pmf([0, 1], mean), stats.poisson.sf(1, mean)])
    assert stats.chisquare(seen, expected).pvalue > FALSE_ALARM
    lagged = np.corrcoef(one[1:], one[:-1])[0, 1]
    assert abs(lagged) < 5 / np.sqrt(STEPS)


@pytest.mark.parametrize("window", [1, 20])
@pytest.mark.parametrize("name, first, correlation, rate", [("few", 0, CORRELATION, RATE), ("some", 10, 0.8, FAST)])
def test_pairs_have_the_correlation_in_windows_of_any_width(arrived, window, name, first, correlation, rate):
    """The mean over all pairs, from the variance of the population count: exact for the process, and the estimate of least noise."""
    weight = 1.0 if name == "few" else np.linspace(1, 2, N - 10)
    counts = (arrived[name][:, first:] / weight).reshape(-1, window, N - first).sum(1)
    n = N - first
    pairs = (counts.sum(1).var() / counts.var(0).mean() - n) / (n * (n - 1))
    blocks = np.array([(b.sum(1).var() / b.var(0).mean() - n) / (n * (n - 1)) for b in np.array_split(counts, 15)])
    assert abs(pairs - correlation) < 6 * blocks.std(ddof=1) / np.sqrt(15)  # 6 of a standard error that is known to a fifth
    assert blocks.std(ddof=1) / np.sqrt(15) < 0.05
    mean = rate * DT * window
    assert abs(counts.mean() / mean - 1) < 5 * np.sqrt((1 + (n - 1) * correlation) / n / mean / len(counts))
    assert not arrived["some"][:, :10].any()


def test_a_correlation_of_one_gives_equal_trains():
    cells = counting("cells", 7)
    model = n4.Network(cells, n4.CorrelatedPoisson("p", cells, "in", rate=8 * u.kHz, correlation=1, weight=1 * u.pA)).build(dt=DT * u.ms)
    found = np.asarray(jax.jit(lambda s: n4.scan(model, s, 100, lambda s, _: s.receptors["cells"]["in"].i))(model.init(jr.key(0)))[1])
    assert (found == found[:, :1]).all() and found.sum() > 300


def test_every_packet_has_its_spikes(arrived):
    counts = arrived["packets"]
    last = counts[500:]  # the packet at 80 ms stands alone
    assert (counts.sum(0) == 3 * SPIKES).all() and (last.sum(0) == SPIKES).all() and counts.min() == 0
    assert (counts == np.rint(counts)).all()


def test_a_packet_is_normal_around_its_time(arrived):
    last = arrived["packets"][500:].sum(1)
    stamps = (np.arange(500, STEPS) + 1) * DT - TIMES[2]
    n = last.sum()
    mean = (last * stamps).sum() / n
    variance = (last * (stamps - mean) ** 2).sum() / n
    assert abs(mean) < 5 * SIGMA / np.sqrt(n)
    assert abs(variance / (SIGMA**2 + DT**2 / 12) - 1) < 5 * np.sqrt(2 / n)  # rounded to the nearest step
    edges = np.arange(-4, 4.01, 0.5)  # between two steps
    seen = np.bincount(np.searchsorted(edges + DT / 2, stamps), last.astype(float))
    chance = np.diff(stats.norm.cdf(edges + DT / 2, scale=SIGMA), prepend=0, append=1)
    assert stats.chisquare(seen, n * chance).pvalue > FALSE_ALARM


def test_spikes_of_a_packet_are_independent_between_neurons_and_packets(arrived):
    late = (arrived["packets"][790:, :] * 1.0).sum(0)  # of 40, those after the middle
    assert abs(late.var() / (SPIKES * 0.25) - 1) < 5 * np.sqrt(2 / CROWD) + 0.02
    stamps = (np.arange(STEPS) + 1) * DT
    early = (arrived["packets"][:500] * stamps[:500, None]).sum(0)
    later = (arrived["packets"][500:] * stamps[500:, None]).sum(0)
    assert abs(np.corrcoef(early, later)[0, 1]) < 5 / np.sqrt(CROWD)


def test_shared_packets_are_equal_and_reach_whom_they_are_for(arrived):
    counts = arrived["shared"]
    assert not counts[:, [1, 4]].any()
    assert (counts[:, 0] == counts[:, 2]).all() and (counts[:, 0] == counts[:, 3]).all() and counts[:, 0].sum() == 2 * 3 * SPIKES


@pytest.mark.slow
def test_chunks_and_lanes_are_equal(model, arrived):
    traces = tuple(n4.Trace(name, "in.i") for name in NAMES)
    pieces = n4.simulate(model, model.init(jr.key(0)), 30 * u.ms, traces, chunk=100)
    states = jax.vmap(model.init)(jnp.stack([jr.key(3), jr.key(0)]))
    lanes = jax.jit(jax.vmap(lambda s: count(model, s, 300)[1]))(states)
    for name in NAMES:
        want = arrived[name][:300]
        assert (pieces.records[f"{name}.in.i"].values == want).all() and (np.asarray(lanes[name][1]) == want).all()
        assert want.any() and (np.asarray(lanes[name][0]) != want).any()  # another trial, other spikes


CELLS = counting("cells", 3)


def correlated(**changes):
    return n4.CorrelatedPoisson("x", CELLS, "in", **{"rate": 5 * u.Hz, "correlation": 0.1, "weight": 1 * u.pA} | changes)


def packets(**changes):
    return n4.PulsePackets(
        "x", CELLS, "in", **{"times": np.array([50.0]) * u.ms, "spikes": 3, "sigma": 2 * u.ms, "weight": 1 * u.pA} | changes
    )


BAD = [
    (correlated, {"correlation": 0}, ValueError, r"above 0 and at most 1.*got 0. Independent trains are `n4.Poisson`"),
    (correlated, {"correlation": 1.5}, ValueError, "at most 1"),
    (correlated, {"correlation": float("nan")}, ValueError, "got nan"),
    (correlated, {"correlation": "0.1"}, TypeError, "one number above 0"),
    (correlated, {"rate": np.ones(3) * u.Hz}, TypeError, "rate is one for all neurons"),
    (correlated, {"rate": -1 * u.Hz}, ValueError, "rate must be at least 0"),
    (correlated, {"weight": 3}, n4.UnitError, "weight: expected a quantity"),
    (packets, {"sigma": 0 * u.ms}, ValueError, "sigma must be more than 0"),
    (packets, {"sigma": np.ones(2) * u.ms}, TypeError, "sigma is one time"),
    (packets, {"times": np.array([9.0, 5.0]) * u.ms}, ValueError, r"entry 1 \(5.0 ms\) does not follow 9.0 ms"),
    (packets, {"times": 9 * u.ms}, ValueError, "times are an array"),
    (packets, {"spikes": 0}, ValueError, "spikes must be at least 1"),
    (packets, {"spikes": 1.5}, TypeError, "whole number"),
    (packets, {"shared": 1}, TypeError, "True or False"),
]


@pytest.mark.parametrize("make, changes, error, text", BAD)
def test_refused_values(make, changes, error, text):
    with pytest.raises(error, match=text):
        make(**changes)


BAD_BUILDS = [
    (lambda: correlated(rate=70 * u.kHz), r"CorrelatedPoisson 'x': rate/correlation: at most 64 spikes per step.*got 700000 Hz"),
    (
        lambda: packets(times=np.array([5.0]) * u.ms),
        r"13.* before the middle of a packet, so the first middle is at 13.1.*got 5.*\(first at index 0\)",
    ),
    (lambda: packets(times=np.array([50.05]) * u.ms), r"PulsePackets 'x': times must be a multiple of dt"),
    (lambda: packets(weight=np.ones(2) * u.pA), r"weight must be a scalar or have shape \(3,\)"),
]


@pytest.mark.parametrize("make, text", BAD_BUILDS)
def test_refused_builds(make, text):
    with pytest.raises(ValueError, match=text):
        n4.Network(CELLS, make()).build(dt=DT * u.ms)
