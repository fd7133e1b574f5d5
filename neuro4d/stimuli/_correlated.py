"""Poisson spike trains that are correlated."""

from typing import Any

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Array, Float, UInt32

from neuro4d._base import AbstractValue, check_name, check_quantity, words_jax
from neuro4d.stimuli._base import AbstractSource, AbstractStimulus, check_weight, per_neuron
from neuro4d.stimuli._poisson import check_mean, count_above, table_length

_MOTHER = 0xFFFFFFFF
"""The index of the word of the mother train; those of the neurons count from 0."""


class CorrelatedPoisson(AbstractStimulus):
    r"""Poisson spikes into every neuron of the target, of which any two neurons share some: the multiple interaction process.

    A mother train of the rate $r/c$ is thinned for every neuron on its own: each of its spikes reaches a neuron with the chance $c$. Every
    train alone is Poisson of the rate $r$; the counts of any two have the correlation $c$ in windows of any width, and any number of neurons
    may fire together: of $n$ neurons, $cn$ on average at every spike of the mother.

    **Arguments:**

    - `name`, `target`, `port`: as for every stimulus; all neurons of the target have one mother.
    - `rate`: of each neuron, 0 or more. The mean number of spikes of the mother in one step, `rate*dt/correlation`, may be at most 64. [1/time]
    - `correlation`: of the counts of two neurons, above 0, at most 1 (all trains equal). Independent trains are `Poisson`.
    - `weight`: in the unit of the receptor; a scalar, one entry per neuron, or a distribution.

    **Raises:** `UnitError`, `TypeError` or `ValueError` as for every stimulus.

    **Source:** Kuhn, Aertsen, Rotter, Neural Computation 15, 67 (2003). NEST's `mip_generator` takes the rate of the mother, and $c$ as `p_copy`.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> cells = n4.Population("cells", 50, n4.Relay(), {"in": n4.Delta()})
        >>> together = n4.CorrelatedPoisson("together", cells, "in", rate=10*u.Hz, correlation=0.2, weight=1*u.mV)
    """

    name: str = eqx.field(static=True)
    target: Any = eqx.field(static=True)
    port: str = eqx.field(static=True)
    rate: Float[np.ndarray, ""]
    correlation: float
    weight: AbstractValue

    def __init__(self, name, target, port, *, rate, correlation, weight):
        self.name, self.target, self.port = check_name(name, "stimulus"), target, port
        where = f"CorrelatedPoisson {name!r}"
        self.rate = check_quantity(rate, u.kHz, f"{where}: rate", low=0)
        if isinstance(self.rate, AbstractValue) or np.shape(self.rate):
            raise TypeError(
                f"{where}: rate is one for all neurons, for example `rate=10*u.Hz`: they share a mother train; got {rate!r:.80}."
            )
        self.correlation = _check_correlation(correlation, f"{where}: correlation")
        self.weight = check_weight(weight, f"{where}: weight")

    def bind(self, binding, weight_unit):
        where = f"CorrelatedPoisson {self.name!r}"
        mean = check_mean(np.asarray(self.rate) * binding.dt / self.correlation, f"{where}: rate/correlation", binding.dt)
        length = table_length(float(mean))
        upto = np.arange(length)
        mother = _words(scipy.special.pdtr(upto, float(mean)))
        spikes = np.arange(length + 1)[:, None]
        copies = _words(np.where(upto < spikes, scipy.special.bdtr(np.minimum(upto, spikes), spikes, self.correlation), 1.0))
        weight = per_neuron(self.weight, binding, f"{where}: weight", weight_unit)
        return CorrelatedSource(jnp.asarray(mother), jnp.asarray(copies), weight, binding.n)


class CorrelatedSource(AbstractSource):
    """Words at or above threshold `j` of `mother` mean more than `j` spikes of it; row `m` of `copies` is the same for the copies of `m`."""

    mother: UInt32[Array, " j"]
    copies: UInt32[Array, "m j"]
    weight: Float[Array, "*n"]
    n: int = eqx.field(static=True)

    def emit(self, now):
        spikes = count_above(words_jax(now.a, now.b, jnp.uint32(_MOTHER)), self.mother)
        arriving = count_above(words_jax(now.a, now.b, jnp.arange(self.n, dtype=jnp.uint32)), self.copies[spikes])
        return arriving.astype(self.weight.dtype) * self.weight


def _check_correlation(x: Any, where: str) -> float:
    if isinstance(x, bool) or not isinstance(x, int | float | np.integer | np.floating):
        raise TypeError(f"{where} is one number above 0, at most 1, for example `correlation=0.1`; got {x!r}.")
    if not 0 < x <= 1:
        raise ValueError(
            f"{where} must be above 0 and at most 1, for example `correlation=0.1`; got {x}. Independent trains are `n4.Poisson`."
        )
    return float(x)


def _words(chance: np.ndarray) -> UInt32[np.ndarray, "..."]:
    """2^32 times a probability, rounded; 2^32 itself becomes 0, which stands for it, and 0 becomes 1."""
    scaled = np.rint(chance * 2.0**32)
    return np.where(scaled >= 2.0**32, 0, np.maximum(scaled, 1)).astype(np.uint32)
