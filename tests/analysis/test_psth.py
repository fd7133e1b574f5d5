"""Rates around events: counts by hand, exact times, and what is refused."""

import brainunit as u
import numpy as np
import pytest
from synthetic_run import bernoulli, run_of

from neuro4d import analysis
from neuro4d._base import UnitError
from neuro4d.recorders import SpikeTable


def trial(*steps, n=2, n_steps=100, start=0, dt=1.0):
    steps = np.sort(np.array(steps, int))
    return SpikeTable(steps + start, np.arange(len(steps)) * 0, "cells", dt, n, start, n_steps)


def test_trials_are_averaged_with_their_standard_error():
    # Counts in the bins from the event on: 2 and 0, 4 and 1; two neurons, 10 ms: one spike is 50 Hz.
    result = analysis.psth([trial(20, 29), trial(20, 21, 28, 29, 30)], np.array([20.0]) * u.ms, after=20 * u.ms, bin=10 * u.ms)
    assert result.counts.tolist() == [[2, 0], [4, 1]]
    np.testing.assert_allclose(result.rate.to_decimal(u.Hz), [150, 25])
    np.testing.assert_allclose(result.stderr.to_decimal(u.Hz), [50, 25])
    np.testing.assert_allclose(result.times.to_decimal(u.ms), [5, 15])


def test_every_event_of_a_table_is_a_trial():
    table = trial(12, 15, 31, 38, 59)
    result = analysis.psth(table, np.array([10.0, 30.0]) * u.ms, before=10 * u.ms, after=30 * u.ms, bin=10 * u.ms)
    assert result.counts.tolist() == [[0, 2, 0, 2], [0, 2, 0, 1]]
    assert result.times.to_decimal(u.ms).tolist() == [-5, 5, 15, 25]


def test_tables_without_events_begin_with_them_whenever_they_began():
    tables = [trial(3, 14, n_steps=20), trial(3, 4, start=500, n_steps=20)]
    result = analysis.psth(tables, bin=10 * u.ms)
    assert result.counts.tolist() == [[1, 1], [2, 0]]


def test_one_trial_is_the_rate_over_time():
    rng = np.random.default_rng(1)
    run = run_of({"cells": bernoulli(rng, 1000, 20, 50)})
    table = run.spikes("cells")
    result = analysis.psth(table, bin=5 * u.ms)
    centres, hz = analysis.rate_over_time(table, 5 * u.ms)
    np.testing.assert_allclose(result.rate.to_decimal(u.Hz), hz.to_decimal(u.Hz))
    np.testing.assert_allclose(result.times.to_decimal(u.ms), centres.to_decimal(u.ms))
    assert np.isnan(result.stderr.to_decimal(u.Hz)).all()


def test_the_standard_error_of_poisson_trials_is_that_of_their_counts():
    # 400 trials of 20 neurons at 50 Hz in bins of 10 ms: counts of variance 10 (1 - p); the mean square of 50 standard errors has a relative
    # error near sqrt(2 / 400 / 50) = 1 %, of which six are allowed: a false alarm in 5e8.
    rng = np.random.default_rng(3)
    counts = rng.binomial(2000, 0.005, (400, 50))
    tables = [SpikeTable(*_spread(row), "cells", 0.1, 20, 0, 5000) for row in counts]
    result = analysis.psth(tables, bin=10 * u.ms)
    assert (result.counts == counts).all()
    expected = np.sqrt(10 * 0.995 / 400) / (20 * 0.01)
    assert np.sqrt(np.mean(result.stderr.to_decimal(u.Hz) ** 2)) == pytest.approx(expected, rel=0.06)


def _spread(row):
    """So many spikes in each bin of 100 steps, at its begin, each of one neuron after the other."""
    within = np.arange(row.sum()) - np.repeat(np.cumsum(row) - row, row)
    return np.repeat(np.arange(len(row)) * 100, row) + within // 20, within % 20


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"events": np.array([95.0]) * u.ms, "after": 10 * u.ms}, "leaves what was observed.*95 ms"),
        ({"events": np.array([5.0]) * u.ms, "before": 10 * u.ms, "after": 10 * u.ms}, "leaves what was observed"),
        ({"events": np.array([5.5]) * u.ms, "after": 10 * u.ms}, "whole numbers of steps"),
        ({"events": np.array([]) * u.ms, "after": 10 * u.ms}, "no event"),
        ({"events": np.array([5.0]) * u.ms}, "needs `after`"),
        ({"after": 12 * u.ms}, "whole number of bins"),
        ({"bin": 0.3 * u.ms}, "whole number of steps"),
    ],
)
def test_windows_that_cannot_be_counted_are_refused(given, words):
    with pytest.raises(ValueError, match=words):
        analysis.psth(trial(3, 4), **given)


def test_trials_have_to_be_alike():
    with pytest.raises(ValueError, match="needs `after`"):
        analysis.psth([trial(1), trial(1, n_steps=50)])
    with pytest.raises(ValueError, match="one population"):
        analysis.psth([trial(1), trial(1, n=3)])
    with pytest.raises(ValueError, match="at least one table"):
        analysis.psth([])
    with pytest.raises(UnitError, match="events"):
        analysis.psth(trial(1), [10.0], after=10 * u.ms)
    with pytest.raises(TypeError, match=r'run.spikes\("cells"\)'):
        analysis.psth(run_of({"cells": np.zeros((10, 2), bool)}))
