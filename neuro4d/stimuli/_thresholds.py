r"""Thresholds of the Poisson distribution for the inversion of one random word, exact to the word, in single precision.

With $t_0$ any number and $t_k = t_{k-1}\,m/k$, $P(N \le j) = \sum_{k \le j} t_k / \sum_k t_k$: no exponential, and all summands are
positive. A single float would be wrong by $10^{-7}$ of a probability and more, which a thousand million draws show. So terms and sums
are pairs of floats, high and low part (Dekker, Numerische Mathematik 18, 224, 1971), right to about $10^{-13}$.

Compilers may contract a product and a sum into one operation that rounds once. It changes nothing where products are exact, so
factors are first cut into halves of 12 bits; only corrections far below the low part are rounded.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt32


class Pair(NamedTuple):
    """A number as the sum of two floats, the second below half a unit of the first."""

    high: Float[Array, "*s"]
    low: Float[Array, "*s"]


def _halves(x: Array) -> tuple[Array, Array]:
    """A float as the sum of two of at most 12 bits."""
    bits = jax.lax.bitcast_convert_type(x, jnp.uint32) & jnp.uint32(0xFFFFF000)
    upper = jax.lax.bitcast_convert_type(bits, jnp.float32)
    return upper, x - upper


def _sum(a: Array, b: Array) -> Pair:
    """The sum of two floats and what rounding takes from it (Knuth)."""
    high = a + b
    other = high - a
    return Pair(high, (a - (high - other)) + (b - other))


def _ordered(a: Array, b: Array) -> Pair:
    """The same for |a| >= |b| (Dekker)."""
    high = a + b
    return Pair(high, b - (high - a))


def _add(a: Pair, b: Pair) -> Pair:
    high, low = _sum(a.high, b.high)
    return _ordered(high, low + (a.low + b.low))


def _times(a: Pair, b: Pair) -> Pair:
    (a1, a2), (b1, b2) = _halves(a.high), _halves(b.high)
    high, low = _sum(a1 * b1, a1 * b2)
    high, more = _sum(high, a2 * b1)
    rest = (a2 * b2 + (low + more)) + (a.high * b.low + a.low * b.high)
    return _ordered(high, rest)


def _pair(x: np.ndarray) -> Pair:
    """Numbers of the host, in double precision, as pairs."""
    high = x.astype(np.float32)
    return Pair(jnp.asarray(high), jnp.asarray((x - high).astype(np.float32)))


def _below(total: Pair) -> Array:
    """A power of two, exactly, that brings a number between 1 and 2."""
    exponent = jax.lax.bitcast_convert_type(total.high, jnp.uint32) & jnp.uint32(0x7F800000)
    return jax.lax.bitcast_convert_type(jnp.uint32(254 << 23) - exponent, jnp.float32)


def _inverse(x: Pair) -> Pair:
    """1/x for x between 1 and 2, by one step of Newton's iteration."""
    guess = 1 / x.high
    product = _times(x, Pair(guess, jnp.zeros_like(guess)))
    return _ordered(guess, guess * ((1 - product.high) - product.low))


def _words(p: Pair) -> UInt32[Array, "*s"]:
    """2^32 p, rounded; 2^32 itself becomes 0. At least 1 for a small p, since 0 means that no word is large enough."""
    scaled = p.high * jnp.float32(2.0**16)
    whole = jnp.floor(scaled)
    part = ((scaled - whole) + p.low * jnp.float32(2.0**16)) * jnp.float32(2.0**16)
    word = (whole.astype(jnp.uint32) << 16) + jnp.round(part).astype(jnp.int32).astype(jnp.uint32)
    return jnp.where((word == 0) & (p.high < 0.5), jnp.uint32(1), word)


def thresholds(mean: Float[Array, "*s"], length: int) -> UInt32[Array, "*s j"]:
    """Words at or above threshold `j` mean more than `j` spikes: 2^32 P(N <= j), rounded to whole numbers.

    A threshold of 0 stands for 2^32, which no word reaches. Means up to 128, of which the table must hold all but 2^-33.
    """
    mean = jax.lax.stop_gradient(mean)
    high = mean.astype(jnp.float32)
    m = Pair(high, (mean - high.astype(mean.dtype)).astype(jnp.float32))
    zero = jnp.zeros_like(high)
    first = Pair(jnp.exp2(jnp.float32(-0.7) * high), zero)  # the largest term and the sum stay within the range of a float

    def body(carry: tuple[Pair, Pair], inverse: Pair) -> tuple[tuple[Pair, Pair], Pair]:
        term, total = carry
        term = _times(term, _times(m, inverse))
        return (term, _add(total, term)), total

    steps = _pair(1 / np.arange(1.0, length + 24))
    (_, total), sums = jax.lax.scan(body, (first, first), steps)
    unit = _below(total)
    share = _inverse(Pair(total.high * unit, total.low * unit))
    chances = _times(Pair(sums.high[:length] * unit, sums.low[:length] * unit), Pair(*(jnp.broadcast_to(x, (length, *x.shape)) for x in share)))
    return jnp.moveaxis(_words(chances), 0, -1)
