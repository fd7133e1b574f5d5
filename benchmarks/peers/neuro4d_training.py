"""neuro4d in `benchmarks/training.py`. See `_training.py` for what goes in and out."""

from _training import RATE, TAU, peak_mb, read_job, serve

JOB = read_job()

import brainunit as u  # noqa: E402
import equinox as eqx  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import jax.random as jr  # noqa: E402
import numpy as np  # noqa: E402
import optax  # noqa: E402

import neuro4d as n4  # noqa: E402

T = n4.train
BASELINE = peak_mb()


def network(given: dict) -> T.Sequential:
    """The network with the given weights."""
    neuron, surrogate = n4.PLIF(w=-np.log(TAU - 1), v_th=1 * u.mV), n4.ATan(width=1 / np.pi * u.mV)
    layers: list = []
    for number in range(3):
        weight = jnp.asarray(given[f"w{number}"])
        dense = T.Dense(*weight.shape, key=jr.key(0), bias=False)
        layers.append(eqx.tree_at(lambda layer: layer.weight, dense, weight))
        if f"v{number}" in given:
            cells = T.Recurrent(neuron, weight.shape[1], key=jr.key(0), diagonal=True, surrogate=surrogate, learn=())
            layers.append(eqx.tree_at(lambda layer: layer.weight, cells, jnp.asarray(given[f"v{number}"])))
        else:
            layers.append(T.Spiking(neuron, surrogate=surrogate, learn=()))
    return T.Sequential(*layers, T.Readout("sum"))


given = dict(np.load(JOB["inputs"]))
net = network(given)
loss = T.losses.CrossEntropy()
x, y = jnp.asarray(given["x"]), jnp.asarray(given["y"])
chosen = T.trainable(net)
optimizer = optax.adam(RATE)


@jax.jit
def first(parameters, x, y):
    """The first forward pass and its gradient."""

    def of(parameters):
        output, records = chosen.put(net, parameters).trace(x)
        return loss(output, y, records), [record.spikes > 0 for record in records]

    (value, spikes), gradient = jax.value_and_grad(of, has_aux=True)(parameters)
    return value, spikes, chosen.put(net, gradient).layers[0].weight


value, spikes, gradient = first(chosen.take(net), x, y)
np.savez(JOB["outputs"], loss=value, gradient=gradient, **{f"s{k}": np.packbits(np.asarray(s)) for k, s in enumerate(spikes)})
del spikes, gradient


@jax.jit
def updated(carry, x, y):
    def of(parameters):
        return loss(chosen.put(net, parameters)(x), y)

    parameters, state = carry
    value, gradient = jax.value_and_grad(of)(parameters)
    change, state = optimizer.update(gradient, state, parameters)
    return (optax.apply_updates(parameters, change), state), value


carry = (chosen.take(net), optimizer.init(chosen.take(net)))


def update() -> float:
    global carry
    carry, value = updated(carry, x, y)
    return float(jax.block_until_ready((carry, value))[1])


serve(update, BASELINE, name="neuro4d", version=n4.__version__, with_=f"jax {jax.__version__}")
