"""An example of our own: five areas in the corners of a four-dimensional lattice."""

from types import MappingProxyType

import brainunit as u

from neuro4d._base import Normal, Uniform
from neuro4d.connect import DistanceDecay
from neuro4d.lattice import Box, Lattice
from neuro4d.network import Network, Population, Projection
from neuro4d.neurons import LIF
from neuro4d.receptors import ExpConductance
from neuro4d.stimuli import Poisson

LOW, HIGH = (0, 9), (10, 19)

AREAS = MappingProxyType(
    {
        "V1": Box(x=LOW, y=LOW, z=LOW, w=LOW),
        "A1": Box(x=HIGH, y=LOW, z=LOW, w=LOW),
        "S1": Box(x=LOW, y=HIGH, z=LOW, w=LOW),
        "ASSOC": Box(x=HIGH, y=HIGH, z=LOW, w=LOW),
        "M1": Box(x=HIGH, y=HIGH, z=HIGH, w=LOW),
    }
)
"""Corners of the lattice, 10,000 sites each."""

ROUTES = (("V1", "ASSOC"), ("A1", "ASSOC"), ("S1", "ASSOC"), ("S1", "M1"), ("ASSOC", "M1"), ("ASSOC", "V1"), ("M1", "S1"))
"""Excitatory connections between areas."""


def lattice4d() -> Network:
    r"""Three sensory areas, an association area and a motor area on a lattice of 20 x 20 x 20 x 20 sites.

    | parameter | value |
    |---|---|
    | lattice | spacing 50 um in x, y, z and w; areas `V1 A1 S1 ASSOC M1` of 10 x 10 x 10 x 10 sites |
    | neurons | at 8 % of the sites an excitatory, at 2 % an inhibitory one: about 5,000 |
    | membrane | $\tau$ 20 ms, $C$ 200 pF, rest and reset -60 mV, threshold -50 mV, refractory 5 ms |
    | synapses | conductances: excitatory 5 ms, 0 mV; inhibitory 10 ms, -80 mV; about 650,000 |
    | probability | $p_0 e^{-d/\lambda}$ of the 4D distance $d$; within an area 0.8 with 150 um (excitatory) and 200 um (inhibitory) |
    | between areas | excitatory along `ROUTES`, 0.6 with 200 um |
    | weights | 1.2 nS and 25 nS within, 1 nS between areas, with a sd of 20 % |
    | delays | uniform between 0.5 and 3 ms within, 2 and 6 ms between areas |
    | background | Poisson input of 300 Hz and 2 nS to every neuron |

    **Returns:** a `Network` with two populations for each area, such as `V1-E` and `V1-I`. Run it with `dt = 0.1 ms`.

    **Reference:** measured with neuro4d itself: irregular firing in all areas, 3 to 8 Hz (excitatory) and 2.5 to 6.5 Hz (inhibitory), CV 0.7 to 1.

    !!! Example

        >>> import neuro4d as n4
        >>> net = n4.zoo.lattice4d()
    """
    lattice = Lattice((20, 20, 20, 20), spacing=50 * u.um, areas=AREAS)
    lif = LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV, t_ref=5 * u.ms)
    receptors = {
        "exc": ExpConductance(tau=5 * u.ms, e_rev=0 * u.mV),
        "inh": ExpConductance(tau=10 * u.ms, e_rev=-80 * u.mV),
    }
    v0 = Uniform(-60 * u.mV, -50 * u.mV)
    cells = {
        (area, kind): Population(f"{area}-{kind}", lattice[area].sample(density), lif, receptors, v0=v0)
        for area in AREAS
        for kind, density in (("E", 0.08), ("I", 0.02))
    }
    parts: list[Population | Projection | Poisson] = list(cells.values())
    for area in AREAS:
        parts += [_within(cells[area, source], cells[area, target], source) for source in "EI" for target in "EI"]
    for source, target in ROUTES:
        parts += [_between(cells[source, "E"], cells[target, kind]) for kind in "EI"]
    parts += [Poisson(f"background-{pop.name}", pop, "exc", rate=300 * u.Hz, weight=2 * u.nS) for pop in cells.values()]
    return Network(*parts)


def _within(source: Population, target: Population, kind: str) -> Projection:
    if kind == "E":
        rule, port, weight = DistanceDecay(p0=0.8, scale=150 * u.um), "exc", 1.2
    else:
        rule, port, weight = DistanceDecay(p0=0.8, scale=200 * u.um), "inh", 25.0
    return Projection(
        f"{source.name} to {target.name}", source, target, port, rule,
        weight=_positive(weight), delay=Uniform(0.5 * u.ms, 3 * u.ms),
    )  # fmt: skip


def _between(source: Population, target: Population) -> Projection:
    return Projection(
        f"{source.name} to {target.name}", source, target, "exc", DistanceDecay(p0=0.6, scale=200 * u.um),
        weight=_positive(1.0), delay=Uniform(2 * u.ms, 6 * u.ms),
    )  # fmt: skip


def _positive(mean: float) -> Normal:
    return Normal(mean * u.nS, 0.2 * mean * u.nS, low=0 * u.nS)
