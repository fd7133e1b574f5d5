"""Vogels and Abbott's network with current-based synapses."""

import brainunit as u

from neuro4d._base import Uniform
from neuro4d.connect import FixedProb
from neuro4d.network import Network, Population, Projection
from neuro4d.neurons import LIF
from neuro4d.receptors import ExpCurrent
from neuro4d.zoo._size import scaled_size, sparse


def cuba(scale: float = 1.0) -> Network:
    r"""4,000 leaky integrate-and-fire neurons with exponential synaptic currents that sustain their own activity.

    The published equation $\tau\dot v = (E_L - v) + g_e + g_i$ has synapses in mV; with a capacitance $C$ of 200 pF a synapse
    of $w$ mV is a current of $C w/\tau$, 10 pA per mV:

    | parameter | value |
    |---|---|
    | neurons | 3,200 excitatory, 800 inhibitory (times `scale`; the 80 synapses per neuron stay) |
    | membrane | $\tau$ 20 ms, rest -49 mV, threshold -50 mV, reset -60 mV, refractory 5 ms |
    | excitatory synapses | probability 0.02, $\tau_s$ 5 ms, 60·0.27/10 = 1.62 mV, that is 16.2 pA |
    | inhibitory synapses | probability 0.02, $\tau_s$ 10 ms, -20·4.5/10 = -9 mV, that is -90 pA |
    | delay | none: a spike acts in the next step |
    | initial potential | uniform between -60 and -50 mV |

    **Arguments:** `scale`: number of neurons relative to 4,000; 0.02 or more.

    **Returns:** a `Network` with the population `cells`, excitatory neurons first. Run it with `dt = 0.1 ms`.

    **Reference:** 5.2 to 6.0 Hz (mean 5.55), CV of the intervals 0.53 to 0.59.

    **Raises:** `ValueError` for a scale below 0.02.

    **Source:** T. P. Vogels, L. F. Abbott, J. Neurosci. 25, 10786 (2005); parameters of the Brian2 example CUBA.

    !!! Example

        >>> import neuro4d as n4
        >>> net = n4.zoo.cuba()
    """
    n, n_exc = scaled_size(4000, scale, "cuba"), scaled_size(3200, scale, "cuba")
    rule = FixedProb(sparse(0.02, scale, "cuba"))
    lif = LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-49 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV, t_ref=5 * u.ms)
    receptors = {"exc": ExpCurrent(tau=5 * u.ms), "inh": ExpCurrent(tau=10 * u.ms)}
    cells = Population("cells", n, lif, receptors, v0=Uniform(-60 * u.mV, -50 * u.mV))
    return Network(
        cells,
        Projection("e", cells[:n_exc], cells, "exc", rule, weight=16.2 * u.pA),
        Projection("i", cells[n_exc:], cells, "inh", rule, weight=-90 * u.pA),
    )
