"""Statistics of spike trains against Elephant's, on one set of trains: the same numbers where the definitions are the same."""

import brainunit as u
import numpy as np
import pytest

from neuro4d import analysis
from neuro4d.recorders import SpikeTable

pytestmark = [pytest.mark.oracle("elephant"), pytest.mark.filterwarnings("ignore")]

elephant = pytest.importorskip("elephant", reason="Elephant is not installed: pip install elephant")
neo = pytest.importorskip("neo")
pq = pytest.importorskip("quantities")

from elephant import (  # noqa: E402
    conversion,
    spectral,
    spike_train_correlation,
    spike_train_dissimilarity,
    statistics,
)

STEPS, N, DT = 20_000, 6, 0.5


@pytest.fixture(scope="module")
def table():
    """Six trains of 10 s at 5 to 30 Hz with something in common."""
    rng = np.random.default_rng(11)
    rates = np.linspace(5, 30, N) * DT / 1e3
    dense = (rng.random((STEPS, N)) < rates) | ((rng.random((STEPS, 1)) < 0.002) & (rng.random((STEPS, N)) < 0.5))
    step, id = np.nonzero(dense)
    return SpikeTable(step, id, "cells", DT, N, 0, STEPS)


@pytest.fixture(scope="module")
def trains(table):
    """The same for neo, at the middles of their steps, so that no spike lies on the edge of a bin."""
    return [neo.SpikeTrain((t.to_decimal(u.ms) - DT / 2) * pq.ms, t_stop=STEPS * DT * pq.ms) for t in table.trains()]


@pytest.fixture(scope="module")
def binned(trains):
    return conversion.BinnedSpikeTrain(trains, bin_size=5 * pq.ms, tolerance=None)


def test_intervals(table, trains):
    each = analysis.irregularity(table)
    gaps = [statistics.isi(train) for train in trains]
    np.testing.assert_allclose(each.cv, [statistics.cv(gap) for gap in gaps], rtol=1e-9)
    np.testing.assert_allclose(each.cv2, [statistics.cv2(gap) for gap in gaps], rtol=1e-9)
    np.testing.assert_allclose(each.lv, [statistics.lv(gap) for gap in gaps], rtol=1e-9)


def test_rates_and_counts(table, trains, binned):
    np.testing.assert_allclose(
        analysis.rates(table).to_decimal(u.Hz), [float(statistics.mean_firing_rate(train).rescale(pq.Hz)) for train in trains]
    )
    np.testing.assert_array_equal(analysis.binned(table, 5 * u.ms)[1], binned.to_array().sum(axis=0))


def test_fano_over_windows_as_over_trials(table, trains):
    # Elephant's takes trials of one neuron and divides by their number; ours windows, with one less.
    for neuron in range(N):
        alone = SpikeTable(table.step[table.id == neuron], table.id[table.id == neuron] * 0, "cells", DT, 1, 0, STEPS)
        windows = [trains[neuron].time_slice(k * 100 * pq.ms, (k + 1) * 100 * pq.ms) for k in range(100)]
        assert analysis.fano(alone) == pytest.approx(statistics.fanofactor(windows) * 100 / 99)


def test_the_histogram_over_trials(table, trains):
    trials = [table.between(k * u.second, (k + 1) * u.second) for k in range(10)]
    counts = sum(
        np.asarray(
            statistics.time_histogram([train.time_slice(k * pq.s, (k + 1) * pq.s) for train in trains], 20 * pq.ms, output="counts")
        ).ravel()
        for k in range(10)
    )
    np.testing.assert_allclose(analysis.psth(trials, bin=20 * u.ms).rate.to_decimal(u.Hz), counts / 10 / N / 0.02)


def test_correlations_of_counts(table, binned):
    np.testing.assert_allclose(
        analysis.correlations(table, 5 * u.ms), spike_train_correlation.correlation_coefficient(binned), rtol=1e-9, atol=1e-12
    )


def test_the_cross_correlogram_of_steps(table):
    one, two = (table.id == 1, table.id == 4)
    a, b = (SpikeTable(table.step[mine], table.id[mine] * 0, "cells", DT, 1, 0, STEPS) for mine in (one, two))
    binned = [
        conversion.BinnedSpikeTrain(
            neo.SpikeTrain((x.step + 0.5) * DT * pq.ms, t_stop=STEPS * DT * pq.ms), bin_size=DT * pq.ms, tolerance=None
        )
        for x in (a, b)
    ]
    theirs, lags = spike_train_correlation.cross_correlation_histogram(*binned, window=[-40, 40])
    ours = analysis.cross_correlogram(a, b, window=20 * u.ms, bin=DT * u.ms)
    np.testing.assert_array_equal(ours.counts, np.asarray(theirs).ravel())
    np.testing.assert_allclose(ours.lags.to_decimal(u.ms), lags * DT)


def test_spectra_and_coherence(table, binned):
    counts = binned.to_array().astype(float)
    a, b = (SpikeTable(table.step[mine], table.id[mine] * 0, "x", DT, 1, 0, STEPS) for mine in (table.id == 0, table.id == 5))
    f, power = spectral.welch_psd(counts[0] / 5e-3, n_segments=None, len_segment=100, fs=200.0, window="hann", detrend="constant")
    ours = analysis.power_spectrum(a, bin=5 * u.ms, segment=500 * u.ms)
    # Theirs is one-sided: twice ours, except at the highest frequency.
    np.testing.assert_allclose(ours.power.to_decimal(u.Hz)[:-1], np.ravel(power)[1:-1] / 2, rtol=1e-9)
    np.testing.assert_allclose(ours.frequencies.to_decimal(u.Hz), np.ravel(f)[1:])
    result = spectral.welch_coherence(counts[0], counts[5], n_segments=None, len_segment=100, fs=200.0, window="hann", detrend="constant")
    mine = analysis.coherence(a, b, bin=5 * u.ms, segment=500 * u.ms)
    np.testing.assert_allclose(mine.coherence, np.ravel(result[1])[1:], rtol=1e-9)


def test_distances(table, trains):
    for ms in (5.0, 50.0):
        np.testing.assert_allclose(
            analysis.victor_purpura(table, cost=1 / (ms * u.ms)),
            spike_train_dissimilarity.victor_purpura_distance(trains, 1 / (ms * pq.ms)),
            rtol=1e-9,
            atol=1e-9,
        )
        np.testing.assert_allclose(
            analysis.van_rossum(table, tau=ms * u.ms),
            spike_train_dissimilarity.van_rossum_distance(trains, ms * pq.ms),
            rtol=1e-6,
            atol=1e-6,
        )
