r"""Propagators of exponential and alpha functions through a passive membrane.

With $a = 1/\tau_m - 1/\tau_s$ and $h$ the time step, the response of the membrane to $e^{-t/\tau_s}$ and $t\,e^{-t/\tau_s}$ is

$$ P_{21} = \frac{h}{C} e^{-h/\tau_m}\,\varphi(ah), \qquad P_{31} = \frac{h^2}{C} e^{-h/\tau_m}\,\psi(ah), $$

$$ \varphi(x) = \int_0^1 e^{xs} ds = \frac{e^x - 1}{x}, \qquad \psi(x) = \int_0^1 s\,e^{xs} ds = \frac{x e^x - e^x + 1}{x^2}. $$

Both functions are smooth at 0, so equal time constants are no special case, and neither are their derivatives.
"""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d.integrators import exprel as phi

SMALL = 0.05
NEAR = 1.0


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


def exp_between(x: Float[Array, "*n"], y: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """The divided difference (e^x - e^y)/(x - y), the mean of the exponential between x and y; e^x where they are equal."""
    high, low = jnp.maximum(x, y), jnp.minimum(x, y)
    return jnp.exp(high) * phi(low - high)


def exp_among(x: Float[Array, "*n"], y: Float[Array, "*n"], z: Float[Array, "*n"]) -> Float[Array, "*n"]:
    r"""The second divided difference of the exponential at x, y and z: half of its mean over the triangle, e^x/2 where all are equal.

    $h^{k-1}$ times a divided difference at $-h/\tau_1, \dots, -h/\tau_k$ is the convolution of $k$ exponentials at time $h$. Smooth
    wherever two or three of them coincide: near each other a series around their mean, else two first differences over the widest
    distance, which lose no digits.
    """
    high, low = jnp.maximum(jnp.maximum(x, y), z), jnp.minimum(jnp.minimum(x, y), z)
    middle = jnp.maximum(jnp.minimum(x, y), jnp.minimum(jnp.maximum(x, y), z))
    near = high - low < NEAR
    width = jnp.where(near, 1, high - low)
    far = (exp_between(high, middle) - exp_between(middle, low)) / width
    mean = (x + y + z) / 3
    return jnp.where(near, jnp.exp(mean) * _series(*(jnp.where(near, v - mean, 0) for v in (x, y, z))), far)


def _series(a: Float[Array, "*n"], b: Float[Array, "*n"], c: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """The sum of h_k(a, b, c)/(k + 2)! over complete homogeneous polynomials: the second divided difference near 0."""
    one = two = three = jnp.ones_like(a)
    total = three / 2
    for k in range(1, 16):
        one = one * a
        two = one + b * two
        three = two + c * three
        total = total + three * (1 / math.factorial(k + 2))
    return total


def held_pair(dt: float, rise, decay, membrane) -> tuple:
    r"""Currents that, held over the step, move the membrane as $e^{-t/\tau_d}$ and its convolution with $e^{-t/\tau_r}$ do.

    Without a membrane time constant the means over the step.
    """
    x, y = -dt / decay, -dt / rise
    m = jnp.zeros_like(x) if membrane is None else -dt / membrane.tau
    step = phi(m)
    return exp_between(m, x) / step, dt * exp_among(m, x, y) / step
