"""A run of one simulation."""

from collections.abc import Callable, Sequence
from typing import Any

from neuro4d._base import heard
from neuro4d.model import Model, State, prepare
from neuro4d.recorders import AbstractRecorder, Spikes
from neuro4d.results import Run
from neuro4d.simulate._check import (
    check_between,
    check_model,
    check_run,
    check_series,
    first_state,
    fit_recorders,
    renamed,
)
from neuro4d.simulate._fault_error import without_fault
from neuro4d.simulate._find_fault import Found
from neuro4d.simulate._keeper import AbstractKeeper, Moment, RunPlan, Watch, check_keeper
from neuro4d.simulate._loop import Loop, Options, Probes, chunk_length, cut, learns, own_copy, records, run_chunks
from neuro4d.simulate._memory import check_memory
from neuro4d.simulate._scan import run_chunk


def simulate(
    model: Model,
    start: Any = None,
    duration: Any = None,
    record: AbstractRecorder | Sequence[AbstractRecorder] = (Spikes(),),
    *,
    discard: Any = None,
    inputs: dict[str, Any] | None = None,
    progress: bool | None = None,
    log_every: Any = None,
    chunk: int | None = None,
    on_chunk: Callable[[State, int], Any] | None = None,
    between: Callable[[Model, State, int], tuple[Model, State]] | None = None,
    throw: bool = True,
    checkpoint: AbstractKeeper | None = None,
    state: State | None = None,
) -> Run:
    """Runs a model and keeps what the recorders ask for.

    Compiled steps run a chunk at a time; progress, Ctrl-C, hooks and records are served between chunks, whose length changes nothing.

    **Arguments:**

    - `model`: from `Network.build`.
    - `start`: a random key, which stands for `model.init(key)`; or the `state` of an earlier run, which this run continues and which
      stays valid. `state` is its old name.
    - `duration`: a multiple of the time step. [time]
    - `record`: recorders; by default all spikes.
    - `discard`: a time to be simulated first, of which nothing is recorded: the `Run` begins after it. [time]
    - `inputs`: values for `Input` ports: a scalar, or an array with one entry per step, those of `discard` included, on its first axis.
    - `progress`: a bar; by default where a person can see it. `log_every`: wall time between log lines. [time]
    - `chunk`: steps between two visits of the host; by default 1,000; without `on_chunk` and `between` 2,500 where synapses learn, and 10,000 for a small network.
    - `on_chunk`: called as `on_chunk(state, steps_done)` after every chunk. Copy what you keep.
    - `between`: called as `between(model, state, steps_done)` between two chunks; gives the model and the state to go on with, of the same
      structure. Other numbers cost nothing, other shapes a compilation; `run.model` is the last. No hook hears of discarded steps.
    - `throw`: whether a fault (a variable that is not finite, a potential beyond 10^9 mV) raises; else `run.state.fault` says it.
    - `checkpoint`: who keeps the run while it goes on, so that it can go on after a kill: `n4.io.Checkpoints("runs/a", every=10*u.second)`.

    **Returns:** a `Run`; after Ctrl-C (a second one stops at once), and with `checkpoint` after SIGTERM, what was done so far, with `completed=False`.

    **Raises:** `UnitError`, `TypeError`, `ValueError`, `UnknownNameError`, and `MemoryBudgetError` if the records cannot fit, all before
    anything is compiled; `SimulationError` for a fault, with the last good state.

    !!! Example

        >>> import brainunit as u, jax.random as jr, neuro4d as n4
        >>> cells = n4.Population("cells", 2, n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV))
        >>> model = n4.Network(cells, n4.Clamp("drive", cells, 150*u.pA)).build(dt=0.1*u.ms, seed=0)
        >>> len(n4.simulate(model, jr.key(0), 100*u.ms).spikes("cells"))
        8
    """
    start = first_state(check_model(model), renamed(start, state, "state", "n4.simulate(model, state, duration)"))
    n_steps, before = check_run(model, start, duration, discard=discard)
    probes = fit_recorders(model, record := (record,) if isinstance(record, AbstractRecorder) else tuple(record), n_steps)
    given = check_series(model, inputs, before + n_steps)
    length = chunk_length(chunk, model.n_neurons, probes, n_steps, on_chunk is not None or between is not None, given, learns(model))
    check_memory(start, probes, n_steps, length, 1, saves=checkpoint is not None)
    plan = RunPlan(model, start, n_steps, before, length, chunk is not None, record, probes, given, between is not None)
    options = Options(length, progress, log_every, search=throw)
    return heard("run", lambda: _whole(plan, options, on_chunk, between, checkpoint))


def _whole(plan: RunPlan, options: Options, on_chunk: Any, between: Any, keeper: AbstractKeeper | None) -> Run:
    """The run, or what went wrong in it."""
    run, found = _kept(plan, options, on_chunk, between, keeper)
    return without_fault([run.model], found, [run])[0]


def _kept(plan: RunPlan, options: Options, on_chunk: Any, between: Any, keeper: AbstractKeeper | None) -> tuple[Run, Found | None]:
    """The run, kept while it goes on, if somebody keeps it; the fault that ended it."""
    model, length, moment = plan.model, plan.chunk, None
    if keeper is not None:
        length, moment = check_keeper(keeper).begin(plan)
        model = model if moment is None else moment.model
    try:
        runner = _Runner(model, plan.probes, length, plan.n_steps, on_chunk, between)
        return _run(runner, plan, options._replace(chunk=length), keeper, moment)
    finally:
        if keeper is not None:
            keeper.close()


def _run(
    runner: "_Runner", plan: RunPlan, options: Options, keeper: AbstractKeeper | None, moment: Moment | None
) -> tuple[Run, Found | None]:
    """The steps that are discarded, and those of the run; the fault that ended it."""
    model, dt, compile_s, found, resumed = runner.model, runner.model.dt_ms, 0.0, None, moment is not None
    start, completed, before, given = plan.start if moment is None else moment.state, True, plan.discarded, plan.inputs
    if before and (moment is None or moment.passed < before):
        first = _Runner(model, {}, options.chunk, before)
        watch = None if keeper is None else Watch(keeper, first, 0, moment, resumed)
        warm = run_chunks(first.call, {}, start, cut(given, slice(before)), before, dt, options._replace(watch=watch))
        start, compile_s, found, completed = warm.state, warm.compile_s, warm.found, warm.completed
        if not completed:
            runner.n_steps = 0  # the user has stopped it, or it has a fault
            _keep_last(watch, warm)
        moment = None
    watch = None if keeper is None or not completed else Watch(keeper, runner, before, moment, resumed)
    options = options._replace(hook=runner.hook if runner.watched else None, watch=watch)
    loop = run_chunks(runner.call, runner.probes, start, cut(given, slice(before, None)), runner.n_steps, dt, options)
    _keep_last(watch, loop)
    step, wall_s = int(start.step), loop.wall_s
    if watch is not None:
        step, wall_s = step - watch.done, wall_s + watch.wall_s
    kept = records(runner.probes, loop.chunks[0], step, loop.done)
    run = Run(runner.model, loop.state, dt, step, loop.done, kept, compile_s + loop.compile_s, wall_s, completed and loop.completed)
    return run, found or loop.found


def _keep_last(watch: Watch | None, loop: Loop) -> None:
    """The end of a loop is kept, if it is good."""
    if watch is not None and not int(loop.state.fault):
        watch.tell(loop.state, loop.chunks[0], loop.done, loop.wall_s, last=True)


class _Runner:
    """The model that runs at present, and what happens between its chunks."""

    def __init__(self, model: Model, probes: Probes, length: int, n_steps: int, on_chunk: Any = None, between: Any = None):
        self.model, self.constants = model, prepare(model)
        self.n_steps, self.watched = n_steps, on_chunk is not None or between is not None
        self.probes, self._length, self._on_chunk, self._between = probes, length, on_chunk, between

    def call(self, state: State, carries: Any, pieces: Any, first: Any, n: Any) -> Any:
        """`n` steps."""
        return run_chunk(self.model, self.constants, self.probes, state, carries, pieces, first, n, self._length)

    def hook(self, state: State, done: int) -> State | None:
        """Tells who watches; the state to go on from, where it has changed."""
        if self._on_chunk is not None:
            self._on_chunk(state, done)
        if self._between is None or done == self.n_steps or int(state.fault):
            return None
        model, state = check_between(self.model, self._between(self.model, state, done))
        if model is not self.model:
            self.model, self.constants = model, prepare(model)
        return own_copy(state)  # it is given away to the next chunk, and may be held by whoever made it
