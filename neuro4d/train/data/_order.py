"""Random orders on the host: a function of a seed or key, the same on every platform, and apart from all that the key draws in JAX."""

from typing import Any

import jax
import numpy as np

from neuro4d._base import address, check_seed, words


def shuffled(n: int, seed: int, *names: str) -> np.ndarray:
    """The numbers below `n` in an order that `seed` and the names decide."""
    return np.argsort(words(address(check_seed(seed), *names), np.arange(n)), kind="stable")


def seed_of(key: Any, where: str = "a key") -> int:
    """The 64 bits of a random key of JAX.

    **Raises:** `TypeError` for anything else, also for the integers that old keys were.
    """
    if not isinstance(key, jax.Array) or not jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key) or key.shape != ():
        raise TypeError(f"{where} is one random key of JAX, `key=jax.random.key(0)`; got {key!r:.80}.")
    bits = np.asarray(jax.random.key_data(key)).ravel().astype(np.uint64)
    return int(bits[0]) << 32 | int(bits[-1])
