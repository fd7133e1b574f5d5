"""Steps of groups in one native call, with plain XLA as their oracle and their derivative."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32, UInt32

from neuro4d._base import alike
from neuro4d.kernels import (
    NativeClock,
    NativeExtra,
    NativeGroup,
    NativeMemory,
    NativePart,
    NativePath,
    NativePoisson,
    NativeRing,
    NativeStepped,
    native_manifest,
    run_native,
)
from neuro4d.model._choice import native_name
from neuro4d.model._names import plain_step_once
from neuro4d.model._stages import BankInput, GroupTask, Stepped, push_own
from neuro4d.model._state import GroupState
from neuro4d.ops import History, Pathway

Tasks = dict[str, GroupTask]
Pasts = dict[str, History]
Rows = dict[str, UInt32[Array, "length w"]]


@jax.custom_jvp
def native_step(tasks: Tasks, history: Pasts) -> tuple[dict[str, Stepped], Pasts]:
    """One step of several groups, their spikes pushed into their pasts: native on a CPU, plain XLA elsewhere and for derivatives.

    `history`: the past of every group that is stepped or heard.
    """
    return jax.lax.platform_dependent(tasks, history, cpu=_one, default=_plain_and_push)


@native_step.defjvp
def _native_jvp(primals: tuple, tangents: tuple) -> Any:
    return jax.jvp(_plain_and_push, primals, tangents)


def native_steps(tasks: Tasks, history: Pasts, count: Int32[Array, ""], length: int) -> tuple[dict[str, GroupState], Pasts, Rows]:
    """`count` steps, at most `length`, of groups that hear only each other: native on a CPU, plain XLA elsewhere.

    **Returns:** the states after the last step, the pasts, and the packed spikes of each step; rows from `count` on mean nothing.
    """
    return jax.lax.platform_dependent(
        tasks,
        history,
        count,
        cpu=lambda tasks, history, count: _many(tasks, history, count, length),
        default=lambda tasks, history, count: plain_steps(tasks, history, count, length),
    )


def _plain_and_push(tasks: Tasks, history: Pasts) -> tuple[dict[str, Stepped], Pasts]:
    out, history = {}, dict(history)
    for name, task in tasks.items():
        out[name] = plain_step_once(task, history)
        history |= out[name].history
    for name, task in tasks.items():
        history[name] = push_own(task.group, out[name], task.clock.step, history[name])
    return {name: Stepped(x.state, x.words, x.soft, None, {}) for name, x in out.items()}, history


def plain_steps(tasks: Tasks, history: Pasts, count: Int32[Array, ""], length: int) -> tuple[dict[str, GroupState], Pasts, Rows]:
    """What takes the place of the native call where a program is lowered for another platform."""

    def body(i: Array, carry: Any) -> Any:
        states, history, rows = carry
        now = {name: _at_step(task, states[name], i) for name, task in tasks.items()}
        out, history = _plain_and_push(now, history)
        rows = {name: jax.lax.dynamic_update_index_in_dim(rows[name], x.words, i, 0) for name, x in out.items()}
        return {name: x.state for name, x in out.items()}, history, rows

    rows = {name: jnp.zeros((length, task.group.n_words), jnp.uint32) for name, task in tasks.items()}
    states = {name: task.state for name, task in tasks.items()}
    return jax.lax.fori_loop(0, count, body, alike((states, history, rows), tasks, count))


def _at_step(task: GroupTask, state: GroupState, i: Array) -> GroupTask:
    """The task of step number `i` of a call."""
    clock = task.clock._replace(step=task.clock.step + i.astype(jnp.uint32))
    return eqx.tree_at(lambda t: (t.state, t.clock, t.outside), task, (state, clock, task.outside.at_step(i)))


def _one(tasks: Tasks, history: Pasts) -> tuple[dict[str, Stepped], Pasts]:
    out, history = _run(tasks, history, 1, 1)
    return {name: Stepped(_state(tasks[name], x), x.words[0], None, None, {}) for name, x in out.items()}, history


def _many(tasks: Tasks, history: Pasts, count: Array, length: int) -> tuple[dict[str, GroupState], Pasts, Rows]:
    out, history = _run(tasks, history, count, length)
    return {name: _state(tasks[name], x) for name, x in out.items()}, history, {name: x.words for name, x in out.items()}


def _run(tasks: Tasks, history: Pasts, count: Array | int, length: int) -> tuple[dict[str, NativeStepped], Pasts]:
    order = [*tasks, *(name for name in history if name not in tasks)]
    rings = {name: number for number, name in enumerate(order)}
    clock = next(iter(tasks.values())).clock
    groups = [_group(task, rings) for task in tasks.values()]
    pasts = [NativeRing(history[name].ids, history[name].count) for name in order]
    out, after = run_native(count, NativeClock(clock.step, clock.start, clock.key), pasts, groups, length=length)
    later = {name: History(ring.ids, ring.n_fired, None) for name, ring in zip(order, after, strict=True)}
    return dict(zip(tasks, out, strict=True)), later


def _group(task: GroupTask, rings: dict[str, int]) -> NativeGroup:
    native = task.constants.native
    if native is None:
        raise TypeError(f"group {task.group.name!r} has no native pass; ask `model.plan()` why.")
    cells, receptors = native_manifest().cells, native_manifest().receptors
    cell = _part(task.constants.neuron, cells, task.state.neurons, native.neuron)
    ports = zip(task.constants.receptors.values(), task.state.receptors.values(), native.receptors, strict=True)
    return NativeGroup(
        cell=cell,
        ports=tuple(_part(receptor, receptors, state, constants) for receptor, state, constants in ports),
        paths=tuple(_path(path, rings) for path in task.paths),
        poisson=tuple(_poisson(item) for item in task.banks),
        extras=tuple(_extras(task)),
        bounds=native.bounds,
        width=task.group.width,
        alive=task.state.alive,
        addresses=task.addresses,
    )


def _part(part: Any, known: Any, state: Any, constants: Any) -> NativePart:
    """A cell or receptor, with the variables and parameters that the manifest names."""
    name = native_name(part) or ""
    fields = known[name]
    variables = {field: getattr(state, field) for field in fields.state}
    params = {field: jnp.asarray(getattr(constants, field)).astype(jnp.float32) for field in fields.params}
    return NativePart(name, variables, params)


def _state(task: GroupTask, out: NativeStepped) -> GroupState:
    neurons = task.state.neurons._replace(**out.cell)
    held = task.state.receptors.items()
    receptors = {port: state._replace(**new) if new else state for (port, state), new in zip(held, out.ports, strict=True)}
    return GroupState(neurons, receptors, task.state.alive, task.state.stimuli | out.memories)


def _path(path: Pathway, rings: dict[str, int]) -> NativePath:
    ring = rings[path.source]
    return NativePath(ring, path.early, path.weight_kind, path.delays, path.start, path.bounds, path.targets, path.weight, path.some)


def _poisson(item: BankInput) -> NativePoisson:
    bank = item.bank
    runs = np.array([(first, size, segment, int(count > 1)) for first, size, segment, count in bank.parts], np.int32)
    return NativePoisson(item.port, jnp.asarray(runs.reshape(-1, 4)), item.thresholds, bank.weight, bank.a0, bank.b0, bank.each, bank.hold)


def _extras(task: GroupTask) -> list[NativeExtra]:
    """The drives of stimuli and their arrivals, in the order in which plain XLA adds them."""
    outside, extras = task.outside, []
    for drive, changes in zip(outside.drives, outside.drives_change, strict=True):
        if drive.g is not None:
            extras.append(NativeExtra("conductance", drive.g, changes=changes))
        if drive.i is not None:
            extras.append(NativeExtra("current", drive.i, changes=changes))
        if drive.jump is not None:
            extras.append(NativeExtra("jump", drive.jump, changes=changes))
    for port, value, changes in zip(outside.ports, outside.arrivals, outside.arrivals_change, strict=True):
        extras.append(NativeExtra("arrival", value, port, changes))
    for item in outside.noise:
        noise, held = item.noise, task.state.stimuli.get(item.name)
        memory = None if held is None or noise.decay is None else NativeMemory(item.name, held, noise.decay)
        kind = "noise" if memory is None else "colored_noise"
        extras.append(NativeExtra(kind, noise.mean, std=noise.std, address=item.address, start=item.start, n=item.n, memory=memory))
    return extras
