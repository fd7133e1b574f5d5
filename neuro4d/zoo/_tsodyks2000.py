"""Tsodyks, Uziel and Markram's network whose synapses run out together."""

import brainunit as u

from neuro4d._base import Normal, Uniform
from neuro4d.connect import FixedProb
from neuro4d.network import Network, Population, Projection
from neuro4d.neurons import LIF
from neuro4d.plasticity import TsodyksMarkram
from neuro4d.receptors import ExpCurrent
from neuro4d.stimuli import Clamp

TAU = 30.0
"""ms; with a capacitance of as many pF a current of 1 pA moves the potential by 1 mV in the end, and numbers of the paper can stay."""

SYNAPSES = (
    ("exc", "exc", 1.8, 0.5, 800.0, 0.0),
    ("exc", "inh", 7.2, 0.04, 100.0, 1000.0),
    ("inh", "exc", -5.4, 0.5, 800.0, 0.0),
    ("inh", "inh", -7.2, 0.04, 100.0, 1000.0),
)
"""Source, target, strength in pA, use, recovery and facilitation in ms."""


def tsodyks2000() -> Network:
    r"""500 neurons with depressing and facilitating synapses, which fire together for some milliseconds about once a second and little in between.

    | parameter | value |
    |---|---|
    | neurons | 400 excitatory, 100 inhibitory |
    | membrane | $\tau$ 30 ms, threshold 15 mV above rest, reset 13.5 mV, refractory 3 ms (excitatory) and 2 ms (inhibitory) |
    | drive | constant, between 14.625 and 15.375 mV: half of the cells fire by themselves |
    | synapses | probability 0.1, $\tau_s$ 3 ms, no delay; strengths normal with a standard deviation of half the mean, between a fifth of and twice it |
    | excitatory to excitatory | 1.8 mV, $U$ 0.5, recovery 800 ms |
    | excitatory to inhibitory | 7.2 mV, $U$ 0.04, recovery 100 ms, facilitation 1,000 ms |
    | inhibitory to excitatory | -5.4 mV, $U$ 0.5, recovery 800 ms |
    | inhibitory to inhibitory | -7.2 mV, $U$ 0.04, recovery 100 ms, facilitation 1,000 ms |
    | initial potential | uniform between 13.5 and 15 mV |

    In the paper $U$ and the time constants differ between synapses as strengths do; here they are the same for all of a kind.

    **Returns:** a `Network` with the populations `exc` and `inh`. Run it with `dt = 0.1 ms`.

    **Reference:** population spikes, about one per second; here 0.8 to 1.3 per second, of 150 to 390 excitatory cells each, and 25 spikes in 10 ms between them (four seeds).

    **Source:** M. Tsodyks, A. Uziel, H. Markram, Journal of Neuroscience 20, RC50 (2000).

    !!! Example

        >>> import neuro4d as n4
        >>> net = n4.zoo.tsodyks2000()
    """
    receptors = {"in": ExpCurrent(tau=3 * u.ms)}
    cells = {
        name: Population(name, n, LIF(tau=TAU * u.ms, c=TAU * u.pF, v_rest=0 * u.mV, v_th=15 * u.mV, v_reset=13.5 * u.mV, t_ref=rest * u.ms), receptors,
                         v0=Uniform(13.5 * u.mV, 15 * u.mV))
        for name, n, rest in (("exc", 400, 3), ("inh", 100, 2))
    }  # fmt: skip
    parts = []
    for source, target, strength, use, rec, fac in SYNAPSES:
        low, high = sorted((0.2 * strength, 2 * strength))
        drawn = Normal(strength * u.pA, 0.5 * abs(strength) * u.pA, low=low * u.pA, high=high * u.pA)
        rule = TsodyksMarkram(use=use, tau_rec=rec * u.ms, tau_fac=fac * u.ms, tau_in=3 * u.ms)
        parts.append(Projection(f"{source}-{target}", cells[source], cells[target], "in", FixedProb(0.1), weight=drawn, plasticity=rule))
    drives = [Clamp(f"drive-{name}", each, Uniform(14.625 * u.pA, 15.375 * u.pA)) for name, each in cells.items()]
    return Network(*cells.values(), *parts, *drives)
