"""Rules without chance."""

import dataclasses

import equinox as eqx
import numpy as np

from neuro4d.connect._rows import Pool, Rows
from neuro4d.connect._rule import AbstractRule, check_switch


class OneToOne(AbstractRule):
    """Source `i` connects to target `i`. Both ends have the same size.

    !!! Example

        >>> import neuro4d as n4
        >>> n4.OneToOne()
        OneToOne()
    """

    def rows(self, ends):
        if ends.n_pre != ends.n_post:
            raise ValueError(f"OneToOne needs two ends of the same size; got {ends.n_pre} sources and {ends.n_post} targets.")
        return _Diagonal(np.ones(ends.n_pre, np.int64))

    def capacity(self, n_pre, n_post, shares_population):
        return min(n_pre, n_post)


class AllToAll(AbstractRule):
    """Every source connects to every target.

    **Arguments:** `autapses`, whether a neuron connects to itself where the two ends share neurons.

    !!! Example

        >>> import neuro4d as n4
        >>> n4.AllToAll(autapses=False)
        AllToAll(autapses=False)
    """

    autapses: bool = eqx.field(default=True, kw_only=True)

    def __check_init__(self):
        check_switch(self.autapses, "AllToAll.autapses")

    def rows(self, ends):
        pool = Pool.of(ends.n_pre, ends.n_post, ends.self_shift, self.autapses)
        return _Full(pool, pool.sizes())

    def capacity(self, n_pre, n_post, shares_population):
        return n_pre * n_post


@dataclasses.dataclass(frozen=True, eq=False)
class _Diagonal(Rows):
    counts: np.ndarray
    order = None

    def _fill(self, lo, hi, out):
        out[:] = np.arange(lo, hi)


@dataclasses.dataclass(frozen=True, eq=False)
class _Full(Rows):
    pool: Pool
    counts: np.ndarray
    order = None

    def _fill(self, lo, hi, out):
        begin = self.starts[lo]
        for a, b, size in self.pool.blocks(self.starts, lo, hi):
            block = out[self.starts[a] - begin : self.starts[b] - begin]
            block.reshape(b - a, size)[:] = np.arange(size)
            self.pool.move_up(block, a, self.counts[a:b])
