"""A given number of edges in all."""

import equinox as eqx
import numpy as np

from neuro4d._base import Address, bounded, check_count, words
from neuro4d.connect._rows import BLOCK, Independent, Pool, Stored, from_keys, is_in, numbers
from neuro4d.connect._rule import AbstractRule, check_switch

_TARGET, _SOURCE, _REDRAW = 0, 1, 2


class FixedTotalNumber(AbstractRule):
    """`n` edges in all, each between a uniformly drawn source and a uniformly drawn target.

    **Arguments:**

    - `n`: the number of edges.
    - `autapses`: whether a neuron may connect to itself where the two ends share neurons.
    - `multapses`: whether a pair may be connected several times. Without, the edges are a uniformly drawn set of `n` different
      pairs, which needs 8 bytes of memory for each while it is drawn.

    **Raises:** `TypeError` or `ValueError` unless `n` is a whole number of at least 0; `ValueError` at build if there are fewer than
    `n` pairs without multapses, or none at all.

    !!! Example

        >>> import neuro4d as n4
        >>> n4.FixedTotalNumber(20_000)
        FixedTotalNumber(n=20000)
    """

    n: int = eqx.field(static=True, converter=lambda n: check_count(n, "FixedTotalNumber.n", low=0))
    autapses: bool = eqx.field(default=True, kw_only=True)
    multapses: bool = eqx.field(default=True, kw_only=True)

    def __check_init__(self):
        check_switch(self.autapses, "FixedTotalNumber.autapses")
        check_switch(self.multapses, "FixedTotalNumber.multapses")

    def rows(self, ends):
        pool = Pool.of(ends.n_pre, ends.n_post, ends.self_shift, self.autapses)
        self._check_room(pool)
        if not self.multapses:
            return _different_pairs(ends.address, self.n, pool)
        return Independent(ends.address, _TARGET, pool, _source_counts(ends.address, self.n, pool))

    def capacity(self, n_pre, n_post, shares_population):
        return self.n

    def _check_room(self, pool: Pool) -> None:
        if self.n > 0 and pool.n_pairs == 0:
            raise ValueError(f"FixedTotalNumber: {self.n} edges cannot be drawn from 0 pairs.")
        if self.n > pool.n_pairs and not self.multapses:
            without = " without autapses" if pool.n_excluded else ""
            raise ValueError(
                f"FixedTotalNumber: {self.n} different pairs cannot be drawn from {pool.n_pre} sources and {pool.n_post} targets, "
                f"which have {pool.n_pairs}{without}; write a smaller number, or allow `multapses=True`."
            )


def _source_counts(addr: Address, n: int, pool: Pool) -> np.ndarray:
    """Edges of each source. Draws `n` sources, keeps only the counts."""
    counts = np.zeros(pool.n_pre, np.int64)
    uneven = 0 < pool.n_excluded < pool.n_pre
    step = max(BLOCK, 2 * pool.n_pre)
    for first in range(0, n, step):
        edges = numbers(first, min(n, first + step))
        sources = bounded(words(addr, edges, _SOURCE), pool.n_pre)
        if uneven:
            _thin(addr, edges, sources, pool)
        counts += np.bincount(sources, minlength=pool.n_pre)
    return counts


def _thin(addr: Address, edges: np.ndarray, sources: np.ndarray, pool: Pool) -> None:
    # A source that is not its own target has one pair less, and is drawn in proportion: one of n_post draws is repeated.
    stream, at = _REDRAW, np.arange(len(edges))
    while at.size:
        chosen = sources[at]
        own = (chosen >= pool.first) & (chosen < pool.last)
        at = at[own]
        at = at[bounded(words(addr, edges[at], stream), pool.n_post) == 0]
        sources[at] = bounded(words(addr, edges[at], stream + 1), pool.n_pre)
        stream += 2


def _different_pairs(addr: Address, n: int, pool: Pool) -> Stored:
    dtype = np.uint32 if pool.n_pre * pool.n_post <= 1 << 32 else np.uint64
    gaps = pool.n_pairs - n
    keys = _pair_set(addr, min(n, gaps), pool, dtype)
    if gaps < n:
        chosen = np.ones(pool.n_pre * pool.n_post, bool)
        chosen[keys] = False
        own = np.arange(pool.first, pool.last)
        chosen[own * pool.n_post + own + pool.shift] = False
        keys = np.flatnonzero(chosen).astype(dtype)
    return from_keys(keys, pool.n_pre, pool.n_post)


def _pair_set(addr: Address, n: int, pool: Pool, dtype) -> np.ndarray:
    """Sorted keys of `n` different pairs: draw, keep what is new, draw again for what is missing."""
    keys, missing, stream = np.empty(0, dtype), n, 0
    while missing:
        tries = _pairs(addr, missing, stream, pool, dtype)
        tries.sort()
        new = ~is_in(tries, keys)
        new[1:] &= tries[1:] != tries[:-1]
        keys = np.concatenate([keys, tries[new]])
        keys.sort()
        missing, stream = n - len(keys), stream + 2
    return keys


def _pairs(addr: Address, n: int, stream: int, pool: Pool, dtype) -> np.ndarray:
    parts = [np.empty(0, dtype)]
    for first in range(0, n, BLOCK):
        draws = numbers(first, min(n, first + BLOCK))
        sources, targets = bounded(words(addr, draws, stream), pool.n_pre), bounded(words(addr, draws, stream + 1), pool.n_post)
        key = sources.astype(dtype) * dtype(pool.n_post) + targets.astype(dtype)
        if pool.n_excluded:
            key = key[(sources + np.int64(pool.shift)) != targets]
        parts.append(key)
    return np.concatenate(parts)
