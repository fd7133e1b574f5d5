"""Synapses that are proposed between neurons that are active together."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, UInt32

from neuro4d._base import uniform_jax, upper_half, words_jax
from neuro4d.ops import n_up_to
from neuro4d.structure._draws import some_of
from neuro4d.structure._removal import Rows
from neuro4d.structure._some_rows import over_rows
from neuro4d.structure._structure import Structure, is_self


class Activity(NamedTuple):
    """Activities of both ends, 0 to 1; 0 for the dead."""

    sources: Float[Array, " rows"]
    targets: Float[Array, " ends"]


def proposals(structure: Structure, active: Activity, rows: Int32[Array, " some"], nobody: int, address: tuple[Array, Array]) -> Int32[Array, "some proposals"]:
    """The proposals of some sources that are taken, as target neurons; `nobody` in the place of the others."""
    formation, some = structure.rule.formation, structure.candidates
    if formation is None:
        return jnp.full((rows.shape[0], 0), nobody, jnp.int32)
    m = formation.proposals
    index = (rows[:, None] * m + jnp.arange(m, dtype=jnp.int32)).astype(jnp.uint32) * 2
    n = jnp.full(rows.shape, structure.targets.shape[0], jnp.int32) if some is None else some.count[rows]
    pick = upper_half(words_jax(*address, index), jnp.broadcast_to(n[:, None].astype(jnp.uint32), index.shape)).astype(jnp.int32)
    share: Any = 1.0
    if some is not None:
        at = jnp.minimum(some.start[rows][:, None] + pick, some.target.shape[0] - 1)
        pick, share = some.target[at], some.share[at]
    product = active.sources[rows][:, None] * active.targets[pick]
    luck = uniform_jax(words_jax(*address, index + 1), product.dtype)
    target = structure.targets[pick]
    taken = (luck < formation.taken(product, share, n[:, None])) & (n[:, None] > 0) & ~is_self(structure, rows, target)
    return jnp.where(taken, target, nobody)


def new_ones(wanted: Int32[Array, "rows m"], rows: Rows, room: int, nobody: int) -> Int32[Array, "rows m"]:
    """Those of the wanted targets that their rows do not have yet; `rows` gives the ascending neurons of some."""

    def look(wanted: Array, some: Array, at: Array) -> Array:
        neurons, mine = rows(at), wanted[at]
        behind = jax.vmap(n_up_to)(neurons, mine)
        there = jnp.take_along_axis(neurons, jnp.maximum(behind - 1, 0), axis=1)
        return wanted.at[some].set(jnp.where(there == mine, nobody, mine), mode="drop")

    return over_rows(jnp.any(wanted < nobody, axis=1), room, wanted, look)


def admitted(
    wanted: Int32[Array, "rows m"], free: Int32[Array, " rows"], open_at: Int32[Array, " nobody"], limited: bool, address: tuple[Array, Array]
) -> tuple[Int32[Array, "rows m"], UInt32[Array, ""]]:
    """The wanted synapses that find a slot, `nobody` in the place of the others, and how many do not find one.

    `free`: slots in each row, which go to the first of it; `open_at`: how many more each target takes, if that is `limited`: which ones is drawn.
    """
    nobody = open_at.shape[0]
    asks = wanted < nobody
    fits = asks & (jnp.cumsum(asks, axis=1, dtype=jnp.int32) <= free[:, None])
    if limited:
        over = jnp.zeros(nobody, jnp.int32).at[jnp.where(fits, wanted, nobody)].add(1, mode="drop") - jnp.maximum(open_at, 0)
        many = jnp.any(over > 0)
        fits &= jax.lax.cond(many, lambda: ~some_of(wanted, fits, jnp.maximum(over, 0), address), lambda: jnp.ones(fits.shape, bool))
    return jnp.where(fits, wanted, nobody), jnp.sum(asks & ~fits, dtype=jnp.uint32)
