"""What `fit` and `tune` keep while they go on, and how they go on from it."""

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from neuro4d._base import AbstractLog, Kept, array_of
from neuro4d.train._fit_result import Epoch
from neuro4d.train._fit_update import Carry


class Begun(NamedTuple):
    """Where a call of `fit` stands: what changes from update to update, the same at the best epoch, the history, and which epoch is the best."""

    carry: Carry
    best: Carry
    history: tuple[Epoch, ...]
    best_epoch: int


def fit_tree(begun: Begun) -> tuple[dict[str, Any], dict[str, Any]]:
    """Where `fit` stands as arrays and plain data."""
    rows = np.array([list(row) for row in begun.history], np.float64).reshape(-1, len(Epoch._fields))
    tree = {"carry": _numbered(begun.carry), "best": _numbered(begun.best), "history": rows}
    return tree, {"best_epoch": begun.best_epoch}


def fit_from(kept: Kept, like: Carry) -> Begun:
    """Where `fit` stood; `like` has the structure.

    **Raises:** `ValueError` for another network, another choice of what is trained, or another optimizer.
    """
    rows, best_epoch = array_of(kept, "history"), kept.meta.get("best_epoch")
    if rows.ndim != 2 or rows.shape[1] != len(Epoch._fields) or not isinstance(best_epoch, int) or not 1 <= best_epoch <= len(rows):
        raise ValueError("what was kept is no history of `fit`.")
    history = tuple(Epoch(int(row[0]), *map(float, row[1:])) for row in rows)
    return Begun(_from_numbered(kept, "carry", like), _from_numbered(kept, "best", like), history, best_epoch)


def _numbered(tree: Any) -> dict[str, np.ndarray]:
    """The leaves of a tree by their number; of a random key its words."""
    return {str(i): np.asarray(_words(leaf)) for i, leaf in enumerate(jax.tree.leaves(tree))}


def _words(leaf: Any) -> Any:
    return jr.key_data(leaf) if _is_key(leaf) else leaf


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _from_numbered(kept: Kept, part: str, like: Any) -> Any:
    leaves, structure = jax.tree.flatten(like)
    given = kept.tree.get(part, {})
    if not isinstance(given, dict) or set(given) != {str(i) for i in range(len(leaves))}:
        raise ValueError(f"fit: what was kept has {len(given)} arrays ({part}); this network with this optimizer has {len(leaves)}.")
    found = []
    for i, leaf in enumerate(leaves):
        values, wanted = array_of(kept, part, str(i)), jnp.asarray(_words(leaf))
        if values.shape != wanted.shape or values.dtype != wanted.dtype:
            raise ValueError(
                f"fit: array {i} ({part}) is {values.dtype} of the shape {values.shape} in what was kept, and {wanted.dtype} of {wanted.shape} here."
            )
        found.append(jr.wrap_key_data(jnp.asarray(values), impl=jr.key_impl(leaf)) if _is_key(leaf) else jnp.asarray(values))
    return jax.tree.unflatten(structure, found)


def digest(*trees: Any) -> str:
    """A hash of all numbers of some trees."""
    found = hashlib.sha256()
    for leaf in jax.tree.leaves(trees):
        array = np.asarray(_words(leaf)) if isinstance(leaf, jax.Array) else np.asarray(leaf)
        found.update(f"{array.dtype.str} {array.shape}\n".encode())
        found.update(np.ascontiguousarray(array).tobytes() if array.dtype.kind in "biufc" else repr(leaf).encode())
    return found.hexdigest()


def key_text(key: Any) -> str:
    """A random key as text."""
    return np.asarray(jr.key_data(key)).tobytes().hex()


def said(x: Any) -> str:
    """A loss, an encoder or a statistic, with its numbers, as text that is the same in another process."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(x))


class Tape:
    """Batches of trials that `tune` has measured, in their order: those of an earlier call are given back instead of being measured again, so that the
    search takes the same way and goes on where it ended."""

    def __init__(self, log: AbstractLog, what: Mapping[str, Any]):
        self._log, self._used = log, 0
        self._places: list[np.ndarray] = []
        self._values: list[np.ndarray] = []
        self._walls: list[float] = []
        kept = log.begin(what)
        if kept is not None:
            places, values, walls = (array_of(kept, name) for name in ("places", "values", "walls"))
            if not (places.ndim == 2 and values.ndim == 3 and walls.shape == (kept.number,) and len(places) == len(values) == kept.number):
                log.close()
                raise ValueError("what was kept is no search of `tune`.")
            self._places, self._values, self._walls = [*places], [*values], walls.tolist()
        self.before_s = sum(self._walls)

    def take(self, c: np.ndarray, measure: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
        """What a batch at coordinates `c` gave `(trials, targets)`, and the seconds that it took.

        **Raises:** `ValueError` where the search of before went elsewhere.
        """
        number = self._used
        if number == len(self._walls):
            began = time.perf_counter()
            values = measure()
            self._places.append(np.array(c, np.float64))
            self._values.append(values)
            self._walls.append(time.perf_counter() - began)
            self._log.keep(len(self._walls), self._tree, False)
        elif not np.array_equal(self._places[number], c):
            raise ValueError(
                f"tune: batch {number} was measured at other values in what was kept; it is from another version or machine. Choose another folder."
            )
        self._used += 1
        return self._values[number], self._walls[number]

    def _tree(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"places": np.stack(self._places), "values": np.stack(self._values), "walls": np.array(self._walls)}, {}

    def close(self) -> None:
        """Keeps what was measured since the last time."""
        try:
            if self._walls:
                self._log.keep(len(self._walls), self._tree, True)
        finally:
            self._log.close()
