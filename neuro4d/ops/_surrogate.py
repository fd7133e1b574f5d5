"""Surrogate derivatives: the forward pass stays the hard threshold, the backward pass gets a slope."""

import abc

import brainunit as u
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d._base import AbstractPart, quantity


class AbstractSurrogate(AbstractPart):
    """A pseudo-derivative of the step function, as a function of the distance to threshold in mV."""

    @abc.abstractmethod
    def slope(self, excess: Float[Array, "n"]) -> Float[Array, "n"]:
        """The pseudo-derivative in 1/mV, finite for every finite argument."""

    def spike(self, excess: Float[Array, "n"]) -> Float[Array, "n"]:
        """1 where `excess >= 0`, else 0, with `slope` for a derivative."""
        return _spike(self, excess)


@jax.custom_jvp
def _spike(surrogate, excess):
    return (excess >= 0).astype(excess.dtype)


@_spike.defjvp
def _spike_jvp(primals, tangents):
    surrogate, excess = primals
    return _spike(surrogate, excess), surrogate.slope(excess) * tangents[1]


class SuperSpike(AbstractSurrogate):
    r"""The derivative of a fast sigmoid: $1 / (w (1 + |x|/w)^2)$ (Zenke and Ganguli 2018).

    **Arguments:** `width` $w$: how far from threshold the slope has fallen to a quarter. [voltage]

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> cells = n4.Population("cells", 3, n4.Relay(), {"in": n4.Delta()})
        >>> model = n4.Network(cells).build(dt=0.1*u.ms, surrogate=n4.SuperSpike(width=2*u.mV))
    """

    width: Float[Array, ""] = quantity(u.mV, low=0, open_low=True, default=1 * u.mV)

    def slope(self, excess):
        width = jnp.asarray(self.width, excess.dtype)
        return 1 / (width * (1 + jnp.abs(excess) / width) ** 2)


class Triangle(AbstractSurrogate):
    r"""A triangle: $\max(0, 1 - |x|/w)/w$ (Bellec et al. 2018).

    **Arguments:** `width` $w$: where the slope reaches zero. [voltage]

    !!! Example

        >>> import brainunit as u, jax.numpy as jnp, neuro4d as n4
        >>> [float(x) for x in n4.Triangle(width=4*u.mV).slope(jnp.array([-5.0, 0.0, 2.0]))]
        [0.0, 0.25, 0.125]
    """

    width: Float[Array, ""] = quantity(u.mV, low=0, open_low=True, default=5 * u.mV)

    def slope(self, excess):
        width = jnp.asarray(self.width, excess.dtype)
        return jnp.maximum(0, 1 - jnp.abs(excess) / width) / width
