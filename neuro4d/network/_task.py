"""The step of one group, as a value: what it needs, what comes out, and how plain XLA does it."""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt32

from neuro4d._base import Drive, step_address
from neuro4d.ops import AbstractSurrogate, Backend, History, Pathway, by_port, deliver, pack, push
from neuro4d.stimuli import PoissonBank


class Timing(NamedTuple):
    """The clock and the key of the trial."""

    step: UInt32[Array, ""]
    start: UInt32[Array, ""]
    key: UInt32[Array, "2"]


class Given(eqx.Module):
    """What stimuli give to a group in a step: drives, and arrivals at ports by number."""

    drives: tuple[Drive, ...]
    arrivals: tuple[Float[Array, " n"], ...]
    ports: tuple[int, ...] = eqx.field(static=True)


class Outcome(NamedTuple):
    """What a step leaves of a group. `history` also holds the histories that were read."""

    neurons: Any
    receptors: dict[str, Any]
    words: UInt32[Array, " w"]
    soft: Float[Array, " n"] | None
    history: dict[str, History]


class Task(eqx.Module):
    """All that the step of one group of fused populations needs."""

    neuron: Any
    constants: Any
    state: Any
    ports: tuple[Any, ...]
    port_constants: tuple[Any, ...]
    port_states: tuple[Any, ...]
    paths: tuple[Pathway, ...]
    history: dict[str, History]
    banks: tuple[tuple[PoissonBank, UInt32[Array, "s j"]], ...]
    given: Given
    timing: Timing
    surrogate: AbstractSurrogate | None
    group: str = eqx.field(static=True)
    n: int = eqx.field(static=True)
    port_names: tuple[str, ...] = eqx.field(static=True)
    bank_ports: tuple[int, ...] = eqx.field(static=True)
    served: tuple[tuple[str, bool], ...] = eqx.field(static=True)
    backend: Backend = eqx.field(static=True)
    dtype: Any = eqx.field(static=True)


def portable_step(task: Task) -> Outcome:
    """The step in plain XLA (with native delivery where the backend allows it): the oracle of fused passes."""
    early, late, history = _deliver(task)
    elapsed = task.timing.step - task.timing.start
    for (bank, table), port in zip(task.banks, task.bank_ports, strict=True):
        a, b = step_address(task.timing.key, (bank.a0, bank.b0), elapsed)
        _add(late, port, bank.emit(table, a, b))
    for port, arrivals in zip(task.given.ports, task.given.arrivals, strict=True):
        _add(late, port, arrivals)
    receptors, drive = _receive(task, early, late, sum(task.given.drives, Drive()))
    neurons, fired = task.neuron.step(task.constants, task.state, drive)
    words = pack(fired.spikes)
    soft = None if task.surrogate is None else task.surrogate.spike(fired.excess)
    history[task.group] = push(history[task.group], fired.spikes, words, soft, task.timing.step)
    return Outcome(neurons, dict(zip(task.port_names, receptors, strict=True)), words, soft, history)


def _deliver(task: Task) -> tuple[dict, dict, dict]:
    """What arrives by synapses, by port number: at the beginning of the step (delay 0) and at its end."""
    history = dict(task.history)
    sums: dict[bool, Array] = {}
    for path in task.paths:
        acc = sums.get(path.early)
        if acc is None:
            acc = jnp.zeros((path.n_blocks, path.block_size), task.dtype)
        sums[path.early], history[path.source] = deliver(path, history[path.source], task.timing.step, acc, task.backend)
    found: dict[bool, dict[int, Array]] = {True: {}, False: {}}
    for is_early, acc in sums.items():
        rows = by_port(acc, task.paths[0].n_ports, task.paths[0].width, task.n)
        for number, port in enumerate(task.port_names):
            if (port, is_early) in task.served:
                found[is_early][number] = rows[number]
    return found[True], found[False], history


def _add(table: dict[int, Array], port: int, value: Array) -> None:
    table[port] = value if table.get(port) is None else table[port] + value


def _receive(task: Task, early: dict, late: dict, drive: Drive) -> tuple[list[Any], Drive]:
    """Decay and drive: receptors act with what they hold, decay, and take what arrives."""
    states = []
    for number, (receptor, constants, held) in enumerate(zip(task.ports, task.port_constants, task.port_states, strict=True)):
        if number in early:
            held = receptor.early(held, constants, early[number])
        state, share = receptor.step(constants, held, late.get(number))
        states.append(state)
        drive = drive + share
    return states, drive
