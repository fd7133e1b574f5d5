"""The network of Vogels and Abbott with Hodgkin-Huxley neurons."""

import math

import brainunit as u

from neuro4d._base import Normal
from neuro4d.connect import FixedProb
from neuro4d.network import Network, Population, Projection
from neuro4d.neurons import TraubMiles
from neuro4d.receptors import ExpConductance
from neuro4d.zoo._size import scaled_size, sparse


def cobahh(scale: float = 1.0, synapses: int = 80, strength: float = 1.0) -> Network:
    r"""4,000 neurons of Traub and Miles with exponential conductances that sustain their own activity.

    | parameter | value |
    |---|---|
    | neurons | 3,200 excitatory, 800 inhibitory (times `scale`; the `synapses` per neuron stay) |
    | membrane | area 20,000 µm²: $C$ 200 pF, leak 10 nS at -60 mV, sodium 20 µS at 50 mV, potassium 6 µS at -90 mV, $v_t$ -63 mV |
    | spikes | above -20 mV, at most one in 3 ms |
    | excitatory synapses | probability 0.02, $\tau_s$ 5 ms, reversal 0 mV, 6 nS |
    | inhibitory synapses | probability 0.02, $\tau_s$ 10 ms, reversal -80 mV, 67 nS |
    | delay | none: a spike acts in the next step |
    | initial values | potentials -65 ± 5 mV, gates 0, conductances 40 ± 15 and 200 ± 120 nS |

    **Arguments:**

    - `scale`: number of neurons relative to 4,000; 0.02 or more with 80 synapses.
    - `synapses`: mean number of synapses onto a neuron, at most the number of neurons.
    - `strength`: factor of all weights, 0 or more. `cobahh(synapses=1000, strength=0)` is the form in which simulators have been timed:
      the neurons fire on their own, at 13 Hz, and synapses cost what they cost without acting.

    **Returns:** a `Network` with the population `cells`, excitatory neurons first. Run it with `dt = 0.1 ms`.

    **Reference:** 35.4 to 35.6 Hz.

    **Raises:** `TypeError`, `ValueError` for a scale below `synapses`/4000, or a strength below 0.

    **Source:** R. Brette et al., J. Comput. Neurosci. 23, 349 (2007), benchmark 3; R. D. Traub, R. Miles (1991).

    !!! Example

        >>> import neuro4d as n4
        >>> net = n4.zoo.cobahh()
    """
    if not (strength >= 0 and math.isfinite(strength)):
        raise ValueError(f"cobahh: `strength` is 0 or more, for example `strength=1.0`; got {strength}.")
    n, n_exc = scaled_size(4000, scale, "cobahh"), scaled_size(3200, scale, "cobahh")
    rule = FixedProb(sparse(synapses / 4000, scale, "cobahh"))
    receptors = {
        "exc": ExpConductance(tau=5 * u.ms, e_rev=0 * u.mV),
        "inh": ExpConductance(tau=10 * u.ms, e_rev=-80 * u.mV),
    }
    init = {"exc.g": Normal(40 * u.nS, 15 * u.nS), "inh.g": Normal(200 * u.nS, 120 * u.nS), "m": 0.0, "h": 0.0, "n": 0.0}
    cells = Population("cells", n, TraubMiles(), receptors, v0=Normal(-65 * u.mV, 5 * u.mV), init=init)
    return Network(
        cells,
        Projection("e", cells[:n_exc], cells, "exc", rule, weight=6 * strength * u.nS),
        Projection("i", cells[n_exc:], cells, "inh", rule, weight=67 * strength * u.nS),
    )
