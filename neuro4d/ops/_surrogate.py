"""The protocol of a surrogate derivative: the forward pass stays the hard threshold, the backward pass gets a slope."""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax
from jaxtyping import Array, Float

from neuro4d._base import AbstractPart


class AbstractSurrogate(AbstractPart):
    """A pseudo-derivative of the step function, as a function of the distance to threshold in mV.

    **Fields:** `width`: its scale in mV. A slope is `shape(x / width) / width`, so that `width` sets how high and how wide it is and
    not how large its integral is.
    """

    width: eqx.AbstractVar[Float[Array, ""]]

    moves: ClassVar[bool] = False
    """Whether `slope_in_step` asks how far the potential moved in the step."""

    reset: ClassVar[str] = "detached"
    """Whether derivatives pass through the reset: "detached" or "attached"."""

    @abc.abstractmethod
    def slope(self, excess: Float[Array, "n"]) -> Float[Array, "n"]:
        """The pseudo-derivative in 1/mV, finite for every finite argument."""

    def slope_in_step(self, excess: Float[Array, "n"], move: Float[Array, "n"] | None) -> Float[Array, "n"]:
        """The slope in a step in which the potential moved by `move` mV before any reset; `None` where that is not known."""
        del move
        return self.slope(excess)

    def spike(self, excess: Float[Array, "n"], move: Float[Array, "n"] | None = None) -> Float[Array, "n"]:
        """1 where `excess >= 0`, else 0, with the slope for a derivative."""
        return _spike(self, excess, move)


@jax.custom_jvp
def _spike(surrogate: AbstractSurrogate, excess: Array, move: Array | None) -> Array:
    del surrogate, move
    return (excess >= 0).astype(excess.dtype)


@_spike.defjvp
def _spike_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    surrogate, excess, move = primals
    return _spike(surrogate, excess, move), surrogate.slope_in_step(excess, move) * tangents[1]


@jax.custom_jvp
def attached(value: Any, spike: Float[Array, "n"], jump: Any) -> Any:
    """`value`, bit for bit, with a derivative of `jump` with respect to `spike` on top of its own: what a reset does, `(n,)` each."""
    del spike, jump
    return value


@attached.defjvp
def _attached_jvp(primals: tuple, tangents: tuple) -> tuple[Any, Any]:
    value, spike, jump = primals
    return attached(value, spike, jump), tangents[0] + jump * tangents[1]
