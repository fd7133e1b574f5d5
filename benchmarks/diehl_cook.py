"""How well Diehl and Cook's network reads handwritten digits that it was shown without being told what they are: share and time, over seeds.

    python benchmarks/diehl_cook.py --json benchmarks/results/diehl_cook.json    # five seeds
    python benchmarks/diehl_cook.py --quick                                      # does it work? one seed, 200 images

100 excitatory neurons, scikit-learn's 1,797 digits of 8 by 8 pixels, split anew for each seed; `n4.zoo.learn_digits` says what is done. The time is that of the whole call, compilation
included.
"""

import argparse
import sys
import time
from typing import Any

import numpy as np
from finish import add_common, finish, settle

import neuro4d as n4
from neuro4d.bench import Check, Column, Outcome

SIZES = {"seeds": (5, 1), "epochs": (3, 1), "images": (1258, 200)}
COLUMNS = (
    Column("seed", "seed"),
    Column("accuracy", "test accuracy %", ".1f"),
    Column("train_accuracy", "accuracy on what was shown %", ".1f"),
    Column("spikes", "spikes per image", ".1f"),
    Column("raised", "mean rise of thresholds, mV", ".1f"),
    Column("seconds", "s", ".1f"),
)


def learn(seed: int, epochs: int, images: int) -> dict[str, Any]:
    """One training and reading."""
    begin = time.perf_counter()
    found = n4.zoo.learn_digits(epochs=epochs, seed=seed, images=images)
    seconds = time.perf_counter() - begin
    shares = {"accuracy": 100 * found.accuracy, "train_accuracy": 100 * found.train_accuracy}
    return {"seed": seed, **shares, "spikes": float(found.responses.sum(1).mean()), "raised": float(found.thresholds.mean()), "seconds": seconds}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_common(parser, SIZES)
    given = parser.parse_args()
    settle(given, SIZES)
    rows: list[dict[str, Any]] = []
    for seed in range(given.seeds):
        rows.append(learn(seed, given.epochs, given.images))
        print(rows[-1], file=sys.stderr, flush=True)
    found = np.array([row["accuracy"] for row in rows])
    mean: dict[str, Any] = {"seed": "mean", **{name: float(np.mean([row[name] for row in rows])) for name in list(rows[0])[1:]}}
    checks = [Check("each seed reads 78 to 90 % of test images", bool(((found >= 78) & (found <= 90)).all()), f"{found.min():.1f} to {found.max():.1f} %")]
    notes = (f"{given.epochs} epochs of {given.images} images; with MNIST's 784 pixels and 60,000 images the paper has 82.9 % for 100 neurons.",)
    return finish("diehl_cook", Outcome([*rows, mean], checks, COLUMNS, notes), given.json, quick=given.quick)


if __name__ == "__main__":
    sys.exit(main())
