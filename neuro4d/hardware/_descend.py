"""Swaps that help most, one after the other, from many starts: for meshes so small that all swaps can be looked at."""

import numpy as np
from jaxtyping import Int

from neuro4d.hardware._anneal import Swaps

LOOKED, KICKS = 400_000, (60, 2000)
"""How often a few swaps at random are tried as a new start: about so many swaps over those that there are, and at least and at most so often."""

FARTHEST = 12
"""Swaps of a new start, at most."""


def descend(swaps: Swaps, rng: np.random.Generator) -> Int[np.ndarray, " cores"]:
    """The slot of every core after iterated descent: from the best placement so far a few swaps away, and down again.

    **Source:** Lourenço, Martin & Stützle 2003, Iterated local search.
    """
    a, b = np.triu_indices(len(swaps.slot), 1)
    a, b = a[a < swaps.n], b[a < swaps.n]
    _down(swaps, a, b)
    best = swaps.slot.copy()
    for _ in range(int(np.clip(LOOKED // max(len(a), 1), *KICKS))):
        cores = rng.permutation(len(swaps.slot))[: 2 * min(int(rng.integers(2, FARTHEST + 1)), len(swaps.slot) // 2)]
        kick = swaps.shifts(*cores.reshape(2, -1))
        added = float(swaps.change(kick.a, kick.b).sum() + np.triu(swaps.together(kick), 1).sum())
        swaps.swap(kick)
        if added + _down(swaps, a, b) < 0:
            best = swaps.slot.copy()
        else:
            swaps.move(best)
    return best[: swaps.n]


def _down(swaps: Swaps, a: Int[np.ndarray, " k"], b: Int[np.ndarray, " k"]) -> float:
    """The best swap, as long as there is one that helps; what all added to the hops."""
    added = 0.0
    while len(a):
        change = swaps.change(a, b)
        best = np.argmin(change, keepdims=True)
        if change[best[0]] >= 0:
            break
        added += float(change[best[0]])
        swaps.swap(swaps.shifts(a[best], b[best]))
    return added
