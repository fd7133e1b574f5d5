"""Synapses of several kinds in one projection."""

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neuro4d._base import NUMBER, address, uniform_jax, words_jax
from neuro4d.plasticity._base import AbstractPlasticity
from neuro4d.plasticity._combined import each_own, own_of
from neuro4d.plasticity._numbers import number

KIND = "kind"


class Mixed(AbstractPlasticity):
    """Each synapse follows one of several rules, by chance: synapses that facilitate among others that depress, for example.

    Which one is the variable `kind` of a synapse, the number of its rule. It is drawn once, independently for each synapse, with the
    probabilities `shares`, from the place of the synapse in its pathway: the same for all trials, machines and numbers of cores.
    The cost is that of all rules.

    **Arguments:**

    - `rules`: two or more of one class, with the same traces and variables, such as several `n4.TsodyksMarkram`.
    - `shares`: one probability for each, more than 0, with the sum 1.

    **Variables:** of each synapse: those of the rules, and `kind`.

    **Raises:** `TypeError` for what is no rule and for rules of several classes, `ValueError` for shares that are no probabilities and
    for rules that need different traces.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> facilitating = n4.TsodyksMarkram(use=0.15, tau_rec=50*u.ms, tau_fac=750*u.ms)
        >>> depressing = n4.TsodyksMarkram(use=0.6, tau_rec=800*u.ms, tau_fac=20*u.ms)
        >>> rule = n4.Mixed(facilitating, depressing, shares=(0.3, 0.7))
    """

    rules: tuple[AbstractPlasticity, ...]
    shares: tuple[float, ...] = eqx.field(static=True)

    def __init__(self, *rules, shares):
        if len(rules) < 2 or not all(isinstance(rule, AbstractPlasticity) and type(rule) is type(rules[0]) for rule in rules):
            raise TypeError(f"Mixed takes two rules or more of one class, for example two `n4.TsodyksMarkram(...)`; got {rules!r}.")
        if isinstance(rules[0], Mixed) or rules[0].dendritic():
            raise TypeError(f"Mixed takes single rules with axonal delays; got {type(rules[0]).__name__}.")
        if any(_needs(rule) != _needs(rules[0]) for rule in rules):
            raise ValueError("Mixed: its rules need the same traces and variables per target; give them the same time constants.")
        self.rules, self.every = rules, rules[0].every
        self.shares = tuple(number(share, NUMBER, "Mixed.shares", above=0.0) for share in shares)
        if len(self.shares) != len(rules) or not math.isclose(sum(self.shares), 1, rel_tol=1e-9):
            raise ValueError(f"Mixed.shares are {len(rules)} probabilities with the sum 1, for example `shares=(0.3, 0.7)`; got {shares}.")

    def check(self, weight_unit, where):
        for rule in self.rules:
            rule.check(weight_unit, where)

    def passing(self):
        return self.rules[0].passing()

    def limits(self):
        return _common([rule.limits() for rule in self.rules])

    def bounds(self):
        known = [rule.bounds() for rule in self.rules]
        sides = [side for side in known if side is not None]
        return (min(low for low, _ in sides), max(high for _, high in sides)) if len(sides) == len(known) else None

    def pre_traces(self):
        return self.rules[0].pre_traces()

    def pre_variables(self):
        return {f"{k}.{name}": variable for k, rule in enumerate(self.rules) for name, variable in rule.pre_variables().items()}

    def on_source(self, ms, pre):
        return each_own(self.rules, lambda rule, own: rule.on_source(ms, own), pre)

    def on_arrival(self, pre):
        return each_own(self.rules, lambda rule, own: rule.on_arrival(own), pre)

    def post_traces(self):
        return self.rules[0].post_traces()

    def draws(self):
        return self.rules[0].draws()

    def reads(self):
        return self.rules[0].reads()

    def post_variables(self, dt):
        return self.rules[0].post_variables(dt)

    def init(self, weight):
        return {**self.rules[0].init(weight), KIND: self._kinds(weight)}

    def on_target(self, dt, post, target):
        return self.rules[0].on_target(dt, post, target)

    def step(self, dt, weight, variables, seen):
        own = {name: value for name, value in variables.items() if name != KIND}
        shown = [seen._replace(pre=self._shown(seen.pre, k)) for k in range(len(self.rules))]
        found, after = self.rules[0].step(dt, weight, own, shown[0])
        for k, rule in enumerate(self.rules[1:], 1):
            here, (other, later) = variables[KIND] == k, rule.step(dt, weight, own, shown[k])
            found = jnp.where(here, other, found)
            after = {name: jnp.where(here, later[name], value) for name, value in after.items()}
        return found, {**after, KIND: variables[KIND]}

    def _shown(self, pre: dict[str, Any], k: int) -> dict[str, Any]:
        """What rule number `k` sees: the traces of all, and its own variables per source."""
        theirs = self.pre_variables()
        return {name: value for name, value in pre.items() if name not in theirs} | own_of(pre, k)

    def _kinds(self, weight: Float[Array, " nnz"]) -> Float[Array, " nnz"]:
        a, b = (jnp.uint32(word) for word in address(0, "plasticity", "Mixed"))
        chance = uniform_jax(words_jax(a, b, jnp.arange(weight.shape[0], dtype=jnp.uint32)), np.float32)
        return sum((chance >= edge).astype(weight.dtype) for edge in np.cumsum(self.shares)[:-1].astype(np.float32))


def _needs(rule: AbstractPlasticity) -> tuple[Any, ...]:
    """What must be common to rules whose traces and target variables are kept once."""
    return rule.every, rule.pre_traces(), rule.post_traces(), rule.reads(), rule.post_variables(1.0) and repr(rule)


def _common(limits: list[tuple[float, float] | None]) -> tuple[float, float] | None:
    """Where weights of all kinds may lie."""
    known = [each for each in limits if each is not None]
    return (max(low for low, _ in known), min(high for _, high in known)) if known else None
