"""Delays that are partly dendritic."""

import math

import brainunit as u
import equinox as eqx

from neuro4d.plasticity._base import AbstractPlasticity
from neuro4d.plasticity._numbers import number
from neuro4d.plasticity._wrapper import AbstractWrapper


class Dendritic(AbstractWrapper):
    r"""A rule at synapses far from the soma: part of the delay, or all of it, lies between the synapse and the soma.

    A spike of the source is at the synapse after the axonal part, a spike of the target after the dendritic part:

    $$ \Delta t = (t_\mathrm{post} + d_\mathrm{dend}) - (t_\mathrm{pre} + d_\mathrm{ax}), \qquad d_\mathrm{ax} + d_\mathrm{dend} = d $$

    What reaches the soma at $t_\mathrm{pre} + d$ has the weight that the synapse had at $t_\mathrm{pre} + d_\mathrm{ax}$, after what that very
    spike changed. With all of the delay dendritic, as in NEST, networks are comparable with NEST spike for spike. Without this class
    the delay is axonal.

    What a rule keeps per target neuron besides traces (the potential, the dopamine) is seen undelayed. Each step looks at every synapse
    of the projection. Spikes that carry gradients (surrogates) are refused.

    **Arguments:**

    - `rule`: any rule.
    - `delay`: the dendritic part, the same for all synapses, a multiple of the time step and no longer than any delay; `None` (the
      default): all of the delay. [time]

    **Raises:** `UnitError`, `ValueError` for a part that is not positive; when the network is built, for a delay of 0 or below the part.

    **Source:** A. Morrison, A. Aertsen, M. Diesmann (2007), Neural Computation 19, 1437.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> rule = n4.Dendritic(n4.STDP(w_max=100*u.pA, a_plus=0.01, a_minus=0.01))
        >>> rule.dendritic()
        inf
    """

    rule: AbstractPlasticity
    delay: float | None = eqx.field(static=True)

    def __init__(self, rule, delay=None):
        if not isinstance(rule, AbstractPlasticity):
            raise TypeError(f"Dendritic takes a rule such as `n4.STDP(...)`; got {rule!r}.")
        if isinstance(rule, Dendritic):
            raise TypeError("Dendritic takes a rule that is not dendritic already.")
        self.rule = rule
        self.delay = None if delay is None else number(delay, u.ms, "Dendritic.delay", above=0.0)
        self.every = rule.every

    def dendritic(self):
        return math.inf if self.delay is None else self.delay
