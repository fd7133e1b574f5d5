"""Lattices of which some edges lead anywhere."""

from typing import ClassVar

import equinox as eqx
import numpy as np

from neuro4d._base import Address, bounded, check_count, words
from neuro4d.connect._masks import AbstractMask
from neuro4d.connect._neighbours import Neighbours
from neuro4d.connect._rows import Stored, from_keys, is_in, numbers
from neuro4d.connect._rule import AbstractRule, Ends
from neuro4d.lattice import check_fraction

_MOVED, _TARGET = 0, 1


class SmallWorld(AbstractRule):
    r"""Every neuron connects to its neighbours, and each of these edges is moved to a target anywhere with probability `p`.

    With `p=0` it is a lattice, of many triangles and long ways; with `p=1` the targets of a neuron are a uniformly drawn set; between them lie
    networks that are clustered like lattices and have ways as short as random graphs. On a ring of $k$ neighbours the share of closed
    triangles is $\frac{3(k-2)}{4(k-1)}(1-p)^3$ for many neurons (Barrat and Weigt).

    Edges have a direction, and each is moved on its own. Its source stays, so every neuron keeps the number of its targets; a moved edge
    goes to a neuron other than the source and all that the source is connected to. No neuron connects to itself, no pair twice.

    **Arguments:**

    - `neighbours`: an even number `k`, for a ring of the neurons in their order, each connected to `k/2` on either side (both ends then have
      one size); or a mask such as `BallMask(100*u.um)`, for neurons on a lattice.
    - `p`: the probability that an edge is moved, 0 to 1.

    **Raises:** `TypeError` or `ValueError` for other neighbours; `ValueError` at build if there are no `k` others, if sizes differ on a ring, or
    if a population has no place where there is a mask.

    **Source:** Watts and Strogatz, Nature 393, 440 (1998); Barrat and Weigt, Eur. Phys. J. B 13, 547 (2000).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> n4.SmallWorld(10, p=0.1)
        SmallWorld(neighbours=10, p=0.1)
        >>> on_a_lattice = n4.SmallWorld(n4.BallMask(100*u.um), p=0.05)
    """

    neighbours: int | AbstractMask
    p: float = eqx.field(converter=lambda p: check_fraction(p, "SmallWorld.p", "SmallWorld(10, p=0.1)"))

    autapses: ClassVar[bool] = False
    multapses: ClassVar[bool] = False

    def __check_init__(self):
        if isinstance(self.neighbours, AbstractMask):
            return
        k = check_count(self.neighbours, "SmallWorld.neighbours", low=0)
        if k % 2:
            raise ValueError(
                f"SmallWorld.neighbours is even, half of them on either side, for example `SmallWorld({k + 1}, p=0.1)`; got {k}."
            )

    def rows(self, ends):
        if isinstance(self.neighbours, AbstractMask):
            local = Neighbours(self.neighbours, autapses=False).rows(ends)
            targets = local.targets(0, ends.n_pre)
            keys = np.repeat(np.arange(ends.n_pre, dtype=np.int64) * ends.n_post, local.counts) + targets
        else:
            keys = _ring(int(self.neighbours), ends)
        return _moved(keys, ends, self.p)

    def capacity(self, n_pre, n_post, shares_population):
        return None if isinstance(self.neighbours, AbstractMask) else n_pre * int(self.neighbours)


def _ring(k: int, ends: Ends) -> np.ndarray:
    """Sorted `source * n_post + target` of the edges of a ring."""
    n = ends.n_pre
    if n != ends.n_post or ends.self_shift not in (None, 0):
        raise ValueError(
            f"SmallWorld: a ring connects two ends of the same neurons or the same size; got {n} sources and {ends.n_post} targets."
        )
    if n and k >= n:
        raise ValueError(
            f"SmallWorld: {k} neighbours cannot be found among {n} neurons without the neuron itself; "
            f"write `SmallWorld({(n - 1) // 2 * 2}, ...)` or less."
        )
    steps = np.delete(np.arange(-(k // 2), k // 2 + 1), k // 2)
    targets = (np.arange(n, dtype=np.int64)[:, None] + steps) % max(1, n)
    targets.sort(axis=1)
    return (np.arange(n, dtype=np.int64)[:, None] * n + targets).reshape(-1)


def _moved(keys: np.ndarray, ends: Ends, p: float) -> Stored:
    """Edges of which each was moved with probability `p`; `keys` are sorted and differ."""
    moves = words(ends.address, numbers(0, len(keys)), _MOVED) < p * 2.0**32
    kept, sources = keys[~moves], keys[moves] // max(1, ends.n_post)
    taken = kept if ends.self_shift is None else np.sort(np.concatenate([kept, _own(ends)]))
    keys = np.concatenate([kept, _drawn(ends.address, sources, ends.n_post, taken)])
    keys.sort()
    return from_keys(keys.astype(np.uint64), ends.n_pre, ends.n_post)


def _own(ends: Ends) -> np.ndarray:
    """The pairs of a neuron with itself."""
    shift = int(ends.self_shift or 0)
    pre = np.arange(max(0, -shift), min(ends.n_pre, ends.n_post - shift), dtype=np.int64)
    return pre * ends.n_post + pre + shift


def _drawn(addr: Address, sources: np.ndarray, n_post: int, taken: np.ndarray) -> np.ndarray:
    """New pairs for ascending `sources`: draw, keep what is new, draw again for what is missing. Renaming the free targets of a source
    commutes with this, so all sets of them are equally likely."""
    found, missing, stream = np.empty(0, np.int64), sources, _TARGET
    while missing.size:
        slot = np.arange(len(missing)) - np.searchsorted(missing, missing)
        number = np.searchsorted(sources, missing) + slot
        tries = missing * n_post + bounded(words(addr, number, stream), n_post)
        tries.sort()
        lost = is_in(tries, taken) | is_in(tries, found)
        lost[1:] |= tries[1:] == tries[:-1]
        missing, stream = tries[lost] // n_post, stream + 1
        found = np.concatenate([found, tries[~lost]])
        found.sort()
    return found
