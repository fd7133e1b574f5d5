"""Song, Miller and Abbott's neuron that learns by spike timing."""

import brainunit as u

from neuro4d._base import Uniform
from neuro4d.connect import AllToAll
from neuro4d.network import Network, Population, Projection
from neuro4d.neurons import LIF, PoissonNeuron
from neuro4d.plasticity import STDP
from neuro4d.receptors import ExpConductance
from neuro4d.zoo._size import scaled_size

C, TAU = 200.0, 10.0
"""pF, ms: a leak of 20 nS, of which weights are shares."""


def song_miller_abbott(scale: float = 1.0) -> Network:
    r"""One neuron with 1,000 plastic excitatory synapses from independent Poisson sources: weights compete, and become many weak and many strong ones.

    | parameter | value |
    |---|---|
    | sources | 1,000 (times `scale`), Poisson, 15 Hz |
    | membrane | $\tau$ 10 ms, rest -74 mV, threshold -54 mV, reset -60 mV, no refractory period |
    | synapses | $\tau_s$ 5 ms, reversal 0 mV, weights between 0 and $g_{\max}$ = 0.01 of the leak (over `scale`), uniform at first, no delay |
    | plasticity | pairs, all to all, additive: $A_+$ 0.01, $A_-$ 0.0105, $\tau_\pm$ 20 ms |

    **Arguments:** `scale`: number of sources relative to 1,000, each with a weight that keeps the sum.

    **Returns:** a `Network` with the populations `inputs` and `cell` and the projection `e`. Run it with `dt = 0.1 ms`.

    **Reference:** after 100 s the mean weight is 0.47 of $g_{\max}$, 23 to 25 % are below 0.1 of it and 17 to 19 % above 0.9; the rate falls, 20 to 26 Hz in the mean and 17 to
    21 Hz in the last 10 s (the Brian2 example `STDP`, three seeds). The two humps become sharp only after much longer.

    **Raises:** `ValueError` for a scale that leaves no source.

    **Source:** S. Song, K. D. Miller, L. F. Abbott, Nature Neuroscience 3, 919 (2000).

    !!! Example

        >>> import neuro4d as n4
        >>> net = n4.zoo.song_miller_abbott()
    """
    n = scaled_size(1000, scale, "song_miller_abbott")
    most = 0.01 * C / TAU * 1000 / n * u.nS
    lif = LIF(tau=TAU * u.ms, c=C * u.pF, v_rest=-74 * u.mV, v_th=-54 * u.mV, v_reset=-60 * u.mV, t_ref=0 * u.ms)
    inputs = Population("inputs", n, PoissonNeuron(rate=15 * u.Hz))
    cell = Population("cell", 1, lif, {"exc": ExpConductance(tau=5 * u.ms, e_rev=0 * u.mV)}, v0=-60 * u.mV)
    rule = STDP(w_max=most, a_plus=0.01, a_minus=0.0105)
    return Network(inputs, cell, Projection("e", inputs, cell, "exc", AllToAll(), weight=Uniform(0 * u.nS, most), plasticity=rule))
