"""What rules of plasticity ask of delays and of the time step, checked before edges are drawn."""

import math

import brainunit as u

from neuro4d._base import attach, steps_of
from neuro4d.network._projection import Projection
from neuro4d.plasticity import AbstractPlasticity


def check_steps(projection: Projection, shortest: int, dt: float) -> None:
    """Refuses delays that hold no dendritic part, and times of a rule off the grid; `shortest`: in steps.

    **Raises:** `ValueError` for a delay of 0, for a part that is off the grid, and for one that is longer than a delay.
    """
    rule = projection.plasticity
    if rule is None:
        return
    rule.post_variables(dt)  # raises where a time of the rule is no multiple of the step
    share = rule.dendritic()
    if not share:
        return
    where = f"projection {projection.name!r}"
    if shortest < 1:
        raise ValueError(f"{where}: a delay that is dendritic is at least one step; got 0. For example `delay={dt:g}*u.ms`.")
    if share != math.inf and int(steps_of(share, dt, f"{where}: the dendritic part of the delay")) > shortest:
        raise ValueError(
            f"{where}: {attach(share, u.ms)} of the delay are dendritic; the shortest delay is {attach(round(shortest * dt, 9), u.ms)}. "
            "For example `n4.Dendritic(rule)`: all of each delay."
        )


def check_gradients(rules: dict[str, AbstractPlasticity], surrogate: object | None) -> None:
    """Refuses spikes that carry gradients where they would lose them on the way."""
    lost = [name for name, rule in rules.items() if rule.dendritic()]
    if surrogate is not None and lost:
        raise ValueError(
            f"{', '.join(lost)}: spikes carry gradients through axonal delays; got dendritic ones. Use the rule without `n4.Dendritic`, "
            "or build without `surrogate`."
        )


def longest_back(delays: int, rule: AbstractPlasticity | None) -> int:
    """How many steps of its targets' past a pathway looks at, if its longest delay is `delays`."""
    return delays if rule is not None and rule.dendritic() else 0
