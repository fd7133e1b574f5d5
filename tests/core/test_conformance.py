"""One suite over everything exported: whoever adds a part adds it to `exported.py`, and nothing else."""

import dataclasses
import functools
import inspect

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from core import exported
from core.exported import (
    FIXED_POINT,
    MOVIES,
    NEURONS,
    PLACED,
    PLASTICITY,
    RECEPTORS,
    RECORDERS,
    RENEWAL,
    RULES,
    STIMULI,
    SURROGATES,
    TABLES,
    VALUES,
    network,
    together,
)
from core.networks import KEY, lif, same, same_spikes

import neuro4d as n4
from neuro4d._base import NUMBER, AbstractPart, field_units, words
from neuro4d.model import Span

DYNAMIC = [*NEURONS, *RENEWAL, *RECEPTORS, *FIXED_POINT, *STIMULI, *MOVIES, *PLASTICITY]
"""What computes in a step."""

TOGETHER = {"stimuli and plasticity": [*STIMULI, *PLASTICITY]}
"""What shares a network, since compiling is what takes time. Neurons and receptors share one in kernels/test_every_part.py."""

EXAMPLES = {name: make for table in TABLES for name, make in table.items()}
INPUT = np.linspace(-100, 300, exported.N)


@functools.cache
def build(name, seed=0, precision=jnp.float32, soft=False):
    net = together(TOGETHER[name]) if name in TOGETHER else network(name)
    return net.build(dt=0.1 * u.ms, seed=seed, precision=precision, surrogate=n4.SuperSpike() if soft else None)


def inputs(name):
    return {"Input": INPUT} if name in TOGETHER else {"s": INPUT} if name == "Input" else None


def loop(model, state, steps, given=None):
    series = None if given is None else {name: jnp.broadcast_to(jnp.asarray(x, model.dtype), (steps, len(x))) for name, x in given.items()}
    return n4.scan(model, state, steps, lambda s, k: (s.neurons, k.words), series)


def test_every_export_is_examined():
    assert set(exported.exported()) == set(EXAMPLES)


@pytest.mark.parametrize("name", exported.exported())
def test_docstring_has_an_example(name):
    # That examples run and print what they say is shown for the whole package in test_doctests.py.
    doc = inspect.getdoc(exported.exported()[name])
    assert doc and ">>> " in doc


def test_every_export_has_a_docstring():
    assert [
        name for name, x in vars(n4).items() if not name.startswith("_") and callable(x) and not (inspect.getdoc(x) or "").strip()
    ] == []


@pytest.mark.parametrize("precision, soft", [(jnp.float32, False), (jnp.float64, True)])
@pytest.mark.parametrize("name", DYNAMIC)
def test_structure_is_a_fixed_point_of_step(name, precision, soft):
    # No compilation: shapes and types alone. Also with a surrogate, and with x64 on and single precision.
    with jax.enable_x64(True):
        model = build(name, precision=precision, soft=soft)
        state = jax.eval_shape(model.init, KEY)
        after, spikes = jax.eval_shape(model.step, state, inputs(name))
    assert jax.tree.structure(after) == jax.tree.structure(state)
    assert [(x.shape, x.dtype) for x in jax.tree.leaves(after)] == [(x.shape, x.dtype) for x in jax.tree.leaves(state)]
    parts = (model.neurons, model.receptors, model.pathways, model.sources, model.banks)
    floats = [x.dtype for x in jax.tree.leaves((state, parts)) if jnp.issubdtype(x.dtype, jnp.floating)]
    assert set(floats) <= {jnp.dtype(precision)}
    assert spikes.words["cells"].dtype == jnp.uint32


@pytest.mark.parametrize("name", TOGETHER)
def test_one_trace_and_lanes_and_repeats(name):
    """One trace over seeds and values; a lane of a batch is the single run; the same twice; finite."""
    traces = []

    @jax.jit
    def run(model, state):
        traces.append(1)
        return loop(model, state, 40, inputs(name))

    def weights(model):
        return [path.weight for path in model.pathways.values()]

    keys = jr.split(jr.key(3), 2)
    singles = []
    for seed, key in ((0, keys[0]), (0, keys[1]), (1, keys[0])):
        model = build(name, seed)
        model = eqx.tree_at(weights, model, [weight * (1 + seed) for weight in weights(model)])
        singles.append(run(model, model.init(key)))
        assert all(np.isfinite(x).all() for x in jax.tree.leaves(singles[-1]) if x.dtype.kind == "f")
    assert len(traces) == 1
    model = build(name)
    assert same(run(model, model.init(keys[0])), singles[0])
    assert same(run(together(TOGETHER[name]).build(dt=0.1 * u.ms, seed=0), model.init(keys[0])), singles[0])
    lanes = jax.jit(lambda m, s: jax.vmap(lambda s: loop(m, s, 40, inputs(name)))(s))(model, jax.vmap(model.init)(keys))
    for lane in range(2):
        assert same(jax.tree.map(lambda x, i=lane: x[i], lanes), singles[lane])


@pytest.mark.parametrize("name", TOGETHER)
def test_the_examples_fire(name):
    # So that the equalities above are not those of silence.
    model = build(name)
    given = {"Input": np.tile(INPUT * 2, (600, 1))}
    counts = n4.simulate(model, model.init(KEY), 60 * u.ms, n4.Counts(), inputs=given)
    for part in TOGETHER[name]:
        assert counts.counts(part).sum() > 0 or part in ("Steps", "SpikeTimes"), part


@pytest.mark.parametrize("name", TOGETHER)
def test_gradients_are_finite(name):
    """I16: for every float leaf of the model, through spikes."""
    model = build(name, soft=True)

    @jax.jit
    @jax.grad
    def slope(floats, rest):
        whole = eqx.combine(floats, rest)
        final, _ = loop(whole, whole.init(KEY), 25, inputs(name))
        return sum(jnp.sum(x) for x in jax.tree.leaves(eqx.filter((final.neurons, final.receptors), eqx.is_inexact_array)))

    slopes = slope(*eqx.partition(model, eqx.is_inexact_array))
    for path, leaf in jax.tree_util.tree_leaves_with_path(slopes):
        assert np.isfinite(leaf).all(), jax.tree_util.keystr(path)


# Units ------------------------------------------------------------------------------------------------------------------


def part(name):
    """The example as an object, with a population of its own where it needs one."""
    cells = n4.Population("cells", exported.N, lif(), {"in": n4.ExpCurrent(tau=2 * u.ms)})
    made = EXAMPLES[name](cells) if name in (*STIMULI, *MOVIES) else EXAMPLES[name]()
    inner = {"Steps": "amplitude", "Waveform": "amplitude", "AC": "amplitude", "RateSteps": "rate", "Movie": "rate"}
    return getattr(made, inner[name]) if name in inner else made


def arguments(made):
    """What the constructor was given: fields, with their units."""
    units = field_units(made)
    fields = {f.name: getattr(made, f.name) for f in dataclasses.fields(made) if f.init}
    return {name: x * units[name] if name in units and x is not None and units[name] != NUMBER else x for name, x in fields.items()}


DECLARED = [
    (name, field)
    for name in EXAMPLES
    if isinstance(part(name), AbstractPart) and set(arguments(part(name))) <= set(inspect.signature(type(part(name)).__init__).parameters)
    for field, unit in field_units(part(name)).items()
    if unit != NUMBER
]
# As the user writes them, for the parts that store something else than they are given.
WRITTEN = {
    "Pruning.idle": (u.ms, lambda x: n4.Pruning(below=1 * u.pA, idle=x), lambda made: made.idle),
    "StructuralPlasticity.every": (u.ms, lambda x: n4.StructuralPlasticity(every=x, pruning=n4.Pruning(below=1 * u.pA)), lambda made: made.every),
    "Clamp.amplitude": (u.pA, lambda x: n4.Clamp("s", POPULATION, x), lambda s: s.amplitude),
    "Poisson.rate": (u.kHz, lambda x: n4.Poisson("s", POPULATION, "in", rate=x, weight=1 * u.pA), lambda s: s.rate),
    "Poisson.weight": (u.pA, lambda x: n4.Poisson("s", POPULATION, "in", rate=1 * u.Hz, weight=x), lambda s: s.weight.value),
    "CorrelatedPoisson.rate": (
        u.kHz,
        lambda x: n4.CorrelatedPoisson("s", POPULATION, "in", rate=x, correlation=0.5, weight=1 * u.pA),
        lambda s: s.rate,
    ),
    "PulsePackets.sigma": (
        u.ms,
        lambda x: n4.PulsePackets("s", POPULATION, "in", times=np.array([20.0]) * u.ms, spikes=1, sigma=x, weight=1 * u.pA),
        lambda s: s.sigma,
    ),
    "SpikeTimes.times": (u.ms, lambda x: n4.SpikeTimes("s", POPULATION, "in", times=x[None], ids=[0], weight=1 * u.pA), lambda s: s.times[0]),
    "Trace.every": (u.ms, lambda x: n4.Trace("cells", "v", every=x), lambda t: t.every),
    "Projection.weight": (u.pA, lambda x: projection(weight=x), lambda p: p.weight.value),
    "Projection.delay": (u.ms, lambda x: projection(delay=x), lambda p: p.delay.value),
    "Population.v0": (u.mV, lambda x: n4.Population("p", 1, lif(), v0=x), lambda p: p.initial["v"].value),
    "Normal.sd": (u.pA, lambda x: n4.Normal(1 * u.pA, x), lambda v: v.sd),
    "Normal.low": (u.pA, lambda x: n4.Normal(1 * u.pA, 1 * u.uA, low=x), lambda v: v.low),
    "LogNormal.sd": (u.pA, lambda x: n4.LogNormal(1 * u.pA, x), lambda v: v.sd),
    "Hebbian.rate": (u.pA, lambda x: n4.Hebbian(rate=x, low=0 * u.pA, high=9 * u.pA), lambda p: p.rate),
    "Hebbian.high": (u.pA, lambda x: n4.Hebbian(rate=1 * u.pA, low=0 * u.pA, high=x), lambda p: p.high),
    "Hebbian.decay": (u.pA / u.ms, lambda x: n4.Hebbian(rate=1 * u.pA, low=0 * u.pA, high=9 * u.pA, decay=x), lambda p: p.decay),
    "TripletSTDP.tau_x": (u.ms, lambda x: n4.TripletSTDP(w_max=1 * u.pA, tau_x=x), lambda p: p.tau_x),
    "STDP.tau_plus": (u.ms, lambda x: n4.STDP(w_max=1 * u.pA, a_plus=0.1, a_minus=0.1, tau_plus=x), lambda p: p.tau_plus),
    "Uniform.high": (u.pA, lambda x: n4.Uniform(0 * u.pA, x), lambda v: v.high),
    "dt": (u.ms, lambda x: n4.Network(POPULATION).build(dt=x), lambda m: m.dt.to_decimal(u.ms)),
}  # fmt: skip
POPULATION = n4.Population("cells", 5, lif(), {"in": n4.ExpCurrent(tau=2 * u.ms)})
SCALES = {u.ms: u.second, u.mV: u.volt, u.pA: u.nA, u.nS: u.uS, u.pF: u.nF, u.kHz: u.Hz, u.um: u.mm, u.mV / u.ms: u.volt / u.second}
SCALES |= {u.pA / u.ms: u.nA / u.second, u.mM: u.uM, u.mM / u.ms: u.uM / u.second, u.kHz / u.mM: u.Hz / u.uM, u.mV**-1: u.volt**-1}


def projection(**values):
    return n4.Projection("e", POPULATION, POPULATION, "in", n4.OneToOne(), **{"weight": 1 * u.pA} | values)


def other_unit(unit):
    return u.ms if unit != u.ms else u.mV


def rescaled(x, unit):
    """The same quantity in another unit."""
    return x.in_unit(SCALES[unit]) if isinstance(x, u.Quantity) else x


@pytest.mark.parametrize("name, field", DECLARED)
def test_units_of_fields(name, field):
    made = part(name)
    unit, given = field_units(made)[field], arguments(part(name))
    kind = type(made)
    with pytest.raises(n4.UnitError, match=rf"{kind.__name__}\.{field}: expected.*for example.*bare value"):
        kind(**given | {field: np.asarray(given[field].to_decimal(unit))})
    with pytest.raises(n4.UnitError, match=rf"{kind.__name__}\.{field}: (?s:expected.*whose unit is)"):
        kind(**given | {field: np.asarray(given[field].to_decimal(unit)) * other_unit(unit)})
    converted = kind(**given | {field: rescaled(given[field], unit)})
    np.testing.assert_allclose(getattr(converted, field), getattr(made, field), rtol=1e-12)
    assert getattr(made, field).dtype == np.float64


@pytest.mark.parametrize("argument", WRITTEN)
def test_units_of_arguments(argument):
    unit, make, read = WRITTEN[argument]
    exact = np.asarray(2.0) * unit
    if argument != "Poisson.weight":  # is checked when the network is built, where its receptor is known
        for bad in (np.asarray(2.0), np.asarray(2.0) * other_unit(unit)):
            with pytest.raises(n4.UnitError, match="expected a quantity"):
                make(bad)
    else:
        with pytest.raises(n4.UnitError, match="weight: expected a quantity"):
            n4.Network(POPULATION, make(2.0)).build(dt=0.1 * u.ms)
    assert np.isclose(float(read(make(exact))), 2.0, rtol=1e-12)
    assert np.isclose(float(read(make(exact.in_unit(SCALES[unit])))), 2.0, rtol=1e-12)


def test_units_make_no_difference_to_a_run():
    # The same network written in other units: the same spikes.
    runs = []
    for second, volt, amp, farad in ((u.ms, u.mV, u.pA, u.pF), (u.second, u.volt, u.nA, u.nF)):
        milli, thousand = (1.0, 1.0) if second is u.ms else (1e-3, 1e-3)
        neuron = n4.LIF(
            tau=20 * milli * second,
            c=200 * thousand * farad,
            v_rest=-60 * milli * volt,
            v_th=-50 * milli * volt,
            v_reset=-60 * milli * volt,
        )
        cells = n4.Population("cells", 3, neuron)
        model = n4.Network(cells, n4.Clamp("drive", cells, np.array([110.0, 150, 300]) * thousand * amp)).build(dt=0.1 * milli * second)
        runs.append(n4.simulate(model, model.init(KEY), 100 * milli * second))
    assert same_spikes(*runs) and len(runs[0].spikes("cells")) > 10


# Rules, values, recorders, surrogates --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*RULES, *PLACED])
def test_rules(name):
    """Deterministic; inside both ends; within the capacity; and of one shape for all seeds, so that one program serves them."""
    net = network(name)
    models = [net.build(dt=0.1 * u.ms, seed=seed) for seed in (0, 0, 1, 2)]
    assert same(models[0], models[1])
    edges = [model.edges("e") for model in models]
    size = models[0].n_neurons
    for model, edge in zip(models, edges, strict=True):
        assert len(edge) == model.n_synapses > 0
        assert edge.pre.min() >= 0 and edge.pre.max() < size and edge.post.min() >= 0 and edge.post.max() < size
        bound = net.projections[0].rule.capacity(size, size, True)
        assert bound is None or len(edge) <= bound
        assert jax.tree.structure(model) == jax.tree.structure(models[0])
        if bound is not None:
            assert jax.tree.map(jnp.shape, model) == jax.tree.map(jnp.shape, models[0])
    drawn = name not in ("OneToOne", "AllToAll", "EdgeList")
    assert drawn == any(len(e) != len(edges[0]) or (e.post != edges[0].post).any() or (e.pre != edges[0].pre).any() for e in edges[2:])


@pytest.mark.parametrize("name", VALUES)
def test_values(name):
    """A draw belongs to its word; draws lie inside the bounds; host and device agree to single precision."""
    value = VALUES[name]()
    random = words((1, 2), np.arange(5000))
    draws = value.draw(random)
    low, high = value.bounds()
    assert draws.dtype == np.float64 and draws.shape == (5000,) and value.unit == u.pA
    assert (draws >= low).all() and (draws <= high).all() and np.isfinite(draws).all()
    assert (value.draw(random[::-1])[::-1] == draws).all() and (value.draw(random[40:50]) == draws[40:50]).all()
    # Single precision keeps 24 bits of a word, so tails differ a little.
    np.testing.assert_allclose(value.draw_jax(jnp.asarray(random), jnp.float32), draws, rtol=2e-3)
    assert value.draw_jax(jnp.asarray(random), jnp.float32).dtype == jnp.float32
    assert repr(value)


@pytest.fixture(scope="module")
def recorded():
    """All recorders in the same runs: of two keys, of the first in chunks, and of both as lanes."""
    model, keys = build("Poisson"), jr.split(KEY, 2)
    record = (n4.Spikes(name="all"), *(make() for make in RECORDERS.values()))
    runs = [n4.simulate(model, model.init(key), 4 * u.ms, record, chunk=40) for key in keys]
    pieces = n4.simulate(model, model.init(keys[0]), 4 * u.ms, record, chunk=7)
    return runs, pieces, n4.batch(model, keys, 4 * u.ms, record, chunk=40)


@pytest.mark.parametrize("name", RECORDERS)
def test_recorders(name, recorded):
    """The buffer is a fixed point of its update; chunks and lanes change nothing."""
    recorder = RECORDERS[name]()
    model = build("Poisson")
    probe = recorder.fit(model)
    buffer, state = probe.buffer(7, None), model.init(KEY)
    _, spikes = jax.eval_shape(model.step, state)
    after = jax.eval_shape(probe.update, buffer, jnp.int32(0), jnp.uint32(0), state, spikes)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), buffer) == jax.tree.map(lambda x: (x.shape, x.dtype), after)
    device, host = probe.bytes(40, 7)
    assert device == sum(x.nbytes for x in jax.tree.leaves(buffer)) or probe.carried
    runs, pieces, lanes = recorded
    for a, b in ((pieces, runs[0]), (lanes[0], runs[0]), (lanes[1], runs[1])):
        left, right = (dataclasses.asdict(run.records[recorder.name]) for run in (a, b))
        assert left.keys() == right.keys() and all(jax.tree.all(jax.tree.map(np.array_equal, left[key], right[key])) for key in left)
    assert host >= 0


@pytest.mark.parametrize("name", SURROGATES)
def test_surrogates(name):
    surrogate = SURROGATES[name]()
    excess = jnp.linspace(-1e4, 1e4, 20001)
    value, slope = jax.jit(lambda x: jax.jvp(surrogate.spike, (x,), (jnp.ones_like(x),)))(excess)
    assert (np.asarray(value) == (np.asarray(excess) >= 0)).all() and value.dtype == excess.dtype
    assert np.isfinite(slope).all() and (np.asarray(slope) >= 0).all() and np.asarray(slope).argmax() == 10000
    # The same area as the step function it stands for, over all potentials (the grid misses the tails of the slow ones).
    fine = np.linspace(-1000, 1000, 2_000_001)
    assert 0.99 < np.trapezoid(np.asarray(surrogate.slope(jnp.asarray(fine, jnp.float32)), np.float64), fine) < 2.01


def test_a_population_without_a_place_is_named():
    assert build("LIF").populations["cells"] == Span("cells", "cells", 0, exported.N)
    assert build("LIF").coordinates("cells") is None
