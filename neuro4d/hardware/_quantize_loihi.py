"""LIF neurons and their synapses in the integers of Loihi: scales, decays, thresholds, mantissas and exponents."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import brainunit as u
import numpy as np
from jaxtyping import Float

from neuro4d._base import AbstractValue, Constant
from neuro4d.hardware._arriving import Arriving, delay_text
from neuro4d.hardware._stored import Shifted, StoredParameter, StoredWeights, parameter, spread_text, stored_weights
from neuro4d.model import Model, cast
from neuro4d.neurons import LoihiLIF
from neuro4d.receptors import Delta, ExpCurrent, PulseCurrent

ROOM = 2.0**21
"""Where the threshold lies at most, so that `v` reaches four times as far below reset before its register ends."""

ROOM_OF_JUMPS = 2.0**19
"""The same where spikes are jumps of the potential: what arrives in one step has 22 bits, and may be four times the threshold."""

LARGEST_BIAS = 4095.0 * 2**7
LARGEST_MANTISSA, LARGEST_MIXED = 255, 254
EXPONENTS = range(-6, 8)
"""Exponents of weights. The chip knows some below, for which the bits that are shifted out are lost."""

TRIES = 64
"""Scales that are tried within a factor of two."""


class Parts(NamedTuple):
    """What a population became: parts, initial values, weights by key, and the report; `zero` and `unit` of `v` in mV."""

    neuron: Any
    receptors: dict[str, Any]
    initial: dict[str, AbstractValue]
    weights: dict[tuple, Float[np.ndarray, " k"]]
    parameters: list[StoredParameter]
    stored: list[StoredWeights]
    unit: Any
    zero: Any


class Decays(NamedTuple):
    """Registers, the shares of `u` and `v` that are lost in a step, and mV of `v` for 1 in the unit of the port, all as numbers of the chip make them."""

    du: Any
    dv: Any
    lost_u: Any
    lost_v: Any
    gain: Any


def loihi_problems(model: Model, name: str, items: Sequence[Arriving], longest: int) -> list[str]:
    """What Loihi cannot do of a population, as sentences."""
    neuron, receptors, dt = model.neurons[name], model.receptors[name], model.dt_ms
    found = []
    kinds = {type(each).__name__ for each in receptors.values()}
    times = {tuple(np.atleast_1d(np.asarray(each.tau)).tolist()) for each in receptors.values() if isinstance(each, ExpCurrent)}
    if len(kinds) > 1:
        found.append(
            f"population {name!r}: ports with currents and ports with jumps; a compartment has one current: give all ports one kind"
        )
    if len(times) > 1:
        shown = " and ".join(f"{np.mean(each):g} ms" for each in sorted(times))
        found.append(
            f"population {name!r}: synapses with time constants of {shown}; a compartment has one current with one decay: give all ports one `tau`"
        )
    hold = float(np.max(neuron.t_ref)) / dt
    if hold > 62.5:
        found.append(
            f"population {name!r}: a refractory period of {hold:.0f} steps; the chip holds for 62: take `dt` of {float(np.max(neuron.t_ref)) / 62:.2g} ms or more"
        )
    slowest = float(np.max(neuron.tau))
    if np.rint(-4096 * np.expm1(-dt / slowest)) < 1:
        found.append(
            f"population {name!r}: tau of {slowest:g} ms, which decays by less than 1/8192 in a step of {dt:g} ms and would not leak: take a larger `dt`"
        )
    for item in items:
        steps = item.delay - ("Delta" in kinds)
        if steps > longest:
            found.append(f"{delay_text(item, steps)}; the chip delays by {longest} at most: shorten it, or take a larger `dt`")
    return found


def to_loihi(model: Model, name: str, items: Sequence[Arriving], current: Any) -> Parts:
    """A population in the integers of the chip. `current`: what stimuli give all the time, in pA, which becomes a bias."""
    neuron = model.neurons[name]
    v_rest, v_th, v_reset = (np.asarray(getattr(neuron, level), np.float64) for level in ("v_rest", "v_th", "v_reset"))
    decays = _decays(model, name)
    push = decays.lost_v * (v_rest - v_reset + np.asarray(neuron.tau, np.float64) / np.asarray(neuron.c, np.float64) * current)
    scale = _scale(items, (v_th - v_reset) / decays.gain, push / decays.gain, "Delta" in _kinds(model, name))
    per_mv = scale / decays.gain
    threshold = np.rint((v_th - v_reset) * per_mv / 64)
    exponent = next(e for e in range(8) if np.max(np.abs(push * per_mv)) <= 4095.5 * 2**e)
    mantissa = np.rint(push * per_mv / 2**exponent)
    hold = np.rint(np.asarray(neuron.t_ref, np.float64) / model.dt_ms)
    made = LoihiLIF(
        du=_short(decays.du),
        dv=_short(decays.dv),
        vth=_short(threshold),
        bias_mant=_short(mantissa),
        bias_exp=_short(exponent),
        hold=_short(hold),
    )
    weights, stored = _weights(items, scale)
    start, zero = model.initial[name].get("v"), v_reset
    if start is None:
        start, zero = Constant.of_bare(0.0, u.mV), v_reset - v_rest
    initial: dict[str, AbstractValue] = {"v": Shifted(start, zero, per_mv, model.dtype)}
    for variable, value in model.initial[name].items():
        if variable != "v":
            initial[variable] = Shifted(value, 0.0, scale / 64, model.dtype)
    receptors = {port: Delta() if isinstance(each, Delta) else PulseCurrent() for port, each in model.receptors[name].items()}
    report = _report(model, name, decays, (threshold, mantissa, exponent, hold), per_mv, push)
    return Parts(cast(made, model.dtype), receptors, initial, weights, report, stored, 1 / per_mv, v_reset)


def _kinds(model: Model, name: str) -> set[str]:
    return {type(each).__name__ for each in model.receptors[name].values()}


def _decays(model: Model, name: str) -> Decays:
    """Registers, and the gain with which the area under a postsynaptic potential stays as it was although decays are rounded."""
    neuron, dt = model.neurons[name], model.dt_ms
    tau = np.asarray(neuron.tau, np.float64)
    lost = -np.expm1(-dt / tau)
    dv = np.rint(4096 * lost)
    area = dv / 4096 / lost
    current = next((each for each in model.receptors[name].values() if isinstance(each, ExpCurrent)), None)
    if current is None:
        return Decays(np.float64(4095), dv, np.float64(1), dv / 4096, area)
    lost_u = -np.expm1(-dt / np.asarray(current.tau, np.float64))
    kept_u = np.maximum(np.rint(4096 * lost_u), 1)
    held = np.asarray(current.constants(dt, neuron.membrane()).held, np.float64)
    gain = held * lost * tau / np.asarray(neuron.c, np.float64)
    return Decays(kept_u - 1, dv, kept_u / 4096, dv / 4096, gain * area * kept_u / 4096 / lost_u)


def _scale(items: Sequence[Arriving], distance: Any, push: Any, jumps: bool) -> float:
    """Units of `u` for 1 in the unit of the port: as many as the registers bear, within a factor of two such that mantissas lose least."""
    limits = [(ROOM_OF_JUMPS if jumps else ROOM) / float(np.max(distance))]
    if np.any(push):
        limits.append(LARGEST_BIAS / float(np.max(np.abs(push))))
    sets = [item.weights for item in items if np.any(item.weights)]
    limits += [LARGEST_MIXED * 2.0 ** (EXPONENTS[-1] + 6) / float(np.abs(each).max()) for each in sets]
    most = min(limits)
    if not sets:
        return most
    some = [each if len(each) <= 4096 else each[:: len(each) // 4096] for each in sets]
    tried = most * 2.0 ** -(np.arange(TRIES) / TRIES)
    return float(min(tried, key=lambda scale: sum(_loss(each, scale) for each in some)))


def _loss(weights: Float[np.ndarray, " k"], scale: float) -> float:
    """Relative change of the sum of sizes, plus the root of the mean square of changes over that of weights."""
    after = _mantissas(weights * scale / 64)[1] * 64 / scale
    wrong = after - weights
    return float(abs(np.abs(after).sum() / np.abs(weights).sum() - 1) + np.sqrt((wrong**2).sum() / (weights**2).sum()))


def _mantissas(x: Float[np.ndarray, " k"]) -> tuple[int, Float[np.ndarray, " k"], int, int]:
    """Weights as whole mantissas of 8 bits times a power of two: exponent, values, how many were clipped, and the distance of two mantissas, which is 2
    where both signs occur."""
    mixed = bool(np.any(x > 0) and np.any(x < 0))
    step, top = (2, LARGEST_MIXED) if mixed else (1, LARGEST_MANTISSA)
    largest = float(np.abs(x).max(initial=0.0))
    exponent = next((e for e in EXPONENTS if largest < (top + step / 2) * 2.0**e), EXPONENTS[-1])
    mantissa = np.rint(x / (step * 2.0**exponent)) * step
    clipped = np.clip(mantissa, -top, top)
    return exponent, clipped * 2.0**exponent, int(np.count_nonzero(clipped != mantissa)), step


def _weights(items: Sequence[Arriving], scale: float) -> tuple[dict[tuple, Float[np.ndarray, " k"]], list[StoredWeights]]:
    changes, report = {}, []
    for item in items:
        exponent, values, clipped, step = _mantissas(item.weights * scale / 64)
        changes[item.key] = values
        size = values / 2.0**exponent
        form = f"{spread_text(size) if len(size) else 'none'} x 2^{exponent}{', even' if step == 2 else ''}"
        report.append(stored_weights(item, values * 64 / scale, form, clipped))
    return changes, report


def _report(model: Model, name: str, decays: Decays, stored: tuple, per_mv: Any, push: Any) -> list[StoredParameter]:
    neuron, dt = model.neurons[name], model.dt_ms
    threshold, mantissa, exponent, hold = stored
    v_th, v_reset = (np.asarray(getattr(neuron, level), np.float64) for level in ("v_th", "v_reset"))
    steady = mantissa * 2.0**exponent / per_mv / decays.lost_v + v_reset
    lines = [parameter(name, "tau", neuron.tau, -dt / np.log1p(-decays.lost_v), "ms", f"dv {spread_text(decays.dv)}")]
    current = next((each for each in model.receptors[name].values() if isinstance(each, ExpCurrent)), None)
    if current is not None:
        with np.errstate(divide="ignore"):
            tau = -dt / np.log1p(-decays.lost_u)
        lines.append(parameter(name, "tau of synapses", current.tau, tau, "ms", f"du {spread_text(decays.du)}"))
    lines.append(parameter(name, "v_th - v_reset", v_th - v_reset, threshold * 64 / per_mv, "mV", f"vth {spread_text(threshold)}"))
    if np.any(mantissa):
        lines.append(
            parameter(name, "steady v", push / decays.lost_v + v_reset, steady, "mV", f"bias {spread_text(mantissa)} x 2^{exponent}")
        )
    lines.append(parameter(name, "t_ref", neuron.t_ref, hold * dt, "ms", f"{spread_text(hold)} steps held"))
    return lines


def _short(x: Any) -> Any:
    """One number where all neurons have the same."""
    x = np.asarray(x, np.float64)
    return x.flat[0] if x.size and (x == x.flat[0]).all() else x
