"""Rules whose pace a neuromodulator sets."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp

from neuro4d._base import NUMBER, check_name
from neuro4d.plasticity._base import AbstractPlasticity
from neuro4d.plasticity._numbers import number
from neuro4d.plasticity._wrapper import AbstractWrapper

FACTOR = "factor"


class Modulated(AbstractWrapper):
    r"""A rule that learns faster or slower with the level $L$ of a neuromodulator at the target neuron.

    $$ \Delta w = f\, \Delta w_\mathrm{rule}, \qquad f = \max(1 + m\,(L - b),\, 0) $$

    for all that the rule changes in a step, decay included, and within its bounds. At the baseline $b$ nothing changes. With $m = 1/b$ the rate of
    learning is proportional to the level, and without any of it nothing is learned. Traces and variables of the rule go on as they are. The level is that of the end
    of the step. Each step looks at every synapse of the projection, in plain XLA.

    The level is that of a port of the target population, `n4.Neuromodulator(...)`. `n4.RewardSTDP` is a rule of its own, in which dopamine
    comes after the spikes.

    **Arguments:**

    - `rule`: any but `n4.TsodyksMarkram`, which says what a spike releases and learns nothing, and `n4.Dendritic`.
    - `by`: the port, by default `"dopamine"`.
    - `strength` $m$: by default 2. `baseline` $b$: from 0 to 1, by default 0.5, as that of the neuromodulator.

    **Variables:** of each target neuron: `factor`, $f$ in the last step.

    **Raises:** `TypeError` for what is no rule, `ValueError` for a value out of range; `UnknownNameError` from `Projection` if the target has no
    such port.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> rule = n4.Modulated(n4.STDP(w_max=1*u.nS, a_plus=0.01, a_minus=0.0105), by="dopamine", strength=2)
        >>> rule.reads()
        ('dopamine.level',)
    """

    rule: AbstractPlasticity
    by: str = eqx.field(static=True)
    strength: float = eqx.field(static=True)
    baseline: float = eqx.field(static=True)

    def __init__(self, rule, *, by="dopamine", strength=2.0, baseline=0.5):
        if not isinstance(rule, AbstractPlasticity):
            raise TypeError(f"Modulated takes a rule such as `n4.STDP(...)`; got {rule!r}.")
        if rule.passing():
            raise TypeError(
                f"Modulated takes a rule that learns; {type(rule).__name__} says what a spike releases. Write `n4.Combined(n4.Modulated(...), rule)`."
            )
        if rule.dendritic():
            raise TypeError("Modulated takes rules without `n4.Dendritic`; write `n4.Dendritic(n4.Modulated(...))`.")
        self.rule, self.every, self.by = rule, rule.every, check_name(by, "port")
        self.strength = number(strength, NUMBER, "Modulated.strength")
        self.baseline = number(baseline, NUMBER, "Modulated.baseline", least=0.0)
        if self.baseline > 1:
            raise ValueError(f"Modulated.baseline is a level, from 0 to 1, for example `baseline=0.5`; got {baseline}.")

    def reads(self):
        return tuple(dict.fromkeys((*self.rule.reads(), f"{self.by}.level")))

    def post_variables(self, dt):
        return {**self.rule.post_variables(dt), FACTOR: 1.0}

    def on_target(self, dt, post, target):
        above = target.after[f"{self.by}.level"] - self.baseline
        moved = self.rule.on_target(dt, _without_factor(post), target)
        return {**moved, FACTOR: jnp.maximum(1 + self.strength * above, 0)}

    def step(self, dt, weight, variables, seen):
        after, variables = self.rule.step(dt, weight, variables, seen._replace(post=_without_factor(seen.post)))
        paced = weight + seen.post[FACTOR] * (after - weight)
        known = self.rule.bounds()
        return (paced if known is None else jnp.clip(paced, *known)).astype(weight.dtype), variables


def _without_factor(post: dict[str, Any]) -> dict[str, Any]:
    """What the rule itself keeps per target."""
    return {name: value for name, value in post.items() if name != FACTOR}
