r"""Randomness by address: every draw is a function of (seed, name, index, stream), never of how many draws came before.

A word is a 32-bit mix of a 64-bit address and a 64-bit index:

$$ w = m(m(\mathrm{lo} \oplus a) + b + \mathrm{hi}\cdot\varphi) $$

with the two-round multiply-xorshift mixer $m$ (constants from the search by Wellons, *Hash Prospector*, 2018). The same
integers come out of NumPy on the host and of XLA inside a step, so structure and noise do not depend on platform, batch
or chunk. The address of an entity comes from BLAKE2b of the seed and its names.
"""

import hashlib
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt32

Address = tuple[int, int]

GOLDEN = 0x9E3779B9
_M1 = 0x21F0AAAD
_M2 = 0x735A2D97


def address(seed: int, *names: str) -> Address:
    """The place of an entity in the space of random words.

    **Arguments:** `seed` (0 to 2^64 - 1) and the names that lead to the entity, for example `"projection", "e", "weight"`.

    **Returns:** two integers below 2^32.

    !!! Example

        >>> from neuro4d._base import address
        >>> address(0, "projection", "e") == address(0, "projection", "e")
        True
    """
    digest = hashlib.blake2b("\x1f".join((str(int(seed)), *names)).encode(), digest_size=8).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little")


def check_seed(seed: object) -> int:
    """A whole number from 0 to 2^64 - 1."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise TypeError(f"a seed is a whole number, for example `seed=0`; got {seed!r}.")
    if not 0 <= int(seed) < 2**64:
        raise ValueError(f"a seed lies between 0 and 2**64 - 1; got {seed}.")
    return int(seed)


def _mix_inplace(x: np.ndarray, scratch: np.ndarray) -> None:
    np.right_shift(x, 16, out=scratch)
    np.bitwise_xor(x, scratch, out=x)
    np.multiply(x, np.uint32(_M1), out=x)
    np.right_shift(x, 15, out=scratch)
    np.bitwise_xor(x, scratch, out=x)
    np.multiply(x, np.uint32(_M2), out=x)
    np.right_shift(x, 15, out=scratch)
    np.bitwise_xor(x, scratch, out=x)


def words(addr: Address, index: Int[np.ndarray, "n"], stream: int = 0) -> UInt32[np.ndarray, "n"]:
    """Random words for host-side structure.

    **Arguments:**

    - `addr`: from `address`.
    - `index`: non-negative integers; which draws. Any chunk of them gives the same words as the whole.
    - `stream`: a further small number, for redraws.

    **Returns:** uint32 words, one per index.

    !!! Example

        >>> import numpy as np
        >>> from neuro4d._base import address, words
        >>> whole = words(address(0, "x"), np.arange(10))
        >>> bool((whole[5:] == words(address(0, "x"), np.arange(5, 10))).all())
        True
    """
    index = np.asarray(index)
    x = index.astype(np.uint32)
    scratch = np.empty_like(x)
    if x.size < 1 << 16:
        _fill(x, index, addr, stream, scratch)
        return x
    flat, source, spare = x.reshape(-1), index.reshape(-1), scratch.reshape(-1)
    for lo in range(0, flat.size, 1 << 16):  # pieces that stay in cache: three times faster than whole passes
        piece = slice(lo, lo + (1 << 16))
        _fill(flat[piece], source[piece], addr, stream, spare[piece])
    return x


def _fill(x: np.ndarray, index: np.ndarray, addr: Address, stream: int, scratch: np.ndarray) -> None:
    a, b = addr
    np.bitwise_xor(x, np.uint32(a), out=x)
    _mix_inplace(x, scratch)
    np.add(x, np.uint32((b + stream * 0x85EBCA6B) & 0xFFFFFFFF), out=x)
    if index.dtype.itemsize == 8:
        np.right_shift(index, 32, out=scratch, casting="unsafe")
        np.multiply(scratch, np.uint32(GOLDEN), out=scratch)
        np.add(x, scratch, out=x)
    _mix_inplace(x, scratch)


def words_jax(a: Array, b: Array, index: UInt32[Array, "n"]) -> UInt32[Array, "n"]:
    """The same words inside a compiled step, for indices below 2^32 and stream 0."""
    return _mix_jax(_mix_jax(index ^ a) + b)


def _mix_jax(x: Array) -> Array:
    x = (x ^ (x >> 16)) * jnp.uint32(_M1)
    x = (x ^ (x >> 15)) * jnp.uint32(_M2)
    return x ^ (x >> 15)


def step_address(key_words: UInt32[Array, "2"], entity: tuple[Any, Any], step: UInt32[Array, ""]) -> tuple[Array, Array]:
    """The address of one entity at one step of one trial: two words that start the draws of all its neurons."""
    a0, b0 = jnp.uint32(entity[0]), jnp.uint32(entity[1])
    a = _mix_jax(_mix_jax(step ^ (key_words[0] + a0)) + (key_words[1] ^ b0))
    b = _mix_jax(_mix_jax(step + (key_words[1] ^ a0)) ^ (key_words[0] + b0))
    return a, b


def bounded(word: UInt32[np.ndarray, "n"], n: int) -> Int[np.ndarray, "n"]:
    """Integers in `[0, n)` from words: `(word * n) >> 32`. The bias is below `n / 2^32`."""
    wide = word.astype(np.uint64)
    np.multiply(wide, np.uint64(n), out=wide)
    np.right_shift(wide, np.uint64(32), out=wide)
    return wide.astype(np.int32 if n <= 2**31 else np.int64)


def uniform(word: UInt32[np.ndarray, "n"]) -> np.ndarray:
    """Uniform float64 in the open interval (0, 1): the midpoints of 2^32 cells."""
    return (word.astype(np.float64) + 0.5) * 2.0**-32


def uniform_jax(word: UInt32[Array, "n"], dtype) -> Array:
    """Uniform floats in the open interval (0, 1) inside a step; float32 uses the upper 23 bits."""
    if dtype == jnp.float64:
        return (word.astype(dtype) + 0.5) * 2.0**-32
    return ((word >> 9).astype(dtype) + 0.5) * np.float32(2.0**-23)


def upper_half(a: UInt32[Array, "*n"], b: UInt32[Array, "*n"]) -> UInt32[Array, "*n"]:
    """The upper 32 of the 64 bits of a product, from products of halves."""
    a0, a1, b0, b1 = a & 0xFFFF, a >> 16, b & 0xFFFF, b >> 16
    middle = a1 * b0 + ((a0 * b0) >> 16)
    return a1 * b1 + (middle >> 16) + ((a0 * b1 + (middle & 0xFFFF)) >> 16)
