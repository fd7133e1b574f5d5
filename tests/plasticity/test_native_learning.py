"""Rules that learn natively: against the same rules in plain XLA, and bit for bit the same however a run is cut."""

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from core.networks import DT, KEY, lif, same

import neuro4d as n4
from neuro4d.kernels import native_available

pytestmark = pytest.mark.skipif(not native_available(), reason="the native kernels are not installed")

STRONG = {"a_plus": 0.04, "a_minus": 0.05, "tau_plus": 8 * u.ms, "tau_minus": 11 * u.ms}
TRIPLETS = {"a2_plus": 0.02, "a3_plus": 0.08, "a2_minus": 0.06, "a3_minus": 0.03}
W_MAX = 1e-3  # pA, so that what arrives moves nobody
RULES = {
    "additive": n4.STDP(w_max=W_MAX * u.pA, **STRONG),
    "multiplicative": n4.STDP(w_max=W_MAX * u.pA, mu_plus=1, mu_minus=1, **STRONG),
    "power law": n4.STDP(w_max=-W_MAX * u.pA, mu_plus=0.4, mu_minus=0.7, **STRONG),
    "nearest": n4.STDP(w_max=W_MAX * u.pA, pairing="nearest", **STRONG),
    "triplets": n4.TripletSTDP(w_max=W_MAX * u.pA, **TRIPLETS),
    "nearest triplets": n4.TripletSTDP(w_max=W_MAX * u.pA, pairing="nearest", **TRIPLETS),
    "without a bound": n4.PowerLawSTDP(w0=W_MAX / 2 * u.pA, rate=0.1, alpha=1.2),
    "running out": n4.TsodyksMarkram(use=0.3, tau_rec=40 * u.ms, tau_fac=20 * u.ms),
    "three states": n4.TsodyksMarkram(use=0.5, tau_rec=30 * u.ms, tau_in=6 * u.ms),
    "balance": n4.VogelsInhibitory(w_max=-W_MAX * u.pA, eta=W_MAX / 20 * u.pA, rate=10 * u.Hz),
}
STEPS = 400

all_steps = jax.jit(lambda m, s, x: n4.scan(m, s, STEPS, None, x)[0])
some_steps = jax.jit(lambda m, s, x: n4.scan(m, s, 50, None, x)[0])


def told(backend):
    """A network whose neurons fire exactly as told, with a projection under each rule to one of two ports, and two that learn nothing."""
    membrane = n4.LIF(tau=10 * u.ms, c=250 * u.pF, v_rest=-65 * u.mV, v_th=-50 * u.mV, v_reset=-65 * u.mV)
    ports = {"a": n4.ExpCurrent(tau=2 * u.ms), "b": n4.ExpCurrent(tau=3 * u.ms)}
    pre, post = n4.Population("pre", 40, membrane, ports), n4.Population("post", 50, membrane, ports)
    parts = [pre, post, n4.Input("to pre", pre), n4.Input("to post", post)]
    drawn = {"weight": n4.Uniform(0.2 * W_MAX * u.pA, 0.8 * W_MAX * u.pA), "delay": n4.Uniform(0.1 * u.ms, 3 * u.ms)}
    for number, (name, rule) in enumerate(RULES.items()):
        weight = -drawn["weight"].high * u.pA / 2 if getattr(rule, "w_max", 1) < 0 else drawn["weight"]
        parts.append(n4.Projection(name, pre, post, "ab"[number % 2], n4.FixedProb(0.5), **drawn | {"weight": weight}, plasticity=rule))
    parts.append(n4.Projection("to both", pre, post, "b", n4.FixedProb(0.3), plasticity=RULES["additive"], **drawn))  # a pathway with two ports
    parts.append(n4.Projection("back", post, pre, "a", n4.FixedProb(0.3), plasticity=n4.Free(), **drawn))
    parts.append(n4.Projection("static", pre, post, "a", n4.FixedProb(0.3), **drawn))
    return n4.Network(*parts).build(dt=DT, seed=0, backend=backend)


@pytest.fixture(scope="module")
def models():
    return told(n4.Backend.AUTO), told(n4.Backend.REFERENCE)


def trains(rate_pre, rate_post):
    rng = np.random.default_rng(1)
    strong = lambda n, rate: jnp.asarray(np.where(rng.random((STEPS, n)) < rate, 1e6, 0), jnp.float32)  # noqa: E731
    return {"to pre": strong(40, rate_pre), "to post": strong(50, rate_post)}


@pytest.mark.parametrize("rates", [(0.02, 0.02), (0.01, 0.3), (0.3, 0.01)])
def test_weights_and_traces_are_those_of_plain_xla(models, rates):
    """At 0.3 a target fires more often than there is room for its spikes, and most steps hold spikes of both sides."""
    given, ends = trains(*rates), []
    assert models[0].plan().many_steps and not models[1].plan().many_steps
    for model in models:
        first = model.init(KEY)
        ends.append([n4.to_user(model, state)["state"]["edges"] for state in (first, all_steps(model, first, given))])
    (first, native), (_, plain) = ends
    for name in RULES:
        assert np.abs(native[name]["weight"] - first[name]["weight"]).max() > 0.05 * W_MAX, name
        for what, values in plain[name].items():
            if what in ("heard", "fired"):
                np.testing.assert_array_equal(native[name][what], values)
            else:
                np.testing.assert_allclose(native[name][what], values, rtol=2e-5, atol=2e-5 * (W_MAX if what == "weight" else 1), err_msg=f"{name} {what}")
    assert np.array_equal(native["back"]["weight"], first["back"]["weight"])


def test_steps_calls_and_sweeps_are_equal_bit_for_bit(models):
    """All steps in one call, in calls of 50, and one by one with a look at the weights after each."""
    model, given = models[0], trains(0.05, 0.2)
    state = model.init(KEY)
    whole = all_steps(model, state, given)
    cut = state
    for k in range(0, STEPS, 50):
        cut = some_steps(model, cut, {name: x[k : k + 50] for name, x in given.items()})
    assert same(cut, whole)
    look = jax.jit(lambda m, s, x: n4.scan(m, s, STEPS, lambda s, _: {name: e.weight[:3] for name, e in s.edges.items()}, x))
    looked, seen = look(model, state, given)
    assert same(looked, whole) and all(len(x) == STEPS for x in seen.values())


def test_the_stamp_of_the_first_step_changes_no_weight(models):
    """Also where the counter wraps on the way."""
    model, given = models[0], trains(0.05, 0.05)
    weights = [[edges.weight for edges in all_steps(model, model.init(KEY, start=start), given).edges.values()] for start in (0, 2**32 - 150)]
    assert same(*weights)


def test_lanes_are_single_runs(models):
    model, given = models[0], trains(0.05, 0.05)
    states = jax.vmap(model.init)(jr.split(KEY, 3))
    lanes = jax.jit(jax.vmap(lambda s, x: n4.scan(model, s, STEPS, None, x)[0], (0, None)))(states, given)
    assert same(jax.tree.map(lambda x: x[1], lanes), all_steps(model, jax.tree.map(lambda x: x[1], states), given))


def test_blocks_and_threads_change_nothing():
    """3,072 neurons, whose targets are cut into two blocks for two cores."""
    cells = n4.Population("cells", 3072, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)}, v0=n4.Normal(-56 * u.mV, 5 * u.mV))
    drawn = {"weight": n4.Uniform(10 * u.pA, 30 * u.pA), "delay": n4.Uniform(0.2 * u.ms, 3 * u.ms)}
    net = n4.Network(
        cells,
        n4.Projection("e", cells, cells, "exc", n4.FixedInDegree(30), plasticity=n4.STDP(w_max=40 * u.pA, mu_plus=0.3, mu_minus=1, **STRONG), **drawn),
        n4.Poisson("noise", cells, "exc", rate=9000 * u.Hz, weight=40 * u.pA),
    )
    ends = []
    for cores in (1, 2):
        model = net.build(dt=DT, seed=0, backend=n4.Backend.kernels(cores=cores))
        assert model.storage()[0]["blocks"] == cores and model.plan().many_steps
        run = n4.simulate(model, model.init(KEY), 40 * u.ms, chunk=150, progress=False)
        ends.append((run.state.edges, run.records["spikes"].words["cells"]))
    assert same(*ends)
    assert np.bitwise_count(ends[0][1]).sum() > 3072


def test_a_rule_of_ones_own_is_no_native_rule():
    class Mine(n4.STDP):
        pass

    cells = n4.Population("cells", 8, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)})
    rule = Mine(w_max=1 * u.pA, a_plus=0.1, a_minus=0.1)
    net = n4.Network(cells, n4.Projection("e", cells, cells, "exc", n4.AllToAll(), weight=0.5 * u.pA, delay=1 * u.ms, plasticity=rule))
    assert net.build(dt=DT, seed=0).plan().because == "no native rule of plasticity: cells->cells (plastic) (Mine)"


def test_derivatives_go_through_plain_xla():
    """Of a final weight with respect to a first one: 1 for an additive rule that stays within its bounds."""
    cells = n4.Population("cells", 8, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)})
    learns = n4.Projection("e", cells, cells, "exc", n4.AllToAll(), weight=0.5 * u.pA, delay=1 * u.ms, plasticity=n4.STDP(w_max=1 * u.pA, a_plus=1e-3, a_minus=2e-3))
    model = n4.Network(cells, learns, n4.Poisson("noise", cells, "exc", rate=9000 * u.Hz, weight=120 * u.pA)).build(dt=DT, seed=0)
    (name,) = model.pathways

    def last(shift):
        state = model.init(KEY)
        moved = eqx.tree_at(lambda s: s.edges[name].weight, state, state.edges[name].weight + shift)
        return n4.scan(model, moved, 300, None)[0].edges[name].weight[5]

    value, slope = jax.jit(jax.value_and_grad(last))(0.0)
    assert slope == pytest.approx(1, rel=1e-4) and value != 0.5
