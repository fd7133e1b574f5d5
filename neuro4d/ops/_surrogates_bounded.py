"""Surrogates that are zero beyond a distance from threshold: only neurons near it cost anything in a backward pass."""

import brainunit as u
import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d._base import quantity
from neuro4d.ops._surrogate import AbstractSurrogate


class Triangle(AbstractSurrogate):
    r"""A triangle: $\max(0, 1 - |x|/w)/w$. Its integral is 1.

    The same name elsewhere: spyx `triangular(k)` is $\max(0, 1 - |k x|)$, without the factor $k$, so its integral is $1/k$; Norse
    and Bellec et al. multiply by a damping factor of 0.3 (`n4.Scaled(n4.Triangle(), damping=0.3)`); SpikingJelly's
    `PiecewiseQuadratic(alpha)` is this one with $w = 1/\alpha$. snnTorch's `triangular` is another function.

    **Arguments:** `width` $w$: where the slope reaches zero. [voltage] By default 5 mV.

    **Source:** G. Bellec et al., NeurIPS (2018), with damping.

    !!! Example

        >>> import brainunit as u, jax.numpy as jnp, neuro4d as n4
        >>> [float(x) for x in n4.Triangle(width=4*u.mV).slope(jnp.array([-5.0, 0.0, 2.0]))]
        [0.0, 0.25, 0.125]
    """

    width: Float[Array, ""] = quantity(u.mV, low=0, open_low=True, default=5 * u.mV)

    def slope(self, excess):
        width = jnp.asarray(self.width, excess.dtype)
        return jnp.maximum(0, 1 - jnp.abs(excess) / width) / width


class Boxcar(AbstractSurrogate):
    r"""A box: $1/w$ for $-w/2 \le x < w/2$, else 0. Its integral is 1.

    The same name elsewhere: the box of sparch has $w = 1$ in units of the threshold; spyx `boxcar(a, h)` has a height `h` of its own
    (0.5 by default, and $w = a = 2$); SpikingJelly's `Rect(alpha)` is this one with $w = 1/\alpha$. Also known as rectangle.

    **Arguments:** `width` $w$: of the whole box, twice the distance to its edge. [voltage] By default 1 mV.

    **Source:** Y. Wu, L. Deng, G. Li, J. Zhu, L. Shi, Frontiers in Neuroscience 12, 331 (2018).

    !!! Example

        >>> import brainunit as u, jax.numpy as jnp, neuro4d as n4
        >>> [float(x) for x in n4.Boxcar(width=4*u.mV).slope(jnp.array([-2.5, -2.0, 1.9, 2.0]))]
        [0.0, 0.25, 0.25, 0.0]
    """

    width: Float[Array, ""] = quantity(u.mV, low=0, open_low=True, default=1 * u.mV)

    def slope(self, excess):
        width = jnp.asarray(self.width, excess.dtype)
        inside = (excess >= -width / 2) & (excess < width / 2)
        return jnp.where(inside, 1 / width, 0)
