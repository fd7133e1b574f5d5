"""Statistics against closed forms. Random cases state their standard error and allow six of them: a false alarm in 5e8 runs."""

import math

import brainunit as u
import numpy as np
import pytest
from synthetic_run import bernoulli

from neuro4d import analysis
from neuro4d._base import UnitError
from neuro4d.recorders import SpikeTable


def table_of(dense, dt_ms=0.1, start_step=0):
    step, id = np.nonzero(dense)
    return SpikeTable(step + start_step, id, "cells", dt_ms, dense.shape[1], start_step, len(dense))


def clocks(n=5, period=50, steps=1000):
    dense = np.zeros((steps, n), bool)
    dense[period - 1 :: period] = True
    return table_of(dense)


@pytest.fixture(scope="module")
def poisson():
    """200 neurons, 100,000 steps of 0.1 ms, p = 0.004 per step: about 400 spikes each."""
    return table_of(bernoulli(np.random.default_rng(0), 100_000, 200, 40))


def test_a_regular_train_is_exactly_regular():
    table = clocks()
    intervals, owner = analysis.isi(table)
    assert np.all(intervals.to_decimal(u.ms) == 5.0) and np.bincount(owner).tolist() == [19] * 5
    assert analysis.cv(table) == 0.0 and analysis.cv2(table) == 0.0 and analysis.lv(table) == 0.0
    assert float(analysis.rate(table).to_decimal(u.Hz)) == 200.0
    assert analysis.rates(table).to_decimal(u.Hz).tolist() == [200.0] * 5
    assert analysis.fano(table, 10 * u.ms) == 0.0


def test_alternating_intervals_have_known_irregularity():
    # Intervals 10, 30, 10, 30, ...: mean 20, standard deviation 10; neighbours differ by 20 and sum to 40.
    steps = np.cumsum([0] + [10, 30] * 10)
    table = SpikeTable(steps, np.zeros(21, int), "p", 0.1, 3, 0, 500)
    each = analysis.irregularity(table)
    assert (each.cv[0], each.cv2[0], each.lv[0]) == pytest.approx((0.5, 1.0, 0.75), rel=1e-12)
    assert each.intervals.tolist() == [20, 0, 0]
    assert np.isnan(each.cv[1:]).all() and analysis.cv(table) == pytest.approx(0.5)


def test_irregularity_needs_enough_intervals():
    table = SpikeTable([0, 10, 40], [0, 0, 0], "p", 0.1, 1, 0, 100)
    assert math.isnan(analysis.cv(table))
    assert analysis.cv(table, min_isi=2) == 0.5
    # One interval has no neighbour: CV2 and LV are not defined, CV is 0.
    single = SpikeTable([0, 10], [0, 0], "p", 0.1, 1, 0, 100)
    assert analysis.cv(single, 1) == 0.0 and math.isnan(analysis.cv2(single, 1)) and math.isnan(analysis.lv(single, 1))
    with pytest.raises(ValueError, match="min_isi"):
        analysis.cv(table, 0)


def test_poisson_irregularity(poisson):
    # Intervals in steps are geometric with CV sqrt(1 - p). With m intervals the sample CV has variance 1/m (delta method, kurtosis 9)
    # and a bias of order 1/m; LV and CV2 of a Poisson process are 1 with variances below 1/m.
    m = len(poisson)
    error = 6 / math.sqrt(m) + 2 * poisson.n / m
    assert analysis.cv(poisson) == pytest.approx(math.sqrt(1 - 0.004), abs=error)
    # Ties of equal neighbours on the grid lower both by less than p.
    assert analysis.cv2(poisson) == pytest.approx(1, abs=error + 0.004)
    assert analysis.lv(poisson) == pytest.approx(1, abs=error + 0.004)


def test_poisson_counts(poisson):
    total = poisson.n * poisson.n_steps
    error = 6 * math.sqrt(0.004 * total) / total / 1e-4
    assert float(analysis.rate(poisson).to_decimal(u.Hz)) == pytest.approx(40, abs=error)
    # Binomial counts: variance / mean is 1 - p. A sample variance of B values has a relative standard error near sqrt(2 / B).
    windows = poisson.n_steps // 1000
    assert analysis.fano(poisson) == pytest.approx(0.996, abs=6 * math.sqrt(2 / (windows * poisson.n)))
    assert analysis.synchrony(poisson) == pytest.approx(0.996, abs=6 * math.sqrt(2 / (poisson.n_steps // 30)))
    assert analysis.synchrony(poisson, sample=50) == pytest.approx(0.996, abs=6 * math.sqrt(2 / (poisson.n_steps // 30)))


def test_poisson_pairs_are_uncorrelated(poisson):
    matrix = analysis.correlations(poisson, sample=40)
    assert matrix.shape == (40, 40)
    np.testing.assert_allclose(np.diag(matrix), 1, rtol=1e-12)
    pairs, bins = 40 * 39 / 2, poisson.n_steps // 50
    assert analysis.correlation(poisson, sample=40) == pytest.approx(0, abs=6 / math.sqrt(pairs * bins))


def test_statistics_agree_with_their_definitions_on_dense_data():
    dense = np.random.default_rng(5).random((1003, 12)) < 0.03
    dense[:, 4] = False
    table = table_of(dense, start_step=10**7)
    gaps = [np.diff(np.flatnonzero(column)) for column in dense.T]
    cv = [gap.std() / gap.mean() if len(gap) >= 5 else np.nan for gap in gaps]
    np.testing.assert_allclose(analysis.irregularity(table).cv, cv, rtol=1e-12)
    counts = dense[:1000].reshape(100, 10, 12).sum(axis=1)
    centres, binned = analysis.binned(table, 1 * u.ms)
    np.testing.assert_array_equal(binned, counts.sum(axis=1))
    np.testing.assert_allclose(centres.to_decimal(u.ms), 1e6 + 0.5 + np.arange(100))
    assert analysis.synchrony(table, 1 * u.ms) == pytest.approx(counts.sum(axis=1).var() / counts.sum(axis=1).mean())
    fired = counts.any(axis=0)
    fano = (counts.var(axis=0, ddof=1)[fired] / counts.mean(axis=0)[fired]).mean()
    assert analysis.fano(table, 1 * u.ms) == pytest.approx(fano, rel=1e-12)
    np.testing.assert_allclose(analysis.correlations(table, 1 * u.ms), np.corrcoef(counts[:, fired].T), atol=1e-12)
    _, hz = analysis.rate_over_time(table, 1 * u.ms)
    np.testing.assert_allclose(hz.to_decimal(u.Hz), counts.sum(axis=1) / 12 / 1e-3)


def test_full_synchrony_is_the_number_of_neurons():
    # All n neurons in a fraction q of the bins: mean n q, variance n^2 q (1 - q).
    dense = np.zeros((1000, 8), bool)
    dense[::100] = True
    assert analysis.synchrony(table_of(dense), 1 * u.ms) == pytest.approx(8 * 0.9)
    np.testing.assert_allclose(analysis.correlations(table_of(dense), 1 * u.ms), 1)


def test_silence_is_nan_and_never_a_warning():
    table = SpikeTable([], [], "p", 0.1, 4, 0, 1000)
    assert float(analysis.rate(table).to_decimal(u.Hz)) == 0
    for value in (analysis.cv, analysis.cv2, analysis.lv, analysis.fano, analysis.synchrony, analysis.correlation):
        assert math.isnan(value(table))
    nobody = SpikeTable([], [], "p", 0.1, 0, 0, 1000)
    never = SpikeTable([], [], "p", 0.1, 4, 0, 0)
    for empty in (nobody, never):
        assert math.isnan(float(analysis.rate(empty).to_decimal(u.Hz)))
        assert math.isnan(analysis.cv(empty)) and math.isnan(analysis.synchrony(empty))


@pytest.mark.parametrize("width", [0.25 * u.ms, 0 * u.ms, -1 * u.ms, np.nan * u.ms, np.ones(2) * u.ms])
def test_bins_that_are_no_whole_number_of_steps_are_refused(width):
    with pytest.raises(ValueError, match="whole number of steps"):
        analysis.binned(clocks(), width)


def test_bins_need_a_unit():
    with pytest.raises(UnitError, match="bin"):
        analysis.synchrony(clocks(), 3)
