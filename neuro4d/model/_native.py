"""Steps of groups in one native call, with plain XLA as their oracle and their derivative."""

import dataclasses
import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32, UInt32

from neuro4d._base import Drive, alike
from neuro4d.kernels import (
    FOREIGN,
    ExtraKind,
    NativeClock,
    NativeExtra,
    NativeGroup,
    NativeLearning,
    NativeMemory,
    NativePart,
    NativePath,
    NativePoisson,
    NativeRing,
    NativeStepped,
    NativeTrace,
    native_manifest,
    run_native,
)
from neuro4d.model._choice import native_name
from neuro4d.model._learn import Learner, learn
from neuro4d.model._names import plain_step_once
from neuro4d.model._stages import BankInput, GroupTask, Stepped, fire, push_own
from neuro4d.model._state import EdgeState, GroupState, in_force
from neuro4d.ops import History, Pathway, push, put_row, row_of, unpack

AT_ONCE = 1000.0
"""By how much a logarithm falls in a step where nothing is left of a number."""

Tasks = dict[str, GroupTask]
Pasts = dict[str, History]
Rows = dict[str, UInt32[Array, "length w"]]
Held = dict[str, EdgeState]


class Work(NamedTuple):
    """What one call steps: groups, and the pathways between them that learn in it, with what the state holds of those."""

    tasks: Tasks
    learners: dict[str, Learner]
    edges: Held


class Ran(NamedTuple):
    """What many steps leave: states, pasts, plastic synapses, and the packed spikes of each step."""

    groups: dict[str, GroupState]
    history: Pasts
    edges: Held
    rows: Rows


@jax.custom_jvp
def native_step(work: Work, history: Pasts) -> tuple[dict[str, Stepped], Pasts, Held]:
    """One step of several groups, their spikes pushed into their pasts: native on a CPU, plain XLA elsewhere and for derivatives.

    `history`: the past of every group that is stepped or heard.
    """
    return jax.lax.platform_dependent(work, history, cpu=_one, default=_plain_and_push)


@native_step.defjvp
def _native_jvp(primals: tuple, tangents: tuple) -> Any:
    plain, changes = jax.jvp(_plain_and_push, primals, tangents)
    if all(task.surrogate is None for task in primals[0].tasks.values()):
        return plain, changes
    # Spikes decide what follows, so they are those of the simulation to the last bit; who has a slope, plain XLA alone knows.
    after, history, edges = native_step(*primals)
    near = {name: dataclasses.replace(past, near=plain[1][name].near) for name, past in history.items()}
    return (after, near, edges), changes


def native_steps(work: Work, history: Pasts, count: Int32[Array, ""] | None, length: int) -> Ran:
    """`count` steps, at most `length`, of groups that hear only each other: native on a CPU, plain XLA elsewhere.

    `count`: `None` means all `length` steps, and only then is there a derivative.

    **Returns:** what they leave; rows from `count` on mean nothing.
    """
    if count is None:
        return _whole_steps(length, work, history)
    return jax.lax.platform_dependent(
        work,
        history,
        count,
        cpu=lambda work, history, count: _many(work, history, count, length),
        default=lambda work, history, count: plain_steps(work, history, count, length),
    )


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _whole_steps(length: int, work: Work, history: Pasts) -> Ran:
    return jax.lax.platform_dependent(
        work,
        history,
        cpu=lambda work, history: _many(work, history, length, length),
        default=lambda work, history: scanned_steps(work, history, length),
    )


@_whole_steps.defjvp
def _whole_jvp(length: int, primals: tuple, tangents: tuple) -> Any:
    return jax.jvp(lambda work, history: scanned_steps(work, history, length), primals, tangents)


def _plain_and_push(work: Work, history: Pasts) -> tuple[dict[str, Stepped], Pasts, Held]:
    out, history = {}, dict(history)
    for name, task in work.tasks.items():
        out[name] = plain_step_once(task, history)
        history |= out[name].history
    words, clock = {}, next(iter(work.tasks.values())).clock
    for name, task in work.tasks.items():
        words[name], history[name] = push_own(out[name], clock.step, history[name], task.backend)
    edges = learn(work.learners, work.edges, history, words, (clock.step, clock.start))
    return {name: Stepped(x.state, words[name], x.soft, None, {}) for name, x in out.items()}, history, edges


def plain_steps(work: Work, history: Pasts, count: Int32[Array, ""], length: int) -> Ran:
    """What takes the place of the native call where a program is lowered for another platform."""

    def body(i: Array, carry: Any) -> Any:
        states, history, edges, rows = carry
        given = {name: task.outside.changing(i) for name, task in work.tasks.items()}
        states, history, edges, words = _plain_at(work, states, history, edges, i, given)
        rows = {name: jax.lax.dynamic_update_index_in_dim(rows[name], x, i, 0) for name, x in words.items()}
        return states, history, edges, rows

    rows = {name: jnp.zeros((length, task.group.n_words), jnp.uint32) for name, task in work.tasks.items()}
    return Ran(*jax.lax.fori_loop(0, count, body, alike((*_begin(work, history), rows), work, count)))


def scanned_steps(work: Work, history: Pasts, length: int) -> Ran:
    """`length` steps in plain XLA, in a loop that has a derivative in both directions."""

    def body(carry: Any, x: Any) -> Any:
        states, history, edges, words = _plain_at(work, *carry, *x)
        return (states, history, edges), words

    given = {name: task.outside.changing() for name, task in work.tasks.items()}
    (states, history, edges), rows = jax.lax.scan(body, alike(_begin(work, history), work), (jnp.arange(length, dtype=jnp.int32), given))
    return Ran(states, history, edges, rows)


def _begin(work: Work, history: Pasts) -> tuple[dict[str, GroupState], Pasts, Held]:
    return {name: task.state for name, task in work.tasks.items()}, history, work.edges


def _plain_at(
    work: Work, states: dict[str, GroupState], history: Pasts, edges: Held, i: Array, given: dict[str, Any]
) -> tuple[dict[str, GroupState], Pasts, Held, Rows]:
    """Step number `i` of a call, to which stimuli that change give `given`."""
    now = {name: _at_step(task, states[name], edges, i, given[name]) for name, task in work.tasks.items()}
    out, history, edges = _plain_and_push(Work(now, work.learners, edges), history)
    return {name: x.state for name, x in out.items()}, history, edges, {name: x.words for name, x in out.items()}


def _at_step(task: GroupTask, state: GroupState, edges: Held, i: Array, given: Any) -> GroupTask:
    """The task of step number `i` of a call."""
    clock = task.clock._replace(step=task.clock.step + i.astype(jnp.uint32))
    paths = tuple(in_force(path, edges.get(name)) for name, path in zip(task.path_names, task.paths, strict=True))
    return eqx.tree_at(lambda t: (t.state, t.clock, t.outside, t.paths), task, (state, clock, task.outside.with_row(given), paths))


def _one(work: Work, history: Pasts) -> tuple[dict[str, Stepped], Pasts, Held]:
    out, history = _run(work, history, 1, 1)
    after = {}
    for name, task in work.tasks.items():
        if is_foreign(task):
            after[name], history[name] = _fire_foreign(task, out[name], history[name])
        else:
            words, soft = out[name].words[0], None
            if task.surrogate is not None:
                soft, history[name] = _remember_soft(task, words, history[name])
            after[name] = Stepped(_state(task, out[name]), words, soft, None, {})
    return after, history, _learned(work, out)


def _remember_soft(task: GroupTask, words: Array, own: History) -> tuple[Array, History]:
    """The spikes of a native step as numbers, in their row of the past. Nobody differentiates there, so nobody has a slope."""
    soft, row = unpack(words, task.group.n).astype(task.dtype), row_of(own, task.clock.step)
    if own.soft is None or own.near is None:
        return soft, own
    return soft, dataclasses.replace(own, soft=put_row(own.soft, soft, row), near=put_row(own.near, jnp.zeros_like(words), row))


def is_foreign(task: GroupTask) -> bool:
    """Whether the native pass leaves the update of the neurons to plain XLA."""
    return task.constants.native is not None and task.constants.native.neuron is None


def _fire_foreign(task: GroupTask, out: NativeStepped, own: History) -> tuple[Stepped, History]:
    """Neurons that the native pass does not know, from what acts on them."""
    after = fire(task, Drive(**{name: out.cell[name] for name in _exerted(task)}))
    words, own = push(own, after.fired, after.soft, task.clock.step, task.backend, after.near)
    state = GroupState(after.neurons, _receptors(task, out), task.state.alive, task.state.stimuli | out.memories)
    return Stepped(state, words, after.soft, None, {}), own


def _exerted(task: GroupTask) -> set[str]:
    """The parts of a drive that anything exerts on a group; a jump is what arrives, so where nothing can arrive there is none."""
    reached = {number for number, port in enumerate(task.group.ports) if port.late}
    reached |= {*(item.port for item in task.banks), *task.outside.ports}
    parts = {name for drive in task.outside.drives for name in ("g", "i", "jump") if getattr(drive, name) is not None}
    for number, receptor in enumerate(task.constants.receptors.values()):
        parts |= receptor.exerts if number in reached else receptor.exerts - {"jump"}
    return parts | {"i"} if task.outside.noise else parts


def _many(work: Work, history: Pasts, count: Array | int, length: int) -> Ran:
    out, history = _run(work, history, count, length)
    states = {name: _state(work.tasks[name], x) for name, x in out.items()}
    return Ran(states, history, _learned(work, out), {name: x.words for name, x in out.items()})


def _learned(work: Work, out: dict[str, NativeStepped]) -> Held:
    """What a call leaves of the synapses that learned in it."""
    edges = dict(work.edges)
    for group, task in work.tasks.items():
        for name, after in zip(task.path_names, out[group].learned, strict=True):
            if after is not None:
                edges[name] = edges[name]._replace(weight=after.weight, pre=after.pre, post=after.post, heard=after.heard, fired=after.fired)
    return edges


def _run(work: Work, history: Pasts, count: Array | int, length: int) -> tuple[dict[str, NativeStepped], Pasts]:
    tasks = work.tasks
    order = [*tasks, *(name for name in history if name not in tasks)]
    rings = {name: number for number, name in enumerate(order)}
    clock = next(iter(tasks.values())).clock
    groups = [_group(task, rings, work) for task in tasks.values()]
    pasts = [NativeRing(history[name].ids, history[name].count) for name in order]
    out, after = run_native(count, NativeClock(clock.step, clock.start, clock.key), pasts, groups, length=length)
    later = {name: dataclasses.replace(history[name], ids=ring.ids, count=ring.n_fired) for name, ring in zip(order, after, strict=True)}
    return dict(zip(tasks, out, strict=True)), later


def _group(task: GroupTask, rings: dict[str, int], work: Work) -> NativeGroup:
    native = task.constants.native
    if native is None:
        raise TypeError(f"group {task.group.name!r} has no native pass; ask `model.plan()` why.")
    cells, receptors = native_manifest().cells, native_manifest().receptors
    foreign = is_foreign(task)
    cell = NativePart(FOREIGN, {}, {}) if foreign else _part(task.constants.neuron, cells, task.state.neurons, native.neuron)
    ports = zip(task.constants.receptors.values(), task.state.receptors.values(), native.receptors, strict=True)
    return NativeGroup(
        cell=cell,
        ports=tuple(_part(receptor, receptors, state, constants) for receptor, state, constants in ports),
        paths=tuple(_path(path, rings, _learning(work, name)) for name, path in zip(task.path_names, task.paths, strict=True)),
        poisson=tuple(_poisson(item) for item in task.banks),
        extras=tuple(_extras(task)),
        bounds=native.bounds,
        width=task.group.width,
        alive=None if foreign else task.state.alive,
        addresses=None if foreign else task.addresses,
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
    return GroupState(neurons, _receptors(task, out), task.state.alive, task.state.stimuli | out.memories)


def _receptors(task: GroupTask, out: NativeStepped) -> dict[str, Any]:
    held = task.state.receptors.items()
    return {port: state._replace(**new) if new else state for (port, state), new in zip(held, out.ports, strict=True)}


def _path(path: Pathway, rings: dict[str, int], learning: NativeLearning | None) -> NativePath:
    places = (path.delays, path.start, path.bounds, path.targets)
    return NativePath(rings[path.source], path.early, path.weight_kind, *places, path.weight, path.some, learning)


def _learning(work: Work, name: str) -> NativeLearning | None:
    """What a call has to know of a pathway that learns in it."""
    if name not in work.learners:
        return None
    rule, dt, held = work.learners[name].rule, work.learners[name].dt, work.edges[name]
    kind = native_name(rule) or ""
    params = {field: getattr(rule, field) for field in native_manifest().rules[kind].params}
    traces = lambda held, rules: {name: NativeTrace(held[name], dt / trace.tau, trace.nearest) for name, trace in rules.items()}  # noqa: E731
    if held.heard is None:
        raise TypeError(f"native rules keep something of arrivals; {kind} does not.")
    own = {name: NativeTrace(held.pre[name], jnp.float32(dt / x.tau if x.tau else AT_ONCE), False) for name, x in rule.pre_variables().items()}
    strength = held.variables["strength"] if rule.passing() else None
    pre, post = traces(held.pre, rule.pre_traces()), traces(held.post, rule.post_traces())
    return NativeLearning(kind, params, pre | own, post, held.heard, held.fired, strength)


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
        kind: ExtraKind = "noise" if memory is None else "colored_noise"
        extras.append(NativeExtra(kind, noise.mean, std=noise.std, address=item.address, start=item.start, n=item.n, memory=memory))
    return extras
