"""Short-term plasticity of synapses that release by chance."""

from typing import Any, ClassVar

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d._base import NUMBER, check_count
from neuro4d.plasticity._base import AbstractPlasticity
from neuro4d.plasticity._numbers import kept, number

MOST_SITES = 64


class QuantalRelease(AbstractPlasticity):
    r"""Depression and facilitation at a few release sites, each of which releases by chance, and fails by chance.

    Of $n$ sites $a$ are ready. $u$ is the probability with which a site that is ready releases.

    $$ \begin{aligned}
    \text{between spikes:}\quad & \text{an empty site recovers with rate } 1/\tau_\mathrm{rec}, \quad \dot u = -\frac{u}{\tau_\mathrm{fac}} \\
    \text{a spike arrives:}\quad & u \leftarrow u + U (1 - u), \quad k \sim \mathrm{Binomial}(a, u), \quad a \leftarrow a - k
    \end{aligned} $$

    and the receptor is moved by $A\, k / n$. The mean over many synapses, or trials, is that of `n4.TsodyksMarkram` with the same constants and without `tau_in`.
    $A$, the absolute strength, is the weight that the projection begins with; `model.weights` tells what the next spike would release. Draws have addresses of their own: key of the trial,
    pathway, step and synapse. Without `tau_fac` each spike uses $U$. Each step looks at every synapse of the projection, in plain XLA.

    **Arguments:**

    - `sites` $n$: from 1 to 64.
    - `use` $U$: above 0 and at most 1.
    - `tau_rec` $\tau_\mathrm{rec}$: more than 0. [time]
    - `tau_fac` $\tau_\mathrm{fac}$: 0 or more, by default 0. [time]

    **Variables:** of each synapse: `strength`, the absolute strength in the unit of the weights; `u`; `ready`, $a$; `released`, $k$ of a spike that arrives in the next step.

    **Raises:** `UnitError` for a missing or different unit, `TypeError` or `ValueError` for a value out of range.

    **Source:** G. Fuhrmann, I. Segev, H. Markram, M. Tsodyks, Journal of Neurophysiology 87, 140 (2002); A. Loebel et al., Frontiers in Computational Neuroscience 3:27 (2009).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> rule = n4.QuantalRelease(sites=5, use=0.5, tau_rec=800*u.ms)
        >>> rule.sites
        5
    """

    edge_variables: ClassVar = {"strength": NUMBER, "u": NUMBER, "ready": NUMBER, "released": NUMBER}

    sites: int = eqx.field(static=True)
    use: float = eqx.field(static=True)
    tau_rec: float = eqx.field(static=True)
    tau_fac: float = eqx.field(static=True)

    def __init__(self, *, sites, use, tau_rec, tau_fac=0 * u.ms):
        self.sites = check_count(sites, "QuantalRelease.sites")
        if self.sites > MOST_SITES:
            raise ValueError(f"QuantalRelease.sites is a number from 1 to {MOST_SITES}, for example `sites=5`; got {sites}.")
        self.use = number(use, NUMBER, "QuantalRelease.use", above=0.0)
        if self.use > 1:
            raise ValueError(f"QuantalRelease.use is a probability, above 0 and at most 1, for example `use=0.5`; got {use}.")
        self.tau_rec = number(tau_rec, u.ms, "QuantalRelease.tau_rec", above=0.0)
        self.tau_fac = number(tau_fac, u.ms, "QuantalRelease.tau_fac", least=0.0)
        self.every = 1

    def passing(self):
        return True

    def draws(self):
        return 2

    def init(self, weight):
        nothing = jnp.zeros_like(weight)
        return {"strength": weight, "u": nothing, "ready": nothing + self.sites, "released": nothing}

    def step(self, dt, weight, variables, seen):
        # Variables are those before the spikes of the step, of which `released` has been delivered.
        used = self._used(variables["u"])
        u = jnp.where(seen.arrives, used, variables["u"]) * kept(dt, self.tau_fac)
        ready = variables["ready"] - jnp.where(seen.arrives, variables["released"], 0)
        ready = ready + binomial(seen.chance[0], self.sites - ready, 1 - kept(dt, self.tau_rec), self.sites)
        released = binomial(seen.chance[1], ready, self._used(u), self.sites)
        held: dict[str, Any] = {"u": u, "ready": ready, "released": released}
        after = {"strength": variables["strength"], **{name: value.astype(weight.dtype) for name, value in held.items()}}
        return (variables["strength"] * released / self.sites).astype(weight.dtype), after

    def _used(self, u: Array) -> Array:
        return u + self.use * (1 - u)


def binomial(chance: Float[Array, " n"], tries: Float[Array, " n"], p: Any, most: int) -> Float[Array, " n"]:
    """How many of some tries, `most` at most, succeed with probability `p`: the inverse of the cumulative distribution at numbers from 0 to 1."""
    p = jnp.asarray(p, chance.dtype)
    certain, odds = p >= 1, p / jnp.where(p < 1, 1 - p, 1)
    mass = (1 - p) ** tries
    total, found = mass, jnp.zeros_like(chance)
    for k in range(most):
        found = found + (chance >= total)
        mass = mass * jnp.maximum(tries - k, 0) / (k + 1) * odds
        total = total + mass
    return jnp.where(certain, tries, jnp.minimum(found, tries))
