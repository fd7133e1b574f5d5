"""What children inherit: parameters and weights, each changed a little."""

import functools
from statistics import NormalDist
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32, UInt32

from neuro4d.ops import rounded

Range = tuple[str, float | None, float | None, bool]
"""A parameter, and the values that it may have: at least (or more than, where the last entry says so), at most."""


_CELLS = 256
_BITS = 24


@functools.cache
def quantiles() -> Int32[np.ndarray, " cells"]:
    """Quantiles of the normal distribution, times 2^24, at the probabilities (1 + c / 256) 2^(e - 33)."""
    inverse = NormalDist().inv_cdf
    edges = [inverse((1 + c / _CELLS) * 2.0 ** (e - 33)) for e in range(32) for c in range(_CELLS)]
    return np.round(np.array([*edges, 0.0]) * 2**_BITS).astype(np.int32)


def normal(word: UInt32[Array, " n"], table: Int32[Array, " cells"], dtype: Any) -> Float[Array, " n"]:
    """Standard normal numbers from random words and `quantiles`, within 6.3 standard deviations.

    In the cells of `standard_normal` on the host, in whole numbers: bits do not depend on what else a program computes.
    """
    upper = word >> 31 == 1
    tail = (jnp.where(upper, ~word, word) << 1) | jnp.uint32(1)  # odd, so never 0
    zeros = jax.lax.clz(tail)
    mantissa = tail << zeros
    cell = ((31 - zeros) * _CELLS + ((mantissa >> 23) & 0xFF)).astype(jnp.int32)
    low = table[cell]
    z = low + (((table[cell + 1] - low) * ((mantissa >> 11) & 0xFFF).astype(jnp.int32)) >> 12)
    return jnp.where(upper, -z, z).astype(dtype) * np.dtype(dtype).type(2.0**-_BITS)


def varied(value: Float[Array, " n"], normal: Float[Array, " n"], sigma: Float[Array, ""]) -> Float[Array, " n"]:
    r"""A parameter of children, $p\,(1 + \mathcal N(0, \sigma))$ with the value `p` of the parent of each; `normal`: what is drawn."""
    return value * (1 + rounded(sigma * normal))


def kept_valid(
    drawn: dict[str, Array], parents: dict[str, Array], ranges: tuple[Range, ...], ordered: tuple[tuple[str, str], ...]
) -> dict[str, Array]:
    """Parameters of children: as drawn, where they lie in their ranges and in their order; as the parent has them elsewhere.

    `ordered`: pairs of which the first lies above the second. Of a pair out of order both are those of the parent, and then of every pair
    with one of them.
    """
    kept = {name: _inside(drawn[name], low, high, more) for name, low, high, more in ranges}
    for _ in ordered:  # a chain of pairs falls back one after the other
        for high, low in ordered:
            above = jnp.where(kept[high], drawn[high], parents[high]) > jnp.where(kept[low], drawn[low], parents[low])
            kept[high], kept[low] = kept[high] & above, kept[low] & above
    return {name: jnp.where(kept[name], drawn[name], parents[name]) for name in drawn}


def _inside(x: Array, low: float | None, high: float | None, more: bool) -> Bool[Array, " n"]:
    fits = jnp.isfinite(x)
    if low is not None:
        fits &= x > low if more else x >= low
    return fits if high is None else fits & (x <= high)
