"""A network one step at a time: the same layers, with their states in hand."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from neuro4d._base import Drive
from neuro4d.train.layers import (
    AbstractDynamics,
    AvgPool2d,
    BatchNorm,
    Context,
    Conv2d,
    Delayed,
    Dense,
    Dropout,
    Flatten,
    Hold,
    Integrate,
    MaxPool2d,
    Recurrent,
    Residual,
    Sequential,
    Spiking,
)

WITHOUT_STATE = (Dense, Conv2d, BatchNorm, Flatten, Dropout, MaxPool2d, AvgPool2d)


class Steps(NamedTuple):
    """A run of a network in single steps.

    **Fields:** `states`: at the beginning; `step(states, k)`: the states after step `k`, its output and the spikes of each layer and sample in
    it; `steps`: how many there are; `batch`.
    """

    states: Any
    step: Callable[[Any, Any], tuple[Any, Array, Array]]
    steps: int
    batch: int

    def shapes(self) -> tuple[Any, Any]:
        """Shape and type of an output, `(batch, ...)`, and of the spikes, `(batch, layers)`."""
        _, output, spikes = jax.eval_shape(self.step, self.states, jnp.zeros((), jnp.int32))
        return output, spikes


class Stepwise(NamedTuple):
    """A network that can be stepped. **Fields:** `before`: layers computed once; `hold`: for how many steps their output is held, or `None`;
    `after`: layers that are stepped; `dt`."""

    before: tuple[Any, ...]
    hold: int | None
    after: tuple[Any, ...]
    dt: float

    def held(self, x: Array) -> Array:
        """What the stepped layers see of an input `(time, batch, ...)`: the layers before `Hold`, computed once."""
        context = Context(self.dt, None, False)
        for layer in self.before:
            x = layer.apply(x, context).output
        if self.hold is not None and len(x) != 1:
            raise ValueError(f"Hold repeats one step; got {len(x)}. Without `Hold` the input is as long as the run.")
        return x

    def begin(self, x: Array) -> Steps:
        """A run of what `held` gave."""
        context = Context(self.dt, None, False)
        steps = len(x) if self.hold is None else self.hold
        states, fixed = start_all(self.after, x[0], context)

        def step(states: Any, k: Any) -> tuple[Any, Array, Array]:
            now = x[0] if self.hold is not None else jax.lax.dynamic_index_in_dim(x, k, keepdims=False)
            states, output, spikes = advance_all(self.after, fixed, states, now, context)
            return states, output, jnp.stack(spikes, axis=-1)

        return Steps(states, step, steps, x.shape[1])


def stepwise(net: Sequential) -> Stepwise:
    """The network, ready to be stepped.

    **Raises:** `TypeError` for a layer whose state is not known here; `ValueError` for a network without spiking layers.
    """
    if not net.spiking_layers:
        raise ValueError("the network has no spiking layer; put in one, for example `n4.train.Spiking(n4.PLIF())`.")
    places = [number for number, layer in enumerate(net.layers) if isinstance(layer, Hold)]
    first = places[0] if places else 0
    before, after = net.layers[:first], net.layers[first + 1 :] if places else net.layers
    for layer in (*before, *after):
        check_layer(layer)
    return Stepwise(before, net.layers[first].steps if places else None, after, net.dt)


def check_layer(layer: Any) -> None:
    """Whether a layer can be stepped."""
    if isinstance(layer, Residual | Sequential):
        for inner in layer.layers:
            check_layer(inner)
    elif not isinstance(layer, (*WITHOUT_STATE, Spiking, Integrate, Delayed)):
        raise TypeError(
            f"the layer {type(layer).__name__} cannot be run step by step; Dense, Conv2d, Delayed, Spiking, Recurrent, Integrate, pooling and Residual can."
        )


def start_all(layers: tuple[Any, ...], x: Array, context: Context) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The states of layers one after the other, and what their steps need that no step changes, computed once.

    **Arguments:** `x`: what the first layer sees in a step, `(batch, ...)`.
    """
    states, fixed = [], []
    for layer in layers:
        state, own = start(layer, x, context)
        states.append(state)
        fixed.append(own)
        x = jax.eval_shape(lambda layer, state, x, own=own: advance(layer, own, state, x, context)[1], layer, state, x)
        x = jnp.zeros(x.shape, x.dtype)
    return tuple(states), tuple(fixed)


def start(layer: Any, x: Array, context: Context) -> tuple[Any, Any]:
    """The state of one layer at rest, and what stays the same; an empty tuple for what it has not."""
    if isinstance(layer, Residual):
        inner, shortcut = layer.ways()
        through, past = start_all(inner, x, context), ((), ()) if shortcut is None else start(shortcut, x, context)
        return (through[0], past[0]), (through[1], past[1])
    if isinstance(layer, Sequential):
        return start_all(layer.layers, x, context._replace(dt=layer.dt))
    if isinstance(layer, Delayed):
        taps = layer.taps(context.dt)
        return jnp.zeros((x.shape[0], len(taps), x.shape[1]), x.dtype), taps
    if not isinstance(layer, AbstractDynamics):
        return (), ()
    x = layer.cast(x)
    state, constants = layer.initial(x[None]), layer.constants(x[None], context.dt)
    return ((state, jnp.zeros_like(x)), (constants, layer.matrix())) if isinstance(layer, Recurrent) else (state, constants)


def advance_all(layers: tuple[Any, ...], fixed: Any, states: Any, x: Array, context: Context) -> tuple[Any, Array, list[Array]]:
    """One step of layers one after the other: their states, the output, and the spikes per sample of each spiking layer."""
    after, spikes = [], []
    for layer, own, state in zip(layers, fixed, states, strict=True):
        state, x, seen = advance(layer, own, state, x, context)
        after.append(state)
        spikes += seen
    return tuple(after), x, spikes


def advance(layer: Any, fixed: Any, state: Any, x: Array, context: Context) -> tuple[Any, Array, list[Array]]:
    """One step of one layer; `fixed`: as of `start`."""
    if isinstance(layer, Residual):
        return _advance_residual(layer, fixed, state, x, context)
    if isinstance(layer, Sequential):
        return advance_all(layer.layers, fixed, state, x, context._replace(dt=layer.dt))
    if isinstance(layer, Delayed):
        past = jnp.concatenate([x[:, None], state[:, :-1]], axis=1)
        return past, jnp.einsum("bki,kio->bo", past, fixed), []
    if not isinstance(layer, AbstractDynamics):
        return (), layer.apply(x[None], context).output[0], []
    x = layer.cast(x)
    if isinstance(layer, Recurrent):
        (inner, before), (constants, matrix) = state, fixed
        inner, fired = layer.neuron.step(constants, inner, Drive(i=x + before @ matrix))
        spikes = layer.surrogate.spike(fired.excess)
        return (inner, spikes), spikes, [_per_sample(spikes)]
    state, fired = layer.neuron.step(fixed, state, Drive(i=x))
    if not isinstance(layer, Spiking):
        return state, state.v, []
    spikes = layer.surrogate.spike(fired.excess)
    return state, spikes, [_per_sample(spikes)]


def _advance_residual(layer: Residual, fixed: Any, state: Any, x: Array, context: Context) -> tuple[Any, Array, list[Array]]:
    inner, shortcut = layer.ways()
    after, y, spikes = advance_all(inner, fixed[0], state[0], x, context)
    if shortcut is None:
        return (after, ()), y + x, spikes
    other, past, more = advance(shortcut, fixed[1], state[1], x, context)
    return (after, other), y + past, spikes + more


def _per_sample(spikes: Array) -> Array:
    return jnp.sum(spikes, axis=tuple(range(1, spikes.ndim)))
