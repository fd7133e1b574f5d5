"""Published measurements next to what is predicted from public descriptions: makes `benchmarks/results/hardware.json` and the table of a page.

    python benchmarks/hardware.py           # predicts all rows of benchmarks/hardware_rows.py
    python benchmarks/hardware.py --page    # the table in docs/explain/hardware-validation.md, from the file

It measures nothing on this machine, so it may run on a busy one, and takes less than a minute.
"""

import argparse
import json
import math
import statistics
from pathlib import Path
from typing import Any

import jax.numpy as jnp
from hardware_rows import LEFT_OUT, Row, rows

import neuro4d as n4

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "benchmarks" / "results" / "hardware.json"
PAGE = ROOT / "docs" / "explain" / "hardware-validation.md"
BEGIN, END = "<!-- table: made by benchmarks/hardware.py -->", "<!-- end of table -->"
UNITS = {"time": "s", "energy": "J", "per event": "J", "power": "W"}
PREFIXES = ((1, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))


def predicted(row: Row) -> n4.hardware.Interval:
    """What the row asks for, with its band."""
    load = row.load()
    if row.step is None and not row.terms:
        cost = n4.hardware.estimate(load, target=row.target)
        return {"time": cost.latency, "energy": cost.energy_per_inference, "per event": cost.energy_per_event, "power": cost.power}[
            row.quantity
        ]
    return _of_step(row, load)


def _of_step(row: Row, load: Any) -> n4.hardware.Interval:
    """The same, where the time of a step is given or only some terms were measured."""
    counted = n4.hardware.meter(load, row.target)
    work = load.workload if isinstance(load, n4.hardware.Placement) else load
    spikes = jnp.asarray(work.spikes)
    time = counted.step_time(spikes) if row.step is None else n4.hardware.Interval(row.step)
    powers, events = counted.powers(), counted.events(spikes)
    unknown = set(row.terms) - set(powers) - set(events)
    if unknown:
        raise ValueError(f"{row.what}: no terms {sorted(unknown)}; known are {sorted({**powers, **events})}.")
    spent = [term for name, term in events.items() if not row.terms or name in row.terms]
    paid = [term for name, term in powers.items() if not row.terms or name in row.terms]
    zero = n4.hardware.Interval(0.0)
    if row.quantity == "power":
        return sum((term / time for term in spent), sum(paid, zero))
    energy = sum((term * 1.0 for term in spent), sum((term * time for term in paid), zero))
    if row.quantity == "energy":
        return energy * work.steps
    return energy / float(jnp.sum(jnp.asarray(work.arrivals)))


def result(row: Row) -> dict[str, Any]:
    """A row of the file."""
    found = predicted(row)
    low, value, high = (float(f"{float(x):.4g}") for x in (found.low, found.value, found.high))
    return {
        "chip": row.chip,
        "what": row.what,
        "unit": UNITS[row.quantity],
        "prediction": value,
        "low": low,
        "high": high,
        "measured": row.measured,
        "at_most": row.most,
        "inside": bool(low <= row.measured and (row.most or row.measured <= high)),
        "own": row.own,
        "inputs": row.inputs,
        "source": row.source,
    }


def run(file: Path) -> None:
    found = []
    for row in rows():
        found.append(result(row))
        print(line(found[-1]), flush=True)
    file.write_text(json.dumps({"format": 1, "rows": found, "summary": summary(found), "left_out": LEFT_OUT}, indent=1) + "\n")
    print(json.dumps(summary(found), indent=1))


def summary(found: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """How many measurements lie in their bands, how far predictions are off (the factor that half of them stay below), and how wide bands are."""
    groups = {"all": found, "others": [row for row in found if not row["own"]], "own": [row for row in found if row["own"]]}
    return {
        name: {
            "rows": len(some),
            "inside": sum(row["inside"] for row in some),
            "median_factor": round(
                statistics.median([max(row["prediction"] / row["measured"], row["measured"] / row["prediction"]) for row in some]), 3
            ),
            "median_band": round(statistics.median([row["high"] / row["low"] for row in some if row["low"] > 0]), 3),
        }
        for name, some in groups.items()
    }


def line(row: dict[str, Any]) -> str:
    """A row of the table."""
    size, prefix = next(((size, prefix) for size, prefix in PREFIXES if row["measured"] >= 0.9995 * size), PREFIXES[-1])
    text = lambda x: digits(x / size)  # noqa: E731
    measured = f"{'< ' if row['at_most'] else ''}{text(row['measured'])} {prefix}{row['unit']}"
    off = row["prediction"] / row["measured"]
    ratio = "" if row["at_most"] else f"{off:.2f}"
    inside = "yes" if row["inside"] else "**no**"
    name = f"{row['what']}{' °' if row['own'] else ''}"
    return f"| {row['chip']} | {name} | {text(row['prediction'])} | {text(row['low'])} to {text(row['high'])} | {measured} | {ratio} | {inside} |"


def digits(x: float) -> str:
    """Three digits, never as a power of ten."""
    return "0" if x == 0 else f"{x:.{max(0, 2 - math.floor(math.log10(abs(x))))}f}"


def table(data: dict[str, Any]) -> list[str]:
    """The lines of the page: the table, what it comes to, and inputs and source of every row."""
    counts = data["summary"]
    lines = ["| chip | network, quantity | prediction | band | measured | ratio | inside |", "|---|---|---|---|---|---|---|"]
    lines += [line(row) for row in data["rows"]]
    said = {"all": "Of all rows", "others": "Of rows that rest on no number of their own publication", "own": "Of those marked °"}
    lines += [""]
    for name, begin in said.items():
        c = counts[name]
        share = c["inside"] / c["rows"]
        lines.append(
            f"{begin}, {c['inside']} of {c['rows']} measurements ({share:.0%}) lie inside their band; half of the predictions are right within a factor of "
            f"{c['median_factor']:.2f}, and half of the bands are narrower than a factor of {c['median_band']:.2g} from end to end."
        )
    lines += ["", "What each prediction was given, and where the measurement is from:", ""]
    seen: set[str] = set()
    for row in data["rows"]:
        text = f"- {row['chip']}, {row['what']}: {row['inputs']}. {row['source']}."
        lines += [] if text in seen else [text]
        seen.add(text)
    lines += ["", "Left out:", ""]
    return [*lines, *[f"- {what}: {why}." for what, why in data["left_out"].items()]]


def page(file: Path, where: Path) -> None:
    head, rest = where.read_text().split(BEGIN)
    _, tail = rest.split(END)
    made = "\n".join(table(json.loads(file.read_text())))
    where.write_text(f"{head}{BEGIN}\n\n{made}\n\n{END}{tail}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--page",
        type=Path,
        nargs="?",
        const=PAGE,
        help="write the table of this page, that of the documentation if none is named, from the file",
    )
    parser.add_argument("--json", type=Path, default=FILE, help="the file that is written, or read")
    given = parser.parse_args()
    page(given.json, given.page) if given.page else run(given.json)


if __name__ == "__main__":
    main()
