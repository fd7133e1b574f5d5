"""What is said after a fault."""

from typing import Any

import brainunit as u
import jax
import numpy as np

from neuro4d._base import Fault, attach
from neuro4d.model import Model
from neuro4d.simulate._fault_cause import likely_cause
from neuro4d.simulate._fault_place import Place, find_place, value_at, with_unit
from neuro4d.simulate._find_fault import Found


class SimulationError(RuntimeError):
    """Something that only showed while the simulation ran. What was good is not lost.

    **Fields:**

    - `fault`: what happened, a `neuro4d.Fault`.
    - `run`: the run up to the last good step, with what recorders hold of it; `runs`: of all lanes, where there are several.
    - `state`: the last good state, of all lanes where there are several. A run can go on from it.
    - `step`, `time`: the step in which the fault came up, counted like `state.step`, and its end. [time]
    - `population`, `neuron`, `variable`, or `projection`, `edge`: the first place where it shows; `None` where it is another one.
    - `value`, `before`: the number there, bare, after that step and before it.
    - `cause`: a sentence, what probably made it.
    - `lane`: which of several simulations, `None` for one alone.

    !!! Example

        >>> import brainunit as u, jax.random as jr, neuro4d as n4, numpy as np
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 2, lif)
        >>> model = n4.Network(cells, n4.Input("push", cells)).build(dt=0.1*u.ms, seed=0)
        >>> push = np.zeros((50, 2))
        >>> push[20, 1] = -1e20
        >>> try:
        ...     n4.simulate(model, jr.key(0), 5*u.ms, inputs={"push": push*u.pA})
        ... except n4.SimulationError as error:
        ...     error.population, error.neuron, error.variable, error.step, error.run.n_steps
        ('cells', 1, 'v', 21, 20)
    """

    fault: Fault = Fault.NONE
    run: Any = None
    runs: tuple[Any, ...] = ()
    state: Any = None
    step: int | None = None
    time: Any = None
    population: str | None = None
    neuron: int | None = None
    variable: str | None = None
    projection: str | None = None
    edge: int | None = None
    value: float | None = None
    before: float | None = None
    cause: str = ""
    lane: int | None = None


def without_fault(models: list[Model], found: Found | None, runs: list[Any]) -> list[Any]:
    """The runs, one or one per lane, if no fault was found in them; else that fault is raised. `models`: one for all, or one per lane."""
    if found is None:
        return runs
    lane = found.lane or 0
    model = models[lane if len(models) > 1 else 0]
    after = _of_lane(found.after, found.lane)
    before = None if found.before is None else _of_lane(found.before, found.lane)
    place = find_place(model, after)
    error = SimulationError()
    error.fault, error.lane, error.run, error.runs = found.fault, found.lane, runs[lane], tuple(runs)
    error.state = found.before
    error.step = int(after.step)
    error.time = attach(round(error.step * model.dt_ms, 9), u.ms)
    if place is not None:
        error.population, error.neuron, error.variable = place.population, place.neuron, place.variable
        error.projection, error.edge, error.value = place.projection, place.edge, place.value
        error.before = None if before is None else value_at(model, before, place)
    error.cause = _why(model, found, before, place)
    error.args = (_message(error, place),)
    raise error


def _of_lane(state: Any, lane: int | None) -> Any:
    return state if lane is None else jax.tree.map(lambda x: np.asarray(x)[lane], state)


def _why(model: Model, found: Found, before: Any, place: Place | None) -> str:
    if before is not None:
        return likely_cause(model, found, before, place)
    if found.early:
        return "the state has it already before the first step: it comes from whoever made that state, or changed it between two chunks"
    return (
        "not known: the same steps, made again from the last good state, do not show it. This machine does not compute the same numbers twice"
    )


def _message(error: SimulationError, place: Place | None) -> str:
    """One sentence for what, where and when, one for why, one for what is left."""
    lane = "" if error.lane is None else f"lane {error.lane}, "
    where = "" if place is None else f": {lane}{place.text} is {place.shown}"
    before = "" if error.before is None or place is None else f", {with_unit(error.before, place.unit)} before it"
    left = "" if error.state is None else " `error.state` is the state before that step, `error.run` the run up to there."
    return f"{error.fault.message}{where} at the end of step {error.step} ({error.time}){before}. Likely cause: {error.cause}.{left}"
