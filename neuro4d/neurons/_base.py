"""The protocol of a neuron model."""

import abc
from typing import Any, ClassVar, NamedTuple

from jaxtyping import Array, Bool, Float

from neuro4d._base import AbstractPart, Drive


class Membrane(NamedTuple):
    """What a receptor may know of the membrane it acts on: time constant (ms) and capacitance (pF)."""

    tau: Float[Array, "*n"]
    c: Float[Array, "*n"]


class Fired(NamedTuple):
    """Who fired, and how far above threshold (mV) everyone was: the argument of a surrogate derivative."""

    spikes: Bool[Array, "n"]
    excess: Float[Array, "n"]


class AbstractNeuron(AbstractPart):
    """A neuron model: constants of a time step, an initial state, and one step.

    Every quantity field is a scalar or has one entry per neuron. A neuron never sees a batch axis, a name or a clock.
    """

    variables: ClassVar[dict[str, Any]]
    """The state variables that can be recorded and initialised, with their units."""

    native: ClassVar[str | None] = None
    """Its name among the native kernels, if there is a step of the very same sums in `kernels/src/cells`."""

    accepts: ClassVar[frozenset[str]] = frozenset({"g", "i", "jump"})
    """Which parts of a `Drive` the step uses. A receptor or stimulus that exerts another one is refused."""

    random: ClassVar[bool] = False
    """Whether `step` takes a fourth argument: one random word (uint32) for each neuron, new in every step."""

    ordered: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Pairs of parameters of which the first lies above the second."""

    inherits: ClassVar[bool] = True
    """Whether children may have other parameters than their parent: ranges and `ordered` say all that these have to fulfil."""

    @abc.abstractmethod
    def membrane(self) -> Membrane | None:
        """Time constant and capacitance if the passive membrane is linear, else `None`."""

    @abc.abstractmethod
    def constants(self, dt: float) -> Any:
        """What a step of `dt` ms needs, computed once per run from the parameters."""

    @abc.abstractmethod
    def rest(self) -> dict[str, Any]:
        """The initial value of every variable, as parameters or numbers."""

    @abc.abstractmethod
    def init(self, values: dict[str, Float[Array, "n"]]) -> Any:
        """The state from an initial value for every variable."""

    @abc.abstractmethod
    def step(self, constants: Any, state: Any, drive: Drive) -> tuple[Any, Fired]:
        """One time step: integrate the drive, test the threshold, reset, hold."""

    @abc.abstractmethod
    def check(self, dt: float) -> None:
        """What only shows with the time step: periods on the grid, stability. Raises `ValueError`."""
