"""Bad input to networks, models and runs."""

import dataclasses
import re

import brainunit as u
import jax
import jax.random as jr
import numpy as np
from bad_inputs.table import Table
from core.networks import lif

import neuro4d as n4

NAN, INF = float("nan"), float("inf")
CELLS = n4.Population("cells", 10, lif(), {"exc": n4.ExpConductance(tau=5 * u.ms, e_rev=0 * u.mV), "cur": n4.ExpCurrent(tau=5 * u.ms)})
MODEL = n4.Network(
    CELLS, n4.Projection("e", CELLS, CELLS, "cur", n4.FixedProb(0.5), weight=1 * u.pA, delay=1 * u.ms), n4.Input("port", CELLS)
).build(dt=0.1 * u.ms, seed=0)
STATE = MODEL.init(jr.key(0))
OTHER = n4.Network(n4.Population("other", 10, lif())).build(dt=0.1 * u.ms)


def edge(rule=n4.OneToOne(), port="cur", **values):
    return n4.Projection("e", CELLS, CELLS, port, rule, **{"weight": 1 * u.pA, **values})


def build(*parts, **changes):
    return n4.Network(CELLS, *parts).build(**{"dt": 0.1 * u.ms, "seed": 0} | changes)


def population(size=10, **values):
    return n4.Population("p", size, lif(), {"exc": n4.ExpCurrent(tau=5 * u.ms)}, **values)


def run(duration=1 * u.ms, record=(), **values):
    return n4.simulate(MODEL, STATE, duration, record, **values)


def given_spikes(times, ids, weight=1 * u.pA):
    return n4.SpikeTimes("s", CELLS, "cur", times=np.array(times) * u.ms, ids=np.array(ids), weight=weight)


def poisson(rate, weight=1 * u.pA, port="cur"):
    return n4.Poisson("noise", CELLS, port, rate=rate, weight=weight)


row = Table()

for bad, text in ((0 * u.ms, "0"), (-1 * u.ms, "-1"), (NAN * u.ms, "nan"), (INF * u.ms, "inf")):
    row(f"B01 tau {text}", lambda bad=bad: lif(tau=bad), ValueError, rf"LIF\.tau must be more than 0.*{text}.*tau=20")
    row(f"B01 synaptic tau {text}", lambda bad=bad: n4.AlphaCurrent(tau=bad), ValueError, rf"AlphaCurrent\.tau .*{text}")
row("B01 tau of one neuron", lambda: lif(tau=np.array([1.0, 0.0]) * u.ms), ValueError, r"LIF\.tau.*index 1")
row("B02 c", lambda: lif(c=-1 * u.pF), ValueError, r"LIF\.c must be more than 0.*-1")
row("B02 cm", lambda: n4.Izhikevich(a=1 / u.ms, b=1 / u.ms, c=-65 * u.mV, d=8 * u.mV / u.ms, cm=0 * u.pF), ValueError, r"Izhikevich\.cm")
row("B03 unstable step", lambda: izhikevich_build(3.0), ValueError, r"dt=3\.0.*substeps=3")
row("B04 threshold", lambda: lif(v_th=-60 * u.mV), ValueError, r"v_th must lie above v_reset.*v_th=-60.*v_th=-50\*u\.mV")
row("B05 one threshold", lambda: lif(v_th=np.array([-50.0, -70.0]) * u.mV), ValueError, r"v_th.*index 1")
row("B05 drawn threshold", lambda: build_population(lif(v_th=n4.Normal(-60 * u.mV, 9 * u.mV))), ValueError, r"v_th.*index \d")
row("B06 peak", lambda: n4.Izhikevich(a=1 / u.ms, b=1 / u.ms, c=35 * u.mV, d=8 * u.mV / u.ms), ValueError, r"v_peak must lie above c")
row("B07 t_ref negative", lambda: lif(t_ref=-1 * u.ms), ValueError, r"LIF\.t_ref must be at least 0.*-1")
row(
    "B07 t_ref off grid",
    lambda: build_population(lif(t_ref=0.25 * u.ms)),
    ValueError,
    r"LIF\.t_ref must be a multiple of dt.*0\.25.*Nearest",
)
for bad in (0 * u.ms, -0.1 * u.ms, NAN * u.ms, INF * u.ms, np.ones(2) * u.ms):
    row(f"B09 dt {bad}", lambda bad=bad: build(dt=bad), ValueError, r"dt is one positive time.*dt=0\.1\*u\.ms.*got")
for bad in (0.1, "0.1 ms", None, 0.1 * u.mV):
    row(f"B09 dt {bad!r}", lambda bad=bad: build(dt=bad), n4.UnitError, r"dt: expected a quantity convertible to ms")
row("B10 dt after build", lambda: setattr(MODEL, "dt", 0.2), dataclasses.FrozenInstanceError, "")
row("B11 duration", lambda: run(-1 * u.ms), ValueError, r"duration is one time, 0 or more.*-1")
row("B12 duration off grid", lambda: run(0.11 * u.ms), ValueError, r"duration must be a multiple of dt.*0\.11.*0\.1 \* u\.ms")
row("B14 steps", lambda: run(1e9 * u.second), ValueError, r"duration must be at most 4294967295 steps.*larger dt")
row("B14 overflow", lambda: run(1e300 * u.ms), ValueError, r"duration must be at most 4294967295 steps")
row("B14 counter", lambda: n4.simulate(MODEL, MODEL.init(jr.key(0), start=2**32 - 5), 1 * u.ms), ValueError, r"step counter.*new state")
row("B14 start", lambda: MODEL.init(jr.key(0), start=2**32), ValueError, r"start is a whole number.*4294967296")
row("B15 no neuron", lambda: population(0), ValueError, r"size of population 'p' must be at least 1; got 0")
for bad in (-1, 1.5, True, "10", None):
    error = ValueError if bad == -1 else TypeError
    row(f"B16 size {bad!r}", lambda bad=bad: population(bad), error, rf"size of population 'p'.*{re.escape(repr(bad))}")
row("B17 neurons", lambda: build_population(lif(), 10**12), n4.MemoryBudgetError, r"at least \d+ bytes .*population 'p'.*fewer neurons")
row("B17 edges", lambda: all_to_all(10**6), n4.MemoryBudgetError, r"at least \d+ bytes .*synapses of projection 'all' .*TiB")
row("B18 populations", lambda: n4.Network(CELLS, n4.Population("cells", 1, lif())), ValueError, r"population are named 'cells'.*once")
row("B18 projections", lambda: n4.Network(CELLS, edge(), edge()), ValueError, r"projection are named 'e'")
row("B18 stimuli", lambda: n4.Network(CELLS, *[n4.Clamp("d", CELLS, 1 * u.pA)] * 2), ValueError, r"stimulus are named 'd'")
row("B18 recorders", lambda: run(record=[n4.Spikes(), n4.Spikes()]), ValueError, r"two recorders are named 'spikes'.*name=")
for bad in ("a/b", "..", "a\0b", "x" * 300, "", ".hidden", "a\nb", "a:b", " a"):
    row(f"B19 name {bad[:9]!r}", lambda bad=bad: n4.Population(bad, 1, lif()), ValueError, r"the name of a population has 1 to 100 letters")
    row(f"B19 stimulus {bad[:9]!r}", lambda bad=bad: n4.Clamp(bad, CELLS, 1 * u.pA), ValueError, r"the name of a stimulus")
row("B19 not a name", lambda: n4.Population(3, 1, lif()), TypeError, r"name of a population is a string.*3")
row("B20 delay", lambda: edge(delay=-1 * u.ms), ValueError, r"'e': a delay is 0 or more.*-1")
row("B20 delay nan", lambda: edge(delay=NAN * u.ms), ValueError, r"'e': delay must be finite.*nan")
row("B20 delay inf", lambda: edge(delay=INF * u.ms), ValueError, r"'e': delay must be finite.*inf")
row("B20 delay draws", lambda: edge(delay=n4.Normal(1 * u.ms, 1 * u.ms)), ValueError, r"'e': a delay is 0 or more.*low=0\.1\*u\.ms")
row(
    "B20 delay draws below dt",
    lambda: build(edge(delay=n4.Uniform(0 * u.ms, 1 * u.ms))),
    ValueError,
    r"'e': delay.*below one step.*low=0\.1",
)
row("B20 mixed zeros", lambda: build(edge(delay=np.arange(10) * u.ms)), ValueError, r"'e': delay.*entry 0 is 0.*two projections")
row("B21 delay off grid", lambda: build(edge(delay=0.25 * u.ms)), ValueError, r"'e': delay must be a multiple of dt.*0\.25")
row("B22 delay in steps", lambda: build(edge(delay=1e12 * u.ms)), ValueError, r"'e': delay must be at most 2147483647 steps")
row(
    "B22 memory of a delay",
    lambda: build(edge(delay=2e8 * u.ms)),
    n4.MemoryBudgetError,
    r"remembered for the delays of projection 'e'.*shorter delays",
)
row(
    "B23 delays per edge",
    lambda: build(edge(delay=np.ones(3) * u.ms)),
    ValueError,
    r"'e': delay has one entry per edge, shape \(10,\); got shape \(3,\)",
)
row(
    "B23 weights per edge",
    lambda: build(edge(weight=np.ones(11) * u.pA)),
    ValueError,
    r"'e': weight has one entry per edge.*\(10,\).*\(11,\)",
)
for bad in (-0.1, 1.5, NAN):
    row(f"B24 p {bad}", lambda bad=bad: n4.FixedProb(bad), ValueError, rf"FixedProb\.p.*{bad}")
row("B25 in-degree", lambda: build(edge(n4.FixedInDegree(11, multapses=False))), ValueError, r"'e'.*FixedInDegree.*11")
row("B26 total", lambda: build(edge(n4.FixedTotalNumber(101, multapses=False))), ValueError, r"'e': FixedTotalNumber: 101 .*multapses=True")
for bad, error in ((10, IndexError), (-1, IndexError), (2**31, IndexError), (1.0, TypeError), (NAN, TypeError)):
    row(f"B27 index {bad}", lambda bad=bad: build(edge(n4.EdgeList([0], [bad]))), error, r"EdgeList\.post.*edge 0 has")
row("B29 duplicate", lambda: build(edge(n4.EdgeList([0, 0], [1, 1], multapses=False))), ValueError, r"edge 1 \(0 to 1\) repeats.*multapses")
row("B31 weight nan", lambda: edge(weight=NAN * u.pA), ValueError, r"'e'.*weight must be finite.*nan.*20 \* u\.pA")
row("B31 weight inf", lambda: edge(weight=np.array([1, INF]) * u.pA), ValueError, r"'e'.*weight must be finite.*inf.*index 1")
row("B31 set to nan", lambda: n4.set(MODEL, lambda m: m.pathways["cells->cells"].weight, NAN), ValueError, r"finite number; got nan")
row("B31 overflow", lambda: build(edge(weight=1e300 * u.pA)), ValueError, r"'e': weight must lie between.*float32.*1e\+300.*float64")
row("B31 given spikes", lambda: build(given_spikes([1.0], [0], NAN * u.pA)), ValueError, r"'s': weight must be finite.*nan")
row(
    "B32 conductance",
    lambda: edge(port="exc", weight=-1 * u.nS),
    ValueError,
    r"'e': weight: a conductance is 0 or more.*-1.*e_rev=-80\*u\.mV",
)
row("B32 conductances", lambda: edge(port="exc", weight=np.array([1, -2]) * u.nS), ValueError, r"a conductance is 0 or more.*-2")
row("B32 draws", lambda: edge(port="exc", weight=n4.Uniform(-2 * u.nS, -1 * u.nS)), ValueError, r"a conductance is 0 or more")
row("B32 Poisson", lambda: build(poisson(1 * u.Hz, -1 * u.nS, "exc")), ValueError, r"Poisson 'noise': weight: a conductance is 0 or more")
row(
    "B32 some draws",
    lambda: edge(port="exc", weight=n4.Normal(1 * u.nS, 1 * u.nS)),
    UserWarning,
    r"some draws of Normal\(1 nS, 1 nS\).*low=0\*u\.nS",
)
for bad in (True * u.pA, (1 + 1j) * u.pA, "1 pA", None, np.array([1, None], object)):
    row(f"B35 weight {bad!r}"[:40], lambda bad=bad: edge(weight=bad), n4.UnitError, r"'e'.*weight: expected")
row("B36 ms for mV", lambda: lif(v_rest=1 * u.ms), n4.UnitError, r"LIF\.v_rest: expected.*mV.*whose unit is ms")
row("B36 weight", lambda: edge(weight=1 * u.nS), n4.UnitError, r"receptor 'cur' of 'cells' takes weights in pA.*nS")
row("B36 stimulus weight", lambda: build(poisson(1 * u.Hz, 1 * u.mV)), n4.UnitError, r"'noise': weight.*pA.*mV")
row("B37 bare field", lambda: lif(tau=20), n4.UnitError, r"LIF\.tau: expected.*20 \* u\.ms.*bare value 20")
row("B37 bare current", lambda: n4.Clamp("drive", CELLS, 200.0), n4.UnitError, r"Clamp 'drive': amplitude: expected.*u\.pA.*200\.0")
row("B37 bare duration", lambda: run(100), n4.UnitError, r"duration: expected.*u\.ms.*100")
for bad in (-1 * u.Hz, NAN * u.Hz, INF * u.Hz):
    row(f"B38 rate {bad}", lambda bad=bad: poisson(bad), ValueError, r"Poisson 'noise': rate must be at least 0.*rate=20 \* u\.kHz")
row("B38 rates in time", lambda: n4.RateSteps(samples=np.array([1, -1]) * u.Hz, every=1 * u.ms), ValueError, r"RateSteps\.samples.*index 1")
row(
    "B39 rate and step", lambda: build(poisson(1e9 * u.Hz)), ValueError, r"'noise': rate: at most 64 spikes per step.*640000 Hz.*smaller dt"
)
row("B40 rates", lambda: build(poisson(np.ones(3) * u.Hz)), ValueError, r"'noise': rate must be a scalar or have shape \(10,\).*\(3,\)")
row("B40 currents", lambda: build(n4.Clamp("d", CELLS, np.ones(11) * u.pA)), ValueError, r"'d': amplitude.*\(10,\).*\(11,\)")
row(
    "B40 initial",
    lambda: build_population(lif(), v0=np.zeros(3) * u.mV),
    ValueError,
    r"'p': initial v must be a scalar or have shape \(10,\).*\(3,\)",
)
row("B41 unsorted", lambda: given_spikes([2.0, 1.0], [0, 1]), ValueError, r"'s': times must ascend; entry 1 \(1\.0 ms\).*Sort")
row("B41 negative", lambda: given_spikes([-1.0], [0]), ValueError, r"'s': time 0 is -1.*earliest is one step")
row("B41 nan", lambda: given_spikes([1.0, NAN], [0, 0]), ValueError, r"'s': time 1 is nan")
row("B41 off grid", lambda: build(given_spikes([0.25], [0])), ValueError, r"'s': times must be a multiple of dt.*0\.25.*index 0")
row(
    "B41 two in one step",
    lambda: build(given_spikes([1.0, 1.0], [3, 3])),
    ValueError,
    r"neuron 3 has two spikes in the step that ends at 1 ms",
)
row("B41 lengths", lambda: given_spikes([1.0, 2.0], [0]), ValueError, r"times and ids are arrays of one length.*\(2,\).*\(1,\)")
row("B42 neuron", lambda: build(given_spikes([1.0], [10])), IndexError, r"spike 0 goes to neuron 10.*0 to 9")
row("B42 float ids", lambda: given_spikes([1.0], [1.0]), TypeError, r"'s': ids are whole numbers.*float64")
for shape in ((10, 11), (11,), (9, 10), (2, 10, 10)):
    row(f"B43 input {shape}", lambda shape=shape: run(inputs={"port": np.zeros(shape)}), ValueError, r"input 'port'.*\(10, 10\).*got")
row(
    "B43 waveform",
    lambda: build(n4.Clamp("d", CELLS, n4.Waveform(np.zeros((5, 11)) * u.pA))),
    ValueError,
    r"'d': samples.*\(T, 10\).*\(5, 11\)",
)
row("B43 step input", lambda: MODEL.step(STATE, {"port": np.zeros(9)}), ValueError, r"input 'port'.*\(10,\).*\(9,\)")
row(
    "B44 input",
    lambda: run(inputs={"port": np.where(np.arange(100).reshape(10, 10) == 57, NAN, 0.0)}),
    ValueError,
    r"not finite at step 5, entry \(7,\)",
)
row("B44 waveform", lambda: n4.Waveform(np.array([0, NAN]) * u.pA), ValueError, r"Waveform\.samples.*nan.*index 1")
row("B44 clamp overflow", lambda: build(n4.Clamp("d", CELLS, 1e300 * u.pA)), ValueError, r"'d': amplitude must lie between.*float32")
row("B46 parameter", lambda: n4.LIF(tau_m=20 * u.ms), TypeError, r"LIF has no argument 'tau_m'\. Did you mean 'tau'\?")
row("B46 port", lambda: edge(port="curr"), ValueError, r"no port 'curr'\. Did you mean 'cur'\?")
row("B46 initial", lambda: population(init={"exc.g": 1 * u.nS}), ValueError, r"no variable 'exc\.g'.*Did you mean 'exc\.i'\?")
row("B47 variable", lambda: run(record=n4.Trace("cells", "exc.i")), n4.UnknownNameError, r"'cells' has no variable 'exc\.i'\. Did you mean")
row("B47 population", lambda: run(record=n4.Spikes("cell")), n4.UnknownNameError, r"no population named 'cell'\. Did you mean 'cells'\?")
row("B47 input", lambda: run(inputs={"prt": 1.0}), n4.UnknownNameError, r"no Input named 'prt'\. Did you mean 'port'\?")
row("B47 projection", lambda: MODEL.edges("f"), n4.UnknownNameError, r"no projection named 'f'")
for bad in (0 * u.mV, NAN * u.mV, -1 * u.mV):
    row(f"B53 surrogate {bad}", lambda bad=bad: n4.SuperSpike(width=bad), ValueError, r"SuperSpike\.width must be more than 0")
for bad in (-1, 2**64):
    row(f"B54 seed {bad}", lambda bad=bad: build(seed=bad), ValueError, rf"a seed lies between 0 and 2\*\*64 - 1; got {bad}")
for bad in (1.0, None, [1], True, "0"):
    row(f"B54 seed {bad!r}", lambda bad=bad: build(seed=bad), TypeError, r"a seed is a whole number, for example `seed=0`; got")
row("B55 legacy key", lambda: MODEL.init(jr.PRNGKey(0)), TypeError, r"expected a typed random key, `jax\.random\.key\(0\)`")
row("B55 rbg key", lambda: MODEL.init(jr.key(0, impl="rbg")), TypeError, r"expected a threefry key.*4 words")
row("B55 batched key", lambda: MODEL.init(jr.split(jr.key(0), 3)), TypeError, r"expected one key; got 3.*vmap")
row("B55 number", lambda: MODEL.init(0), TypeError, r"expected a typed random key")
row("B55 one key for a batch", lambda: n4.batch(MODEL, jr.key(0), 1 * u.ms), TypeError, r"keys are several typed random keys.*split")
row("B56 every 0", lambda: n4.Trace("cells", "v", every=0 * u.ms), ValueError, r"Trace\.every must be more than 0")
row(
    "B56 every",
    lambda: run(record=n4.Trace("cells", "v", every=2 * u.ms)),
    ValueError,
    r"'cells\.v': every = 2.*longer than the run of 1.*shorter",
)
row(
    "B56 every off grid",
    lambda: run(record=n4.Trace("cells", "v", every=0.25 * u.ms)),
    ValueError,
    r"Trace\.every must be a multiple of dt",
)
row("B56 ids", lambda: run(record=n4.Trace("cells", "v", ids=[3, 10])), IndexError, r"'cells' has neurons 0 to 9; got 10")
row("B56 slice", lambda: run(record=n4.Trace("cells", "v", ids=slice(5, 11))), IndexError, r"neurons 0 to 9; got slice\(5, 11")
row("B56 window", lambda: n4.Window(steps=0), ValueError, r"Window\.steps must be at least 1; got 0")
row("B56 chunk", lambda: run(chunk=0), ValueError, r"chunk must be at least 1; got 0")
row("B56 no recorder", lambda: run(record=["v"]), TypeError, r"record is a recorder or several.*'v'")
row(
    "B57 records",
    lambda: run(1e8 * u.ms, n4.Trace("cells", "v")),
    n4.MemoryBudgetError,
    r"needs about .* available.*cells\.v.*every=.*Counts",
)
row("B58 connect later", lambda: setattr(n4.Network(CELLS), "projections", ()), AttributeError, r"a Network does not change.*net\.add")
row("B58 grow later", lambda: setattr(CELLS, "size", 3), AttributeError, r"a Population does not change")
row("B58 parameter later", lambda: setattr(lif(), "tau", 3), dataclasses.FrozenInstanceError, "")
row(
    "B59 other network",
    lambda: n4.simulate(MODEL, OTHER.init(jr.key(0)), 1 * u.ms),
    ValueError,
    r"another network: the model has a population 'cells', which it does not know",
)
row(
    "B59 other size",
    lambda: n4.simulate(small(), STATE, 1 * u.ms),
    ValueError,
    r"population 'cells' has 9 neurons in the model and 10 in the state",
)
row(
    "B60 batch",
    lambda: n4.simulate(MODEL, jax.vmap(MODEL.init)(jr.split(jr.key(0), 3)), 1 * u.ms),
    ValueError,
    r"shape \(3, 10\).*n4\.batch",
)
row("B61 inside a trace", lambda: jax.jit(lambda s: n4.simulate(MODEL, s, 1 * u.ms).state)(STATE), TypeError, r"run on the host.*n4\.scan")
row("B61 donated", lambda: n4.simulate(MODEL, donated(), 1 * u.ms), ValueError, r"state's .* was donated")
row(
    "part of another", lambda: n4.Network(CELLS, n4.Clamp("d", population(), 1 * u.pA)), ValueError, r"'d' refers to population 'p'.*add it"
)
row("not a part", lambda: n4.Network(CELLS, lif()), TypeError, r"made of populations, projections, gap junctions and stimuli; got LIF")
row("no population", lambda: n4.Network(), ValueError, r"at least one population")
row("slice", lambda: CELLS[5:11], IndexError, r"cells\[5:11\].*0 to 9")
row("stride", lambda: CELLS[::-1], ValueError, r"cells.*stride is at least 1.*cells\[::2\]")
row("no stride", lambda: CELLS[::0], ValueError, r"stride is at least 1")
row("unsorted ids", lambda: CELLS[[4, 1]], ValueError, r"ascend, each once")
row("ids beyond", lambda: CELLS[[1, 10]], IndexError, r"cells.*0 to 9")
row("fractional ids", lambda: CELLS[[0.5]], TypeError, r"slice or whole numbers")
row("other cut", lambda: n4.simulate(cut(4, 6), cut(5, 5).init(jr.key(0)), 1 * u.ms), ValueError, r"'a' has 4 neurons.*5 in the state")
row("precision", lambda: build(precision=np.float64), ValueError, r"jax_enable_x64")
row("backend", lambda: build(backend="reference"), TypeError, r"n4\.Backend\.REFERENCE.*'reference'")
row("surrogate", lambda: build(surrogate="superspike"), TypeError, r"n4\.SuperSpike\(\)")
row("set to another shape", lambda: n4.set(MODEL, lambda m: m.neurons["cells"].v_th, np.zeros(3) * u.mV), ValueError, r"\(3,\).*\(10,\)")
row("set out of range", lambda: n4.set(MODEL, lambda m: m.neurons["cells"].tau, -1 * u.ms), ValueError, r"LIF\.tau must be more than 0")
row("set crossing", lambda: n4.set(MODEL, lambda m: m.neurons["cells"].v_th, -70 * u.mV), ValueError, r"v_th must lie above v_reset")
row("set bare", lambda: n4.set(MODEL, lambda m: m.neurons["cells"].tau, 1.0), n4.UnitError, r"tau: expected a quantity.*ms.*1\.0")
row("set nothing", lambda: n4.set(MODEL, lambda m: m.layout, 1.0), TypeError, r"point at one float array")


def izhikevich_build(dt):
    neuron = n4.Izhikevich(a=0.02 / u.ms, b=0.2 / u.ms, c=-65 * u.mV, d=8 * u.mV / u.ms)
    return n4.Network(n4.Population("p", 1, neuron)).build(dt=dt * u.ms)


def build_population(neuron, size=10, **values):
    return n4.Network(n4.Population("p", size, neuron, **values)).build(dt=0.1 * u.ms)


def all_to_all(n):
    many = n4.Population("many", n, lif(), {"exc": n4.ExpCurrent(tau=5 * u.ms)})
    return n4.Network(many, n4.Projection("all", many, many, "exc", n4.AllToAll(), weight=1 * u.pA)).build(dt=0.1 * u.ms)


def cut(*sizes):
    """Two populations that run as one group."""
    return n4.Network(*(n4.Population(name, n, lif()) for name, n in zip("ab", sizes, strict=True))).build(dt=0.1 * u.ms)


def small():
    cells = n4.Population("cells", 9, CELLS.neuron, CELLS.receptors)
    return n4.Network(
        cells, n4.Projection("e", cells, cells, "cur", n4.OneToOne(), weight=1 * u.pA, delay=1 * u.ms), n4.Input("port", cells)
    ).build(dt=0.1 * u.ms)


def donated():
    state = jax.tree.map(lambda x: x.copy(), STATE)
    jax.tree.leaves(state)[0].delete()
    return state
