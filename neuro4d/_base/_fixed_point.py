"""Products of integers that need more than 32 bits, in 32 bits: JAX has no 64-bit integers unless they are switched on.

All of them are exact; each says how it rounds.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32, UInt32

from neuro4d._base._errors import first_bad
from neuro4d._base._values import AbstractValue

LOW = 0xFFFF
"""The lower half of a word."""

WORD = 2**31 - 128
"""The largest number that both a signed word and single precision hold."""


def kept_of(x: Int32[Array, "*n"], keep: Int32[Array, "*n"]) -> Int32[Array, "*n"]:
    """`x * keep / 4096`, rounded towards zero, for sizes of `x` up to 2^23 and `keep` from 0 to 4096: the product has up to 36 bits."""
    size = jnp.abs(x)
    whole = (size >> 12) * keep + (((size & 0xFFF) * keep) >> 12)
    return jnp.where(x < 0, -whole, whole)


def wrapped(x: Int32[Array, "*n"], bits: int) -> Int32[Array, "*n"]:
    """The lowest `bits` of an integer, read as a signed one: what is left of a sum in a register of that width."""
    unused = 32 - bits
    return (x << unused) >> unused


def scaled_down(x: Int32[Array, "*n"], y: UInt32[Array, "*n"]) -> Int32[Array, "*n"]:
    """`floor(x * y / 2^32)`: a signed number times a fraction of 32 bits, rounded down."""
    x_high, x_low = x >> 16, (x & LOW).astype(jnp.uint32)
    y_high, y_low = (y >> 16).astype(jnp.int32), y & LOW
    left = x_high * y_low.astype(jnp.int32)
    right = x_low * y_high.astype(jnp.uint32)
    carry = (left & LOW) + (right & LOW).astype(jnp.int32) + ((x_low * y_low) >> 16).astype(jnp.int32)
    return x_high * y_high + (left >> 16) + (right >> 16).astype(jnp.int32) + (carry >> 16)


def product_s1615(x: Int32[Array, "*n"], y: Int32[Array, "*n"]) -> Int32[Array, "*n"]:
    """`floor(x * y / 2^15)` in 32 bits, what does not fit cut off: two numbers of the format s16.15."""
    high = scaled_down(x, y.astype(jnp.uint32)) - jnp.where(y < 0, x, 0)
    low = x.astype(jnp.uint32) * y.astype(jnp.uint32)
    return (high << 17) | (low >> 15).astype(jnp.int32)


def to_integer(x: Array, low: int, high: int) -> Int32[Array, "*n"]:
    """The nearest integer from `low` to `high`, even where two are equally near."""
    return jnp.clip(jnp.rint(x), low, high).astype(jnp.int32)


def check_whole(owner: str, **values: Any) -> None:
    """Refuses parameters that are no whole numbers; what is drawn later is looked at when it is drawn."""
    for name, value in values.items():
        if isinstance(value, AbstractValue):
            continue
        numbers = np.asarray(value)
        bad = numbers != np.rint(numbers)
        if np.any(bad):
            got = np.atleast_1d(numbers)[np.atleast_1d(bad)][0]
            raise ValueError(
                f"{owner}: {name} is a whole number, as the chip stores it; got {got}{first_bad(bad)}. For example `{name}={int(np.rint(got))}`."
            )
