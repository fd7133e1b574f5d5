"""Ports for values that come from outside, step by step."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Int32

from neuro4d._base import Drive, check_count, check_name
from neuro4d.stimuli._base import AbstractSource, AbstractStimulus
from neuro4d.stimuli._movie import pixels


class InputSource(AbstractSource):
    """Hands on the value given to `step`; nothing when none is given."""

    index: Int32[Array, " n"] | None
    n: int = eqx.field(static=True)
    shape: tuple[int, ...] = eqx.field(static=True)
    is_drive: bool = eqx.field(static=True)

    takes_value: ClassVar = True

    def value_shape(self):
        return self.shape

    def emit(self, now):
        if now.value is None:
            return Drive() if self.is_drive else None
        value = jnp.asarray(now.value)
        if self.index is not None:
            flat = jnp.broadcast_to(value, self.shape).reshape(-1)
            value = jnp.where(self.index < 0, 0, flat[jnp.maximum(self.index, 0)])
        value = jnp.broadcast_to(value, (self.n,))
        return Drive(i=value) if self.is_drive else value


class Input(AbstractStimulus):
    """A port for closed loops: the value of every step is an argument of `step` or `simulate`.

    **Arguments:**

    - `name`: the key in `inputs={"name": value}`.
    - `target`: a population or a slice of one.
    - `port`: `None` for a current in pA, or the name of a receptor for arrivals in the unit of its weights.
    - `shape`, `origin`: for neurons on a lattice: the value has this shape, and the neuron at coordinate `c` receives entry
      `c[:len(shape)] - origin`; neurons outside receive nothing. Without `shape` the value is a scalar or has one entry per neuron.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 10, lif)
        >>> command = n4.Input("command", cells)
    """

    name: str = eqx.field(static=True)
    target: Any = eqx.field(static=True)
    port: str | None = eqx.field(static=True, default=None)
    shape: tuple[int, ...] | None = eqx.field(static=True, default=None)
    origin: tuple[int, ...] | None = eqx.field(static=True, default=None)
    weight: None = eqx.field(static=True, init=False, default=None)

    exerts: ClassVar = frozenset({"i"})

    def __check_init__(self):
        check_name(self.name, "stimulus")
        for size in self.shape or ():
            check_count(size, f"Input {self.name!r}: an entry of shape")

    def bind(self, binding, weight_unit):
        if self.shape is None:
            return InputSource(None, binding.n, (binding.n,), self.port is None)
        index = pixels(binding, self.shape, self.origin, f"Input {self.name!r}")
        return InputSource(jnp.asarray(index, jnp.int32), binding.n, self.shape, self.port is None)
