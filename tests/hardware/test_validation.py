"""The page of published measurements: a row of each chip is predicted anew, and the file says what the page says of it."""

import importlib.util
import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))  # as if it were started there
        spec = importlib.util.spec_from_file_location("benchmark_hardware", BENCHMARKS / "hardware.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module


@pytest.fixture(scope="module")
def published():
    return json.loads((BENCHMARKS / "results" / "hardware.json").read_text())


CHIPS = {
    "Loihi 1": "MNIST, one spike per neuron, 331 steps",
    "Loihi 2": "PilotNet of LIF neurons, time",
    "SpiNNaker 1": "no spikes, power",
    "TrueNorth": "detection in video",
    "Xeon E5-2630": "batch of 1, time",
    "Jetson TX1": "batch of 64, energy",
    "RTX 4090": "GeNN, energy",
}


@pytest.mark.slow
@pytest.mark.parametrize("chip", CHIPS)
def test_the_file_holds_what_is_predicted_today(chip, benchmark, published):
    row = next(row for row in benchmark.rows() if row.chip == chip and CHIPS[chip] in row.what)
    found = benchmark.result(row)
    kept = next(kept for kept in published["rows"] if (kept["chip"], kept["what"]) == (row.chip, row.what))
    assert [found[end] for end in ("low", "prediction", "high")] == pytest.approx(
        [kept[end] for end in ("low", "prediction", "high")], rel=0.01
    )
    assert (found["inside"], found["measured"], found["inputs"]) == (kept["inside"], kept["measured"], kept["inputs"])


def test_bands_hold_about_four_of_five_measurements(benchmark, published):
    """Wider would be safe and say little; narrower would be wrong. The same for rows that rest on no number of their own publication."""
    assert published["summary"] == benchmark.summary(published["rows"])
    for name in ("all", "others"):
        counts = published["summary"][name]
        assert 0.7 <= counts["inside"] / counts["rows"] <= 0.95
        assert counts["median_band"] < 5 and counts["median_factor"] < 2
    assert published["summary"]["others"]["rows"] >= 15


def test_every_row_says_what_it_was_given_and_where_it_is_from(benchmark, published):
    rows = benchmark.rows()
    assert [(row.chip, row.what) for row in rows] == [(kept["chip"], kept["what"]) for kept in published["rows"]]
    assert len({(row.chip, row.what) for row in rows}) == len(rows)
    for row in rows:
        assert row.measured > 0 and len(row.inputs) > 5 and len(row.source) > 10, row.what


def test_misses_are_shown(benchmark, published):
    lines = benchmark.table(published)
    missed = [kept for kept in published["rows"] if not kept["inside"]]
    assert missed and sum("**no**" in line for line in lines) == len(missed)
