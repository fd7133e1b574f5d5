"""Weights that live in the state and that no rule changes."""

from typing import ClassVar

from neuro4d.plasticity._base import AbstractPlasticity


class Free(AbstractPlasticity):
    """Weights live in the state, where the user may change them between steps: `n4.set_weights(state, ...)`.

    !!! Example

        >>> import neuro4d as n4
        >>> n4.Free()
        Free()
    """

    learns: ClassVar = False

    def step(self, dt, weight, variables, seen):
        del dt, seen
        return weight, variables
