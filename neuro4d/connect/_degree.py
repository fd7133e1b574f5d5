"""Rules that fix the number of edges of every neuron on one side."""

import equinox as eqx
import numpy as np

from neuro4d._base import check_count
from neuro4d.connect._rows import Distinct, Independent, Pool, Rows, transposed
from neuro4d.connect._rule import AbstractRule, check_switch


class FixedOutDegree(AbstractRule):
    """Every source connects to `k` uniformly drawn targets.

    **Arguments:**

    - `k`: edges of each source.
    - `autapses`: whether a neuron may connect to itself where the two ends share neurons.
    - `multapses`: whether a source may connect to one target several times.

    **Raises:** `TypeError` or `ValueError` unless `k` is a whole number of at least 0; `ValueError` at build if there are fewer than
    `k` targets to choose from without multapses.

    !!! Example

        >>> import neuro4d as n4
        >>> n4.FixedOutDegree(100, multapses=False)
        FixedOutDegree(k=100, multapses=False)
    """

    k: int = eqx.field(static=True, converter=lambda k: check_count(k, "FixedOutDegree.k", low=0))
    autapses: bool = eqx.field(default=True, kw_only=True)
    multapses: bool = eqx.field(default=True, kw_only=True)

    def __check_init__(self):
        check_switch(self.autapses, "FixedOutDegree.autapses")
        check_switch(self.multapses, "FixedOutDegree.multapses")

    def rows(self, ends):
        pool = Pool.of(ends.n_pre, ends.n_post, ends.self_shift, self.autapses)
        _check_degree("FixedOutDegree", self.k, pool, self.multapses, "targets")
        return _fixed(self.k, ends.address, pool, self.multapses)

    def capacity(self, n_pre, n_post, shares_population):
        return n_pre * self.k


class FixedInDegree(AbstractRule):
    """Every target receives from `k` uniformly drawn sources.

    **Arguments:**

    - `k`: edges of each target.
    - `autapses`: whether a neuron may connect to itself where the two ends share neurons.
    - `multapses`: whether a target may receive several edges from one source.

    **Raises:** `TypeError` or `ValueError` unless `k` is a whole number of at least 0; `ValueError` at build if there are fewer than
    `k` sources to choose from without multapses.

    !!! Example

        >>> import neuro4d as n4
        >>> n4.FixedInDegree(1000)
        FixedInDegree(k=1000)
    """

    k: int = eqx.field(static=True, converter=lambda k: check_count(k, "FixedInDegree.k", low=0))
    autapses: bool = eqx.field(default=True, kw_only=True)
    multapses: bool = eqx.field(default=True, kw_only=True)

    def __check_init__(self):
        check_switch(self.autapses, "FixedInDegree.autapses")
        check_switch(self.multapses, "FixedInDegree.multapses")

    def rows(self, ends):
        back = None if ends.self_shift is None else -ends.self_shift
        pool = Pool.of(ends.n_post, ends.n_pre, back, self.autapses)
        _check_degree("FixedInDegree", self.k, pool, self.multapses, "sources")
        return transposed(_fixed(self.k, ends.address, pool, self.multapses), ends.n_pre)

    def capacity(self, n_pre, n_post, shares_population):
        return n_post * self.k


def _check_degree(rule: str, k: int, pool: Pool, multapses: bool, what: str) -> None:
    if k == 0 or pool.n_pre == 0:
        return
    without = " without the neuron itself" if pool.n_excluded else ""
    if pool.smallest == 0:
        raise ValueError(f"{rule}: {k} edges cannot be drawn from 0 {what}{without}.")
    if k > pool.smallest and not multapses:
        raise ValueError(
            f"{rule}: {k} different {what} cannot be drawn from {pool.smallest}{without}; "
            f"write `{rule}({pool.smallest}, ...)` or less, or allow `multapses=True`."
        )


def _fixed(k: int, address, pool: Pool, multapses: bool) -> Rows:
    counts = np.full(pool.n_pre, k, np.int64)
    return Independent(address, 0, pool, counts) if multapses else Distinct(address, 0, pool, counts)
