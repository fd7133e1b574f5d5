"""The benchmark network of large-scale simulators: excitatory synapses learn by spike timing."""

import brainunit as u

from neuro4d._base import Normal
from neuro4d.connect import FixedInDegree
from neuro4d.network import Network, Population, Projection
from neuro4d.neurons import LIF
from neuro4d.plasticity import PowerLawSTDP
from neuro4d.receptors import AlphaCurrent
from neuro4d.stimuli import Poisson
from neuro4d.zoo._size import scaled_size

C_E, C_I = 9000, 2250
WEIGHT, G = 45.6096, 5.0
"""pA, a peak of the potential of 0.14 mV; inhibition against excitation."""

DRIVE = 1.685 * 1.37527e-3 * C_E * 1e3
"""Hz per neuron: 1.685 times what reaches the threshold on average, of all external synapses together."""


def hpc_benchmark(scale: float = 1.0, plastic: bool = True) -> Network:
    r"""11,250 neurons with 11,250 synapses each, of which those between excitatory cells learn: what simulators for large computers are measured with.

    | parameter | value |
    |---|---|
    | neurons | 9,000 excitatory, 2,250 inhibitory (times `scale`; the in-degrees stay) |
    | membrane | 250 pF, $\tau$ 10 ms, rest and reset 0, threshold 20 mV, refractory 0.5 ms |
    | synapses | alpha currents, $\tau_s$ 0.3258 ms; per neuron 9,000 excitatory of 45.61 pA and 2,250 inhibitory of -228.05 pA, none with itself, delay 1.5 ms; those that learn begin with a standard deviation of 3.47 pA |
    | plasticity | power law: $\lambda$ 0.1, $\mu$ 0.4, $\alpha$ 0.0513, $\tau_+$ 15 ms, $\tau_-$ 30 ms, of reference weight 1 pA |
    | external input | Poisson, 20.86 kHz of 45.61 pA |
    | initial potential | normal, 5.7 ± 7.2 mV |

    The delay is axonal here and dendritic in NEST; wrap the rule into `n4.Dendritic` for the same spikes.

    **Arguments:** `scale`: number of neurons relative to 11,250. `plastic`: whether synapses between excitatory cells learn.

    **Returns:** a `Network` with the populations `exc` and `inh`; the projection that learns is `exc-exc`. Run it with `dt = 0.1 ms`.

    **Reference:** fewer than 10 Hz in the first 350 ms (the check of NEST's example).

    **Raises:** `ValueError` for a scale that leaves no neuron.

    **Source:** A. Morrison, A. Aertsen, M. Diesmann, Neural Computation 19, 1437 (2007); parameters of NEST's example `hpc_benchmark`.

    !!! Example

        >>> import neuro4d as n4
        >>> net = n4.zoo.hpc_benchmark(scale=0.1)
    """
    lif = LIF(tau=10 * u.ms, c=250 * u.pF, v_rest=0 * u.mV, v_th=20 * u.mV, v_reset=0 * u.mV, t_ref=0.5 * u.ms)
    receptors = {"in": AlphaCurrent(tau=0.32582722403722841 * u.ms)}
    v0 = Normal(5.7 * u.mV, 7.2 * u.mV)
    exc = Population("exc", scaled_size(9000, scale, "hpc_benchmark"), lif, receptors, v0=v0)
    inh = Population("inh", scaled_size(2250, scale, "hpc_benchmark"), lif, receptors, v0=v0)
    weight, delay = WEIGHT * u.pA, 1.5 * u.ms
    learns = PowerLawSTDP(w0=1 * u.pA, rate=0.1, alpha=0.0513, mu=0.4, tau_plus=15 * u.ms, tau_minus=30 * u.ms) if plastic else None
    parts: list[Population | Projection | Poisson] = [exc, inh]
    for target in (exc, inh):
        to = target.name
        rule = learns if target is exc else None
        first = Normal(weight, 3.47 * u.pA, low=0 * u.pA) if target is exc else weight
        from_exc, from_inh = FixedInDegree(C_E, autapses=False), FixedInDegree(C_I, autapses=False)
        parts += [
            Projection(f"exc-{to}", exc, target, "in", from_exc, weight=first, delay=delay, plasticity=rule),
            Projection(f"inh-{to}", inh, target, "in", from_inh, weight=-G * weight, delay=delay),
            Poisson(f"external-{to}", target, "in", rate=DRIVE * u.Hz, weight=weight),
        ]
    return Network(*parts)
