"""The compiled parts of `fit`: updates over several batches, and evaluation."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array

from neuro4d.train._bounds import Limits
from neuro4d.train._trainable import AbstractTrainable
from neuro4d.train.layers._readout import as_logits
from neuro4d.train.losses import spike_counts


class Carry(NamedTuple):
    """What changes from update to update.

    **Fields:** `parameters`; `optimizer`: its state; `statistics`: running ones, or `None`; `step`: how many updates were made.
    """

    parameters: Any
    optimizer: Any
    statistics: Any
    step: Array


class Sums(NamedTuple):
    """Sums over samples: `loss`, `right` (`nan` where there are no classes), `spikes`; and how many samples."""

    loss: Array
    right: Array
    spikes: Array
    n: Array


class Task(eqx.Module):
    """What stays the same: the network, what of it is trained, and how."""

    model: Any
    chosen: AbstractTrainable
    limits: Limits
    loss: Any
    optimizer: Any = eqx.field(static=True)
    encoder: Any
    augment: Callable[[Array, Any], Array] | None
    key: Any

    def network(self, parameters: Any, statistics: Any) -> Any:
        """The network with other numbers."""
        net = self.chosen.put(self.model, parameters)
        return net if statistics is None else net.with_statistics(statistics)

    def improve(self, carry: Carry, gradient: Any, statistics: Any) -> Carry:
        """One update: the optimizer moves, the bounds hold."""
        import optax  # here, so that `import neuro4d` stays light

        updates, optimizer = self.optimizer.update(gradient, carry.optimizer, carry.parameters)
        parameters = self.limits.project(optax.apply_updates(carry.parameters, updates))
        return Carry(parameters, optimizer, statistics, carry.step + 1)


@eqx.filter_jit(donate="all-except-first")
def update_network(shown: tuple[Task, Array, Array], carry: Carry) -> tuple[Carry, Sums]:
    """One update for each of several batches; their sums."""
    task, xs, ys = shown

    def one(carry, batch):
        key = jr.fold_in(task.key, carry.step)
        (_, (sums, statistics)), gradient = jax.value_and_grad(network_loss, has_aux=True)(
            carry.parameters, task, carry.statistics, batch, key
        )
        return task.improve(carry, gradient, carry.statistics if statistics is None else statistics), sums

    carry, sums = jax.lax.scan(one, carry, (xs, ys))
    return carry, jax.tree.map(lambda x: jnp.sum(x, axis=0), sums)


def network_loss(parameters: Any, task: Task, statistics: Any, batch: tuple[Array, Array], key: Any) -> tuple[Array, Any]:
    """The loss of one batch in training, and what was seen."""
    x, y = batch
    output, records, changed = run_in_training(task, task.network(parameters, statistics), x, key)
    value = task.loss(output, y, records)
    return value, (seen(value, output, y, records), jax.lax.stop_gradient(changed))


def run_in_training(task: Task, network: Any, x: Array, key: Any) -> Any:
    """Output, records and new statistics of a batch that is learnt from."""
    shift, code, draw = jr.split(key, 3)
    if task.augment is not None:
        x = task.augment(x, shift)
    return network.run(task.encoder(x, code), key=draw, training=True)


def shape_of_output(task: Task, x: Any) -> tuple[int, ...]:
    """The shape of what the network gives for a batch of samples, without running it."""
    return jax.eval_shape(lambda x, key: run_in_training(task, task.model, x, key).output, x, task.key).shape


def seen(value: Array, output: Array, y: Array, records: Any) -> Sums:
    """What is reported of a batch."""
    n = jnp.asarray(len(y), value.dtype)
    spikes = sum(spike_counts(records), jnp.zeros((), value.dtype))
    return jax.tree.map(jax.lax.stop_gradient, Sums(value * n, right(output, y), spikes * n, n))


def right(output: Array, y: Array) -> Array:
    """How many samples have their largest output, a mean over time if there is one, at their label."""
    if not jnp.issubdtype(y.dtype, jnp.integer) or y.ndim != 1 or output.ndim not in (2, 3):
        return jnp.asarray(jnp.nan)
    logits = as_logits(output)
    return jnp.sum(jnp.argmax(logits, axis=-1) == y).astype(logits.dtype)


@eqx.filter_jit
def evaluate(task: Task, carry: Carry, x: Array, y: Array, key: Any) -> Sums:
    """Sums of one batch that nothing is learnt from."""
    code, draw = jr.split(key)
    output, records, _ = task.network(carry.parameters, carry.statistics).run(task.encoder(x, code), key=draw)
    return seen(task.loss(output, y, records), output, y, records)


@eqx.filter_jit(donate="all-except-first")
def update_model(task: Task, carry: Carry) -> tuple[Carry, Sums]:
    """One update of a model by a loss of the model and a key."""
    key = jr.fold_in(task.key, carry.step)
    value, gradient = jax.value_and_grad(lambda p: task.loss(task.chosen.put(task.model, p), key))(carry.parameters)
    none = jnp.full_like(value, jnp.nan)
    return task.improve(carry, gradient, None), Sums(value, none, none, jnp.ones_like(value))
