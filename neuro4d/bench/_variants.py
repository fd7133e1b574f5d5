"""Networks beyond the plain one: other receptors, stimuli, neurons, delays."""

from types import MappingProxyType
from typing import Any

import brainunit as u
import numpy as np

from neuro4d._base import Normal, Uniform
from neuro4d.connect import FixedProb
from neuro4d.network import Network, Population, Projection
from neuro4d.neurons import LIF, AdEx
from neuro4d.receptors import AlphaConductance, ExpConductance, ExpCurrent
from neuro4d.stimuli import Clamp, Input, OrnsteinUhlenbeck, Poisson, WhiteNoise

COBA = MappingProxyType(
    {"tau": 20 * u.ms, "c": 200 * u.pF, "v_rest": -60 * u.mV, "v_th": -50 * u.mV, "v_reset": -60 * u.mV, "t_ref": 5 * u.ms}
)


class OwnLIF(LIF):
    """A neuron that only Python knows: native kernels serve the very class `LIF`, not those derived from it."""


def coba_variant(variant: str) -> Network:
    """The driven COBA network with one thing changed: `alpha` receptors, `noise`, `colored` noise, `poisson` rates per neuron, two
    `groups`, an `input` port, or an `own` neuron; `plain` is as it is."""
    neuron = (OwnLIF if variant == "own" else LIF)(**COBA)
    shape = AlphaConductance if variant == "alpha" else ExpConductance
    ports = {"exc": shape(tau=5 * u.ms, e_rev=0 * u.mV), "inh": ExpConductance(tau=10 * u.ms, e_rev=-80 * u.mV)}
    weights = {"exc": (6 / np.e if variant == "alpha" else 6) * u.nS, "inh": 67 * u.nS}
    more = {"unused": ExpConductance(tau=5 * u.ms, e_rev=0 * u.mV)}  # other ports make another group
    v0 = Normal(-55 * u.mV, 5 * u.mV)
    if variant == "groups":
        a, b = Population("cells", 3200, neuron, ports, v0=v0), Population("others", 800, neuron, ports | more, v0=v0)
        sources: dict[str, Any] = {"exc": a, "inh": b}
        targets: tuple[Population, ...] = (a, b)
    else:
        a = Population("cells", 4000, neuron, ports, v0=v0)
        sources, targets = {"exc": a[:3200], "inh": a[3200:]}, (a,)
    extra: dict[str, Any] = {
        "noise": lambda: WhiteNoise("extra", a, std=50 * u.pA),
        "colored": lambda: OrnsteinUhlenbeck("extra", a, std=50 * u.pA, tau=5 * u.ms),
        "poisson": lambda: Poisson("extra", a, "exc", rate=np.linspace(0, 200, 4000) * u.Hz, weight=0.1 * u.nS),
        "input": lambda: Input("extra", a),
    }
    return Network(
        *targets,
        *(
            Projection(f"{port} to {target.name}", source, target, port, FixedProb(0.02), weight=weights[port])
            for port, source in sources.items()
            for target in targets
        ),
        *(Clamp(f"drive {target.name}", target, 200 * u.pA) for target in targets),
        *([extra[variant]()] if variant in extra else []),
    )


def small_groups(groups: int, n: int) -> Network:
    """A ring of groups of `n` neurons that cannot be merged, since each has a receptor of another name."""
    cells = [Population(f"p{k}", n, LIF(**COBA), {f"r{k}": ExpCurrent(tau=5 * u.ms)}, v0=Normal(-55 * u.mV, 5 * u.mV)) for k in range(groups)]
    ring = zip(range(groups), cells, [*cells[1:], cells[0]], strict=True)
    return Network(
        *cells,
        *(Clamp(f"drive {each.name}", each, 220 * u.pA) for each in cells),
        *(
            Projection(f"e{k}", pre, post, f"r{(k + 1) % groups}", FixedProb(0.1), weight=20 * u.pA, delay=1 * u.ms)
            for k, pre, post in ring
        ),
    )


def many_delays(n: int, longest_ms: float) -> Network:
    """Neurons whose synapses have delays uniform from 0.1 ms to `longest_ms`, firing some ten times per second."""
    cells = Population("cells", n, LIF(**COBA), {"exc": ExpCurrent(tau=5 * u.ms)}, v0=Uniform(-60 * u.mV, -50 * u.mV))
    delay = Uniform(0.1 * u.ms, longest_ms * u.ms)
    return Network(
        cells, Projection("e", cells, cells, "exc", FixedProb(0.1), weight=1 * u.pA, delay=delay), Clamp("drive", cells, 104 * u.pA)
    )


def alone(conductance: bool, n: int) -> Network:
    """`n` unconnected AdEx neurons with one receptor."""
    port = ExpConductance(tau=5 * u.ms, e_rev=0 * u.mV) if conductance else ExpCurrent(tau=5 * u.ms)
    cells = Population("cells", n, AdEx.preset("tonic"), {"exc": port}, v0=Uniform(-70 * u.mV, -55 * u.mV))
    return Network(cells, Clamp("drive", cells, 500 * u.pA))
