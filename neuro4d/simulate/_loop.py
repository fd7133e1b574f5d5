"""The loop over chunks on the host: compiled steps, and between them records, progress, hooks and Ctrl-C."""

import contextlib
import functools
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from neuro4d._base import check_count
from neuro4d.model import Model, State
from neuro4d.recorders import AbstractProbe, Chunk
from neuro4d.simulate._find_fault import Found, Replay, find_fault
from neuro4d.simulate._keeper import Watch
from neuro4d.simulate._look_back import LookBack, own_copy
from neuro4d.simulate._progress import Progress

CHUNK = 1000
"""Steps between two visits of the host, unless the network is small."""

LEARNING_CHUNK = 2500
"""The same where synapses learn: the end of a chunk is a look at all of them."""

LONG_CHUNK = 10_000
"""The same for networks whose thousand steps would be over in milliseconds."""

LONG_CHUNK_NEURONS = 5000
LONG_CHUNK_BYTES = 64 << 20
"""Up to where a chunk may be long: neurons of all lanes, and what recorders and values from outside need for it."""

Probes = dict[str, AbstractProbe]


class Options(NamedTuple):
    """How a run is cut and reported, and who is told after each chunk: `hook` gives the state to go on from, or `None` for the same.
    `search`: whether the step and the place of a fault are looked for; then the loop ends with the last good step. `watch`: what a loop goes on
    from, and who keeps what it does."""

    chunk: int
    progress: bool | None = None
    log_every: Any = None
    hook: Callable[[State, int], State | None] | None = None
    search: bool = False
    watch: Watch | None = None


class Loop(NamedTuple):
    """What a loop has done; `chunks` by lane and recorder; the fault that ended it, if it was looked for."""

    state: State
    chunks: list[dict[str, list[Chunk]]]
    done: int
    compile_s: float
    wall_s: float
    completed: bool
    found: Found | None = None


def chunk_length(
    chunk: int | None, n_neurons: int, probes: Probes, n_steps: int, watched: bool, inputs: dict[str, np.ndarray], learns: bool = False
) -> int:
    """Steps of a chunk: as asked for, else longer where neurons are few or synapses learn, nobody watches, and neither recorders nor values from
    outside need much room for it."""
    if chunk is not None:
        return check_count(chunk, "chunk")
    for length in (LONG_CHUNK,) * (n_neurons <= LONG_CHUNK_NEURONS) + (LEARNING_CHUNK,) * learns:
        room = sum(probe.bytes(n_steps, length)[0] for probe in probes.values()) + length * sum(values[:1].nbytes for values in inputs.values())
        if room <= LONG_CHUNK_BYTES and not watched:
            return length
    return CHUNK


def learns(model: Model) -> bool:
    """Whether steps change synapses."""
    return any(rule.learns for rule in model.plasticity.values())


def run_chunks(
    call: Callable, probes: Probes, state: State, inputs: dict, n_steps: int, dt: float, options: Options, lanes: int | None = None
) -> Loop:
    """Calls the compiled chunk until the steps are done or the user interrupts. `lanes` counts simulations that run side by side."""
    try:
        return _run_chunks(call, probes, state, inputs, n_steps, dt, options, lanes)
    finally:
        for probe in probes.values():
            probe.end()


def _run_chunks(call: Callable, probes: Probes, state: State, inputs: dict, n_steps: int, dt: float, options: Options, lanes: int | None) -> Loop:
    length, watch = options.chunk, options.watch
    done = 0 if watch is None else watch.done
    if watch is not None and 0 < done == n_steps:
        return Loop(state, [watch.chunks], done, 0.0, 0.0, True)
    first, resumed = int(np.max(np.asarray(state.step))) - done, watch is not None and watch.resumed
    for probe in probes.values():
        probe.begin(first, lanes, done if resumed else None)
    chunks: list[dict[str, list[Chunk]]] = [{name: _went(watch, name) for name in probes} for _ in range(lanes or 1)]
    look = LookBack(state, length, sum(span.size for span in state.spans) * (lanes or 1))
    carries = own_copy(_first_carries(probes, length, lanes, chunks[0]))
    state = own_copy(state)
    began = time.perf_counter()
    # No step at all: the program is compiled, or found, and nothing else happens.
    state, buffers = jax.block_until_ready(call(state, carries, _piece(inputs, 0, 0, length), np.uint32(done), np.int32(0)))
    compile_s = time.perf_counter() - began
    completed, began = n_steps == 0, time.perf_counter()
    if n_steps == 0:
        _keep(probes, chunks, buffers, 0, 0, lanes)
    carries = _carries(probes, buffers)
    if done:
        state = look.restart(state, carries, done)
    with Progress(n_steps, dt, options.progress, options.log_every) as bar, interruptible(watch is not None) as stop:
        if done:
            bar.advance(done)
        while not completed and not stop.is_set():
            n = min(length, n_steps - done, length if watch is None else watch.room(done))
            state, buffers = jax.block_until_ready(call(state, carries, _piece(inputs, done, n, length), np.uint32(done), np.int32(n)))
            _keep(probes, chunks, buffers, done, n, lanes)
            carries = _carries(probes, buffers)
            done += n
            completed = done == n_steps
            bar.advance(n)
            state = look.after(state, carries, done, completed)
            changed = None if options.hook is None else options.hook(state, done)
            state = state if changed is None else look.restart(changed, carries, done)
            if int(np.max(np.asarray(state.fault))):
                break
            if watch is not None:
                watch.tell(state, chunks[0], done, time.perf_counter() - began)
    if done == 0 and n_steps:  # interrupted before the first step
        _keep(probes, chunks, buffers, 0, 0, lanes)
    loop = Loop(state, chunks, done, compile_s, time.perf_counter() - began, completed)
    if not (options.search and int(np.max(np.asarray(state.fault)))):
        return loop
    begin, carry = functools.partial(_first_carries, probes, length, lanes), functools.partial(_carries, probes)
    return _up_to_fault(loop, look, Replay(call, begin, carry, lambda done, n: _piece(inputs, done, n, length)), probes, lanes)


def _up_to_fault(loop: Loop, look: LookBack, replay: Replay, probes: Probes, lanes: int | None) -> Loop:
    """The loop, cut behind the last good step."""
    state, buffers, first, n, found = find_fault(replay, look, loop.state)
    for chunks in loop.chunks:
        for kept in chunks.values():
            kept[:] = [chunk for chunk in kept if chunk.first < first]
    _keep(probes, loop.chunks, buffers, first, n, lanes)
    return loop._replace(state=state, done=first + n, completed=False, found=found)


def _keep(probes: Probes, chunks: list[dict[str, list[Chunk]]], buffers: dict, first: int, n: int, lanes: int | None) -> None:
    """The buffers of a chunk, on the host, each lane's apart."""
    for name, probe in probes.items():
        held = jax.tree.map(np.asarray, buffers[name])
        for lane, own in enumerate(chunks):
            part = held if lanes is None else jax.tree.map(lambda x, i=lane: x[i], held)
            if probe.streams:
                probe.take(Chunk(first, n, part))
                continue
            if probe.carried:
                own[name].clear()
            own[name].append(Chunk(first, n, part))


def records(probes: Probes, chunks: dict[str, list[Chunk]], start_step: int, n_steps: int) -> dict[str, Any]:
    """What the recorders leave of one simulation."""
    return {name: probe.record(chunks[name], start_step, n_steps) for name, probe in probes.items()}


def _carries(probes: Probes, buffers: dict) -> dict:
    """Buffers that go on from chunk to chunk; the others are made anew."""
    return {name: jax.tree.map(jnp.copy, buffers[name]) for name, probe in probes.items() if probe.carried}


def _went(watch: Watch | None, name: str) -> list[Chunk]:
    """What a recorder held when the run was interrupted."""
    return [] if watch is None else list(watch.chunks.get(name, ()))


def _first_carries(probes: Probes, length: int, lanes: int | None, chunks: dict[str, list[Chunk]] | None = None) -> dict:
    """Buffers of the recorders that go on, so that the first chunk has the shapes of all others: empty, or those of `chunks`."""
    held = {name: own[-1].buffer for name, own in (chunks or {}).items() if own and probes[name].carried}
    held = {name: jax.tree.map(jnp.asarray, buffer) for name, buffer in held.items()}
    empty = {name: held[name] if name in held else probe.buffer(length, None) for name, probe in probes.items() if probe.carried}
    return empty if lanes is None else jax.tree.map(lambda x: jnp.broadcast_to(x, (lanes, *x.shape)), empty)


def _piece(inputs: dict, done: int, n: int, length: int) -> dict:
    """The input values of a chunk, padded to its full length so that every chunk has one shape."""
    pieces = {}
    for name, values in inputs.items():
        part = np.zeros((length, *values.shape[1:]), values.dtype)
        part[:n] = values[done : done + n]
        pieces[name] = jnp.asarray(part)
    return pieces


@contextlib.contextmanager
def interruptible(also_ended: bool = False) -> Iterator[threading.Event]:
    """Turns the first Ctrl-C into a request to stop after the present chunk, and `also_ended` the first SIGTERM; a second one acts as usual."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    usual: dict[int, Any] = {signal.SIGINT: signal.default_int_handler} | ({signal.SIGTERM: signal.SIG_DFL} if also_ended else {})
    before = {number: signal.getsignal(number) for number in usual}

    def handle(number: int, frame: Any) -> None:
        stop.set()
        own = before[number]
        signal.signal(number, own if callable(own) else usual[number])

    for number in usual:
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number, own in before.items():
            signal.signal(number, own if own is not None else signal.SIG_DFL)


def cut(inputs: dict[str, np.ndarray], where: slice) -> dict[str, np.ndarray]:
    """Input values of some of the steps."""
    return {name: values[where] for name, values in inputs.items()}

