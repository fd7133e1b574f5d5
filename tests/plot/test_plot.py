"""Pictures: their artists carry the right data, and they draw without warnings for the sizes people have."""

import subprocess
import sys

import brainunit as u
import matplotlib.pyplot as plt
import numpy as np
import pytest
from synthetic_run import SmallModel, bernoulli, run_of, spans

from neuro4d.plot import _canvas, view4d
from neuro4d.plot._raster import _POINTS
from neuro4d.recorders import TraceRecord


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def run():
    rng = np.random.default_rng(0)
    traces = {
        "v": TraceRecord("v", "L4E", "v", [0, 7], np.arange(0, 2000, 5), rng.normal(-60, 1, (400, 2)), u.mV),
        "g": TraceRecord("g", "L4I", "g", np.arange(30), np.arange(0, 2000, 5), rng.normal(5, 1, (400, 30)), u.nS),
    }
    return run_of({"L4E": bernoulli(rng, 2000, 400, 20), "L4I": bernoulli(rng, 2000, 100, 40)}, records=traces.items())


def draw(ax):
    ax.figure.canvas.draw()
    return ax


def test_a_raster_shows_every_spike_in_its_band(run):
    ax = draw(run.plot.raster())
    offsets = [np.asarray(each.get_offsets()) for each in ax.collections]
    assert [len(each) for each in offsets] == [len(run.spikes("L4E")), len(run.spikes("L4I"))]
    low, high = offsets
    np.testing.assert_allclose(low[:, 0], run.spikes("L4E").times.to_decimal(u.ms))
    assert low[:, 1].max() < high[:, 1].min()
    assert [label.get_text().strip() for label in ax.get_yticklabels()] == ["L4E", "L4I"]
    hz = float(run.rate("L4E").to_decimal(u.Hz))
    assert f"{hz:.1f} Hz" in [text.get_text() for text in ax.texts]
    strip = ax.figure.axes[1]
    assert strip.get_xlabel() == "time (ms)" and strip.get_ylabel() == "rate (Hz)"
    assert np.mean(strip.lines[0].get_ydata()) == pytest.approx(hz)


def test_one_population_into_given_axes(run):
    _, ax = plt.subplots()
    assert run.plot.raster("L4I", ax=ax) is ax and len(ax.figure.axes) == 1
    # With a whole page to itself a population of 100 has room for upright ticks.
    assert len(draw(ax).collections[0].get_segments()) == len(run.spikes("L4I"))


def test_dense_activity_becomes_a_histogram():
    dense = run_of({"a": bernoulli(np.random.default_rng(1), 1000, 3000, 1000)})
    assert len(dense.spikes("a")) > _POINTS
    ax = draw(dense.plot.raster())
    assert len(ax.collections) == 0 and ax.images[0].get_array().sum() == len(dense.spikes("a"))


def test_few_neurons_are_upright_ticks():
    few = run_of({"a": bernoulli(np.random.default_rng(1), 1000, 8, 100)})
    segments = draw(few.plot.raster()).collections[0].get_segments()
    assert len(segments) == len(few.spikes("a")) and all(a[0] == b[0] and a[1] < b[1] for a, b in segments)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [0, 1, 3, 1000])
def test_silence_and_short_runs_draw(steps):
    quiet = run_of({"xE": np.zeros((steps, 3), bool), "xI": np.zeros((steps, 40), bool)})
    draw(quiet.plot.raster())
    draw(quiet.plot.rates()[0, 0])
    draw(quiet.plot.layered())


def test_rates_average_to_the_mean(run):
    axes = run.plot.rates(bin=10 * u.ms)
    draw(axes[0, 0])
    assert axes.shape == (2, 2) and axes[1, 0].get_title(loc="left") == "L4E"
    assert np.mean(axes[1, 0].lines[0].get_ydata()) == pytest.approx(float(run.rate("L4E").to_decimal(u.Hz)))
    assert sum(patch.get_height() for patch in axes[1, 1].patches) == 400
    assert [ax.get_xlabel() for ax in axes[1]] == ["time (ms)", "rate of a neuron (Hz)"]
    with pytest.raises(ValueError, match="whole number of steps"):
        run.plot.rates(bin=0.25 * u.ms)


def test_traces_carry_units(run):
    v, g = run.plot.traces()
    draw(v)
    assert (v.get_ylabel(), g.get_ylabel()) == ("v (mV)", "g (nS)") and g.get_xlabel() == "time (ms)"
    assert [text.get_text() for text in v.get_legend().get_texts()] == ["0", "7"]
    np.testing.assert_allclose(g.lines[-1].get_ydata(), run.trace("g").values.to_decimal(u.nS).mean(axis=1))
    with pytest.raises(KeyError, match="no trace named 'w'"):
        run.plot.traces("w")


def test_long_runs_are_labelled_in_seconds():
    slow = run_of({"a": bernoulli(np.random.default_rng(0), 6000, 30, 5, dt_ms=1.0)}, dt_ms=1.0)
    ax = draw(slow.plot.raster())
    assert ax.figure.axes[1].get_xlabel() == "time (s)" and ax.get_xlim() == (0, 6)


def test_a_layered_raster_stacks_from_the_surface_down():
    rng = np.random.default_rng(3)
    column = run_of({name: bernoulli(rng, 2000, 50, 20) for name in ("L23E", "L23I", "L4E", "L4I")})
    ax = draw(column.plot.layered())
    assert [label.get_text().strip() for label in ax.get_yticklabels()] == ["L4I", "L4E", "L23I", "L23E"]
    widths = [bar.get_width() for bar in ax.figure.axes[1].patches]
    np.testing.assert_allclose(widths, [float(column.rate(name).to_decimal(u.Hz)) for name in ("L4I", "L4E", "L23I", "L23E")])
    draw(column.plot.layered({"L2/3": ("L23E", "L23I"), "L4": ("L4E",)}))
    with pytest.raises(ValueError, match="each listed once"):
        column.plot.layered({"a": ("L4E",), "b": ("L4E",)})
    with pytest.raises(ValueError, match="end in E or I"):
        run_of({"cells": np.zeros((10, 3), bool)}).plot.layered()


def lattice_run(shape, n=300, steps=200):
    rng = np.random.default_rng(0)
    places = np.stack([rng.integers(0, extent, n) for extent in shape], axis=1).astype(np.int32)
    populations = {"v1": n, "m1": 5}
    model = SmallModel(spans(populations), lattice_shape=shape, places={"v1": places})
    return run_of({name: bernoulli(rng, steps, size, 50) for name, size in populations.items()}, model=model), places


def test_the_4d_view_averages_sites_by_slice():
    run, places = lattice_run((4, 5, 3, 6))
    axes = run.plot.view4d("v1")
    draw(axes[0, 0])
    rates = run.rates("v1").to_decimal(u.Hz)
    panels = [ax for ax in axes.flat if ax.images]
    assert len(panels) == 6 and panels[2].get_title() == "w = 2"
    for w, ax in enumerate(panels):
        shown = np.ma.filled(ax.images[0].get_array(), np.nan)
        assert shown.shape == (5, 4)
        for x, y in np.ndindex(4, 5):
            here = (places[:, [0, 1, 3]] == (x, y, w)).all(axis=1)
            np.testing.assert_allclose(shown[y, x], rates[here].mean() if here.any() else np.nan)
    assert len({ax.images[0].get_clim() for ax in panels}) == 1
    assert axes[0, 0].figure.axes[-1].get_ylabel() == "mean rate (Hz)"


def test_long_axes_are_cut_into_slabs_that_cover_them():
    run, places = lattice_run((3, 3, 7, 23), n=2000)
    axes = view4d(run, "v1", values=np.ones(2000), label="cover", grid=True, slices=4, rows=2)
    assert axes.shape == (2, 4)
    assert [ax.get_title() for ax in axes[0]] == ["w = 0–4", "w = 5–10", "w = 11–16", "w = 17–22"]
    assert [ax.texts[0].get_text() for ax in axes[:, 3]] == ["z = 0–2", "z = 3–6"]
    filled = sum(np.isfinite(np.ma.filled(ax.images[0].get_array(), np.nan)).sum() for ax in axes.flat)
    # Slab bounds are i * extent // panels, so a site's slab is the last bound at or below it.
    w = np.searchsorted(np.arange(5) * 23 // 4, places[:, 3], side="right") - 1
    z = np.searchsorted(np.arange(3) * 7 // 2, places[:, 2], side="right") - 1
    assert filled == len(np.unique(np.column_stack([places[:, :2], z, w]), axis=0))


@pytest.mark.parametrize("shape", [(12,), (6, 5), (6, 5, 3), (2, 30, 1, 1)])
def test_lattices_with_fewer_axes_draw(shape):
    run, _ = lattice_run(shape)
    draw(run.plot.view4d()[0, 0])


def test_values_may_carry_a_unit():
    run, _ = lattice_run((4, 4, 2, 2))
    axes = run.plot.view4d("v1", values=np.linspace(-70, -50, 300) * u.mV, label="v")
    assert axes[0, 0].figure.axes[-1].get_ylabel() == "v (mV)"
    assert axes[0, 0].images[0].get_clim()[0] < -50


def test_views_that_cannot_be_drawn_say_why(run):
    with pytest.raises(ValueError, match="no lattice"):
        run.plot.view4d()
    placed, _ = lattice_run((4, 4, 2, 2))
    with pytest.raises(ValueError, match="'m1' has no coordinates; with coordinates: v1"):
        placed.plot.view4d("m1")
    with pytest.raises(ValueError, match=r"shape \(300,\)"):
        placed.plot.view4d("v1", values=np.zeros(3))
    with pytest.raises(KeyError, match="no population named 'v2'"):
        placed.plot.view4d("v2")
    with pytest.raises(ValueError, match="this lattice has 5"):
        lattice_run((2, 2, 2, 2, 2))[0].plot.view4d("v1")


def test_without_matplotlib_the_error_teaches(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'pip install "neuro4d\[plot\]"'):
        _canvas.pyplot()


@pytest.mark.slow
def test_no_display_means_agg_and_a_chosen_backend_stays():
    code = (
        "import os; [os.environ.pop(key, None) for key in ('DISPLAY', 'WAYLAND_DISPLAY', 'MPLBACKEND')]\n"
        "from neuro4d.plot import _canvas; plt = _canvas.pyplot(); plt.figure(); print(plt.get_backend())\n"
        "plt.switch_backend('svg'); print(_canvas.pyplot().get_backend())"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.lower().split() == ["agg", "svg"]


def test_the_users_own_settings_stay(run):
    before = dict(plt.rcParams)
    run.plot.raster()
    assert dict(plt.rcParams) == before


@pytest.mark.parametrize(("value", "expected"), [(0.013, 0.02), (1, 1), (2.1, 5), (6, 10), (0.5, 0.5)])
def test_round_numbers(value, expected):
    assert _canvas.nice(value) == pytest.approx(expected)


def test_more_populations_than_colours_share_one_rate_line():
    rng = np.random.default_rng(4)
    many = run_of({f"p{index}": bernoulli(rng, 1000, 10 + index, 30) for index in range(12)})
    strip = draw(many.plot.raster()).figure.axes[1]
    assert len(strip.lines) == 1
    spikes = sum(len(many.spikes(name)) for name in many.populations)
    assert np.mean(strip.lines[0].get_ydata()) == pytest.approx(spikes / many.model.n_neurons / 0.1)
