"""Synaptic elements: how many ends of synapses a neuron offers, by its calcium."""

import brainunit as u
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt32

from neuro4d._base import NUMBER, AbstractPart, quantity
from neuro4d.ops import rounded
from neuro4d.structure._curves import AbstractGrowthCurve

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)


class Growth(AbstractPart):
    r"""Neurons offer and withdraw ends of synapses by their activity, as in NEST.

    The calcium of a neuron follows its spikes, and both kinds of synaptic elements, axonal $z_a$ at sources and dendritic $z_d$ at targets, follow the
    calcium:

    $$ \dot{\mathrm{Ca}} = -\frac{\mathrm{Ca}}{\tau_\mathrm{Ca}} + \beta \sum_k \delta(t - t_k), \qquad \dot z = f(\mathrm{Ca}), \quad z \ge 0 $$

    so that calcium at rest is $\beta\, \tau_\mathrm{Ca}$ times the rate. At every event synapses are deleted where a neuron has more of them than whole
    elements, which ones is drawn; then vacant elements of both sides are paired at random. A pair of a neuron with itself, or one that is
    connected already, forms nothing, and stays vacant. At the end a share of what is vacant is lost.

    Spikes are counted between two events and taken as spread evenly over that time, which is exact for the mean and needs `every` of
    `StructuralPlasticity` to be short against `tau`; elements are integrated along the calcium that follows from it.

    **Arguments:**

    - `axonal`, `dendritic`: the curves $f$, for example `n4.GaussianGrowth(rate=0.1*u.Hz, eps=0.7)`; parameters are scalars or have one entry
      per source or target of the projection.
    - `tau` $\tau_\mathrm{Ca}$: [time], more than 0; by default 10 s. `beta` $\beta$: calcium of a spike, more than 0; by default 0.001.
    - `loss`: the share of vacant elements that is lost at every event, 0 to 1; by default 0.1.

    Neurons begin without calcium and with as many elements as they have synapses of the projection. Elements belong to a projection: NEST can let
    several kinds of synapses share the elements of one name.

    **Raises:** `UnitError`, `TypeError` or `ValueError`, naming the argument.

    **Source:** M. Butz, A. van Ooyen (2013), PLoS Computational Biology 9, e1003259; S. Diaz-Pier, M. Naveau, M. Butz-Ostendorf, A. Morrison (2016),
    Frontiers in Neuroanatomy 10, 57.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> curve = n4.GaussianGrowth(rate=0.1*u.Hz, eps=0.05)
        >>> n4.Growth(axonal=curve, dendritic=curve).tau.item()
        10000.0
    """

    axonal: AbstractGrowthCurve
    dendritic: AbstractGrowthCurve
    tau: Float[np.ndarray, ""] = quantity(u.ms, low=0, open_low=True, default=10 * u.second)
    beta: Float[np.ndarray, ""] = quantity(NUMBER, low=0, open_low=True, default=0.001)
    loss: Float[np.ndarray, ""] = quantity(NUMBER, low=0, high=1, default=0.1)

    def __check_init__(self):
        for side in ("axonal", "dendritic"):
            curve = getattr(self, side)
            if not isinstance(curve, AbstractGrowthCurve):
                raise TypeError(f"Growth.{side} is a growth curve such as `n4.GaussianGrowth(rate=0.1*u.Hz, eps=0.7)`; got {curve!r}.")
        for name in ("tau", "beta", "loss"):
            if np.shape(getattr(self, name)):
                raise ValueError(f"Growth.{name} is one number for all neurons; got shape {np.shape(getattr(self, name))}.")

    def calcium_after(self, calcium: Float[Array, " n"], spikes: UInt32[Array, " n"], ms: float | Array) -> Float[Array, " n"]:
        """The calcium `ms` milliseconds later, if `spikes` of every neuron are spread evenly over that time."""
        return self._along(calcium, spikes.astype(calcium.dtype) / jnp.asarray(ms, calcium.dtype), jnp.asarray(ms, calcium.dtype))

    def _along(self, calcium: Array, per_ms: Array, ms: Array) -> Array:
        left = -ms / self.tau
        return rounded(calcium * jnp.exp(left)) + rounded(per_ms * (self.beta * self.tau * -jnp.expm1(left)))

    def elements_after(
        self, curve: AbstractGrowthCurve, elements: Float[Array, " n"], calcium: Float[Array, " n"], spikes: UInt32[Array, " n"], ms: float
    ) -> Float[Array, " n"]:
        """The elements after `ms` milliseconds that began with some calcium and had `spikes`: the curve integrated along the calcium by
        Gauss and Legendre's rule, exact to rounding as long as `ms` is short against `tau`."""
        dtype = calcium.dtype
        when, weight = (jnp.asarray(ms / 2 * x, dtype)[:, None] for x in (1 + _NODES, _WEIGHTS))
        there = self._along(calcium, spikes.astype(dtype) / jnp.asarray(ms, dtype), when)
        return jnp.maximum(elements + jnp.sum(rounded(curve.speed(there) * weight), axis=0), 0)

    def lost(self, vacant: Float[Array, " n"]) -> Float[Array, " n"]:
        """How much of the elements that stayed vacant is lost at an event."""
        return rounded(vacant * self.loss)
