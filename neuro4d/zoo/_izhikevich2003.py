"""Izhikevich's network of 1,000 pulse-coupled neurons."""

import brainunit as u
import numpy as np

from neuro4d._base import Uniform, address, uniform, words
from neuro4d.connect import AllToAll
from neuro4d.network import Network, Population, Projection
from neuro4d.neurons import Izhikevich
from neuro4d.receptors import PulseCurrent
from neuro4d.stimuli import WhiteNoise


def izhikevich2003(seed: int = 0) -> Network:
    r"""800 excitatory and 200 inhibitory neurons of different kinds, connected all to all, driven by noise.

    With $r$ uniform in (0, 1), drawn per neuron:

    | | excitatory | inhibitory |
    |---|---|---|
    | a (1/ms) | 0.02 | 0.02 + 0.08 r |
    | b (1/ms) | 0.2 | 0.25 - 0.05 r |
    | c (mV) | -65 + 15 r² | -65 |
    | d (mV/ms) | 8 - 6 r² | 2 |
    | weight onto every neuron (mV/ms) | uniform in 0 to 0.5 | uniform in -1 to 0 |
    | noise, new in every step (mV/ms) | 5 N(0, 1) | 2 N(0, 1) |

    The published program adds input to $\dot v$ directly; with a capacitance of 1 pF the same numbers are currents in pA. A
    spike acts for one step, the one that follows it (`PulseCurrent`, no delay). One step is 1 ms: two halves for `v`, then `u`.

    **Arguments:** `seed`: of the parameters $r$; noise and weights follow the seed of `build`.

    **Returns:** a `Network` with the populations `exc` and `inh`. **Run it with `dt = 1 ms`**: noise and pulses last one step,
    so another step is another network.

    **Reference:** excitatory 7.3 to 7.7 Hz, inhibitory 7.0 to 7.5 Hz in the first second; episodes of alpha (10 Hz) and gamma (40 Hz)
    rhythm.

    **Source:** E. M. Izhikevich, IEEE Transactions on Neural Networks 14, 1569 (2003), `net.m`.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> model = n4.zoo.izhikevich2003().build(dt=1*u.ms, seed=0)
    """
    r_exc, r_inh = _kinds(seed, "exc", 800), _kinds(seed, "inh", 200)
    rate, slope = 1 / u.ms, u.mV / u.ms
    excitatory = Izhikevich(a=0.02 * rate, b=0.2 * rate, c=(-65 + 15 * r_exc**2) * u.mV, d=(8 - 6 * r_exc**2) * slope, substeps=2)
    inhibitory = Izhikevich(a=(0.02 + 0.08 * r_inh) * rate, b=(0.25 - 0.05 * r_inh) * rate, c=-65 * u.mV, d=2 * slope, substeps=2)
    exc = Population("exc", 800, excitatory, {"in": PulseCurrent()}, v0=-65 * u.mV, init={"u": -13 * slope})
    inh = Population("inh", 200, inhibitory, {"in": PulseCurrent()}, v0=-65 * u.mV, init={"u": -65 * (0.25 - 0.05 * r_inh) * slope})
    excites, inhibits = Uniform(0 * u.pA, 0.5 * u.pA), Uniform(-1 * u.pA, 0 * u.pA)
    return Network(
        exc,
        inh,
        Projection("exc-exc", exc, exc, "in", AllToAll(), weight=excites),
        Projection("exc-inh", exc, inh, "in", AllToAll(), weight=excites),
        Projection("inh-exc", inh, exc, "in", AllToAll(), weight=inhibits),
        Projection("inh-inh", inh, inh, "in", AllToAll(), weight=inhibits),
        WhiteNoise("noise-exc", exc, mean=0 * u.pA, std=5 * u.pA),
        WhiteNoise("noise-inh", inh, mean=0 * u.pA, std=2 * u.pA),
    )


def _kinds(seed: int, population: str, n: int) -> np.ndarray:
    return uniform(words(address(seed, "izhikevich2003", population), np.arange(n)))
