"""Pairs of neurons that are connected independently, each with a probability that follows from where they are."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from neuro4d._base import words
from neuro4d.connect._cells import CellList, Crowds
from neuro4d.connect._masks import SLACK, AbstractMask
from neuro4d.connect._rows import Stored, numbers
from neuro4d.connect._rule import Ends
from neuro4d.lattice import displacement

_PAIRS = 1 << 18


@dataclasses.dataclass(frozen=True, eq=False)
class NearPairs:
    """The draw of such pairs.

    **Fields:** `rule`: who asks, for messages. `p0`: the probability at distance 0. `profile`: its share at the square of distance over
    `scale` (um, one or one for each axis), which falls monotonically. `cutoff` (um) and `mask`: beyond them is nothing. `autapses`: as for a rule.
    """

    rule: str
    p0: float
    profile: Callable[[np.ndarray], np.ndarray]
    scale: np.ndarray
    cutoff: float | None
    mask: AbstractMask | None
    autapses: bool

    def rows(self, ends: Ends) -> Stored:
        """The edges."""
        places = checked_places(self.rule, ends)
        kept = [self._keep(ends, places, pair, word) for pair, word in self._candidates(ends, places)]
        keys = np.concatenate([np.empty(0, np.int64), *kept])
        pre = keys // max(1, ends.n_post)
        counts = np.bincount(pre, minlength=ends.n_pre).astype(np.int64)
        return Stored(counts, (keys - pre * ends.n_post).astype(np.int32))

    def _reach(self, axes: int) -> tuple[float | None, np.ndarray | None]:
        """How far an edge can go, um; and half of the edges of a box around all targets, where that is the smaller one."""
        if self.scale.ndim and len(self.scale) != axes:
            raise ValueError(f"{self.rule}.scale has one length for each of the {axes} axes; got {len(self.scale)}.")
        bounds = [] if self.cutoff is None else [self.cutoff * SLACK]
        bounds += [] if self.mask is None else [self.mask.reach(axes)]
        reach, box = min(bounds, default=None), None if self.mask is None else self.mask.box(axes)
        if reach is None or box is None:
            return reach, None
        ball = math.pi ** (axes / 2) / math.gamma(axes / 2 + 1) * reach**axes
        return reach, box if np.prod(2 * box) < ball else None

    def _candidates(self, ends: Ends, places: "Places") -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Numbers of pairs (`source * n_post + target`) that may be connected and their words, in pieces of ascending sources."""
        reach, box = self._reach(places.post.shape[1])
        if reach is not None:
            cells = CellList.of(places.post, reach, ends.wrap, box)
            if cells.n_neighbours <= ends.n_post:  # otherwise it is less work to look at every target
                for pair in cells.pairs(places.pre):
                    word = words(ends.address, pair)
                    hopeful = np.flatnonzero(word < self.p0 * 2.0**32)
                    yield pair[hopeful], word[hopeful]
                return
        crowds = Crowds.of(places.post)
        step = max(1, _PAIRS // max(1, ends.n_post))
        for first in range(0, ends.n_pre, step):
            pre_xyz = places.pre[first : first + step]
            begin = first * ends.n_post
            word = words(ends.address, numbers(begin, begin + len(pre_xyz) * ends.n_post))
            least = crowds.nearest(pre_xyz, ends.wrap) * (1 - 1e-9)
            bound = self._limit(least / float(self.scale.max()) ** 2) + 1
            limit = np.minimum(bound, 2.0**32 - 1).astype(np.uint32)
            hopeful = np.flatnonzero(word.reshape(len(pre_xyz), -1) <= np.repeat(limit, crowds.counts, axis=1))
            yield begin + hopeful, word[hopeful]

    def _limit(self, square: np.ndarray) -> np.ndarray:
        """Words below it make an edge, at the square of a scaled distance."""
        return self.p0 * 2.0**32 * self.profile(square)

    def _keep(self, ends: Ends, places: "Places", pair: np.ndarray, word: np.ndarray) -> np.ndarray:
        pre = pair // ends.n_post
        post = pair - pre * ends.n_post
        delta = displacement(places.post[post], places.pre[pre], ends.wrap)
        square = np.einsum("...i,...i->...", delta, delta)
        if self.scale.ndim:
            scaled = delta / self.scale
            kept = word < self._limit(np.einsum("...i,...i->...", scaled, scaled))
        else:
            kept = word < self._limit(square / float(self.scale) ** 2)
        if self.cutoff is not None:
            kept &= square <= (self.cutoff * SLACK) ** 2
        if self.mask is not None:
            kept &= self.mask.holds(delta)
        if not self.autapses and ends.self_shift is not None:
            kept &= pre + ends.self_shift != post
        return np.sort(pair[kept])


class Places(NamedTuple):
    """Where the neurons of both ends are, um."""

    pre: np.ndarray
    post: np.ndarray


def checked_places(rule: str, ends: Ends) -> Places:
    """The places of both ends. Refuses ends without places, or on lattices of different axes."""
    found = []
    for side, xyz, n in (("source", ends.pre_xyz, ends.n_pre), ("target", ends.post_xyz, ends.n_post)):
        if xyz is None:
            raise ValueError(
                f"{rule}: the {side} population has no place. Put it on a lattice, for example "
                "`Population('v1', brain['V1'].sample(density=0.1), ...)`."
            )
        if np.ndim(xyz) != 2 or len(xyz) != n:
            raise ValueError(f"{rule}: positions of the {side} have the shape ({n}, axes); got {np.shape(xyz)}.")
        found.append(xyz)
    axes = [*(xyz.shape[1] for xyz in found), *([] if ends.wrap is None else [len(ends.wrap)])]
    if len(set(axes)) != 1:
        raise ValueError(f"{rule}: both ends live on lattices with the same axes; got {axes[0]} and {axes[1]} axes, {axes[-1]} periods.")
    return Places(*found)
