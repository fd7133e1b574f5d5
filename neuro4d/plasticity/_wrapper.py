"""Rules around another rule."""

from typing import Any

import equinox as eqx

from neuro4d.plasticity._base import AbstractPlasticity


class AbstractWrapper(AbstractPlasticity):
    """A rule that is another one in all that it does not say itself."""

    rule: eqx.AbstractVar[AbstractPlasticity]

    @property
    def learns(self) -> bool:  # type: ignore[override]
        return self.rule.learns

    def check(self, weight_unit, where):
        self.rule.check(weight_unit, where)

    def limits(self):
        return self.rule.limits()

    def bounds(self):
        return self.rule.bounds()

    def passing(self):
        return self.rule.passing()

    def lasting(self):
        return self.rule.lasting()

    def pre_traces(self):
        return self.rule.pre_traces()

    def pre_variables(self):
        return self.rule.pre_variables()

    def post_traces(self):
        return self.rule.post_traces()

    def reads(self):
        return self.rule.reads()

    def draws(self):
        return self.rule.draws()

    def post_variables(self, dt):
        return self.rule.post_variables(dt)

    def init(self, weight):
        return self.rule.init(weight)

    def on_source(self, ms, pre):
        return self.rule.on_source(ms, pre)

    def on_arrival(self, pre):
        return self.rule.on_arrival(pre)

    def on_target(self, dt, post, target):
        return self.rule.on_target(dt, post, target)

    def on_step(self, dt: float, weight: Any, variables: Any, seen: Any) -> Any:
        return self.rule.on_step(dt, weight, variables, seen)

    def on_post(self, weight, variables, seen):
        return self.rule.on_post(weight, variables, seen)

    def on_pre(self, weight, variables, seen):
        return self.rule.on_pre(weight, variables, seen)

    def step(self, dt, weight, variables, seen):
        return self.rule.step(dt, weight, variables, seen)
