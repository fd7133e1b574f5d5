"""LIF neurons and their synapses in the fixed-point numbers of SpiNNaker: constants in s16.15, weights of 16 bits with a shift for each buffer."""

from collections.abc import Sequence
from typing import Any

import brainunit as u
import numpy as np
from jaxtyping import Float

from neuro4d._base import AbstractValue, Constant
from neuro4d.hardware._arriving import Arriving, delay_text
from neuro4d.hardware._quantize_loihi import Parts
from neuro4d.hardware._stored import Shifted, StoredParameter, StoredWeights, parameter, spread_text, stored_weights
from neuro4d.model import Model, cast
from neuro4d.neurons import SpiNNakerLIF
from neuro4d.receptors import Delta, ExpCurrent, SpiNNakerCurrent

ONE = 2.0**15
FULL = 2**16 - 1
LONGEST = 144
"""Steps: 16 in a row of synapses, times 9 with the delay stages of sPyNNaker."""

SIGMA = 5.0
"""How many standard deviations above its mean a buffer has room for, as sPyNNaker takes it."""

LARGEST = 65535.0


def spinnaker_problems(model: Model, name: str, items: Sequence[Arriving]) -> list[str]:
    """What SpiNNaker cannot do of a population, as sentences."""
    neuron, dt = model.neurons[name], model.dt_ms
    found = []
    levels = max(float(np.abs(np.asarray(getattr(neuron, level))).max()) for level in ("v_rest", "v_th", "v_reset"))
    resistance = float(np.max(1000 * np.asarray(neuron.tau) / np.asarray(neuron.c)))
    if levels > LARGEST or resistance > LARGEST:
        found.append(
            f"population {name!r}: potentials up to {levels:g} mV and a resistance of {resistance:g} MOhm; s16.15 holds numbers up to {LARGEST:g}"
        )
    slowest = float(np.max(neuron.tau))
    if np.rint(ONE * np.exp(-dt / slowest)) >= ONE:
        found.append(
            f"population {name!r}: tau of {slowest:g} ms, of which exp(-dt/tau) is 1 in s16.15, so that it would not leak: take a larger `dt`"
        )
    jumps = any(isinstance(each, Delta) for each in model.receptors[name].values())
    if jumps and any(np.ptp(np.asarray(x)) for x in (neuron.tau, neuron.c)):
        found.append(
            f"population {name!r}: jumps of neurons whose `tau` or `c` differ, each of which would need weights of its own; give all the same"
        )
    for item in items:
        steps = item.delay + (0 if isinstance(model.receptors[name][item.port], Delta) else 1)
        if steps > LONGEST:
            found.append(
                f"{delay_text(item, steps)}; the chip's software delays by {LONGEST} at most: shorten it, or take a larger `dt`"
            )
    return found


def to_spinnaker(model: Model, name: str, items: Sequence[Arriving]) -> Parts:
    """A population in the numbers of the chip. What stimuli give as a current stays as it is."""
    neuron, dt = model.neurons[name], model.dt_ms
    tau, c, v_rest, v_th, v_reset, t_ref = (
        np.asarray(getattr(neuron, field), np.float64) for field in ("tau", "c", "v_rest", "v_th", "v_reset", "t_ref")
    )
    made = SpiNNakerLIF(
        tau=tau * u.ms, c=c * u.pF, v_rest=v_rest * u.mV, v_th=v_th * u.mV, v_reset=v_reset * u.mV, t_ref=t_ref * u.ms, i_offset=0 * u.pA
    )
    # The charge, in pC, that moves the potential by 1 mV and is as large under its decay as in the model.
    charge = float(np.max(dt * c / (1000 * tau * -np.expm1(-dt / tau))))
    receptors: dict[str, Any] = {}
    weights: dict[tuple, Float[np.ndarray, " k"]] = {}
    stored: list[StoredWeights] = []
    for port, receptor in model.receptors[name].items():
        mine = [item for item in items if item.port == port]
        per_unit = 1e-3 if isinstance(receptor, ExpCurrent) else charge
        shift, side = _shift(mine, per_unit), _side(mine)
        numbers: Any = (
            {"tau": np.asarray(receptor.tau, np.float64) * u.ms, "shift": shift, "inhibitory": side}
            if isinstance(receptor, ExpCurrent)
            else None
        )
        unit = 2.0 ** (shift - 15)
        receptors[port] = Delta() if numbers is None else cast(SpiNNakerCurrent(**numbers), model.dtype)
        for item in mine:
            counts = np.rint(item.weights * per_unit / unit)
            held = np.clip(counts, -FULL, FULL)
            weights[item.key] = held * unit if numbers is None else held
            form = f"{spread_text(held) if len(held) else 'none'} x 2^{shift - 15} {'pC' if numbers is None else 'nA'}"
            stored.append(stored_weights(item, held * unit / per_unit, form, int(np.count_nonzero(held != counts))))
    start, zero = model.initial[name].get("v"), np.zeros(())
    if start is None:
        start, zero = Constant.of_bare(0.0, u.mV), -v_rest
    initial: dict[str, AbstractValue] = {"v": Shifted(start, zero, ONE, model.dtype)}
    for variable, value in model.initial[name].items():
        if variable != "v":
            initial[variable] = Shifted(value, 0.0, ONE / 1000, model.dtype)
    return Parts(cast(made, model.dtype), receptors, initial, weights, _report(model, name, made), stored, 1 / ONE, 0.0)


def _side(items: Sequence[Arriving]) -> float:
    """0 for an excitatory port, 1 for an inhibitory one, 0.5 for both."""
    up, down = (any(np.any(sign * item.weights > 0) for item in items) for sign in (1, -1))
    return 0.5 if up and down else float(down)


def _shift(items: Sequence[Arriving], per_unit: float) -> int:
    """The shift with which the buffers of a port have room for what arrives in a step, as sPyNNaker finds it: mean and standard deviations of
    Poisson trains with the weights of every projection, and the largest weight, the larger sign of the two."""
    most = 0.0
    for sign in (1, -1):
        mean = variance = 0.0
        for item in items:
            w = np.maximum(sign * item.weights, 0) * per_unit
            if not np.any(w):
                continue
            mean += item.expected * w.mean()
            variance += item.expected * (w**2).mean()
            most = max(most, w.max())
        most = max(most, mean + SIGMA * variance**0.5)
    power = max(0, int(np.ceil(np.log2(most)))) if most > 0 else 0
    return min(power + (2.0**power <= most), 15)


def _report(model: Model, name: str, made: SpiNNakerLIF) -> list[StoredParameter]:
    neuron, dt = model.neurons[name], model.dt_ms
    constants = made.constants(dt)
    keep, resistance = np.asarray(constants.keep, np.float64), np.asarray(constants.resistance, np.float64)
    lines = [
        parameter(name, "tau", neuron.tau, -dt / np.log(keep / ONE), "ms", f"exp(-dt/tau) {spread_text(keep)} x 2^-15"),
        parameter(
            name,
            "tau / c",
            1000 * np.asarray(neuron.tau, np.float64) / np.asarray(neuron.c),
            resistance / ONE,
            "MOhm",
            f"{spread_text(resistance)} x 2^-15",
        ),
    ]
    for port, receptor in model.receptors[name].items():
        if isinstance(receptor, ExpCurrent):
            tau = np.asarray(receptor.tau, np.float64)
            decay = np.floor(np.exp(-dt / tau) * 2.0**32)
            lines.append(
                parameter(name, f"tau of {port}", tau, -dt / np.log(decay / 2.0**32), "ms", f"decay {spread_text(decay / 2.0**32)}")
            )
    for level in ("v_rest", "v_th", "v_reset"):
        lines.append(parameter(name, level, getattr(neuron, level), np.asarray(getattr(constants, level)) / ONE, "mV", "s16.15"))
    hold = np.asarray(constants.hold)
    lines.append(parameter(name, "t_ref", neuron.t_ref, hold * dt, "ms", f"{spread_text(hold)} steps held"))
    return lines
