"""One neuron with its published input: the firing patterns of Izhikevich and of Naud."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import brainunit as u
import numpy as np

from neuro4d._base import UnknownNameError
from neuro4d.network import Network, Population
from neuro4d.neurons import AdEx, Izhikevich
from neuro4d.stimuli import Clamp, Waveform
from neuro4d.zoo._entry import ZooEntry

TYPES = "Izhikevich (2003), IEEE Trans. Neural Netw. 14, 1569, figure 2"
WHICH = "Izhikevich (2004), IEEE Trans. Neural Netw. 15, 1063, figure 1"
NAUD = "Naud, Marcille, Clopath and Gerstner (2008), Biol. Cybern. 99, 335, figure 4"
Input = Callable[[np.ndarray], np.ndarray]


class Case(NamedTuple):
    """A pattern: the preset, what it shows, where `v` starts (mV), step and duration (ms), and the input (pA at 1 pF) by time (ms). `u0` in
    mV/ms is b v unless given."""

    name: str
    preset: str
    summary: str
    v0: float
    dt: float
    duration: float
    current: Input
    source: str = WHICH
    u0: float | None = None


def _from(time: float, amplitude: float, before: float = 0.0) -> Input:
    return lambda t: np.where(t > time, amplitude, before)


def _pulses(amplitude: float, length: float, *times: float, base: float = 0.0) -> Input:
    return lambda t: base + amplitude * np.any([(t > at) & (t < at + length) for at in times], axis=0)


def _ramp(slope: float, base: float) -> Input:
    return lambda t: np.where(t > 30, base + slope * (t - 30), base)


def _threshold_variability(t: np.ndarray) -> np.ndarray:
    return _pulses(1.0, 5.0, 10.0, 80.0)(t) + _pulses(-6.0, 5.0, 70.0)(t)


def _accommodation(t: np.ndarray) -> np.ndarray:
    return np.where(t < 200, t / 25, np.where((t >= 300) & (t < 312.5), (t - 300) / 12.5 * 4, 0.0))


def _inhibition(t: np.ndarray) -> np.ndarray:
    return np.where((t < 50) | (t > 250), 80.0, 75.0)


CASES = (
    Case("RS", "RS", "regular spiking: a slow, adapting train", -70, 0.25, 200, _from(20, 14), TYPES),
    Case("IB", "IB", "intrinsically bursting: a burst, then single spikes", -70, 0.25, 200, _from(20, 11), TYPES),
    Case("CH", "CH", "chattering: bursts again and again", -70, 0.25, 200, _from(20, 10), TYPES),
    Case("FS", "FS", "fast spiking: a fast train without adaptation", -70, 0.25, 200, _from(20, 10), TYPES),
    Case("LTS", "LTS", "low-threshold spiking: a fast train that adapts", -64, 0.25, 200, _from(20, 10), TYPES),
    Case("TC", "TC", "thalamo-cortical: tonic from -63 mV", -63, 0.25, 200, _from(20, 1.5), TYPES),
    Case("TC-rebound", "TC", "thalamo-cortical: a burst from -87 mV", -87, 0.25, 200, _from(0, 0), TYPES),
    Case("RZ", "RZ", "resonator: a short pulse switches a rhythm on", -62.5, 0.25, 200, _pulses(2, 2, 50, base=0.2), TYPES),
    Case("tonic-spiking", "tonic-spiking", "a train as long as the input lasts", -70, 0.25, 100, _from(10, 14)),
    Case("phasic-spiking", "phasic-spiking", "one spike at the onset", -64, 0.25, 200, _from(20, 0.5)),
    Case("tonic-bursting", "tonic-bursting", "bursts as long as the input lasts", -70, 0.25, 220, _from(22, 15)),
    Case("phasic-bursting", "phasic-bursting", "one burst at the onset", -64, 0.2, 200, _from(20, 0.6)),
    Case("mixed-mode", "mixed-mode", "a burst at the onset, then a train", -70, 0.25, 160, _from(16, 10)),
    Case("frequency-adaptation", "frequency-adaptation", "intervals that grow", -70, 0.25, 85, _from(8.5, 30)),
    Case("class-1", "class-1", "a rate that begins at zero, on a ramp", -60, 0.25, 300, _ramp(0.075, 0)),
    Case("class-2", "class-2", "a rate that begins high, on a ramp", -64, 0.25, 300, _ramp(0.015, -0.5)),
    Case("spike-latency", "spike-latency", "a spike long after a short pulse", -70, 0.2, 100, _pulses(7.04, 3, 10)),
    Case("subthreshold-oscillations", "subthreshold-oscillations", "a spike, then damped oscillations", -62, 0.25, 200, _pulses(2, 5, 20)),
    Case("resonator", "resonator", "fires for two pulses at its own period only", -62, 0.25, 400, _pulses(0.65, 4, 40, 60, 280, 320)),
    Case("integrator", "integrator", "fires for two pulses close together only", -60, 0.25, 100,
         _pulses(9, 2, 100 / 11, 100 / 11 + 5, 70, 80)),
    Case("rebound-spike", "rebound-spike", "a spike after inhibition", -64, 0.2, 200, _pulses(-15, 5, 20)),
    Case("rebound-burst", "rebound-burst", "a burst after inhibition", -64, 0.2, 200, _pulses(-15, 5, 20)),
    Case("threshold-variability", "threshold-variability", "a pulse suffices only after inhibition", -64, 0.25, 100, _threshold_variability),
    Case("bistability", "bistability", "a pulse switches a train on, another one off", -61, 0.25, 300,
         _pulses(1, 5, 37.5, 216, base=0.24)),
    Case("depolarizing-after-potential", "depolarizing-after-potential", "a spike, after which the potential stays up", -70, 0.1, 50,
         lambda t: np.where(np.abs(t - 10) < 1 - 1e-9, 20.0, 0.0)),
    Case("accommodation", "accommodation", "fires for a steep ramp, not for a slow and higher one", -65, 0.5, 400, _accommodation, u0=-16),
    Case("inhibition-induced-spiking", "inhibition-induced-spiking", "a train during inhibition", -63.8, 0.5, 350, _inhibition),
    Case("inhibition-induced-bursting", "inhibition-induced-bursting", "bursts during inhibition", -63.8, 0.5, 350, _inhibition),
)  # fmt: skip

ADEX = (
    ("tonic", 500, "a regular train"),
    ("adaptation", 500, "intervals that grow"),
    ("initial-burst", 400, "a burst at the onset, then a train"),
    ("regular-bursting", 210, "bursts at equal distances"),
    ("delayed-accelerating", 300, "silence, then a train that accelerates"),
    ("delayed-regular-bursting", 110, "silence, then bursts at equal distances"),
    ("transient", 180, "spikes at the onset only"),
    ("irregular", 160, "chaotic intervals under a constant current"),
)
"""Name, current (pA), what it shows."""


def izhikevich_pattern(name: str) -> ZooEntry:
    """One neuron of Izhikevich's with its input: a type of 2003 or one of the twenty firing patterns of 2004.

    The population is `cell`; `.dt` is the step of the published program and `.duration` its length. Input, initial state and the Euler steps are those
    of the program of the figure of 2004; samples of the input last one step, so another step is another input. Figure 2 of 2003 gives no
    amplitudes: those of the types are ours.

    **Arguments:** `name`: `RS`, `IB`, `CH`, `FS`, `LTS`, `TC`, `TC-rebound`, `RZ`, or from `tonic-spiking` to
    `inhibition-induced-bursting`, as in `Izhikevich.preset`.

    **Returns:** a `ZooEntry`.

    **Raises:** `UnknownNameError` with all names.

    !!! Example

        >>> import neuro4d as n4
        >>> pattern = n4.zoo.izhikevich_pattern("rebound-burst")
        >>> len(pattern.run(progress=False).spikes("cell"))
        7
    """
    case = next((case for case in CASES if case.name == name), None)
    if case is None:
        raise UnknownNameError(f"Izhikevich's patterns have none named {name!r}. There are: {', '.join(case.name for case in CASES)}.")
    make = functools.partial(_izhikevich, case)
    return ZooEntry(f"izhikevich-{name}", make, case.summary, case.source, case.dt, case.duration, 1, 0, (), scale=None)


def adex_pattern(name: str) -> ZooEntry:
    """One adaptive exponential neuron under half a second of constant current: the eight firing patterns of Naud et al. (2008).

    The population is `cell`.

    **Arguments:** `name`: as in `AdEx.preset`.

    **Returns:** a `ZooEntry`.

    **Raises:** `UnknownNameError` with all names.

    !!! Example

        >>> import neuro4d as n4
        >>> pattern = n4.zoo.adex_pattern("transient")
        >>> len(pattern.run(progress=False).spikes("cell"))
        1
    """
    found = next((row for row in ADEX if row[0] == name), None)
    if found is None:
        raise UnknownNameError(f"Naud's patterns have none named {name!r}. There are: {', '.join(row[0] for row in ADEX)}.")
    _, current, summary = found
    return ZooEntry(f"adex-{name}", functools.partial(_adex, name, current), summary, NAUD, 0.1, 500.0, 1, 0, (), scale=None)


def _izhikevich(case: Case) -> Network:
    neuron = Izhikevich.preset(case.preset)
    steps = round(case.duration / case.dt)
    samples = case.current(np.round(np.arange(steps) * case.dt, 9))
    u0 = float(neuron.b) * case.v0 if case.u0 is None else case.u0
    cell = Population("cell", 1, neuron, v0=case.v0 * u.mV, init={"u": u0 * u.mV / u.ms})
    return Network(cell, Clamp("input", cell, Waveform(samples * u.pA)))


def _adex(name: str, current: float) -> Network:
    cell = Population("cell", 1, AdEx.preset(name))
    return Network(cell, Clamp("input", cell, current * u.pA))
