"""What it costs to keep a run: runs with and without checkpoints in turns, and a model and its state saved and restored.

    python benchmarks/checkpoints.py --json benchmarks/results/checkpoints.json
    python benchmarks/checkpoints.py --quick                                              # does it work?

Networks: the microcircuit, whose weights stay, and Brunel's with synapses that learn, whose weights are part of every checkpoint; and the microcircuit as
published, which is saved and restored only. Checkpoints come much more often here than anybody wants them: the cost is shown as what is paid once (the
network is described, and tried) and what each checkpoint takes. `restore` contains neither the building of the model, which is given alone, nor compiling.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import brainunit as u
import jax
import numpy as np
from finish import script, seconds

import neuro4d as n4
from neuro4d.bench import Check, Column
from neuro4d.bench._result import median
from neuro4d.io.checkpoint._checkpoints import WALL_S
from neuro4d.runs._facts import spike_sum
from neuro4d.zoo import get

SIZES = {"percent": (10, 2), "duration-ms": (10_000, 100), "every-ms": (1000, 50), "repeats": (5, 1), "spilled-ms": (20_000, 100), "pairs": (10, 1), "published-percent": (100, 1)}
COLUMNS = (
    Column("network", "network"),
    Column("neurons", "neurons", ",.0f"),
    Column("synapses", "synapses", ",.0f"),
    Column("run_s", "run s", ".2f"),
    Column("kept_s", "kept s", ".2f"),
    Column("checkpoints", "checkpoints", ".0f"),
    Column("share", "cost %", ".1f"),
    Column("begin_s", "s once", ".2f"),
    Column("each_ms", "ms each", ".0f"),
    Column("spill", "spikes on disk %", ".1f"),
    Column("mb", "MB saved", ".1f"),
    Column("times_numbers", "times its numbers", ".2f"),
    Column("save_s", "save s", ".2f"),
    Column("build_s", "build s", ".2f"),
    Column("restore_s", "restore s", ".2f"),
)

WATCHED = ("microcircuit", "synapses that learn")
"""Networks that run with and without checkpoints."""


def learning(n: int) -> n4.Network:
    """Excitatory and inhibitory neurons of which the synapses among the former learn."""
    lif = n4.LIF(tau=20 * u.ms, c=250 * u.pF, v_rest=0 * u.mV, v_th=20 * u.mV, v_reset=10 * u.mV, t_ref=2 * u.ms)
    e = n4.Population("e", n, lif, {"in": n4.ExpCurrent(tau=2 * u.ms)}, v0=n4.Uniform(0 * u.mV, 19 * u.mV))
    i = n4.Population("i", n // 4, lif, {"in": n4.ExpCurrent(tau=2 * u.ms)}, v0=n4.Uniform(0 * u.mV, 19 * u.mV))
    rule = n4.STDP(w_max=90 * u.pA, a_plus=0.005, a_minus=0.00525)
    return n4.Network(
        e,
        i,
        n4.Projection("ee", e, e, "in", n4.FixedInDegree(min(100, n)), weight=45 * u.pA, delay=1.5 * u.ms, plasticity=rule),
        n4.Projection("ei", e, i, "in", n4.FixedInDegree(min(100, n)), weight=45 * u.pA, delay=1.5 * u.ms),
        n4.Projection("ie", i, e, "in", n4.FixedInDegree(min(25, n // 4)), weight=-225 * u.pA, delay=1.5 * u.ms),
        n4.Poisson("drive", e, "in", rate=9000 * u.Hz, weight=45 * u.pA),
    )


def rows(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    networks = {"microcircuit": get("microcircuit").network(given.percent / 100), "synapses that learn": learning(400 * given.percent)}
    networks["microcircuit, as published"] = get("microcircuit").network(given.published_percent / 100)
    for name, net in networks.items():
        began = time.perf_counter()
        model = net.build(dt=0.1 * u.ms, seed=0, progress=False)
        row = {"network": name, "neurons": model.n_neurons, "synapses": model.n_synapses, "build_s": time.perf_counter() - began}
        row |= saved(model, given)
        if name in WATCHED:
            row |= kept(model, given) | spilled(model, given)
        print(row, file=sys.stderr, flush=True)
        yield row


def kept(model: n4.Model, given: argparse.Namespace) -> dict[str, Any]:
    """Runs without checkpoints, with one at the end, and with many, in turns, without compiling."""
    start = model.init(jax.random.key(0))
    took: dict[str, list[float]] = {"without": [], "last": [], "many": []}
    counts = dict.fromkeys(took, 0)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(given.repeats + 1):
            for how, every in (("without", None), ("last", given.duration_ms), ("many", given.every_ms)):
                path = Path(folder) / "run"
                keeper = None if every is None else n4.io.Checkpoints(path, every=every * u.ms, keep=10**6)
                began = time.perf_counter()
                run = n4.simulate(model, start, given.duration_ms * u.ms, progress=False, checkpoint=keeper)
                if number:  # the first compiles
                    took[how].append(time.perf_counter() - began - run.compile_s)
                if keeper is not None:
                    counts[how] = len(list((path / "checkpoints").iterdir()))
                    shutil.rmtree(path)
    pairs = list(zip(took["without"], took["last"], took["many"], strict=True))
    return {
        "run_s": median(took["without"]),
        "kept_s": median(took["many"]),
        "share": 100 * (median([many / without for without, _, many in pairs]) - 1),
        "begin_s": median([last - without for without, last, _ in pairs]),
        "each_ms": 1e3 * median([many - last for _, last, many in pairs]) / max(1, counts["many"] - counts["last"]),
        "checkpoints": counts["many"],
        "seconds": took,
    }


def spilled(model: n4.Model, given: argparse.Namespace) -> dict[str, Any]:
    """Runs with spikes in memory and on the disk, in pairs of which every second one is turned round, without compiling. All spikes are the same."""
    start, duration = model.init(jax.random.key(0)), given.spilled_ms * u.ms
    took: dict[str, list[float]] = {"memory": [], "disk": []}
    for number in range(given.pairs + 1):
        sums = set()
        for how in ("memory", "disk")[:: 1 if number % 2 else -1]:
            with tempfile.TemporaryDirectory() as folder:
                record = n4.Spikes() if how == "memory" else n4.io.SpikesToDisk(Path(folder) / "spikes.zarr")
                began = time.perf_counter()
                run = n4.simulate(model, start, duration, record, progress=False)
                if number:  # the first compiles
                    took[how].append(time.perf_counter() - began - run.compile_s)
                sums.add(spike_sum(run))
        if len(sums) != 1:
            raise SystemExit(f"other spikes on the disk than in memory: {sums}")
    ratios = [disk / memory for disk, memory in zip(took["disk"], took["memory"], strict=True)]
    return {"spill": 100 * (median(ratios) - 1), "spill_seconds": took}


def saved(model: n4.Model, given: argparse.Namespace) -> dict[str, Any]:
    """A model and its state into an empty folder and back."""
    state = n4.simulate(model, jax.random.key(0), 10 * u.ms, progress=False).state
    numbers = sum(np.asarray(x).nbytes for x in jax.tree.leaves(n4.to_user(model, state)) if not isinstance(x, str))
    save_s, restore_s, size = [], [], 0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(given.repeats):
            path = Path(folder) / str(number)
            save_s.append(seconds(n4.save, path, model, state))
            restore_s.append(seconds(n4.restore, path, model))
            size = sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
            shutil.rmtree(path)
    return {"save_s": median(save_s), "restore_s": median(restore_s), "mb": size / 1e6, "times_numbers": size / numbers}


def checks(found: list[dict[str, Any]]) -> list[Check]:
    shares = {row["network"]: row["each_ms"] / 1e3 / WALL_S * 100 for row in found if "each_ms" in row}
    published = found[-1]
    return [
        Check(f"at most {most} s: {what} the microcircuit as published", published[field] <= most, f"{published[field]:.1f} s")
        for what, field, most in (("saving", "save_s", 10), ("restoring", "restore_s", 15))
    ] + [Check(f"a checkpoint in {WALL_S:g} s, the default, costs at most 1 %: {name}", share <= 1, f"{share:.2f} %") for name, share in shares.items()] + [
        Check(f"spikes on the disk cost at most 10 %: {row['network']}", row["spill"] <= 10, f"{row['spill']:.1f} %") for row in found if "spill" in row
    ] + [
        Check(f"at most 1.3 times the numbers: {row['network']}", row["times_numbers"] <= 1.3, f"{row['times_numbers']:.2f}") for row in found
    ]


if __name__ == "__main__":
    sys.exit(script("checkpoints", __doc__, SIZES, rows, checks, COLUMNS))
