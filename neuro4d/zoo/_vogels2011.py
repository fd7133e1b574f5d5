"""Vogels, Sprekeler, Zenke, Clopath and Gerstner's network, which inhibition keeps in balance."""

import brainunit as u

from neuro4d._base import Uniform
from neuro4d.connect import FixedProb
from neuro4d.network import Network, Population, Projection
from neuro4d.neurons import LIF
from neuro4d.plasticity import VogelsInhibitory
from neuro4d.receptors import ExpConductance
from neuro4d.stimuli import Clamp
from neuro4d.zoo._size import scaled_size, sparse


def vogels2011(scale: float = 1.0, eta: float = 0.01) -> Network:
    r"""10,000 neurons whose inhibitory synapses onto excitatory cells learn until those fire at 3 Hz.

    | parameter | value |
    |---|---|
    | neurons | 8,000 excitatory, 2,000 inhibitory (times `scale`; the in-degrees stay) |
    | membrane | 200 pF, leak 10 nS, rest -60 mV, threshold -50 mV, reset -60 mV, refractory 5 ms, 200 pA |
    | synapses | probability 0.02; excitatory 0.3 nS, $\tau$ 5 ms, reversal 0 mV; inhibitory 3 nS between inhibitory cells, $\tau$ 10 ms, reversal -80 mV; no delay |
    | plasticity | of inhibition of excitatory cells: window 20 ms, target 3 Hz, $\eta$ 0.01 nS, from nothing to 100 nS |
    | initial potential | uniform between -60 and -50 mV |

    **Arguments:** `scale`: number of neurons relative to 10,000; 0.02 or more. `eta`: the learning rate in nS; 0 leaves the network without the inhibition.

    **Returns:** a `Network` with the populations `exc` and `inh`; the projection that learns is `inh-exc`. Run it with `dt = 0.1 ms`.

    **Reference:** excitatory cells fire at tens of spikes per second at first and near 3 Hz in the end, 3.4 to 3.6 Hz: independent trains would make it 3. With `scale=0.1, eta=0.3` that takes
    5 s, and then the middle cell fires at 3.4 Hz and nine of ten between 2.8 and 4.4 Hz, here and in Brian2.

    **Raises:** `ValueError` for a scale below 0.02.

    **Source:** T. P. Vogels, H. Sprekeler, F. Zenke, C. Clopath, W. Gerstner, Science 334, 1569 (2011); parameters of the Brian2 example.

    !!! Example

        >>> import neuro4d as n4
        >>> net = n4.zoo.vogels2011()
    """
    rule = FixedProb(sparse(0.02, scale, "vogels2011"))
    lif = LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV, t_ref=5 * u.ms)
    receptors = {"exc": ExpConductance(tau=5 * u.ms, e_rev=0 * u.mV), "inh": ExpConductance(tau=10 * u.ms, e_rev=-80 * u.mV)}
    v0 = Uniform(-60 * u.mV, -50 * u.mV)
    exc = Population("exc", scaled_size(8000, scale, "vogels2011"), lif, receptors, v0=v0)
    inh = Population("inh", scaled_size(2000, scale, "vogels2011"), lif, receptors, v0=v0)
    learns = VogelsInhibitory(w_max=100 * u.nS, eta=eta * u.nS, rate=3 * u.Hz, tau=20 * u.ms)
    return Network(
        exc,
        inh,
        Projection("exc-exc", exc, exc, "exc", rule, weight=0.3 * u.nS),
        Projection("exc-inh", exc, inh, "exc", rule, weight=0.3 * u.nS),
        Projection("inh-inh", inh, inh, "inh", rule, weight=3 * u.nS),
        Projection("inh-exc", inh, exc, "inh", rule, weight=0 * u.nS, plasticity=learns),
        Clamp("drive-exc", exc, 200 * u.pA),
        Clamp("drive-inh", inh, 200 * u.pA),
    )
