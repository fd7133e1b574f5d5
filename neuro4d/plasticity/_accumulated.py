"""Spike-timing-dependent plasticity whose changes are summed up and take effect once in a while."""

from typing import Any, ClassVar

import brainunit as u
import equinox as eqx
import jax.numpy as jnp

from neuro4d._base import NUMBER
from neuro4d.plasticity._base import Trace
from neuro4d.plasticity._bounded import AbstractBounded, bound
from neuro4d.plasticity._numbers import number


class AccumulatedSTDP(AbstractBounded):
    r"""Pairs of spikes move not the weight but its slope; once in `every` steps the weight makes one step along it.

    $$ \begin{aligned}
    \text{a spike arrives:}\quad & c \leftarrow c - A_-\, y, & y &= e^{-(t - t_\mathrm{post}) / \tau_-} \\
    \text{the target fires:}\quad & c \leftarrow c + A_+\, x, & x &= e^{-(t - t_\mathrm{pre}) / \tau_+} \\
    \text{in each step of } \texttt{every}\text{:}\quad & w \leftarrow w + w_{\max} (b + c), \quad c \leftarrow k\, c
    \end{aligned} $$

    with $w$ kept between 0 and $w_{\max}$. $t_\mathrm{pre}$ is the last arrival, of this step too: what arrives in a step may have made the target fire at its end.
    $t_\mathrm{post}$ is the last spike of the target before this step. Within a step arrivals count first, then the weight is moved if that is due, then spikes of the target
    count. In a network that is driven at random, slopes that last for several steps of the weight make learning smooth, and the drift $b$ brings back synapses that nobody uses.

    **Arguments:**

    - `w_max` $w_{\max}$: the bound, as in `n4.STDP`.
    - `a_plus`, `a_minus`: the largest change of the slope by one pair, as a share of `w_max`, 0 or more.
    - `tau_plus`, `tau_minus`: [time], more than 0; by default 20 ms.
    - `drift` $b$: what is added each time, as a share of `w_max`; by default 0.
    - `keep` $k$: what is left of the slope each time, from 0 to 1; by default 0.9.
    - `every`: in steps, 1 or more.

    **Variables:** of each synapse: `slope` $c$, a share of `w_max`.

    **Raises:** `UnitError` for a missing or different unit, `ValueError` for a value out of range.

    **Source:** E. M. Izhikevich (2006), Neural Computation 18, 245, and its program `spnet`: $b$ 0.001, $k$ 0.9, once in a second.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> rule = n4.AccumulatedSTDP(w_max=10*u.pA, a_plus=0.01, a_minus=0.012, drift=0.001, every=1000)
        >>> rule.keep
        0.9
    """

    edge_variables: ClassVar = {"slope": NUMBER}

    w_max: float = eqx.field(static=True)
    a_plus: float = eqx.field(static=True)
    a_minus: float = eqx.field(static=True)
    tau_plus: float = eqx.field(static=True)
    tau_minus: float = eqx.field(static=True)
    drift: float = eqx.field(static=True)
    keep: float = eqx.field(static=True)
    unit: Any = eqx.field(static=True)

    def __init__(self, *, w_max, a_plus, a_minus, every, tau_plus=20 * u.ms, tau_minus=20 * u.ms, drift=0.0, keep=0.9):
        self.w_max, self.unit = bound(w_max, "AccumulatedSTDP")
        self.a_plus = number(a_plus, NUMBER, "AccumulatedSTDP.a_plus", least=0.0)
        self.a_minus = number(a_minus, NUMBER, "AccumulatedSTDP.a_minus", least=0.0)
        self.tau_plus = number(tau_plus, u.ms, "AccumulatedSTDP.tau_plus", above=0.0)
        self.tau_minus = number(tau_minus, u.ms, "AccumulatedSTDP.tau_minus", above=0.0)
        self.drift = number(drift, NUMBER, "AccumulatedSTDP.drift")
        self.keep = number(keep, NUMBER, "AccumulatedSTDP.keep", least=0.0)
        if self.keep > 1:
            raise ValueError(f"AccumulatedSTDP.keep is a share, from 0 to 1, for example `keep=0.9`; got {keep}.")
        self.every = every

    def init(self, weight):
        return {"slope": jnp.zeros_like(weight)}

    def pre_traces(self):
        return {"plus": Trace(self.tau_plus, nearest=True)}

    def post_traces(self):
        return {"minus": Trace(self.tau_minus, nearest=True)}

    def on_step(self, dt, weight, variables, seen):
        del dt
        taken = jnp.where(seen.arrives, self.a_minus * seen.post["minus"], 0)  # by arrivals of this step, which `on_pre` counts later
        slope = variables["slope"] - taken
        share = jnp.clip(weight / self.w_max + self.drift + slope, 0, 1)
        return share * self.w_max, {"slope": self.keep * slope + taken}

    def on_post(self, weight, variables, seen):
        heard = jnp.where(seen.arrives, 1, seen.pre["plus"])
        return weight, {"slope": variables["slope"] + self.a_plus * heard}

    def on_pre(self, weight, variables, seen):
        return weight, {"slope": variables["slope"] - self.a_minus * seen.post["minus"]}
