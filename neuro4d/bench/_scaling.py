"""How cost depends on threads, trials, events and synapses: `threads`, `batch`, `fixed`, `delivery`, `events`."""

import math
from typing import Any

from neuro4d._base import cores
from neuro4d.bench._processes import measure
from neuro4d.bench._result import Check, Column, Outcome, median

TIMES = (
    Column("us_per_step", "µs per step", ",.2f"),
    Column("compile_s", "compile (s)", ".2f"),
)


def threads(peers: tuple[str, ...], quick: bool, full: bool) -> Outcome:
    """Three networks on 1 to n cores: time, efficiency, and whether the spikes stay the same bits; each twice, as a repetition."""
    del peers, full
    specs = {"coba 4,000 × 80": {"name": "coba"}, "microcircuit, scale 0.1": {"name": "microcircuit", "scale": 0.1}}
    specs = {"coba, scale 0.25": {"name": "coba", "scale": 0.25}} if quick else {**specs, "brunel 12,500 × 1,250": {"name": "brunel"}}
    timing = {"warm_ms": 100.0, "duration_ms": 100.0 if quick else 500.0, "repeats": 2 if quick else 5}
    rows, checks = [], []
    for label, spec in specs.items():
        own = []
        for number in thread_numbers(len(cores())):
            for attempt in range(2):
                found = measure({"kind": "network", "network": spec, **timing}, number)
                step = median(found["seconds"]) / timing["duration_ms"] * 1e5
                own.append({**found, "case": label, "threads": number, "attempt": attempt, "us_per_step": step})
        one = median([row["us_per_step"] for row in own if row["threads"] == 1])
        for row in own:
            row["speedup"] = one / row["us_per_step"]
            row["efficiency"] = row["speedup"] / row["threads"]
        same = {row["digest"] for row in own}
        checks.append(Check(f"{label}: bitwise the same spikes in {len(own)} processes", len(same) == 1, f"{own[0]['spikes']} spikes"))
        rows += own
    columns = (
        Column("case", "network"),
        Column("threads", "threads", "d"),
        Column("attempt", "attempt", "d"),
        TIMES[0],
        Column("speedup", "speed-up", ".2f"),
        Column("efficiency", "efficiency", ".0%"),
    )
    return Outcome(rows, checks, columns)


def thread_numbers(available: int) -> list[int]:
    """1, 2, 4, ... and all.

    !!! Example

        >>> from neuro4d.bench import thread_numbers
        >>> thread_numbers(6)
        [1, 2, 4, 6]
    """
    powers = [1 << k for k in range(available.bit_length()) if 1 << k <= available]
    return sorted({*powers, available})


def batch(peers: tuple[str, ...], quick: bool, full: bool) -> Outcome:
    """1 to 256 trials of the COBA network in one program; lane by lane the same bits as with fewer lanes."""
    del peers, full
    lanes = (1, 2, 4) if quick else (1, 2, 4, 8, 16, 32, 64, 128, 256)
    timing = {"warm_ms": 20.0, "duration_ms": 20.0 if quick else 100.0, "repeats": 2 if quick else 3}
    rows: list[dict[str, Any]] = []
    for n in lanes:
        found = measure({"kind": "trials", "network": {"name": "coba"}, "lanes": n, "most_lanes": max(lanes), **timing})
        trial = median(found["seconds"]) / n / timing["duration_ms"] * 1e5
        rows.append(
            {**found, "lanes": n, "us_per_trial_step": trial, "relative": trial / (rows[0]["us_per_trial_step"] if rows else trial)}
        )
    most = rows[-1]["digests"]
    equal = all(row["digests"] == most[: row["lanes"]] for row in rows)
    checks = [Check("every trial gives the same spikes, alone or among others", equal, f"{len(most)} trials")]
    columns = (
        Column("lanes", "trials", "d"),
        Column("us_per_trial_step", "µs per step and trial", ".2f"),
        Column("relative", "relative to one alone", ".2f"),
        Column("rate", "rate (Hz)", ".2f"),
        Column("compile_s", "compile (s)", ".2f"),
        Column("peak_gb", "peak (GB)", ".2f"),
    )
    return Outcome(rows, checks, columns)


def fixed(peers: tuple[str, ...], quick: bool, full: bool) -> Outcome:
    """One step of 100 neurons, where nothing but the overhead counts."""
    del peers, full
    specs = {
        "voltage jumps, 10 synapses each": {"name": "pulses", "n": 100, "p": 0.1},
        "conductances, 10 synapses each": {"name": "dense_coba", "n": 100, "k": 10},
    }
    steps = 2000 if quick else 100_000
    rows = []
    for label, spec in specs.items():
        for backend in ("auto", "reference"):
            for number in sorted({1, len(cores())}):
                job = {"kind": "steps", "network": spec, "backend": backend, "steps": steps, "repeats": 2 if quick else 5}
                found = measure(job, number)
                for form, seconds in found["seconds"].items():
                    row = {**found, "seconds": seconds, "case": label, "backend": backend, "threads": number, "form": form}
                    rows.append({**row, "us_per_step": median(seconds) / steps * 1e6})
    columns = (
        Column("case", "network"),
        Column("backend", "backend"),
        Column("threads", "threads", "d"),
        Column("form", "form"),
        TIMES[0],
        Column("spikes_per_step", "spikes per step", ".2f"),
    )
    notes = (
        "scan: compiled loop, nothing kept. recorded: `simulate` with all spikes. called: one jitted `model.step` per call from Python.",
    )
    return Outcome(rows, [], columns, notes)


def delivery(peers: tuple[str, ...], quick: bool, full: bool) -> Outcome:
    """Delivery alone: rows of 1,000 synapses and of 80, sums that stay in cache, one weight for all or one per synapse."""
    del peers, full
    rows = []
    for targets, row in ((10_000, 1000), (50_000, 1000), (10_000, 80)):
        sources = 500 if quick else min(8_000_000 // row, 20_000)
        spec = {"name": "fan", "sources": sources, "active": sources, "rate_hz": 1.0, "row": row, "silent_row": 0, "targets": targets}
        for kind in ("one", "edge"):
            for backend in ("auto", "reference"):
                for number in sorted({1, len(cores())}) if backend == "auto" else [1]:
                    job = {"kind": "delivery", "network": spec | {"weights": kind}, "backend": backend, "spikes": min(100, sources)}
                    found = measure(job | {"steps": 50 if quick else 500, "repeats": 2 if quick else 7}, number)
                    events = found["events"] * (50 if quick else 500)
                    nanoseconds = median(found["seconds"]) / events * 1e9
                    rows.append(
                        {
                            **found,
                            "targets": targets,
                            "row": row,
                            "weights": kind,
                            "backend": backend,
                            "threads": number,
                            "ns_per_event": nanoseconds,
                        }
                    )
    checks = []
    for targets, row, kind in dict.fromkeys((r["targets"], r["row"], r["weights"]) for r in rows):
        sums = {r["digest"] for r in rows if (r["targets"], r["row"], r["weights"]) == (targets, row, kind)}
        checks.append(
            Check(f"{targets} targets, rows of {row}, {kind}: the same sums by every way", len(sums) == 1, f"{len(sums)} distinct")
        )
    columns = (
        Column("targets", "targets", ","),
        Column("row", "synapses per row", ","),
        Column("weights", "weights"),
        Column("ids", "ids"),
        Column("backend", "backend"),
        Column("threads", "threads", "d"),
        Column("ns_per_event", "ns per event", ".3f"),
        Column("synapses", "synapses", ","),
    )
    return Outcome(rows, checks, columns)


def events(peers: tuple[str, ...], quick: bool, full: bool) -> Outcome:
    """Cost of a step as silent synapses are added, as spikes are added, and as rows grow: it follows events, not synapses."""
    del peers, full
    sources, targets, active = (1000, 1000, 100) if quick else (10_000, 10_000, 1000)
    base = {"name": "fan", "sources": sources, "active": active, "rate_hz": 200.0, "row": 100, "silent_row": 10, "targets": targets}
    few = (1, 100) if quick else (1, 10, 100, 1000, 5000)
    series: list[tuple[str, dict[str, Any]]] = [("more silent synapses", base | {"silent_row": row}) for row in few]
    series += [("more spikes", base | {"rate_hz": rate}) for rate in ((20.0, 2000.0) if quick else (20.0, 100.0, 500.0, 2000.0, 10_000.0))]
    series += [("longer rows", base | {"row": row}) for row in ((10, 500) if quick else (10, 50, 200, 1000, 4000))]
    steps = 200 if quick else 5000
    rows = []
    for label, spec in series:
        found = measure({"kind": "steps", "network": spec, "steps": steps, "repeats": 2 if quick else 5, "calls": 1})
        fired = -math.expm1(-spec["rate_hz"] * 1e-4) * active  # a relay fires once, however many arrive in a step
        seconds = found["seconds"]["scan"]
        row = {**found, "seconds": seconds, "series": label, "spikes_per_step": fired, "events_per_step": fired * spec["row"]}
        rows.append({**row, "us_per_step": median(seconds) / steps * 1e6})
    silent = [row["us_per_step"] for row in rows if row["series"] == "more silent synapses"]
    growth = rows[len(few) - 1]["synapses"] / rows[0]["synapses"]
    detail = f"{growth:.0f} times the synapses, {silent[-1] / silent[0]:.2f} times the time"
    limit = 3.0 if quick else 1.5
    checks = [Check("silent synapses cost nothing", silent[-1] <= limit * silent[0], detail)]
    columns = (
        Column("series", "what grows"),
        Column("synapses", "synapses", ","),
        Column("spikes_per_step", "spikes per step", ".1f"),
        Column("events_per_step", "events per step", ",.0f"),
        TIMES[0],
    )
    return Outcome(rows, checks, columns)
