"""What reaches each neuron of a model, as sums over its synapses: the coefficients of a mean field.

What is known is added up by NumPy, so that a model of many populations compiles nothing here; traced leaves go through JAX.
"""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from neuro4d._base import check_count, is_traced
from neuro4d.analysis._numbers import evenly
from neuro4d.neurons import LIF, PoissonNeuron
from neuro4d.receptors import AlphaCurrent, Delta, ExpCurrent, PulseCurrent


class NeuronInputs(NamedTuple):
    """Neurons that are looked at, `(n,)`, in ms and mV, and their input.

    **Fields:** `current`: constant input in mV/ms; `jumps`, `squares` `(n, P)`: sums of the jumps and of their squares that one spike of every
    neuron of each population makes; `jitter`: squares per ms from outside. Those that begin with `slow` are weighted by sqrt(tau_s / tau), those
    with `white` count inputs without a time constant. `told`: whether the neurons fire at a rate that is given, `told_rate`.
    """

    tau: Any
    v_rest: Any
    v_th: Any
    v_reset: Any
    t_ref: Any
    current: Any
    jumps: Any
    squares: Any
    slow_squares: Any
    white_squares: Any
    jitter: Any
    slow_jitter: Any
    white_jitter: Any
    told: Any
    told_rate: Any


class Equations(eqx.Module):
    """The inputs of the neurons of all populations, one behind the other, whose they are, and the time step."""

    neurons: NeuronInputs
    owner: Int[Array, " n"]
    dt: Array
    names: tuple[str, ...] = eqx.field(static=True)

    def means(self, values: Float[Array, " n"]) -> Float[Array, " P"]:
        """The mean over each population."""
        ones = jax.ops.segment_sum(jnp.ones_like(values), self.owner, len(self.names))
        return jax.ops.segment_sum(values, self.owner, len(self.names)) / ones


class Outside(NamedTuple):
    """Input that does not depend on the rates: mV/ms, mV^2/ms, the same weighted by sqrt(tau_s / tau), and the white part."""

    current: Any
    jitter: Any
    slow: Any
    white: Any


def equations(model: Any, sample: int) -> Equations:
    """The coefficients of a model. Connections are read on the host; float leaves may be traced.

    **Raises:** `TypeError` for what the theory does not know.
    """
    sample = check_count(sample, "mean_field: sample")
    names = tuple(model.populations)
    if model.gaps:
        raise TypeError("mean_field: there is no theory of gap junctions here; measure rates, `n4.simulate(...)`.")
    if is_traced([path.targets for path in model.pathways.values()]):
        raise TypeError(
            "mean_field reads the connections on the host: call it outside of `jit` and `vmap`; `jax.grad` outside of them works."
        )
    chosen = {name: evenly(np.arange(model.populations[name].size), sample) for name in names}
    each = [_inputs(model, name, chosen[name], names) for name in names]
    owner = np.repeat(np.arange(len(names)), [len(chosen[name]) for name in names])
    together = NeuronInputs(*(jnp.asarray(_numpy(*parts).concatenate(parts)) for parts in zip(*each, strict=True)))
    return Equations(together, jnp.asarray(owner), jnp.asarray(model.dt_ms, model.dtype), names)


def _inputs(model: Any, name: str, ids: np.ndarray, names: tuple[str, ...]) -> NeuronInputs:
    neuron, n, dtype = model.neurons[name], len(ids), model.dtype
    one, none, still = np.ones(n, dtype), np.zeros(n, dtype), np.zeros((n, len(names)), dtype)
    if isinstance(neuron, PoissonNeuron):
        rate, t_ref = _of(neuron.rate, ids), _of(neuron.t_ref, ids)
        told = rate / (1 + rate * t_ref)
        return NeuronInputs(one, none, one, none, one, none, still, still, still, still, none, none, none, one > 0, told)
    if not isinstance(neuron, LIF):
        raise TypeError(f"mean_field: {name!r} has {type(neuron).__name__} neurons; there is a theory of `LIF` and `PoissonNeuron` only.")
    tau, c, t_ref = (_of(x, ids) for x in (neuron.tau, neuron.c, neuron.t_ref))
    v_rest, v_th, v_reset = (_of(x, ids) for x in (neuron.v_rest, neuron.v_th, neuron.v_reset))
    columns: list[tuple] = [(none, none, none, none)] * len(names)
    for span in model.layout.projections:
        if span.post.population == name:
            jump, tau_syn = _jump(model, name, span.port, ids, c)
            sums, sums_of_squares = _sums(model, span, ids)
            squares = jump**2 * sums_of_squares
            mine = (jump * sums, squares, squares * _root(tau_syn, tau), _where(tau_syn > 0, 0, squares))
            at = names.index(span.pre.population)
            columns[at] = tuple(x + y for x, y in zip(columns[at], mine, strict=True))
    jumps, squares, slow, white = (_numpy(*parts).stack(parts, axis=1) for parts in zip(*columns, strict=True))
    outside = _outside(model, name, ids, tau, c)
    return NeuronInputs(
        tau, v_rest, v_th, v_reset, t_ref, none + outside.current, jumps, squares, slow, white,
        none + outside.jitter, none + outside.slow, none + outside.white, none > 0, none,
    )  # fmt: skip


def _numpy(*values: Any) -> Any:
    """NumPy, or that of JAX where a value is traced."""
    return jnp if is_traced(values) else np


def _where(condition: Any, x: Any, y: Any) -> Any:
    return _numpy(condition, x, y).where(condition, x, y)


def _root(tau_syn: Any, tau: Any) -> Any:
    """sqrt(tau_syn / tau), with a derivative also where the first is 0."""
    slow = tau_syn > 0
    return _where(slow, (_where(slow, tau_syn, 1) / tau) ** 0.5, 0)


def _of(parameter: Any, ids: np.ndarray) -> Any:
    """A parameter of some neurons."""
    x = parameter if is_traced(parameter) else np.asarray(parameter)
    return _numpy(x).broadcast_to(x, (len(ids),)) if x.ndim == 0 else x[ids]


def _jump(model: Any, population: str, port: str, ids: np.ndarray, c: Any) -> tuple[Any, Any]:
    """The jump of the potential that a weight of 1 makes in the end, mV, and the time constant of the current, ms; both `(n,)`."""
    receptor = model.receptors[population][port]
    none = np.zeros(len(ids), model.dtype)
    if isinstance(receptor, Delta):
        return none + 1, none
    if isinstance(receptor, PulseCurrent):
        return model.dt_ms / c, none
    if isinstance(receptor, ExpCurrent):
        tau = _of(receptor.tau, ids)
        return tau / c, tau
    if isinstance(receptor, AlphaCurrent):
        tau = _of(receptor.tau, ids)
        return math.e * tau / c, tau
    raise TypeError(
        f"mean_field: port {port!r} of {population!r} is {type(receptor).__name__}; the theory knows `Delta`, `PulseCurrent`, `ExpCurrent` and "
        "`AlphaCurrent`. With conductances the membrane time constant follows the activity, and no formula of this kind holds: measure, "
        "`n4.train.Differences()`, or `n4.train.tune(...)` without a gradient."
    )


def _sums(model: Any, span: Any, ids: np.ndarray) -> tuple[Any, Any]:
    """Sums of the weights of a projection, and of their squares, over the synapses of some target neurons."""
    path = model.pathways[span.pathway]
    # Weights that are their own places: what `edges` then gives as weights says where each weight lies, also of traced ones.
    places = np.arange(np.size(path.weight), dtype=np.float64).reshape(np.shape(path.weight))
    edges = eqx.tree_at(lambda m: m.pathways[span.pathway].weight, model, places).edges(span.name)
    row = np.full(model.populations[span.post.population].size, -1)
    row[ids] = np.arange(len(ids))
    mine = row[edges.post] >= 0
    place, target = np.asarray(edges.weight.mantissa)[mine].astype(np.int64), row[edges.post[mine]]
    if is_traced(path.weight):
        weight = jnp.reshape(path.weight, -1)[place]
        return jax.ops.segment_sum(weight, target, len(ids)), jax.ops.segment_sum(weight**2, target, len(ids))
    weight = np.asarray(path.weight).reshape(-1)[place].astype(np.float64)
    return tuple(np.bincount(target, x, len(ids)).astype(model.dtype) for x in (weight, weight**2))  # type: ignore[return-value]


def _outside(model: Any, name: str, ids: np.ndarray, tau: Any, c: Any) -> Outside:
    """Everything that stimuli bring to some neurons of a population."""
    span = model.populations[name]
    total = Outside(0.0, 0.0, 0.0, 0.0)
    for bank in model.layout.banks:
        if bank.group == span.group:
            total = _add(total, _bank(model, name, bank, ids + span.start, ids, tau, c))
    for stimulus in model.layout.stimuli:
        if stimulus.group == span.group:
            place = ids + span.start - stimulus.start
            inside = (place >= 0) & (place < stimulus.n)
            if inside.any():
                total = _add(total, _source(model, stimulus, np.clip(place, 0, stimulus.n - 1), inside, tau, c))
    return total


def _add(a: Outside, b: Outside) -> Outside:
    return Outside(*(x + y for x, y in zip(a, b, strict=True)))


def _bank(model: Any, name: str, span: Any, neurons: np.ndarray, ids: np.ndarray, tau: Any, c: Any) -> Outside:
    """Constant Poisson input of a port; `neurons` are places in the group."""
    bank = model.banks[span.name]
    if not any(((neurons >= first) & (neurons < first + size)).any() for first, size, *_ in bank.parts):
        return Outside(0.0, 0.0, 0.0, 0.0)
    if bank.hold:
        raise TypeError(f"mean_field: a Poisson input of {name!r} changes in time; the theory is one of stationary rates.")
    jump, tau_syn = _jump(model, name, span.port, ids, c)
    current = jitter = np.zeros(len(ids), model.dtype)
    for first, size, segment, count in bank.parts:
        inside = (neurons >= first) & (neurons < first + size)
        at = segment + (np.clip(neurons - first, 0, size - 1) if count > 1 else np.zeros(len(ids), int))
        rate, size_of_jump = _where(inside, _at(bank.mean, at), 0) / model.dt_ms, jump * _at(bank.weight, at)
        current, jitter = current + rate * size_of_jump, jitter + rate * size_of_jump**2
    return Outside(current, jitter, jitter * _root(tau_syn, tau), _where(tau_syn > 0, 0, jitter))


def _source(model: Any, span: Any, place: np.ndarray, inside: np.ndarray, tau: Any, c: Any) -> Outside:
    """A constant or noisy current; `place` counts from the first neuron of the stimulus."""
    source = model.sources[span.name]
    if source.takes_value:
        return Outside(0.0, 0.0, 0.0, 0.0)
    if source.steady and span.port is None:
        drive = source.emit(None)
        if drive.g is None and drive.jump is None:
            return Outside(_where(inside, _of(drive.i, place) / c, 0), 0.0, 0.0, 0.0)
    noise = source.noise()
    if noise is None:
        raise TypeError(f"mean_field: stimulus {span.name!r} changes in time; the theory is one of stationary rates.")
    current = _where(inside, _of(noise.mean, place) / c, 0)
    if noise.decay is None:  # held for a step: in a time t the potential diffuses by std^2 dt t / c^2
        jitter = _where(inside, (_of(noise.std, place) / c) ** 2 * model.dt_ms, 0)
        return Outside(current, jitter, 0.0, jitter)
    tau_noise = -model.dt_ms / _numpy(noise.decay).log(_of(noise.decay, place))
    jitter = _where(inside, 2 * tau_noise * (_of(noise.spread, place) / c) ** 2, 0)
    return Outside(current, jitter, jitter * _root(tau_noise, tau), 0.0)


def _at(values: Any, places: np.ndarray) -> Any:
    return (values if is_traced(values) else np.asarray(values))[places]
