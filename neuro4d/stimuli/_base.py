"""The protocol of a stimulus: what a user describes, and what a running model evaluates."""

import abc
from typing import Any, ClassVar, NamedTuple

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt32

from neuro4d._base import (
    AbstractPart,
    AbstractValue,
    Constant,
    Drive,
    UnitError,
    as_value,
    check_fits,
    internal_unit,
    step_address,
    uniform_jax,
    words_jax,
)


class Now(NamedTuple):
    """What a source may know in a step: steps since the start of the run, its random address, the value given from outside, and what its
    addresses are made of: the words of the trial and of the name of the stimulus."""

    elapsed: UInt32[Array, ""]
    a: UInt32[Array, ""]
    b: UInt32[Array, ""]
    value: Float[Array, "*n"] | None
    key: UInt32[Array, "2"] | None = None
    entity: tuple[Any, Any] = (0, 0)

    def uniform(self, n: int, dtype: Any) -> Float[Array, "n"]:
        """Independent random numbers in (0, 1), one for each of `n` neurons: a function of the trial, the stimulus and the step."""
        return uniform_jax(words_jax(self.a, self.b, jnp.arange(n, dtype=jnp.uint32)), np.dtype(dtype).type)

    def address_at(self, step: UInt32[Array, ""]) -> tuple[Array, Array]:
        """The random address of another step, for what is drawn once and acts in several steps."""
        return step_address(jnp.zeros(2, jnp.uint32) if self.key is None else self.key, self.entity, step)


class Binding(NamedTuple):
    """What a stimulus is bound to: how many neurons, the step (ms), the precision, where the neurons lie (or `None`), and
    `draw(value, where)`, which draws a distribution for every neuron at the stimulus' own random address."""

    n: int
    dt: float
    dtype: Any
    sites: np.ndarray | None
    draw: Any


class Share(NamedTuple):
    """Constant Poisson input: spikes per step on average, and weight, each a scalar or one per neuron. All shares of a port are
    drawn together."""

    mean: np.ndarray
    weight: np.ndarray


class Noise(NamedTuple):
    """A normally distributed current, drawn anew for every neuron and step: mean and standard deviation (pA), scalars or `(n,)`.

    With a `decay` it is coloured: the deviation from the mean is multiplied by it in every step before a number is added, and lives
    in the state. It begins with the standard deviation `spread`.
    """

    mean: Float[Array, "*n"]
    std: Float[Array, "*n"]
    decay: Float[Array, "*n"] | None = None
    spread: Float[Array, "*n"] | None = None

    def draw(self, words: UInt32[Array, "n"]) -> Float[Array, "n"]:
        """One number for each random word. `src/noise.h` is the same to 1e-6."""
        return self.mean + self.std * _normal(words, self.mean.dtype)

    def move(self, words: UInt32[Array, "n"], memory: Float[Array, "n"]) -> tuple[Float[Array, "n"], Float[Array, "n"]]:
        """The same with a decay: the current of a step, and the deviation that is left in the state."""
        kept = memory if self.decay is None else memory * self.decay
        later = kept + self.std * _normal(words, self.mean.dtype)
        return self.mean + later, later

    def first(self, words: UInt32[Array, "n"]) -> Float[Array, "n"]:
        """The deviations with which coloured noise begins."""
        return jnp.broadcast_to((0 if self.spread is None else self.spread) * _normal(words, self.mean.dtype), words.shape)


def _normal(words: UInt32[Array, "n"], dtype: Any) -> Float[Array, "n"]:
    """Numbers of the standard normal distribution, by the inverse of its distribution function."""
    x = 2 * uniform_jax(words, np.dtype(dtype).type) - 1
    return np.sqrt(2).astype(dtype) * jax.lax.erf_inv(x)


class RateWave(eqx.Module):
    """Poisson input whose mean changes: `means` of spikes per step, `(T,)` or `(T, n)`, each held for `hold` steps, 0 after the last;
    `length` thresholds suffice for all of them."""

    means: Float[Array, "t *n"]
    weight: Float[Array, "*n"]
    n: int = eqx.field(static=True)
    hold: int = eqx.field(static=True)
    length: int = eqx.field(static=True)


class AbstractSource(eqx.Module):
    """A stimulus inside a model. Emits a drive (`port` is `None`) or arrivals of shape `(n,)` at a port."""

    steady: ClassVar[bool] = False
    """Whether it gives the same drive in every step, so that it can be summed once per run. Only for `port = None`."""

    takes_value: ClassVar[bool] = False
    """Whether it hands on a value given to `step`."""

    def noise(self) -> Noise | None:
        """The noise that it is, if it is nothing else: native kernels draw it themselves, at the address of the stimulus."""
        return None

    def waves(self) -> "RateWave | None":
        """The Poisson input that it is, if it is nothing else: its means in time, which native kernels draw from themselves."""
        return None

    def over(self, index: Any, extent: int) -> "AbstractSource | None":
        """The same for `extent` neurons of which it acts on those of `index`, for sources that native kernels draw from; else `None`."""
        return None

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
    weight: eqx.AbstractVar[Any]
    """What arrives at the port with each spike, or `None`. A negative one at a conductance is refused."""

    exerts: ClassVar[frozenset[str] | None] = None
    """Which parts of a `Drive` its source emits where `port` is `None`, so that a neuron that does not use them can refuse it;
    `None` is not checked."""

    @abc.abstractmethod
    def bind(self, binding: Binding, weight_unit: Any) -> AbstractSource | Share:
        """The source for a model, or the share in the constant Poisson input of its port; `weight_unit` is that of the port.

        Raises `ValueError` for what does not fit the target or the time step.
        """


def drawn(values: Any, binding: Binding, where: str, unit: Any = None) -> np.ndarray:
    """A parameter as a scalar or one number per neuron; distributions are drawn. With a `unit`, one as the user wrote it."""
    if unit is not None:
        value = as_value(values, unit, where)
        values = np.float64(value.value) if isinstance(value, Constant) else value
    array = np.asarray(binding.draw(values, where))
    if array.ndim and array.shape != (binding.n,):
        raise ValueError(f"{where} must be a scalar or have shape ({binding.n},), one entry per neuron; got shape {array.shape}.")
    check_fits(array, binding.dtype, where)
    return array


def check_weight(weight: Any, where: str) -> AbstractValue:
    """The weight of a stimulus, whose unit only its port knows: a quantity or a distribution."""
    if isinstance(weight, AbstractValue):
        return weight
    if not isinstance(weight, u.Quantity):
        raise UnitError(
            f"{where}: expected a quantity in the unit of the receptor, for example `87.8 * u.pA`; got the bare value {weight!r}."
        )
    return as_value(weight, internal_unit(weight, where), where)


def per_neuron(values: Any, binding: Binding, where: str, unit: Any = None) -> Array:
    """The same in the model's precision."""
    return jnp.asarray(drawn(values, binding, where, unit), binding.dtype)
