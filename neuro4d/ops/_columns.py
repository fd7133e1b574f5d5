"""Synapses by their targets."""

import equinox as eqx
from jaxtyping import Array, Int32, UInt32


class Columns(eqx.Module):
    """The synapses of a pathway in the order (target, place in the pathway), for those who have to find them when a target fires.

    **Fields:**

    - `edge`: their places in the arrays of the pathway; `source`, `which`: their sources and numbers of delays; `(k,)`, padded to 1 at least.
    - `start`, `bounds`: where the synapses of a target begin and how many there are, as in rows of one piece.
    - `hint`: synapses of a target that are looked at together; static.
    """

    edge: Int32[Array, " k"]
    source: Int32[Array, " k"]
    which: Int32[Array, " k"]
    start: UInt32[Array, "n_target 2"]
    bounds: UInt32[Array, "n_target 2"]
    hint: int = eqx.field(static=True)
