"""Vogels and Abbott's network with conductance-based synapses."""

import brainunit as u

from neuro4d._base import Normal
from neuro4d.connect import FixedProb
from neuro4d.network import Network, Population, Projection
from neuro4d.neurons import LIF
from neuro4d.receptors import ExpConductance
from neuro4d.stimuli import Clamp
from neuro4d.zoo._size import scaled_size, sparse


def coba(scale: float = 1.0, drive: u.Quantity | None = 200 * u.pA) -> Network:
    r"""4,000 leaky integrate-and-fire neurons with exponential conductances.

    | parameter | value |
    |---|---|
    | neurons | 3,200 excitatory, 800 inhibitory (times `scale`; the 80 synapses per neuron stay) |
    | membrane | $\tau$ 20 ms, $C$ 200 pF, rest and reset -60 mV, threshold -50 mV, refractory 5 ms |
    | excitatory synapses | probability 0.02, $\tau_s$ 5 ms, reversal 0 mV, 6 nS (0.6 times the leak of 10 nS) |
    | inhibitory synapses | probability 0.02, $\tau_s$ 10 ms, reversal -80 mV, 67 nS (6.7 times the leak) |
    | delay | none: a spike acts in the next step |

    **Arguments:**

    - `scale`: number of neurons relative to 4,000; 0.02 or more.
    - `drive`: a constant current. The default, 200 pA, shifts the resting potential by 20 mV; the potentials start at
      -55 ± 5 mV, the conductances at 0. `None` leaves the network alone: potentials start at -65 ± 5 mV, conductances at
      40 ± 15 and 200 ± 120 nS, and the activity sustains itself in bursts.

    **Returns:** a `Network` with the population `cells`, excitatory neurons first. Run it with `dt = 0.1 ms`.

    **Reference:** with drive 21 to 23 Hz and CV 1.55; without 17.9 to 21.5 Hz (mean 19), CV 1.57 to 1.70. One drawing of the
    connections differs from the next by 1.4 Hz (sd), however long it runs.

    **Raises:** `ValueError` for a scale below 0.02.

    **Source:** T. P. Vogels, L. F. Abbott, J. Neurosci. 25, 10786 (2005); R. Brette et al., J. Comput. Neurosci. 23, 349
    (2007), benchmark 1.

    !!! Example

        >>> import neuro4d as n4
        >>> net = n4.zoo.coba(drive=None)
    """
    n, n_exc = scaled_size(4000, scale, "coba"), scaled_size(3200, scale, "coba")
    rule = FixedProb(sparse(0.02, scale, "coba"))
    lif = LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV, t_ref=5 * u.ms)
    receptors = {
        "exc": ExpConductance(tau=5 * u.ms, e_rev=0 * u.mV),
        "inh": ExpConductance(tau=10 * u.ms, e_rev=-80 * u.mV),
    }
    if drive is None:
        v0 = Normal(-65 * u.mV, 5 * u.mV)
        init = {"exc.g": Normal(40 * u.nS, 15 * u.nS), "inh.g": Normal(200 * u.nS, 120 * u.nS)}
    else:
        v0, init = Normal(-55 * u.mV, 5 * u.mV), {}
    cells = Population("cells", n, lif, receptors, v0=v0, init=init)
    parts = (
        cells,
        Projection("e", cells[:n_exc], cells, "exc", rule, weight=6 * u.nS),
        Projection("i", cells[n_exc:], cells, "inh", rule, weight=67 * u.nS),
    )
    return Network(*parts) if drive is None else Network(*parts, Clamp("drive", cells, drive))


def coba_alone(scale: float = 1.0) -> Network:
    """`coba(scale, drive=None)`: the form that sustains its own activity."""
    return coba(scale, drive=None)
