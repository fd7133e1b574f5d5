"""What a model was built from: kept beside it, and no part of its structure."""

import dataclasses
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
    back may carry the origin of another model of that structure. `fits` tells.

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
    """A checksum of who is connected to whom: a sum over the arrays as they lie in memory, as quick as reading them."""
    arrays = [x for _, path in sorted(pathways.items()) for x in (path.targets, path.bounds, path.delays)]
    arrays += [x for _, path in sorted(pathways.items()) if path.free is not None for x in (path.free.source, path.free.place)]
    arrays += [x for _, gap in sorted(gaps.items()) for x in (gap.a, gap.b)]
    total = 0
    for number, x in enumerate(arrays):
        total += (2 * number + 1) * (_words(np.asarray(x)) + 7 * x.size)
    return total % 2**64


def _words(x: np.ndarray) -> int:
    """The sum of the bytes of an array, taken as words of 64 bits; the last ones as bytes."""
    raw = np.ascontiguousarray(x).reshape(-1).view(np.uint8)
    whole = raw.size // 8 * 8
    return int(raw[:whole].view(np.uint64).sum(dtype=np.uint64)) + int(raw[whole:].sum(dtype=np.uint64))
