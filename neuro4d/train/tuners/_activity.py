"""What a network does with a set: spikes of every layer and sample, and whether its answers are right."""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neuro4d.train.layers import Sequential
from neuro4d.train.layers._readout import as_logits
from neuro4d.train.tuners._feed import Feed


class Activity(NamedTuple):
    """**Fields:** `spikes`: `(samples, layers)`; `slots`: neurons times steps of each layer; `steps`: of a run; `right`: `(samples,)`."""

    spikes: np.ndarray
    slots: np.ndarray
    steps: int
    right: np.ndarray

    @property
    def sparsity(self) -> np.ndarray:
        """The share of (neuron, step) without a spike, by layer."""
        return 1 - np.mean(self.spikes, axis=0) / self.slots

    @property
    def overall(self) -> float:
        """The same of all layers together."""
        return float(1 - np.sum(np.mean(self.spikes, axis=0)) / np.sum(self.slots))

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return float(np.mean(self.right))


def measure_activity(net: Sequential, batches: Feed) -> Activity:
    """One pass over a set.

    **Raises:** `ValueError` for a network without spiking layers.
    """
    if not net.spiking_layers:
        raise ValueError("the network has no spiking layer; put in one, for example `n4.train.Spiking(n4.PLIF())`.")
    spikes, right, shapes = [], [], None
    for x, y, n in batches:
        counts, answers, shapes = _seen(net, x)
        spikes.append(np.asarray(counts)[:n])
        right.append((np.asarray(answers) == y)[:n])
    slots = np.array([int(np.prod(shape)) for shape in shapes or ()], np.float64)
    return Activity(np.concatenate(spikes), slots, int(shapes[0][0]) if shapes else 0, np.concatenate(right))


@eqx.filter_jit
def _seen(net: Sequential, x: Array) -> tuple[Float[Array, "batch layers"], Array, Any]:
    """Spikes of each sample and layer, answers, and (time, neurons) of each layer."""
    output, records = net.trace(x)
    counts = [jnp.sum(record.spikes, axis=(0, *range(2, record.spikes.ndim))) for record in records]
    shapes = tuple((record.spikes.shape[0], *record.spikes.shape[2:]) for record in records)
    return jnp.stack(counts, axis=1), jnp.argmax(as_logits(output), axis=-1), shapes
