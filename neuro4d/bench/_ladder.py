"""From a Python loop to a batch: what each step of making a simulation faster brings."""

from typing import Any

from neuro4d._base import cores
from neuro4d.bench._processes import accelerator, measure
from neuro4d.bench._result import Check, Column, Outcome, median

LANES = 64


def ladder(peers: tuple[str, ...], quick: bool, full: bool) -> Outcome:
    """One network of 1,000 neurons and 100,000 synapses, climbed from loops over Python objects to native kernels and batches."""
    del peers, full
    spec = {"name": "pulses", "n": 200 if quick else 1000, "p": 0.1}
    duration = 20.0 if quick else 500.0
    base = {"network": spec, "duration_ms": duration}
    hand = [("Python loops over neurons and synapses", "python"), ("NumPy, dense matrix", "numpy")]
    hand += [
        ("jit of a dense step, called from Python", "jit"),
        ("compiled loop, dense matrix", "dense"),
        ("compiled loop, all synapses", "sparse"),
    ]
    rows = [
        rung(label, measure({"kind": "rung", "rung": name, **base, "repeats": 2 if quick or name == "python" else 3}), duration)
        for label, name in hand
    ]
    engine = {"kind": "network", **base, "warm_ms": 0.0, "repeats": 1}
    for label, backend in (("neuro4d, event-driven, plain XLA", "reference"), ("neuro4d, native kernels", "auto")):
        rows.append(repeated(label, engine | {"backend": backend}, duration, quick))
    lanes = 4 if quick else LANES
    trials = measure({"kind": "trials", **base, "warm_ms": 1.0, "lanes": lanes, "most_lanes": lanes, "repeats": 1 if quick else 3})
    trials["seconds"] = [seconds / lanes for seconds in trials["seconds"]]
    rows.append(rung(f"neuro4d, native kernels, {lanes} trials at once, each", trials, duration))
    device = accelerator()
    if device is not None:
        rows.append(repeated(f"neuro4d, {device['device']}", engine | {"platform": "any"}, duration, quick))
    for before, row in zip([rows[0], *rows], rows):
        row["step_ratio"] = before["us_per_step"] / row["us_per_step"]
        row["ratio"] = rows[0]["us_per_step"] / row["us_per_step"]
    columns = (
        Column("rung", "rung"),
        Column("us_per_step", "µs per step", ",.2f"),
        Column("step_ratio", "times the one above", ".2f"),
        Column("ratio", "times the first", ",.0f"),
        Column("rate", "rate (Hz)", ".2f"),
        Column("compile_s", "compile (s)", ".2f"),
    )
    return Outcome(
        rows, checks_of(rows, quick), columns, (f"{len(cores())} cores; the hand-written rungs decide alone how many they use.",)
    )


def repeated(label: str, job: dict[str, Any], duration: float, quick: bool) -> dict[str, Any]:
    """The engine from the same start several times: in one process a run goes on from the last."""
    found = [measure(job) for _ in range(2 if quick else 3)]
    seconds = [one["seconds"][0] for one in found]
    return rung(label, {**found[0], "seconds": seconds, "rate": found[0]["rates"]["cells"]}, duration)


def rung(label: str, found: dict[str, Any], duration: float) -> dict[str, Any]:
    """A row of the table."""
    return {**found, "rung": label, "us_per_step": median(found["seconds"]) / duration * 1e5}


def checks_of(rows: list[dict[str, Any]], quick: bool) -> list[Check]:
    """The same bits where the arithmetic is the same. Everywhere else the same rates.

    The native pass of a neuron equals that of XLA within two units in the last place of a step, so a spike may move by one step.
    """
    digest = {row["rung"]: row.get("digest") for row in rows}
    names = list(digest)
    xla, native = rows[5]["rate"], rows[6]["rate"]
    same = "equal" if digest[names[5]] == digest[names[6]] else "unequal"
    checks = [
        Check("Python and NumPy give the same spikes", digest[names[0]] == digest[names[1]], "double precision"),
        Check("a dense matrix and a list of synapses give the same spikes", digest[names[3]] == digest[names[4]], "single precision"),
        Check("plain XLA and native kernels agree", abs(xla - native) <= 0.02 * xla + 0.1, f"{xla:.3f} and {native:.3f} Hz, {same} bits"),
    ]
    rates = [row["rate"] for row in rows]
    width = max(rates) - min(rates)
    allowed = (0.5 if quick else 0.1) * max(rates) + 0.2
    return [*checks, Check("rates agree", width <= allowed, " ".join(f"{rate:.2f}" for rate in rates) + " Hz")]
