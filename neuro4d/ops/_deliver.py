"""Delivery of spikes through a pathway: one operation, whose derivative is written once."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt32

from neuro4d._base import alike
from neuro4d.ops._backend import MAX_XLA_EDGES, Backend
from neuro4d.ops._bit_rows import arriving_words
from neuro4d.ops._pathway import Pathway
from neuro4d.ops._ring import History, arriving_rows
from neuro4d.ops._spread import How, spread
from neuro4d.ops._spread_plain import Synapses


def deliver(
    path: Pathway, history: History, step: UInt32[Array, ""], acc: Float[Array, "blocks size"], backend: Backend
) -> tuple[Array, History]:
    """Adds what arrives in a step to the sums of the target blocks.

    **Arguments:**

    - `path`: the synapses.
    - `history`: the past of the source group.
    - `step`: uint32, the step that is being computed; a synapse of delay `d` is served from the spikes of `step - d`.
    - `acc`: sums so far, `(n_blocks, n_ports * width)`.
    - `backend`: which machine may do it.

    **Returns:** the sums, and the history (unchanged; handing it on puts the read before a later write in place).

    Differentiable with respect to the weights, and to `history.soft` where the model was built with a surrogate. The work of a
    derivative follows activity: it visits the synapses of neurons that spiked, and of those that `history.near` says have a slope.
    What it remembers of a step are bits.
    """
    history, step, acc = alike((history, step, acc), path)
    sums, ids, count, soft = _deliver(backend, path, history.ids, history.count, history.soft, history.near, step, acc)
    return sums, History(ids, count, soft, history.near)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _deliver(backend: Backend, path: Pathway, ids: Any, count: Any, soft: Any, near: Any, step: Any, acc: Any) -> tuple[Any, ...]:
    del near
    return *backend.deliver(path, ids, count, step, acc), soft


@_deliver.defjvp
def _deliver_jvp(backend: Backend, primals: tuple, tangents: tuple) -> tuple[Any, Any]:
    path, ids, count, soft, near, step, acc = primals
    if path.targets.shape[0] > MAX_XLA_EDGES:
        raise ValueError(
            f"derivatives go through plain XLA, which addresses at most {MAX_XLA_EDGES:,} synapses; {path.source!r} to "
            f"{path.target!r} has {path.targets.shape[0]:,}. Use a smaller network for gradients."
        )
    rows = arriving_rows(step, path.delays, count.shape[0])
    fired = arriving_words(ids, count, rows)
    marked = jnp.zeros((rows.shape[0], 0), jnp.uint32) if soft is None else near[rows]
    synapses = Synapses(path.weight, step, fired, marked, path.delays, path.start, path.bounds, path.targets)
    how = How(path.weight_kind, path.n_blocks, path.row_hint, backend.native)
    soft_dot = jnp.zeros((count.shape[0], 0), acc.dtype) if soft is None else tangents[3]
    sums_dot, soft_dot = spread(how, tangents[0].weight, soft_dot, tangents[6], synapses)
    sums, ids_out, count_out, _ = _deliver(backend, *primals)
    nothing = (_float0(ids_out), _float0(count_out))
    return (sums, ids_out, count_out, soft), (sums_dot, *nothing, None if soft is None else soft_dot)


def _float0(x: Array) -> Any:
    return np.zeros(x.shape, jax.dtypes.float0)
