"""Spike-timing-dependent plasticity that waits for a reward."""

import math
from typing import Any, ClassVar

import brainunit as u
import equinox as eqx
import jax.numpy as jnp

from neuro4d._base import NUMBER, check_name
from neuro4d.plasticity._base import Trace
from neuro4d.plasticity._bounded import AbstractBounded, bound
from neuro4d.plasticity._numbers import number


class RewardSTDP(AbstractBounded):
    r"""Pairs of spikes mark a synapse; dopamine turns the mark into a change of the weight.

    $$ \begin{aligned}
    \text{the target fires:}\quad & c \leftarrow c + A_+ x, & \tau_+ \dot x &= -x \\
    \text{a spike arrives:}\quad & c \leftarrow c - A_- y, & \tau_- \dot y &= -y \\
    \text{always:}\quad & \tau_c \dot c = -c, \qquad \dot w = w_{\max}\, c\, (n - b), & \tau_n \dot n &= -n + \textstyle\sum_k s_k\, \delta(t - t_k)
    \end{aligned} $$

    with $w$ kept between 0 and $w_{\max}$. $c$ is the eligibility of a synapse, $n$ the dopamine at its target neuron, in 1/ms: a signal of
    $s = 1$ adds $1/\tau_n$, so that the dopamine of one signal has the integral 1. A pair followed by a signal after the time $T$ changes the
    weight by $w_{\max} A_+ x\, e^{-T / \tau_c}\, \tau_c / (\tau_c + \tau_n)$ in the end. Between spikes and signals $c$, $n$ and $w$ are
    integrated exactly. Each step looks at every synapse of the projection.

    Signals arrive at a port of the target population whose receptor is `n4.Modulator()`, by whatever reaches ports: a projection from
    dopaminergic neurons, `n4.SpikeTimes`, `n4.Input` in a closed loop. They may differ from neuron to neuron.

    **Arguments:**

    - `w_max` $w_{\max}$: the bound, in the unit of the receptor's weights, as in `n4.STDP`.
    - `a_plus`, `a_minus`: what one pair adds to the eligibility and takes from it, 0 or more.
    - `signal`: the port; by default `"dopamine"`.
    - `tau_plus`, `tau_minus`: of the window, by default 20 ms; `tau_c`: of the eligibility, by default 1 s; `tau_n`: of dopamine, by
      default 200 ms. [time], more than 0.
    - `baseline` $b$: the dopamine at which nothing changes, [frequency], 0 or more; by default 0.

    **Raises:** `UnitError` for a missing or different unit, `ValueError` for a value out of range.

    **Source:** E. M. Izhikevich (2007), Cerebral Cortex 17, 2443; baseline: W. Potjans, A. Morrison, M. Diesmann (2010), Frontiers in
    Computational Neuroscience 4, 141.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 10, lif, {"exc": n4.ExpCurrent(tau=5*u.ms), "dopamine": n4.Modulator()})
        >>> rule = n4.RewardSTDP(w_max=100*u.pA, a_plus=0.01, a_minus=0.015)
        >>> learns = n4.Projection("e", cells, cells, "exc", n4.AllToAll(), weight=50*u.pA, delay=1*u.ms, plasticity=rule)
        >>> reward = n4.Input("reward", cells, port="dopamine")
    """

    w_max: float = eqx.field(static=True)
    a_plus: float = eqx.field(static=True)
    a_minus: float = eqx.field(static=True)
    signal: str = eqx.field(static=True)
    tau_plus: float = eqx.field(static=True)
    tau_minus: float = eqx.field(static=True)
    tau_c: float = eqx.field(static=True)
    tau_n: float = eqx.field(static=True)
    baseline: float = eqx.field(static=True)
    unit: Any = eqx.field(static=True)

    edge_variables: ClassVar = {"c": NUMBER}

    def __init__(
        self,
        *,
        w_max,
        a_plus,
        a_minus,
        signal="dopamine",
        tau_plus=20 * u.ms,
        tau_minus=20 * u.ms,
        tau_c=1000 * u.ms,
        tau_n=200 * u.ms,
        baseline=0 * u.Hz,
    ):
        self.w_max, self.unit = bound(w_max, "RewardSTDP")
        self.a_plus, self.a_minus = (
            number(a, NUMBER, f"RewardSTDP.{name}", least=0.0) for a, name in ((a_plus, "a_plus"), (a_minus, "a_minus"))
        )
        self.signal = check_name(signal, "port")
        time = lambda x, name: number(x, u.ms, f"RewardSTDP.{name}", above=0.0)  # noqa: E731
        self.tau_plus, self.tau_minus = time(tau_plus, "tau_plus"), time(tau_minus, "tau_minus")
        self.tau_c, self.tau_n = time(tau_c, "tau_c"), time(tau_n, "tau_n")
        self.baseline = number(baseline, u.Hz, "RewardSTDP.baseline", least=0.0) / 1000

    def pre_traces(self):
        return {"plus": Trace(self.tau_plus)}

    def post_traces(self):
        return {"minus": Trace(self.tau_minus)}

    def reads(self):
        return (f"{self.signal}.level",)

    def post_variables(self, dt):
        """`n`: dopamine, in 1/ms; `gain`: what the eligibility at the beginning of a step turns into in it."""
        del dt
        return {"n": 0.0, "gain": 0.0}

    def init(self, weight):
        return {"c": jnp.zeros_like(weight)}

    def on_target(self, dt, post, target):
        both = 1 / (1 / self.tau_c + 1 / self.tau_n)
        gain = -both * math.expm1(-dt / both) * post["n"] + self.baseline * self.tau_c * math.expm1(-dt / self.tau_c)
        return {"n": post["n"] * math.exp(-dt / self.tau_n) + target.after[f"{self.signal}.level"] / self.tau_n, "gain": gain}

    def on_step(self, dt, weight, variables, seen):
        share = jnp.clip(weight / self.w_max + variables["c"] * seen.post["gain"], 0, 1)
        return share * self.w_max, {"c": variables["c"] * math.exp(-dt / self.tau_c)}

    def on_post(self, weight, variables, seen):
        return weight, {"c": variables["c"] + self.a_plus * seen.pre["plus"]}

    def on_pre(self, weight, variables, seen):
        return weight, {"c": variables["c"] - self.a_minus * seen.post["minus"]}
