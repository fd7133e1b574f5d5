"""Several rules on the same synapses."""

from collections.abc import Callable
from typing import Any

from neuro4d.plasticity._base import AbstractPlasticity, Trace


class Combined(AbstractPlasticity):
    """Rules one after the other on the same synapses: each makes its step from the weights that the one before has left.

    Each keeps its own traces and variables, its own `every`, and its bounds; what synapses and targets hold is named `"0.c"`, `"1.r"` by the
    number of the rule. A weight may lie where all rules allow it, and is taken to the bounds of a rule when that rule next changes it.
    The cost is that of all of them.

    A rule of short-term plasticity, `n4.TsodyksMarkram`, comes last: those before it change the strength of the synapses, and it says which share of
    that a spike releases.

    **Arguments:** two rules or more.

    **Raises:** `TypeError` for what is no rule, for `n4.Dendritic` inside (write `n4.Dendritic(n4.Combined(...))`), and for fewer than two;
    `TypeError` for short-term plasticity in another place than the last; `ValueError` for bounds that exclude each other.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> learns = n4.STDP(w_max=1*u.nS, a_plus=0.01, a_minus=0.0105)
        >>> rule = n4.Combined(learns, n4.Homeostasis(w_max=1*u.nS, rate=5*u.Hz, every=100))
        >>> sorted(rule.pre_traces()), sorted(rule.post_variables(0.1))
        (['0.plus'], ['1.r'])
    """

    rules: tuple[AbstractPlasticity, ...]

    def __init__(self, *rules):
        for rule in rules:
            if not isinstance(rule, AbstractPlasticity):
                raise TypeError(f"Combined takes rules such as `n4.STDP(...)`; got {rule!r}.")
            if rule.dendritic():
                raise TypeError("Combined takes rules without `n4.Dendritic`; write `n4.Dendritic(n4.Combined(...))`.")
        if any(rule.passing() for rule in rules[:-1]):
            names = ", ".join(type(rule).__name__ for rule in rules)
            raise TypeError(f"Combined: a rule that says what a spike releases, such as `n4.TsodyksMarkram`, comes last, and once; got {names}.")
        if len(rules) < 2:
            raise TypeError(f"Combined takes two rules or more; got {len(rules)}.")
        self.rules, self.every = rules, max(rule.every for rule in rules)
        limits = self.limits()
        if limits is not None and not limits[0] < limits[1]:
            raise ValueError(f"Combined: the bounds of its rules have no weights in common; got {[rule.limits() for rule in rules]}.")

    def check(self, weight_unit, where):
        for rule in self.rules:
            rule.check(weight_unit, where)

    def limits(self):
        known = [limits for limits in (rule.limits() for rule in self.rules) if limits is not None]
        return (max(low for low, _ in known), min(high for _, high in known)) if known else None

    def passing(self):
        return self.rules[-1].passing()

    def lasting(self):
        return f"{len(self.rules) - 1}.{self.rules[-1].lasting()}" if self.passing() else None

    def bounds(self):
        known = [bounds for bounds in (rule.bounds() for rule in self.rules) if bounds is not None]
        return (max(low for low, _ in known), min(high for _, high in known)) if known else None

    def draws(self):
        return sum(rule.draws() for rule in self.rules)

    def pre_traces(self) -> dict[str, Trace]:
        return {f"{k}.{name}": trace for k, rule in enumerate(self.rules) for name, trace in rule.pre_traces().items()}

    def pre_variables(self):
        return {f"{k}.{name}": variable for k, rule in enumerate(self.rules) for name, variable in rule.pre_variables().items()}

    def post_traces(self) -> dict[str, Trace]:
        return {f"{k}.{name}": trace for k, rule in enumerate(self.rules) for name, trace in rule.post_traces().items()}

    def reads(self):
        return tuple(dict.fromkeys(name for rule in self.rules for name in rule.reads()))

    def post_variables(self, dt):
        return {f"{k}.{name}": first for k, rule in enumerate(self.rules) for name, first in rule.post_variables(dt).items()}

    def init(self, weight):
        return {f"{k}.{name}": first for k, rule in enumerate(self.rules) for name, first in rule.init(weight).items()}

    def on_source(self, ms, pre):
        return each_own(self.rules, lambda rule, own: rule.on_source(ms, own), pre)

    def on_arrival(self, pre):
        return each_own(self.rules, lambda rule, own: rule.on_arrival(own), pre)

    def on_target(self, dt, post, target):
        moved = {}
        for k, rule in enumerate(self.rules):
            moved |= {f"{k}.{name}": value for name, value in rule.on_target(dt, own_of(post, k), target).items()}
        return moved

    def step(self, dt, weight, variables, seen):
        after: dict[str, Any] = {}
        used = 0
        # What is learned is the strength, where the last rule makes of it what a spike releases.
        strength = self.lasting()
        learned = weight if strength is None else variables[strength]
        for k, rule in enumerate(self.rules):
            if rule.passing():
                variables = {**variables, strength: learned}
            drawn, used = used, used + rule.draws()
            part = seen._replace(pre=own_of(seen.pre, k), post=own_of(seen.post, k), chance=seen.chance[drawn:used])
            learned, own = rule.step(dt, learned, own_of(variables, k), part)
            after |= {f"{k}.{name}": value for name, value in own.items()}
        return learned.astype(weight.dtype), after


def own_of(held: dict[str, Any], k: int) -> dict[str, Any]:
    """What belongs to rule number `k`, by its own names."""
    return {name.removeprefix(f"{k}."): value for name, value in held.items() if name.startswith(f"{k}.")}


def each_own(rules: tuple[AbstractPlasticity, ...], change: Callable[[AbstractPlasticity, dict[str, Any]], dict[str, Any]], held: dict[str, Any]) -> dict[str, Any]:
    """What each of the rules makes of what belongs to it."""
    return {f"{k}.{name}": value for k, rule in enumerate(rules) for name, value in change(rule, own_of(held, k)).items()}
