"""Where children live: free places near their parents, each given to one of those who want it."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Int32, UInt32

from neuro4d._base import alike, words_jax
from neuro4d.lattice import Lattice
from neuro4d.ops import ids_of, pack

AT_ONCE = 256
"""Parents that look around at a time."""

MOST_SITES = 1 << 28
"""The largest box of sites around a population of which there is a map: 1 GiB."""


class Places(eqx.Module):
    """The places of a population on a lattice, and what lies around each.

    **Fields:** `site`: coordinates `(n, axes)` in the smallest box around all of them; `place_at`: the place at each site of the box, `n`
    where there is none, with one more entry at the end; `steps`: ways to other sites `(k, axes)`, the shortest first; `shell`: a number
    for each way, equal for equal lengths; `shape` of the box; `wrap`: along which axes it closes on itself.
    """

    site: Int32[Array, "n axes"]
    place_at: Int32[Array, " sites"]
    steps: Int32[Array, "k axes"]
    shell: Int32[Array, " k"]
    shape: tuple[int, ...] = eqx.field(static=True)
    wrap: tuple[bool, ...] = eqx.field(static=True)


def make_places(lattice: Lattice, sites: Int[np.ndarray, "n axes"], radius: float, where: str) -> Places:
    """On the host: the places of a population at `sites`, with all ways up to `radius` (in um).

    **Raises:** `ValueError` if no other site is that near, or if the box of sites is too large for a map.
    """
    spacing = np.asarray(lattice.spacing.mantissa, np.float64)
    low, high = sites.min(axis=0), sites.max(axis=0)
    shape = tuple(int(n) if closed else int(b - a + 1) for n, closed, a, b in zip(lattice.shape, lattice.wrap, low, high, strict=True))
    if math.prod(shape) > MOST_SITES:
        raise ValueError(f"{where}: a map of {math.prod(shape)} sites is more than {MOST_SITES}. Place the population in a smaller area.")
    steps, length = _ways(shape, lattice.wrap, spacing, radius)
    if not len(steps):
        raise ValueError(f"{where}: no site is nearer than the next one, which is {spacing.min():g} um away; got radius {radius:g} um.")
    own = sites - np.where(lattice.wrap, 0, low)
    place_at = np.full(math.prod(shape) + 1, len(sites), np.int32)
    place_at[np.ravel_multi_index(tuple(own.T), shape, order="F")] = np.arange(len(sites))
    shell = np.unique(np.round(length / spacing.min(), 6), return_inverse=True)[1]
    arrays = [jnp.asarray(x, jnp.int32) for x in (own, place_at, steps, shell)]
    return Places(arrays[0], arrays[1], arrays[2], arrays[3], shape, tuple(lattice.wrap))


def _ways(shape: tuple[int, ...], wrap: tuple[bool, ...], spacing: Any, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """All ways between two sites that are not longer than a radius, and their lengths, the shortest first."""
    axes = []
    for n, closed, each in zip(shape, wrap, spacing, strict=True):
        most = min(int(radius / each * (1 + 1e-9)), n // 2 if closed else n - 1)
        along = np.arange(-most, most + 1)
        axes.append(along[1:] if closed and n % 2 == 0 and most == n // 2 and most else along)  # half around is one way, not two
    steps = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(shape))
    length = np.sqrt(((steps * spacing) ** 2).sum(axis=1))
    near = (length > 0) & (length <= radius * (1 + 1e-9))
    order = np.argsort(length[near], kind="stable")
    return steps[near][order], length[near][order]


def settle(
    parents: Bool[Array, " n"], free: Bool[Array, " n"], places: Places | None, address: tuple[Array, Array]
) -> tuple[Int32[Array, " n"], UInt32[Array, ""]]:
    """Gives each parent a free place.

    **Arguments:** `places`: `None` means that any place will do; `address`: of the random words of this event, of which entry `i` belongs to parent `i`.

    **Returns:** the parent whose child lives at each place, -1 where there is none; and how many parents found no place.
    """
    n = parents.shape[0]
    priority = words_jax(*address, jnp.arange(n, dtype=jnp.uint32))
    owner = _settle_anywhere(parents, free, priority) if places is None else _settle_near(parents, free, places, priority, address)
    wanted, given = (jnp.sum(x, dtype=jnp.uint32) for x in (parents, owner >= 0))
    return owner, wanted - given


def _settle_anywhere(parents: Bool[Array, " n"], free: Bool[Array, " n"], priority: UInt32[Array, " n"]) -> Int32[Array, " n"]:
    """Parents in their order get free places in theirs; where there are too few, those with the smallest words get one."""
    n = parents.shape[0]
    number, room = (jnp.sum(x, dtype=jnp.int32) for x in (parents, free))

    def some(parents: Array) -> Array:
        order = jnp.lexsort((priority, ~parents))
        return parents & jnp.zeros(n, bool).at[order].set(jnp.arange(n) < room)

    chosen = jax.lax.cond(number > room, some, lambda parents: parents, parents)
    ids, number = ids_of(chosen, pack(chosen))
    rank = jnp.cumsum(free, dtype=jnp.int32) - 1
    return jnp.where(free & (rank < number), ids[jnp.maximum(rank, 0)], -1)


def _settle_near(
    parents: Bool[Array, " n"], free: Bool[Array, " n"], places: Places, priority: UInt32[Array, " n"], address: tuple[Array, Array]
) -> Int32[Array, " n"]:
    """In rounds: every parent without a place wishes for a nearest free one, and each place takes the one with the largest word."""
    n = parents.shape[0]

    def one_round(carry: Any) -> Any:
        waiting, free, owner = carry
        wish = _wishes(waiting, free, places, address)
        waiting = waiting & (wish < n)
        best = jnp.zeros(n + 1, jnp.uint32).at[wish].max(jnp.where(waiting, priority, 0))
        me = jnp.arange(n, dtype=jnp.int32)
        first = jnp.full(n + 1, n, jnp.int32).at[jnp.where(waiting & (priority == best[wish]), wish, n)].min(me)
        wins = waiting & (first[wish] == me)
        to = jnp.where(wins, wish, n)
        return waiting & ~wins, free.at[to].set(False, mode="drop"), owner.at[to].set(me, mode="drop")

    begin = alike((parents, free, jnp.full(n, -1, jnp.int32)), parents, free, places, priority)
    return jax.lax.while_loop(lambda carry: jnp.any(carry[0]), one_round, begin)[2]


def _wishes(waiting: Bool[Array, " n"], free: Bool[Array, " n"], places: Places, address: tuple[Array, Array]) -> Int32[Array, " n"]:
    """The place that each of those who wait wishes for, `n` where none is free; as many look around as there are."""
    n = waiting.shape[0]
    ids, number = ids_of(waiting, pack(waiting))
    block = min(AT_ONCE, n)
    rank = jnp.arange(block, dtype=jnp.int32)

    def body(carry: Any) -> Any:
        first, wish = carry
        who = jnp.where(first + rank < number, ids[jnp.minimum(first + rank, n - 1)], n)
        found = _nearest(jnp.minimum(who, n - 1), free, places, address)
        return first + block, wish.at[who].set(found, mode="drop")

    begin = alike((jnp.int32(0), jnp.full(n, n, jnp.int32)), ids, free, places)
    return jax.lax.while_loop(lambda carry: carry[0] < number, body, begin)[1]


def _nearest(who: Int32[Array, " b"], free: Bool[Array, " n"], places: Places, address: tuple[Array, Array]) -> Int32[Array, " b"]:
    """A nearest free place of each of some parents, drawn among those as near as each other."""
    n, ways = free.shape[0], places.steps.shape[0]
    site = places.site[who][:, None, :] + places.steps
    inside, number, stride = jnp.ones(site.shape[:2], bool), jnp.zeros(site.shape[:2], jnp.int32), 1
    for axis, (size, closed) in enumerate(zip(places.shape, places.wrap, strict=True)):
        along = site[..., axis]
        inside &= closed | ((along >= 0) & (along < size))
        number += (along % size) * stride
        stride *= size
    place = places.place_at[jnp.where(inside, number, stride)]
    open_ = jnp.append(free, False)[place]
    nearest = jnp.min(jnp.where(open_, places.shell, ways), axis=1, keepdims=True)
    among = open_ & (places.shell == nearest)
    # Where a parent stands and which way it goes: another word than its own, which has no such index.
    word = words_jax(address[1], address[0], who.astype(jnp.uint32)[:, None] * jnp.uint32(ways) + jnp.arange(ways, dtype=jnp.uint32))
    drawn = jnp.argmax(jnp.where(among, word | jnp.uint32(1), jnp.uint32(0)), axis=1)
    chosen = jnp.take_along_axis(place, drawn[:, None], axis=1)[:, 0]
    return jnp.where(nearest[:, 0] < ways, chosen, n)


