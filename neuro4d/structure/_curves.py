"""Growth curves: how fast synaptic elements grow at a concentration of calcium."""

import abc
import math

import brainunit as u
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neuro4d._base import NUMBER, AbstractPart, first_bad, quantity


class AbstractGrowthCurve(AbstractPart):
    """How fast a neuron grows synaptic elements, the ends of synapses to be, or takes them back.

    A curve passes through 0 at the calcium that the neuron is to have, with a negative slope: below it grows more, so that it becomes
    connected and active; above it takes back. Parameters are scalars, one entry per neuron, or distributions.
    """

    @abc.abstractmethod
    def speed(self, calcium: Float[Array, " n"]) -> Float[Array, " n"]:
        """Elements per ms that grow, negative where they are taken back."""


class GaussianGrowth(AbstractGrowthCurve):
    r"""Grows between two concentrations of calcium, shrinks outside.

    $$ \dot z = \nu \left(2\, e^{-\left((\mathrm{Ca} - \xi) / \zeta\right)^2} - 1\right), \qquad
    \xi = \frac{\eta + \varepsilon}{2}, \quad \zeta = \frac{\varepsilon - \eta}{2 \sqrt{\ln 2}} $$

    so that it is 0 at $\eta$ and at $\varepsilon$, and $\nu$ half way between them. $\varepsilon$ is where a network comes to rest; below $\eta$ a neuron takes
    its elements back, as one does that has lost its input.

    **Arguments:**

    - `rate` $\nu$: the fastest growth, in elements per time, [frequency].
    - `eps` $\varepsilon$: the calcium that is aimed at, more than 0. `eta` $\eta$: the least for growth, below `eps`; by default 0.

    **Raises:** `UnitError` for a missing or different unit, `ValueError` for a value out of range, and where `eta` is not below `eps`.

    **Source:** M. Butz, A. van Ooyen (2013), PLoS Computational Biology 9, e1003259; NEST's `"gaussian"`.

    !!! Example

        >>> import neuro4d as n4
        >>> curve = n4.GaussianGrowth(rate=0.1*u.Hz, eps=0.7)
        >>> [round(1000 * float(curve.speed(ca)), 3) for ca in (0.0, 0.35, 0.7, 2.0)]
        [0.0, 0.1, 0.0, -0.1]
    """

    rate: Float[np.ndarray, "*n"] = quantity(u.kHz, low=0)
    eps: Float[np.ndarray, "*n"] = quantity(NUMBER, low=0, open_low=True)
    eta: Float[np.ndarray, "*n"] = quantity(NUMBER, low=0, default=0.0)

    def __check_init__(self):
        if isinstance(self.eps, np.ndarray) and isinstance(self.eta, np.ndarray):
            bad = ~(self.eta < self.eps)
            if np.any(bad):
                raise ValueError(
                    f"GaussianGrowth: eta lies below eps, for example `eta=0.0, eps=0.7`; got eta={self.eta}, eps={self.eps}{first_bad(bad)}."
                )

    def speed(self, calcium):
        off = (calcium - (self.eta + self.eps) / 2) * (2 * math.sqrt(math.log(2)) / (self.eps - self.eta))
        return self.rate * (2 * jnp.exp(-(off * off)) - 1)


class LinearGrowth(AbstractGrowthCurve):
    r"""Grows in proportion to what is missing, $\dot z = \nu \left(1 - \mathrm{Ca} / \varepsilon\right)$.

    **Arguments:** `rate` $\nu$: the growth without any calcium, in elements per time, [frequency]; `eps` $\varepsilon$: the calcium that is aimed at, more
    than 0.

    **Raises:** `UnitError` for a missing or different unit, `ValueError` for a value out of range.

    **Source:** M. Butz, A. van Ooyen (2013), PLoS Computational Biology 9, e1003259; NEST's `"linear"`.

    !!! Example

        >>> import neuro4d as n4
        >>> round(1000 * float(n4.LinearGrowth(rate=0.1*u.Hz, eps=0.5).speed(1.0)), 3)
        -0.1
    """

    rate: Float[np.ndarray, "*n"] = quantity(u.kHz, low=0)
    eps: Float[np.ndarray, "*n"] = quantity(NUMBER, low=0, open_low=True)

    def speed(self, calcium):
        return self.rate * (1 - calcium / self.eps)


class SigmoidGrowth(AbstractGrowthCurve):
    r"""Grows at a rate that saturates on both sides, $\dot z = \nu \left(\frac{2}{1 + e^{(\mathrm{Ca} - \varepsilon) / \psi}} - 1\right)$.

    **Arguments:**

    - `rate` $\nu$: the fastest growth, in elements per time, [frequency].
    - `eps` $\varepsilon$: the calcium that is aimed at, more than 0. `psi` $\psi$: over how much calcium it turns, more than 0; by default 0.1.

    **Raises:** `UnitError` for a missing or different unit, `ValueError` for a value out of range.

    **Source:** NEST's `"sigmoid"`.

    !!! Example

        >>> import neuro4d as n4
        >>> float(n4.SigmoidGrowth(rate=0.1*u.Hz, eps=0.5).speed(0.5))
        0.0
    """

    rate: Float[np.ndarray, "*n"] = quantity(u.kHz, low=0)
    eps: Float[np.ndarray, "*n"] = quantity(NUMBER, low=0, open_low=True)
    psi: Float[np.ndarray, "*n"] = quantity(NUMBER, low=0, open_low=True, default=0.1)

    def speed(self, calcium):
        return self.rate * (2 / (1 + jnp.exp((calcium - self.eps) / self.psi)) - 1)
