"""Which neuron of a network of layers reaches which: the synapses a chip would have to hold."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from jaxtyping import Array

from neuro4d.train.layers import BatchNorm, Conv2d, Delayed, Dense, Dropout, Flatten, Hold, Integrate, Readout, Recurrent, Residual, Spiking
from neuro4d.train.layers._base import AbstractLayer, Context
from neuro4d.train.layers._sequential import AbstractContainer
from neuro4d.train.layers._shape import AbstractPool

AT_ONCE = 512
"""Features of which is asked at a time which others they reach."""


class Layer(NamedTuple):
    """Neurons: their name, whether they fire, how many they are, and which inputs and neurons before them reach them, `(sources, n)`.

    Sources are the inputs of the network, then the neurons of all layers in turn.
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

    def __init__(self, net: Any, shape: tuple[int, ...], dt: float):
        self.inputs = int(np.prod(shape))
        self.layers: list[Layer] = []
        self._dt = dt
        names = {id(layer): name for name, layer in net.walk()}
        seen = self._pass(net, Seen(sp.identity(self.inputs, np.float32, format="csr"), shape), names)
        if not _ends_in_neurons(net):
            self._add("output", False, seen)

    @property
    def sources(self) -> int:
        """Inputs and neurons found so far."""
        return self.inputs + sum(layer.n for layer in self.layers)

    def _add(self, name: str, fires: bool, seen: Seen) -> Layer:
        reached = seen.reached.copy()
        reached.data[:] = 1
        self.layers.append(Layer(name, fires, int(np.prod(seen.shape)), reached))
        return self.layers[-1]

    def _pass(self, layer: Any, seen: Seen, names: dict[int, str]) -> Seen:
        """What comes out of a layer, from what goes in."""
        if isinstance(layer, Residual):
            return self._around(layer, seen, names)
        if isinstance(layer, AbstractContainer):
            for each in layer.layers:
                seen = self._pass(each, seen, names)
            return seen
        if isinstance(layer, Spiking | Integrate):
            return self._neurons(layer, seen, names[id(layer)])
        if isinstance(layer, Flatten):
            return seen._replace(shape=(int(np.prod(seen.shape)),))
        if isinstance(layer, BatchNorm | Dropout | Hold | Readout):
            return seen
        matrix, shape = matrix_of(layer, seen.shape, self._dt)
        return seen._replace(reached=(seen.reached @ matrix).tocsr(), shape=shape)

    def _neurons(self, layer: Any, seen: Seen, name: str) -> Seen:
        before = self.sources
        self._add(name, isinstance(layer, Spiking), seen)
        n = self.layers[-1].n
        if isinstance(layer, Recurrent):
            own = sp.csr_matrix(np.asarray(layer.matrix() != 0, np.float32))
            whole = sp.vstack([with_rows(seen.reached, before), own], format="csr")
            self.layers[-1] = self.layers[-1]._replace(reached=whole)
        return Seen(sp.vstack([sp.csr_matrix((before, n), dtype=np.float32), sp.identity(n, np.float32)], format="csr"), seen.shape)

    def _around(self, layer: Residual, seen: Seen, names: dict[int, str]) -> Seen:
        inner, shortcut = layer.ways()
        through = seen
        for each in inner:
            through = self._pass(each, through, names)
        past = seen if shortcut is None else self._pass(shortcut, seen, names)
        rows = max(through.reached.shape[0], past.reached.shape[0])
        return through._replace(reached=(with_rows(through.reached, rows) + with_rows(past.reached, rows)).tocsr())


def matrix_of(layer: AbstractLayer, shape: tuple[int, ...], dt: float) -> tuple[sp.csr_matrix, tuple[int, ...]]:
    """Which outputs of a layer with weights, or of a pool, depend on which inputs, `(inputs, outputs)`; and the shape of the outputs.

    **Raises:** `TypeError` for a layer of another kind, of which is not known what a chip would make of it.
    """
    if isinstance(layer, Dense | Delayed):
        return sp.csr_matrix(np.asarray(layer.weight != 0, np.float32)), (layer.weight.shape[1],)
    if not isinstance(layer, Conv2d | AbstractPool):
        raise TypeError(
            f"what a {type(layer).__name__} would be on a chip is not known; known are Dense, Conv2d, Delayed, pools and neurons."
        )
    if isinstance(layer, Conv2d):
        layer = eqx.tree_at(lambda x: (x.weight, x.bias), layer, ((layer.weight != 0).astype(float), None), is_leaf=lambda x: x is None)
    n = int(np.prod(shape))
    blocks = [np.asarray(_through(layer, jnp.asarray(part).reshape(1, -1, *shape), dt)) for part in _basis(n)]
    return sp.vstack([sp.csr_matrix((b[0].reshape(b.shape[1], -1) != 0).astype(np.float32)) for b in blocks], format="csr"), blocks[
        0
    ].shape[2:]


@eqx.filter_jit
def _through(layer: Any, x: Array, dt: float) -> Array:
    return layer.apply(x, Context(dt, None, False)).output


def _basis(n: int) -> Any:
    """Rows of the identity matrix, some at a time."""
    for low in range(0, n, AT_ONCE):
        high = min(low + AT_ONCE, n)
        part = np.zeros((high - low, n), jax.dtypes.canonicalize_dtype(float))
        part[np.arange(high - low), np.arange(low, high)] = 1
        yield part


def with_rows(matrix: sp.csr_matrix, rows: int) -> sp.csr_matrix:
    """The same matrix with more rows, which are empty."""
    grown = matrix.copy()
    grown.resize((rows, matrix.shape[1]))
    return grown


def _ends_in_neurons(net: Any) -> bool:
    """Whether what is read are neurons, and not currents, which a chip would have to gather in neurons of their own."""
    last = [layer for _, layer in net.walk() if not isinstance(layer, Readout | Flatten | Dropout)]
    return bool(last) and isinstance(last[-1], Spiking | Integrate)
