r"""Stationary rate of a leaky integrate-and-fire neuron in white noise, for any size of its argument and in both precisions.

The rate is the inverse of an integral over $e^{u^2}(1 + \mathrm{erf}\,u)$ between the reset and the threshold, in units of the noise. That integral
overflows where the rate vanishes, so $e^{-u^2}$ of the threshold is taken out of it: what is left lies between 0 and a few hundreds.
"""

from typing import Any

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neuro4d._base import attach, check_range, is_traced, strip_traced

ALPHA = 2.0652531522312176
r"""$\sqrt 2\,|\zeta(1/2)|$"""

LEAST_NOISE = 1e-4
"""Of the distance between reset and threshold: below it the noise no longer changes a digit of the rate, and the integral becomes long."""

NODES = 48
FAR = 40.0
"""Exponents of the integrand that are kept: e^-40 is below double precision."""


def siegert(mu: Any, sigma: Any, tau: Any, v_th: Any, v_reset: Any, t_ref: Any, tau_syn: Any = 0 * u.ms) -> Any:
    r"""Stationary firing rate of a leaky integrate-and-fire neuron whose input is white or nearly white noise.

    $$ \tau \dot v = \mu - v + \sigma\sqrt\tau\,\xi(t), \qquad
       \frac1\nu = t_\mathrm{ref} + \tau\sqrt\pi \int_{y_r}^{y_\theta} e^{u^2}(1 + \mathrm{erf}\,u)\,du, \qquad
       y_x = \frac{v_x - \mu}{\sigma} + \frac\alpha2\sqrt{\frac{\tau_s}{\tau}} $$

    with $\alpha = \sqrt2\,|\zeta(1/2)| \approx 2.065$. The potential without a threshold has the standard deviation $\sigma/\sqrt2$. Poisson trains of
    rate $r_k$ that move the potential by jumps $J_k$ are such an input in the limit of small jumps: $\mu = v_\mathrm{rest} + \tau\sum_k J_k r_k$,
    $\sigma^2 = \tau\sum_k J_k^2 r_k$.

    Currents with a time constant $\tau_s$, $J = w\tau_s/C$, shift both bounds by the last term. It is the first order in $\sqrt{\tau_s/\tau}$:
    good to a few per cent of the rate up to $\tau_s/\tau \approx 0.1$ when the potential fluctuates to the threshold, and not for slow synapses.

    **Arguments:** scalars or arrays that broadcast.

    - `mu`: the potential to which the mean input leads. [voltage]
    - `sigma`: strength of the noise, 0 or more. Below $10^{-4}$ of the distance from reset to threshold it counts as that. [voltage]
    - `tau`: membrane time constant, above 0. [time]
    - `v_th`, `v_reset`: threshold and reset, the first above the second. [voltage]
    - `t_ref`: refractory period, 0 or more. [time]
    - `tau_syn`: time constant of the synaptic current; 0 for white noise. [time]

    Inside a compiled function a traced bare number counts in mV and ms. The derivative is that of the equation, not of its quadrature, in
    every argument; `jax.grad`, `jacfwd` and `vmap` go through.

    **Returns:** a quantity in Hz.

    **Raises:** `UnitError`, `ValueError` for a value outside its range.

    **Source:** A. Siegert, Phys. Rev. 81, 617 (1951); N. Brunel, V. Hakim, Neural Comput. 11, 1621 (1999); N. Fourcaud, N. Brunel,
    Neural Comput. 14, 2057 (2002); J. Schuecker, M. Diesmann, M. Helias, Phys. Rev. E 92, 052119 (2015).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> rate = n4.analysis.siegert(15*u.mV, 5*u.mV, 20*u.ms, 20*u.mV, 10*u.mV, 2*u.ms)
        >>> print(round(float(rate.to_decimal(u.Hz)), 2))
        9.46
    """
    given = {"mu": (mu, u.mV), "sigma": (sigma, u.mV), "tau": (tau, u.ms), "v_th": (v_th, u.mV), "v_reset": (v_reset, u.mV)}
    given |= {"t_ref": (t_ref, u.ms), "tau_syn": (tau_syn, u.ms)}
    bare = {name: strip_traced(value, unit, f"siegert: {name}") for name, (value, unit) in given.items()}
    _check(bare, {name: unit for name, (_, unit) in given.items()})
    return siegert_rate(*(jnp.asarray(x) for x in bare.values())) * 1e3 * u.Hz


def _check(bare: dict[str, Any], units: dict[str, Any]) -> None:
    """The ranges of what is known now."""
    for name, value in bare.items():
        if not is_traced(value):
            low = 0 if units[name] == u.ms or name == "sigma" else None
            check_range(np.asarray(value), units[name], f"siegert: {name}", low=low, open_low=name == "tau")
    if not is_traced(bare["v_th"], bare["v_reset"]) and not np.all(np.asarray(bare["v_th"]) > np.asarray(bare["v_reset"])):
        raise ValueError(
            f"siegert: v_th has to lie above v_reset, for example `v_th=-50*u.mV, v_reset=-60*u.mV`; got "
            f"v_th={attach(bare['v_th'], u.mV)}, v_reset={attach(bare['v_reset'], u.mV)}."
        )
    shapes = [np.shape(value) for value in bare.values()]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(f"siegert: the arguments have to broadcast; got shapes {shapes}.") from None


@jax.jit
def siegert_rate(mu: Array, sigma: Array, tau: Array, v_th: Array, v_reset: Array, t_ref: Array, tau_syn: Array) -> Float[Array, "*n"]:
    """The same of bare numbers in mV and ms; in kHz."""
    noise = jnp.maximum(sigma, LEAST_NOISE * (v_th - v_reset))
    slow = tau_syn > 0
    shift = jnp.where(slow, ALPHA / 2 * jnp.sqrt(jnp.where(slow, tau_syn, 1) / tau), 0)
    bounds = ((v_th - mu) / noise + shift, (v_reset - mu) / noise + shift)
    parts = jnp.broadcast_arrays(*bounds, tau, t_ref)
    dtype = jnp.result_type(*parts, float)
    return first_passage_rate(*(part.astype(dtype) for part in parts))


@jax.custom_jvp
def first_passage_rate(upper: Float[Array, "*n"], lower: Float[Array, "*n"], tau: Float[Array, "*n"], t_ref: Float[Array, "*n"]) -> Array:
    """The rate from the two bounds of the integral, in 1/ms."""
    damping = _damping(upper)
    return damping / (damping * t_ref + tau * jnp.sqrt(jnp.pi) * damped_integral(upper, lower))


@first_passage_rate.defjvp
def _rate_jvp(primals: tuple, tangents: tuple) -> tuple:
    """-rate^2 times the change of the mean interval; the integrand at its bounds is the derivative of the integral."""
    upper, lower, tau, t_ref = primals
    upper_dot, lower_dot, tau_dot, t_ref_dot = tangents
    rate = first_passage_rate(upper, lower, tau, t_ref)
    damping, scale = _damping(upper), jnp.sqrt(jnp.pi)
    integral = damped_integral(upper, lower)
    change = scale * (tau_dot * integral + tau * (damped(upper, upper) * upper_dot - damped(lower, upper) * lower_dot))
    interval = damping * t_ref + tau * scale * integral
    return rate, -rate * (change + damping * t_ref_dot) / interval


def _damping(upper: Array) -> Array:
    return jnp.exp(-jnp.square(jnp.maximum(upper, 0)))


def damped(x: Array, upper: Array) -> Array:
    """e^(x^2) (1 + erf x), times e^(-upper^2) where `upper` is positive; x at most `upper`."""
    above = jnp.maximum(upper, 0)
    right = jnp.maximum(x, 0)
    return jnp.where(
        x > 0, jnp.exp((right - above) * (right + above)) * jax.lax.erfc(-right), scaled_erfc(jnp.maximum(-x, 0)) * _damping(upper)
    )


def damped_integral(upper: Array, lower: Array) -> Array:
    """The integral of `damped` from `lower` to `upper`: below 0 over log(1 + |u|), above it back from the upper bound, as far as it counts."""
    x, weight = (jnp.asarray(part, upper.dtype).reshape(-1, *[1] * upper.ndim) for part in np.polynomial.legendre.leggauss(NODES))
    far, near = jnp.log1p(jnp.maximum(-lower, 0)), jnp.log1p(jnp.maximum(-upper, 0))
    log = near + (far - near) * (x + 1) / 2
    below = jnp.sum(weight * scaled_erfc(jnp.expm1(log)) * jnp.exp(log), axis=0) * (far - near) / 2
    above = jnp.maximum(upper, 0)
    reach = jnp.minimum(above - jnp.maximum(lower, 0), FAR / jnp.maximum(above, 1e-3))
    back = reach * (x + 1) / 2
    at = above - back
    positive = jnp.sum(weight * jnp.exp(-back * (at + above)) * jax.lax.erfc(-at), axis=0) * reach / 2
    return positive + _damping(upper) * below


def scaled_erfc(x: Array) -> Array:
    """e^(x^2) erfc x for x at least 0: from 3 on by the continued fraction of Laplace, which needs no exponential."""
    near, far = jnp.minimum(x, 3), jnp.maximum(x, 3)
    square = far * far
    tail = jnp.ones_like(far)
    for k in range(24, 0, -1):
        tail = (square if k % 2 == 0 else 1) + k / 2 / tail
    fraction = 1 / (far * np.sqrt(np.pi).astype(x.dtype))
    return jnp.where(x < 3, jnp.exp(near * near) * jax.lax.erfc(near), fraction / tail)
