"""What neurons, receptors and stimuli beyond the plain network cost: `models`."""

from typing import Any

from neuro4d.bench._processes import measure
from neuro4d.bench._result import Check, Column, Outcome, median

CASES: tuple[tuple[str, dict[str, Any], float], ...] = (
    ("COBA", {"name": "coba_variant", "variant": "plain"}, 0.1),
    ("COBA, alpha receptors", {"name": "coba_variant", "variant": "alpha"}, 0.1),
    ("COBA, white noise", {"name": "coba_variant", "variant": "noise"}, 0.1),
    ("COBA, coloured noise", {"name": "coba_variant", "variant": "colored"}, 0.1),
    ("COBA, Poisson rates per neuron", {"name": "coba_variant", "variant": "poisson"}, 0.1),
    ("COBA, two groups", {"name": "coba_variant", "variant": "groups"}, 0.1),
    ("COBA, a neuron written in Python", {"name": "coba_variant", "variant": "own"}, 0.1),
    ("COBAHH, 4,000 × 80", {"name": "cobahh"}, 0.1),
    ("Izhikevich 2003, 1,000 × 1,000", {"name": "izhikevich2003"}, 1.0),
    ("30 groups of 50", {"name": "small_groups", "groups": 30, "n": 50}, 0.1),
    ("1,000 neurons, delays of 1 to 10,000 steps", {"name": "many_delays", "n": 1000, "longest_ms": 1000.0}, 0.1),
    ("10,000 AdEx, current", {"name": "alone", "conductance": False, "n": 10_000}, 0.1),
    ("10,000 AdEx, conductance", {"name": "alone", "conductance": True, "n": 10_000}, 0.1),
)


def models(peers: tuple[str, ...], quick: bool, full: bool) -> Outcome:
    """Networks beyond the plain one, in units of the plain one; the same bits on one thread as on all."""
    del peers, full
    timing = {"duration_ms": 50.0 if quick else 500.0, "repeats": 2 if quick else 7}
    rows, checks = [], []
    for label, spec, dt_ms in CASES:
        warm = 50.0 if quick or spec["name"] != "many_delays" else 1500.0  # until spikes of all ages are on their way
        job = {"kind": "network", "network": spec, "dt_ms": dt_ms, "warm_ms": warm, **timing}
        found, one = measure(job), measure(job, 1)
        checks.append(Check(f"{label}: the same bits on one thread", one["digest"] == found["digest"], f"{found['spikes']} spikes"))
        per_second = 1e3 / timing["duration_ms"]
        times = {"second": median(found["seconds"]), "least": min(found["seconds"]), "alone": median(one["seconds"])}
        rows.append({**found, "case": label, "dt_ms": dt_ms, **{name: value * per_second for name, value in times.items()}})
    steps = 500 if quick else 5000
    loop = measure({"kind": "loop", "network": {"name": "coba_variant", "variant": "input"}, "steps": steps, "repeats": timing["repeats"]})
    per_second = 1e4 / steps
    second, least = median(loop["seconds"]) * per_second, min(loop["seconds"]) * per_second
    rows.append({**loop, "case": "COBA, `model.step` in one's own scan", "second": second, "least": least, "dt_ms": 0.1})
    for row in rows:
        row["us_per_step"] = row["second"] * 1e3 * row["dt_ms"]
        row["relative"] = row["second"] / rows[0]["second"]
    columns = (
        Column("case", "network"),
        Column("second", "s per biological s", ".4f"),
        Column("least", "least", ".4f"),
        Column("alone", "on one thread", ".4f"),
        Column("us_per_step", "µs per step", ",.2f"),
        Column("relative", "times COBA", ".2f"),
        Column("compile_s", "compile (s)", ".2f"),
    )
    return Outcome(rows, checks, columns)
