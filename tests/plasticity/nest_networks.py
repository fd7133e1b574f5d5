"""Recurrent networks that learn, in NEST and here. The whole delay is dendritic on both sides, so that spikes and weights are comparable one by one."""

from typing import Any, NamedTuple

import brainunit as u
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from oracle import nest_side, neuro4d_side
from oracle.cases import DT, Case, poisson_arrivals, random_edges

import neuro4d as n4
from neuro4d.model import locate

N, MS = 50, 300.0
REWARDS = np.array([20.0, 41.3, 90.1, 90.4, 150.0, 222.2])
"""When the dopaminergic neuron fires, in ms."""


class Learning(NamedTuple):
    """A rule in NEST, by the name of its synapse and its numbers, and here; `tau_minus` and `tau_triplet` are numbers of NEST's neurons.
    `weights`: between which the first weights lie, pA."""

    synapse: str
    numbers: dict[str, Any]
    rule: Any
    weights: tuple[float, float]
    tau_minus: float = 20.0
    tau_triplet: float = 110.0


PA = u.pA
PAIR = {"a_plus": 0.05, "a_minus": 0.06, "tau_plus": 15 * u.ms, "tau_minus": 25 * u.ms}
NEST_PAIR = {"lambda": 0.05, "alpha": 1.2, "tau_plus": 15.0, "Wmax": 900.0}
TRIPLETS = {"a2_plus": 0.01, "a3_plus": 0.05, "a2_minus": 0.03, "a3_minus": 0.01}
TRIPLET_TIMES = {"tau_plus": 16.8 * u.ms, "tau_minus": 33.7 * u.ms, "tau_x": 101 * u.ms, "tau_y": 125 * u.ms}
NEST_TRIPLETS = {"Aplus": 9.0, "Aplus_triplet": 45.0, "Aminus": 27.0, "Aminus_triplet": 9.0, "tau_plus": 16.8, "tau_plus_triplet": 101.0}
LEARNING = {
    "additive": Learning("stdp_synapse", NEST_PAIR | {"mu_plus": 0.0, "mu_minus": 0.0}, n4.STDP(w_max=900 * PA, **PAIR), (200, 700), 25.0),
    "power of the distance": Learning(
        "stdp_synapse",
        NEST_PAIR | {"mu_plus": 0.4, "mu_minus": 1.0},
        n4.STDP(w_max=900 * PA, **PAIR, mu_plus=0.4, mu_minus=1),
        (200, 700),
        25.0,
    ),
    "triplets": Learning(
        "stdp_triplet_synapse",
        NEST_TRIPLETS | {"Wmax": 900.0},
        n4.TripletSTDP(w_max=900 * PA, **TRIPLETS, **TRIPLET_TIMES),
        (200, 700),
        33.7,
        125.0,
    ),
    "power of the weight": Learning(
        "stdp_pl_synapse_hom",
        {"lambda": 0.05, "alpha": 0.06, "mu": 0.4, "tau_plus": 15.0},
        n4.PowerLawSTDP(w0=1 * PA, rate=0.05, alpha=0.06, mu=0.4, tau_plus=15 * u.ms, tau_minus=30 * u.ms),
        (200, 700),
        30.0,
    ),
    "inhibition": Learning(
        "vogels_sprekeler_synapse",
        {"tau": 20.0, "alpha": 0.4, "eta": 5.0, "Wmax": -3000.0, "weight": -300.0},
        n4.VogelsInhibitory(w_max=-3000 * PA, eta=5 * PA, rate=10 * u.Hz, tau=20 * u.ms),
        (-150, -50),
    ),
    "reward": Learning(
        "stdp_dopamine_synapse",
        {"A_plus": 90.0, "A_minus": 120.0, "tau_plus": 15.0, "tau_c": 200.0, "tau_n": 60.0, "b": 0.002, "Wmin": 0.0, "Wmax": 900.0},
        n4.RewardSTDP(
            w_max=900 * PA,
            a_plus=0.1,
            a_minus=0.12 / 0.9,
            tau_plus=15 * u.ms,
            tau_minus=20 * u.ms,
            tau_c=200 * u.ms,
            tau_n=60 * u.ms,
            baseline=2 * u.Hz,
        ),
        (200, 700),
    ),
}


def case() -> Case:
    """Neurons driven by arrivals and a current; the synapses among them come from `edges`."""
    rng = np.random.default_rng(5)
    arrivals = poisson_arrivals(rng, N, 0.8, MS, 300.0)
    return Case("exp", N, MS, tau_syn=(1.2, 3.4), current=rng.uniform(0.0, 250.0, N), arrivals=(arrivals,))


def edges(learning: Learning):
    """Ten synapses per neuron, no pair twice, each with its weight and its delay."""
    rng = np.random.default_rng(6)
    found = random_edges(rng, N, 12, (1.0, 1.0), (0.3, 3.0))
    _, first = np.unique(found.pre * N + found.post, return_index=True)
    return found._replace(**{name: getattr(found, name)[first] for name in found._fields})._replace(
        weight=rng.uniform(*learning.weights, len(first))
    )


def ours(learning: Learning) -> tuple[np.ndarray, np.ndarray]:
    """Spikes as rows (step, neuron), and the weights after every step by source and target, `(steps, N, N)`."""
    given, wires = case(), edges(learning)
    receptors = neuro4d_side.receptors(given) | {"dopamine": n4.Modulator()}
    cells = n4.Population("cells0", N, neuro4d_side.neuron(given, 0, N), receptors, v0=given.v0 * u.mV)
    port = "exc" if learning.weights[0] > 0 else "inh"
    pairs = n4.EdgeList(wires.pre, wires.post)
    rule = n4.Dendritic(learning.rule)
    plastic = n4.Projection("e", cells, cells, port, pairs, weight=wires.weight * PA, delay=wires.delay * u.ms, plasticity=rule)
    times, ids = np.repeat(REWARDS + 1.0, N), np.tile(np.arange(N), len(REWARDS))
    rewards = n4.SpikeTimes("reward", cells, "dopamine", times=times * u.ms, ids=ids, weight=1)
    model = n4.Network(cells, plastic, rewards, *neuro4d_side.stimuli(given, cells, 0, N)).build(dt=DT * u.ms, precision=jnp.float64)
    place, (name,), made = locate(model, "e").place, model.plasticity, model.edges("e")
    keep = lambda state, spikes: (state.edges[name].weight[place], spikes["cells0"])  # noqa: E731
    _, (weights, fired) = n4.scan(model, model.init(jr.key(0)), round(MS / DT), keep)
    table = np.zeros((len(weights), N, N))
    table[:, made.pre, made.post] = np.asarray(weights)
    step, neuron = np.nonzero(np.asarray(fired))
    return np.stack([step + 1, neuron], 1), table


def theirs(learning: Learning) -> tuple[np.ndarray, np.ndarray]:
    """Spikes as rows (step, neuron), and a row (step, source, target, weight) for each spike of a source, all in NEST."""
    nest, given, wires = nest_side.fresh_kernel(DT), case(), edges(learning)
    cells = nest_side.network(nest, given, DT)
    cells.tau_minus = learning.tau_minus
    cells.tau_minus_triplet = learning.tau_triplet
    recorder, watcher = nest.Create("weight_recorder"), nest.Create("spike_recorder")
    numbers = learning.numbers | {"weight_recorder": recorder}
    if learning.synapse == "stdp_dopamine_synapse":
        numbers["volume_transmitter"] = _dopamine(nest)
    nest.CopyModel(learning.synapse, "learns", numbers)
    gids = np.asarray(cells)
    nest.Connect(gids[wires.pre], gids[wires.post], "one_to_one", {"weight": wires.weight, "delay": wires.delay, "synapse_model": "learns"})
    nest.Connect(cells, watcher)
    nest.Simulate(MS)
    events, spikes = recorder.events, watcher.events
    rows = [events["times"] / DT, events["senders"] - gids[0], events["targets"] - gids[0], events["weights"]]
    fired = np.stack([np.rint(spikes["times"] / DT).astype(int), spikes["senders"] - gids[0]], 1)
    return fired[np.lexsort((fired[:, 1], fired[:, 0]))], np.stack(rows, 1)


def _dopamine(nest):
    """What hears the dopaminergic neuron, a millisecond after it fires."""
    heard, neuron = nest.Create("volume_transmitter"), nest.Create("parrot_neuron")
    nest.Connect(nest.Create("spike_generator", params={"spike_times": np.round(REWARDS - 1.0, 1)}), neuron, syn_spec={"delay": 1.0})
    nest.Connect(neuron, heard, syn_spec={"delay": 1.0})
    return heard
