"""What conductance-based neurons of the Hodgkin-Huxley kind share: gates that relax, and a membrane of several conductances."""

import jax.numpy as jnp

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
