"""The last state of a run that was good: kept every so often, so that a fault can be looked for from there."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from neuro4d._base import Fault
from neuro4d.model import State

LEAF_NS, BYTE_NS = 15_000.0, 0.6
"""What it takes to look at an array and to copy it, and what each of its bytes adds."""

STEP_NS, NEURON_NS = 500.0, 1.5
"""What a step takes at least, and what each neuron adds."""

SHARE = 0.005
"""The part of a run that looking and copying may take."""


class Point(NamedTuple):
    """A state that was good after `done` steps, and what recorders carried on from there (`None`: nothing yet)."""

    state: Any
    carries: Any
    done: int


class LookBack:
    """Looks at synapses and keeps a state every so many chunks: as rarely as a twohundredth of the run pays for, by sizes alone, so
    that the same run always looks in the same places.

    The first point is the state that the run began with, which whoever called holds anyway. `ends`: the steps done at the end of each chunk since
    the point.
    """

    def __init__(self, state: State, length: int, n_neurons: int):
        self.every = chunks_between(state, length, n_neurons)
        self.point = Point(state, None, 0)
        self.ends: list[int] = []
        self._chunks = 0
        self._room: Any = None
        self._places: Any = None

    def after(self, state: State, carries: Any, done: int, last: bool) -> State:
        """To be called after each chunk: the state, marked where synapses hold what is not finite."""
        self._chunks += 1
        self.ends.append(done)
        due = self._chunks % self.every == 0
        if not (due or last) or int(np.max(np.asarray(state.fault))):
            return state
        state = marked(state)
        if due and not last and not int(np.max(np.asarray(state.fault))):
            self._keep(state, carries, done)
        return state

    def restart(self, state: State, carries: Any, done: int) -> State:
        """To be called where somebody has changed the state or the model: from here on a run is looked at anew."""
        state = marked(state)
        self._keep(state, carries, done)
        return state

    def _keep(self, state: State, carries: Any, done: int) -> None:
        held = (state, carries)
        self.ends.clear()
        if self._room is None:
            self._room = jax.tree.map(lambda x: np.array(x), held)
        else:
            jax.tree.map(lambda room, x: np.copyto(room, np.asarray(x)), self._room, held)
        self._places = jax.tree.map(lambda x: x.sharding, held)
        self.point = Point(self._room[0], self._room[1], done)

    def begin(self) -> tuple[State, Any]:
        """State and carries of the point, as arrays of their own that may be given away; carries are `None` at the beginning of a run."""
        if self.point.carries is None:
            return own_copy(self.point.state), None
        return jax.tree.map(lambda x, place: own_copy(jax.device_put(x, place)), (self.point.state, self.point.carries), self._places)


def chunks_between(state: Any, length: int, n_neurons: int) -> int:
    """How many chunks lie between two looks. `state`: arrays or shapes."""
    cost = sum(LEAF_NS + BYTE_NS * leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    return max(int(np.ceil(cost / (SHARE * length * (STEP_NS + NEURON_NS * n_neurons)))), 1)


def own_copy(tree: Any) -> Any:
    """A copy that may be donated, tied to its devices like everything that comes out of a chunk: otherwise the second chunk of a run
    would be compiled again."""
    return jax.tree.map(lambda x: jax.device_put(jnp.copy(x), x.sharding), tree)


def slow_variables(state: State) -> Any:
    """What is not looked at in every chunk: synapses and lives."""
    return state.edges, state.life


def marked(state: State) -> State:
    """The state with a fault set in the lanes in which synapses or lives hold what is not finite."""
    lanes = state.fault.shape
    bad = np.zeros(lanes, bool)
    for leaf in jax.tree.leaves(slow_variables(state)):
        if jnp.issubdtype(leaf.dtype, jnp.inexact) and leaf.size:
            bad |= not_finite(np.asarray(leaf), len(lanes))
    if not bad.any():
        return state
    fault = np.asarray(state.fault) | np.where(bad, np.uint32(Fault.WEIGHT_NOT_FINITE), np.uint32(0))
    return eqx.tree_at(lambda s: s.fault, state, jax.device_put(fault.astype(np.uint32), state.fault.sharding))


def not_finite(values: np.ndarray, lane_axes: int) -> Any:
    """Whether a value is NaN or infinite, by lane. The largest and the smallest say it, without an array of their own."""
    axes = tuple(range(lane_axes, values.ndim))
    return ~(np.isfinite(values.max(axis=axes)) & np.isfinite(values.min(axis=axes)))
