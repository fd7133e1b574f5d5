"""The measuring code: that it measures the right thing, refuses to compare what differs, and writes down where figures come from."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from neuro4d._base import cores, machine, now, versions
from neuro4d.bench import (
    BENCHMARKS,
    PEERS,
    BenchmarkError,
    Case,
    Check,
    Column,
    Report,
    break_even,
    judge,
    network,
    on_cores,
    parse_peers,
    run_benchmark,
    text_table,
    thread_numbers,
)
from neuro4d.bench._compare import Timing, cases
from neuro4d.bench._measure import _bits_between
from neuro4d.bench._processes import last_line, measure
from neuro4d.bench._rungs import Problem, dense_numpy, plain_python, scan_dense, scan_sparse
from neuro4d.zoo import Band

ROOT = Path(__file__).parents[2]


def report(rows, checks=(), quick=False):
    columns = (Column("case", "network"), Column("s_per_s", "s per s", ".3g"))
    return Report(
        "coba", "neuro4d bench coba", now(), quick, machine() | {"accelerator": None}, versions(), rows, checks, columns, ("note",)
    )


def test_all_names_are_there():
    expected = {"cuba", "coba", "cobahh", "brunel", "microcircuit", "models", "seeds", "ladder", "threads", "backends", "batch", "fixed", "delivery", "events"}
    assert set(BENCHMARKS) == expected
    assert {name for name, benchmark in BENCHMARKS.items() if benchmark.peers} == {"cuba", "coba", "cobahh", "brunel", "microcircuit"}


def test_every_peer_has_a_script_and_an_environment_in_the_setup():
    setup = (ROOT / "benchmarks" / "peers" / "setup.sh").read_text()
    for key, peer in PEERS.items():
        text = (ROOT / "benchmarks" / "peers" / peer.script).read_text()
        assert f"[{key}]=" in setup
        assert all(name in text.lower() for name in peer.networks)


@pytest.mark.parametrize("text", ["nets", "brian2,nest,genn"])
def test_unknown_peer(text):
    with pytest.raises(KeyError, match="no peer named"):
        parse_peers(text)


def test_mistakes_come_before_any_measurement(tmp_path, monkeypatch):
    monkeypatch.setenv("NEURO4D_PEERS", str(tmp_path))
    with pytest.raises(KeyError, match="microcircuit"):
        run_benchmark("microcircut")
    with pytest.raises(ValueError, match="compares neuro4d with itself"):
        run_benchmark("ladder", peers=("nest",))
    with pytest.raises(FileNotFoundError, match=r"setup\.sh nest"):
        run_benchmark("coba", peers=("nest",))
    with pytest.raises(KeyError, match="network of the benchmarks"):
        network({"name": "cobra"})


@pytest.mark.parametrize(
    ("rates", "ok"),
    [
        ({"cells": 22.0}, True),
        ({"cells": 20.5}, True),
        ({"cells": 30.0}, False),
        ({"cells": 5.0}, False),
        ({}, False),
        ({"cells": math.nan}, False),
    ],
)
def test_ratio_needs_equal_rates(rates, ok):
    case = Case("coba", {}, {}, Timing(0, 1, 1), Timing(0, 1, 1), (Band("cells", 21.0, 23.0),), tolerance=0.05, slack=0.1)
    row = {"simulator": "peer", "threads": 1, "rates": rates}
    assert judge(case, row, {"rates": {"cells": 22.0}}, quick=False).ok == ok


def test_without_a_band_the_peer_is_compared_with_neuro4d():
    case = Case("coba", {}, {}, Timing(0, 1, 1), Timing(0, 1, 1), tolerance=0.1, slack=0.0)
    row = {"simulator": "peer", "threads": 2, "rates": {"cells": 2.1}}
    assert judge(case, row, {"rates": {"cells": 2.0}}, quick=False).ok
    assert not judge(case, row, {"rates": {"cells": 3.0}}, quick=False).ok


def test_large_cases_only_on_request():
    assert [case.label for case in cases("microcircuit", full=False)] == ["microcircuit, scale 0.1"]
    assert len(cases("microcircuit", full=True)) == len(cases("coba", full=True)) == 2
    assert all(case.bands for name in ("cuba", "coba", "brunel", "microcircuit") for case in cases(name, full=False))


def test_file_is_complete_json(tmp_path):
    rows = [{"case": "coba", "s_per_s": np.float32(0.25), "seconds": [0.5, float("nan")], "threads": np.int64(2)}]
    path = tmp_path / "new" / "coba.json"
    report(rows, [Check("rates", True, "22 Hz")]).write(path)
    content = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(name))
    assert content["rows"] == [{"case": "coba", "s_per_s": 0.25, "seconds": [0.5, None], "threads": 2}]
    assert content["checks"] == [{"what": "rates", "ok": True, "detail": "22 Hz"}]
    assert content["machine"]["cores_granted"] == len(cores()) and content["versions"]["neuro4d"] and content["date"].startswith("20")
    assert list(path.parent.iterdir()) == [path]


def test_table_and_failed_checks_are_printed():
    made = report([{"case": "a", "s_per_s": 0.1234}, {"case": "bb"}], [Check("rates", False, "3 Hz")], quick=True)
    assert not made.ok
    text = str(made)
    assert "FAILED  rates: 3 Hz" in text and "quick sizes" in text
    assert text_table(made.columns, made.rows).splitlines()[2:] == ["a          0.123", "bb             -"]


def test_break_even_is_interpolated_on_logarithmic_axes():
    def rows(fast):
        times = [(n, "a", 10.0) for n in (100, 10_000)] + [(n, "b", time) for n, time in zip((100, 10_000), fast)]
        return [{"neurons": n, "way": way, "us_per_step": time} for n, way, time in times]

    assert "faster than a from about 1,000 neurons on" in break_even(rows((20.0, 5.0)), "a", "b")
    assert "slower than a from about 1,000 neurons on" in break_even(rows((5.0, 20.0)), "a", "b")
    assert "faster than a at every size, 2 to 5 times" in break_even(rows((5.0, 2.0)), "a", "b")
    assert "slower than a at every size" in break_even(rows((20.0, 20.0)), "a", "b")


def test_thread_numbers():
    assert [thread_numbers(n) for n in (1, 2, 3, 8)] == [[1], [1, 2], [1, 2, 3], [1, 2, 4, 8]]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_processes_get_the_cores_they_were_promised():
    before = cores()
    with on_cores(1):
        done = subprocess.run([sys.executable, "-c", "import os; print(len(os.sched_getaffinity(0)))"], capture_output=True, text=True)
    assert done.stdout.strip() == "1"
    assert cores() == before
    with pytest.raises(ValueError, match="threads lie between 1"), on_cores(len(before) + 1):
        pass


def test_failed_process_says_why():
    with pytest.raises(BenchmarkError, match="no good"):
        last_line([sys.executable, "-c", "raise SystemExit('no good')"], 1, os.environ)


def test_bits_of_a_population():
    rng = np.random.default_rng(0)
    bits = rng.random((7, 100)) < 0.3
    packed = np.packbits(np.pad(bits, ((0, 0), (0, 28))), axis=1, bitorder="little").view(np.uint32)
    for first, end in ((0, 100), (0, 32), (5, 31), (31, 33), (32, 64), (64, 100), (99, 100), (0, 1)):
        assert _bits_between(packed, first, end) == bits[:, first:end].sum()


def test_rungs_compute_the_same_network():
    rng = np.random.default_rng(1)
    n = 60
    pre, post = rng.integers(0, n, (2, 600))
    weight = np.where(pre < 48, 0.125, -0.75)
    problem = Problem(pre, post, weight, rng.uniform(-60, -50, n), float(np.exp(-0.005)), -49.0, -50.0, -60.0, 50)
    python, numpy, dense, sparse = (make(problem, 400)[0]() for make in (plain_python, dense_numpy, scan_dense, scan_sparse))
    assert python.sum() > 20
    assert np.array_equal(python, numpy)
    assert np.array_equal(dense, sparse)
    assert abs(int(dense.sum()) - int(python.sum())) <= 0.1 * python.sum()


@pytest.mark.slow
def test_measurement_in_a_process(tmp_path):
    job = {"kind": "network", "network": {"name": "coba", "scale": 0.05}, "warm_ms": 5.0, "duration_ms": 20.0, "repeats": 2}
    found = measure(job, threads=1, cache=tmp_path)
    again = measure(job, threads=1, cache=tmp_path)
    assert len(found["seconds"]) == 2 and all(seconds > 0 for seconds in found["seconds"])
    assert found["digest"] == again["digest"] and found["spikes"] > 0
    assert found["rates"]["cells"] == pytest.approx(found["spikes"] / 200 / 0.04)
    assert found["neurons"] == 200 and found["peak_gb"] > 0.05
    assert any(tmp_path.iterdir()), "compiled programs are kept in the folder that was named"


@pytest.mark.slow
def test_report_page(tmp_path):
    results, docs = tmp_path / "results", tmp_path / "docs"
    row = {"case": "coba 4,000 × 80", "simulator": "neuro4d", "threads": 1, "s_per_s": 0.05}
    report([row, row | {"simulator": "NEST", "version": "3.10", "s_per_s": 4.0}], [Check("rates", True, "22 Hz")]).write(
        results / "coba.json"
    )
    script = [sys.executable, str(ROOT / "benchmarks" / "report.py"), "--results", str(results), "--docs", str(docs)]
    (docs).mkdir()
    pytest.importorskip("matplotlib")
    done = subprocess.run(script, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = (docs / "benchmarks.md").read_text()
    assert "| coba 4,000 × 80 | 0.05 |" in text and "NEST 3.10" in text and "1 checks held" in text
    first = (docs / "_static" / "benchmarks" / "networks.svg").read_bytes()
    subprocess.run(script, check=True, capture_output=True)
    assert (docs / "_static" / "benchmarks" / "networks.svg").read_bytes() == first
    report([row], quick=True).write(results / "coba.json")
    refused = subprocess.run(script, capture_output=True, text=True)
    assert refused.returncode != 0 and "quick results" in refused.stderr
