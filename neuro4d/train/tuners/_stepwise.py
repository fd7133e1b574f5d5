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
        states = start_all(self.after, x[0], context)

        def step(states: Any, k: Any) -> tuple[Any, Array, Array]:
            now = x[0] if self.hold is not None else jax.lax.dynamic_index_in_dim(x, k, keepdims=False)
            states, output, spikes = advance_all(self.after, states, now, context)
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


def start_all(layers: tuple[Any, ...], x: Array, context: Context) -> tuple[Any, ...]:
    """The states of layers one after the other; `x`: what the first sees in a step, `(batch, ...)`."""
    states = []
    for layer in layers:
        state = start(layer, x, context)
        states.append(state)
        x = jax.eval_shape(lambda layer, state, x: advance(layer, state, x, context)[1], layer, state, x)
        x = jnp.zeros(x.shape, x.dtype)
    return tuple(states)


def start(layer: Any, x: Array, context: Context) -> Any:
    """The state of one layer at rest; an empty tuple where it has none."""
    if isinstance(layer, Residual):
        inner, shortcut = residual_parts(layer)
        return start_all(inner, x, context), () if shortcut is None else start(shortcut, x, context)
    if isinstance(layer, Sequential):
        return start_all(layer.layers, x, context)
    if isinstance(layer, Recurrent):
        x = layer.cast(x)
        return layer.initial(x[None]), jnp.zeros_like(x)
    if isinstance(layer, Delayed):
        return jnp.zeros((x.shape[0], len(layer.taps(context.dt)), x.shape[1]), x.dtype)
    if isinstance(layer, AbstractDynamics):
        return layer.initial(layer.cast(x)[None])
    return ()


def advance_all(layers: tuple[Any, ...], states: Any, x: Array, context: Context) -> tuple[Any, Array, list[Array]]:
    """One step of layers one after the other: their states, the output, and the spikes per sample of each spiking layer."""
    after, spikes = [], []
    for layer, state in zip(layers, states, strict=True):
        state, x, seen = advance(layer, state, x, context)
        after.append(state)
        spikes += seen
    return tuple(after), x, spikes


def advance(layer: Any, state: Any, x: Array, context: Context) -> tuple[Any, Array, list[Array]]:
    """One step of one layer."""
    if isinstance(layer, Residual):
        return _advance_residual(layer, state, x, context)
    if isinstance(layer, Sequential):
        return advance_all(layer.layers, state, x, context._replace(dt=layer.dt))
    if isinstance(layer, Delayed):
        past = jnp.concatenate([x[:, None], state[:, :-1]], axis=1)
        return past, jnp.einsum("bki,kio->bo", past, layer.taps(context.dt)), []
    if not isinstance(layer, AbstractDynamics):
        return (), layer.apply(x[None], context).output[0], []
    x = layer.cast(x)
    constants = layer.constants(x[None], context.dt)
    if isinstance(layer, Recurrent):
        inner, before = state
        inner, fired = layer.neuron.step(constants, inner, Drive(i=x + before @ layer.matrix()))
        spikes = layer.surrogate.spike(fired.excess)
        return (inner, spikes), spikes, [_per_sample(spikes)]
    state, fired = layer.neuron.step(constants, state, Drive(i=x))
    if not isinstance(layer, Spiking):
        return state, state.v, []
    spikes = layer.surrogate.spike(fired.excess)
    return state, spikes, [_per_sample(spikes)]


def _advance_residual(layer: Residual, state: Any, x: Array, context: Context) -> tuple[Any, Array, list[Array]]:
    inner, shortcut = residual_parts(layer)
    after, y, spikes = advance_all(inner, state[0], x, context)
    if shortcut is None:
        return (after, ()), y + x, spikes
    other, past, more = advance(shortcut, state[1], x, context)
    return (after, other), y + past, spikes + more


def residual_parts(layer: Residual) -> tuple[tuple[Any, ...], Any]:
    """The layers of the way through, and the shortcut or `None`."""
    return (layer.layers[:-1], layer.layers[-1]) if layer.has_shortcut else (layer.layers, None)


def _per_sample(spikes: Array) -> Array:
    return jnp.sum(spikes, axis=tuple(range(1, spikes.ndim)))
