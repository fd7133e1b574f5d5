"""Which neuron of a network of layers reaches which: the synapses a chip would have to hold."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from jaxtyping import Array

from neuro4d.train.layers import (
    BatchNorm,
    Conv2d,
    Delayed,
    Dense,
    Dropout,
    Flatten,
    Hold,
    Integrate,
    Readout,
    Recurrent,
    Sequential,
    Spiking,
)
from neuro4d.train.layers._base import AbstractLayer, Context
from neuro4d.train.layers._shape import AbstractPool

AT_ONCE = 512
"""Features of which is asked at a time which others they reach."""


class Layer(NamedTuple):
    """Neurons: their name, whether they fire, how many they are, and which inputs and neurons before them reach them, `(sources, n)`.

    Sources are the inputs of the network, then the neurons of all layers in turn. Several ways from a source to a neuron count once.
    """

    name: str
    fires: bool
    n: int
    reached: sp.csr_matrix


class Seen(NamedTuple):
    """Features on their way through a network: which sources they depend on, `(sources, features)`, and the shape of the features."""

    reached: sp.csr_matrix
    shape: tuple[int, ...]


class Structure:
    """The walk through a network, and the layers of neurons found on it."""

    def __init__(self, net: Sequential, shape: tuple[int, ...]):
        self.inputs = int(np.prod(shape))
        self.layers: list[Layer] = []
        names = (name for name, _ in net.walk())  # not by layer: one and the same may stand in several places
        start = Seen(sp.identity(self.inputs, np.float32, format="csr"), shape)
        seen = net.followed(start, lambda layer, seen, dt: self._pass(next(names), layer, seen, dt), _joined, net.dt)
        if not _ends_in_neurons(net):
            self._add("output", False, seen.reached)

    @property
    def sources(self) -> int:
        """Inputs and neurons found so far."""
        return self.inputs + sum(layer.n for layer in self.layers)

    @property
    def reached(self) -> sp.csr_matrix:
        """Which sources reach which neurons of all layers, `(sources, neurons)`."""
        return sp.hstack([_with_rows(layer.reached, self.sources) for layer in self.layers], format="csr")

    def _add(self, name: str, fires: bool, reached: sp.csr_matrix) -> None:
        once = reached.copy()
        once.data[:] = 1
        self.layers.append(Layer(name, fires, once.shape[1], once))

    def _pass(self, name: str, layer: Any, seen: Seen, dt: float) -> Seen:
        """What comes out of a layer, from what goes in."""
        if isinstance(layer, Spiking | Integrate):
            return self._neurons(name, layer, seen)
        if isinstance(layer, Flatten):
            return seen._replace(shape=(int(np.prod(seen.shape)),))
        if isinstance(layer, BatchNorm | Dropout | Hold | Readout):
            return seen
        matrix, shape = _matrix_of(layer, seen.shape, dt)
        return Seen((seen.reached @ matrix).tocsr(), shape)

    def _neurons(self, name: str, layer: Any, seen: Seen) -> Seen:
        before, reached = self.sources, seen.reached
        if isinstance(layer, Recurrent):
            own = sp.csr_matrix(np.asarray(layer.matrix() != 0, np.float32))
            reached = sp.vstack([_with_rows(reached, before), own], format="csr")
        self._add(name, isinstance(layer, Spiking), reached)
        n = reached.shape[1]
        return Seen(sp.eye(before + n, n, -before, np.float32, "csr"), seen.shape)


def _joined(through: Seen, past: Seen) -> Seen:
    """What depends on sources by either way."""
    rows = max(through.reached.shape[0], past.reached.shape[0])
    return through._replace(reached=_with_rows(through.reached, rows) + _with_rows(past.reached, rows))


def _with_rows(matrix: sp.csr_matrix, rows: int) -> sp.csr_matrix:
    """The same matrix with more rows, which are empty."""
    grown = matrix.copy()
    grown.resize((rows, matrix.shape[1]))
    return grown


def _matrix_of(layer: AbstractLayer, shape: tuple[int, ...], dt: float) -> tuple[sp.csr_matrix, tuple[int, ...]]:
    """Which outputs of a layer with weights, or of a pool, depend on which inputs, `(inputs, outputs)`; and the shape of the outputs.

    **Raises:** `TypeError` for a layer of another kind, of which is not known what a chip would make of it.
    """
    if isinstance(layer, Dense | Delayed):
        each = sp.csr_matrix(np.asarray(layer.weight != 0, np.float32))  # of the last axis, for every place of those before
        return sp.kron(sp.identity(int(np.prod(shape[:-1])), np.float32), each, "csr"), (*shape[:-1], each.shape[1])
    if not isinstance(layer, Conv2d | AbstractPool):
        raise TypeError(
            f"what a {type(layer).__name__} would be on a chip is not known; known are Dense, Conv2d, Delayed, pools and neurons."
        )
    if isinstance(layer, Conv2d):
        layer = with_kernel(layer, (layer.weight != 0).astype(layer.weight.dtype))
    blocks = [np.asarray(_through(layer, jnp.asarray(part).reshape(1, -1, *shape), dt))[0] for part in _basis(int(np.prod(shape)))]
    rows = [sp.csr_matrix((block.reshape(len(block), -1) != 0).astype(np.float32)) for block in blocks]
    return sp.vstack(rows, format="csr"), blocks[0].shape[1:]


def with_kernel(layer: Conv2d, weight: Array) -> Conv2d:
    """A convolution with other weights, and without bias."""
    return eqx.tree_at(lambda each: (each.weight, each.bias), layer, (weight, None), is_leaf=lambda each: each is None)


@eqx.filter_jit
def _through(layer: Any, x: Array, dt: float) -> Array:
    return layer.apply(x, Context(dt, None, False)).output


def _basis(n: int) -> Iterator[np.ndarray]:
    """Rows of the identity matrix, some at a time."""
    for low in range(0, n, AT_ONCE):
        high = min(low + AT_ONCE, n)
        part = np.zeros((high - low, n), jax.dtypes.canonicalize_dtype(float))
        part[np.arange(high - low), np.arange(low, high)] = 1
        yield part


def _ends_in_neurons(net: Sequential) -> bool:
    """Whether what is read are neurons, and not currents, which a chip would have to gather in neurons of their own."""
    last = [layer for _, layer in net.walk() if not isinstance(layer, Readout | Flatten | Dropout)]
    return bool(last) and isinstance(last[-1], Spiking | Integrate)
