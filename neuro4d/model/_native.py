"""Steps of a group of `LIF` neurons in one native call, with plain XLA as their oracle and their derivative."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32, UInt32

from neuro4d._base import alike
from neuro4d.kernels import LifClock, LifExtra, LifParams, LifPath, LifPoisson, LifPort, LifRing, lif_run_native
from neuro4d.model._choice import PORT_KINDS
from neuro4d.model._constants import NativeConstants
from neuro4d.model._names import with_names, without_names
from neuro4d.model._stages import BankInput, GroupTask, Stepped, plain_step, push_own
from neuro4d.model._state import GroupState
from neuro4d.neurons import LIFState
from neuro4d.ops import History, Pathway


def native_step(task: GroupTask) -> Stepped:
    """One step of a group, its spikes pushed into its past: native on a CPU, plain XLA elsewhere and for derivatives.

    Groups of equal shapes share a trace: names are left out.
    """
    anonymous, names = without_names(task)
    return with_names(_step_once(anonymous), names)


@functools.partial(jax.jit, inline=True)
def _step_once(task: GroupTask) -> Stepped:
    return _step_any(task)


@jax.custom_jvp
def _step_any(task: GroupTask) -> Stepped:
    return jax.lax.platform_dependent(task, cpu=_one, default=_plain_and_push)


@_step_any.defjvp
def _native_jvp(primals: tuple, tangents: tuple) -> Any:
    return jax.jvp(_plain_and_push, primals, tangents)


def native_steps(task: GroupTask, count: Int32[Array, ""], length: int) -> tuple[Stepped, UInt32[Array, "length w"]]:
    """`count` steps, at most `length`, of a group that hears only itself, with the same input in each: native on a CPU, plain XLA
    elsewhere.

    **Returns:** what the last step leaves, and the packed spikes of each; rows from `count` on mean nothing.
    """
    return jax.lax.platform_dependent(
        task,
        count,
        cpu=lambda task, count: _run(task, count, length),
        default=lambda task, count: plain_steps(task, count, length),
    )


def _plain_and_push(task: GroupTask) -> Stepped:
    out = plain_step(task)
    own = push_own(task.group, out, task.clock.step, out.history[task.group.name])
    return Stepped(out.state, out.words, out.soft, None, out.history | {task.group.name: own})


def plain_steps(task: GroupTask, count: Int32[Array, ""], length: int) -> tuple[Stepped, UInt32[Array, "length w"]]:
    """What takes the place of the native call where a program is lowered for another platform."""

    def body(i: Array, carry: tuple[GroupTask, Array, Array]) -> tuple[GroupTask, Array, Array]:
        task, _, rows = carry
        out = _plain_and_push(task)
        clock = task.clock._replace(step=task.clock.step + jnp.uint32(1))
        task = eqx.tree_at(lambda t: (t.state, t.history, t.clock), task, (out.state, out.history, clock))
        return task, out.words, jax.lax.dynamic_update_index_in_dim(rows, out.words, i, 0)

    words = jnp.zeros(task.group.n_words, jnp.uint32)
    rows = jnp.zeros((length, task.group.n_words), jnp.uint32)
    task, words, rows = jax.lax.fori_loop(0, count, body, alike((task, words, rows), count))
    return Stepped(task.state, words, None, None, task.history), rows


def _one(task: GroupTask) -> Stepped:
    return _run(task, 1, 1)[0]


def _run(task: GroupTask, count: Array | int, length: int) -> tuple[Stepped, UInt32[Array, "length w"]]:
    own = task.group.name
    rings = {name: number for number, name in enumerate([own, *(name for name in task.history if name != own)])}
    native = task.constants.native
    if native is None:
        raise TypeError(f"group {own!r} has no native pass; ask `model.plan()` why.")
    out = lif_run_native(
        count,
        LifClock(task.clock.step, task.clock.start, task.clock.key),
        task.state.neurons.v,
        task.state.neurons.left,
        _params(native),
        [LifRing(task.history[name].ids, task.history[name].count) for name in rings],
        _ports(task, native),
        [_path(path, rings) for path in task.paths],
        [_poisson(item) for item in task.banks],
        _extras(task),
        alive=task.state.alive,
        width=task.group.width,
        length=length,
    )
    held = task.state.receptors
    receptors = {port: held[port] if new is None else type(held[port])(new) for port, new in zip(held, out.states, strict=True)}
    history = {name: History(out.rings[number].ids, out.rings[number].n_fired, None) for name, number in rings.items()}
    state = GroupState(LIFState(out.v, out.left), receptors, task.state.alive)
    last = jnp.maximum(jnp.asarray(count, jnp.int32) - 1, 0)
    words = out.words[0] if length == 1 else jax.lax.dynamic_index_in_dim(out.words, last, 0, keepdims=False)
    return Stepped(state, words, None, None, history), out.words


def _params(native: NativeConstants) -> LifParams:
    c = native.neuron
    return LifParams(c.leak, c.resistance, c.rate, c.g_leak, c.v_rest, c.v_th, c.v_reset, c.hold, native.bounds)


def _ports(task: GroupTask, native: NativeConstants) -> list[LifPort]:
    ports = []
    for receptor, state, constants in zip(task.constants.receptors.values(), task.state.receptors.values(), native.receptors, strict=True):
        kind = PORT_KINDS[type(receptor)]
        if kind == "delta":
            ports.append(LifPort(kind))
        else:
            ports.append(LifPort(kind, state[0], constants.decay, constants.held, constants.e_rev if kind == "conductance" else None))
    return ports


def _path(path: Pathway, rings: dict[str, int]) -> LifPath:
    return LifPath(rings[path.source], path.early, path.weight_kind, path.delays, path.start, path.bounds, path.targets, path.weight)


def _poisson(item: BankInput) -> LifPoisson:
    bank = item.bank
    runs = np.array([(first, size, segment, int(count > 1)) for first, size, segment, count in bank.parts], np.int32)
    return LifPoisson(item.port, jnp.asarray(runs.reshape(-1, 4)), item.thresholds, bank.weight, bank.a0, bank.b0)


def _extras(task: GroupTask) -> list[LifExtra]:
    """The drives of stimuli and their arrivals, in the order in which plain XLA adds them."""
    extras = []
    for drive in task.outside.drives:
        for kind, value in (("conductance", drive.g), ("current", drive.i), ("jump", drive.jump)):
            if value is not None:
                extras.append(LifExtra(kind, value))  # type: ignore[arg-type]
    return extras + [LifExtra("arrival", value, port) for port, value in zip(task.outside.ports, task.outside.arrivals, strict=True)]
