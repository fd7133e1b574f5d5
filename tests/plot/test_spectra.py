"""Pictures of correlograms and spectra show the numbers of the results."""

import brainunit as u
import matplotlib as mpl
import numpy as np
import pytest

from neuro4d import analysis, plot
from neuro4d.recorders import SpikeTable

mpl.use("Agg")


@pytest.fixture(scope="module")
def table():
    step, id = np.nonzero(np.random.default_rng(0).random((4000, 5)) < 0.02)
    return SpikeTable(step, id, "cells", 1.0, 5, 0, 4000)


@pytest.fixture(autouse=True)
def closed():
    yield
    plot._canvas.pyplot().close("all")


def test_bars_are_rates_and_the_line_is_chance(table):
    result = analysis.cross_correlogram(table, window=20 * u.ms, bin=2 * u.ms)
    ax = plot.correlogram(result)
    np.testing.assert_allclose([bar.get_height() for bar in ax.patches], result.rate.to_decimal(u.Hz))
    np.testing.assert_allclose([bar.get_x() + bar.get_width() / 2 for bar in ax.patches], result.lags.to_decimal(u.ms), atol=1e-9)
    chance = next(line for line in ax.lines if line.get_label() == "independent")
    # Pairs of neurons with rates r_i and r_j: the mean of r_i r_j over the mean of r_i.
    r = analysis.rates(table).to_decimal(u.Hz)
    assert chance.get_ydata()[0] == pytest.approx((r.sum() ** 2 - (r**2).sum()) / 20 / r.mean())
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("lag (ms)", "rate after a spike (Hz)")


def test_lines_are_powers_with_the_level_of_poisson_trains(table):
    both = {name: analysis.power_spectrum(table, single=name == "single") for name in ("all", "single")}
    ax = plot.spectrum(both)
    lines = {line.get_label(): line for line in ax.lines}
    for name, result in both.items():
        np.testing.assert_allclose(lines[name].get_ydata(), result.power.to_decimal(u.Hz))
    dashed = [line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == "--" and len(line.get_ydata())]
    np.testing.assert_allclose(dashed, float(analysis.rate(table).to_decimal(u.Hz)))
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    alone = plot.spectrum(both["all"], ax=plot._canvas.pyplot().subplots()[1])
    assert [text.get_text() for text in alone.get_legend().get_texts()] == ["Poisson trains"]


def test_silence_draws(table):
    silent = SpikeTable([], [], "cells", 1.0, 5, 0, 4000)
    assert not [line for line in plot.correlogram(analysis.auto_correlogram(silent)).lines if line.get_label() == "independent"]
    assert np.isnan(plot.spectrum(analysis.power_spectrum(silent)).lines[0].get_ydata()).all()


def test_something_else_is_refused(table):
    with pytest.raises(TypeError, match="cross_correlogram"):
        plot.correlogram(table)
    for wrong in (table, {}, {"a": table}):
        with pytest.raises(TypeError, match="power_spectrum"):
            plot.spectrum(wrong)
