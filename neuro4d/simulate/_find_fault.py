"""The step in which a fault came up: the chunk is run again from the last good state, by halves, with the program that is there."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from neuro4d._base import Fault
from neuro4d.simulate._look_back import LookBack, marked, own_copy


class Replay(NamedTuple):
    """What it takes to run steps of a loop again: the compiled chunk, what recorders carry in the beginning and after a chunk, and values
    of inputs for `n` steps behind `done`."""

    call: Callable
    first_carries: Callable[[], Any]
    carry: Callable[[Any], Any]
    piece: Callable[[int, int], Any]

    def steps(self, state: Any, carries: Any, done: int, n: int) -> tuple[Any, Any]:
        """The state after `n` steps, marked where it is bad, and the buffers of recorders. Nothing is given away."""
        return self.run(state, carries, self.piece(done, n), done, n)

    def run(self, state: Any, carries: Any, pieces: Any, done: int, n: int) -> tuple[Any, Any]:
        """The same with given values of inputs."""
        state, buffers = self.call(own_copy(state), own_copy(carries), pieces, np.uint32(done), np.int32(n))
        return marked(jax.block_until_ready(state)), buffers


class Found(NamedTuple):
    """A fault: the states before and after the step in which it came up, how many steps of the run had been done before, the lane where
    there are several, and what runs such a step again. `before` is `None` where it did not come up a second time, and where it had been there
    in the state to begin with (`early`)."""

    fault: Fault
    before: Any
    after: Any
    done: int
    lane: int | None
    replay: Replay
    early: bool = False


def is_bad(state: Any) -> bool:
    """Whether a fault is set in any lane."""
    return bool(np.max(np.asarray(state.fault)))


def find_fault(replay: Replay, look: LookBack, state: Any) -> tuple[Any, Any, int, int, Found]:
    """From the last good point to the first bad step, chunk by chunk as the loop went, then by halves. `state`: what the loop ended with.

    **Returns:** the last good state; the buffers of the chunk in which it lies, the first step of that chunk and how many of its steps are
    good; and the fault. Where nothing comes up a second time, all steps are good.
    """
    first, (held, carries) = look.point.done, look.begin()
    carries = replay.first_carries() if carries is None else carries
    held = marked(held)
    if is_bad(held):  # it was there before the first step
        _, buffers = replay.steps(held, carries, first, 0)
        return held, buffers, first, 0, Found(_fault(held), None, held, first, _lane(held), replay, True)
    for end in look.ends:
        n = end - first
        after, buffers = replay.steps(held, carries, first, n)
        if is_bad(after) or end == look.ends[-1]:
            break
        held, carries, first = after, replay.carry(buffers), end
    if not is_bad(after):
        return after, buffers, first, n, Found(_fault(state), None, state, first + n, _lane(state), replay)
    low, high, before = 0, n, held
    while high - low > 1:
        middle = (low + high) // 2
        trial, _ = replay.steps(before, carries, first + low, middle - low)
        if is_bad(trial):
            high = middle
        else:
            low, before = middle, trial
    after, _ = replay.steps(before, carries, first + low, 1)
    _, buffers = replay.steps(held, carries, first, low)
    return before, buffers, first, low, Found(_fault(after), before, after, first + low, _lane(after), replay)


def _lane(state: Any) -> int | None:
    """The first lane with a fault, where there are several lanes."""
    fault = np.asarray(state.fault)
    return int(np.flatnonzero(fault)[0]) if fault.ndim else None


def _fault(state: Any) -> Fault:
    lane = _lane(state)
    fault = np.asarray(state.fault)
    return Fault(int(fault if lane is None else fault[lane]))
