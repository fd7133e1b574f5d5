"""Networks with hubs."""

from typing import ClassVar

import equinox as eqx
import numpy as np

from neuro4d._base import Address, check_count, words
from neuro4d.connect._rows import Stored, from_keys, numbers
from neuro4d.connect._rule import AbstractRule, Ends, check_switch

_HIGH, _LOW, _AGE = 0, 1, 2


class ScaleFree(AbstractRule):
    r"""Hubs by growth: the graph of Barabási and Albert, in which a new neuron prefers neurons that have many connections.

    Neurons come one after another. The first `k + 1` are all connected with each other; each later one makes `k` edges to earlier neurons, each
    chosen with a probability that is proportional to the number of edges that it has by then, made or received. So every neuron has `k` targets,
    and the number $d$ of its edges of either kind follows, for many neurons,

    $$ P(d) = \frac{2k(k+1)}{d(d+1)(d+2)}, \qquad d \ge k, $$

    which falls as $d^{-3}$. The order in which neurons come is drawn, so that hubs lie anywhere. No neuron connects to itself; a pair may be
    connected twice, which happens less often the more neurons there are.

    **Arguments:**

    - `k`: edges that a new neuron makes, 1 or more.
    - `reverse`: turns all edges round: every neuron has `k` sources, and hubs send instead of receive.
    - `symmetric`: adds to each edge the one in the other direction, so that it is the undirected graph of the paper.

    **Raises:** `TypeError` or `ValueError` for another `k`; `ValueError` at build unless both ends are the same neurons, more than `k`.

    **Source:** Barabási and Albert, Science 286, 509 (1999); the law is that of Bollobás, Riordan, Spencer, Tusnády, Random Structures and
    Algorithms 18, 279 (2001); edges find their targets as in Sanders and Schulz, Information Processing Letters 116, 489 (2016).

    !!! Example

        >>> import neuro4d as n4
        >>> n4.ScaleFree(20, symmetric=True)
        ScaleFree(k=20, symmetric=True)
    """

    k: int = eqx.field(static=True, converter=lambda k: check_count(k, "ScaleFree.k"))
    reverse: bool = eqx.field(default=False, kw_only=True)
    symmetric: bool = eqx.field(default=False, kw_only=True)

    autapses: ClassVar[bool] = False

    def __check_init__(self):
        check_switch(self.reverse, "ScaleFree.reverse")
        check_switch(self.symmetric, "ScaleFree.symmetric")
        if self.reverse and self.symmetric:
            raise ValueError("ScaleFree: a symmetric graph is the same when it is turned round; leave out `reverse=True`.")

    def rows(self, ends):
        _check_ends(self.k, ends)
        n = ends.n_pre
        label = np.argsort(words(ends.address, numbers(0, n), _AGE), kind="stable")
        pre = np.repeat(label, self.k)
        post = label[_targets(ends.address, self.k, n)]
        if self.reverse:
            pre, post = post, pre
        if self.symmetric:
            pre, post = np.concatenate([pre, post]), np.concatenate([post, pre])
        return _sorted(pre, post, n)

    def capacity(self, n_pre, n_post, shares_population):
        return n_pre * self.k * (2 if self.symmetric else 1)


def _sorted(pre: np.ndarray, post: np.ndarray, n: int) -> Stored:
    keys = pre.astype(np.uint64) * np.uint64(n) + post.astype(np.uint64)
    keys.sort()
    return from_keys(keys, n, n)


def _check_ends(k: int, ends: Ends) -> None:
    if ends.n_pre != ends.n_post or ends.self_shift != 0:
        raise ValueError(
            f"ScaleFree connects neurons with each other, so both ends are the same; got {ends.n_pre} sources and {ends.n_post} targets."
        )
    if ends.n_pre < k + 1:
        raise ValueError(
            f"ScaleFree: {k} edges of each neuron need {k + 1} neurons at least; got {ends.n_pre}. "
            f"Write `ScaleFree({max(ends.n_pre - 1, 1)})` or less."
        )


def _targets(addr: Address, k: int, n: int) -> np.ndarray:
    """The target of every edge, neurons by age; edge `e` is made by neuron `e // k`.

    Edges have two ends, `2 e` and `2 e + 1`. To choose a neuron in proportion to its edges is to choose an end among those before, uniformly.
    The end `2 e` is a source, which is known; `2 e + 1` is where another edge leads, which is asked in turn. Half of the questions end in each
    round, so the work follows the number of edges.
    """
    seed = k * (k + 1)
    edge = np.arange(n * k, dtype=np.int64)
    first, slot = edge[:seed] // k, edge[:seed] % k
    targets = np.empty(n * k, np.int64)
    targets[:seed] = slot + (slot >= first)
    later = edge[seed:]
    chance = words(addr, numbers(seed, n * k), _HIGH) * 2.0**-32 + (words(addr, numbers(seed, n * k), _LOW) + 0.5) * 2.0**-64
    before = 2 * k * (later // k)
    asked = np.empty(n * k, np.int64)
    asked[seed:] = np.minimum((chance * before).astype(np.int64), before - 1)
    end, open_ = asked.copy(), later
    while open_.size:
        at = end[open_]
        known = (at % 2 == 0) | (at < 2 * seed)
        done = open_[known]
        of = at[known] // 2
        targets[done] = np.where(at[known] % 2 == 0, of // k, targets[np.minimum(of, seed - 1)])
        open_ = open_[~known]
        end[open_] = asked[at[~known] // 2]
    return targets
