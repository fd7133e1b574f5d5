"""How speed depends on the size of a network: `seeds` and `backends`."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from neuro4d._base import cores
from neuro4d.bench._processes import accelerator, measure
from neuro4d.bench._result import Check, Column, Outcome, median


class Size(NamedTuple):
    """A row of the first table of expectations: neurons, connection probability, and steps per second that were promised."""

    n: int
    p: float
    promised: tuple[float, float]


SIZES = (
    Size(100, 0.01, (1000.0, math.inf)),
    Size(1000, 0.01, (100.0, 200.0)),
    Size(10_000, 0.01, (10.0, 20.0)),
    Size(100_000, 0.001, (1.0, 2.0)),
)


def seeds(peers: tuple[str, ...], quick: bool, full: bool) -> Outcome:
    """Steps of 1 ms per second for 100 to 100,000 neurons of two kinds, next to what plain Python objects were expected to give."""
    del peers, full
    rows = []
    for size in SIZES[:3] if quick else SIZES:
        steps = 500 if quick else max(1000, min(50_000, 20_000_000 // size.n))
        for model in ("lif", "izhikevich"):
            spec = {"name": "sparse", "model": model, "n": size.n, "p": size.p}
            timing = {"warm_ms": 200.0, "duration_ms": float(steps), "repeats": 2 if quick else 5}
            found = measure({"kind": "network", "network": spec, "dt_ms": 1.0, **timing})
            rate = found["rates"]["cells"]
            low, high = size.promised
            promised = f"{low:g}+" if math.isinf(high) else f"{low:g}-{high:g}"
            per_second = steps / median(found["seconds"])
            row = {
                "model": model,
                "p": size.p,
                "steps": steps,
                "steps_per_s": per_second,
                "promised": promised,
                "times": per_second / low,
                "rate": rate,
            }
            rows.append({**found, **row})
    checks = [
        Check(f"{row['neurons']} {row['model']}: the network is active", 0.2 < row["rate"] < 100.0, f"{row['rate']:.2f} Hz") for row in rows
    ]
    columns = (
        Column("neurons", "neurons", ","),
        Column("model", "model"),
        Column("synapses", "synapses", ","),
        Column("rate", "rate (Hz)", ".2f"),
        Column("steps_per_s", "steps per s", ",.0f"),
        Column("promised", "expected of Python objects"),
        Column("times", "ratio", ",.0f"),
        Column("compile_s", "compile (s)", ".2f"),
    )
    return Outcome(rows, checks, columns)


BACKEND_SIZES = (1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000)


def backends(peers: tuple[str, ...], quick: bool, full: bool) -> Outcome:
    """The driven COBA network with 80 synapses per neuron, 1,000 to 1,000,000 neurons: plain XLA, native kernels, accelerator."""
    del peers, full
    device = accelerator()
    ways: list[tuple[str, dict[str, Any], int | None]] = [("reference", {"backend": "reference"}, len(cores()))]
    ways += [(f"native, {n} thread{'s' if n > 1 else ''}", {"backend": "auto"}, n) for n in sorted({1, len(cores())})]
    if device is not None:
        ways.append((str(device["device"]), {"backend": "auto", "platform": "any"}, None))
    rows, checks = [], []
    for n in BACKEND_SIZES[:2] if quick else BACKEND_SIZES:
        # As many steps as the plainest way can do in a few seconds, in whole chunks of 10 ms.
        duration = 20.0 if quick else max(10.0, min(1000.0, 10.0 * round(1e6 / n)))
        digests = {}
        for label, choice, threads in ways:
            timing = {"warm_ms": 20.0 if quick else 50.0, "duration_ms": duration, "repeats": 2 if quick else 3}
            found = measure({"kind": "network", "network": {"name": "coba", "scale": n / 4000}, **timing, **choice}, threads)
            step = median(found["seconds"]) / (duration * 10.0) * 1e6
            rows.append({**found, "way": label, "us_per_step": step, "ns_per_neuron": step * 1e3 / n, "rate": found["rates"]["cells"]})
            if threads is not None:
                digests[label] = found["digest"]
        native = {digest for label, digest in digests.items() if label.startswith("native")}
        checks.append(
            Check(f"{n:,} neurons: native spikes are the same for any number of threads", len(native) == 1, f"{len(native)} distinct")
        )
        rates = [row["rate"] for row in rows if row["neurons"] == n]
        checks.append(
            Check(f"{n:,} neurons: rates agree", max(rates) - min(rates) <= 0.1 * max(rates) + 0.5, " ".join(f"{r:.2f}" for r in rates))
        )
    columns = (
        Column("neurons", "neurons", ","),
        Column("synapses", "synapses", ","),
        Column("way", "computed by"),
        Column("us_per_step", "µs per step", ",.1f"),
        Column("ns_per_neuron", "ns per neuron", ".2f"),
        Column("rate", "rate (Hz)", ".2f"),
        Column("build_s", "build (s)", ".2f"),
        Column("compile_s", "compile (s)", ".2f"),
        Column("peak_gb", "peak (GB)", ".2f"),
    )
    return Outcome(rows, checks, columns, tuple(break_even(rows, "reference", label) for label, _, _ in ways[1:]))


def break_even(rows: Sequence[dict[str, Any]], slow: str, fast: str) -> str:
    """Where one way overtakes the other, interpolated between the sizes on logarithmic axes."""
    sizes = sorted({row["neurons"] for row in rows})
    time = {(row["neurons"], row["way"]): row["us_per_step"] for row in rows}
    gains = [math.log(time[n, slow] / time[n, fast]) for n in sizes]
    if all(gain > 0 for gain in gains):
        return f"{fast}: faster than {slow} at every size, {math.exp(min(gains)):.2g} to {math.exp(max(gains)):.2g} times."
    if all(gain <= 0 for gain in gains):
        return f"{fast}: slower than {slow} at every size."
    points = []
    for n, m, a, b in zip(sizes, sizes[1:], gains, gains[1:]):
        if (a > 0) != (b > 0):
            at = math.exp(math.log(n) + (math.log(m) - math.log(n)) * a / (a - b))
            points.append(f"{'faster' if b > 0 else 'slower'} than {slow} from about {at:,.0f} neurons on")
    return f"{fast}: {', '.join(points)}."
