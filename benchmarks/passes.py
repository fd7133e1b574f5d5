"""What passes make of networks on chips: less to do for the busiest core, more cores with shorter steps, and a cooler hottest tile.

    python benchmarks/passes.py --json benchmarks/results/passes.json
    python benchmarks/passes.py --quick                                  # does it work?

COBA with 1,000 neurons and the microcircuit at a tenth of its size run for 1.1 s, of which the first 100 ms do not count. `partition` fills cores in the order of the neurons; each
pass starts from there, with the values of the target files. `cool` may let packets pass half as many links more.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import brainunit as u
import jax.random as jr
from finish import add_common, finish, settle

import neuro4d as n4
from neuro4d.bench import Check, Column, Outcome

SIZES = {"duration": (1000, 50)}
TARGETS = ("loihi1", "loihi2", "spinnaker1")
MORE_HOPS = 0.5
COLUMNS = (
    Column("network", "network"),
    Column("target", "target"),
    Column("busiest", "busiest core saved %", ".0f"),
    Column("cores", "cores", ",.0f"),
    Column("spread_cores", "after `spread`", ",.0f"),
    Column("step_us", "step us", ".3g"),
    Column("spread_step_us", "after `spread`", ".3g"),
    Column("energy_nj", "energy of a step nJ", ",.0f"),
    Column("spread_energy_nj", "after `spread`", ",.0f"),
    Column("chips", "chips", ".0f"),
    Column("above", "hottest tile above mean K", ".2f"),
    Column("cooled", "cooled by K", ".2f"),
    Column("took_s", "passes s", ".1f"),
)


def networks(quick: bool) -> dict[str, Callable[[], Any]]:
    scale = 0.1 if quick else 0.25
    found: dict[str, Callable[[], Any]] = {f"COBA, {int(4000 * scale):,} neurons": lambda: n4.zoo.coba(scale=scale)}
    return found if quick else found | {"microcircuit, scale 0.1": lambda: n4.zoo.microcircuit(scale=0.1)}


def recorded(network: Any, duration: int) -> n4.hardware.Workload:
    """What a run of so many ms asks of a chip, in windows of 10 ms."""
    model = network.build(dt=0.1 * u.ms, seed=0)
    run = n4.simulate(model, jr.key(0), (100 + duration) * u.ms, n4.Counts(every=10 * u.ms), discard=100 * u.ms, progress=False)
    return n4.hardware.workload(model, run)


def rows(name: str, load: n4.hardware.Workload) -> Iterator[dict[str, Any]]:
    for target in TARGETS:
        placed = n4.hardware.partition(load, n4.hardware.target(target))
        begin = time.perf_counter()
        made = (n4.hardware.balance(placed), n4.hardware.spread(placed), n4.hardware.cool(placed, more_hops=MORE_HOPS))
        took = time.perf_counter() - begin
        even, wide, cool = (each.changes[-1] for each in made)
        row = {
            "network": name, "target": target, "took_s": took, "chips": placed.n_chips,
            "busiest": 100 * (1 - even.after["busiest"] / even.before["busiest"]),
            "cores": placed.n_cores, "spread_cores": made[1].n_cores,
            "step_us": 1e6 * wide.before["step_time"], "spread_step_us": 1e6 * wide.after["step_time"],
            "energy_nj": 1e9 * wide.before["energy"], "spread_energy_nj": 1e9 * wide.after["energy"],
            "above": cool.before["hottest"] - cool.before["mean"], "cooled": cool.before["hottest"] - cool.after["hottest"],
            "reports": [change._asdict() for change in (even, wide, cool)],
        }  # fmt: skip
        print({key: value for key, value in row.items() if key != "reports"}, file=sys.stderr, flush=True)
        yield row


def checks(found: list[dict[str, Any]]) -> list[Check]:
    loihi = [row for row in found if row["target"] != "spinnaker1"]
    gain = min(1 - row["spread_energy_nj"] / row["energy_nj"] for row in loihi)
    most = max(row["above"] for row in loihi)
    clocked = [row for row in found if row["target"] == "spinnaker1"]
    same = all(row["spread_cores"] == row["cores"] for row in clocked)
    return [
        Check("more cores save energy on Loihi", gain > 0, f"{100 * gain:.0f} % at least"),
        Check("more cores save none where a clock gives the step", same, f"{len(clocked)} networks on SpiNNaker 1"),
        Check("inside of a chip of Loihi the hottest tile is less than 0.2 K above the mean", most < 0.2, f"{most:.2f} K at most"),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_common(parser, SIZES)
    given = parser.parse_args()
    settle(given, SIZES)
    found = [row for name, make in networks(given.quick).items() for row in rows(name, recorded(make(), given.duration))]
    notes = (
        "Each pass from cores that are filled in the order of the neurons. Step and energy are those of the run. A tile is cooled for packets that pass at most half as many links more; "
        "0 where that would be less than 0.1 K.",
    )
    return finish("passes", Outcome(found, checks(found), COLUMNS, notes), given.json, quick=given.quick)


if __name__ == "__main__":
    sys.exit(main())
