"""How well a small spiking network reads handwritten digits, and how long it learns: mean and spread over seeds.

    python benchmarks/digits.py --json benchmarks/results/digits.json    # five seeds
    python benchmarks/digits.py --quick                                  # does it work? one seed, five epochs

1,797 images of 8 by 8 pixels (scikit-learn's digits, bundled), split anew for each seed into 70 % to learn from, 10 % to choose the best epoch by, and 20 % that are
looked at once, at the end. Training images are shifted by at most one pixel at random. The time is that of the whole call of `fit`, compilation included.
"""

import argparse
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from finish import add_common, finish, settle

import neuro4d as n4
from neuro4d.bench import Check, Column, Outcome

T = n4.train
STEPS = 8
BATCH = 64
RATE = 5e-3
LOSS = T.losses.CrossEntropy(smoothing=0.1)
SIZES = {"seeds": (5, 1), "epochs": (30, 5)}
COLUMNS = (
    Column("seed", "seed"),
    Column("test", "test accuracy %", ".2f"),
    Column("validation", "validation accuracy %", ".2f"),
    Column("spikes", "spikes per image", ",.0f"),
    Column("seconds", "s", ".1f"),
)


def network(key: jax.Array, steps: int = STEPS) -> T.Sequential:
    """A convolution and two full layers; neurons whose time constant is learnt, which begins at two steps."""
    k1, k2, k3 = jr.split(key, 3)
    image = T.Conv2d(1, 32, 3, key=k1, bias=False), T.BatchNorm(32), T.Hold(steps), T.Spiking(n4.PLIF())
    hidden = T.MaxPool2d(2), T.Flatten(), T.Dense(512, 128, key=k2, bias=False), T.BatchNorm(128), T.Spiking(n4.PLIF())
    return T.Sequential(*image, *hidden, T.Dropout(0.3), T.Dense(128, 10, key=k3), T.Readout("mean"))


def shifted(x: jax.Array, key: jax.Array) -> jax.Array:
    """Every image moved by -1, 0 or 1 pixels in both directions; what comes in is black."""
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    offsets = jr.randint(key, (len(x), 2), 0, 3)
    return jax.vmap(lambda image, at: jax.lax.dynamic_slice(image, (at[0], at[1], 0), x.shape[1:]))(padded, offsets)


def trained(seed: int, epochs: int, data: Any, steps: int = STEPS) -> T.FitResult:
    """A network that learnt to read; the seed decides its first weights, the order of images and their shifts."""
    updates = epochs * -(-len(data.train) // BATCH)
    optimizer = optax.adamw(optax.cosine_decay_schedule(RATE, updates), weight_decay=1e-2)
    more = {"epochs": epochs, "batch_size": BATCH, "optimizer": optimizer, "augment": shifted, "key": jr.key(seed), "progress": False}
    return T.fit(network(jr.key(seed), steps), data.train, loss=LOSS, validation=data.validation, **more)


def learn(seed: int, epochs: int, steps: int = STEPS) -> dict[str, float]:
    """One training: seconds, accuracies in percent, spikes per image."""
    data = T.data.digits(seed=seed, shape=(8, 8, 1))
    begin = time.perf_counter()
    result = trained(seed, epochs, data, steps)
    seconds = time.perf_counter() - begin
    output, records = jax.jit(lambda net, x: net.trace(x[None]))(result.model, jnp.asarray(data.test.x))
    right = np.argmax(np.asarray(output), axis=-1) == data.test.y
    spikes = sum(float(count) for count in T.losses.spike_counts(records))
    chosen = 100 * result.best().held_out_accuracy
    return {"seed": seed, "test": 100 * float(np.mean(right)), "validation": chosen, "spikes": spikes, "seconds": seconds}


def main() -> int:
    parser = argparse.ArgumentParser(description="A spiking network learns to read digits.")
    parser.add_argument("--steps", type=int, default=STEPS, help="time steps for each image")
    add_common(parser, SIZES)
    options = parser.parse_args()
    settle(options, SIZES)
    rows: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        rows.append(learn(seed, options.epochs, options.steps))
        print(f"seed {seed}: {rows[-1]['test']:.2f} % in {rows[-1]['seconds']:.1f} s", file=sys.stderr, flush=True)
    tests, longest = np.array([row["test"] for row in rows]), max(row["seconds"] for row in rows)
    mean = {"seed": "mean", **{name: float(np.mean([row[name] for row in rows])) for name in ("test", "validation", "spikes", "seconds")}}
    spread = f"; test accuracy has a standard deviation of {tests.std(ddof=1):.2f} points over seeds" if len(tests) > 1 else ""
    checks = [
        Check(
            "97.5 % of test images are read, as a mean over seeds",
            tests.mean() >= 97.5,
            f"{tests.mean():.2f} %, lowest {tests.min():.2f} %",
        ),
        Check("a training takes two minutes at most", longest <= 120, f"longest {longest:.0f} s"),
    ]
    notes = (f"{options.steps} steps for each image, {options.epochs} epochs{spread}.",)
    return finish("digits", Outcome([*rows, mean], checks, COLUMNS, notes), options.json, quick=options.quick)


if __name__ == "__main__":
    sys.exit(main())
