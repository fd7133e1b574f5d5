"""The networks that are measured, by name, made from plain values so that they can be named in a job."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import brainunit as u

from neuro4d._base import Normal, Uniform, lookup
from neuro4d.bench._variants import alone, coba_variant, many_delays, small_groups
from neuro4d.connect import FixedOutDegree, FixedProb
from neuro4d.network import Network, Population, Projection
from neuro4d.neurons import LIF, AbstractNeuron, Izhikevich, Relay
from neuro4d.receptors import Delta, ExpConductance, ExpCurrent
from neuro4d.stimuli import Clamp, Poisson, WhiteNoise
from neuro4d.zoo import brunel, coba, cobahh, cuba, izhikevich2003, microcircuit


def network(spec: Mapping[str, Any]) -> Network:
    """The network of a job: `spec["name"]` chooses, the other entries are the arguments.

    **Raises:** `KeyError` for an unknown name.

    !!! Example

        >>> from neuro4d.bench import network
        >>> net = network({"name": "sparse", "model": "lif", "n": 100, "p": 0.1})
    """
    arguments = {key: value for key, value in spec.items() if key != "name"}
    return lookup(NETWORKS, spec["name"], "network of the benchmarks")(**arguments)


def dense_coba(n: int, k: int) -> Network:
    """The driven COBA network with `k` synapses per neuron, weakened by 80/k so that the mean input stays."""
    f = 80 / k
    lif = LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV, t_ref=5 * u.ms)
    receptors = {"exc": ExpConductance(tau=5 * u.ms, e_rev=0 * u.mV), "inh": ExpConductance(tau=10 * u.ms, e_rev=-80 * u.mV)}
    cells = Population("cells", n, lif, receptors, v0=Normal(-55 * u.mV, 5 * u.mV))
    n_exc = n * 4 // 5
    return Network(
        cells,
        Projection("e", cells[:n_exc], cells, "exc", FixedProb(k / n), weight=6 * f * u.nS),
        Projection("i", cells[n_exc:], cells, "inh", FixedProb(k / n), weight=67 * f * u.nS),
        Clamp("drive", cells, 200 * u.pA),
    )


def sparse(model: str, n: int, p: float) -> Network:
    """`n` neurons of one model, connected with probability `p`, firing a few times per second. Run it with `dt = 1 ms`."""
    n_exc = n * 4 // 5
    count = p * n
    if model == "lif":
        neuron: AbstractNeuron = LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-65 * u.mV, v_th=-50 * u.mV, v_reset=-65 * u.mV, t_ref=5 * u.ms)
        v0, mean, std, weight = Uniform(-65 * u.mV, -50 * u.mV), 130 * u.pA, 150 * u.pA, 20 / max(count, 1)
    elif model == "izhikevich":
        rate, slope = 1 / u.ms, u.mV / u.ms
        neuron = Izhikevich(a=0.02 * rate, b=0.2 * rate, c=-65 * u.mV, d=8 * slope, substeps=2)
        v0, mean, std, weight = Uniform(-70 * u.mV, -60 * u.mV), 2 * u.pA, 4 * u.pA, 2 / max(count, 1)
    else:
        raise ValueError(f"sparse: `model` is 'lif' or 'izhikevich'; got {model!r}.")
    cells = Population("cells", n, neuron, {"in": ExpCurrent(tau=5 * u.ms)}, v0=v0)
    return Network(
        cells,
        Projection("e", cells[:n_exc], cells, "in", FixedProb(p), weight=weight * u.pA),
        Projection("i", cells[n_exc:], cells, "in", FixedProb(p), weight=-4 * weight * u.pA),
        WhiteNoise("noise", cells, mean=mean, std=std),
    )


def fan(sources: int, active: int, rate_hz: float, row: int, silent_row: int, targets: int, weights: str = "one") -> Network:
    """Relays onto neurons: `active` relays fire at `rate_hz` into rows of `row` synapses, the others never, into rows of `silent_row`.

    `weights`: "one" for all, or one for every "edge".
    """
    weight = 1e-6 * u.pA if weights == "one" else Uniform(1e-6 * u.pA, 2e-6 * u.pA)
    relays = Population("relays", sources, Relay(), {"in": Delta()})
    lif = LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-65 * u.mV, v_th=-50 * u.mV, v_reset=-65 * u.mV)
    cells = Population("cells", targets, lif, {"in": ExpCurrent(tau=5 * u.ms)})
    parts = [
        relays,
        cells,
        Projection("active", relays[:active], cells, "in", FixedOutDegree(row), weight=weight, delay=0.1 * u.ms),
        Poisson("clock", relays[:active], "in", rate=rate_hz * u.Hz, weight=1 * u.mV),
    ]
    if silent_row:
        parts.append(Projection("silent", relays[active:], cells, "in", FixedOutDegree(silent_row), weight=weight, delay=0.1 * u.ms))
    return Network(*parts)


def pulses(n: int, p: float) -> Network:
    """Voltage-jump synapses whose weights are exact binary fractions, so that a sum of them is the same in any order."""
    n_exc = n * 4 // 5
    lif = LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-49 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV, t_ref=5 * u.ms)
    cells = Population("cells", n, lif, {"in": Delta()}, v0=Uniform(-60 * u.mV, -50 * u.mV))
    return Network(
        cells,
        Projection("e", cells[:n_exc], cells, "in", FixedProb(p), weight=0.125 * u.mV, delay=0.1 * u.ms),
        Projection("i", cells[n_exc:], cells, "in", FixedProb(p), weight=-0.75 * u.mV, delay=0.1 * u.ms),
    )


NETWORKS = MappingProxyType(
    {
        "cuba": cuba,
        "coba": coba,
        "brunel": brunel,
        "microcircuit": microcircuit,
        "dense_coba": dense_coba,
        "sparse": sparse,
        "fan": fan,
        "pulses": pulses,
        "cobahh": cobahh,
        "izhikevich2003": izhikevich2003,
        "coba_variant": coba_variant,
        "small_groups": small_groups,
        "many_delays": many_delays,
        "alone": alone,
    }
)
