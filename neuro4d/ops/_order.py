"""What XLA must not see: the order of reads and writes in memory that is used again, which numbers are constants, and which are products."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32


def after(value: Int32[Array, "..."], token: Int32[Array, ""]) -> Int32[Array, "..."]:
    """`value`, unchanged, but known only once `token` is.

    XLA updates an array in place if all who read it have read before. It sees that by data flow alone, so a writer is made to
    depend on a number that the reader brings out. `token` is 0 or more, which XLA cannot know: `minimum(token, 0)` is a 0 that it
    has to wait for. Without it a ring of spikes is copied in every step.
    """
    return value + jnp.minimum(token, 0)


def opaque(tree: Any) -> Any:
    """The same arrays, of which XLA cannot know whether they are constants or how they were computed.

    A constant would be folded into what uses it, by other functions than those that compute at run time, so that the last bits of a
    step would depend on whether a parameter is an argument of the program or part of it.
    """
    arrays, rest = eqx.partition(tree, eqx.is_array)
    return eqx.combine(jax.lax.optimization_barrier(arrays), rest)


def rounded(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """A product, with one bit less than its precision has: no compiler can make one operation of it and of the sum that it enters, whose last
    bit would then depend on what else the program computes, and with it whether a synapse is there, or a neuron alive."""
    kept = jnp.finfo(x.dtype)
    return jax.lax.reduce_precision(x, exponent_bits=kept.nexp, mantissa_bits=kept.nmant - 1)
