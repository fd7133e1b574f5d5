"""Steps of ordinary differential equations."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from neuro4d.integrators._exprel import exprel
from neuro4d.integrators._tree import arrays, plus

Field = Callable[[Any, Any, Any], Any]
"""`f(t, y, args)`, the slope of `y`: a tree of its structure. What diffrax calls a vector field."""

FARTHEST = 80.0
"""Where exponents end, so that single precision holds them."""


def euler(f: Field, t: Any, y: Any, dt: Any, args: Any = None) -> Any:
    r"""One explicit step, first order: $y + h f(t, y)$.

    **Arguments** (those of every step in this package):

    - `f`: the slope, a function of `(t, y, args)` as in diffrax. It returns a tree like `y`, in units of `y` per unit of `t`.
    - `t`: the time at the beginning of the step. A neuron has no clock: give 0.
    - `y`: numbers or arrays in any tree (a named tuple, a dictionary, one array).
    - `dt`: the length of the step $h$.
    - `args`: handed on to `f`.

    **Returns:** `y` at the end of the step. A pure function: it can be compiled, batched and differentiated.

    !!! Example

        >>> import neuro4d as n4
        >>> float(n4.integrators.euler(lambda t, y, args: -y, 0.0, 1.0, 0.5))
        0.5
    """
    y = arrays(y)
    return plus(y, (dt, f(t, y, args)))


def heun(f: Field, t: Any, y: Any, dt: Any, args: Any = None) -> Any:
    r"""One explicit step, second order: the mean of the slopes at the beginning and at the end of an Euler step.

    **Arguments**, **Returns:** as `euler`.

    !!! Example

        >>> import neuro4d as n4
        >>> float(n4.integrators.heun(lambda t, y, args: -y, 0.0, 1.0, 0.5))
        0.625
    """
    y = arrays(y)
    first = f(t, y, args)
    second = f(t + dt, plus(y, (dt, first)), args)
    return plus(y, (0.5 * dt, first), (0.5 * dt, second))


def rk4(f: Field, t: Any, y: Any, dt: Any, args: Any = None) -> Any:
    r"""One explicit step, fourth order: the method of Runge and Kutta with four slopes.

    Stable while no time constant is shorter than $h/2.78$.

    **Arguments**, **Returns:** as `euler`.

    **Source:** W. Kutta, Z. Math. Phys. 46, 435 (1901).

    !!! Example

        >>> import jax.numpy as jnp
        >>> import neuro4d as n4
        >>> def pendulum(t, y, args):
        ...     return {"angle": y["speed"], "speed": -jnp.sin(y["angle"])}
        >>> y = n4.integrators.rk4(pendulum, 0.0, {"angle": 1.0, "speed": 0.0}, 0.1)
        >>> round(float(y["angle"]), 4)
        0.9958
    """
    y = arrays(y)
    k1 = f(t, y, args)
    k2 = f(t + 0.5 * dt, plus(y, (0.5 * dt, k1)), args)
    k3 = f(t + 0.5 * dt, plus(y, (0.5 * dt, k2)), args)
    k4 = f(t + dt, plus(y, (dt, k3)), args)
    return plus(y, (dt / 6, k1), (dt / 3, k2), (dt / 3, k3), (dt / 6, k4))


def linear(a: Any, b: Any, y: Any, dt: Any) -> Any:
    r"""The exact step of $\dot y = a y + b$ with `a` and `b` held: $y + h\,\varepsilon(ah)\,(a y + b)$ with $\varepsilon(x) = (e^x - 1)/x$.

    A gate of a channel has $a = -(\alpha + \beta)$ and $b = \alpha$; `a = 0` is no special case.

    **Arguments:** `a`, `b`: trees like `y`, entry by entry; `dt`: the length of the step. $ah$ up to 80.

    **Returns:** `y` at the end of the step.

    !!! Example

        >>> import neuro4d as n4
        >>> round(float(n4.integrators.linear(-1.0, 2.0, 1.0, 0.5)), 6)  # 2 - exp(-0.5)
        1.393469
    """
    return jax.tree.map(lambda p, q, x: x + dt * exprel(jnp.minimum(p * dt, FARTHEST)) * (p * x + q), arrays(a), arrays(b), arrays(y))


def exponential_euler(f: Field, t: Any, y: Any, dt: Any, args: Any = None) -> Any:
    r"""One exponential step: exact where every variable is linear in itself, first order where variables change each other.

    $$ y_k \leftarrow y_k + h\,\varepsilon(J_k h)\,f_k, \qquad J_k = \frac{\partial f_k}{\partial y_k}, \qquad \varepsilon(x) = \frac{e^x - 1}{x} $$

    With a single variable that does not depend on `t` it is second order (the Rosenbrock-Euler method). Stable for any decay, as gates of
    channels need it. The derivatives come from `f` by forward differentiation, one pass for each leaf.

    **Arguments**, **Returns:** as `euler`; within a leaf entries are different neurons: entry `i` of `f` depends on entry `i` of `y` alone.

    **Source:** M. Hochbruck, A. Ostermann, Acta Numerica 19, 209 (2010).

    !!! Example

        >>> import neuro4d as n4
        >>> gate = lambda t, m, args: 3 * (1 - m) - 2 * m
        >>> round(float(n4.integrators.exponential_euler(gate, 0.0, 0.0, 10.0)), 6)  # far more than its time constant
        0.6
    """
    leaves, tree = jax.tree.flatten(arrays(y))

    def slopes(*x):
        return tuple(jax.tree.leaves(f(t, jax.tree.unflatten(tree, x), args)))

    moved = []
    for k, x in enumerate(leaves):
        one = tuple(jnp.ones_like(other) if j == k else jnp.zeros_like(other) for j, other in enumerate(leaves))
        slope, own = jax.jvp(lambda *x, k=k: slopes(*x)[k], tuple(leaves), one)
        moved.append(x + dt * exprel(jnp.minimum(own * dt, FARTHEST)) * slope)
    return jax.tree.unflatten(tree, moved)
