"""What placing a network on a chip saves: cores, chips, and the links that spikes pass, with recorded runs.

    python benchmarks/mapping.py --json benchmarks/results/mapping.json
    python benchmarks/mapping.py --full                                   # the microcircuit at full scale as well: minutes, 7 GiB
    python benchmarks/mapping.py --quick                                  # does it work?

Traffic is messages per step times the links that they pass, each destination core counted by itself. The baseline is `partition("sequential")` with cores on the mesh in their
order. Networks run for 300 ms; their first 100 ms do not count.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from typing import Any

import brainunit as u
import jax.random as jr
import numpy as np
from finish import add_common, finish, settle

import neuro4d as n4
from neuro4d.bench import Check, Column, Outcome

SIZES = {"seeds": (3, 1)}
TARGETS = ("loihi2", "spinnaker1")
COLUMNS = (
    Column("network", "network"),
    Column("target", "target"),
    Column("cores", "cores", ",.0f"),
    Column("chips", "chips", ".0f"),
    Column("order", "order"),
    Column("saved", "traffic saved %", ".1f"),
    Column("spread", "spread", ".1f"),
    Column("partition_s", "partition s", ".1f"),
    Column("place_s", "place s", ".1f"),
    Column("free", "deadlock free"),
)


def networks(quick: bool, full: bool) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """Networks by name, how they are made, and the orders in which neurons are given cores."""
    yield "lattice4d", lambda: n4.zoo.lattice4d(), ("sequential", "lattice", "graph")
    scales = (0.05,) if quick else (0.1, 0.3, 1.0) if full else (0.1, 0.3)
    for scale in scales:
        yield f"microcircuit, scale {scale:g}", lambda scale=scale: n4.zoo.microcircuit(scale=scale), ("sequential", "graph")


def recorded(network: Any) -> n4.hardware.Workload:
    model = network.build(dt=0.1 * u.ms, seed=0)
    run = n4.simulate(model, jr.key(0), 200 * u.ms, n4.Counts(), discard=100 * u.ms, progress=False)
    return n4.hardware.workload(model, run)


def rows(name: str, load: n4.hardware.Workload, orders: tuple[str, ...], seeds: int) -> Iterator[dict[str, Any]]:
    for target in map(n4.hardware.target, TARGETS):
        try:
            base = n4.hardware.partition(load, target)
        except n4.hardware.CapacityError as refused:
            print(f"{name} on {target.name}: {refused}", file=sys.stderr, flush=True)
            continue
        before = n4.hardware.hop_traffic(base)
        for order in orders:
            begin = time.perf_counter()
            cut = n4.hardware.partition(load, target, order)
            partitioned = time.perf_counter()
            placed = [n4.hardware.place(cut, seed=seed) for seed in range(seeds)]
            took = (time.perf_counter() - partitioned) / seeds
            saved = [100 * (1 - n4.hardware.hop_traffic(each) / before) for each in placed]
            row = {"network": name, "target": target.name, "cores": cut.n_cores, "chips": cut.n_chips, "order": order, "saved": float(np.mean(saved))}
            row |= {"spread": float(np.ptp(saved)), "each": saved, "partition_s": partitioned - begin, "place_s": took}
            row["free"] = "yes" if n4.hardware.is_deadlock_free(n4.hardware.route(placed[0])) else "no"
            print(row, file=sys.stderr, flush=True)
            yield row


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_common(parser, SIZES)
    parser.add_argument("--full", action="store_true", help="the microcircuit at full scale as well")
    given = parser.parse_args()
    settle(given, SIZES)
    found = [row for name, make, orders in networks(given.quick, given.full) for row in rows(name, recorded(make()), orders, given.seeds)]
    checks = [Check("routes of every placement are free of deadlock", all(row["free"] == "yes" for row in found), f"{len(found)} placements")]
    notes = ("Spread: the largest less the smallest of the seeds of the annealing. Cores may take any site of the chips in use.",)
    return finish("mapping", Outcome(found, checks, COLUMNS, notes), given.json, quick=given.quick)


if __name__ == "__main__":
    sys.exit(main())
