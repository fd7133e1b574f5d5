"""Which program runs what, and why: the answer for people."""

from typing import NamedTuple

from neuro4d.model._choice import foreign, obstacle
from neuro4d.model._constants import prepare
from neuro4d.model._fields import ModelFields
from neuro4d.model._step import many_obstacle


class GroupPlan(NamedTuple):
    """How a group is stepped on a CPU: `step` is "native", "half native" where plain XLA updates the neurons and nothing else, or "plain
    XLA". `because` says why it is not native; nothing if it is."""

    populations: tuple[str, ...]
    delivery: str
    step: str
    because: str


class Plan(NamedTuple):
    """How a model runs on a CPU.

    **Fields:** `groups`: populations that run together; `many_steps`: whether `simulate` makes many steps in one native call, and
    `because` why not; `unclear` if nothing.
    """

    groups: tuple[GroupPlan, ...]
    many_steps: bool
    because: str

    def __repr__(self) -> str:
        lines = []
        for group in self.groups:
            reason = f" ({group.because})" if group.because else ""
            lines.append(f"{', '.join(group.populations)}: {group.delivery} delivery, {group.step} step{reason}")
        many = "many steps in one native call" if self.many_steps else f"one step after the other ({self.because})"
        return "\n".join([*lines, many])


def plan(model: ModelFields) -> Plan:
    """The plan of a model."""
    groups = []
    for group in model.layout.groups:
        whole = obstacle(model, group)
        reason = whole or foreign(model, group)
        step = "plain XLA" if whole else "half native" if reason else "native"
        delivery = "native" if model.layout.backend.native else "plain XLA"
        groups.append(GroupPlan(tuple(span.name for span in group.spans), delivery, step, reason))
    because = many_obstacle(model, prepare(model))
    return Plan(tuple(groups), not because, because)
