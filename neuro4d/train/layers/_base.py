"""The protocol of a layer: sequences in, sequences out, and what else is worth seeing on the way."""

import abc
from typing import Any, NamedTuple

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from neuro4d._base import strip


class Record(NamedTuple):
    """What a spiking layer did.

    **Fields:** `spikes`: 0 or 1, with a gradient, `(time, batch, ...)`; `excess`: the potential before the reset above its threshold,
    of the same shape. [mV]
    """

    spikes: Float[Array, "time batch ..."]
    excess: Float[Array, "time batch ..."]


class Context(NamedTuple):
    """How a layer is run: the time step in ms, a key for what is random (or `None`), and whether the network is being trained."""

    dt: float
    key: Any
    training: bool

    def part(self, number: int) -> "Context":
        """The same with a key of its own, for part `number` of a layer."""
        return self if self.key is None else self._replace(key=jr.fold_in(self.key, number))


class Passed(NamedTuple):
    """What comes out of a layer: the sequence, one record for every spiking layer inside, and the new running statistics (or `None`)."""

    output: Array
    records: tuple[Record, ...] = ()
    statistics: Any = None


class AbstractLayer(eqx.Module):
    """A part of a network that learns: from `(time, batch, ...)` to `(time, batch, ...)`. Immutable; time is the first axis.

    A layer sees all of time at once, so that what does not depend on its order is computed in one piece.
    """

    @abc.abstractmethod
    def apply(self, x: Array, context: Context) -> Passed:
        """The output, the records of spiking layers, and the new running statistics."""

    def statistics(self) -> Any:
        """Running statistics as they are, or `None` for a layer without."""
        return None

    def with_statistics(self, statistics: Any) -> "AbstractLayer":
        """The layer with running statistics that `apply` returned."""
        del statistics
        return self

    def kept(self) -> tuple[str, ...]:
        """Fields that are numbers and are not trained by default."""
        return ()

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Lowest and highest value of fields that have one."""
        return {}

    def fan_out(self) -> float | None:
        """Synapses that one spike at its input reaches, on average; `None` for a layer without weights, which passes spikes on."""
        return None

    def fans(self, ahead: float) -> tuple[float, tuple[float, ...]]:
        """Synapses that one spike at the input reaches, and those that one spike of each spiking layer inside reaches.

        **Arguments:** `ahead`: how many a spike at the output reaches.
        """
        own = self.fan_out()
        return ahead if own is None else own, ()

    def __call__(self, x: Array, *, dt: Any = 1 * u.ms, key: Any = None, training: bool = False) -> Array:
        """The output alone.

        **Arguments:** `x`: `(time, batch, ...)`; `dt`: the time step [time]; `key`: for layers that draw; `training`: whether dropout and
        batch norm behave as in training.
        """
        return self.apply(jnp.asarray(x), Context(float(strip(dt, u.ms, f"{type(self).__name__}: dt")), key, training)).output


def as_float(x: Array, like: Array) -> Array:
    """Spikes given as booleans, whole numbers or in a lower precision, as numbers that can be multiplied."""
    return x.astype(jnp.result_type(x.dtype, like.dtype))


def check_key(key: Any, where: str) -> Any:
    """A key, or an error that says how to make one."""
    if key is None:
        raise ValueError(f"{where} draws at random and needs a key: `{where}(..., key=jax.random.key(0))`.")
    return key


def uniform_weights(key: Any, shape: tuple[int, ...], fan_in: int) -> Array:
    r"""Uniform in $\pm 1/\sqrt{n}$ for $n$ inputs."""
    limit = fan_in**-0.5
    return jr.uniform(key, shape, jnp.result_type(float), -limit, limit)


def folded(fun: Any, x: Array) -> Array:
    """A function of `(batch, ...)` applied to all time steps as one larger batch."""
    y = fun(x.reshape(-1, *x.shape[2:]))
    return y.reshape(*x.shape[:2], *y.shape[1:])


def bare(part: Any) -> Any:
    """A neuron or surrogate with its numbers as device arrays of the default precision, so that they can be trained."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(float)), part)
