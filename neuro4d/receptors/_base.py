"""The protocol of a receptor."""

import abc
from typing import Any, ClassVar

from jaxtyping import Array, Float

from neuro4d._base import AbstractPart, Drive


class AbstractReceptor(AbstractPart):
    """What a spike does to its target: a state per target neuron, never per synapse.

    In a step the drive comes from the state at the beginning of the step; the state then decays, and what arrives at the end of
    the step is added.
    """

    weight_unit: ClassVar[Any]
    """The unit of synaptic weights."""

    signed: ClassVar[bool] = True
    """Whether a weight may be negative: a current or a jump may, a conductance may not."""

    native: ClassVar[str | None] = None
    """Its name among the native kernels, if there is one with the very same sums in `kernels/src/receptors`."""

    exerts: ClassVar[frozenset[str] | None] = None
    """Which parts of a `Drive` its step gives, so that a neuron that does not use them can refuse it; `None` is not checked."""

    takes_early: ClassVar[bool] = True
    """Whether it has a state that arrivals of delay 0 can enter at the beginning of a step; if not, they arrive at its end."""

    sees_v: ClassVar[bool] = False
    """Whether `step` takes a fourth argument: the potential at the beginning of the step, in mV `(n,)`."""

    variables: ClassVar[dict[str, Any]]
    """State variables that can be recorded and initialised, with their units."""

    @abc.abstractmethod
    def constants(self, dt: float, membrane: Any) -> Any:
        """Propagators of a step of `dt` ms; `membrane` (time constant, capacitance) makes current receptors exact."""

    def rest(self) -> dict[str, Any]:
        """First values of variables that do not begin at 0, by name."""
        return {}

    def acts_on(self) -> tuple[str, ...]:
        """Other ports of the same neurons whose arrivals it changes (`act`)."""
        return ()

    def act(self, constants: Any, state: Any, port: str, arrivals: Float[Array, "n"]) -> Float[Array, "n"]:
        """What becomes of the arrivals at a port of `acts_on`, by the state at the beginning of the step."""
        del constants, state, port
        return arrivals

    @abc.abstractmethod
    def init(self, values: dict[str, Float[Array, "n"]]) -> Any:
        """The state from an initial value for every variable."""

    def early(self, state: Any, constants: Any, arrivals: Float[Array, "n"]) -> Any:
        """The state after arrivals at the beginning of the step (delay 0), for those that `takes_early`."""
        raise TypeError(f"{type(self).__name__} has no state that could receive arrivals at the beginning of a step.")

    @abc.abstractmethod
    def step(self, constants: Any, state: Any, arrivals: Float[Array, "n"] | None) -> tuple[Any, Drive]:
        """The drive of this step, and the state at its end with the arrivals added."""
