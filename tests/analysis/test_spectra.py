"""Spectra against closed forms: Poisson trains, clocks, common input, delayed copies."""

import brainunit as u
import numpy as np
import pytest
from scipy import signal

from neuro4d import analysis
from neuro4d.recorders import SpikeTable


def table_of(dense, dt_ms=1.0, start=0):
    step, id = np.nonzero(dense)
    return SpikeTable(step + start, id, "cells", dt_ms, dense.shape[1], start, len(dense))


@pytest.fixture(scope="module")
def poisson():
    """10 neurons, 50,000 steps of 1 ms, 20 Hz."""
    return table_of(np.random.default_rng(0).random((50_000, 10)) < 0.02)


def test_poisson_trains_are_flat_at_their_rate(poisson):
    # Binomial counts: 20 (1 - 0.02) Hz at every frequency. Pieces that overlap by half under a Hann window are worth 1 / 1.06 of as many
    # independent ones, each with a relative standard error of 1. Six of it for the spectrum of the population, and for the mean of ten.
    for single, trains in ((False, 1), (True, 10)):
        result = analysis.power_spectrum(poisson, segment=200 * u.ms, single=single)
        power = result.power.to_decimal(u.Hz)[1:-1]
        assert result.segments == 499
        np.testing.assert_allclose(power, 19.6, rtol=6 * np.sqrt(1.06 / 499 / trains))
        # The mean over 98 nearly independent frequencies.
        assert power.mean() == pytest.approx(19.6, rel=6 * np.sqrt(1.06 / 499 / trains / 98) * 1.2)
        assert float(result.rate.to_decimal(u.Hz)) == pytest.approx(float(analysis.rate(poisson).to_decimal(u.Hz)))


def test_what_neurons_have_in_common_weighs_as_often_as_they_are():
    shared = np.random.default_rng(1).random((20_000, 1)) < 0.02
    table = table_of(np.tile(shared, (1, 8)))
    together, single = (analysis.power_spectrum(table, segment=200 * u.ms, single=each).power.to_decimal(u.Hz) for each in (False, True))
    np.testing.assert_allclose(together, 8 * single, rtol=1e-9)


def test_a_clock_has_its_power_at_its_rate_and_the_multiples():
    # A line of the train's Fourier series has the amplitude r; a Hann window of T s gives it the density r^2 T / 1.5.
    steps = np.arange(0, 20_000, 25)
    clock = SpikeTable(steps, np.zeros(len(steps), int), "cells", 1.0, 1, 0, 20_000)
    result = analysis.power_spectrum(clock, segment=1 * u.second)
    power = result.power.to_decimal(u.Hz)
    np.testing.assert_array_equal(np.flatnonzero(power > power.max() / 2) + 1, np.arange(40, 500, 40))
    assert power[39] == pytest.approx(40**2 / 1.5)
    assert np.median(power) < 1e-9


def test_pieces_are_those_of_the_definition():
    dense = np.random.default_rng(2).random((403, 3)) < 0.2
    table = table_of(dense, dt_ms=0.5, start=70)
    result = analysis.power_spectrum(table, bin=1 * u.ms, segment=40 * u.ms)
    rates = dense[:402].reshape(201, 2, 3).sum(axis=(1, 2)) * 1e3
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(40) / 40)
    pieces = [rates[k : k + 40] - rates[k : k + 40].mean() for k in range(0, 201 - 39, 20)]
    power = np.mean([np.abs(np.fft.rfft(hann * piece)) ** 2 for piece in pieces], axis=0) / np.sum(hann**2) * 1e-3 / 3
    assert result.segments == len(pieces)
    np.testing.assert_allclose(result.power.to_decimal(u.Hz), power[1:], rtol=1e-9)
    np.testing.assert_allclose(result.frequencies.to_decimal(u.Hz), np.arange(1, 21) * 25.0)


def test_runs_of_a_batch_and_blocks_of_neurons_are_averaged(poisson, monkeypatch):
    whole = analysis.power_spectrum(poisson, segment=500 * u.ms, single=True)
    monkeypatch.setattr("neuro4d.analysis._spectra.BLOCK", 3 * 50_000)
    parts = analysis.power_spectrum(poisson, segment=500 * u.ms, single=True)
    np.testing.assert_allclose(parts.power.to_decimal(u.Hz), whole.power.to_decimal(u.Hz), rtol=1e-12)
    halves = [poisson.between(0 * u.ms, 20 * u.second), poisson.between(20 * u.second, None)]
    both = analysis.power_spectrum(halves, segment=500 * u.ms)
    one, two = (analysis.power_spectrum(half, segment=500 * u.ms) for half in halves)
    mean = (one.segments * one.power + two.segments * two.power) / (one.segments + two.segments)
    np.testing.assert_allclose(both.power.to_decimal(u.Hz), mean.to_decimal(u.Hz), rtol=1e-12)
    assert both.segments == one.segments + two.segments
    some = analysis.power_spectrum(poisson, segment=500 * u.ms, sample=5)
    assert float(some.rate.to_decimal(u.Hz)) == pytest.approx(poisson.counts()[::2].sum() / 250)


def test_a_delayed_copy_is_coherent_with_a_phase_that_turns():
    dense = np.random.default_rng(3).random((40_000, 1)) < 0.05
    a, b = table_of(dense), table_of(np.roll(dense, 3, axis=0))
    result = analysis.coherence(a, b, segment=500 * u.ms)
    # 3 ms of 500 are not shared by the pieces: coherence is lower by less than the few per cent that they weigh.
    assert result.coherence.min() > 0.97
    f = result.frequencies.to_decimal(u.Hz)
    turned = np.angle(np.exp(1j * (result.phase + 2 * np.pi * f * 3e-3)))
    assert np.abs(turned[1:-1]).max() < 0.15
    assert np.abs(turned[1:-1].mean()) < 0.01


def test_half_of_the_input_in_common_is_a_quarter_coherent():
    # b is a and as many spikes of its own: S_ab = S_aa, S_bb = 2 S_aa, C = 1/2; both with parts of their own: 1/4. K = 399 pieces worth 376:
    # the error of a mean over 98 frequencies, sqrt(2 C) (1 - C) / sqrt(376 x 98), is below 0.004 for both, and the bias (1 - C)^2 / K.
    rng = np.random.default_rng(4)
    shared, own, other = (rng.random((40_000, 4)) < 0.02 for _ in range(3))
    one = analysis.coherence(table_of(shared), table_of(np.hstack([shared, own])), segment=200 * u.ms)
    two = analysis.coherence(table_of(np.hstack([shared, other])), table_of(np.hstack([shared, own])), segment=200 * u.ms)
    assert one.segments == 399
    assert one.coherence[1:-1].mean() == pytest.approx(0.5, abs=0.024)
    assert two.coherence[1:-1].mean() == pytest.approx(0.25, abs=0.024)
    # Nothing in common: 1 / K on average with a standard error of 1 / K / sqrt(98), made larger by the overlap.
    none = analysis.coherence(table_of(own), table_of(other), segment=200 * u.ms)
    assert none.coherence.mean() == pytest.approx(1.06 / 399, rel=6 * 1.2 / np.sqrt(98))


def test_coherence_is_that_of_scipy():
    rng = np.random.default_rng(5)
    a, b = (rng.random((3000, 2)) < 0.1 for _ in range(2))
    result = analysis.coherence(table_of(a), table_of(b), segment=200 * u.ms)
    f, expected = signal.coherence(a.sum(axis=1).astype(float), b.sum(axis=1).astype(float), 1000.0, nperseg=200)
    np.testing.assert_allclose(result.frequencies.to_decimal(u.Hz), f[1:])
    np.testing.assert_allclose(result.coherence, expected[1:], rtol=1e-9)


def test_silence_has_no_power_and_no_coherence():
    silent = SpikeTable([], [], "cells", 1.0, 3, 0, 4000)
    assert not analysis.power_spectrum(silent).power.to_decimal(u.Hz).any()
    always = table_of(np.ones((4000, 3), bool))
    for each in (silent, always):
        result = analysis.coherence(each, each)
        assert np.isnan(result.coherence).all() and np.isnan(result.phase).all()
    assert np.isnan(analysis.power_spectrum(SpikeTable([], [], "cells", 1.0, 0, 0, 4000)).power.to_decimal(u.Hz)).all()


def test_pieces_that_do_not_fit_are_refused(poisson):
    with pytest.raises(ValueError, match=r"holds no piece of 500 ms.*segment=50 \* u.ms"):
        analysis.power_spectrum(poisson.between(0 * u.ms, 400 * u.ms))
    with pytest.raises(ValueError, match="whole number of bins"):
        analysis.power_spectrum(poisson, bin=3 * u.ms)
    with pytest.raises(ValueError, match="4 at least"):
        analysis.power_spectrum(poisson, segment=3 * u.ms)
    with pytest.raises(ValueError, match="single piece is 1"):
        analysis.coherence(*[poisson.between(0 * u.ms, 600 * u.ms)] * 2)
    with pytest.raises(ValueError, match="same time"):
        analysis.coherence(poisson, poisson.between(0 * u.ms, 600 * u.ms))
