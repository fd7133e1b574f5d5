"""Some rows of a table, a few at a time: work that follows their number."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int32

from neuro4d._base import alike

SLOTS_AT_ONCE = 1 << 14
"""About as many slots are looked at together."""


def rows_at_once(n_rows: int, room: int) -> int:
    """How many rows that is."""
    return min(max(SLOTS_AT_ONCE // room, 1), n_rows)


def in_front(chosen: Bool[Array, " rows"], more: int) -> tuple[Int32[Array, " rows+more"], Int32[Array, ""]]:
    """The numbers of the chosen rows, behind which the number of rows fills up an array that is `more` longer than the table; and how many they are."""
    n = chosen.shape[0]
    ids = jnp.sort(jnp.where(chosen, jnp.arange(n, dtype=jnp.int32), n))
    return jnp.concatenate([ids, jnp.full(more, n, jnp.int32)]), jnp.sum(chosen, dtype=jnp.int32)


def over_rows(chosen: Bool[Array, " rows"], room: int, carry: Any, visit: Callable[[Any, Array, Array], Any]) -> Any:
    """Calls `carry = visit(carry, rows, at)` for all chosen rows: `rows` are their numbers, the number of all rows where they are used up, and `at` the
    same with a number that can be read."""
    n = chosen.shape[0]
    some = rows_at_once(n, room)
    ids, total = in_front(chosen, some)

    def body(held: tuple[Array, Any]) -> tuple[Array, Any]:
        i, carry = held
        rows = jax.lax.dynamic_slice_in_dim(ids, i, some)
        return i + some, visit(carry, rows, jnp.minimum(rows, n - 1))

    return jax.lax.while_loop(lambda held: held[0] < total, body, alike((jnp.int32(0), carry), ids, total, chosen))[1]
