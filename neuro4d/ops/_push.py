"""The spikes of a step enter the past of their group."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt32

from neuro4d.ops._backend import Backend
from neuro4d.ops._bits import pack
from neuro4d.ops._order import after
from neuro4d.ops._ring import History, put_row, row_of


def push(
    history: History,
    fired: Bool[Array, "n"],
    soft: Float[Array, "n"] | None,
    step: UInt32[Array, ""],
    backend: Backend,
    near: Bool[Array, "n"] | None = None,
) -> tuple[UInt32[Array, "w"], History]:
    """Writes the spikes of a step into its row. Returns them packed, and the past.

    Spikes have no derivative; `soft`, where the model was built with a surrogate, keeps its own. `near`: which of its entries can have one;
    by default all.
    """
    words, ids, count = _push(backend, fired, history.ids, history.count, step)
    if history.soft is None or history.near is None:
        return words, History(ids, count, None)
    row = after(row_of(history, step), history.count[0])
    marked = pack(jnp.ones(fired.shape, bool) if near is None else near)
    return words, History(ids, count, put_row(history.soft, jnp.asarray(soft), row), put_row(history.near, marked, row))


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _push(backend, fired, ids, count, step):
    return backend.push(fired, ids, count, step)


@_push.defjvp
def _push_jvp(backend, primals, tangents):
    del tangents
    out = _push(backend, *primals)
    return out, tuple(np.zeros(x.shape, jax.dtypes.float0) for x in out)
