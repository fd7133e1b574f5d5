r"""Propagators of exponential and alpha functions through a passive membrane.

With $a = 1/\tau_m - 1/\tau_s$ and $h$ the time step, the response of the membrane to $e^{-t/\tau_s}$ and $t\,e^{-t/\tau_s}$ is

$$ P_{21} = \frac{h}{C} e^{-h/\tau_m}\,\varphi(ah), \qquad P_{31} = \frac{h^2}{C} e^{-h/\tau_m}\,\psi(ah), $$

$$ \varphi(x) = \int_0^1 e^{xs} ds = \frac{e^x - 1}{x}, \qquad \psi(x) = \int_0^1 s\,e^{xs} ds = \frac{x e^x - e^x + 1}{x^2}. $$

Both functions are smooth at 0, so equal time constants are no special case, and neither are their derivatives.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d.integrators import exprel as phi

SMALL = 0.05


def psi(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """(x e^x - e^x + 1)/x^2, with its limit 1/2 at 0 and finite derivatives everywhere."""
    near = jnp.abs(x) < SMALL
    safe = jnp.where(near, 1, x)
    series = jnp.zeros_like(x)
    factorial = 40320.0
    for k in range(8, -1, -1):
        series = series * x + 1 / (factorial * (k + 2))
        factorial = factorial / k if k else factorial
    exact = (jnp.exp(safe) - jnp.expm1(safe) / safe) / safe
    return jnp.where(near, jnp.where(near, series, 0), exact)


def held_current(dt: float, tau, membrane) -> tuple:
    r"""Currents that, held over the step, move the membrane exactly as $e^{-t/\tau}$ and $t e^{-t/\tau}$ do.

    $P_{21}/P_{20}$ and $P_{31}/P_{20}$ with $P_{20} = (\tau_m/C)(1 - e^{-h/\tau_m})$; without a membrane time constant the means over
    the step.
    """
    if membrane is None:
        return phi(-dt / tau), dt * psi(-dt / tau)
    x = dt / membrane.tau - dt / tau
    scale = jnp.exp(-dt / membrane.tau) / phi(-dt / membrane.tau)
    return scale * phi(x), scale * dt * psi(x)
