"""A run: jitted chunks of the loop, and everything that happens between them."""

import contextlib
import functools
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

from neuro4d._base import Fault, UnknownNameError, attach, check_count, did_you_mean, steps_of, strip
from neuro4d.model import Model, State, input_spans, input_unit, prepare
from neuro4d.recorders import (
    AbstractRecorder,
    CountProbe,
    CountRecord,
    SpikeProbe,
    SpikeRecord,
    Spikes,
    TraceProbe,
    TraceRecord,
    WindowProbe,
    WindowRecord,
)
from neuro4d.results import Run
from neuro4d.simulate._memory import check_memory
from neuro4d.simulate._progress import Progress
from neuro4d.simulate._scan import run_chunk

CHUNK = 1000
"""Steps between two visits of the host, unless the network is small."""

LONG_CHUNK = 10_000
"""The same for networks whose thousand steps would be over in milliseconds."""

LONG_CHUNK_NEURONS = 5000
LONG_CHUNK_BYTES = 64 << 20
"""Up to where a chunk may be long: neurons of all lanes, and what recorders need for it."""


class SimulationError(RuntimeError):
    """Something that only showed while the simulation ran."""


class Options(NamedTuple):
    """How a run is cut and reported."""

    chunk: int
    progress: bool | None
    log_every: Any
    on_chunk: Callable[[State, int], Any] | None
    throw: bool


class Loop(NamedTuple):
    """What a loop has done."""

    state: State
    chunks: dict[str, list]
    done: int
    compile_s: float
    wall_s: float
    completed: bool


def simulate(
    model: Model,
    state: State,
    duration: Any,
    record: AbstractRecorder | Sequence[AbstractRecorder] = (Spikes(),),
    *,
    inputs: dict[str, Any] | None = None,
    progress: bool | None = None,
    log_every: Any = None,
    chunk: int | None = None,
    on_chunk: Callable[[State, int], Any] | None = None,
    throw: bool = True,
) -> Run:
    """Runs a model and keeps what the recorders ask for.

    The loop is compiled once and called a chunk of steps at a time; progress, Ctrl-C, hooks and records are served between chunks,
    whose length changes nothing in the result.

    **Arguments:**

    - `model`: from `Network.build`.
    - `state`: from `model.init`, or the `state` of an earlier run, which this run continues. It stays valid.
    - `duration`: a multiple of the time step. [time]
    - `record`: recorders; by default all spikes.
    - `inputs`: values for `Input` ports: a scalar, or an array with one entry per step on its first axis.
    - `progress`: a bar; by default where a person can see it. `log_every`: wall time between log lines. [time]
    - `chunk`: steps between two visits of the host; by default 1,000, or 10,000 for a small network without `on_chunk`.
    - `on_chunk`: called as `on_chunk(state, steps_done)` after every chunk; a place for checkpoints. Copy what you keep.
    - `throw`: whether a fault (a potential that is not finite) raises; it is in `run.state.fault` anyway.

    **Returns:** a `Run`; after Ctrl-C (a second one stops at once) what was done so far, with `completed=False`.

    **Raises:** `UnitError`, `TypeError`, `ValueError`, `UnknownNameError`, and `MemoryBudgetError` if the records cannot fit, all before
    anything is compiled; `SimulationError` for a fault.

    !!! Example

        >>> import brainunit as u, jax.random as jr, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 2, lif)
        >>> model = n4.Network(cells, n4.Clamp("drive", cells, 150*u.pA)).build(dt=0.1*u.ms, seed=0)
        >>> len(n4.simulate(model, model.init(jr.key(0)), 100*u.ms).spikes("cells"))
        8
    """
    n_steps = check_run(model, state, duration)
    probes = fit_recorders(model, record, n_steps)
    length = chunk_length(chunk, model.n_neurons, probes, n_steps, on_chunk is not None)
    given = check_series(model, inputs, n_steps)
    check_memory(state, probes, n_steps, length, 1)
    options = Options(length, progress, log_every, on_chunk, throw)

    call = functools.partial(run_chunk, model, prepare(model), probes, length=length)
    loop = drive(call, probes, own_copy(state), own_copy(first_carries(probes, length)), given, n_steps, model.dt_ms, options)
    if throw:
        raise_fault(model, loop.state, loop.done)
    start = int(state.step)
    records = {name: make_record(model, name, probe, probe.join(loop.chunks[name], loop.done), start) for name, probe in probes.items()}
    return Run(model, loop.state, model.dt_ms, start, loop.done, records, loop.compile_s, loop.wall_s, loop.completed)


def chunk_length(chunk: int | None, n_neurons: int, probes: dict[str, Any], n_steps: int, watched: bool) -> int:
    """Steps of a chunk: as asked for, else long where neurons are few, nobody watches and no recorder needs much room for it."""
    if chunk is not None:
        return check_count(chunk, "chunk")
    room = sum(probe.bytes(n_steps, LONG_CHUNK)[0] for probe in probes.values())
    small = n_neurons <= LONG_CHUNK_NEURONS and room <= LONG_CHUNK_BYTES
    return LONG_CHUNK if small and not watched else CHUNK


def drive(call: Callable, probes: dict, state: State, carries: dict, inputs: dict, n_steps: int, dt: float, options: Options) -> Loop:
    """Calls the compiled chunk until the steps are done or the user interrupts."""
    chunks: dict[str, list] = {name: [] for name in probes}
    began = time.perf_counter()
    # No step at all: the program is compiled, or found, and nothing else happens.
    state, buffers = jax.block_until_ready(call(state, carries, _piece(inputs, 0, 0, options.chunk), np.uint32(0), np.int32(0)))
    compile_s = time.perf_counter() - began
    carries = _carries(probes, buffers)
    done, began = 0, time.perf_counter()
    with Progress(n_steps, dt, options.progress, options.log_every) as bar, interruptible() as stop:
        while done < n_steps and not stop.is_set():
            n = min(options.chunk, n_steps - done)
            pieces = _piece(inputs, done, n, options.chunk)
            state, buffers = jax.block_until_ready(call(state, carries, pieces, np.uint32(done), np.int32(n)))
            for name, probe in probes.items():
                chunks[name].append(probe.collect(buffers[name], done, n))
                if probe.carried:
                    del chunks[name][:-1]
            carries = _carries(probes, buffers)
            done += n
            bar.advance(n)
            if options.on_chunk is not None:
                options.on_chunk(state, done)
            if int(np.max(np.asarray(state.fault))):
                break
    return Loop(state, chunks, done, compile_s, time.perf_counter() - began, done == n_steps)


def _carries(probes: dict, buffers: dict) -> dict:
    """Buffers that go on from chunk to chunk; the others are made anew."""
    return {name: jax.tree.map(jnp.copy, buffers[name]) for name, probe in probes.items() if probe.carried}


def own_copy(tree: Any) -> Any:
    """A copy that may be donated, tied to its devices like everything that comes out of a chunk: otherwise the second chunk of a run
    would be compiled again."""
    return jax.tree.map(lambda x: jax.device_put(jnp.copy(x), x.sharding), tree)


def first_carries(probes: dict, length: int, lanes: int | None = None) -> dict:
    """Empty buffers of the recorders that go on, so that the first chunk has the shapes of all others."""
    empty = {name: probe.buffer(length, None) for name, probe in probes.items() if probe.carried}
    return empty if lanes is None else jax.tree.map(lambda x: jnp.zeros((lanes, *x.shape), x.dtype), empty)


def _piece(inputs: dict, done: int, n: int, length: int) -> dict:
    """The input values of a chunk, padded to its full length so that every chunk has one shape."""
    pieces = {}
    for name, values in inputs.items():
        part = np.zeros((length, *values.shape[1:]), values.dtype)
        part[:n] = values[done : done + n]
        pieces[name] = jnp.asarray(part)
    return pieces


@contextlib.contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Turns the first Ctrl-C into a request to stop after the present chunk; a second one interrupts as usual."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.getsignal(signal.SIGINT)

    def handle(number, frame):
        stop.set()
        signal.signal(signal.SIGINT, before if callable(before) else signal.default_int_handler)

    signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.SIG_DFL)


def check_run(model: Model, state: State, duration: Any, lanes: bool = False) -> int:
    """The number of steps of a run. Raises for a duration off the grid and a state that is not of this model."""
    if not isinstance(model, Model):
        raise TypeError(f"expected a model from `net.build(dt=0.1*u.ms)`; got {type(model).__name__}.")
    if not isinstance(state, State):
        raise TypeError(f"expected a state from `model.init(jax.random.key(0))`; got {type(state).__name__}.")
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((model, state))):
        raise TypeError("simulate and batch run on the host. Inside jit, vmap or grad use `n4.scan(model, state, steps)`.")
    value = strip(duration, u.ms, "duration")
    if value.ndim or not np.isfinite(value) or not value >= 0:
        raise ValueError(f"duration is one time, 0 or more, for example `1*u.second`; got {duration}.")
    steps = int(steps_of(value, model.dt_ms, "duration", 2**32 - 1))
    check_state(model, state, lanes)
    if int(np.max(np.asarray(state.step))) + steps >= 2**32:
        raise ValueError(
            f"the step counter ends at 2**32 - 1; step {int(np.max(np.asarray(state.step)))} and {steps} more pass it. Use a larger dt, or start a new state."
        )
    return steps


def check_state(model: Model, state: State, lanes: bool) -> None:
    """Raises for a state of another network, of another batch shape, or that was given away."""
    want = jax.eval_shape(model.init, jax.random.key(0))
    if jax.tree.structure(want) != jax.tree.structure(state):  # type: ignore[operator]
        raise ValueError(f"this state belongs to another network: {_first_difference(want, state)}. Use `model.init(jax.random.key(0))`.")
    for (path, expected), leaf in zip(jax.tree_util.tree_leaves_with_path(want), jax.tree.leaves(state), strict=True):
        shape = leaf.shape[1:] if lanes else leaf.shape
        name = jax.tree_util.keystr(path)
        if leaf.is_deleted():
            raise ValueError(f"the state's {name} was donated to another computation; keep using what that computation returned.")
        if shape != expected.shape or leaf.dtype != expected.dtype:
            hint = " A batch of states runs with `n4.batch`." if not lanes and leaf.ndim == len(expected.shape) + 1 else ""
            raise ValueError(
                f"the state's {name} has shape {leaf.shape} and type {leaf.dtype}; the model needs {expected.shape} and {expected.dtype}.{hint}"
            )


def _first_difference(want: State, state: State) -> str:
    """The first part that only one of two states has."""
    needed, held = ([jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(tree)] for tree in (want, state))
    missing, extra = [name for name in needed if name not in held], [name for name in held if name not in needed]
    if missing:
        return f"the model needs `state{missing[0]}`, which it does not have"
    return f"it has `state{extra[0]}`, which the model does not know" if extra else "its parts have other types than those of the model"


def fit_recorders(model: Model, record: Any, n_steps: int) -> dict[str, Any]:
    """Probes by name. Raises for a name used twice, and for a trace that would have no row in a run of `n_steps` steps."""
    recorders = [record] if isinstance(record, AbstractRecorder) else list(record)
    probes = {}
    for recorder in recorders:
        if not isinstance(recorder, AbstractRecorder):
            raise TypeError(
                f"record is a recorder or several, for example `record=[n4.Spikes(), n4.Trace('cells', 'v')]`; got {recorder!r}."
            )
        if recorder.name in probes:
            raise ValueError(f"two recorders are named {recorder.name!r}; give one of them another `name=`.")
        probe = probes[recorder.name] = recorder.fit(model)
        if isinstance(probe, TraceProbe) and 0 < n_steps < probe.every:
            raise ValueError(
                f"recorder {recorder.name!r}: every = {attach(probe.every * model.dt_ms, u.ms)} is longer than the run of "
                f"{attach(n_steps * model.dt_ms, u.ms)}, so nothing would be sampled. Use a shorter `every`, or run longer."
            )
    return probes


def check_series(model: Model, inputs: dict[str, Any] | None, n_steps: int) -> dict[str, np.ndarray]:
    """Input values for a whole run as arrays with one entry per step."""
    spans = input_spans(model)
    given = {}
    for name, value in (inputs or {}).items():
        if name not in spans:
            raise UnknownNameError(f"no Input named {name!r}.{did_you_mean(name, spans)}")
        unit = input_unit(model, spans[name])
        bare = np.asarray(value.to_decimal(unit) if isinstance(value, u.Quantity) else value)
        if bare.dtype.kind not in "fiu":
            raise TypeError(f"input {name!r} is made of real numbers; got {bare.dtype}.")
        shape = model.sources[name].value_shape()
        if bare.shape not in ((), (n_steps,), (n_steps, *shape)):
            raise ValueError(
                f"input {name!r} is a scalar or has shape ({n_steps},) or {(n_steps, *shape)}, one entry per step; got {bare.shape}."
            )
        if not np.isfinite(bare).all():
            at = np.argwhere(~np.isfinite(np.atleast_1d(bare)))[0]
            raise ValueError(f"input {name!r} is not finite at step {at[0]}{f', entry {tuple(at[1:].tolist())}' if len(at) > 1 else ''}.")
        given[name] = np.broadcast_to(bare, (n_steps,)) if bare.ndim == 0 else bare
        given[name] = given[name].astype(model.dtype)
    return given


def make_record(model: Model, name: str, probe: Any, joined: Any, start: int) -> Any:
    """The host-side record of a probe."""
    if isinstance(probe, SpikeProbe):
        return SpikeRecord(joined)
    if isinstance(probe, WindowProbe):
        words, dropped = joined
        return WindowRecord(words, sum(dropped.values()))
    if isinstance(probe, CountProbe):
        return CountRecord(joined)
    if isinstance(probe, TraceProbe):
        values, rows = joined
        return TraceRecord(name, probe.population, probe.label, probe.local_ids(), rows + start, values, probe.unit)
    return joined


def raise_fault(model: Model, state: State, done: int) -> None:
    """Raises if a fault is set, naming the first neuron whose potential is not finite."""
    fault = Fault(int(np.max(np.asarray(state.fault))))
    if not fault:
        return
    for span in model.layout.populations:
        for label, leaf in state.variables(span.group).items():
            bad = ~np.isfinite(np.asarray(leaf)[..., span.start : span.start + span.size])
            if bad.any():
                neuron = int(np.argwhere(bad)[0][-1])
                time_ms = attach(done * model.dt_ms, u.ms)
                raise SimulationError(
                    f"{fault.message} (population {span.name!r}, neuron {neuron}, variable {label!r}, within the chunk that ended at {time_ms})."
                )
    raise SimulationError(fault.message)
