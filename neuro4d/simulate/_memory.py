"""Memory, predicted before anything is allocated."""

from typing import Any

import jax
import numpy as np

from neuro4d._base import MemoryBudgetError, available_bytes, bytes_text


def tree_bytes(tree: Any) -> int:
    """Bytes of all arrays of a pytree."""
    return sum(int(np.prod(leaf.shape)) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree) if isinstance(leaf, jax.Array | np.ndarray))


def check_memory(state: Any, probes: dict[str, Any], n_steps: int, length: int, lanes: int, limit: int | None = None) -> int:
    """The bytes that a run will add, or a refusal.

    **Raises:** `MemoryBudgetError` with the share of every recorder and what to do about the largest.
    """
    parts = {name: tuple(lanes * b for b in probe.bytes(n_steps, length)) for name, probe in probes.items()}
    chunk, host = (sum(p[i] for p in parts.values()) for i in (0, 1))
    needed = 2 * tree_bytes(state) + 2 * chunk + host
    budget = available_bytes() if limit is None else limit
    if needed > budget:
        largest = max(parts, key=lambda name: parts[name][1]) if parts else "state"
        shares = ", ".join(f"{name} {bytes_text(b[1])}" for name, b in parts.items())
        raise MemoryBudgetError(
            f"this run needs about {bytes_text(needed)}, but {bytes_text(budget)} are available (records: {shares}). "
            f"The largest share is {largest!r}: record fewer neurons, sample with `every=`, use `n4.Counts()` or `n4.Window(length=...)`, or run shorter pieces."
        )
    return needed
