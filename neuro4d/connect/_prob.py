"""Independent edges of one probability."""

import math

import equinox as eqx
import numpy as np

from neuro4d._base import words
from neuro4d.connect._rows import Distinct, Pool
from neuro4d.connect._rule import AbstractRule, bernoulli_capacity, check_switch
from neuro4d.lattice import check_fraction

_COUNT_HIGH, _COUNT_LOW, _TARGET = 0, 1, 2


class FixedProb(AbstractRule):
    r"""Every pair is connected with probability `p`, independently of all others.

    The number of targets of a source is drawn from the binomial distribution (by inversion of a 64-bit random number), then
    that many different targets: the same law as one draw for each pair, at a cost that follows edges instead of pairs.

    **Arguments:**

    - `p`: probability, 0 to 1.
    - `autapses`: whether a neuron may connect to itself where the two ends share neurons.

    **Raises:** `TypeError` or `ValueError` unless `p` is a number from 0 to 1.

    !!! Example

        >>> import neuro4d as n4
        >>> n4.FixedProb(0.02)
        FixedProb(p=0.02)
    """

    p: float = eqx.field(converter=lambda p: check_fraction(p, "FixedProb.p", "FixedProb(0.02)"))
    autapses: bool = eqx.field(default=True, kw_only=True)

    def __check_init__(self):
        check_switch(self.autapses, "FixedProb.autapses")

    def rows(self, ends):
        pool = Pool.of(ends.n_pre, ends.n_post, ends.self_shift, self.autapses)
        row = np.arange(ends.n_pre)
        chance = words(ends.address, row, _COUNT_HIGH) * 2.0**-32 + (words(ends.address, row, _COUNT_LOW) + 0.5) * 2.0**-64
        counts = _binomial(chance, ends.n_post, self.p)
        if pool.n_excluded:
            part = slice(pool.first, pool.last)
            counts[part] = _binomial(chance[part], ends.n_post - 1, self.p)
        return Distinct(ends.address, _TARGET, pool, counts)

    def capacity(self, n_pre, n_post, shares_population):
        return bernoulli_capacity(n_pre * n_post, self.p)


def _binomial(chance: np.ndarray, n: int, p: float) -> np.ndarray:
    """Binomial numbers by inversion of the distribution function at the given probabilities."""
    if p in (0.0, 1.0) or n == 0:
        return np.full(len(chance), n if p == 1.0 else 0, np.int64)
    least, cumulated = _binomial_table(n, p)
    return least + np.minimum(np.searchsorted(cumulated, chance, side="right"), len(cumulated) - 1)


def _binomial_table(n: int, p: float) -> tuple[int, np.ndarray]:
    # Ratios of neighbouring probabilities, from the mode outwards: products and sums in one order, so that the table is the
    # same on every platform. Beyond 12 standard deviations nothing is left of a 64-bit chance.
    mode = min(n, math.floor((n + 1) * p))
    reach = math.ceil(12 * math.sqrt(n * p * (1 - p))) + 40
    least, most = max(0, mode - reach), min(n, mode + reach)
    odds = p / (1 - p)
    up = np.arange(mode, most)
    down = np.arange(mode, least, -1)
    above = np.cumprod((n - up) / (up + 1) * odds)
    below = np.cumprod(down / (n - down + 1) / odds)
    cumulated = np.cumsum(np.concatenate([below[::-1], [1.0], above]))
    return least, cumulated / cumulated[-1]
