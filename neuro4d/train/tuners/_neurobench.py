"""The algorithm metrics of NeuroBench, by its definitions: so that numbers can stand next to published ones."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neuro4d._base import card, html_table, table
from neuro4d.train.layers import Conv2d, Delayed, Dense, Recurrent, Residual, Sequential
from neuro4d.train.layers._base import Context
from neuro4d.train.layers._readout import as_logits
from neuro4d.train.layers._sequential import AbstractContainer
from neuro4d.train.tuners._feed import Encoder, feed


class AlgorithmMetrics(NamedTuple):
    """Metrics of NeuroBench, means per sample where samples matter.

    **Fields:**

    - `accuracy`: share of right answers.
    - `footprint`: bytes of parameters and running statistics, zeros included.
    - `connection_sparsity`: weights that are 0, over all weights.
    - `activation_sparsity`: (neuron, step) without a spike, over all.
    - `effective_macs`, `effective_acs`: products with weights and inputs that are both not 0, of inputs with values and of spikes.
    - `dense`: products if nothing were 0.
    """

    accuracy: float
    footprint: int
    connection_sparsity: float
    activation_sparsity: float
    effective_macs: float
    effective_acs: float
    dense: float

    def rows(self) -> list[tuple[str, str]]:
        """Names and values as text."""
        return [
            (name.replace("_", " "), f"{value:,}" if isinstance(value, int) else f"{value:,.6g}") for name, value in self._asdict().items()
        ]

    def __repr__(self) -> str:
        return table(("metric", "value"), self.rows())

    def _repr_html_(self) -> str:
        return card("NeuroBench", html_table(("metric", "value"), self.rows()))


def neurobench(model: Sequential, data: Any, *, encoder: Encoder | None = None, batch_size: int = 256) -> AlgorithmMetrics:
    """The algorithm metrics of NeuroBench for a network of layers on a set.

    Operations are counted as NeuroBench does: a layer with weights is run with every weight and every input that is not 0 replaced by 1, without bias. They are
    accumulations (`effective_acs`) where all inputs of the layer are 0 or 1, multiplications with accumulation elsewhere. Pools, norms and neurons count none. A layer in
    front of `Hold` is computed once and counts once.

    Counts say what an algorithm does, not what a chip needs: `n4.train.ChipEnergy` does that. `MembraneUpdates` is not among them: records hold potentials before the
    reset only.

    **Arguments:** `data`: a `Dataset`, or a pair `(x, y)`; `encoder`: how samples without time become sequences.

    **Source:** J. Yik et al., The NeuroBench framework, Nature Communications 16, 1545 (2025).

    !!! Example

        >>> net = n4.train.Sequential(n4.train.Hold(4), n4.train.Spiking(n4.PLIF()), n4.train.Dense(64, 10, key=jr.key(0)))
        >>> found = n4.train.neurobench(net, n4.train.data.digits().test)
        >>> found.dense, found.effective_acs, found.footprint  # nothing fires
        (2560.0, 0.0, 2620)
    """
    batches, right, seen, binary = feed(model, data, encoder, batch_size, "neurobench"), [], [], []
    for x, y, n in batches:
        output, spikes, slots, counts = _counted(model, x)
        right.append((np.argmax(np.asarray(as_logits(output)), axis=-1) == y)[:n])
        seen.append([np.asarray(x)[:n].sum(axis=0, dtype=np.float64) for x in (spikes, *(effective for effective, _, _ in counts))])
        binary.append([bool(each) for _, _, each in counts])
        dense = sum(float(whole) for _, whole, _ in counts)
    number = sum(len(part) for part in right)
    fired, *effective = np.sum(seen, axis=0) / number
    spiking = np.all(binary, axis=0) if effective else []
    weights = [np.asarray(each) for each in _weights(model)]
    return AlgorithmMetrics(
        accuracy=float(np.mean(np.concatenate(right))),
        footprint=sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(eqx.filter(model, eqx.is_array))),
        connection_sparsity=sum(int((w == 0).sum()) for w in weights) / max(sum(w.size for w in weights), 1),
        activation_sparsity=float(1 - fired / slots) if slots else float("nan"),
        effective_macs=float(sum(x for x, only in zip(effective, spiking, strict=True) if not only)),
        effective_acs=float(sum(x for x, only in zip(effective, spiking, strict=True) if only)),
        dense=dense,
    )


@eqx.filter_jit
def _counted(net: Sequential, x: Array) -> tuple[Array, Array, int, list[tuple[Array, Array, Array]]]:
    """The output; spikes of each sample; neurons times steps; and for each layer with weights what `_operations` says."""
    found: list[tuple[Array, Array, Array]] = []
    output, records = net.trace(x)
    _walked(net, x, Context(net.dt, None, False), found)
    spikes = sum((jnp.sum(record.spikes, axis=(0, *range(2, record.spikes.ndim))) for record in records), jnp.zeros(x.shape[1]))
    slots = sum(record.spikes.shape[0] * int(np.prod(record.spikes.shape[2:])) for record in records)
    return output, spikes, slots, found


def _walked(layer: Any, x: Array, context: Context, found: list[Any]) -> Array:
    """The output of a layer, and the operations of all layers with weights inside of it."""
    if isinstance(layer, Residual):
        inner, shortcut = layer.ways()
        y = x
        for each in inner:
            y = _walked(each, y, context, found)
        return y + (x if shortcut is None else _walked(shortcut, x, context, found))
    if isinstance(layer, AbstractContainer):
        for each in layer.layers:
            x = _walked(each, x, context, found)
        return x
    output = layer.apply(x, context).output
    if isinstance(layer, Recurrent):  # the input of its weights are its own spikes, one step before
        found.append(
            _operations(
                lambda z: z @ (layer.matrix() != 0), lambda z: z @ (1.0 - (not layer.diagonal) * jnp.eye(len(layer.weight))), output[:-1]
            )
        )
    elif isinstance(layer, Dense | Delayed):
        found.append(_operations(lambda z: z @ (layer.weight != 0), lambda z: z @ jnp.ones_like(layer.weight), x))
    elif isinstance(layer, Conv2d):
        some, every = (_kernel(layer, w) for w in ((layer.weight != 0).astype(layer.weight.dtype), jnp.ones_like(layer.weight)))
        found.append(_operations(lambda z: some.apply(z, context).output, lambda z: every.apply(z, context).output, x))
    return output


def _kernel(layer: Conv2d, weight: Array) -> Conv2d:
    return eqx.tree_at(lambda each: (each.weight, each.bias), layer, (weight, None), is_leaf=lambda each: each is None)


def _operations(some: Any, every: Any, x: Array) -> tuple[Array, Array, Array]:
    """Effective operations of each sample, operations of one sample if nothing were 0, and whether all inputs are 0 or 1."""
    y = some((x != 0).astype(jnp.result_type(float)))
    effective = jnp.sum(y, axis=(0, *range(2, y.ndim)))
    whole = jnp.sum(every(jnp.ones_like(x[:, :1], jnp.result_type(float))))
    return effective, whole, jnp.all((x == 0) | (x == 1))


def _weights(net: Any) -> Iterator[Array]:
    for _, layer in net.walk():
        if isinstance(layer, Recurrent):
            yield layer.weight if layer.diagonal else layer.weight[~np.eye(len(layer.weight), dtype=bool)]
        elif isinstance(layer, Dense | Conv2d | Delayed):
            yield layer.weight
