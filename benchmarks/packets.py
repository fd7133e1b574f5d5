"""Packets of networks on chips: delays that are simulated link by link, next to delays that are counted, and ways that follow the load next to dimension order.

    python benchmarks/packets.py --json benchmarks/results/packets.json
    python benchmarks/packets.py --quick                                  # does it work?

Five networks: recorded runs of COBA and of the lattice of `n4.zoo.lattice4d()`, a classifier of three layers, a random graph, and one in which all reach one neuron. Cores hold few
neurons, so that networks of this size fill many: 32 on Loihi, 16 on a board of 48 chips of SpiNNaker, where cores lie anywhere. All spikes of a step are sent at its begin, and
no packet is dropped, so that delays can be counted; what routers of SpiNNaker would lose with their buffers and their patience is in a column of its own.
"""

import argparse
import itertools
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

import brainunit as u
import jax.random as jr
import msgspec
import numpy as np
from finish import add_common, finish, settle

import neuro4d as n4
from neuro4d.bench import Check, Column, Outcome

SIZES = {"steps": (20, 3)}
TARGETS = {"loihi1": 32, "spinnaker1": 16}
BOARD = "spin1-48chip"
ALGORITHMS = ("dimension_order", "deadlock_free_adaptive")
EXACT = 1 + 1e-9
COLUMNS = (
    Column("network", "network"),
    Column("target", "target"),
    Column("routes", "routes"),
    Column("deliveries", "deliveries", ",.0f"),
    Column("links", "links each", ".2f"),
    Column("free", "without queues ns", ",.1f"),
    Column("low", "counted from", ",.1f"),
    Column("high", "to", ",.1f"),
    Column("mean", "simulated ns", ",.1f"),
    Column("p99_low", "99 % counted from", ",.0f"),
    Column("p99_high", "to", ",.0f"),
    Column("p99", "simulated", ",.0f"),
    Column("lost", "lost %", ".1f"),
    Column("busiest", "busiest link", ",.1f"),
    Column("deadlock_free", "deadlock free"),
)

Made = tuple[n4.hardware.Workload, Any]


def recorded(network: Any, duration: Any) -> Made:
    model = network.build(dt=0.1 * u.ms, seed=0)
    run = n4.simulate(model, jr.key(0), duration, n4.Spikes(), progress=False)
    return n4.hardware.workload(model, run), run


def drawn(n: int, pre: np.ndarray, post: np.ndarray, spikes: float) -> Made:
    return n4.hardware.layered(["all"], [n], pre, post, np.full(n, spikes), dt=1 * u.ms, steps=100), None


def layers(rng: np.random.Generator) -> Made:
    sizes = [784, 512, 512]
    pairs = [np.divmod(np.flatnonzero(rng.random(a * b) < 0.5), b) for a, b in itertools.pairwise(sizes)]
    first = np.cumsum([0, *sizes])
    pre, post = (np.concatenate([pair[i] + first[layer + i] for layer, pair in enumerate(pairs)]) for i in (0, 1))
    return n4.hardware.layered(["in", "hidden", "out"], sizes, pre, post, np.full(sum(sizes), 0.05), dt=1 * u.ms, steps=100), None


def networks(quick: bool) -> dict[str, Callable[[], Made]]:
    rng, n = np.random.default_rng(0), 500 if quick else 2000
    return {
        "COBA": lambda: recorded(n4.zoo.coba(scale=0.1 if quick else 0.5), 100 * u.ms),
        "lattice4d": lambda: recorded(n4.zoo.lattice4d(), 100 * u.ms),
        "three layers": lambda: layers(rng),
        "random graph": lambda: drawn(n, *rng.integers(0, n, (2, 40 * n)), 0.02),
        "all to one": lambda: drawn(n, np.arange(n), np.zeros(n, int), 0.2),
    }


def placed(load: n4.hardware.Workload, name: str) -> n4.hardware.Placement:
    """Cores in their order on Loihi, anywhere on the board of SpiNNaker."""
    target = n4.hardware.target(name)
    neurons = msgspec.structs.replace(target.limits.neurons, value=TARGETS[name], low=TARGETS[name], high=TARGETS[name])
    target = msgspec.structs.replace(target, limits=msgspec.structs.replace(target.limits, neurons=neurons))
    if not target.chip.multicast:
        return n4.hardware.partition(load, target)
    target = n4.hardware.on_board(target, BOARD)
    found = n4.hardware.partition(load, target)
    site = np.random.default_rng(0).choice(target.chip.chips * target.chip.cores, found.n_cores, replace=False)
    return n4.hardware.Placement(target, load, found.core, site)


def rows(name: str, made: Made, steps: int) -> Iterator[dict[str, Any]]:
    load, run = made
    for target in TARGETS:
        placement = placed(load, target)
        time = placement.target.time
        how = {"steps": steps, "hop": time.hop.value * u.second, "link": time.link.value * u.second}
        for algorithm in ALGORITHMS:
            routes = n4.hardware.route(placement, algorithm=algorithm)
            counted = n4.hardware.network_delay(placement, run, routes=routes, **how)
            found = n4.hardware.packets(placement, run, routes=routes, buffer=math.inf, timeout=math.inf, **how)
            real = n4.hardware.packets(placement, run, routes=routes, **how)
            row = {"network": name, "target": target, "routes": algorithm.replace("_", " "), "cores": placement.n_cores}
            row |= {"deliveries": counted.deliveries, "links": counted.hops, "origin": counted.origin}
            numbers = {
                "free": counted.free.value,
                "low": counted.mean.low,
                "value": counted.mean.value,
                "high": counted.mean.high,
                "mean": found.mean,
            }
            numbers |= {"p99_low": counted.p99.low, "p99_high": counted.p99.high, "p99": found.quantile(0.99)}
            row |= {key: float(value) * 1e9 for key, value in numbers.items()}
            row |= {"lost": 100 * float(real.lost.sum()) / max(counted.deliveries, 1), "busiest": float(routes.load.max(initial=0))}
            row["deadlock_free"] = "yes" if n4.hardware.is_deadlock_free(routes) else "no"
            print(row, file=sys.stderr, flush=True)
            yield row


def inside(row: dict[str, Any], key: str, low: str, high: str) -> bool:
    return row[low] <= row[key] * EXACT and row[key] <= row[high] * EXACT


def checks(found: list[dict[str, Any]]) -> list[Check]:
    means = sum(inside(row, "mean", "low", "high") for row in found)
    tails = sum(inside(row, "p99", "p99_low", "p99_high") for row in found)
    widest = max(row["high"] / row["low"] for row in found)
    bare = sum(row["free"] < row["low"] for row in found)
    pairs = list(zip(found[::2], found[1::2], strict=True))
    calmer = [1 - b["busiest"] / a["busiest"] for a, b in pairs]
    by_target = {name: [less for less, (row, _) in zip(calmer, pairs, strict=True) if row["target"] == name] for name in TARGETS}
    off = [100 * (row["mean"] / row["value"] - 1) for row in found]
    return [
        Check("simulated mean delays lie in the counted band", means == len(found), f"{means} of {len(found)}; bands are up to a factor of {widest:.2f} wide, and means {min(off):+.1f} to {max(off):+.1f} % off their middle"),
        Check("so do 99th percentiles", tails == len(found), f"{tails} of {len(found)}"),
        Check("a count without queues lies below the band where packets wait", all(row["free"] < row["low"] or row["mean"] < 1.2 * row["free"] for row in found), f"below it in {bare} of {len(found)}"),
        Check("no link is busier by ways that follow the load", min(calmer) >= -1e-9, "; ".join(f"{name}: the busiest carries {100 * max(min(some), 0.0):.0f} to {100 * max(some):.0f} % less" for name, some in by_target.items())),
        Check("routes are free of deadlock", all(row["deadlock_free"] == "yes" for row in found), f"{len(found)} of {len(found)}"),
    ]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_common(parser, SIZES)
    given = parser.parse_args()
    settle(given, SIZES)
    found = [row for name, make in networks(given.quick).items() for row in rows(name, make(), given.steps)]
    notes = (
        "Counted and simulated at the middle of the bands of the target, which would come on top. Lost: with buffers and patience of the target.",
        "Busiest link: packets per step, mean over the run, with copies made in routers.",
    )
    return finish("packets", Outcome(found, checks(found), COLUMNS, notes), given.json, quick=given.quick)


if __name__ == "__main__":
    sys.exit(main())
