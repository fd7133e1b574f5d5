"""Neurons stepped through a sequence of currents; the choice between the general loop and the one with a derivative of its own."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d._base import Drive
from neuro4d.neurons import LIF, PLIF
from neuro4d.ops import AbstractSurrogate, attached, both_outcomes
from neuro4d.train.layers._leaky import leaky_run


def run_neurons(
    neuron: Any, surrogate: AbstractSurrogate, constants: Any, state: Any, x: Float[Array, "time batch ..."], matrix: Array | None = None
) -> tuple[Array, Array]:
    """Spikes, with a surrogate derivative, and the excess over threshold, both `(time, batch, ...)`.

    **Arguments:** `constants`, `state`: of the neuron; `x`: currents; `matrix`: weights between the neurons, which act one step later.
    """
    if surrogate.moves or surrogate.reset == "attached":
        return _run_in_step(neuron, surrogate, constants, state, x, matrix)
    if type(neuron) in (LIF, PLIF):  # a subclass may step otherwise
        return leaky_run(neuron, surrogate, constants, state, x, matrix)
    return _run(neuron, surrogate, constants, state, x, matrix)


def _run(neuron: Any, surrogate: AbstractSurrogate, constants: Any, state: Any, x: Array, matrix: Array | None) -> tuple[Array, Array]:
    """Any neuron. Without recurrence the surrogate is applied to all steps at once."""
    if matrix is None:

        def alone(state, i):
            state, fired = neuron.step(constants, state, Drive(i=i))
            return state, fired.excess

        excess = jax.lax.scan(alone, state, x)[1]
        return surrogate.spike(excess), excess

    def together(carry, i):
        state, spikes = carry
        state, fired = neuron.step(constants, state, Drive(i=i + spikes @ matrix))
        spikes = surrogate.spike(fired.excess)
        return (state, spikes), (spikes, fired.excess)

    return jax.lax.scan(together, (state, jnp.zeros_like(x[0])), x)[1]


def _run_in_step(
    neuron: Any, surrogate: AbstractSurrogate, constants: Any, state: Any, x: Array, matrix: Array | None
) -> tuple[Array, Array]:
    """A surrogate that asks how far the potential moved, or whose derivative passes through the reset."""

    def step(carry, i):
        state, spikes = carry
        given = (constants, state, Drive(i=i if matrix is None else i + spikes @ matrix))
        after, fired = neuron.step(*given)
        spared, reset = both_outcomes(neuron.step, fired.spikes, *given)
        move = spared.v - state.v if surrogate.moves and "v" in neuron.variables else None
        spikes = surrogate.spike(fired.excess, move)
        if surrogate.reset == "attached":
            jumps = {name: jax.lax.stop_gradient(getattr(reset, name) - getattr(spared, name)) for name in neuron.variables}
            after = after._replace(**{name: attached(getattr(after, name), spikes, jump) for name, jump in jumps.items()})
        return (after, spikes), (spikes, fired.excess)

    return jax.lax.scan(step, (state, jnp.zeros_like(x[0])), x)[1]
