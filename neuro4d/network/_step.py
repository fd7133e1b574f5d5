"""One step of a model. The order is fixed and public: deliver, decay, drive, fire, learn, remember."""

from typing import Any

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, UInt32

from neuro4d._base import Drive, UnknownNameError, address, did_you_mean, step_address
from neuro4d.network._groups import fuse
from neuro4d.network._state import Spikes, State
from neuro4d.ops import by_port, deliver, pack, push
from neuro4d.stimuli import Now


class Prepared(eqx.Module):
    """What follows from the parameters alone: propagators of fused groups and tables of Poisson counts."""

    neurons: dict[str, Any]
    receptors: dict[str, dict[str, Any]]
    tables: dict[str, UInt32[Array, "s j"]]
    models: dict[str, Any]


def prepare(model: Any) -> Prepared:
    """The constants of a step, computed once per run. `scan` calls it outside the loop, `step` in every step."""
    neurons, receptors, models = {}, {}, {}
    for group, _ in model.layout.sizes:
        spans = [span for span in model.layout.spans if span.group == group]
        sizes = [span.size for span in spans]
        fused = fuse([model.neurons[span.name] for span in spans], sizes)
        membrane = fused.membrane()
        ports = {port: fuse([model.receptors[span.name][port] for span in spans], sizes) for port in dict(model.layout.ports)[group]}
        neurons[group] = fused.constants(model.dt)
        receptors[group] = {port: receptor.constants(model.dt, membrane) for port, receptor in ports.items()}
        models[group] = (fused, ports)
    return Prepared(neurons, receptors, {name: bank.table() for name, bank in model.banks.items()}, models)


def advance(model: Any, prepared: Prepared, state: State, inputs: dict[str, Any] | None) -> tuple[State, Spikes]:
    """One step, from prepared constants."""
    given = check_inputs(model, inputs)
    early, late, history = _deliver(model, state)
    drives = _stimulate(model, prepared, state, given, late)
    neurons, receptors, words, soft = {}, {}, {}, {}
    for group, _ in model.layout.sizes:
        neuron, ports = prepared.models[group]
        receptors[group], drive = _receive(ports, prepared.receptors[group], state.receptors[group], early, late, group, drives[group])
        neurons[group], fired = neuron.step(prepared.neurons[group], state.neurons[group], drive)
        words[group] = pack(fired.spikes)
        soft[group] = None if model.surrogate is None else model.surrogate.spike(fired.excess)
        history[group] = push(history[group], fired.spikes, words[group], soft[group], state.step)
    spikes = Spikes(words, None if model.surrogate is None else soft, model.layout.spans, model.layout.sizes)
    return State(neurons, receptors, state.weights, history, state.key, state.step + jnp.uint32(1), state.start, state.fault), spikes


def _deliver(model: Any, state: State) -> tuple[dict, dict, dict]:
    """Deliver: what arrives by synapses, by (group, port): at the beginning of the step (delay 0) and at its end."""
    history = dict(state.history)
    sums: dict[tuple[str, bool], Array] = {}
    shapes = {}
    for path in model.pathways.values():
        key = (path.target, path.early)
        acc = sums.get(key)
        if acc is None:
            acc = jnp.zeros((path.n_blocks, path.block_size), model.dtype)
        sums[key], history[path.source] = deliver(path, history[path.source], state.step, acc, model.layout.backend)
        shapes[key] = (path.n_ports, path.width, path.n_target)
    early, late = {}, {}
    for (group, is_early), acc in sums.items():
        rows = by_port(acc, *shapes[group, is_early])
        for number, port in enumerate(dict(model.layout.ports)[group]):
            if (group, port, is_early) in model.layout.served:
                (early if is_early else late)[group, port] = rows[number]
    return early, late, history


def _stimulate(model: Any, prepared: Prepared, state: State, given: dict[str, Any], late: dict) -> dict[str, Drive]:
    """Stimuli: arrivals are added to `late`, drives are returned by group."""
    elapsed = state.step - state.start
    for name, group, port in model.layout.bank_ports:
        bank = model.banks[name]
        a, b = step_address(state.key, (bank.a0, bank.b0), elapsed)
        _add(late, (group, port), bank.emit_bank(prepared.tables[name], a, b))
    drives = {group: Drive() for group, _ in model.layout.sizes}
    for wire in model.layout.wires:
        a, b = step_address(state.key, address(0, "stimulus", wire.name), elapsed)
        out = model.sources[wire.name].emit(Now(elapsed, a, b, given.get(wire.name)))
        n = dict(model.layout.sizes)[wire.group]
        if isinstance(out, Drive):
            drives[wire.group] = drives[wire.group] + Drive(*(_spread(x, wire.start, wire.n, n) for x in (out.g, out.i, out.jump)))
        elif out is not None:
            _add(late, (wire.group, wire.port), _spread(out, wire.start, wire.n, n))
    return drives


def _add(table: dict, key: tuple, value: Array) -> None:
    table[key] = value if table.get(key) is None else table[key] + value


def _spread(x: Array | None, start: int, size: int, n: int) -> Array | None:
    """A value for some neurons as a value for their whole group, 0 elsewhere."""
    if x is None or (start == 0 and size == n):
        return x
    return jnp.zeros(n, x.dtype).at[start : start + size].set(x)


def _receive(ports: dict, constants: dict, states: dict, early: dict, late: dict, group: str, drive: Drive) -> tuple[dict, Drive]:
    """Decay and drive: receptors act with what they hold, decay, and take what arrives."""
    out = {}
    for port, receptor in ports.items():
        held = states[port]
        if (group, port) in early:
            held = receptor.early(held, constants[port], early[group, port])
        out[port], share = receptor.step(constants[port], held, late.get((group, port)))
        drive = drive + share
    return out, drive


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
        if value.shape not in ((), source.shape):
            raise ValueError(f"input {name!r} is a scalar or has shape {source.shape}; got shape {value.shape}.")
        given[name] = value
    return given
