"""Spike-timing-dependent plasticity of pairs of spikes."""

from typing import Any, ClassVar, Literal

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d._base import NUMBER
from neuro4d.plasticity._base import Trace
from neuro4d.plasticity._bounded import AbstractBounded, bound, check_pairing
from neuro4d.plasticity._numbers import number


class STDP(AbstractBounded):
    r"""Pairs of spikes: one that arrives before its target fires strengthens the synapse, one that arrives after weakens it.

    $$ \begin{aligned}
    \text{the target fires:}\quad & w \leftarrow w + w_{\max}\, A_+ \Bigl(1 - \frac{w}{w_{\max}}\Bigr)^{\mu_+} x, & \tau_+ \dot x &= -x \\
    \text{a spike arrives:}\quad & w \leftarrow w - w_{\max}\, A_- \Bigl(\frac{w}{w_{\max}}\Bigr)^{\mu_-} y, & \tau_- \dot y &= -y
    \end{aligned} $$

    each kept between 0 and $w_{\max}$. $x$ remembers the spikes that arrived, after the delay of the synapse, and $y$ those of the target,
    so that a single pair changes an additive weight by $w_{\max} A_\pm\, e^{-|\Delta t| / \tau_\pm}$. $\mu = 0$: additive;
    $\mu = 1$: multiplicative; between them a power law. Where both happen in one step the synapse is first strengthened, then weakened, and
    the two spikes of the step form no pair.

    **Arguments:**

    - `w_max` $w_{\max}$: the bound, in the unit of the receptor's weights; if negative, weights lie between it and 0. The weights of the
      projection have to lie inside from the beginning; those that are set outside later are taken to the bound when they next change.
    - `tau_plus`, `tau_minus`: the time constants of the window, [time], more than 0; by default 20 ms.
    - `a_plus`, `a_minus`: the largest change by one pair, as a share of `w_max`, 0 or more. Leaves of a model, which can be set and trained:
      `lambda m: m.plasticity[pathway].a_plus`.
    - `mu_plus`, `mu_minus`: how the change depends on the weight, 0 or more; by default 0.
    - `pairing`: `"all"`: every spike pairs with all earlier ones of the other side; `"nearest"`: with the last one only, from both
      sides (the symmetric scheme).

    **Raises:** `UnitError` for a missing or different unit, `ValueError` for a value out of range.

    **Source:** R. Guetig, R. Aharonov, S. Rotter, H. Sompolinsky (2003), Journal of Neuroscience 23, 3697; pairings: A. Morrison,
    M. Diesmann, W. Gerstner (2008), Biological Cybernetics 98, 459.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> rule = n4.STDP(w_max=1*u.nS, a_plus=0.01, a_minus=0.0105, tau_plus=20*u.ms, tau_minus=20*u.ms)
        >>> rule.mu_plus, rule.pairing
        (0.0, 'all')
    """

    native: ClassVar = "STDP"

    w_max: float = eqx.field(static=True)
    tau_plus: float = eqx.field(static=True)
    tau_minus: float = eqx.field(static=True)
    a_plus: float
    a_minus: float
    mu_plus: float = eqx.field(static=True)
    mu_minus: float = eqx.field(static=True)
    pairing: Literal["all", "nearest"] = eqx.field(static=True)
    unit: Any = eqx.field(static=True)

    def __init__(self, *, w_max, a_plus, a_minus, tau_plus=20 * u.ms, tau_minus=20 * u.ms, mu_plus=0.0, mu_minus=0.0, pairing="all"):
        self.w_max, self.unit = bound(w_max, "STDP")
        self.tau_plus = number(tau_plus, u.ms, "STDP.tau_plus", above=0.0)
        self.tau_minus = number(tau_minus, u.ms, "STDP.tau_minus", above=0.0)
        self.a_plus, self.a_minus = number(a_plus, NUMBER, "STDP.a_plus", least=0.0), number(a_minus, NUMBER, "STDP.a_minus", least=0.0)
        self.mu_plus, self.mu_minus = number(mu_plus, NUMBER, "STDP.mu_plus", least=0.0), number(mu_minus, NUMBER, "STDP.mu_minus", least=0.0)
        self.pairing = check_pairing(pairing, "STDP")

    def pre_traces(self):
        return {"plus": Trace(self.tau_plus, self.pairing == "nearest")}

    def post_traces(self):
        return {"minus": Trace(self.tau_minus, self.pairing == "nearest")}

    def on_post(self, weight, variables, seen):
        share = weight / self.w_max
        return self._bounded(share + self.a_plus * power(1 - share, self.mu_plus) * seen.pre["plus"]), variables

    def on_pre(self, weight, variables, seen):
        share = weight / self.w_max
        return self._bounded(share - self.a_minus * power(share, self.mu_minus) * seen.post["minus"]), variables

    def _bounded(self, share: Array) -> Array:
        return jnp.clip(share, 0, 1) * self.w_max


def power(share: Float[Array, " nnz"], mu: float, most: float | None = 1.0) -> Float[Array, " nnz"] | float:
    """`share ** mu` of a share between 0 and `most`, also where it lies outside; without an infinite derivative at 0."""
    if mu == 0:
        return 1.0
    inside = jnp.clip(share, 0, most)
    if mu == 1:
        return inside
    return jnp.where(inside > 0, jnp.where(inside > 0, inside, 1) ** mu, 0)
