"""Delays of a pathway that are trained."""

import math

import equinox as eqx
from jaxtyping import Array, Float, Int32

SNAP = 1e-4
"""How near to a whole number of steps a delay counts as that number, as everywhere on the grid."""


class FreeDelays(eqx.Module):
    """Delays that can be trained, one per edge of a pathway, in its order.

    **Fields:** `delay` in ms; `spread` in ms: by how much the triangle over which a spike is spread is wider than two steps; `source` of
    each edge in its group, `place` of its target among the sums; `low`, `high`: between which a delay counts; `widest` spread; `dt`. ms.
    """

    delay: Float[Array, " nnz"]
    spread: Float[Array, ""]
    source: Int32[Array, " nnz"]
    place: Int32[Array, " nnz"]
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)
    widest: float = eqx.field(static=True)
    dt: float = eqx.field(static=True)

    @property
    def side(self) -> int:
        """Steps before and behind the two next to a delay in which something may arrive."""
        return math.ceil(self.widest / self.dt - SNAP)

    @property
    def longest(self) -> int:
        """Steps that the past has to hold."""
        return math.ceil(self.high / self.dt - SNAP) + self.side + 1
