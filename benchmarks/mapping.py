"""What placing a network on a chip saves: cores, chips, and the links that spikes pass, with recorded runs.

    python benchmarks/mapping.py --full --json benchmarks/results/mapping.json   # with the microcircuit at full scale: 20 minutes, 8 GiB
    python benchmarks/mapping.py                                                 # without it
    python benchmarks/mapping.py --quick                                         # does it work?

Traffic is messages per step times the links that they pass, each destination core counted by itself. The baseline is `partition("sequential")` with cores on the mesh in their
order: cores of a tile, tiles of a chip row by row, chips row by row in an array as square as their number allows. Networks run for 2.1 s; the first 100 ms do not count, the
next second is what is placed, and the last one says what is saved with spikes that were not known then.
"""

import argparse
import dataclasses
import sys
import time
from collections.abc import Iterator
from typing import Any

import brainunit as u
import jax.random as jr
import numpy as np
from finish import add_common, finish, settle

import neuro4d as n4
from neuro4d._base import peak_resident_gb
from neuro4d.bench import Check, Column, Outcome

SIZES = {"seeds": (5, 1)}
TARGETS = ("loihi2", "spinnaker2", "spinnaker1")
FULL, LATTICE = "microcircuit, scale 1", "lattice4d"
LONGEST, LARGEST = 120.0, 8.0
"""Seconds and GiB in which the full microcircuit should be mapped."""
MOST = 4096
"""Cores up to which routes are made."""
COLUMNS = (
    Column("network", "network"),
    Column("target", "target"),
    Column("before", "cores before", ",.0f"),
    Column("cores", "cores", ",.0f"),
    Column("chips", "chips", ".0f"),
    Column("order", "order"),
    Column("messages", "messages saved %", ".1f"),
    Column("saved", "traffic saved %", ".1f"),
    Column("spread", "spread", ".2f"),
    Column("unseen", "with other spikes %", ".1f"),
    Column("most", "at most %", ".1f"),
    Column("trees", "links of trees saved %", ".1f"),
    Column("partition_s", "partition s", ".1f"),
    Column("place_s", "place s", ".1f"),
    Column("peak", "peak GiB", ".1f"),
    Column("free", "deadlock free"),
)


def networks(quick: bool, full: bool) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """Networks by name, how they are made, and the orders in which neurons are given cores."""
    yield LATTICE, lambda: n4.zoo.lattice4d(), ("sequential", "lattice", "graph")
    scales = (0.05,) if quick else (0.1, 1.0) if full else (0.1,)
    for scale in scales:
        yield (
            f"microcircuit, scale {scale:g}",
            lambda scale=scale: n4.zoo.microcircuit(scale=scale),
            ("sequential", "graph") if scale < 1 else ("graph",),
        )


def recorded(network: Any) -> tuple[n4.hardware.Workload, np.ndarray]:
    """What one second of a run asks of a chip, and the spikes of the second after it."""
    model = network.build(dt=0.1 * u.ms, seed=0)
    run = n4.simulate(model, jr.key(0), 2.1 * u.second, n4.Counts(every=1 * u.second), discard=100 * u.ms, progress=False)
    load = n4.hardware.workload(model, run)
    first, second = np.asarray(load.windows, float)
    return dataclasses.replace(load, spikes=first, windows=first[None]), second


def counted(placement: n4.hardware.Placement, spikes: np.ndarray) -> np.ndarray:
    """Messages from core to core with these spikes."""
    other = dataclasses.replace(placement, workload=dataclasses.replace(placement.workload, spikes=spikes))
    vars(other)["fan_out"] = placement.fan_out
    return n4.hardware.traffic(other)


def hops(placements: list[n4.hardware.Placement], sent: np.ndarray) -> np.ndarray:
    return np.array([n4.hardware.hop_traffic(each, sent) for each in placements])


def links(placement: n4.hardware.Placement) -> tuple[float | None, str | None]:
    """Links of the multicast trees of all spikes where the chip has them, and whether routes are free of deadlock; of few enough cores."""
    if placement.n_cores > MOST:
        return None, None
    routes = n4.hardware.route(placement)
    return routes.hops if placement.chip.multicast else None, "yes" if n4.hardware.is_deadlock_free(routes) else "no"


def rows(name: str, load: n4.hardware.Workload, other: np.ndarray, orders: tuple[str, ...], seeds: int) -> Iterator[dict[str, Any]]:
    for target in map(n4.hardware.target, TARGETS):
        base = n4.hardware.partition(load, target)
        before = [float(hops([base], counted(base, spikes))[0]) for spikes in (np.asarray(load.spikes), other)]
        trees = links(base)[0]
        print(f"{name} on {target.name}: {base.n_cores} cores, {before[0]:.6g} hops", file=sys.stderr, flush=True)
        cores, sent = base.n_cores, base.changes[-1].after["messages"]
        del base  # its table has gigabytes
        for order in orders:
            row = mapped(load, other, target, order, seeds, before, trees)
            print(name, row, file=sys.stderr, flush=True)
            yield {"network": name, "before": cores, "messages": 100 * (1 - row["sent"] / sent), **row}


def mapped(
    load: n4.hardware.Workload,
    other: np.ndarray,
    target: n4.hardware.ChipTarget,
    order: str,
    seeds: int,
    before: list[float],
    trees: float | None,
) -> dict[str, Any]:
    begin = time.perf_counter()
    cut = n4.hardware.partition(load, target, order)
    partitioned = time.perf_counter()
    placed = [n4.hardware.place(cut, seed=seed, chips="square") for seed in range(seeds)]
    took = (time.perf_counter() - partitioned) / seeds
    peak = (peak_resident_gb() or np.nan) * 1e9 / 2**30
    saved = 100 * (1 - hops(placed, counted(cut, np.asarray(load.spikes))) / before[0])
    unseen = 100 * (1 - hops(placed, counted(cut, other)) / before[1])
    by_trees, free = links(placed[0])
    return {
        "target": target.name, "cores": cut.n_cores, "chips": cut.n_chips, "order": order, "saved": float(saved.mean()), "spread": float(np.ptp(saved)),
        "sent": cut.changes[-1].after["messages"], "each": saved.tolist(), "unseen": float(unseen.mean()), "most": 100 * (1 - n4.hardware.hop_bound(placed[0]) / before[0]),
        "trees": 100 * (1 - by_trees / trees) if trees and by_trees is not None else None,
        "partition_s": partitioned - begin, "place_s": took, "peak": peak, "free": free,
    }  # fmt: skip


def checks(found: list[dict[str, Any]]) -> list[Check]:
    routed = [row for row in found if row["free"]]
    listed = [
        Check("routes of every placement are free of deadlock", all(row["free"] == "yes" for row in routed), f"{len(routed)} placements")
    ]
    for row in found:
        if row["network"] == LATTICE and row["order"] == "graph":
            listed.append(
                Check(f"lattice network on {row['target']}: at least half is saved", min(row["each"]) >= 50, f"{min(row['each']):.1f} %")
            )
        if row["network"] == FULL and row["target"] != "spinnaker1":
            took = row["partition_s"] + row["place_s"]
            said = f"{took:.0f} s, {row['peak']:.1f} GiB"
            listed.append(
                Check(
                    f"full microcircuit on {row['target']}: in {LONGEST:.0f} s and {LARGEST:.0f} GiB",
                    took <= LONGEST and row["peak"] <= LARGEST,
                    said,
                )
            )
            said = f"{min(row['each']):.1f} %; no placement of these cores on the same chips saves more than {row['most']:.1f} %"
            listed.append(Check(f"full microcircuit on {row['target']}: at least 30 % is saved", min(row["each"]) >= 30, said))
    return listed


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_common(parser, SIZES)
    parser.add_argument("--full", action="store_true", help="the microcircuit at full scale as well")
    given = parser.parse_args()
    settle(given, SIZES)
    found = [row for name, make, orders in networks(given.quick, given.full) for row in rows(name, *recorded(make()), orders, given.seeds)]
    notes = (
        "Saved: against neurons and cores in their order; messages go from core to core, traffic is messages times links. Spread: the largest less the smallest of the seeds of the annealing. With other spikes: of the second after the one that was "
        "placed. At most: no placement of these cores on the same chips saves more (`hop_bound`). Links of trees: a multicast packet counted once on each link. Peak: of the whole process so far, the model included.",
    )
    return finish("mapping", Outcome(found, checks(found), COLUMNS, notes), given.json, quick=given.quick)


if __name__ == "__main__":
    sys.exit(main())
