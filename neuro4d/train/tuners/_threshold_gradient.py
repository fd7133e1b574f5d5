"""Thresholds of single neurons, trained by a loss and a penalty on rates."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from neuro4d.train.layers import Record, Sequential
from neuro4d.train.losses import AbstractLoss, check_classes
from neuro4d.train.tuners._feed import Feed
from neuro4d.train.tuners._thresholds import scaled


class Goal(NamedTuple):
    """What thresholds are trained to: the loss, the rate in spikes per neuron and step, the weight of the penalty, and where it counts."""

    loss: AbstractLoss
    rate: float
    penalty: float
    per_layer: bool


def trained_thresholds(net: Sequential, batches: Feed, goal: Goal, optimizer: Any, updates: int, seed: int) -> Sequential:
    """The network with one trained factor per neuron on its thresholds. Only factors move; they are logarithms, so they stay positive."""
    output, shapes = jax.eval_shape(lambda n, x: n.trace(x), net, next(iter(batches)).x)
    if goal.loss.classifies():
        check_classes(batches.labels, output.shape[-1], "optimize_thresholds")
    logs = tuple(jnp.zeros(record.spikes.shape[2:], jnp.result_type(float)) for record in shapes)
    state, done = optimizer.init(logs), 0
    while done < updates:
        order = np.asarray(jr.permutation(jr.fold_in(jr.key(seed), done), batches.samples))
        for x, y, n in batches.shuffled(order):
            if done == updates:
                break
            if n == batches.size:  # samples that fill up a last batch would count twice
                logs, state = _update(logs, state, net, x, jnp.asarray(y), goal, optimizer)
                done += 1
    return with_factors(net, logs)


def with_factors(net: Sequential, logs: tuple[Array, ...]) -> Sequential:
    """The network whose thresholds lie `exp(log)` times as far above the reset."""
    for name, log in zip(net.spiking_layers, logs):
        net = scaled(net, name, jnp.exp(log))
    return net


@eqx.filter_jit
def _update(logs: Any, state: Any, net: Sequential, x: Array, y: Array, goal: Goal, optimizer: Any) -> tuple[Any, Any]:
    def objective(logs: Any) -> Array:
        output, records = with_factors(net, logs).trace(x)
        return goal.loss(output, y, records) + goal.penalty * over_rate(records, goal)

    slope = jax.grad(objective)(logs)
    change, state = optimizer.update(slope, state, logs)
    return jax.tree.map(jnp.add, logs, change), state


def over_rate(records: tuple[Record, ...], goal: Goal) -> Float[Array, ""]:
    """How far rates are from the wanted one, in units of it and squared; a mean over layers, or of all neurons together."""
    total = jnp.stack([jnp.sum(record.spikes) for record in records])
    slots = np.array([record.spikes.size for record in records], np.float64)
    rates = total / slots if goal.per_layer else jnp.sum(total)[None] / np.sum(slots)
    return jnp.mean(jnp.square(rates / goal.rate - 1))
