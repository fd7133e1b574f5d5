"""How the time steps of a statistic are made: plainly, or for the sake of a gradient."""

import abc
import inspect
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from neuro4d.model import Model, State, StepSpikes, advance, periods, prepare
from neuro4d.simulate import scan

Observe = Callable[[State, StepSpikes], Any]


class AbstractLoop(eqx.Module):
    """Many steps, of which something is summed. A gradient brings a loop of its own; a statistic only says what to sum."""

    @abc.abstractmethod
    def total(self, model: Model, state: State, steps: int, observe: Observe, *, discard: int = 0) -> Any:
        """The sum over `steps` steps of `observe(state, spikes)`, a pytree of float arrays; `discard` steps go before and do not count.

        Memory does not grow with the number of steps, unless a derivative needs the past.
        """


class Plain(AbstractLoop):
    """The simulation as it is; a derivative through it is that of JAX."""

    def total(self, model, state, steps, observe, *, discard=0):
        if discard:
            state, _ = scan(model, state, discard)
        constants = prepare(model)

        def body(carry: Any, _: None) -> Any:
            state, total = carry
            state, spikes = model.step(state) if periods(model) else advance(model, constants, state, None)
            return (state, add(total, observe(state, spikes))), None

        (_, total), _ = jax.lax.scan(body, (state, nothing(model, state, observe)), None, length=steps)
        return total


PLAIN = Plain()


def nothing(model: Model, state: State, observe: Observe) -> Any:
    """Zeros in the form of what is observed."""
    shapes = jax.eval_shape(lambda m, s: observe(*advance(m, prepare(m), s, None)), model, state)
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)


def add(total: Any, seen: Any) -> Any:
    """What was summed, and what is seen now."""
    return jax.tree.map(jnp.add, total, seen)


NO_LOOP = (
    "this gradient makes the time steps in a way of its own, so the loss has to let it: write it with a third argument, "
    "`def loss(model, key, loop): return loop.total(model, model.init(key), 1000, lambda state, spikes: spikes['cells'].mean())`."
)


def call_with(loss: Callable, model: Model, key: Any, loop: AbstractLoop) -> Any:
    """One trial of a statistic or a function, whose steps are made by a loop.

    **Raises:** `ValueError` for one that makes its steps itself.
    """
    if "loop" in inspect.signature(loss).parameters:
        return loss(model, key, loop)
    if loop is PLAIN:
        return loss(model, key)
    raise ValueError(NO_LOOP)
