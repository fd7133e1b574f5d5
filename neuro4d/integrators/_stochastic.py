"""Steps of stochastic differential equations whose noise acts on each variable by itself."""

from typing import Any

import jax
import jax.numpy as jnp

from neuro4d.integrators._deterministic import Field
from neuro4d.integrators._tree import arrays, plus


def _pushed(y: Any, diffusion: Any, dt: Any, noise: Any) -> Any:
    return jax.tree.map(lambda x, g, z: x + jnp.sqrt(dt) * g * z, y, diffusion, noise)


def euler_maruyama(f: Field, g: Field, t: Any, y: Any, dt: Any, noise: Any, args: Any = None) -> Any:
    r"""One step of $dy = f\,dt + g\,dW$ in the sense of Itô: $y + h f(t, y) + \sqrt{h}\,g(t, y)\,z$.

    Strong order 1/2, and 1 where `g` does not depend on `y`; weak order 1.

    **Arguments:**

    - `f`: the drift, a function of `(t, y, args)` as in `euler`.
    - `g`: the diffusion, likewise: a tree like `y`, in units of `y` per square root of the unit of `t`. Entries of `y` have independent noise.
    - `t`, `y`, `dt`, `args`: as in `euler`. `dt` is above 0.
    - `noise`: $z$, a tree like `y` of independent standard normal numbers, new for every step. Zeros for what has no noise.

    **Returns:** `y` at the end of the step.

    **Source:** G. Maruyama, Rend. Circ. Mat. Palermo 4, 48 (1955).

    !!! Example

        >>> import jax.random as jr
        >>> import neuro4d as n4
        >>> step = n4.integrators.euler_maruyama
        >>> z = jr.normal(jr.key(0), (3,))
        >>> step(lambda t, y, args: -y, lambda t, y, args: 0.5, 0.0, z*0, 0.01, z).shape
        (3,)
    """
    y = arrays(y)
    return _pushed(plus(y, (dt, f(t, y, args))), _like(g(t, y, args), y), dt, arrays(noise))


def stochastic_heun(f: Field, g: Field, t: Any, y: Any, dt: Any, noise: Any, args: Any = None) -> Any:
    r"""One step of $dy = f\,dt + g \circ dW$ in the sense of Stratonovich: the mean of drift and diffusion at both ends of an Euler step.

    $$ \tilde y = y + h f + \sqrt{h}\,g\,z, \qquad y \leftarrow y + \frac{h}{2}\big(f + \tilde f\big) + \frac{\sqrt h}{2}\big(g + \tilde g\big) z $$

    Strong order 1 (noise acts on each variable by itself), second order where there is no noise. An Itô equation has the drift
    $f - \frac12 g\,\partial g/\partial y$ here; where `g` does not depend on `y` both are the same.

    **Arguments**, **Returns:** as `euler_maruyama`.

    **Source:** W. Rümelin, SIAM J. Numer. Anal. 19, 604 (1982).

    !!! Example

        >>> import neuro4d as n4
        >>> step = n4.integrators.stochastic_heun
        >>> float(step(lambda t, y, args: 0.0, lambda t, y, args: y, 0.0, 1.0, 0.25, 1.0))  # exp(0.5) is 1.6487
        1.625
    """
    y, noise = arrays(y), arrays(noise)
    drift, diffusion = _like(f(t, y, args), y), _like(g(t, y, args), y)
    ahead = _pushed(plus(y, (dt, drift)), diffusion, dt, noise)
    drift_2, diffusion_2 = _like(f(t + dt, ahead, args), y), _like(g(t + dt, ahead, args), y)
    y = plus(y, (0.5 * dt, drift), (0.5 * dt, drift_2))
    return _pushed(y, plus(diffusion, (1.0, diffusion_2)), dt, jax.tree.map(lambda z: 0.5 * z, noise))


def _like(slope: Any, y: Any) -> Any:
    """A number stands for a tree of one leaf."""
    return jax.tree.map(lambda x, s: jnp.broadcast_to(jnp.asarray(s, x.dtype), x.shape), y, slope)
