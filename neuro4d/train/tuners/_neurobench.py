"""The algorithm metrics of NeuroBench, by its definitions: so that numbers can stand next to published ones."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neuro4d._base import card, html_table, table
from neuro4d.train.layers import Conv2d, Delayed, Dense, Recurrent, Sequential
from neuro4d.train.layers._base import Context, Record
from neuro4d.train.layers._sequential import added
from neuro4d.train.tuners._activity import Looked, gathered, looked
from neuro4d.train.tuners._feed import Encoder, feed
from neuro4d.train.tuners._structure import with_kernel


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
    shown = [(*_counted(model, x), y, n) for x, y, n in feed(model, data, encoder, batch_size, "neurobench")]
    seen = gathered((did, y, n) for did, _, y, n in shown)
    effective = np.sum([[np.asarray(each.effective)[:n].sum(dtype=np.float64) for each in counts] for _, counts, _, n in shown], axis=0)
    binary = np.all([[np.asarray(each.binary) for each in counts] for _, counts, _, _ in shown], axis=0)
    per_sample = effective / len(seen.right)
    weights = [np.asarray(each) for each in _weights(model)]
    return AlgorithmMetrics(
        accuracy=seen.accuracy,
        footprint=sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(eqx.filter(model, eqx.is_array))),
        connection_sparsity=sum(int((w == 0).sum()) for w in weights) / max(sum(w.size for w in weights), 1),
        activation_sparsity=seen.overall if len(seen.slots) else float("nan"),
        effective_macs=float(per_sample[~binary].sum()),
        effective_acs=float(per_sample[binary].sum()),
        dense=sum(float(each.dense) for each in shown[0][1]),
    )


class Operations(NamedTuple):
    """Of a layer with weights.

    **Fields:** `effective`: products of what is not 0, of each sample `(batch,)`; `dense`: products of one sample if nothing were 0; `binary`: whether all inputs are 0 or 1.
    """

    effective: Array
    dense: Array
    binary: Array


@eqx.filter_jit
def _counted(net: Sequential, x: Array) -> tuple[Looked, list[Operations]]:
    """What the network did with a batch, and the operations of its layers with weights."""
    records: list[Record] = []
    found: list[Operations] = []

    def through(layer: Any, x: Array, dt: float) -> Array:
        context = Context(dt, None, False)
        output, seen, _ = layer.apply(x, context)
        records.extend(seen)
        found.extend(_operations(layer, x, output, context))
        return output

    output = net.followed(x, through, added, net.dt)
    return looked(output, records), found


def _operations(layer: Any, x: Array, output: Array, context: Context) -> Iterator[Operations]:
    """Those of a layer that was given `x`: none for one without weights."""
    if isinstance(layer, Recurrent):  # the input of its weights are its own spikes, one step before
        others = 1.0 - (not layer.diagonal) * jnp.eye(len(layer.weight))
        yield _products(lambda z: z @ (layer.matrix() != 0), lambda z: z @ others, output[:-1])
    elif isinstance(layer, Dense | Delayed):
        yield _products(lambda z: z @ (layer.weight != 0), lambda z: z @ jnp.ones_like(layer.weight), x)
    elif isinstance(layer, Conv2d):
        some, every = (with_kernel(layer, w) for w in ((layer.weight != 0).astype(layer.weight.dtype), jnp.ones_like(layer.weight)))
        yield _products(lambda z: some.apply(z, context).output, lambda z: every.apply(z, context).output, x)


def _products(some: Any, every: Any, x: Array) -> Operations:
    """Of an input `x` of weights that are not 0 (`some`), and of all weights (`every`), each 1."""
    y = some((x != 0).astype(jnp.result_type(float)))
    dense = jnp.sum(every(jnp.ones_like(x[:, :1], jnp.result_type(float))))
    return Operations(jnp.sum(y, axis=(0, *range(2, y.ndim))), dense, jnp.all((x == 0) | (x == 1)))


def _weights(net: Any) -> Iterator[Array]:
    for _, layer in net.walk():
        if isinstance(layer, Recurrent):
            yield layer.weight if layer.diagonal else layer.weight[~np.eye(len(layer.weight), dtype=bool)]
        elif isinstance(layer, Dense | Conv2d | Delayed):
            yield layer.weight
