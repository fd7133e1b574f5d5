"""Everything that neuro4d exports for building networks, each with an example of it in a small network."""

import inspect

import brainunit as u
import numpy as np
from core.networks import lif

import neuro4d as n4
from neuro4d._base import AbstractPart, AbstractValue
from neuro4d.connect import AbstractKernel, AbstractRule
from neuro4d.neurons import AbstractNeuron
from neuro4d.ops import AbstractSurrogate
from neuro4d.plasticity import AbstractPlasticity
from neuro4d.receptors import AbstractReceptor
from neuro4d.recorders import AbstractRecorder
from neuro4d.stimuli import AbstractStimulus

KINDS = (
    AbstractNeuron,
    AbstractReceptor,
    AbstractRule,
    AbstractKernel,
    AbstractValue,
    AbstractStimulus,
    AbstractPlasticity,
    AbstractRecorder,
    AbstractSurrogate,
)
N = 5
IZHIKEVICH = {"a": 0.02 / u.ms, "b": 0.2 / u.ms, "c": -65 * u.mV, "d": 8 * u.mV / u.ms}
MEMBRANE = {"c": 100 * u.pF, "g_l": 10 * u.nS, "v_rest": -60 * u.mV, "v_t": -55 * u.mV, "v_reset": -60 * u.mV}

NEURONS = {
    "LIF": lambda: lif(v_th=np.linspace(-58, -54, N) * u.mV),
    "Izhikevich": lambda: n4.Izhikevich(**IZHIKEVICH, cm=20 * u.pF, substeps=2),
    "Relay": lambda: n4.Relay(),
    "PoissonNeuron": lambda: n4.PoissonNeuron(rate=np.linspace(100, 2000, N) * u.Hz, t_ref=0.2 * u.ms),
    "EIF": lambda: n4.EIF(**MEMBRANE, delta_t=3 * u.mV, t_ref=0.2 * u.ms),
    "AdEx": lambda: n4.AdEx(**MEMBRANE, delta_t=2 * u.mV, a=2 * u.nS, tau_w=30 * u.ms, b=20 * u.pA, t_ref=0.2 * u.ms),
    "QIF": lambda: n4.QIF(**MEMBRANE, t_ref=0.2 * u.ms),
    "ALIF": lambda: n4.ALIF(tau=20 * u.ms, tau_b=200 * u.ms, beta=1.8 * u.mV, g_l=30 * u.nS),
    "AdLIF": lambda: n4.AdLIF(tau=10 * u.ms, tau_w=60 * u.ms, a=5 * u.nS, b=50 * u.pA, g_l=30 * u.nS, order="ef"),
    "PLIF": lambda: n4.PLIF(w=-3.0, g_l=30 * u.nS),
    "LI": lambda: n4.LI(tau=15 * u.ms, g_l=10 * u.nS),
    "HodgkinHuxley": lambda: n4.HodgkinHuxley(v_th=np.linspace(-20, 0, N) * u.mV),
    "GLIF": lambda: n4.GLIF(level=5, v_th=np.linspace(-70, -60, N) * u.mV, t_ref=2 * u.ms),
    "TraubMiles": lambda: n4.TraubMiles(v_th=np.linspace(-30, -20, N) * u.mV),
}
# The time constants of two receptors are that of the membrane: the singular point of the propagators.
RECEPTORS = {
    "Delta": lambda: n4.Delta(),
    "PulseCurrent": lambda: n4.PulseCurrent(),
    "ExpCurrent": lambda: n4.ExpCurrent(tau=10 * u.ms),
    "AlphaCurrent": lambda: n4.AlphaCurrent(tau=10 * u.ms),
    "ExpConductance": lambda: n4.ExpConductance(tau=2 * u.ms, e_rev=0 * u.mV),
    "AlphaConductance": lambda: n4.AlphaConductance(tau=2 * u.ms, e_rev=0 * u.mV),
    "DualExpCurrent": lambda: n4.DualExpCurrent(tau_rise=10 * u.ms, tau_decay=10 * u.ms),
    "DualExpConductance": lambda: n4.DualExpConductance(tau_rise=1 * u.ms, tau_decay=2 * u.ms, e_rev=0 * u.mV),
    "NMDA": lambda: n4.NMDA(tau_rise=2 * u.ms, tau_decay=20 * u.ms),
    "GABAB": lambda: n4.GABAB(g_max=50 * u.nS, e_rev=0 * u.mV),  # so that it makes the neurons of the suite fire
}
# The integers of a chip: no derivative, no native step. tests/hardware/test_fixed_point.py has every bit of them.
FIXED_POINT = {
    "LoihiLIF": lambda: n4.LoihiLIF(du=410, dv=41, vth=np.arange(400, 400 + N)),
    "SpiNNakerLIF": lambda: n4.SpiNNakerLIF(
        tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=np.linspace(-58, -54, N) * u.mV, v_reset=-60 * u.mV, t_ref=0.2 * u.ms
    ),
    "SpiNNakerCurrent": lambda: n4.SpiNNakerCurrent(tau=2 * u.ms, shift=1),
}
# No native step: intervals are drawn in plain XLA. tests/stimuli/test_renewal.py has their law.
RENEWAL = {"GammaNeuron": lambda: n4.GammaNeuron(rate=np.linspace(100, 2000, N) * u.Hz, shape=2.5, t_ref=0.2 * u.ms)}
WEIGHTS = {"Delta": 2 * u.mV, "PulseCurrent": 3000 * u.pA, "ExpConductance": 5 * u.nS, "AlphaConductance": 5 * u.nS}
WEIGHTS |= {"DualExpConductance": 5 * u.nS, "NMDA": 5 * u.nS, "GABAB": 0.5 * u.mM}
RULES = {
    "FixedProb": lambda: n4.FixedProb(0.4),
    "FixedInDegree": lambda: n4.FixedInDegree(2),
    "FixedOutDegree": lambda: n4.FixedOutDegree(2),
    "FixedTotalNumber": lambda: n4.FixedTotalNumber(9),
    "OneToOne": lambda: n4.OneToOne(),
    "AllToAll": lambda: n4.AllToAll(),
    "EdgeList": lambda: n4.EdgeList([0, 0, 4], [1, 2, 3]),
    "SmallWorld": lambda: n4.SmallWorld(2, p=0.5),
    "ScaleFree": lambda: n4.ScaleFree(2),
    "Modular": lambda: n4.Modular(2, within=0.6, between=0.3),
}
BRAIN = n4.Lattice((3, 3, 2, 2), spacing=50 * u.um)
# Rules that ask for places.
PLACED = {
    "DistanceDecay": lambda: n4.DistanceDecay(p0=0.9, scale=100 * u.um, kernel=n4.GaussianKernel(), cutoff=120 * u.um),
    "Neighbours": lambda: n4.Neighbours(n4.BoxMask(50 * u.um), p=0.5),
    "Topographic": lambda: n4.Topographic(n4.Neighbours(n4.BallMask(50 * u.um), p=0.5), BRAIN.whole, BRAIN.whole),
}
MASKS = {
    "BallMask": lambda: n4.BallMask(100 * u.um),
    "RingMask": lambda: n4.RingMask(inner=50 * u.um, outer=100 * u.um),
    "BoxMask": lambda: n4.BoxMask(np.array([50.0, 100.0]) * u.um),
    "EllipsoidMask": lambda: n4.EllipsoidMask(np.array([50.0, 100.0]) * u.um),
}
VALUES = {
    "Constant": lambda: n4.Constant(100 * u.pA),
    "Normal": lambda: n4.Normal(100 * u.pA, 20 * u.pA, low=90 * u.pA),
    "LogNormal": lambda: n4.LogNormal(100 * u.pA, 20 * u.pA, high=150 * u.pA, clip=True),
    "Uniform": lambda: n4.Uniform(50 * u.pA, 150 * u.pA),
}
KERNELS = {"GaussianKernel": lambda: n4.GaussianKernel(), "ExponentialKernel": lambda: n4.ExponentialKernel()}
STIMULI = {
    "Clamp": lambda cells, name="s": n4.Clamp(name, cells, np.linspace(100, 600, N) * u.pA),
    "Steps": lambda cells, name="s": n4.Clamp(name, cells, n4.Steps(times=np.array([0.5, 1.0]) * u.ms, values=np.array([500.0, -20.0]) * u.pA)),
    "Waveform": lambda cells, name="s": n4.Clamp(name, cells, n4.Waveform(np.arange(6 * N).reshape(6, N) * 200 * u.pA, every=0.3 * u.ms)),
    "Poisson": lambda cells, name="s": n4.Poisson(name, cells, "in", rate=np.linspace(0, 4000, N) * u.Hz, weight=150 * u.pA),
    "RateSteps": lambda cells, name="s": n4.Poisson(
        name, cells, "in", rate=n4.RateSteps(samples=np.array([900.0, 5000.0]) * u.Hz, every=1 * u.ms), weight=150 * u.pA
    ),
    "AC": lambda cells, name="s": n4.Clamp(
        name, cells, n4.AC(amplitude=500 * u.pA, frequency=np.linspace(20, 500, N) * u.Hz, phase=1.0, offset=300 * u.pA)
    ),
    "CorrelatedPoisson": lambda cells, name="s": n4.CorrelatedPoisson(name, cells, "in", rate=3000 * u.Hz, correlation=0.4, weight=150 * u.pA),
    "PulsePackets": lambda cells, name="s": n4.PulsePackets(
        name, cells, "in", times=np.array([1.5, 2.4]) * u.ms, spikes=30, sigma=0.2 * u.ms, weight=np.linspace(100, 200, N) * u.pA
    ),
    "SpikeTimes": lambda cells, name="s": n4.SpikeTimes(
        name, cells, "in", times=np.array([0.5, 0.5, 1.0]) * u.ms, ids=np.array([0, 3, 3]), weight=200 * u.pA
    ),
    "WhiteNoise": lambda cells, name="s": n4.WhiteNoise(name, cells, mean=400 * u.pA, std=900 * u.pA),
    "OrnsteinUhlenbeck": lambda cells, name="s": n4.OrnsteinUhlenbeck(name, cells, mean=400 * u.pA, std=900 * u.pA, tau=2 * u.ms),
    "Input": lambda cells, name="s": n4.Input(name, cells),
}
# Neurons see the pixel of their site, so these need a lattice. tests/stimuli/test_movies.py has what they see.
MOVIES = {
    "Movie": lambda cells, name="s": n4.Poisson(
        name, cells, "in", rate=n4.Movie(np.linspace(0, 9000, 54).reshape(6, 3, 3) * u.Hz, every=0.3 * u.ms), weight=150 * u.pA
    )
}
PLASTICITY = {
    "Free": lambda: n4.Free(),
    "Hebbian": lambda: n4.Hebbian(rate=2 * u.pA, low=10 * u.pA, high=300 * u.pA, decay=1 * u.pA / u.ms),
    "STDP": lambda: n4.STDP(w_max=400 * u.pA, a_plus=0.1, a_minus=0.08, mu_plus=0.4, mu_minus=1),
    "TripletSTDP": lambda: n4.TripletSTDP(w_max=400 * u.pA, a2_plus=0.05),
}
# Rules that keep no pairs of spikes or more than those, and the port of their signals: tests/plasticity/test_rules.py runs them in networks.
LEARNING = {
    "VogelsInhibitory": lambda: n4.VogelsInhibitory(w_max=400 * u.pA, eta=5 * u.pA, rate=3 * u.Hz),
    "PowerLawSTDP": lambda: n4.PowerLawSTDP(w0=1 * u.pA, rate=0.1, alpha=0.05),
    "RewardSTDP": lambda: n4.RewardSTDP(w_max=400 * u.pA, a_plus=0.2, a_minus=0.1),
    "ClopathSTDP": lambda: n4.ClopathSTDP(w_max=400 * u.pA, peak=30 * u.mV),
    "BCM": lambda: n4.BCM(w_max=400 * u.pA, eta=0.01, rate=5 * u.Hz),
    "Oja": lambda: n4.Oja(norm=200 * u.pA, eta=0.01),
    "Homeostasis": lambda: n4.Homeostasis(w_max=400 * u.pA, rate=5 * u.Hz, every=10),
    "Dendritic": lambda: n4.Dendritic(n4.STDP(w_max=400 * u.pA, a_plus=0.1, a_minus=0.08)),
    "Combined": lambda: n4.Combined(n4.Oja(norm=200 * u.pA, eta=0.01), n4.Homeostasis(w_max=400 * u.pA, rate=5 * u.Hz, every=10)),
    "QuantalRelease": lambda: n4.QuantalRelease(sites=3, use=0.3, tau_rec=50 * u.ms, tau_fac=20 * u.ms),
    "TsodyksMarkram": lambda: n4.TsodyksMarkram(use=0.3, tau_rec=50 * u.ms, tau_fac=20 * u.ms, tau_in=2 * u.ms),
    "AccumulatedSTDP": lambda: n4.AccumulatedSTDP(w_max=400 * u.pA, a_plus=0.01, a_minus=0.012, every=10),  # tests/plasticity/test_accumulated.py
    "Modulator": lambda: n4.Modulator(),
    "PromptCurrent": lambda: n4.PromptCurrent(),  # tests/zoo/test_polychronous.py has every spike of a network of it
    "Neuromodulator": lambda: n4.Neuromodulator(),
    "Modulated": lambda: n4.Modulated(n4.STDP(w_max=400 * u.pA, a_plus=0.1, a_minus=0.08)),
    "Mixed": lambda: n4.Mixed(
        *(n4.TsodyksMarkram(use=use, tau_rec=50 * u.ms, tau_fac=20 * u.ms) for use in (0.2, 0.6)), shares=(0.3, 0.7)
    ),
}


def potential_and_spikes(state, spikes):
    return {"v": state["cells", "v"][:2], "fired": spikes["cells"]}


RECORDERS = {
    "Spikes": lambda: n4.Spikes(),
    "Trace": lambda: n4.Trace("cells", "in.i", every=0.3 * u.ms, ids=[4, 0]),
    "Counts": lambda: n4.Counts("cells", every=0.3 * u.ms),
    "Events": lambda: n4.Events(every=0.3 * u.ms),
    "Record": lambda: n4.Record(potential_and_spikes, every=0.3 * u.ms),
    "Window": lambda: n4.Window(length=0.4 * u.ms),
}
SURROGATES = {
    "SuperSpike": lambda: n4.SuperSpike(),
    "Triangle": lambda: n4.Triangle(),
    "Boxcar": lambda: n4.Boxcar(),
    "FastSigmoid": lambda: n4.FastSigmoid(),
    "Sigmoid": lambda: n4.Sigmoid(),
    "ATan": lambda: n4.ATan(),
    "Gaussian": lambda: n4.Gaussian(),
    "Erf": lambda: n4.Erf(),
    "SLAYER": lambda: n4.SLAYER(),
    "Scaled": lambda: n4.Scaled(n4.Triangle()),
}
CURVE = {"rate": 0.1 * u.Hz, "eps": 0.7}
STRUCTURE = {
    "Lifecycle": lambda: n4.Lifecycle(every=10 * u.ms, max_age=50 * u.ms, division_rate=2 * u.Hz, radius=80 * u.um),
    "GaussianGrowth": lambda: n4.GaussianGrowth(**CURVE),
    "LinearGrowth": lambda: n4.LinearGrowth(**CURVE),
    "SigmoidGrowth": lambda: n4.SigmoidGrowth(**CURVE),
    "Growth": lambda: n4.Growth(n4.GaussianGrowth(**CURVE), n4.LinearGrowth(**CURVE)),
    "Formation": lambda: n4.Formation(rate=0.01, full=20 * u.Hz, radius=100 * u.um),
    "Pruning": lambda: n4.Pruning(below=1 * u.pA, idle=1 * u.second),
    "StructuralPlasticity": lambda: n4.StructuralPlasticity(pruning=n4.Pruning(below=1 * u.pA)),
}
TABLES = (NEURONS, RENEWAL, RECEPTORS, FIXED_POINT, RULES, PLACED, MASKS, VALUES, KERNELS, STIMULI, MOVIES, PLASTICITY, LEARNING)
TABLES += (RECORDERS, SURROGATES, STRUCTURE)


def exported() -> dict[str, type]:
    """The concrete classes among the exports that are parts of a network."""
    classes = {name: x for name, x in vars(n4).items() if inspect.isclass(x)}
    return {name: cls for name, cls in classes.items() if issubclass(cls, (*KINDS, AbstractPart)) and not inspect.isabstract(cls)}


def network(name: str) -> n4.Network:
    """A network around the example of one neuron, receptor, stimulus, plasticity or rule."""
    if name in ("PoissonNeuron", *RENEWAL):
        return of_sources(name)
    if name in MOVIES:
        return on_lattice(RULES["FixedProb"](), MOVIES[name])
    if name in NEURONS or name in ("LoihiLIF", "SpiNNakerLIF"):
        cells = n4.Population("cells", N, (NEURONS | FIXED_POINT)[name](), {"in": n4.Delta() if name == "Relay" else n4.ExpCurrent(tau=2 * u.ms)})
    else:
        cells = n4.Population(
            "cells", N, lif(), {"in": (RECEPTORS | FIXED_POINT).get(name, RECEPTORS["ExpCurrent"])()}, v0=n4.Uniform(-60 * u.mV, -51 * u.mV)
        )
    weight = WEIGHTS.get(type(cells.receptors["in"]).__name__, 150 * u.pA)
    if name in STIMULI:
        drive = STIMULI[name](cells)
    else:
        drive = n4.Poisson("s", cells, "in", rate=3000 * u.Hz, weight=weight)
    if name in PLACED:
        return on_lattice(PLACED[name]())
    rule = RULES.get(name, RULES["FixedProb"])()
    plasticity = PLASTICITY[name]() if name in PLASTICITY else None
    return n4.Network(cells, drive, n4.Projection("e", cells, cells, "in", rule, weight=weight, delay=0.3 * u.ms, plasticity=plasticity))


def together(names) -> n4.Network:
    """One network for some stimuli, or for some rules of plasticity: each has a population of its name, and one program runs them all."""
    parts = []
    for name in names:
        cells = n4.Population(name, N, lif(), {"in": RECEPTORS["ExpCurrent"]()}, v0=n4.Uniform(-60 * u.mV, -51 * u.mV))
        drive = STIMULI.get(name, STIMULI["Poisson"])(cells, name)
        plasticity = PLASTICITY[name]() if name in PLASTICITY else None
        edges = n4.FixedProb(0.4)
        parts += [
            cells,
            drive,
            n4.Projection(f"{name} again", cells, cells, "in", edges, weight=150 * u.pA, delay=0.3 * u.ms, plasticity=plasticity),
        ]
    return n4.Network(*parts)


def of_sources(name) -> n4.Network:
    cells = n4.Population("cells", N, (NEURONS | RENEWAL)[name]())
    targets = n4.Population("targets", N, lif(), {"in": n4.ExpCurrent(tau=2 * u.ms)})
    return n4.Network(cells, targets, n4.Projection("e", cells, targets, "in", n4.FixedProb(0.4), weight=150 * u.pA, delay=0.3 * u.ms))


def on_lattice(rule, drive=None) -> n4.Network:
    cells = n4.Population("cells", BRAIN.all(), lif(), {"in": n4.ExpCurrent(tau=2 * u.ms)})
    edges = n4.Projection("e", cells, cells, "in", rule, weight=150 * u.pA, delay=0.3 * u.ms)
    return n4.Network(cells, edges, *([] if drive is None else [drive(cells)]))
