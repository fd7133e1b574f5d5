"""Spyx in `benchmarks/training.py`. See `_training.py` for what goes in and out.

Its LIF fires from the potential of the step before and subtracts the threshold, `s = H(v - 1); v = b v + x - s`. So its spikes are not those of
the others, and only rates are compared; a step does the same work. Weights are scaled by 1/TAU, b = 1 - 1/TAU.
"""

from _training import RATE, TAU, peak_mb, read_job, serve

JOB = read_job()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import optax  # noqa: E402
import spyx  # noqa: E402
import spyx.nn as snn  # noqa: E402
from flax import nnx  # noqa: E402
from spyx import axn  # noqa: E402

BASELINE = peak_mb()
given = dict(np.load(JOB["inputs"]))
rngs = nnx.Rngs(0)
spike = axn.custom(lambda x: 1 / (1 + (jnp.pi * x) ** 2))


def layers() -> list:
    found: list = []
    for number in range(3):
        weight = jnp.asarray(given[f"w{number}"]) / TAU
        linear = nnx.Linear(*weight.shape, use_bias=False, rngs=rngs)
        linear.kernel[...] = weight
        recurrent = f"v{number}" in given
        cells = (snn.RLIF if recurrent else snn.LIF)(weight.shape[1:], beta=1 - 1 / TAU, threshold=1.0, activation=spike, rngs=rngs)
        if recurrent:
            cells.recurrent_w[...] = jnp.asarray(given[f"v{number}"]) / TAU
        found += [linear, cells]
    return found


parts = layers()
model = snn.Sequential(*parts)
x, y = jnp.asarray(given["x"]), jnp.asarray(given["y"])
optimizer = nnx.Optimizer(model, optax.adam(RATE), wrt=nnx.Param)


def of(model, x, y):
    counts = jnp.sum(snn.run(model, x)[0], axis=0)
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(counts, y))


@nnx.jit
def updated(model, optimizer, x, y):
    value, gradient = nnx.value_and_grad(of)(model, x, y)
    optimizer.update(model, gradient)
    return value


value, gradient = nnx.jit(nnx.value_and_grad(of))(model, x, y)
spikes = [jax.jit(lambda x, n=n: snn.run(snn.Sequential(*parts[:n]), x)[0] > 0)(x) for n in (2, 4, 6)]
np.savez(
    JOB["outputs"],
    loss=value,
    gradient=gradient["layers"][0]["kernel"][...],
    **{f"s{k}": np.packbits(np.asarray(s)) for k, s in enumerate(spikes)},
)
del spikes, gradient


def update() -> float:
    value = updated(model, optimizer, x, y)
    jax.block_until_ready(nnx.state(model))
    return float(value)


serve(update, BASELINE, name="Spyx", version=spyx.__version__, with_=f"jax {jax.__version__}")
