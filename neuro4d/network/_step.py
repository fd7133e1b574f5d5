"""One step of a model. The order is fixed and public: deliver, decay, drive, fire, learn, remember."""

from typing import Any

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Int32, UInt32

from neuro4d._base import Drive, UnknownNameError, address, did_you_mean, step_address
from neuro4d.network._fused import Fused, fused_run, fused_step, prepare_fused
from neuro4d.network._groups import fuse
from neuro4d.network._state import Spikes, State
from neuro4d.network._task import Given, Outcome, Task, Timing, portable_step
from neuro4d.ops import Pathway
from neuro4d.stimuli import Now


class Prepared(eqx.Module):
    """What follows from the parameters alone: propagators of fused groups, tables of Poisson counts, constants of native passes."""

    neurons: dict[str, Any]
    receptors: dict[str, dict[str, Any]]
    tables: dict[str, UInt32[Array, "s j"]]
    models: dict[str, Any]
    fused: dict[str, Fused | None]
    steady: dict[str, Drive]


def prepare(model: Any) -> Prepared:
    """The constants of a step, computed once per run. `scan` calls it outside the loop, `step` in every step."""
    neurons, receptors, models, natives = {}, {}, {}, {}
    for group, _ in model.layout.sizes:
        spans = [span for span in model.layout.spans if span.group == group]
        sizes = [span.size for span in spans]
        names = dict(model.layout.ports)[group]
        parts = [model.neurons[span.name] for span in spans]
        fused = fuse(parts, sizes)
        ports = {port: fuse([model.receptors[span.name][port] for span in spans], sizes) for port in names}
        neurons[group] = fused.constants(model.dt)
        receptors[group] = {port: receptor.constants(model.dt, fused.membrane()) for port, receptor in ports.items()}
        models[group] = (fused, ports)
        natives[group] = prepare_fused(model, spans)
    tables = {name: bank.table() for name, bank in model.banks.items()}
    return Prepared(neurons, receptors, tables, models, natives, _steady(model))


def _steady(model: Any) -> dict[str, Drive]:
    """Stimuli that never change, summed for every group."""
    drives = {group: Drive() for group, _ in model.layout.sizes}
    nothing = jnp.uint32(0)
    for wire in model.layout.wires:
        source = model.sources[wire.name]
        if source.steady:
            drives[wire.group] = drives[wire.group] + _spread_drive(source.emit(Now(nothing, nothing, nothing, None)), wire, model)
    return drives


def _spread_drive(drive: Drive, wire: Any, model: Any) -> Drive:
    n = dict(model.layout.sizes)[wire.group]
    return Drive(*(_spread(x, wire.start, wire.n, n) for x in (drive.g, drive.i, drive.jump)))


def advance(model: Any, prepared: Prepared, state: State, inputs: dict[str, Any] | None) -> tuple[State, Spikes]:
    """One step, from prepared constants: group by group, since a spike acts in a later step at the earliest."""
    given = _stimulate(model, prepared, state, check_inputs(model, inputs))
    history = dict(state.history)
    neurons, receptors, words = {}, {}, {}
    soft: dict[str, Any] = {}
    for group, n in model.layout.sizes:
        task = _task(model, prepared, state, history, given[group], group, n)
        native = prepared.fused[group]
        out: Outcome = portable_step(task) if native is None else fused_step(task, native)
        neurons[group], receptors[group], words[group], soft[group] = out.neurons, out.receptors, out.words, out.soft
        history |= out.history
    spikes = Spikes(words, None if model.surrogate is None else soft, model.layout.spans, model.layout.sizes)
    return State(neurons, receptors, state.weights, history, state.key, state.step + jnp.uint32(1), state.start, state.fault), spikes


def runs_natively(model: Any, prepared: Prepared) -> bool:
    """Whether many steps can be one native call: one group, all of whose input stays the same or is constant Poisson input."""
    one = len(model.layout.sizes) == 1 and all(native is not None for native in prepared.fused.values())
    return one and all(model.sources[wire.name].steady for wire in model.layout.wires) and model.layout.backend.native_here


def advance_many(
    model: Any, prepared: Prepared, state: State, count: Int32[Array, ""], length: int
) -> tuple[State, dict[str, UInt32[Array, "length w"]]]:
    """`count` steps, at most `length`, of a model that `runs_natively`, bit for bit as `advance` makes them.

    **Returns:** the state, and the packed spikes of each step by group; rows from `count` on mean nothing.
    """
    ((group, n),) = model.layout.sizes
    task = _task(model, prepared, state, dict(state.history), _stimulate(model, prepared, state, {})[group], group, n)
    native = prepared.fused[group]
    if native is None:
        raise TypeError(f"group {group!r} has no native pass; ask `runs_natively` first.")
    out = fused_run(task, native, count, length)
    step = state.step + count.astype(jnp.uint32)
    after = State({group: out.neurons}, {group: out.receptors}, state.weights, out.history, state.key, step, state.start, state.fault)
    return after, {group: out.words}


def _task(model: Any, prepared: Prepared, state: State, history: dict, given: Given, group: str, n: int) -> Task:
    """All that the step of one group needs."""
    paths = tuple(_with_weights(path, state.weights.get(name)) for name, path in model.pathways.items() if path.target == group)
    neuron, ports = prepared.models[group]
    banks = tuple(
        (model.banks[name], prepared.tables[name], dict(model.layout.ports)[group].index(port))
        for name, owner, port in model.layout.bank_ports
        if owner == group
    )
    return Task(
        neuron=neuron,
        constants=prepared.neurons[group],
        state=state.neurons[group],
        ports=tuple(ports.values()),
        port_constants=tuple(prepared.receptors[group].values()),
        port_states=tuple(state.receptors[group][port] for port in ports),
        paths=paths,
        history={name: history[name] for name in (group, *(path.source for path in paths))},
        banks=tuple((bank, table) for bank, table, _ in banks),
        given=given,
        timing=Timing(state.step, state.start, state.key),
        surrogate=model.surrogate,
        group=group,
        n=n,
        port_names=tuple(ports),
        bank_ports=tuple(port for *_, port in banks),
        served=tuple((port, early) for owner, port, early in sorted(model.layout.served) if owner == group),
        backend=model.layout.backend,
        dtype=model.dtype,
    )


def _with_weights(path: Pathway, weight: Array | None) -> Pathway:
    """A pathway with the weights of the state, where they live there."""
    return path if weight is None else eqx.tree_at(lambda p: p.weight, path, weight)


def _stimulate(model: Any, prepared: Prepared, state: State, values: dict[str, Any]) -> dict[str, Given]:
    """Stimuli other than constant Poisson input: drives and arrivals by group, in the order of their definition."""
    elapsed = state.step - state.start
    drives: dict[str, list[Drive]] = {group: [drive] for group, drive in prepared.steady.items()}
    arrivals: dict[str, list[Array]] = {group: [] for group, _ in model.layout.sizes}
    ports: dict[str, list[int]] = {group: [] for group, _ in model.layout.sizes}
    for wire in model.layout.wires:
        source = model.sources[wire.name]
        if source.steady:
            continue
        a, b = step_address(state.key, address(0, "stimulus", wire.name), elapsed)
        out = source.emit(Now(elapsed, a, b, values.get(wire.name)))
        if isinstance(out, Drive):
            drives[wire.group].append(_spread_drive(out, wire, model))
        elif out is not None:
            arrivals[wire.group].append(_spread(jnp.asarray(out), wire.start, wire.n, dict(model.layout.sizes)[wire.group]))
            ports[wire.group].append(dict(model.layout.ports)[wire.group].index(wire.port))
    return {group: Given(tuple(drives[group]), tuple(arrivals[group]), tuple(ports[group])) for group in drives}


def _spread(x: Any, start: int, size: int, n: int) -> Any:
    """A value for some neurons as a value for their whole group, 0 elsewhere."""
    if x is None or (start == 0 and size == n):
        return x
    return jnp.zeros(n, x.dtype).at[start : start + size].set(x)


def check_inputs(model: Any, inputs: dict[str, Any] | None) -> dict[str, Any]:
    """Values for input ports, bare, in the precision of the model. Raises for names that no port carries and shapes that do not fit."""
    given = {}
    wires = {wire.name: wire for wire in model.layout.wires}
    for name, value in (inputs or {}).items():
        if name not in wires or not model.sources[name].takes_value:
            names = [n for n in wires if model.sources[n].takes_value]
            raise UnknownNameError(f"no Input named {name!r}.{did_you_mean(name, names)}")
        wire, source = wires[name], model.sources[name]
        if isinstance(value, u.Quantity):
            value = value.to_decimal(u.pA if wire.port is None else model.port_unit(wire.group, wire.port))
        value = jnp.asarray(value, model.dtype)
        if value.shape not in ((), source.value_shape()):
            raise ValueError(f"input {name!r} is a scalar or has shape {source.value_shape()}; got shape {value.shape}.")
        given[name] = value
    return given
