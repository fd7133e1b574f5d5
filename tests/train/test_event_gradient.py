"""The choice `EventBased`: statistics of spike times, their slopes, and what it refuses."""

import brainunit as u
import jax
import numpy as np
import pytest

import neuro4d as n4
from neuro4d import train
from neuro4d.train._events_membrane import Course, crossing
from neuro4d.train._events_problem import make_problem, split
from neuro4d.train._statistic import FunctionStatistic

pytestmark = pytest.mark.usefixtures("x64")

TAU, C, TH, REF, CURRENT = 10.0, 100.0, 10.0, 2.0, 200.0
WANTED = np.array([[6.0, 16.0], [8.0, np.inf]]) * u.ms


@pytest.fixture(scope="module")
def model():
    """Two neurons with a current of twice the rheobase, of which the second hears the first."""
    with jax.enable_x64(True):
        lif = n4.LIF(tau=TAU * u.ms, c=C * u.pF, v_rest=0 * u.mV, v_th=TH * u.mV, v_reset=0 * u.mV, t_ref=REF * u.ms)
        cells = n4.Population("cells", 2, lif, {"in": n4.ExpCurrent(tau=3 * u.ms)})
        e = n4.Projection("e", cells[:1], cells[1:], "in", n4.AllToAll(), weight=20 * u.pA, delay=1.5 * u.ms)
        drive = n4.Clamp("drive", cells, CURRENT * u.pA)
        return n4.Network(cells, e, drive).build(dt=0.5 * u.ms, precision="float64")


PLACES = {
    "threshold": lambda m: m.neurons["cells"].v_th,
    "drive": lambda m: m.sources["drive"].amplitude,
    "e": n4.Weights("e"),
}
SPAN = 50 * u.ms
STATISTICS = (
    train.FirstSpike("cells", SPAN),
    train.SpikeTime("cells", neuron=1, number=2, duration=SPAN),
    train.Potential("cells", at=SPAN, neuron=1),
    train.IntervalRate("cells", SPAN),
    train.SpikeDistance("cells", WANTED, tau=5 * u.ms, duration=SPAN),
)


@jax.jit
def all_of(run, model):
    """All statistics of one run."""
    return [statistic.of(run, model) for statistic in STATISTICS]


def every(model, key):
    """All statistics of one run, each with a weight of its own."""
    run = train.spike_times(model, key, SPAN)
    return sum((1 + number) * value for number, value in enumerate(all_of(run, model)))


def estimate(model, statistic, where=None, trials=1):
    return train.EventBased(trials=trials).estimate(model, where or PLACES, statistic, jax.random.key(0))


@pytest.mark.full
def test_the_slopes_of_all_statistics_are_those_of_differences(model):
    got = estimate(model, FunctionStatistic(every))
    compiled = jax.jit(lambda values: every(train._parameters.write(model, PLACES, values), jax.random.key(0)))
    at = train._parameters.read(model, PLACES)
    assert got.value == pytest.approx(float(compiled(at)), rel=1e-12)
    for place in PLACES:
        h = 1e-5 * float(np.mean(at[place]))
        high, low = (compiled(at | {place: at[place] + sign * h}) for sign in (1, -1))
        want = float(high - low) / (2 * h)
        assert float(np.sum(got.gradient[place])) == pytest.approx(want, rel=1e-6)


@pytest.mark.slow
def test_statistics_are_what_they_say(model):
    run = train.spike_times(model, jax.random.key(0), SPAN)
    times = [t[np.isfinite(t)] for t in np.asarray(run.times["cells"])]
    first, third, potential, rate, _ = map(float, all_of(run, model))
    assert first == pytest.approx(np.mean([t[0] for t in times]))
    assert third == times[1][2]
    assert potential == float(run.v["cells"][-1, 1])
    assert rate == pytest.approx(np.mean([1000 / np.diff(t).mean() for t in times]))


def test_a_rate_is_read_from_intervals():
    found = train._event_gradient._on_spike_times(train.Rate("cells", 60 * u.ms, discard=10 * u.ms))
    assert isinstance(found, train.IntervalRate)
    assert (found.population, found.observed, found.discard) == ("cells", 60 * u.ms, 10 * u.ms)


@pytest.mark.full
def test_a_rate_has_the_slope_of_the_closed_form(model):
    alone = n4.set(model, n4.Weights("e"), 0 * u.pA)
    got = estimate(alone, train.Rate("cells", 60 * u.ms))
    steady = TAU / C * CURRENT
    interval = REF + TAU * np.log(steady / (steady - TH))
    assert got.value == pytest.approx(1000 / interval, rel=1e-9)
    assert float(got.gradient["threshold"]) == pytest.approx(-1000 / interval**2 * TAU / (steady - TH), rel=1e-9)


@pytest.mark.slow
def test_what_is_missing_counts_and_has_no_slope(model):
    silent = n4.set(model, PLACES["threshold"], 1000 * u.mV)
    run = train.spike_times(silent, jax.random.key(0), SPAN)
    values = all_of(run, silent)
    assert float(values[0]) == 50.0
    both = 0.5 * (2 + 2 * np.exp(-10 / 5) + 1)  # two wanted spikes 10 ms apart in one neuron, one in the other
    assert float(values[4]) == pytest.approx(both / 2, rel=1e-12)
    slopes = estimate(silent, FunctionStatistic(every)).gradient
    assert float(slopes["threshold"]) == 0 and float(np.sum(slopes["drive"])) != 0  # the potential still moves with the drive


@pytest.mark.slow
def test_a_distance_that_misses_spikes_is_no_number(model):
    run = train.spike_times(model, jax.random.key(0), SPAN)
    most = int(np.max(run.counts["cells"]))
    fits = train.SpikeDistance("cells", WANTED, tau=5 * u.ms, duration=SPAN, max_spikes=most)
    short = run._replace(times={"cells": run.times["cells"][:, : most - 1]})
    assert np.isfinite(fits.of(run, model)) and np.isnan(fits.of(short, model))


@pytest.mark.full
def test_noise_gives_trials_and_their_error():
    lif = n4.LIF(tau=TAU * u.ms, c=C * u.pF, v_rest=0 * u.mV, v_th=TH * u.mV, v_reset=0 * u.mV)
    cells = n4.Population("cells", 5, lif, {"in": n4.ExpCurrent(tau=3 * u.ms)})
    poisson = n4.Poisson("poisson", cells, "in", rate=1 * u.kHz, weight=40 * u.pA)
    model = n4.Network(cells, poisson).build(dt=0.5 * u.ms, precision="float64")
    where = {"threshold": PLACES["threshold"]}
    got = estimate(model, train.FirstSpike("cells", 80 * u.ms), where, trials=6)
    assert got.trials == 6
    slope, error = float(got.gradient["threshold"]), float(got.stderr["threshold"])
    assert 0 < error < slope


# --- what is refused ---------------------------------------------------------------------------------------------------------


def build(neuron, receptor, dt=0.5, **projection):
    cells = n4.Population("cells", 2, neuron, {"in": receptor})
    parts = [n4.Clamp("drive", cells, 300 * u.pA)]
    if projection:
        weight = 1 * receptor.weight_unit
        parts.append(n4.Projection("e", cells, cells, "in", n4.AllToAll(), weight=weight, **projection))
    return n4.Network(cells, *parts).build(dt=dt * u.ms)


def lif(t_ref=0.0):
    return n4.LIF(tau=TAU * u.ms, c=C * u.pF, v_rest=0 * u.mV, v_th=TH * u.mV, v_reset=0 * u.mV, t_ref=t_ref * u.ms)


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ((lif(), n4.ExpConductance(tau=5 * u.ms, e_rev=0 * u.mV), {"delay": 1 * u.ms}), "ExpConductance"),
        ((lif(), n4.PulseCurrent(), {"delay": 1 * u.ms}), "PulseCurrent"),
        ((lif(), n4.ExpCurrent(tau=5 * u.ms), {"delay": 0 * u.ms}), "delay of 0"),
        ((lif(), n4.ExpCurrent(tau=5 * u.ms), {"delay": 1 * u.ms, "plasticity": n4.Free()}), "plasticity"),
        ((n4.ALIF(tau=20 * u.ms, tau_b=200 * u.ms, beta=1.8 * u.mV), n4.ExpCurrent(tau=5 * u.ms), {"delay": 1 * u.ms}), "ALIF"),
        ((n4.ALIF(tau=20 * u.ms, tau_b=200 * u.ms, beta=1.8 * u.mV), n4.ExpCurrent(tau=5 * u.ms), {}), "no population"),
    ],
)
def test_a_model_without_closed_form_is_refused_with_what_would_work(parts, text):
    neuron, receptor, projection = parts
    with pytest.raises(ValueError, match=text):
        train.spike_times(build(neuron, receptor, **projection), jax.random.key(0), 5 * u.ms)


def test_a_step_that_is_too_long_is_refused_and_poisons_what_is_compiled():
    model = build(lif(), n4.ExpCurrent(tau=5 * u.ms), dt=20)  # an interval of 4.05 ms
    with pytest.raises(ValueError, match="shorter step"):
        train.spike_times(model, jax.random.key(0), 40 * u.ms)
    run = train._events._run(model, jax.random.key(0), {}, 2, 16, 8)
    assert not bool(run.exact) and np.isnan(run.v["cells"]).all() and np.isnan(run.times["cells"]).all()


def test_a_value_that_is_not_a_number_is_refused(model):
    with pytest.raises(ValueError, match="shorter step"):
        estimate(model, FunctionStatistic(lambda m, _: m.neurons["cells"].v_th * np.nan))


def test_other_statistics_are_refused(model):
    with pytest.raises(TypeError, match="Differences"):
        estimate(model, train.CV("cells", SPAN))


def test_an_unknown_population_is_named_by_every_gradient(model):
    first = train.FirstSpike("cell", SPAN)
    with pytest.raises(n4.UnknownNameError, match="Did you mean 'cells'"):
        estimate(model, first)
    with pytest.raises(n4.UnknownNameError, match="Did you mean 'cells'"):
        first(model, jax.random.key(0))


def test_a_neuron_beyond_the_population_is_refused(model):
    with pytest.raises(IndexError, match="0 to 1"):
        train.SpikeTime("cells", neuron=2, number=0, duration=5 * u.ms)(model, jax.random.key(0))


@pytest.mark.slow
def test_a_grazing_crossing_has_a_finite_slope(model):
    """The steady potential is the threshold but for 1e-8 mV: it is reached at 1e-10 of the usual speed."""
    problem = make_problem(model, split(model))
    still = np.zeros((2, 1))

    @jax.jit
    def when(held):
        course = Course(jax.numpy.zeros(2), still, still, jax.numpy.full(2, held))
        return jax.numpy.sum(crossing(problem, course, jax.numpy.full(2, 400.0), jax.numpy.ones(2, bool)))

    value, slope = jax.value_and_grad(when)(100 + 1e-7)
    assert value == pytest.approx(2 * TAU * np.log(10 / 1e-8), abs=1e-5)
    assert np.isfinite(slope) and slope < 0
