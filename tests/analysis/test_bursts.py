"""Bursts and avalanches against loops over spikes, and against closed forms."""

import math

import brainunit as u
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from neuro4d import analysis
from neuro4d.recorders import SpikeTable


def train(steps, n=1, n_steps=1000, dt=1.0):
    return SpikeTable(steps, [0] * len(steps), "cells", dt, n, 0, n_steps)


def table_of(dense, start=0):
    step, id = np.nonzero(dense)
    return SpikeTable(step + start, id, "cells", 1.0, dense.shape[1], start, len(dense))


dense_arrays = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).random((60, 3)) < np.random.default_rng(seed + 1).uniform(0, 0.6)
)


@settings(max_examples=25, deadline=None)
@given(dense_arrays, st.integers(1, 6), st.integers(2, 4))
def test_bursts_are_those_of_a_loop(dense, longest, fewest):
    expected = []
    for neuron in range(3):
        run = []
        for step in [*np.flatnonzero(dense[:, neuron]), 10**6]:
            if run and step - run[-1] > longest:
                if len(run) >= fewest:
                    expected.append((neuron, run[0] + 101, run[-1] - run[0], len(run)))
                run = []
            run.append(int(step))
    found = analysis.bursts(table_of(dense, start=100), longest * u.ms, fewest)
    got = zip(found.neuron, found.start.to_decimal(u.ms), found.duration.to_decimal(u.ms), found.spikes, strict=True)
    assert [tuple(float(x) for x in row) for row in got] == [tuple(float(x) for x in row) for row in expected]


def test_the_share_of_bursts_counts_spikes():
    found = analysis.bursts(SpikeTable([1, 2, 3, 50, 60], [0, 0, 0, 0, 1], "cells", 1.0, 3, 0, 100), 5 * u.ms)
    np.testing.assert_allclose(found.share, [0.75, 0, np.nan])


def test_surprise_is_the_tail_of_a_poisson_count():
    # 4 spikes in 9 ms of a neuron with 10 in 1000 ms.
    found = analysis.bursts(train([100, 103, 106, 109, 300, 400, 500, 600, 700, 800]), 5 * u.ms)
    assert found.surprise == pytest.approx(-stats.poisson.logsf(3, 10 * 9e-3), rel=1e-10)
    # A long burst, whose probability is no floating-point number, and one that is no surprise: as many as expected, or fewer.
    long = analysis.bursts(train(range(100, 600), n_steps=10**6), 2 * u.ms)
    rate = 500 / 10**6
    first = 500 * math.log(rate * 499) - rate * 499 - math.lgamma(501)
    assert long.surprise[0] == pytest.approx(-first, rel=1e-3) and long.surprise[0] > 1000
    dull = analysis.bursts(train(range(0, 1000, 4)), 5 * u.ms)
    assert dull.surprise[0] == pytest.approx(-stats.poisson.logsf(249, 0.25 * 996), rel=1e-9)
    assert len(analysis.bursts(train(range(0, 1000, 4)), 5 * u.ms, min_surprise=3).spikes) == 0


def test_an_interval_of_exactly_the_longest_belongs_to_a_burst():
    assert analysis.bursts(train([1, 4, 7], dt=0.1), 0.3 * u.ms).spikes.tolist() == [3]
    assert analysis.bursts(train([1, 4, 8], dt=0.1), 0.3 * u.ms).spikes.tolist() == []


@settings(max_examples=25, deadline=None)
@given(dense_arrays, st.integers(1, 4))
def test_avalanches_are_those_of_a_loop(dense, width):
    bins = 60 // width
    counts = dense[: bins * width].reshape(bins, -1).sum(axis=1)
    expected, run, ratios = [], [], []
    for index, count in enumerate([*counts, None]):
        if count:
            run.append(int(count))
            continue
        if run and index > len(run) and count is not None:
            expected.append((index - len(run), run))
            ratios.append((run[1] if len(run) > 1 else 0) / run[0])
        run = []
    found = analysis.avalanches(table_of(dense, start=200), width * u.ms)
    assert found.size.tolist() == [sum(run) for _, run in expected]
    assert found.bins.tolist() == [len(run) for _, run in expected]
    np.testing.assert_allclose(found.start.to_decimal(u.ms), [200 + begin * width for begin, _ in expected])
    np.testing.assert_allclose(found.duration.to_decimal(u.ms), found.bins * width)
    np.testing.assert_allclose(found.branching, np.mean(ratios) if ratios else np.nan)


def test_the_bin_is_the_mean_interval_of_the_population():
    # 100 neurons, p = 0.001 a step: 0.1 spikes a step, an interval of 10 steps.
    table = table_of(np.random.default_rng(1).random((20_000, 100)) < 0.001)
    found = analysis.avalanches(table)
    assert float(found.bin.to_decimal(u.ms)) == 10
    # Independent: bins are occupied with probability 1 - 1/e, which makes lengths geometric with mean e and standard deviation
    # sqrt(e (e - 1)); about 465 of them, six standard errors.
    occupied = 1 - (1 - 0.001) ** 1000
    mean = 1 / (1 - occupied)
    error = math.sqrt(occupied) / (1 - occupied) / math.sqrt(len(found.bins))
    assert found.bins.mean() == pytest.approx(mean, abs=6 * error)
    assert float(analysis.avalanches(train([])).bin.to_decimal(u.ms)) == 1000


def test_activity_that_is_handed_on_has_the_branching_of_its_rule():
    # Each spike makes Poisson(m) in the next step, begun by one spike every 60 steps: descendants of the first number m on average, with a
    # standard error of sqrt(m / 400) = 0.047; 3 % of avalanches would outlive their 59 steps at m = 1, none of note at 0.9.
    rng = np.random.default_rng(2)
    counts = np.zeros(60 * 400, int)
    for begin in range(1, len(counts), 60):
        counts[begin] = 1
        for step in range(begin + 1, min(begin + 58, len(counts))):
            counts[step] = rng.poisson(0.9 * counts[step - 1])
    step = np.repeat(np.arange(len(counts)), counts)
    id = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    found = analysis.avalanches(SpikeTable(step, id, "cells", 1.0, int(counts.max()) + 1, 0, len(counts)), 1 * u.ms)
    assert found.branching == pytest.approx(0.9, abs=6 * math.sqrt(0.9 / 400))
    assert len(found.size) == 400 and found.size.sum() == counts.sum()


def test_silence_has_neither():
    silent = SpikeTable([], [], "cells", 1.0, 2, 0, 100)
    assert len(analysis.bursts(silent).spikes) == 0 and np.isnan(analysis.bursts(silent).share).all()
    found = analysis.avalanches(silent)
    assert len(found.size) == 0 and math.isnan(found.branching)


def test_what_is_out_of_range_is_refused():
    table = train([1, 2, 3])
    with pytest.raises(ValueError, match="max_isi"):
        analysis.bursts(table, 0 * u.ms)
    with pytest.raises(ValueError, match="min_spikes"):
        analysis.bursts(table, min_spikes=1)
    with pytest.raises(ValueError, match="min_surprise"):
        analysis.bursts(table, min_surprise=-1)
    with pytest.raises(ValueError, match="one max_isi"):
        analysis.bursts(table, np.array([1.0, 2.0]) * u.ms)
    with pytest.raises(ValueError, match="whole number of steps"):
        analysis.avalanches(table, 0.5 * u.ms)
