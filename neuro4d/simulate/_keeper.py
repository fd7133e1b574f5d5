"""Who keeps what a run has done, so that it can go on after an interruption: the protocol, and how a run goes on."""

import abc
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from neuro4d.model import Model, State
from neuro4d.recorders import AbstractProbe, AbstractRecorder, Chunk


class RunPlan(NamedTuple):
    """What is going to be run, known before anything is compiled.

    **Fields:** `model` and `start`, its state before the first step; `n_steps` of the run, after `discarded` ones of which nothing is recorded;
    `chunk`, steps between two visits of the host, and `chunk_given`, whether the user chose them; `recorders` and their `probes` by name; `inputs`,
    values of `Input` ports by name, one row per step, those that are discarded included; `between`, whether a function changes model or state between
    chunks.
    """

    model: Model
    start: State
    n_steps: int
    discarded: int
    chunk: int
    chunk_given: bool
    recorders: Sequence[AbstractRecorder]
    probes: dict[str, AbstractProbe]
    inputs: dict[str, np.ndarray]
    between: bool


class Moment(NamedTuple):
    """What a run has done by the end of a chunk.

    **Fields:** `passed`, steps since the start, discarded ones included; `model` and `state` to go on from; `chunks`, what recorders hold, by name,
    numbered from the end of what is discarded; `wall_s` seconds of simulating.
    """

    passed: int
    model: Model
    state: Any
    chunks: Mapping[str, Sequence[Chunk]]
    wall_s: float


class Beginning(NamedTuple):
    """How a run begins: steps of a chunk, and what it goes on from, if it has been begun before."""

    chunk: int
    moment: Moment | None


class AbstractKeeper(abc.ABC):
    """Keeps what a run has done. `simulate` calls `begin` once, `room` before and `keep` after every chunk, and `close` however the run ends.

    A keeper changes nothing: it says where chunks end, and no length of a chunk moves a bit.
    """

    @abc.abstractmethod
    def begin(self, plan: RunPlan) -> Beginning:
        """Gets ready to keep a run, or finds what it goes on from. What cannot work raises here, before anything is compiled."""

    @abc.abstractmethod
    def room(self, passed: int) -> int:
        """How many steps may pass until the next call of `keep`, at least 1."""

    @abc.abstractmethod
    def keep(self, moment: Moment, last: bool) -> None:
        """Looks at what has been done, and keeps it where that is due; `last`: the run ends here. The arrays of the state are given away after
        the call; those of `chunks` stay as they are."""

    @abc.abstractmethod
    def close(self) -> None:
        """The run is over, also after an error; returns when everything is kept."""


def check_keeper(checkpoint: Any) -> AbstractKeeper:
    """Raises for anything that keeps nothing."""
    if not isinstance(checkpoint, AbstractKeeper):
        raise TypeError(f"checkpoint says where and how often to save, `n4.io.Checkpoints('runs/a', every=10*u.second)`; got {checkpoint!r:.80}.")
    return checkpoint


class Watch:
    """A keeper as a loop sees it, which counts from its own first step: what the loop goes on from, and whom it tells."""

    def __init__(self, keeper: AbstractKeeper, runner: Any, before: int, moment: Moment | None, resumed: bool):
        self._keeper, self._runner, self._before, self.resumed = keeper, runner, before, resumed
        self.done = 0 if moment is None else moment.passed - before
        self.wall_s = 0.0 if moment is None else moment.wall_s
        self.chunks = {} if moment is None else {name: list(chunks) for name, chunks in moment.chunks.items()}

    def room(self, done: int) -> int:
        """Steps until the keeper wants to be asked again."""
        return max(self._keeper.room(self._before + done), 1)

    def tell(self, state: State, chunks: Mapping[str, Sequence[Chunk]], done: int, wall_s: float, last: bool = False) -> None:
        """To be called after each chunk of which the state is good."""
        self._keeper.keep(Moment(self._before + done, self._runner.model, state, chunks, self.wall_s + wall_s), last)
