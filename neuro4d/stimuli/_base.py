"""The protocol of a stimulus: what a user describes, and what a running model evaluates."""

import abc
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt32

from neuro4d._base import AbstractPart, Drive, check_fits


class Now(NamedTuple):
    """What a source may know in a step: steps since the start of the run, its random address, the value given from outside."""

    elapsed: UInt32[Array, ""]
    a: UInt32[Array, ""]
    b: UInt32[Array, ""]
    value: Float[Array, "*n"] | None


class Target(NamedTuple):
    """What a stimulus is bound to: how many neurons, the step, the precision, and where the neurons lie (or `None`)."""

    n: int
    dt: float
    dtype: Any
    sites: np.ndarray | None
    draw: Any


class AbstractSource(eqx.Module):
    """A stimulus inside a model. Emits a drive (`port` is `None`) or arrivals of shape `(n,)` at a port."""

    steady: ClassVar[bool] = False
    """Whether it gives the same drive in every step, so that it can be summed once per run."""

    takes_value: ClassVar[bool] = False
    """Whether it hands on a value given to `step`."""

    def value_shape(self) -> tuple[int, ...]:
        """The shape of the value of a step, for sources that take one."""
        return ()

    @abc.abstractmethod
    def emit(self, now: Now) -> Drive | Float[Array, "n"]:
        """What acts during the step (a drive) or arrives at its end (a sum of weights)."""


class AbstractStimulus(AbstractPart):
    """A named stimulus on a population or a slice of one."""

    name: eqx.AbstractVar[str]
    target: eqx.AbstractVar[Any]
    port: eqx.AbstractVar[str | None]

    exerts: ClassVar[frozenset[str] | None] = None
    """Which parts of a `Drive` its source emits where `port` is `None`, so that a neuron that does not use them can refuse it;
    `None` is not checked."""

    @abc.abstractmethod
    def bind(self, target: Target, weight_unit: Any) -> AbstractSource:
        """The source for a model. Raises `ValueError` for what does not fit the target or the time step."""


def per_neuron(values: Any, target: Target, where: str) -> Array:
    """A parameter as a scalar or one number per neuron, in the model's precision; distributions are drawn."""
    drawn = target.draw(values, where)
    if drawn.ndim and drawn.shape != (target.n,):
        raise ValueError(f"{where} must be a scalar or have shape ({target.n},), one entry per neuron; got shape {drawn.shape}.")
    check_fits(drawn, target.dtype, where)
    return jnp.asarray(drawn, target.dtype)
