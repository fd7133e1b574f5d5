"""Brunel's sparsely connected network of excitatory and inhibitory neurons."""

from types import MappingProxyType
from typing import NamedTuple

import brainunit as u

from neuro4d._base import Uniform, lookup
from neuro4d.connect import FixedInDegree
from neuro4d.network import Network, Population, Projection
from neuro4d.neurons import LIF
from neuro4d.receptors import Delta
from neuro4d.stimuli import Poisson
from neuro4d.zoo._size import scaled_size

C_E, C_I = 1000, 250
THETA, TAU, JUMP = 20.0, 20.0, 0.1
"""mV above rest, ms, mV."""


class Regime(NamedTuple):
    """Relative strength of inhibition `g` and of the external rate `eta`, and what the network then does."""

    g: float
    eta: float
    state: str


REGIMES = MappingProxyType(
    {
        "A": Regime(3.0, 2.0, "synchronous regular"),
        "B": Regime(6.0, 4.0, "fast synchronous irregular"),
        "C": Regime(5.0, 2.0, "asynchronous irregular"),
        "D": Regime(4.5, 0.9, "slow synchronous irregular"),
    }
)


def external_rate(eta: float) -> float:
    r"""Hz per neuron, of all external synapses together.

    $$ \nu = C_E\,\eta\,\nu_\mathrm{thr},\qquad \nu_\mathrm{thr} = \frac{\theta}{J C_E \tau} $$

    The rate $\nu_\mathrm{thr}$, 10 Hz per synapse, is what it takes to reach the threshold on average.
    """
    return 1e3 * C_E * eta * THETA / (JUMP * C_E * TAU)


def brunel(regime: str = "C", scale: float = 1.0) -> Network:
    r"""12,500 leaky integrate-and-fire neurons with voltage-jump synapses, in one of the four published regimes.

    | parameter | value |
    |---|---|
    | neurons | 10,000 excitatory, 2,500 inhibitory (times `scale`; the in-degrees stay) |
    | membrane | $\tau$ 20 ms, rest 0, threshold 20 mV, reset 10 mV, refractory 2 ms |
    | synapses | 1,000 excitatory of 0.1 mV and 250 inhibitory of $-0.1 g$ mV per neuron, delay 1.5 ms |
    | external input | Poisson, 1,000 synapses of 0.1 mV at $\eta$ times 10 Hz, lumped to one train of $\eta$ times 10 kHz per neuron |
    | initial potential | uniform between 0 and 20 mV |

    **Arguments:**

    - `regime`: the row of the table below.
    - `scale`: number of neurons relative to 12,500; 0.1 or more.

    **Returns:** a `Network` with the populations `exc` and `inh`. Run it with `dt = 0.1 ms`.

    **Reference:**

    | regime | g, eta | state | rate (Hz) | CV |
    |---|---|---|---|---|
    | A | 3, 2 | synchronous regular | 332 to 333.3 | 0 |
    | B | 6, 4 | fast synchronous irregular | 57.4 to 60.3 | 0.74 to 0.87 |
    | C | 5, 2 | asynchronous irregular | 37.2 to 37.8 | 0.41 to 0.42 |
    | D | 4.5, 0.9 | slow synchronous irregular | 5.6 to 5.9 | 0.58 to 0.68 |

    (NEST 3.10 over three seeds, and independent programs.)

    **Raises:** `KeyError` for another regime, `ValueError` for a scale below 0.1.

    **Source:** N. Brunel, J. Comput. Neurosci. 8, 183 (2000), model A, figure 8.

    !!! Example

        >>> import neuro4d as n4
        >>> net = n4.zoo.brunel("D")
    """
    chosen = lookup(REGIMES, regime, "regime of brunel")
    n_exc, n_inh = scaled_size(10_000, scale, "brunel"), scaled_size(2_500, scale, "brunel")
    if n_exc < C_E or n_inh < C_I:
        raise ValueError(f"brunel: below `scale=0.1` there are fewer neurons than synapses per neuron; got `scale={scale}`.")
    lif = LIF(tau=TAU * u.ms, c=250 * u.pF, v_rest=0 * u.mV, v_th=THETA * u.mV, v_reset=10 * u.mV, t_ref=2 * u.ms)
    v0 = Uniform(0 * u.mV, THETA * u.mV)
    exc = Population("exc", n_exc, lif, {"in": Delta()}, v0=v0)
    inh = Population("inh", n_inh, lif, {"in": Delta()}, v0=v0)
    rate, jump, delay = external_rate(chosen.eta) * u.Hz, JUMP * u.mV, 1.5 * u.ms
    parts: list[Population | Projection | Poisson] = [exc, inh]
    for target in (exc, inh):
        to = target.name
        parts += [
            Projection(f"exc-{to}", exc, target, "in", FixedInDegree(C_E), weight=jump, delay=delay),
            Projection(f"inh-{to}", inh, target, "in", FixedInDegree(C_I), weight=-chosen.g * jump, delay=delay),
            Poisson(f"external-{to}", target, "in", rate=rate, weight=jump),
        ]
    return Network(*parts)


def brunel_a(scale: float = 1.0) -> Network:
    """`brunel("A", scale)`."""
    return brunel("A", scale)


def brunel_b(scale: float = 1.0) -> Network:
    """`brunel("B", scale)`."""
    return brunel("B", scale)


def brunel_c(scale: float = 1.0) -> Network:
    """`brunel("C", scale)`."""
    return brunel("C", scale)


def brunel_d(scale: float = 1.0) -> Network:
    """`brunel("D", scale)`."""
    return brunel("D", scale)
