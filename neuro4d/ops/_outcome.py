"""A step of neurons with the outcome of the threshold given from outside: what would be, had they fired or not."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, DropVar, jaxpr_as_fun
from jaxtyping import Array, Bool


def both_outcomes(step: Callable[..., tuple[Any, Any]], spikes: Bool[Array, "n"], *args: Any) -> tuple[Any, Any]:
    """The states after a step in which no neuron fires, and after one in which all do, whatever the threshold says.

    In the program of the step the booleans that it returns as spikes become an argument. So this holds for every neuron whose
    reset depends on the very booleans that it returns, also for one of a user.

    **Arguments:** `step`: returns the state and `Fired`; `spikes`: what it says by itself, for the shape; `args`: its arguments.
    """

    def told(fires: Bool[Array, "n"], *args: Any) -> tuple[Any, Any]:
        del fires
        return step(*args)

    program, shape = jax.make_jaxpr(told, return_shape=True)(spikes, *args)
    n_state = len(jax.tree.leaves(shape[0]))  # the spikes come right after the state
    if any(_makes(equation, program.jaxpr.outvars[n_state]) and equation.params.get("jaxpr") for equation in program.jaxpr.eqns):
        with jax.disable_jit():  # the author compiled the step, or the part of it that compares
            program = jax.make_jaxpr(told)(spikes, *args)
    run = jaxpr_as_fun(_with_given(program, n_state))

    def when(fires: bool) -> Any:
        return jax.tree.unflatten(jax.tree.structure(shape[0]), run(jnp.full_like(spikes, fires), *jax.tree.leaves(args))[:n_state])

    return when(False), when(True)


def _with_given(program: ClosedJaxpr, number: int) -> ClosedJaxpr:
    """A program whose first argument, so far unused, takes the place of its result `number` in all that is computed from it."""
    jaxpr = program.jaxpr
    given = jaxpr.outvars[number]
    unused = DropVar(given.aval)
    equations = [
        equation.replace(outvars=[unused if x is given else x for x in equation.outvars]) if _makes(equation, given) else equation
        for equation in jaxpr.eqns
    ]
    if all(old is new for old, new in zip(jaxpr.eqns, equations, strict=True)):
        return program  # nobody ever fires
    return ClosedJaxpr(jaxpr.replace(invars=[given, *jaxpr.invars[1:]], eqns=equations), program.consts)


def _makes(equation: Any, result: Any) -> bool:
    return any(x is result for x in equation.outvars)
