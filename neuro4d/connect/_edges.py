"""Edges that a user wrote down."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Int

from neuro4d.connect._rows import Stored
from neuro4d.connect._rule import AbstractRule, check_switch


class EdgeList(AbstractRule):
    """Edge `e` goes from source `pre[e]` to target `post[e]`. Weights and delays given as arrays follow the same order.

    **Arguments:**

    - `pre`, `post`: whole numbers from 0, counted from the first neuron of each end. Empty lists are allowed.
    - `autapses`, `multapses`: `False` refuses a list that contains such edges.

    **Raises:** `TypeError` for indices that are not integers, `IndexError` for an index that is negative or, at build, beyond the end
    of its population; `ValueError` for lists of different length and for edges that are forbidden. Each names the edge.

    !!! Example

        >>> import neuro4d as n4
        >>> n4.EdgeList(pre=[0, 0, 1], post=[1, 2, 2])
        EdgeList(3 edges)
    """

    pre: Int[np.ndarray, "edges"] = eqx.field(converter=lambda x: _indices(x, "pre"))
    post: Int[np.ndarray, "edges"] = eqx.field(converter=lambda x: _indices(x, "post"))
    autapses: bool = eqx.field(default=True, kw_only=True)
    multapses: bool = eqx.field(default=True, kw_only=True)

    def __check_init__(self):
        check_switch(self.autapses, "EdgeList.autapses")
        check_switch(self.multapses, "EdgeList.multapses")
        if len(self.pre) != len(self.post):
            raise ValueError(f"EdgeList: pre and post have one entry for each edge; got {len(self.pre)} and {len(self.post)}.")

    def __repr__(self):
        switches = {"autapses": self.autapses, "multapses": self.multapses}
        return f"EdgeList({', '.join([f'{len(self.pre)} edges', *(f'{name}=False' for name, on in switches.items() if not on)])})"

    def rows(self, ends):
        _check_end(self.pre, ends.n_pre, "pre", "sources")
        _check_end(self.post, ends.n_post, "post", "targets")
        if not self.autapses and ends.self_shift is not None:
            _refuse(self.pre + ends.self_shift == self.post, self, "connects a neuron to itself", "autapses")
        order = _stable_order(self.pre, ends.n_pre)
        if not self.multapses:
            self._check_repeats(ends.n_post)
        counts = np.bincount(self.pre, minlength=ends.n_pre).astype(np.int64)
        return Stored(counts, self.post[order].astype(np.int32), order)

    def capacity(self, n_pre, n_post, shares_population):
        return len(self.pre)

    def _check_repeats(self, n_post: int) -> None:
        pairs = self.pre * n_post + self.post
        by_pair = _stable_order(pairs, None)
        repeated = np.zeros(len(pairs), bool)
        repeated[by_pair[1:]] = pairs[by_pair[1:]] == pairs[by_pair[:-1]]
        _refuse(repeated, self, "repeats an earlier edge", "multapses")


def _stable_order(x: np.ndarray, n: int | None) -> np.ndarray:
    """The permutation that sorts; one sort of packed numbers where they fit, which is many times faster than an argsort."""
    bits = max(1, (len(x) - 1).bit_length()) if len(x) else 1
    if n is None or n.bit_length() + bits > 63:
        return np.argsort(x, kind="stable")
    packed = (x << bits) | np.arange(len(x))
    packed.sort()
    packed &= (1 << bits) - 1
    return packed


def _indices(x: Any, name: str) -> np.ndarray:
    array = np.asarray(x)
    if array.ndim != 1:
        raise ValueError(
            f"EdgeList.{name} is a list of indices, for example `EdgeList(pre=[0, 1], post=[1, 2])`; got the shape {array.shape}."
        )
    if array.size == 0:
        return np.empty(0, np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"EdgeList.{name} holds whole numbers; edge 0 has {array[0]!r} ({array.dtype}). Write `{name}.astype(int)` if you mean it."
        )
    bad = (array < 0) | (array >= 2**31) if array.dtype.itemsize == 8 else array < 0
    if bad.any():
        edge = int(np.flatnonzero(bad)[0])
        raise IndexError(f"EdgeList.{name}: indices go from 0 to the size of the population; edge {edge} has {array[edge]}.")
    array = array.astype(np.int64)
    array.setflags(write=False)
    return array


def _check_end(indices: np.ndarray, n: int, name: str, what: str) -> None:
    beyond = indices >= n
    if beyond.any():
        edge = int(np.flatnonzero(beyond)[0])
        raise IndexError(f"EdgeList.{name}: there are {n} {what}, numbered from 0 to {n - 1}; edge {edge} has {indices[edge]}.")


def _refuse(bad: np.ndarray, edges: EdgeList, what: str, switch: str) -> None:
    if bad.any():
        edge = int(np.flatnonzero(bad)[0])
        raise ValueError(f"EdgeList: edge {edge} ({edges.pre[edge]} to {edges.post[edge]}) {what}, which `{switch}=False` forbids.")
