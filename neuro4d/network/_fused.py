"""The steps of a group of `LIF` neurons in one native call, with plain XLA as their oracle and their derivative."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32

from neuro4d.kernels import (
    LifClock,
    LifExtra,
    LifLevels,
    LifPath,
    LifPoisson,
    LifPort,
    LifRing,
    PortKind,
    lif_run_native,
)
from neuro4d.network._build import block_width
from neuro4d.network._groups import fuse
from neuro4d.network._task import Outcome, Task, portable_step
from neuro4d.neurons import LIF, LIFState
from neuro4d.ops import History
from neuro4d.receptors import Delta, ExpConductance, ExpCurrent

KINDS: Mapping[type, PortKind] = MappingProxyType({ExpCurrent: "current", ExpConductance: "conductance", Delta: "delta"})


class Fused(eqx.Module):
    """Constants of a native pass: propagators with one value per population where all parameters are scalars."""

    levels: Any
    ports: tuple[Any, ...]
    bounds: Int32[Array, " b"]


def prepare_fused(model: Any, spans: list[Any]) -> Fused | None:
    """The constants of the native pass, or `None` where it does not apply: another model or receptor, another precision, spikes
    that carry gradients, or no native kernels."""
    first = spans[0]
    receptors = model.receptors[first.name]
    # The very classes: a subclass may have a step of its own, which the native pass does not know.
    fits = type(model.neurons[first.name]) is LIF and all(type(r) in KINDS for r in receptors.values())
    if not fits or model.surrogate is not None or model.dtype != np.float32:
        return None
    if not model.layout.backend.native:
        return None
    parts = [model.neurons[span.name] for span in spans]
    ports = [[model.receptors[span.name][port] for span in spans] for port in dict(model.layout.ports)[first.group]]
    leaves = jax.tree.leaves((parts, ports))
    sizes = [1 if all(leaf.ndim == 0 for leaf in leaves) else span.size for span in spans]
    neuron = fuse(parts, sizes)
    levels = neuron.constants(model.dt)
    constants = tuple(fuse(port, sizes).constants(model.dt, neuron.membrane()) for port in ports)
    bounds = np.array([span.start for span in spans] + [spans[-1].start + spans[-1].size], np.int32)
    return Fused(levels, constants, jnp.asarray(bounds))


@jax.custom_jvp
def fused_step(task: Task, fused: Fused) -> Outcome:
    """The step of a group: native on a CPU, plain XLA elsewhere and for derivatives."""
    return jax.lax.platform_dependent(task, fused, cpu=_native, default=lambda task, fused: portable_step(task))


@fused_step.defjvp
def _fused_jvp(primals, tangents):
    task, _ = primals
    return jax.jvp(portable_step, (task,), (tangents[0],))


def fused_run(task: Task, fused: Fused, count: Int32[Array, ""], length: int) -> Outcome:
    """`count` steps, at most `length`, of a group that hears only itself, with the same input in each: native on a CPU, plain XLA
    elsewhere. `words` gets a leading axis of length `length`; rows from `count` on mean nothing."""
    return jax.lax.platform_dependent(
        task,
        fused,
        count,
        cpu=lambda task, fused, count: _run_native(task, fused, count, length),
        default=lambda task, fused, count: _run_portable(task, count, length),
    )


def _run_portable(task: Task, count: Array, length: int) -> Outcome:
    def body(i: Array, carry: tuple[Task, Array]) -> tuple[Task, Array]:
        task, rows = carry
        out = portable_step(task)
        timing = task.timing._replace(step=task.timing.step + jnp.uint32(1))
        changed = (out.neurons, tuple(out.receptors.values()), out.history, timing)
        task = eqx.tree_at(lambda t: (t.state, t.port_states, t.history, t.timing), task, changed)
        return task, jax.lax.dynamic_update_index_in_dim(rows, out.words, i, 0)

    rows = jnp.zeros((length, -(-task.n // 32)), jnp.uint32)
    task, rows = jax.lax.fori_loop(0, count, body, (task, rows))
    return Outcome(task.state, dict(zip(task.port_names, task.port_states, strict=True)), rows, None, task.history)


def _native(task: Task, fused: Fused) -> Outcome:
    out = _run_native(task, fused, 1, 1)
    return out._replace(words=out.words[0])


def _run_native(task: Task, fused: Fused, count: Array | int, length: int) -> Outcome:
    others = [name for name in task.history if name != task.group]
    rings = {name: number for number, name in enumerate([task.group, *others])}
    out = lif_run_native(
        count,
        LifClock(task.timing.step, task.timing.start, task.timing.key),
        task.state.v,
        task.state.left,
        _levels(fused),
        [LifRing(task.history[name].ids, task.history[name].count) for name in rings],
        [_port(receptor, state, constants) for receptor, state, constants in zip(task.ports, task.port_states, fused.ports, strict=True)],
        [_path(path, rings) for path in task.paths],
        [_poisson(bank, table, port) for (bank, table), port in zip(task.banks, task.bank_ports, strict=True)],
        _extras(task),
        width=task.paths[0].width if task.paths else block_width(task.n, max(len(task.ports), 1), task.backend),
        length=length,
    )
    receptors = {
        name: state if new is None else type(state)(new)
        for name, state, new in zip(task.port_names, task.port_states, out.states, strict=True)
    }
    history = {name: History(out.rings[number].ids, out.rings[number].count, None) for name, number in rings.items()}
    return Outcome(LIFState(out.v, out.left), receptors, out.words, None, history)


def _levels(fused: Fused) -> LifLevels:
    c = fused.levels
    return LifLevels(c.leak, c.resistance, c.rate, c.g_leak, c.v_rest, c.v_th, c.v_reset, c.hold, fused.bounds)


def _port(receptor: Any, state: Any, constants: Any) -> LifPort:
    kind = KINDS[type(receptor)]
    if kind == "delta":
        return LifPort(kind)
    return LifPort(kind, state[0], constants.decay, constants.held, constants.e_rev if kind == "conductance" else None)


def _path(path: Any, rings: dict[str, int]) -> LifPath:
    return LifPath(rings[path.source], path.early, path.weight_kind, path.delays, path.start, path.offset, path.targets, path.weight)


def _poisson(bank: Any, table: Array, port: int) -> LifPoisson:
    runs = np.array([(first, size, segment, int(count > 1)) for first, size, segment, count in bank.parts], np.int32)
    return LifPoisson(port, jnp.asarray(runs.reshape(-1, 4)), table, bank.weight, bank.a0, bank.b0)


def _extras(task: Task) -> list[LifExtra]:
    extras: list[LifExtra] = []
    for drive in task.given.drives:
        extras += [] if drive.g is None else [LifExtra("conductance", drive.g)]
        extras += [] if drive.i is None else [LifExtra("current", drive.i)]
        extras += [] if drive.jump is None else [LifExtra("jump", drive.jump)]
    return extras + [LifExtra("arrival", value, port) for port, value in zip(task.given.ports, task.given.arrivals, strict=True)]
