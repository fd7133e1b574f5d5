"""Correlograms against a count over all pairs of spikes, and against closed forms."""

import brainunit as u
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro4d import analysis
from neuro4d.analysis import _correlogram
from neuro4d.recorders import SpikeTable


def table_of(dense, dt_ms=1.0, start=0):
    step, id = np.nonzero(dense)
    return SpikeTable(step + start, id, "cells", dt_ms, dense.shape[1], start, len(dense))


def counted(a, b, width, most, keep):
    """The definition, pair by pair: a pair on an edge is half in either bin."""
    out = np.zeros(2 * most + 1)
    for i, s in zip(a.id, a.step, strict=True):
        for j, t in zip(b.id, b.step, strict=True):
            if keep(i, j, s, t):
                for k in range(-most, most + 1):
                    off = abs((t - s) - k * width) * 2
                    out[k + most] += 1.0 if off < width else 0.5 if off == width else 0.0
    return out


trains = st.integers(1, 4).flatmap(
    lambda n: st.lists(st.tuples(st.integers(0, 29), st.integers(0, n - 1)), max_size=25).map(lambda e: (n, e))
)


def built(given):
    n, events = given
    dense = np.zeros((30, n), bool)
    for step, id in events:
        dense[step, id] = True
    return table_of(dense)


@settings(max_examples=25, deadline=None)
@given(trains, trains, st.integers(1, 5), st.integers(1, 4))
def test_counts_are_those_of_all_pairs(one, two, width, most):
    a, b = built(one), built(two)
    window, bin = most * width * u.ms, width * u.ms
    cross = analysis.cross_correlogram(a, b, window, bin)
    np.testing.assert_array_equal(cross.counts, counted(a, b, width, most, lambda i, j, s, t: True))
    np.testing.assert_array_equal(analysis.cross_correlogram(b, a, window, bin).counts, cross.counts[::-1])
    within = analysis.cross_correlogram(a, window=window, bin=bin)
    np.testing.assert_array_equal(within.counts, counted(a, a, width, most, lambda i, j, s, t: i != j))
    auto = analysis.auto_correlogram(a, window, bin)
    np.testing.assert_array_equal(auto.counts, counted(a, a, width, most, lambda i, j, s, t: i == j and s != t))


def test_long_tables_are_counted_in_blocks(monkeypatch):
    dense = np.random.default_rng(0).random((500, 6)) < 0.1
    table = table_of(dense)
    whole = analysis.cross_correlogram(table, window=20 * u.ms)
    monkeypatch.setattr(_correlogram, "BLOCK", 50)
    np.testing.assert_array_equal(analysis.cross_correlogram(table, window=20 * u.ms).counts, whole.counts)


def test_a_copy_is_a_peak_at_its_delay():
    dense = np.random.default_rng(2).random((4000, 1)) < 0.01
    a, b = table_of(dense), table_of(np.roll(dense, 7, axis=0))
    result = analysis.cross_correlogram(a, b, window=20 * u.ms)
    assert result.lags.to_decimal(u.ms)[np.argmax(result.counts)] == 7
    assert result.counts.max() >= len(a) - 7


def test_independent_trains_have_what_is_expected():
    # Summed over 20 neurons: 20,000 steps with 0.2 spikes each in a and in b, 800 pairs per lag with a relative standard error of 1 / sqrt(800);
    # pairs within a population are counted twice, 760 with sqrt(2 / 760). Six of them in 41 lags each: a false alarm in 6e6 runs.
    rng = np.random.default_rng(4)
    a, b = (table_of(rng.random((20_000, 20)) < 0.01) for _ in range(2))
    result = analysis.cross_correlogram(a, b, window=20 * u.ms)
    np.testing.assert_allclose(result.counts / result.expected, 1, atol=6 / np.sqrt(800))
    np.testing.assert_allclose(result.rate.to_decimal(u.Hz).mean(), float(analysis.rate(b).to_decimal(u.Hz)), rtol=6 / np.sqrt(800 * 41))
    assert np.abs(result.covariance.to_decimal(u.Hz**2)).max() < 6 / np.sqrt(800) * 100
    within = analysis.cross_correlogram(a, window=20 * u.ms)
    np.testing.assert_allclose(within.counts / within.expected, 1, atol=6 * np.sqrt(2 / 760))


def test_the_ends_of_a_short_run_do_not_bend_the_rate():
    # A spike in every step: the rate is that of the steps at every lag, though fewer pairs of steps are far apart.
    table = table_of(np.ones((50, 2), bool))
    result = analysis.cross_correlogram(table, window=30 * u.ms, bin=2 * u.ms)
    np.testing.assert_allclose(result.rate.to_decimal(u.Hz), 1000)
    np.testing.assert_allclose(result.covariance.to_decimal(u.Hz**2), 0, atol=1e-6)
    np.testing.assert_allclose(result.counts, result.expected)


def test_the_sum_over_the_lags_is_the_covariance_of_counts():
    # Of whole trains: the counts at all lags are all pairs.
    rng = np.random.default_rng(6)
    a, b = (table_of(rng.random((100, 3)) < 0.2) for _ in range(2))
    result = analysis.cross_correlogram(a, b, window=100 * u.ms)
    assert result.counts.sum() == len(a) * len(b)
    assert result.expected.sum() == pytest.approx(len(a) * len(b))


def test_a_refractory_neuron_is_silent_after_a_spike():
    rng = np.random.default_rng(5)
    steps = np.cumsum(rng.geometric(0.05, 500) + 4)
    table = SpikeTable(steps, np.zeros(500, int), "cells", 1.0, 1, 0, int(steps[-1]) + 1)
    result = analysis.auto_correlogram(table, window=10 * u.ms)
    assert (result.counts[10 - 4 : 10 + 5] == 0).all() and (result.counts[:6] > 0).all()
    rate = result.rate.to_decimal(u.Hz)
    # The bin of lag 0 is one step wide: there is no other step in it.
    assert np.isnan(rate[10]) and rate[8] == 0
    np.testing.assert_array_equal(result.counts, result.counts[::-1])


def test_runs_of_a_batch_are_added_up():
    rng = np.random.default_rng(7)
    a, b = ([table_of(rng.random((200, 2)) < 0.1, start=start) for start in (0, 500)] for _ in range(2))
    both = analysis.cross_correlogram(a, b, window=5 * u.ms)
    each = [analysis.cross_correlogram(x, y, window=5 * u.ms) for x, y in zip(a, b, strict=True)]
    np.testing.assert_array_equal(both.counts, each[0].counts + each[1].counts)
    np.testing.assert_allclose(both.expected, each[0].expected + each[1].expected)
    np.testing.assert_allclose(both.covariance.to_decimal(u.Hz**2), (each[0].covariance + each[1].covariance).to_decimal(u.Hz**2) / 2)


def test_silence_has_no_rate_and_warns_of_nothing():
    silent = SpikeTable([], [], "cells", 1.0, 3, 0, 100)
    result = analysis.cross_correlogram(silent, window=5 * u.ms)
    assert not result.counts.any() and np.isnan(result.rate.to_decimal(u.Hz)).all()
    assert (result.covariance.to_decimal(u.Hz**2) == 0).all()


def test_what_cannot_be_compared_is_refused():
    a, b = SpikeTable([1], [0], "a", 1.0, 1, 0, 10), SpikeTable([1], [0], "b", 1.0, 1, 0, 20)
    with pytest.raises(ValueError, match="same time"):
        analysis.cross_correlogram(a, b, window=5 * u.ms)
    with pytest.raises(ValueError, match="as many tables"):
        analysis.cross_correlogram([a, a], a, window=5 * u.ms)
    with pytest.raises(ValueError, match="whole number of bins"):
        analysis.cross_correlogram(a, window=5 * u.ms, bin=2 * u.ms)
    with pytest.raises(ValueError, match="whole number of steps"):
        analysis.auto_correlogram(a, window=0.5 * u.ms)
