"""What conductance-based neurons of the Hodgkin-Huxley kind share: gates that relax, and a membrane of several conductances."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from neuro4d._base import Drive

FAR = 300.0
"""mV: rate functions are evaluated within this distance of where they change, so that no exponential leaves single precision."""


def relaxed(gate, opening, closing, dt):
    """A gate after `dt` with both rates held: exact."""
    total = opening + closing
    return gate + (opening / total - gate) * -jnp.expm1(-dt * total)


def relaxed_twice(gate, opening, closing, dt):
    """A gate after `dt` and after twice as long."""
    total = opening + closing
    way, share = opening / total - gate, -jnp.expm1(-dt * total)
    return gate + way * share, gate + way * (share * (2 - share))


def equilibrium(rates) -> dict[str, jnp.ndarray]:
    """Where gates rest under rates that are held: for each name its pair (opening, closing)."""
    return {name: opening / (opening + closing) for name, (opening, closing) in rates.items()}


def ionic_change(c: Any, s: Any, drive: Drive, rate: Any) -> Array:
    """How far the membrane moves from `s.v` while all conductances are held.

    **Arguments:** `c`: has `g_leak`, `g_na`, `g_k` and `e_leak`, `e_na`, `e_k`; `s`: has `v` and the gates `m`, `h`, `n`; `rate`: the time
    over the capacitance (1/nS).
    """
    g_na = c.g_na * (s.m * s.m * s.m * s.h)
    g_k = c.g_k * (s.n * s.n * (s.n * s.n))
    total = c.g_leak + g_na + g_k
    inward = c.g_leak * (c.e_leak - s.v) + g_na * (c.e_na - s.v) + g_k * (c.e_k - s.v)
    if drive.i is not None:
        inward = inward + drive.i
    if drive.g is not None:
        total, inward = total + drive.g, inward - drive.g * s.v
    return inward / total * -jnp.expm1(-rate * total)
