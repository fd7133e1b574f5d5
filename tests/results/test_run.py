"""Results give the same numbers whatever recorder they come from, and say what is missing."""

import json
import logging
import math
import subprocess
import sys

import brainunit as u
import numpy as np
import pytest
from synthetic_run import SmallModel, Span, bernoulli, pack, run_of, spans

from neuro4d import analysis
from neuro4d._base import UnitError
from neuro4d.recorders import CountRecord, SpikeRecord, TraceRecord, WindowRecord
from neuro4d.results import Run
from neuro4d.simulate._progress import Progress, biological, watched


@pytest.fixture(scope="module")
def dense():
    rng = np.random.default_rng(0)
    return {"exc": bernoulli(rng, 5000, 70, 60), "inh": bernoulli(rng, 5000, 33, 90)}


@pytest.fixture(scope="module")
def run(dense):
    trace = TraceRecord("v", "exc", "v", [3, 5], np.arange(9, 5000, 10), np.arange(1000.0).reshape(500, 2) / 100 - 60, u.mV)
    return run_of(dense, records={"v": trace}.items())


def make(dense, records, **fields):
    populations = spans({name: each.shape[1] for name, each in dense.items()})
    return Run(SmallModel(populations), None, 0.1, 0, 5000, records, **fields)


def places(dense):
    return tuple(spans({name: each.shape[1] for name, each in dense.items()}).values())


def whole(dense):
    return np.concatenate(list(dense.values()), axis=1)


def test_rates_have_units_and_are_right(run, dense):
    for name, each in dense.items():
        assert run.rate(name).unit == u.Hz
        assert float(run.rate(name).to_decimal(u.Hz)) == pytest.approx(each.mean() * 1e4, rel=1e-12)
        np.testing.assert_allclose(run.rates(name).to_decimal(u.Hz), each.sum(axis=0) / 0.5)
        np.testing.assert_array_equal(run.spikes(name).dense(), each)
    assert list(run.rate()) == ["exc", "inh"] and run.rate()["inh"] == run.rate("inh")
    assert run.cv() == {name: analysis.cv(run.spikes(name)) for name in dense}
    assert run.synchrony("exc") == analysis.synchrony(run.spikes("exc"))
    assert run.duration == 500 * u.ms
    assert run.spikes("exc") is run.spikes("exc")


def test_counts_and_windows_give_the_same_numbers(run, dense):
    counts = make(dense, {"counts": CountRecord({name: each.sum(axis=0) for name, each in dense.items()}, 5000)})
    assert counts.rate("inh") == run.rate("inh")
    np.testing.assert_array_equal(counts.counts("exc"), dense["exc"].sum(axis=0))
    kept = whole(dense)[-1000:]
    window = make(dense, {"window": WindowRecord({"lif": pack(kept)}, places(dense), dropped=int(whole(dense)[:-1000].sum()))})
    expected = run.spikes("inh").between(400 * u.ms, 500 * u.ms)
    np.testing.assert_array_equal(window.spikes("inh").step, expected.step)
    np.testing.assert_array_equal(window.spikes("inh").id, expected.id)
    assert window.rate("inh") == analysis.rate(expected)
    np.testing.assert_allclose(window.rates("inh").to_decimal(u.Hz), analysis.rates(expected).to_decimal(u.Hz))
    # Counts cover the whole run, so they and not the window give the rate.
    both = make(dense, {**window.records, **counts.records})
    assert both.rate("inh") == run.rate("inh") and len(both.spikes("inh")) == len(expected)


def test_a_late_start_changes_the_stamps_only(run, dense):
    late = run_of(dense, start_step=2**31 - 5)
    assert late.rate() == run.rate()
    np.testing.assert_array_equal(late.spikes("exc").step - (2**31 - 5), run.spikes("exc").step)


def test_traces_come_with_times_units_and_ids(run):
    times, values, ids = run.trace("v")
    np.testing.assert_array_equal(times.to_decimal(u.ms), np.arange(1, 501))
    assert values.unit == u.mV and values.shape == (500, 2) and ids.tolist() == [3, 5]
    assert values[0, 0] == -60 * u.mV
    np.testing.assert_array_equal(run.trace("exc", "v").values.to_decimal(u.mV), values.to_decimal(u.mV))
    assert run.trace_names() == ("v",)


@pytest.mark.parametrize(
    ("ask", "kind", "message"),
    [
        (lambda run: run.rate("ex"), KeyError, "Did you mean 'exc'"),
        (lambda run: run.rate(3), TypeError, r"run.rate\('exc'\)"),
        (lambda run: run.trace("w"), KeyError, "no trace named 'w'"),
        (lambda run: run.trace("exc", "g"), KeyError, "no trace of 'g' in 'exc'.*exc, v"),
        (lambda run: run.cv("exc", min_isi=0), ValueError, "min_isi"),
    ],
)
def test_wrong_questions_are_answered_with_the_right_ones(run, ask, kind, message):
    with pytest.raises(kind, match=message):
        ask(run)


def test_a_missing_recorder_is_named(dense):
    nothing = make(dense, {})
    with pytest.raises(ValueError, match=r"not recorded. Recorded: nothing.*record=\(n4.Spikes\(\),\)"):
        nothing.rate("exc")
    with pytest.raises(KeyError, match=r'n4.Trace\("exc", "v"\)'):
        nothing.trace("v")
    counts = make(dense, {"counts": CountRecord({name: each.sum(axis=0) for name, each in dense.items()}, 5000)})
    with pytest.raises(ValueError, match=r"'counts': CountRecord\(\d+ spikes\)"):
        counts.cv("exc")
    other = make(dense, {"spikes": SpikeRecord({"izhikevich": np.zeros((5000, 1), np.uint32)}, (Span("third", "izhikevich", 0, 3),))})
    with pytest.raises(ValueError, match=r"Recorded: .*n4.Spikes"):
        other.spikes("exc")


def test_the_summary_is_a_table_and_plain_numbers(run):
    summary = run.summary()
    lines = str(summary).splitlines()
    assert lines[0].split()[:2] == ["population", "neurons"] and lines[2].split()[0] == "exc"
    assert len({len(line) for line in lines[:4]}) == 1
    assert "real-time factor 4.00" in lines[-1] and lines[-1].endswith("completed")
    plain = json.loads(json.dumps(summary.as_dict(), allow_nan=False))
    assert plain["neurons"] == 103 and plain["duration_ms"] == 500.0 and plain["real_time_factor"] == 4.0
    assert plain["rates_hz"]["inh"] == float(run.rate("inh").to_decimal(u.Hz))
    assert plain["cv"]["inh"] == run.cv("inh") and plain["cv_neurons"]["inh"] == 33


def test_the_summary_of_an_interrupted_silent_or_unrecorded_run(dense):
    nothing = make(dense, {}, completed=False).summary()
    assert "interrupted" in str(nothing) and nothing.as_dict()["rates_hz"] == {"exc": None, "inh": None}
    silent = run_of({"a": np.zeros((1000, 4), bool)}).summary().as_dict()
    assert silent["rates_hz"] == {"a": 0.0} and silent["cv"] == {"a": None}
    empty = run_of({"a": np.zeros((0, 4), bool)})
    assert math.isnan(float(empty.rate("a").to_decimal(u.Hz))) and empty.summary().as_dict()["real_time_factor"] is None
    assert empty.duration == 0 * u.ms


def test_html_is_static(run, dense):
    html = run._repr_html_()
    assert html.count("<svg") == 1 and "<table>" in html and "<script" not in html and len(html) < 100_000
    assert "<svg" not in make(dense, {})._repr_html_()
    assert "interrupted" in repr(make(dense, {}, completed=False))


def test_records_refuse_wrong_shapes(dense):
    with pytest.raises(ValueError, match="uint32"):
        SpikeRecord({"lif": np.zeros((3, 2), np.int64)}, ())
    with pytest.raises(ValueError, match="same number of steps"):
        SpikeRecord({"a": np.zeros((3, 2), np.uint32), "b": np.zeros((4, 2), np.uint32)}, ())
    with pytest.raises(ValueError, match="at least 0"):
        WindowRecord({}, (), dropped=-1)
    with pytest.raises(ValueError, match="integers"):
        CountRecord({"a": np.zeros(3)}, 10)
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        TraceRecord("v", "exc", "v", [1, 2, 3], [0, 1], np.zeros((3, 2)), u.mV)
    with pytest.raises(ValueError, match="3 rows for a run of 5000 steps"):
        make(dense, {"spikes": SpikeRecord({"lif": np.zeros((3, 4), np.uint32)}, places(dense))})


@pytest.mark.slow
def test_importing_results_imports_no_plotting():
    # Some dependency may touch matplotlib's top level; the heavy part must wait for the first picture.
    code = "import sys, neuro4d.results._run, neuro4d.plot; print('matplotlib.pyplot' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


class Clock:
    """Seconds under the test's control."""

    now = 0.0

    def __call__(self):
        return self.now


def test_log_lines_follow_the_wall_clock(caplog):
    clock = Clock()
    with caplog.at_level(logging.INFO, logger="neuro4d"), Progress(10_000, 0.1, False, 10 * u.second, clock) as bar:
        for _ in range(10):
            clock.now += 4.0
            bar.advance(1000)
    assert [record.message for record in caplog.records] == [
        "3000 of 10000 steps (30 %), 300 ms of biological time, 250 steps/s, 28 s left",
        "6000 of 10000 steps (60 %), 600 ms of biological time, 250 steps/s, 16 s left",
        "9000 of 10000 steps (90 %), 900 ms of biological time, 250 steps/s, 4 s left",
    ]


def test_the_bar_is_drawn_where_asked_and_closed_after_an_exception(capsys):
    with pytest.raises(KeyboardInterrupt), Progress(1000, 0.1, True) as bar:
        bar.advance(500)
        raise KeyboardInterrupt
    shown = capsys.readouterr().err
    assert "50%" in shown and "50 ms of 100 ms" in shown and shown.endswith("\n")
    with Progress(1000, 0.1, False) as bar:
        bar.advance(1000)
    with Progress(1000, 0.1) as bar:  # the captured stream is no terminal
        bar.advance(1000)
    assert not watched() and capsys.readouterr().err == ""


def test_progress_refuses_what_it_cannot_use():
    with pytest.raises(TypeError, match="True, False or None"):
        Progress(10, 0.1, "yes")
    with pytest.raises(UnitError, match="log_every"):
        Progress(10, 0.1, False, 10)
    with pytest.raises(ValueError, match="positive"):
        Progress(10, 0.1, False, 0 * u.second)
    assert (biological(12.5), biological(2500)) == ("12.5 ms", "2.5 s")


def test_rates_between_two_times(run, dense):
    within = run.spikes("exc").between(100 * u.ms, 300 * u.ms)
    window = (100 * u.ms, 0.3 * u.second)
    assert run.rate("exc", between=window) == analysis.rate(within)
    assert float(run.rate("exc", between=window).to_decimal(u.Hz)) == pytest.approx(dense["exc"][1000:3000].mean() * 1e4)
    assert (run.rates("exc", between=window) == analysis.rates(within)).all()
    assert run.cv("exc", between=window) == analysis.cv(within)
    assert list(run.rate(between=(None, 100 * u.ms))) == ["exc", "inh"]
    with pytest.raises(TypeError, match=r"pair of times.*200\*u.ms"):
        run.rate("exc", between=3 * u.ms)
    with pytest.raises(ValueError, match="inside the observed span"):
        run.rate("exc", between=(0 * u.ms, 2 * u.second))


def test_a_run_has_units_at_its_doors(run):
    assert run.dt == 0.1 * u.ms and run.dt_ms == 0.1


@pytest.mark.parametrize("old, new", [("raster", "raster"), ("plot_rates", "rates"), ("plot_traces", "traces")])
def test_old_names_of_pictures_show_the_new_line(run, old, new):
    with pytest.warns(DeprecationWarning, match=rf"`run.{old}\(...\)` is now `run.plot.{new}\(...\)`") as heard:
        getattr(run, old)()
    assert heard[0].filename == __file__
    assert new in repr(run.plot)


def test_what_was_not_recorded_is_named(run):
    with pytest.raises(ValueError, match=r"events were not recorded.*n4.Events"):
        run.events("e")
    with pytest.raises(ValueError, match=r"binned counts of 'exc' were not recorded.*n4.Counts\(every="):
        run.counts_over_time("exc")
