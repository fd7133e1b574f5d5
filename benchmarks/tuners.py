"""What the tuners save on handwritten digits, and what it costs in accuracy: mean and spread over seeds.

    python benchmarks/tuners.py --json benchmarks/results/tuners.json
    python benchmarks/tuners.py --quick    # does it work? one seed, ten epochs

The classifier and its training are those of `benchmarks/digits.py`, with 60 epochs in place of 30. Thresholds are tuned on training images to half of the spikes. The number
of steps and the exit threshold are chosen for at most half of the energy at full accuracy on images to learn from and to decide by, shifted
anew: the 180 validation images alone let a lucky threshold win, and the others are read too well as they are. Everything is reported on
test images, which nothing was chosen by. Energy is counted in synaptic operations.
"""

import argparse
import sys
import time
from typing import Any

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from digits import LOSS, STEPS, shifted, trained
from finish import add_common, finish, settle

import neuro4d as n4
from neuro4d.bench import Check, Column, Outcome

T = n4.train
SIZES = {"seeds": (5, 1), "epochs": (60, 10)}
COLUMNS = (
    Column("seed", "seed"),
    Column("tuner", "tuner"),
    Column("accuracy", "test accuracy %", ".2f"),
    Column("change", "points", "+.2f"),
    Column("spikes", "of the spikes", ".3f"),
    Column("energy", "of the energy", ".3f"),
    Column("sparsity", "sparsity %", ".2f"),
    Column("off_target", "points off target", "+.2f"),
    Column("mean_steps", "steps", ".2f"),
    Column("seconds", "s", ".1f"),
)
METHODS = (("percentile_based", "layer"), ("percentile_based", "overall"), ("gradient", "layer"), ("gradient", "overall"))


def compared(seed: int, name: str, before: Any, after: Any, seconds: float, **more: Any) -> dict[str, Any]:
    """A row: what is left of spikes and energy, and the change of accuracy in points."""
    return {
        "seed": seed,
        "tuner": name,
        "accuracy": 100 * after.accuracy,
        "change": 100 * (after.accuracy - before.accuracy),
        "spikes": after.spikes / before.spikes,
        "energy": after.energy / before.energy,
        "sparsity": 100 * after.sparsity,
        "mean_steps": float(after.steps),
        "seconds": seconds,
        **more,
    }


def tuned_thresholds(seed: int, net: Any, data: Any, before: Any) -> list[dict[str, Any]]:
    """Thresholds for half of the spikes, by every method."""
    rows = []
    for method, scope in METHODS:
        tuner = T.ThresholdTuner(scope=scope, batch_size=128, loss=LOSS)
        target = (1 + tuner.measure_sparsity(net, data.train)["all"]) / 2
        began = time.perf_counter()
        tuned = tuner.optimize_thresholds(net, data.train, target, method)
        seconds = time.perf_counter() - began
        after = T.compare_models({"tuned": tuned}, data.test)["tuned"]
        off = 100 * (after.sparsity - target)
        rows.append(compared(seed, f"thresholds, {method}, {scope}", before, after, seconds, off_target=off))
    return rows


def moved(data: Any, seed: int) -> Any:
    """All images but those of the test, shifted as in training, once more."""
    x, y = (np.concatenate([part, more]) for part, more in ((data.train.x, data.validation.x), (data.train.y, data.validation.y)))
    return T.data.Dataset(np.asarray(shifted(jnp.asarray(x), jr.fold_in(jr.key(seed), 1))), y)


def tuned_steps(seed: int, net: Any, data: Any, before: Any) -> dict[str, Any]:
    """Steps and exits for half of the energy; the samples of the test really stop."""
    shown = moved(data, seed)
    full = T.compare_models({"x": net}, shown)["x"]
    began = time.perf_counter()
    choice = T.TimestepOptimizer().find_optimal(net, shown, full.energy / 2, full.accuracy)
    seconds = time.perf_counter() - began
    runner = choice.runner if choice.threshold is not None else T.EarlyExit(net, 1.0, steps=choice.steps)
    left = runner.compacted(data.test.x[None])
    right = np.argmax(left.output, axis=1) == data.test.y
    energy = float(np.mean(T.synaptic_operations(net, left.spikes, left.steps)))
    after = before._replace(accuracy=float(np.mean(right)), spikes=float(np.mean(left.spikes.sum(1))), energy=energy)
    threshold = "none" if choice.threshold is None else f"{choice.threshold:.3f}"
    row = compared(seed, "steps and exits", before, after, seconds, choice=f"{choice}, exit above {threshold}")
    return row | {"mean_steps": float(np.mean(left.steps)), "sparsity": None}


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over seeds of every tuner."""
    names = list(dict.fromkeys(row["tuner"] for row in rows))
    means = []
    for name in names:
        mine = [row for row in rows if row["tuner"] == name]
        fields = [
            field
            for field in ("accuracy", "change", "spikes", "energy", "sparsity", "off_target", "mean_steps", "seconds")
            if mine[0].get(field) is not None
        ]
        means.append({"seed": "mean", "tuner": name, **{field: float(np.mean([row[field] for row in mine])) for field in fields}})
    return means


def checks(means: list[dict[str, Any]], rows: list[dict[str, Any]]) -> list[Check]:
    """What the tuners promise."""
    off = [abs(row["off_target"]) for row in rows if row.get("off_target") is not None]
    made = [Check("every threshold tuner meets its sparsity within 0.5 points on test images", max(off) <= 0.5, f"at most {max(off):.3f}")]
    for name, saved in (("thresholds, gradient, overall", "spikes"), ("steps and exits", "energy")):
        row = next(row for row in means if row["tuner"] == name)
        good = row[saved] <= 0.505 and row["change"] >= -1
        made.append(Check(f"{name}: half of the {saved} for at most a point", good, f"{row[saved]:.3f} for {row['change']:+.2f} points"))
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description="What the tuners save on handwritten digits.")
    add_common(parser, SIZES)
    options = parser.parse_args()
    settle(options, SIZES)
    rows: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        data = T.data.digits(seed=seed, shape=(8, 8, 1))
        net = trained(seed, options.epochs, data).model
        before = T.compare_models({"x": net}, data.test)["x"]
        rows += [
            compared(seed, "none", before, before, 0.0),
            *tuned_thresholds(seed, net, data, before),
            tuned_steps(seed, net, data, before),
        ]
        print(f"seed {seed}: {rows[-6]['accuracy']:.2f} % before", file=sys.stderr, flush=True)
    means = summary(rows)
    notes = (f"{STEPS} steps for each image, {options.epochs} epochs.",)
    return finish("tuners", Outcome(rows + means, checks(means, rows), COLUMNS, notes), options.json, quick=options.quick)


if __name__ == "__main__":
    sys.exit(main())
