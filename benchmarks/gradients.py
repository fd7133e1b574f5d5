"""Every gradient of a rate next to the slope that is measured: makes `benchmarks/results/gradients.json` and the table of a page.

    python benchmarks/gradients.py [--networks e-only coba ...] [--methods measured Differences ...] [--trials 64] [--again]
    python benchmarks/gradients.py --quick --json quick.json    # does it work? one network, three methods, few runs
    python benchmarks/gradients.py --page                       # the table in docs/explain/gradients.md, from the file

What is in the file already is kept, unless `--again` is given, so that a run can be continued. It says nothing about speed, so it may run
on a busy machine; the file holds the seconds of every entry.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import brainunit as u
import jax.random as jr

import neuro4d as n4

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "benchmarks" / "results" / "gradients.json"
PAGE = ROOT / "docs" / "explain" / "gradients.md"
BEGIN, END = "<!-- table: made by benchmarks/gradients.py -->", "<!-- end of table -->"


class Case(NamedTuple):
    """A network: how it is made, whose rate is looked at, for how long, and the four places."""

    title: str
    make: Callable[[], n4.Model]
    population: str
    duration: Any
    discard: Any
    places: dict[str, Any]


def small(weight: float) -> n4.Model:
    """100 LIF neurons, each driven by 10 Poisson sources of 100 Hz, with excitatory synapses among them or without."""
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV, t_ref=5 * u.ms)
    source = n4.Population("source", 100, n4.PoissonNeuron(rate=100 * u.Hz))
    cells = n4.Population("cells", 100, lif, {"exc": n4.ExpCurrent(tau=5 * u.ms)}, v0=n4.Uniform(-60 * u.mV, -50 * u.mV))
    parts = [
        source,
        cells,
        n4.Projection("in", source, cells, "exc", n4.FixedInDegree(10), weight=40 * u.pA),
        n4.Clamp("drive", cells, 50 * u.pA),
    ]
    if weight:
        parts.append(n4.Projection("e", cells, cells, "exc", n4.FixedProb(0.1), weight=weight * u.pA))
    return n4.Network(*parts).build(dt=0.1 * u.ms, seed=0)


def cells(weight: str) -> dict[str, Any]:
    return {
        "threshold": lambda m: m.neurons["cells"].v_th,
        "weight": n4.Weights(weight),
        "tau": lambda m: m.neurons["cells"].tau,
        "drive": lambda m: m.sources["drive"].amplitude,
    }


BRUNEL = {
    "threshold": lambda m: m.neurons["exc"].v_th,
    "weight": n4.Weights("exc-exc"),
    "tau": lambda m: m.neurons["exc"].tau,
    "drive": lambda m: next(iter(m.banks.values())).mean,
}
CASES = {
    "uncoupled": Case("100 neurons, uncoupled", lambda: small(0), "cells", 1 * u.second, 200 * u.ms, cells("in")),
    "e-only": Case("100 neurons, excitation of 5 pA", lambda: small(5), "cells", 1 * u.second, 200 * u.ms, cells("e")),
    "coba": Case("COBA, 4,000 neurons", lambda: n4.zoo.coba().build(dt=0.1 * u.ms, seed=0), "cells", 500 * u.ms, 200 * u.ms, cells("e")),
    "brunel-c": Case("Brunel C, scale 0.1", lambda: brunel("C"), "exc", 400 * u.ms, 100 * u.ms, BRUNEL),
    "brunel-a": Case("Brunel A, scale 0.1", lambda: brunel("A"), "exc", 300 * u.ms, 100 * u.ms, BRUNEL),
}
TRIALS = 64
"""Pairs of runs that a slope on the page is measured with."""

KNOWN = 0.1
"""The standard error, relative to the slope, below which a measured slope counts as known."""

LARGE = ("coba", "brunel-a", "brunel-c")
SHARE = 5
"""Gradients through every step of a large network, and the score function, look at one part in so many of the window."""

SHORT = ("EProp", "OTTT", "Surrogate", "Surrogate, undamped")
MEASURED = ("measured", "measured_short")
"""The slopes that others are compared with: in the whole window, and for large networks in the part of it that methods in `SHORT` look at."""


def brunel(regime: str) -> n4.Model:
    return n4.zoo.brunel(regime, scale=0.1).build(dt=0.1 * u.ms, seed=0)


def methods() -> dict[str, Any]:
    """Gradients by their name in the table; how many runs each takes on a small and on a large network."""
    bump = n4.SuperSpike(width=2 * u.mV)
    return {
        "Differences": lambda large: n4.train.Differences(),
        "EProp": lambda large: n4.train.EProp(bump, trials=1 if large else 4),
        "OTTT": lambda large: n4.train.OTTT(bump, trials=1 if large else 4),
        "Surrogate": lambda large: n4.train.Surrogate(bump, trials=1 if large else 4),
        "Surrogate, undamped": lambda large: n4.train.Surrogate(bump, trials=1 if large else 4, damping=1, truncate=None),
        "ScoreFunction": lambda large: n4.train.ScoreFunction(8 if large else 64, window=100 * u.ms),
    }


def belongs(method: str, name: str) -> bool:
    """The score function is for small networks; only on large ones is there something that looks at a part of the window."""
    return name not in LARGE if method == "ScoreFunction" else method != "measured_short" or name in LARGE


def measured(name: str, trials: int, short: bool = False) -> dict[str, Any]:
    """The slopes of a network by differences of independent trials."""
    case = CASES[name]
    model, where = case.make(), n4.train.places(case.places)
    began = time.perf_counter()
    found = n4.train.Differences(trials, most=trials, entries=1).estimate(model, where, rate(case, short), jr.key(1))
    return {
        "rate": found.value,
        "slope": {place: float(value) for place, value in found.gradient.items()},
        "error": {place: float(value) for place, value in (found.stderr or {}).items()},
        "runs": found.trials,
        "seconds": round(time.perf_counter() - began, 1),
    }


def rate(case: Case, short: bool = False) -> Any:
    """The statistic, of the whole window or of a part of it."""
    share = SHARE if short else 1
    return n4.train.Rate(case.population, case.duration / share, discard=case.discard / share)


def estimated(name: str, method: str) -> dict[str, Any]:
    """What a gradient says of every place; a place that it refuses is a sentence."""
    case, large = CASES[name], name in LARGE
    model, own = case.make(), None
    statistic = rate(case, large and method in SHORT)
    began = time.perf_counter()
    if method == "ScoreFunction":  # another network, with a slope of its own
        model, statistic = n4.train.with_escape_noise(model, rate=1 * u.kHz, width=1 * u.mV), rate(case, True)
        own = n4.train.Differences(32, most=32, entries=1).estimate(model, n4.train.places(case.places), statistic, jr.key(1))
    gradient, rows, left = methods()[method](large), {}, dict(case.places)
    while left:
        try:
            found = gradient.estimate(model, n4.train.places(left), statistic, jr.key(2))
            rows |= {place: row(model, case, found, own, place) for place in left}
            break
        except ValueError as refusal:  # it names the place that it does not know
            unknown = [place for place in left if repr(place) in str(refusal)] or list(left)
            rows |= {place: {"refused": str(refusal)} for place in unknown}
            left = {place: at for place, at in left.items() if place not in unknown}
    return {"rows": rows, "seconds": round(time.perf_counter() - began, 1)}


def row(model: n4.Model, case: Case, found: Any, own: Any, place: str) -> dict[str, Any]:
    """A slope as it is kept: JSON has no infinity. `own`: the measured slopes of another network than the measured one."""
    value, error = (x if math.isfinite(x) else None for x in n4.train.slope_along(model, case.places, found, place))
    truth = (
        {} if own is None else dict(zip(("measured", "measured_error"), n4.train.slope_along(model, case.places, own, place), strict=True))
    )
    return {"slope": value, "error": error, **truth}


def run(file: Path, networks: list[str], chosen: list[str], trials: int, again: bool) -> None:
    result = json.loads(file.read_text()) if file.exists() else {"format": 1, "trials": trials, "networks": {}}
    for name in networks:
        entry = result["networks"].setdefault(name, {"title": CASES[name].title, "methods": {}})
        for method in chosen:
            kept = entry if method in MEASURED else entry["methods"]
            if not belongs(method, name) or (method in kept and not again):
                continue
            kept[method] = measured(name, trials, method == "measured_short") if method in MEASURED else estimated(name, method)
            file.write_text(json.dumps(result, indent=1) + "\n")
            print(name, method, kept[method], flush=True)


def table(result: dict[str, Any]) -> list[str]:
    """The lines of the page: ratios to the measured slope, with words where a ratio says nothing."""
    lines = []
    for name, entry in compared(result).items():
        truth, short = entry["measured"], entry.get("measured_short")
        places = list(truth["slope"])
        lines += [f"**{entry['title']}**, {truth['rate']:.1f} Hz. {windows(name, short is not None)}", ""]
        lines += ["| | " + " | ".join(places) + " |", "|---" * (len(places) + 1) + "|"]
        lines.append(slopes("measured slope", truth))
        if short:
            lines.append(slopes(f"measured slope, {spans(CASES[name], True)}", short))
        for method in methods():
            if method in entry["methods"]:
                rows, base = entry["methods"][method]["rows"], short if short and method in SHORT else truth
                lines.append(f"| {method} | " + " | ".join(cell(rows[p], base, p) for p in places) + " |")
                if method == "EProp":
                    lines.append("| EProp, calibrated by the threshold | " + " | ".join(calibrated(rows, base, p) for p in places) + " |")
        lines.append("")
    return [*lines, missing(result), ""]


def compared(result: dict[str, Any]) -> dict[str, Any]:
    """The networks with something to compare with."""
    return {name: entry for name, entry in result["networks"].items() if "measured" in entry}


def spans(case: Case, short: bool) -> str:
    """The time that counts."""
    return f"{float(case.duration.to_decimal(u.ms)) / (SHARE if short else 1):g} ms"


def windows(name: str, measured_there: bool) -> str:
    """Which method looks at which time, and what it is compared with."""
    case = CASES[name]
    if name not in LARGE:
        return f"All methods look at {spans(case, False)}, only `ScoreFunction` at {spans(case, True)}."
    other = (
        "the slope measured in the same time" if measured_there else f"the slope of {spans(case, False)}, the only one that was measured"
    )
    return (
        f"`Differences` looks at {spans(case, False)}. `EProp`, `OTTT` and `Surrogate` look at a part of that, {spans(case, True)}, "
        f"and are compared with {other}."
    )


def slopes(title: str, truth: dict[str, Any]) -> str:
    """A row of measured slopes with their standard errors."""
    return f"| {title} | " + " | ".join(f"{slope:.3g} ± {truth['error'][place]:.1g}" for place, slope in truth["slope"].items()) + " |"


def missing(result: dict[str, Any]) -> str:
    """What the file does not have, in a sentence."""
    lines = []
    for name, case in CASES.items():
        entry = compared(result).get(name)
        lacks = [method for method in methods() if belongs(method, name) and (entry is None or method not in entry["methods"])]
        lines += [f"{case.title}: " + ("all" if entry is None else ", ".join(f"`{method}`" for method in lacks))] if lacks else []
    return f"Not measured yet: {'; '.join(lines)}." if lines else "Every method that is meant for a network was run on it."


def calibrated(rows: dict[str, Any], truth: dict[str, Any], place: str) -> str:
    """What `Calibrated(EProp(), threshold)` says: the same times one number."""
    base = rows["threshold"]
    if "slope" not in rows[place] or not base.get("slope"):
        return "–"
    factor = truth["slope"]["threshold"] / base["slope"]
    return cell({"slope": factor * rows[place]["slope"]}, truth, place)


def cell(row: dict[str, Any], truth: dict[str, Any], place: str) -> str:
    """A ratio and its noise: bold where the sign is wrong, in parentheses where the measured slope is not known better than 10 %."""
    if "refused" in row:
        return "–"
    if row["slope"] is None:
        return "not finite"
    slope, error = row.get("measured", truth["slope"][place]), row.get("measured_error", truth["error"][place])
    if abs(slope) <= 2 * error:
        return "?"
    own, ratio = row.get("error"), row["slope"] / slope
    text = number(ratio, None if own is None else math.hypot(own, ratio * error) / abs(slope))
    text = text if error <= KNOWN * abs(slope) else f"({text})"
    return text if ratio >= 0 else f"**{text}**"


def number(ratio: float, noise: float | None) -> str:
    """As many digits as the noise leaves, two where it is not known; powers of ten only where they are needed."""
    if abs(ratio) >= 1000 or (not noise and 0 < abs(ratio) < 0.01):
        return f"{ratio:.0e}" + (f" ± {noise:.0e}" if noise else "")
    if not noise:
        return f"{round(ratio, 1 - math.floor(math.log10(abs(ratio)))):g}" if ratio else "0"
    digits = max(0, -math.floor(math.log10(noise)))
    return f"{ratio:.{digits}f} ± {noise:.{digits}f}"


def page(file: Path) -> None:
    text = PAGE.read_text()
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    made = "\n".join(table(json.loads(file.read_text())))
    PAGE.write_text(f"{head}{BEGIN}\n\n{made}\n{END}{tail}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--networks", nargs="+", choices=CASES, help="all if nothing is said, `uncoupled` with --quick")
    known = [*MEASURED, *methods()]
    parser.add_argument("--methods", nargs="+", choices=known, help="all if nothing is said, three with --quick")
    parser.add_argument("--trials", type=int, help="pairs of runs of a measured slope, 64 if nothing is said, 2 with --quick")
    parser.add_argument("--again", action="store_true", help="measure what the file has, too")
    parser.add_argument("--page", action="store_true", help="write the table of the page from the file")
    parser.add_argument("--quick", action="store_true", help="does it work? says nothing, and needs a file of its own")
    parser.add_argument("--json", type=Path, default=FILE, help="the file that is continued")
    given = parser.parse_args()
    if given.page:
        page(given.json)
        return
    trials = given.trials or (2 if given.quick else TRIALS)
    if trials < TRIALS and given.json.resolve() == FILE:
        parser.error(
            f"fewer than {TRIALS} pairs of runs do not belong into {FILE.name}; name another file, for example `--json quick.json`."
        )
    networks = given.networks or (["uncoupled"] if given.quick else list(CASES))
    chosen = given.methods or (["measured", "Differences", "EProp"] if given.quick else known)
    run(given.json, networks, chosen, trials, given.again)


if __name__ == "__main__":
    main()
