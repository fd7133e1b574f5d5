"""Synapses that form between neurons that are active together and near each other."""

import math

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32, UInt32

from neuro4d._base import NUMBER, AbstractPart, check_count, quantity
from neuro4d.ops import rounded
from neuro4d.structure._pruning import one_number

KERNELS = ("uniform", "inverse", "exponential")


class Formation(AbstractPart):
    r"""At every event a synapse forms between two neurons that have none yet, with the probability

    $$ p = \rho\, a_\mathrm{pre}\, a_\mathrm{post}\, k(d) \quad\text{where}\quad a_\mathrm{pre}\, a_\mathrm{post} \ge \theta $$

    and 0 elsewhere. The activity $a$ of a neuron is its rate since the last event over `full`, at most 1. With the kernel `"inverse"`
    $k(d) = 1/(1 + d/\lambda)$, with `"exponential"` $k(d) = e^{-d/\lambda}$, and with `"uniform"` 1.

    Every source makes `proposals` proposals at an event: each names one of its candidates, all of them equally likely, and is taken with the
    probability that makes $p$ exact for every pair. So the work does not grow with the number of pairs.

    **Arguments:**

    - `rate` $\rho$: the probability at full activity and distance 0, 0 to 1.
    - `full`: the rate at which activity is 1, [frequency], more than 0. `threshold` $\theta$: 0 to 1; by default 0.
    - `kernel`: `"uniform"` (the default), `"inverse"` or `"exponential"`. `scale` $\lambda$: [length], more than 0; by default 50 um.
    - `radius`: candidates are the targets up to this distance, [length], more than 0; by default all targets. A kernel and a radius need both
      populations on a lattice, and keep a list of candidates, eight bytes each.
    - `proposals`: per source and event, 1 or more; by default 8. The fewer candidates there are and the smaller `rate`, the fewer are needed; `build`
      says how many.

    **Raises:** `UnitError`, `TypeError` or `ValueError`, naming the argument.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> rule = n4.Formation(rate=0.01, full=20*u.Hz, threshold=0.5, kernel="inverse", radius=200*u.um)
        >>> rule.least_proposals(500)
        6
    """

    rate: Float[np.ndarray, ""] = quantity(NUMBER, low=0, high=1)
    full: Float[np.ndarray, ""] = quantity(u.kHz, low=0, open_low=True)
    threshold: Float[np.ndarray, ""] = quantity(NUMBER, low=0, high=1, default=0.0)
    kernel: str = eqx.field(static=True, default="uniform")
    scale: Float[np.ndarray, ""] = quantity(u.um, low=0, open_low=True, default=50 * u.um)
    radius: Float[np.ndarray, ""] | None = quantity(u.um, low=0, open_low=True, optional=True, default=None)
    proposals: int = eqx.field(static=True, default=8)

    def __check_init__(self):
        for name, unit in (("rate", NUMBER), ("full", u.kHz), ("threshold", NUMBER), ("scale", u.um), ("radius", u.um)):
            if getattr(self, name) is not None:
                one_number(getattr(self, name), unit, f"Formation.{name}")
        if self.kernel not in KERNELS:
            raise ValueError(f"Formation.kernel is one of {', '.join(map(repr, KERNELS))}; got {self.kernel!r}.")
        check_count(self.proposals, "Formation.proposals")

    @property
    def spatial(self) -> bool:
        """Whether it matters where neurons are."""
        return self.kernel != "uniform" or self.radius is not None

    def share(self, distance: Float[np.ndarray, "*k"]) -> Float[np.ndarray, "*k"]:
        """The kernel at distances in um, on the host."""
        scaled = np.asarray(distance) / float(self.scale)
        return np.ones_like(scaled) if self.kernel == "uniform" else 1 / (1 + scaled) if self.kernel == "inverse" else np.exp(-scaled)

    def least_proposals(self, candidates: int) -> int:
        """How many proposals a source with so many candidates has to make, so that each can be taken with a probability of at most 1."""
        rate = float(self.rate)
        if candidates <= 1:
            return 1
        if rate == 1:
            raise ValueError(f"Formation.rate is less than 1 where a source has several candidates, here {candidates}; got 1. For example `rate=0.1`.")
        return max(math.ceil(math.log1p(-rate) / math.log1p(-1 / candidates) - 1e-9), 1)

    def activity(self, spikes: UInt32[Array, " n"], ms: float, dtype: np.dtype) -> Float[Array, " n"]:
        """Rates over `full`, at most 1."""
        return jnp.minimum(spikes.astype(dtype) / (ms * self.full), 1)

    def taken(self, product: Float[Array, "*k"], share: Float[Array, "*k"] | float, candidates: Int32[Array, "*k"]) -> Float[Array, "*k"]:
        """With which probability a proposal is taken, from the product of activities, the kernel, and how many candidates the source has.

        Of $M$ proposals among $N$ candidates each names a pair with $1/N$, so that $1 - (1 - q/N)^M = p$.
        """
        p = rounded(product * self.rate * share)
        q = candidates.astype(p.dtype) * -jnp.expm1(jnp.log1p(-p) / self.proposals)
        return jnp.where(product >= self.threshold, q, 0)
