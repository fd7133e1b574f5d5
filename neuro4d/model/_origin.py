"""What a model was built from: kept beside it, and no part of its structure."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from neuro4d.model._gap import Gap
from neuro4d.ops import Backend, Pathway


@dataclasses.dataclass(frozen=True, eq=False)
class Origin:
    """The network and the arguments of `build` that a model comes from, so that it can be described and built again.

    It is a static field of the model, so it goes wherever the model goes, through `n4.set`, `eqx.tree_at` and `jax.tree.map`. All origins are equal
    and have one hash: two models of one structure share their programs, whatever they were built from. The price: what a compiled function gives
    back may carry the origin of another model of that structure (`fits` tells), and it keeps the network of the first one in memory as long as itself.

    **Fields:**

    - `network`: the `Network`; `None` where nothing is known.
    - `dt` (ms), `seed`, `precision`, `backend`, `surrogate`, `store_weights`: as `build` was given them, types by their names.
    - `frozen`: the pathways whose trained delays were taken to the grid (`model.freeze()`).
    - `wiring`: a checksum of the synapses.
    """

    network: Any = None
    dt: float = 0.0
    seed: int = 0
    precision: str = "float32"
    backend: Backend = Backend.AUTO
    surrogate: Any = None
    store_weights: str | None = None
    frozen: tuple[str, ...] = ()
    wiring: int = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Origin)

    def __hash__(self) -> int:
        return 0

    def __repr__(self):
        return "Origin()" if self.network is None else f"Origin({self.network.__class__.__name__}, dt={self.dt} ms, seed={self.seed})"

    def fits(self, pathways: Mapping[str, Pathway], gaps: Mapping[str, Gap]) -> bool:
        """Whether synapses are those of the model that was built. Reads the arrays."""
        return self.wiring == wiring_of(pathways, gaps)


UNKNOWN = Origin()
"""Of a model that was not made by `Network.build`."""


def wiring_of(pathways: Mapping[str, Pathway], gaps: Mapping[str, Gap]) -> int:
    """A checksum of who is connected to whom: a weighted sum over the arrays as they lie in memory, about as quick as reading them."""
    arrays = [x for _, path in sorted(pathways.items()) for x in (path.targets, path.bounds, path.delays)]
    arrays += [x for _, path in sorted(pathways.items()) if path.free is not None for x in (path.free.source, path.free.place)]
    arrays += [x for _, gap in sorted(gaps.items()) for x in (gap.a, gap.b)]
    total = 0
    for number, x in enumerate(arrays):
        total += (2 * number + 1) * (_words(np.asarray(x)) + 7 * x.size)
    return total % 2**64


def _words(x: np.ndarray) -> int:
    """A sum over the bytes of an array, taken as words of 64 bits, each with another odd factor within its piece, and each piece with another again: the
    same words in another order have another sum."""
    raw = np.ascontiguousarray(x).reshape(-1).view(np.uint8)
    whole = raw.size // 8 * 8
    last = np.zeros(8, np.uint8)
    last[: raw.size - whole] = raw[whole:]
    factors, words = _factors(), raw[:whole].view(np.uint64)
    pieces = [words[begin : begin + len(factors)] for begin in range(0, len(words), len(factors))] + [last.view(np.uint64)]
    return sum((2 * number + 1) * int(piece @ factors[: len(piece)]) for number, piece in enumerate(pieces))


@functools.cache
def _factors() -> np.ndarray:
    """Odd numbers, always the same."""
    return np.random.default_rng(0).integers(2**63, size=1 << 15, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
