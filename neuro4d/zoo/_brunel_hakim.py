"""Brunel and Hakim's network of inhibitory neurons with a fast global oscillation."""

from typing import Any

import brainunit as u

from neuro4d._base import Uniform, check_quantity
from neuro4d.connect import FixedInDegree
from neuro4d.network import Network, Population, Projection
from neuro4d.neurons import LIF
from neuro4d.receptors import Delta
from neuro4d.stimuli import WhiteNoise
from neuro4d.zoo._size import scaled_size

INDEGREE = 1000
TAU, C = 20.0, 250.0
"""ms, pF."""


def brunel_hakim(scale: float = 1.0, dt: Any = 0.1 * u.ms) -> Network:
    r"""5,000 inhibitory neurons whose activity oscillates at about 146 Hz, while each of them fires at 3.5 Hz and irregularly.

    | parameter | value |
    |---|---|
    | neurons | 5,000 (times `scale`; the in-degree stays) |
    | membrane | $\tau$ 20 ms, rest 0, threshold 20 mV, reset 10 mV, refractory 2 ms |
    | synapses | 1,000 of -0.1 mV per neuron, delay 2 ms |
    | external input | $\tau\dot v = \mu + \sigma\sqrt\tau\,\xi$ with $\mu$ 25 mV and $\sigma$ 1 mV, independent for each neuron |
    | initial potential | uniform between 10 and 20 mV |

    The noise is a current that is held during a step of `dt`, of standard deviation $\sigma/R\,\sqrt{\tau/dt}$.

    **Arguments:**

    - `scale`: number of neurons relative to 5,000; 0.2 or more.
    - `dt`: the time step that the network will be built with.

    **Returns:** a `Network` with the population `cells`.

    **Reference:** 3.54 to 3.55 Hz, and a peak of the spectrum of the population at 144 to 148 Hz (NEST 3.10, three seeds, 1 s after 0.2 s).

    **Raises:** `ValueError` for a scale below 0.2, and for a time step that is not positive; `UnitError` for one without a unit.

    **Source:** N. Brunel, V. Hakim, Neural Computation 11, 1621 (1999).

    !!! Example

        >>> import neuro4d as n4
        >>> net = n4.zoo.brunel_hakim()
    """
    n = scaled_size(5000, scale, "brunel_hakim")
    if n < INDEGREE:
        raise ValueError(f"brunel_hakim: below `scale=0.2` there are fewer neurons than synapses per neuron; got `scale={scale}`.")
    step = float(check_quantity(dt, u.ms, "brunel_hakim: dt", low=0, open_low=True))
    lif = LIF(tau=TAU * u.ms, c=C * u.pF, v_rest=0 * u.mV, v_th=20 * u.mV, v_reset=10 * u.mV, t_ref=2 * u.ms)
    cells = Population("cells", n, lif, {"in": Delta()}, v0=Uniform(10 * u.mV, 20 * u.mV))
    per_mv = C / TAU * u.pA
    return Network(
        cells,
        Projection("i", cells, cells, "in", FixedInDegree(INDEGREE), weight=-0.1 * u.mV, delay=2 * u.ms),
        WhiteNoise("external", cells, mean=25 * per_mv, std=(TAU / step) ** 0.5 * per_mv),
    )
