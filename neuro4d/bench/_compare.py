"""Published networks: neuro4d on one core and on all, and the peers on the same machine in the same run."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from neuro4d._base import cores
from neuro4d.bench._peers import PEERS, ask
from neuro4d.bench._processes import BenchmarkError, accelerator, measure
from neuro4d.bench._result import Check, Column, Outcome, median
from neuro4d.zoo import Band, get


class Timing(NamedTuple):
    """Biological times in ms, and how many runs."""

    warm_ms: float
    duration_ms: float
    repeats: int

    def shorter(self) -> "Timing":
        """For a quick look."""
        return Timing(min(self.warm_ms, 200.0), min(self.duration_ms, 200.0), 2)


class Case(NamedTuple):
    """One network of one size: for neuro4d (`spec`), for the peers (`peer`), and how long each runs.

    `bands` says which rates are right; without any, simulators are compared with neuro4d alone. `floats`: precisions in which Brian2
    is asked. `tolerance` and `slack` (Hz) widen every comparison, because single runs of a chaotic network scatter.
    """

    label: str
    spec: Mapping[str, Any]
    peer: Mapping[str, Any]
    timing: Timing
    peer_timing: Timing
    bands: tuple[Band, ...] = ()
    floats: tuple[str, ...] = ("float64", "float32")
    tolerance: float = 0.05
    slack: float = 0.1
    asked: frozenset[str] = frozenset({"brian2", "nest", "brainpy"})


SECOND = Timing(500.0, 1000.0, 5)
VOGELS_ABBOTT = MappingProxyType({"n": 4000, "k": 80})


def small_case(name: str) -> Case:
    """CUBA, COBA or COBAHH as published: 4,000 neurons with 80 synapses each."""
    peer = {"network": name, **VOGELS_ABBOTT}
    # One network and one second scatter: over 16 seeds the driven COBA gives 21.3 Hz with a standard deviation of 1.5 Hz.
    # Draws of COBAHH give 35 Hz with a standard deviation of 3.6 Hz.
    slack = {"coba": 3.0, "cobahh": 11.0}.get(name, 0.0)
    return Case(f"{name} 4,000 × 80", {"name": name}, peer, SECOND, SECOND, get(name).rates(1.0), slack=slack)


def large_coba() -> Case:
    """No published rate: the weights shrink with the in-degree, and the simulators must agree with each other."""
    few = Timing(300.0, 500.0, 3)
    size = {"n": 100_000, "k": 1000}
    return Case(
        "coba 100,000 × 1,000", {"name": "dense_coba", **size}, {"network": "coba", **size}, few, few,
        floats=("float32",), tolerance=0.1, slack=0.2, asked=frozenset({"brian2", "brainpy"}),
    )  # fmt: skip


def brunel_case() -> Case:
    timing = Timing(300.0, 1000.0, 5)
    bands = get("brunel").rates(1.0)
    return Case(
        "brunel 12,500 × 1,250, regime C", {"name": "brunel"}, {"network": "brunel"}, timing, Timing(200.0, 500.0, 3), bands, tolerance=0.03
    )


def microcircuit_case(scale: float, timing: Timing, peer_timing: Timing) -> Case:
    label = "microcircuit, full scale" if scale == 1 else f"microcircuit, scale {scale:g}"
    spec = {"name": "microcircuit", "scale": scale}
    bands = get("microcircuit").rates(scale)
    return Case(label, spec, {"network": "microcircuit", "scale": scale}, timing, peer_timing, bands, tolerance=0.15, slack=0.3)


def cases(name: str, full: bool) -> list[Case]:
    """The cases of a benchmark; the largest ones only if asked for."""
    if name in ("cuba", "cobahh"):
        return [small_case(name)]
    if name == "coba":
        return [small_case("coba"), *([large_coba()] if full else [])]
    if name == "brunel":
        return [brunel_case()]
    small = microcircuit_case(0.1, Timing(500.0, 1000.0, 5), Timing(500.0, 1000.0, 3))
    return [small, *([microcircuit_case(1.0, Timing(500.0, 1000.0, 5), Timing(200.0, 500.0, 2))] if full else [])]


COLUMNS = (
    Column("case", "network"),
    Column("simulator", "simulator"),
    Column("threads", "threads", "d"),
    Column("s_per_s", "s per biological s", ".4g"),
    Column("us_per_step", "µs per step", ".4g"),
    Column("ratio", "times neuro4d", ".3g"),
    Column("rate", "mean rate (Hz)", ".3f"),
    Column("build_s", "build (s)", ".2f"),
    Column("compile_s", "compile (s)", ".2f"),
    Column("compile_cached_s", "from cache (s)", ".2f"),
    Column("peak_gb", "peak (GB)", ".2f"),
)


def compare(name: str, peers: tuple[str, ...], quick: bool, full: bool) -> Outcome:
    """Measures a network of the zoo, and asks the peers for the same."""
    rows: list[dict[str, Any]] = []
    checks: list[Check] = []
    for case in cases(name, full):
        own, own_checks = measure_own(case, quick)
        others = [row for key in peers for row in ask_peer(case, key, own[0]["sizes"], quick, checks)]
        checks += own_checks
        right = [judge(case, row, own[0], quick) for row in own]
        checks += right
        best = min(row["s_per_s"] for row in own if row["device_kind"] == "cpu")
        for row in others:
            check = judge(case, row, own[0], quick)
            checks.append(check)
            row["ratio"] = row["s_per_s"] / best if check.ok and all(one.ok for one in right) else None
        rows += own + others
    notes = ("'times neuro4d': wall time in units of neuro4d's best on the CPU; missing where rates differ.",)
    return Outcome(rows, checks, COLUMNS, notes)


def measure_own(case: Case, quick: bool) -> tuple[list[dict[str, Any]], list[Check]]:
    """neuro4d on all cores, on one, and on an accelerator. The first program is compiled into an empty cache, the second found in it."""
    timing = case.timing.shorter() if quick else case.timing
    job = {"kind": "network", "network": dict(case.spec), **timing._asdict()}
    rows = []
    with tempfile.TemporaryDirectory(prefix="neuro4d-bench-") as folder:
        cache = Path(folder)
        cold = measure(job | {"repeats": 1, "duration_ms": min(timing.duration_ms, 100.0)}, cache=cache)
        for threads in sorted({1, len(cores())}, reverse=True):
            found = measure(job, threads, cache)
            row = own_row(case, found, timing, threads)
            if threads == len(cores()):
                row |= {"compile_s": cold["compile_s"], "compile_cached_s": found["compile_s"]}
            rows.append(row)
    digests = {row["digest"] for row in rows}
    checks = [
        Check(
            f"{case.label}: bitwise the same spikes for {' and '.join(str(r['threads']) for r in rows)} threads",
            len(digests) == 1,
            f"{rows[0]['spikes']} spikes",
        )
    ]
    if accelerator() is not None:
        rows.append(own_row(case, measure(job | {"platform": "any"}), timing, None))
    return rows, checks


def own_row(case: Case, found: dict[str, Any], timing: Timing, threads: int | None) -> dict[str, Any]:
    """A row of the table from what a worker said."""
    row = {**found, "case": case.label, "simulator": "neuro4d", "threads": threads, "device_kind": "cpu" if threads else "accelerator"}
    row["compile_s"] = None if threads else found["compile_s"]
    if not threads:
        row["simulator"] = f"neuro4d, {found['device']}"
    return row | speed(found["seconds"], timing) | {"rate": mean_rate(found["rates"], found["sizes"]), "ratio": None}


def speed(seconds: list[float], timing: Timing) -> dict[str, float]:
    """The median as wall seconds per biological second and as microseconds per step of 0.1 ms."""
    per_second = median(seconds) / timing.duration_ms * 1e3
    return {"s_per_s": per_second, "us_per_step": per_second * 100.0, "duration_ms": timing.duration_ms}


def mean_rate(rates: Mapping[str, float], sizes: Mapping[str, int]) -> float:
    """Over all neurons."""
    return sum(rate * sizes[name] for name, rate in rates.items()) / sum(sizes[name] for name in rates)


def ask_peer(case: Case, key: str, sizes: Mapping[str, int], quick: bool, checks: list[Check]) -> list[dict[str, Any]]:
    """The rows of a peer: on one core and on all, Brian2 in each precision. A peer that fails is a failed check, not the end."""
    peer = PEERS[key]
    if case.peer["network"] not in peer.networks or key not in case.asked:
        return []
    timing = case.peer_timing.shorter() if quick else case.peer_timing
    threads = [1] if quick else sorted({1, len(cores())})
    # A full-size network on one core of NEST takes an hour; at half the threads it is known to take twice as long.
    threads = threads[-1:] if key == "nest" and case.spec.get("scale") == 1.0 else threads
    floats = case.floats if key == "brian2" and not quick else ("float32",)
    rows = []
    for number in threads:
        for kind in floats:
            job = {"scale": 1.0, **case.peer, **timing._asdict(), "threads": number, "float": kind, "seed": 0}
            try:
                found = ask(key, job)
            except BenchmarkError as error:
                checks.append(Check(f"{case.label}: {peer.name} on {number} threads", False, str(error)))
                continue
            label = f"{peer.name}, {kind}" if key == "brian2" else peer.name
            row = {**found, "case": case.label, "simulator": label, "threads": number, "device_kind": "cpu", "compile_cached_s": None}
            rows.append(row | speed(found["seconds"], timing) | {"rate": mean_rate(found["rates"], sizes), "peak_gb": None})
    return rows


def judge(case: Case, row: Mapping[str, Any], own: Mapping[str, Any], quick: bool) -> Check:
    """Whether the rates of a row are those of the published network, or else those of neuro4d."""
    wider = 3.0 if quick else 1.0
    tolerance, slack = case.tolerance * wider, case.slack * wider
    bands = case.bands or tuple(Band(name, rate, rate) for name, rate in own["rates"].items())
    wrong = []
    for band in bands:
        rate = row["rates"].get(band.population)
        if rate is None:
            wrong.append(f"{band.population} is missing")
        elif not band.low * (1 - tolerance) - slack <= rate <= band.high * (1 + tolerance) + slack:
            wrong.append(f"{band.population} {rate:.3f} outside {band.span} Hz")
    found = ", ".join(f"{name} {rate:.2f}" for name, rate in row["rates"].items())
    where = f"{row['simulator']}, {row['threads']} threads" if row["threads"] else row["simulator"]
    return Check(f"{case.label}: rates of {where}", not wrong, "; ".join(wrong) or f"{found} Hz")
