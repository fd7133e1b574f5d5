r"""Synapses of pairs and triplets of spikes in NEST.

The whole delay $d$ of NEST's synapses is dendritic: a spike of the source is at the synapse at once, a spike of the target after $d$. In
neuro4d it is axonal: a spike of the source is at the synapse after $d$, a spike of the target at once. So a source that fires at $t$ here
fires at $t + d$ there, and a target that fires at $t$ here at $t - d$ there; both are then at the synapse at the same time on both sides.
"""

import numpy as np
from oracle.nest_side import fresh_kernel
from plasticity.trains import DELAYS, POST, PRE, WEIGHTS, Pairing, Triplets, definition

START = 2500
"""Steps before the first step of neuro4d. NEST's nearest pairing takes it that every source has fired at time 0; after so long this is nothing."""


def weights(pre: np.ndarray, post: np.ndarray, name: str) -> list[tuple[int, int, int, float]]:
    """Source, target, step and weight as a share of its bound, for each spike that arrives within the steps given."""
    nest, rule = fresh_kernel(0.1), definition(name)
    model, values = _named(rule)
    nest.CopyModel(model, "learns", values | {"tau_plus": rule.tau_plus, "Wmax": 1.0, "receptor_type": 1})
    recorders = {}
    for i, j in np.ndindex(PRE, POST):
        recorder, shift = nest.Create("weight_recorder"), round(DELAYS[i, j] * 10)
        label = f"learns {i} {j}"
        nest.CopyModel("learns", label, {"weight_recorder": recorder})
        source, target = _told(nest, np.flatnonzero(pre[:, i]) + shift), _told(nest, np.flatnonzero(post[:, j]) - shift)
        target.tau_minus = rule.tau_minus
        if isinstance(rule, Triplets):
            target.tau_minus_triplet = rule.tau_y
        nest.Connect(source, target, syn_spec={"synapse_model": label, "weight": WEIGHTS[i, j], "delay": DELAYS[i, j]})
        recorders[i, j] = recorder
    nest.Simulate((START + len(pre) + 40) * 0.1)
    found = []
    for (i, j), recorder in recorders.items():
        steps = np.rint(recorder.events["times"] * 10).astype(int) - START
        found += [(i, j, s, w) for s, w in zip(steps.tolist(), recorder.events["weights"].tolist(), strict=True) if s < len(pre)]
    return found


def _named(rule: Pairing | Triplets) -> tuple[str, dict[str, float]]:
    """The synapse of NEST that follows a rule, and the rule's numbers by the names that they have there."""
    if isinstance(rule, Triplets):
        amplitudes = {"Aplus": rule.a2_plus, "Aplus_triplet": rule.a3_plus, "Aminus": rule.a2_minus, "Aminus_triplet": rule.a3_minus}
        return "stdp_triplet_synapse", amplitudes | {"tau_plus_triplet": rule.tau_x}
    model = "stdp_nn_symm_synapse" if rule.pairing == "nearest" else "stdp_synapse"
    return model, {"lambda": rule.a_plus, "alpha": rule.a_minus / rule.a_plus, "mu_plus": rule.mu_plus, "mu_minus": rule.mu_minus}


def _told(nest, steps: np.ndarray):
    """A neuron that fires in these steps, whatever else it hears: its input comes a millisecond after the generator's."""
    neuron = nest.Create("parrot_neuron")
    nest.Connect(
        nest.Create("spike_generator", params={"spike_times": np.round((steps + START - 10) * 0.1, 1)}), neuron, syn_spec={"delay": 1.0}
    )
    return neuron
