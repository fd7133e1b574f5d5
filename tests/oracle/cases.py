"""The networks on which two simulators must agree: plain arrays, built once and given to both.

All times are in ms, potentials in mV, currents in pA, capacitances in pF; times lie on the grid of `DT`.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

DT = 0.1

CORTEX = {"tau": 10.0, "c": 250.0, "v_rest": -65.0, "v_th": -50.0, "v_reset": -65.0, "t_ref": 2.0}


class Edges(NamedTuple):
    """Synapses, one entry each; positive weights act through the excitatory receptor, negative ones through the other."""

    pre: np.ndarray
    post: np.ndarray
    weight: np.ndarray
    delay: np.ndarray


class Arrivals(NamedTuple):
    """Spikes from outside: each is part of the receptor's state of neuron `ids[k]` at `times[k]`. The sign chooses the receptor."""

    times: np.ndarray
    ids: np.ndarray
    weight: float


class Staircase(NamedTuple):
    """A current that is `values[k]` from `times[k]` on, and 0 before the first."""

    times: np.ndarray
    values: np.ndarray


class Case(NamedTuple):
    """One deterministic network.

    `synapse` is "exp", "alpha", "delta", "cond_exp", "cond_alpha" or "cond_beta" (with `tau_rise`); neuron fields, `v0` and `current` are scalars or have one entry
    per neuron; pairs are (excitatory, inhibitory).
    """

    synapse: str
    n: int
    duration: float
    neuron: dict = CORTEX
    tau_syn: tuple[float, float] = (0.5, 0.5)
    tau_rise: tuple[float, float] = (0.3, 1.0)
    e_rev: tuple[float, float] = (0.0, -80.0)
    v0: np.ndarray | float = -65.0
    current: np.ndarray | float = 0.0
    staircase: Staircase | None = None
    edges: Edges | None = None
    arrivals: tuple[Arrivals, ...] = ()


def on_grid(x: np.ndarray) -> np.ndarray:
    """Rounded to the grid as the nearest floats to the decimal numbers."""
    return np.round(np.rint(np.asarray(x) / DT) * DT, 6)


def poisson_arrivals(rng: np.random.Generator, n: int, rate: float, duration: float, weight: float) -> Arrivals:
    """Independent trains at `rate` (1/ms) for every neuron; several arrivals may fall into one step."""
    steps = round(duration / DT)
    counts = rng.poisson(rate * DT, (steps - 2, n))
    step, ids = np.nonzero(counts)
    repeat = counts[step, ids]
    return Arrivals(on_grid(np.repeat(step + 2, repeat) * DT), np.repeat(ids, repeat), weight)


def random_edges(rng: np.random.Generator, n: int, per_neuron: int, weights: tuple[float, float], delays: tuple[float, float]) -> Edges:
    """A fixed in-degree without autapses; the last fifth of the neurons inhibits. Weights vary by 10 %, delays are uniform."""
    post = np.repeat(np.arange(n), per_neuron)
    pre = (post + rng.integers(1, n, post.size)) % n
    mean = np.where(pre < n - n // 5, *weights)
    return Edges(pre, post, mean * rng.uniform(0.9, 1.1, post.size), on_grid(rng.uniform(*delays, post.size)))


def single_neurons() -> Case:
    """Unconnected neurons: every combination of eight currents with four refractory periods and two time constants."""
    current, t_ref, tau = np.meshgrid([374.0, 376.0, 380.0, 400.0, 500.0, 750.0, 1500.0, 4000.0], [0.0, 0.1, 2.0, 5.3], [10.0, 23.7])
    neuron = CORTEX | {"t_ref": t_ref.ravel(), "tau": tau.ravel()}
    return Case("exp", current.size, 300.0, neuron, current=current.ravel(), v0=np.linspace(-70.0, -51.0, current.size))


def chain() -> Case:
    """A line of neurons, each exciting the next above threshold, with delays from one step to 7 ms."""
    n = 30
    pre = np.arange(n - 1)
    delay = np.resize([0.1, 0.2, 1.5, 7.0, 0.3, 2.9], n - 1)
    edges = Edges(pre, pre + 1, np.resize([12000.0, 9500.0, 40000.0], n - 1), delay)
    arrivals = Arrivals(np.array([0.2, 5.0, 5.3, 40.0, 77.7]), np.zeros(5, int), 15000.0)
    return Case("exp", n, 200.0, edges=edges, arrivals=(arrivals,))


def heterogeneous_delays() -> Case:
    """120 neurons, each with its own parameters; few strong synapses, each with its own delay between one step and 12 ms.

    One step more in the delay of a single synapse moves spikes for half of the synapses.
    """
    rng = np.random.default_rng(1)
    n = 120
    neuron = {
        "tau": rng.uniform(8.0, 25.0, n),
        "c": rng.uniform(180.0, 300.0, n),
        "v_rest": rng.uniform(-68.0, -62.0, n),
        "v_th": rng.uniform(-52.0, -48.0, n),
        "v_reset": rng.uniform(-66.0, -58.0, n),
        "t_ref": on_grid(rng.uniform(0.5, 4.0, n)),
    }
    edges = random_edges(rng, n, 8, (3000.0, -6000.0), (0.1, 12.0))
    return Case("exp", n, 300.0, neuron, (0.7, 2.1), edges=edges, arrivals=(poisson_arrivals(rng, n, 0.4, 300.0, 1500.0),))


def recurrent(synapse: str, weights: tuple[float, float], external: float, tau_syn: tuple[float, float]) -> Case:
    """200 neurons with 40 synapses each, driven by arrivals and a current."""
    rng = np.random.default_rng(2)
    n = 200
    edges = random_edges(rng, n, 40, weights, (0.5, 3.0))
    arrivals = poisson_arrivals(rng, n, 0.8, 300.0, external)
    return Case(synapse, n, 300.0, tau_syn=tau_syn, current=rng.uniform(0.0, 150.0, n), edges=edges, arrivals=(arrivals,))


def exponential() -> Case:
    return recurrent("exp", (180.0, -700.0), 250.0, (1.2, 3.4))


def alpha() -> Case:
    return recurrent("alpha", (120.0, -500.0), 150.0, (0.8, 2.5))


def delta() -> Case:
    return recurrent("delta", (0.4, -1.6), 1.6, (0.0, 0.0))


def equal_time_constants(synapse: str) -> Case:
    """The limit in which a synaptic time constant equals the membrane's."""
    area = 1.0 if synapse == "exp" else np.e  # an alpha current of the same peak carries e times the charge
    return recurrent(synapse, (20.0 / area, -120.0 / area), 42.0 / area, (10.0, 10.0))


def lost_arrivals() -> Case:
    """Volleys of voltage jumps around a spike: in the step of the spike, in each of the 20 refractory ones, and after."""
    offsets = np.arange(-3, 26)
    first = 10.0
    times = on_grid(np.concatenate([[first, first + offset * DT] for offset in offsets]))
    ids = np.repeat(np.arange(offsets.size), 2)
    later = on_grid(first + 2.0 + 0.1 * np.arange(offsets.size))
    times, ids = np.concatenate([times, later]), np.concatenate([ids, np.arange(offsets.size)])
    return Case("delta", offsets.size, 40.0, current=np.linspace(0, 600, offsets.size), arrivals=(Arrivals(times, ids, 15.5),))


def stepped_current() -> Case:
    """Currents that jump, several times between spikes, up to every step."""
    rng = np.random.default_rng(3)
    times = on_grid(np.concatenate([[0.3, 20.0, 20.1, 20.2, 55.5], np.arange(80.0, 160.0, 0.1), [170.0, 200.0]]))
    values = np.concatenate([[500.0, 2000.0, -300.0, 700.0, 420.0], rng.normal(500.0, 300.0, times.size - 7), [900.0, 0.0]])
    return Case("exp", 5, 250.0, CORTEX | {"tau": np.linspace(6.0, 20.0, 5)}, staircase=Staircase(times, values))


def thousand() -> Case:
    """1,000 balanced neurons with 100 synapses each for 500 ms, driven by fixed spike times; weights and delays differ."""
    rng = np.random.default_rng(4)
    n, duration = 1000, 500.0
    edges = random_edges(rng, n, 100, (88.0, -440.0), (0.1, 4.0))
    arrivals = poisson_arrivals(rng, n, 1.6, duration, 500.0)
    return Case("exp", n, duration, v0=rng.uniform(-68.0, -51.0, n), edges=edges, arrivals=(arrivals,))


def conductances(synapse: str) -> Case:
    """A neuron below threshold under excitatory and inhibitory conductances of the size of its leak, and a current."""
    neuron = {"tau": 20.0, "c": 200.0, "v_rest": -60.0, "v_th": -50.0, "v_reset": -60.0, "t_ref": 5.0}
    excite = Arrivals(np.array([5.0, 5.6, 12.0, 31.4, 31.4, 60.0]), np.zeros(6, int), 2.5)
    inhibit = Arrivals(np.array([9.0, 33.0, 33.1, 70.0]), np.zeros(4, int), -8.0)
    return Case(synapse, 1, 100.0, neuron, (5.0, 10.0), v0=-63.0, current=40.0, arrivals=(excite, inhibit))


SPIKING = {
    "single neurons": single_neurons,
    "chain": chain,
    "heterogeneous delays": heterogeneous_delays,
    "exponential synapses": exponential,
    "alpha synapses": alpha,
    "delta synapses": delta,
    "equal time constants, exponential": partial(equal_time_constants, "exp"),
    "equal time constants, alpha": partial(equal_time_constants, "alpha"),
    "arrivals lost in refractoriness": lost_arrivals,
    "stepped current": stepped_current,
    "a thousand neurons": thousand,
}
