"""`Checkpoints`: keeps a run while it goes on."""

import logging
import math
import os
import time
import warnings
from collections.abc import Mapping
from typing import Any

import brainunit as u
import numpy as np

from neuro4d._base import AbstractLogs, attach, steps_of, strip
from neuro4d.io._leaves import digest, flatten, joined
from neuro4d.io.checkpoint._content import model_arrays, tree_digest, unlike
from neuro4d.io.checkpoint._log import CheckpointWarning, Log
from neuro4d.io.checkpoint._moments import RUN, RunFolder, own_copy, plain
from neuro4d.io.checkpoint._store import Store
from neuro4d.model import state_tree
from neuro4d.simulate import AbstractKeeper, Beginning, Moment, RunPlan, marked

logger = logging.getLogger("neuro4d")

WALL_S = 300.0
"""Seconds between two checkpoints where nothing else is asked for."""


class Checkpoints(AbstractKeeper, AbstractLogs):
    """Keeps a run in a folder while it goes on, so that it can go on after a kill, bit for bit.

    **Arguments:**

    - `path`: a folder that is new or empty. It belongs to one run.
    - `every`: biological time between two checkpoints, a multiple of the time step. [time]
    - `wall`: the same in time of the clock on the wall: saved at the end of the first chunk after it. By default 5 minutes, where `every` is not given. [time]
    - `keep`: how many of the newest stay. `keep_every`: those at multiples of this biological time stay for ever, a multiple of the time step. [time]
    - `resume`: goes on from the newest checkpoint if there is one, and begins if there is none, so that one script serves for both.
      By default a folder that holds a run is refused.
    - `note`: plain data (text, numbers, lists, dictionaries) that is kept with the run.

    The last step is always kept, also after Ctrl-C and SIGTERM. Saving is done by a thread; the chunk that follows does not wait. A disk that is full stops no
    run: a `CheckpointWarning` at its end says what is missing. One writer at a time.

    **Raises:** `UnitError`, `TypeError`, `ValueError` for arguments; when the run begins, before anything is compiled: `FileExistsError` for a folder of a
    run or of other things, `PermissionError` and other `OSError` where nothing can be written, `BlockingIOError` where somebody else writes, and
    `ValueError`, which lists all differences, where `resume` finds another run.

    !!! Example

        >>> import tempfile
        >>> cells = n4.Population("cells", 2, n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV))
        >>> model = n4.Network(cells, n4.Clamp("drive", cells, 150*u.pA)).build(dt=0.1*u.ms, seed=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = n4.simulate(model, jr.key(0), 100*u.ms, checkpoint=n4.io.Checkpoints(folder, every=20*u.ms))
        ...     again = n4.io.resume(folder)
        >>> len(run.spikes("cells")), len(again.spikes("cells"))
        (8, 8)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        every: Any = None,
        *,
        wall: Any = None,
        keep: int = 3,
        keep_every: Any = None,
        resume: bool = False,
        note: Mapping[str, Any] | None = None,
    ):
        self.store = Store(path, RUN, keep=keep)
        self.path = self.store.path
        self.every_ms = None if every is None else _time(every, u.ms, "Checkpoints.every", "every=10*u.second")
        self.wall_s = (math.inf if every is not None else WALL_S) if wall is None else _time(wall, u.second, "Checkpoints.wall", "wall=60*u.second")
        self.keep_every_ms = None if keep_every is None else _time(keep_every, u.ms, "Checkpoints.keep_every", "keep_every=60*u.second")
        if not isinstance(resume, bool):
            raise TypeError(f"Checkpoints.resume is True or False; got {resume!r}.")
        self.resume, self.note = resume, plain(dict(note or {}))
        self.same_start = True
        self.unwritten: list[tuple[int, str]] = []
        self._folder = RunFolder(self.store)
        self._plan: RunPlan | None = None
        self._every, self._asked, self._last_wall = 0, -1, 0.0

    def log(self, kind: str) -> Log:
        """What keeps one call of `fit` or `tune`, which ask for it. Raises `ValueError` where `every` is given: training has no biological time."""
        if self.every_ms is not None or self.keep_every_ms is not None:
            raise ValueError(f"{kind}: checkpoints are due by time on the wall, `n4.io.Checkpoints({str(self.path)!r}, wall=60*u.second)`, not by `every`.")
        return Log(Store(self.path, kind, keep=self.store.keep), self.wall_s, self.resume, self.note)

    def begin(self, plan: RunPlan) -> Beginning:
        """Makes or opens the folder, and finds what the run goes on from."""
        dt = plan.model.dt_ms
        self._every = 0 if self.every_ms is None else int(steps_of(self.every_ms, dt, "Checkpoints.every"))
        self.store.keep_every = None if self.keep_every_ms is None else int(steps_of(self.keep_every_ms, dt, "Checkpoints.keep_every"))
        self._folder = RunFolder(self.store)
        try:
            self.store.open()
            beginning = self._go_on(plan) if self._folder.begun() else self._anew(plan)
        except BaseException:
            self.store.close()
            raise
        self._last_wall = time.monotonic()
        return beginning

    def _anew(self, plan: RunPlan) -> Beginning:
        chunk = plan.chunk if plan.chunk_given or not self._every else _even(plan.chunk, self._every)
        first = int(plan.start.step) + plan.discarded
        run = {
            "n_steps": plan.n_steps,
            "discarded": plan.discarded,
            "first_step": first,
            "chunk": chunk,
            "start": tree_digest(state_tree(plan.model, plan.start)),
            "between": plan.between,
            "inputs": {name: digest(np.asarray(values)) for name, values in plan.inputs.items()},
            "every_ms": self.every_ms,
            "wall_s": None if math.isinf(self.wall_s) else self.wall_s,
            "keep": self.store.keep,
            "keep_every_ms": self.keep_every_ms,
            "note": self.note,
        }
        self._plan = plan._replace(chunk=chunk)
        self._folder.begin(plan.model, plan.recorders, run, plan.inputs)
        self._write(Moment(0, plan.model, plan.start, {name: [] for name in plan.probes}, 0.0))
        self._asked = 0
        return Beginning(chunk, None)

    def _go_on(self, plan: RunPlan) -> Beginning:
        if not self.resume:
            steps = self.store.steps()
            reached = f" up to {attach(steps[-1] * plan.model.dt_ms, u.ms)}" if steps else ""
            raise FileExistsError(
                f"{self.path} holds a run{reached}. To go on with it: `n4.io.resume({str(self.path)!r})`, or `n4.io.Checkpoints({str(self.path)!r}, ..., "
                "resume=True)` in the script that made it. To begin anew, choose another folder."
            )
        about = self._folder.about()
        found = unlike(about.identity, plan.model) or self._other(about.run, plan)
        if found:
            raise ValueError(f"{self.path} holds another run:{joined(found)}\nChoose another folder, or run what was run there: `n4.io.resume({str(self.path)!r})`.")
        chunk = int(about.run["chunk"])
        self._plan = plan._replace(chunk=chunk)
        moment = self._folder.read(plan.model, self._plan, same=True)
        self._folder.drop_after()
        self._asked = moment.passed
        logger.info("going on from step %d of %d in %s", moment.passed, plan.discarded + plan.n_steps, self.path)
        return Beginning(chunk, moment)

    def _other(self, run: Mapping[str, Any], plan: RunPlan) -> list[str]:
        """In what a run that is asked for differs from the one that was begun here."""
        own = {
            "n_steps": ("the number of steps", plan.n_steps),
            "discarded": ("the number of discarded steps", plan.discarded),
            "recorders": ("the recorders", [each.name for each in plan.recorders]),
            "between": ("whether a function `between` changes the run", plan.between),
            "inputs": ("the inputs", {name: digest(np.asarray(values)) for name, values in plan.inputs.items()}),
        }
        found = [f"{what}: {run.get(key)!r:.100} there, {value!r:.100} here" for key, (what, value) in own.items() if run.get(key) != value]
        if self.same_start:
            if run.get("start") != tree_digest(state_tree(plan.model, plan.start)):
                found.append("the state at the beginning: another key or another start")
            there = {row.path: row.sha256 for row in self._folder.model_rows(0)}
            here = flatten(model_arrays(plan.model))[0]
            found += [f"{row.path[0]} {'/'.join(row.path[1:])!r}: other numbers" for row in here if there.get(row.path) != row.sha256]
        return found

    def room(self, passed: int) -> int:
        """Steps until the next checkpoint that is due by biological time."""
        return self._every - passed % self._every if self._every else 2**32

    def keep(self, moment: Moment, last: bool) -> None:
        """Saves where it is due. Raises what went wrong in an earlier save, unless it was the disk."""
        self.store.check()
        due = (self._every and moment.passed % self._every == 0) or time.monotonic() - self._last_wall >= self.wall_s
        if not (due or last) or moment.passed == self._asked:
            return
        self._asked, self._last_wall = moment.passed, time.monotonic()
        for probe in self._plan.probes.values() if self._plan else ():
            probe.settle()
        mine = moment._replace(state=own_copy(moment.state), chunks={name: list(chunks) for name, chunks in moment.chunks.items()})
        self.store.submit(lambda: self._guarded(mine))

    def _guarded(self, moment: Moment) -> None:
        """Writes a checkpoint; a disk that is full or gone is noted, and no reason to stop."""
        if int(marked(moment.state).fault):
            logger.warning("no checkpoint of step %d: synapses hold what is not finite", moment.passed)
            return
        try:
            self._write(moment)
        except OSError as error:
            self.unwritten.append((moment.passed, str(error)))
            logger.warning("the checkpoint of step %d was not written: %s", moment.passed, error)

    def _write(self, moment: Moment) -> None:
        if self._plan is not None:
            self._folder.write(moment, self._plan.probes, self._plan.discarded)

    def close(self) -> None:
        """Waits for the last checkpoint; warns of those that were not written.

        **Raises:** what a save has met, unless it was the disk.
        """
        self.store.close()
        if self.unwritten:
            missing, self.unwritten = self.unwritten, []
            kept = self._folder.written.passed
            warnings.warn(
                f"{len(missing)} checkpoints were not written into {self.path}, the last of step {missing[-1][0]}: {missing[-1][1]}. "
                f"The newest that is whole is of step {kept}.",
                CheckpointWarning,
                stacklevel=3,
            )


def _time(value: Any, unit: Any, where: str, example: str) -> float:
    bare = strip(value, unit, where)
    if bare.ndim or not 0 < bare < math.inf:
        raise ValueError(f"{where} is one time of more than 0, for example `{example}`; got {value}.")
    return float(bare)


def _even(chunk: int, every: int) -> int:
    """Steps of a chunk, at most `chunk`, of which several end with a checkpoint and are about equally long."""
    return -(-every // -(-every // chunk))
