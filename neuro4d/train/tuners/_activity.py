"""What a network does with a set: spikes of every layer and sample, and whether its answers are right."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neuro4d.train.layers import Sequential
from neuro4d.train.layers._base import Record
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
    return gathered((_seen(net, x), y, n) for x, y, n in batches)


class Looked(NamedTuple):
    """What a network did with one batch. **Fields:** `spikes`: `(batch, layers)`; `answers`: `(batch,)`; `shapes`: (time, neurons) of each layer."""

    spikes: Float[Array, "batch layers"]
    answers: Array
    shapes: tuple[tuple[int, ...], ...]


def gathered(shown: Iterable[tuple[Looked, np.ndarray, int]]) -> Activity:
    """The activity of batches, from what was seen of each, its labels, and how many of its samples count."""
    spikes, right = [], []
    shapes: tuple[tuple[int, ...], ...] = ()
    for seen, y, n in shown:
        spikes.append(np.asarray(seen.spikes)[:n])
        right.append((np.asarray(seen.answers) == y)[:n])
        shapes = seen.shapes
    slots = np.array([int(np.prod(shape)) for shape in shapes], np.float64)
    return Activity(np.concatenate(spikes), slots, int(shapes[0][0]) if shapes else 0, np.concatenate(right))


def looked(output: Array, records: Sequence[Record]) -> Looked:
    """What is kept of one batch, inside a compiled function."""
    counts = [jnp.sum(record.spikes, axis=(0, *range(2, record.spikes.ndim))) for record in records]
    shapes = tuple((record.spikes.shape[0], *record.spikes.shape[2:]) for record in records)
    answers = jnp.argmax(as_logits(output), axis=-1)
    return Looked(jnp.stack(counts, axis=1) if counts else jnp.zeros((len(answers), 0)), answers, shapes)


@eqx.filter_jit
def _seen(net: Sequential, x: Array) -> Looked:
    return looked(*net.trace(x))
