"""What an estimate costs after the run, and what recording for it costs in the run: 100,000 neurons with 10 and 100 synapses each.

    python benchmarks/estimate.py --json benchmarks/results/estimate.json
    python benchmarks/estimate.py --quick                                   # does it work?

An estimate reads all synapses, cuts the network into cores, checks every limit and counts loads in windows of 10 ms. Runs with and without `n4.Counts(every=10*u.ms)`
take turns; the share is that of their medians.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import brainunit as u
import jax.random as jr
from finish import add_common, finish, settle

import neuro4d as n4
from neuro4d.bench import Check, Column, Outcome

SIZES = {"neurons": (100_000, 5_000), "repeats": (7, 2)}
TARGETS = ("loihi1", "loihi2", "spinnaker1", "spinnaker2", "truenorth", "cpu")
COLUMNS = (
    Column("network", "network"),
    Column("synapses", "synapses", ",.0f"),
    Column("target", "target"),
    Column("cores", "cores", ",.0f"),
    Column("best_s", "s, least", ".2f"),
    Column("median_s", "s, median", ".2f"),
    Column("recording", "recording costs %", ".1f"),
)


def network(n: int, fan: int) -> n4.Model:
    """Excitatory cells of random connections, driven to some tens of spikes per second."""
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV, t_ref=5 * u.ms)
    cells = n4.Population("cells", n, lif, {"exc": n4.ExpCurrent(tau=5 * u.ms)})
    rec = n4.Projection("rec", cells, cells, "exc", n4.FixedProb(fan / n), weight=0.5 * u.pA, delay=1.5 * u.ms)
    drive = n4.Poisson("drive", cells, "exc", rate=2 * u.kHz, weight=22 * u.pA)
    return n4.Network(cells, rec, drive).build(dt=0.1 * u.ms, seed=0)


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    begin = time.perf_counter()
    found = call()
    return found, time.perf_counter() - begin


def rows(n: int, fan: int, repeats: int) -> Iterator[dict[str, Any]]:
    model = network(n, fan)

    def run(*recorders: Any) -> Any:
        found = n4.simulate(model, jr.key(0), 200 * u.ms, *recorders, progress=False)
        found.state.step.block_until_ready()
        return found

    counts = n4.Counts(every=10 * u.ms)
    recorded = (run(counts), run())[0]
    with_, without = [], []
    for _ in range(repeats):
        with_.append(timed(lambda: run(counts))[1])
        without.append(timed(run)[1])
    share = 100 * (statistics.median(with_) / statistics.median(without) - 1)
    for target in TARGETS:
        row = {"network": f"{n:,} x {fan}", "synapses": model.n_synapses, "target": target, "recording": share}
        try:
            found = [timed(lambda target=target: n4.hardware.estimate(model, recorded, target)) for _ in range(repeats)]
        except n4.hardware.CapacityError as refused:
            print(f"{row['network']} on {target}: {refused}", file=sys.stderr, flush=True)
            continue
        times = [seconds for _, seconds in found]
        row |= {"cores": found[0][0].cores, "best_s": min(times), "median_s": statistics.median(times), "each": times, "with": with_, "without": without}
        print({k: v for k, v in row.items() if k not in ("each", "with", "without")}, file=sys.stderr, flush=True)
        yield row


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_common(parser, SIZES)
    given = parser.parse_args()
    settle(given, SIZES)
    found = [row for fan in (10, 100) for row in rows(given.neurons, fan, given.repeats)]
    slowest = max(row["median_s"] for row in found)
    recording = max(row["recording"] for row in found)
    checks = [
        Check("an estimate takes at most 1 s", slowest <= 1, f"{slowest:.2f} s at most"),
        Check("recording costs at most 10 %", recording <= 10, f"{recording:.1f} % at most"),
    ]
    return finish("estimate", Outcome(found, checks, COLUMNS, ()), given.json, quick=given.quick)


if __name__ == "__main__":
    sys.exit(main())
