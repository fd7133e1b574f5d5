"""The currency between receptors, stimuli and neurons."""

import equinox as eqx
from jaxtyping import Array, Float


class Drive(eqx.Module):
    r"""What acts on the membranes of a group during one step.

    $$ i - g\,v \quad\text{over the step, and a jump of } v \text{ at its end} $$

    Drives add. A part that is `None` is absent: it costs nothing and leaves the cheaper equation in force.

    **Fields:** `g` conductance in nS, `i` current in pA, `jump` voltage jump in mV; each of shape `(n,)` or a scalar.

    !!! Example

        >>> import neuro4d as n4
        >>> (n4.Drive(i=200.0) + n4.Drive(i=50.0)).i
        250.0
    """

    g: Float[Array, "*n"] | None = None
    i: Float[Array, "*n"] | None = None
    jump: Float[Array, "*n"] | None = None

    def __add__(self, other: "Drive") -> "Drive":
        return Drive(_sum(self.g, other.g), _sum(self.i, other.i), _sum(self.jump, other.jump))


def _sum(a, b):
    if a is None:
        return b
    return a if b is None else a + b
