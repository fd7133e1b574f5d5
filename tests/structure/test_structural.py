"""Synapses that form and vanish: closed forms, conservation, and the same bits however a run is cut."""

import math

import brainunit as u
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import neuro4d as n4
from neuro4d.ops import edge_table, host_edges
from neuro4d.plasticity import AbstractPlasticity
from neuro4d.simulate._scan import run_chunk

FALSE_ALARM = 1e-6
"""Of each statistical test below, were the draws new in each run; they are always the same."""

LIF = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV, t_ref=2 * u.ms)
PORTS = {"exc": n4.ExpConductance(tau=5 * u.ms, e_rev=0 * u.mV), "inh": n4.ExpConductance(tau=5 * u.ms, e_rev=-80 * u.mV)}
WEIGHT = 0.1 * u.nS


# Formation and pruning, one event ------------------------------------------------------------------------------------------

SHEET = n4.Lattice((20, 20), spacing=50 * u.um, wrap=(True, False))
ACTIVE, SIZE = 300, 400


class Tagged(AbstractPlasticity):
    """Synapses with variables of their own, made from the weights with which they begin."""

    def init(self, weight):
        return {"twice": 2 * weight, "minus": -weight}


@pytest.fixture(scope="module")
def sheet():
    """Neurons on a sheet, of which the first fire every 8 ms or so and the others never; two projections among them after 250 ms."""
    cells = n4.Population("cells", SHEET.all(), LIF, PORTS)
    drive = n4.Clamp("drive", cells[:ACTIVE], 400 * u.pA)
    forms = n4.Formation(rate=0.4, full=400 * u.Hz, threshold=0.04, kernel="inverse", radius=300 * u.um, proposals=60)
    near = n4.Projection(
        "near", cells, cells, "exc", n4.FixedProb(0.0), weight=WEIGHT, delay=1 * u.ms, slots=40,
        structure=n4.StructuralPlasticity(every=200 * u.ms, formation=forms, weight=WEIGHT),
    )
    prunes = n4.StructuralPlasticity(every=50 * u.ms, pruning=n4.Pruning(below=0.5 * u.nS, idle=150 * u.ms, probability=0.3))
    weak = n4.Projection(
        "weak", cells, cells, "inh", n4.FixedOutDegree(20, autapses=False, multapses=False), weight=n4.Uniform(0 * u.nS, 1 * u.nS),
        delay=2 * u.ms, plasticity=Tagged(), structure=prunes, slots=20,
    )
    model = n4.Network(cells, drive, near, weak).build(dt=0.1 * u.ms, seed=0)
    return model, n4.simulate(model, jr.key(0), 250 * u.ms, ()).state


def distances(model):
    site = np.asarray(model.sites["cells"])
    return np.asarray(SHEET.distance(site[:, None], site[None]).to_decimal(u.um))


def test_pairs_connect_with_the_probability_of_their_distance_and_activity(sheet):
    model, state = sheet
    edges, site, slots = model.edges("near", state), np.asarray(model.sites["cells"]), model.slots("near", state)
    far = np.asarray(SHEET.distance(site[:, None], site[None]).to_decimal(u.um))
    active = np.asarray(slots.spikes_pre) / 80  # spikes in 200 ms
    assert 0.1 < active[:ACTIVE].min() and active.max() < 0.8 and not active[ACTIVE:].any()
    product = np.outer(active, active)
    p = 0.4 * product / (1 + far / 50) * (product >= 0.04) * (far <= 300) * ~np.eye(SIZE, dtype=bool)
    there = np.zeros((SIZE, SIZE), bool)
    there[edges.pre, edges.post] = True
    assert (p[there] > 0).all() and (0 < product[(product < 0.04)].max())
    for low, high in ((1, 60), (60, 120), (120, 200), (200, 301)):
        here = (far >= low) & (far < high)
        expected, sd = p[here].sum(), math.sqrt((p[here] * (1 - p[here])).sum())
        assert abs(there[here].sum() - expected) < stats.norm.isf(FALSE_ALARM / 8) * sd and expected > 10, (low, high)
    assert int(slots.formed) == len(edges) and int(slots.pruned) == int(slots.refused) == 0
    assert (np.asarray(edges.weight.to_decimal(u.nS)) == np.float32(0.1)).all()


@pytest.mark.slow
def test_weak_and_idle_synapses_vanish_and_the_others_keep_what_is_theirs(sheet):
    model, state = sheet
    first, later = model.edges("weak"), model.edges("weak", state)
    weight = np.asarray(first.weight.to_decimal(u.nS))
    left = set(zip(later.pre.tolist(), later.post.tolist(), strict=True))
    kept = np.array([pair in left for pair in zip(first.pre.tolist(), first.post.tolist(), strict=True)])
    due = (weight < 0.5) & (first.pre >= ACTIVE)  # idle for longer than 150 ms at the events of 200 and 250 ms
    assert kept[~due].all() and stats.binomtest(int(kept[due].sum()), int(due.sum()), 0.7**2).pvalue > FALSE_ALARM
    np.testing.assert_array_equal(later.weight.to_decimal(u.nS), weight[kept])
    pathway = model.layout.projections_by_name["weak"].pathway
    held, path = state.edges[pathway], model.as_in(state).pathways[pathway]
    place = host_edges(path, 0, path.n_source)[0]
    np.testing.assert_array_equal(np.asarray(held.variables["twice"])[place], 2 * weight[kept])
    np.testing.assert_array_equal(np.asarray(held.variables["minus"])[place], -weight[kept])
    source, which, _ = edge_table(path)
    real = np.asarray(source) < path.n_source
    np.testing.assert_array_equal(np.flatnonzero(real), place)
    np.testing.assert_array_equal(np.asarray(source)[real], later.pre)
    assert not np.asarray(which).any() and int(model.slots("weak", state).pruned) == (~kept).sum()


# All at once, with a rule that learns and neurons that die ------------------------------------------------------------------

N, SLOTS, MOST_IN = 60, 8, 3


def garden(backend=n4.Backend.AUTO):
    """Synapses from every other neuron to all but the first five, that grow, form, learn and are pruned every 20 ms."""
    cells = n4.Population("cells", N, LIF, PORTS, alive=N - 5)
    drive = n4.Poisson("drive", cells, "exc", rate=800 * u.Hz, weight=1.1 * u.nS)
    curve = n4.GaussianGrowth(rate=10 * u.Hz, eps=0.3, eta=np.linspace(0, 0.1, N // 2))
    changes = n4.StructuralPlasticity(
        every=20 * u.ms,
        growth=n4.Growth(curve, n4.LinearGrowth(rate=8 * u.Hz, eps=0.2), tau=200 * u.ms, beta=0.05),
        formation=n4.Formation(rate=0.05, full=50 * u.Hz, proposals=5),
        pruning=n4.Pruning(below=0.06 * u.nS, idle=30 * u.ms, probability=0.5),
        weight=WEIGHT,
        max_in=MOST_IN,
    )
    e = n4.Projection(
        "e", cells[::2], cells[5:], "exc", n4.EdgeList(np.arange(N // 2), 54 - np.arange(N // 2)), weight=0.05 * u.nS, delay=1 * u.ms,
        plasticity=n4.STDP(w_max=1 * u.nS, a_plus=0.05, a_minus=0.06), structure=changes, slots=SLOTS,
    )
    return n4.Network(cells, drive, e).build(dt=0.1 * u.ms, seed=0, backend=backend)


@pytest.fixture(scope="module")
def grown():
    model = garden()
    assert model.plan().many_steps
    return model, n4.simulate(model, jr.key(1), 200 * u.ms, chunk=500)


def tended(model, state):
    """What must hold in every state; gives the edges."""
    edges, slots = model.edges("e", state), model.slots("e", state)
    assert len(edges) == len(model.edges("e")) + int(slots.formed) - int(slots.pruned)
    assert (np.diff(edges.pre.astype(np.int64) * N + edges.post) > 0).all()  # in order, each pair once
    assert (edges.pre != edges.post).all() and (edges.pre % 2 == 0).all() and edges.post.min(initial=5) >= 5
    into = np.bincount(edges.post, minlength=N)
    np.testing.assert_array_equal(into, slots.fan_in)
    first_in = np.bincount(model.edges("e").post, minlength=N)
    assert np.bincount(edges.pre, minlength=N).max() <= SLOTS and (into <= np.maximum(MOST_IN, first_in)).all()
    weight = np.asarray(edges.weight.to_decimal(u.nS))
    assert (weight >= 0).all() and (weight <= 1).all()
    alive = np.asarray(state.alive["cells"])
    assert alive[edges.pre].all() and alive[edges.post].all()
    elements = slots.elements
    assert (np.asarray(elements.axonal) >= 0).all() and (np.asarray(elements.dendritic) >= 0).all()
    assert (np.floor(np.asarray(elements.dendritic)) + 1e-6 >= 0).all() and (np.asarray(elements.axonal)[~alive[::2]] == 0).all()
    return edges


@settings(max_examples=6)
@given(st.integers(0, 2**31 - 1), st.integers(0, 2**31))
def test_slots_are_conserved_whoever_dies(grown, key, who):
    model, _ = grown
    state = n4.simulate(model, jr.key(key), 100 * u.ms, chunk=500).state
    before = tended(model, state)
    alive = np.random.default_rng(who).random(N) < 0.8
    later = n4.simulate(model, state.with_alive("cells", jnp.asarray(alive)), 100 * u.ms, chunk=500).state
    after = tended(model, later)
    slots = model.slots("e", later)
    assert len(before) > 0 and len(after) > 0 and int(slots.formed) > 10 and int(slots.pruned) > 10


def same(a, b):
    for (path, x), y in zip(jax.tree_util.tree_leaves_with_path(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y), err_msg=jax.tree_util.keystr(path))


@pytest.mark.slow
def test_a_run_goes_on_from_a_state_and_from_its_numbers(grown):
    model, run = grown
    half = n4.simulate(model, jr.key(1), 113.3 * u.ms, chunk=500).state
    later = n4.simulate(model, half, 86.7 * u.ms, chunk=500).state
    same(run.state, later)
    edges, slots = tended(model, later), model.slots("e", later)
    assert len(edges) > 20 and int(slots.refused) > 0 and model.fan_in("e", later).max() == MOST_IN
    tree = n4.to_user(model, half)
    same(tree, n4.to_user(model, n4.from_user(model, tree)[1]))
    weights = n4.set_weights(half, "e", 0.2 * u.nS, model=model)
    assert (np.asarray(model.weights("e", weights).to_decimal(u.nS)) == np.float32(0.2)).all()
    crowded = tree["state"]["edges"]["e"] | {"pre": np.zeros(20, int), "post": np.arange(20) + 5}
    with pytest.raises(ValueError, match="8 slots; in the tree a source has 20"):
        n4.from_user(model, tree | {"state": tree["state"] | {"edges": {"e": crowded}}})


def test_a_long_run_compiles_once(grown):
    model, _ = grown
    n4.simulate(model, jr.key(5), 50 * u.ms, chunk=500)
    compiled = run_chunk._cache_size()
    tended(model, n4.simulate(model, jr.key(6), 500 * u.ms, chunk=500).state)
    assert run_chunk._cache_size() == compiled


@pytest.mark.full
@pytest.mark.as_shipped
def test_bits_do_not_depend_on_chunks_and_recorders(grown):
    model, run = grown
    same(run.state, n4.simulate(model, jr.key(1), 200 * u.ms, n4.Trace("cells", "v", every=3.7 * u.ms), chunk=133).state)


@pytest.mark.full
def test_a_run_goes_on_in_plain_xla(grown):
    model, run = grown
    half, plain = n4.simulate(model, jr.key(1), 113.3 * u.ms, chunk=500).state, garden(n4.Backend.REFERENCE)
    other = n4.simulate(plain, n4.from_user(plain, n4.to_user(model, half))[1], 86.7 * u.ms, chunk=500).state
    mine, theirs = tended(model, run.state), tended(plain, other)
    np.testing.assert_array_equal(mine.pre, theirs.pre)
    np.testing.assert_array_equal(mine.post, theirs.post)
    np.testing.assert_allclose(mine.weight.to_decimal(u.nS), theirs.weight.to_decimal(u.nS), atol=2e-6)


@pytest.mark.full
@pytest.mark.as_shipped
def test_bits_are_those_of_single_steps_scans_and_batches(grown):
    model, run = grown
    step = jax.jit(lambda m, s: m.step(s)[0])
    state = model.init(jr.key(1))
    for _ in range(2000):
        state = step(model, state)
    same(run.state, state)
    same(run.state, jax.jit(lambda m, s: n4.scan(m, s, 2000))(model, model.init(jr.key(1)))[0])
    keys = jnp.stack([jr.key(1), jr.key(2), jr.key(9)])
    lanes = n4.batch(model, keys, 200 * u.ms)
    same(run.state, lanes[0].state)
    tended(model, lanes[2].state)
    batch = jax.jit(jax.vmap(lambda key: n4.scan(model, model.init(key), 2000)[0]))(keys)
    same(run.state, jax.tree.map(lambda x: x[0], batch))


# Homeostasis --------------------------------------------------------------------------------------------------------------


@pytest.mark.full
def test_a_network_grows_until_its_calcium_is_what_it_should_be():
    cells = n4.Population("cells", 200, LIF, PORTS)
    drive = n4.Poisson("drive", cells, "exc", rate=260 * u.Hz, weight=1.1 * u.nS)
    curve = n4.GaussianGrowth(rate=4 * u.Hz, eps=0.25)
    rule = n4.StructuralPlasticity(every=100 * u.ms, growth=n4.Growth(curve, curve, tau=1 * u.second, beta=0.02), weight=0.4 * u.nS)
    e = n4.Projection("e", cells, cells, "exc", n4.FixedProb(0.0), weight=0.4 * u.nS, delay=1 * u.ms, structure=rule, slots=100)
    model = n4.Network(cells, drive, e).build(dt=0.1 * u.ms, seed=0)
    calcium, state = [], model.init(jr.key(0))
    for _ in range(40):
        state = n4.simulate(model, state, 1 * u.second, (), chunk=10_000).state
        calcium.append(float(model.slots("e", state).elements.calcium_pre.mean()))
    assert calcium[0] < 0.15 and abs(np.mean(calcium[-10:]) - 0.25) < 0.01 and len(model.edges("e", state)) > 400
    rate = 1000 * 0.25 / (0.02 * 1000)
    last = n4.simulate(model, state, 4 * u.second, chunk=10_000)
    assert abs(float(np.mean(last.rates("cells").to_decimal(u.Hz))) - rate) < 0.6


# With a life cycle --------------------------------------------------------------------------------------------------------


@pytest.mark.full
def test_synapses_and_neurons_come_and_go_together():
    life = n4.Lifecycle(every=10 * u.ms, max_age=60 * u.ms, reproduction=False, division_rate=22 * u.Hz, mutation_params=0, mutation_weights=0.01,
                        age=n4.Uniform(0 * u.ms, 60 * u.ms), health_decay=None)
    cells = n4.Population("cells", N, LIF, PORTS, alive=N // 2, lifecycle=life)
    drive = n4.Poisson("drive", cells, "exc", rate=1200 * u.Hz, weight=1.1 * u.nS)
    forms = n4.Formation(rate=0.2, full=20 * u.Hz, proposals=14)
    rule = n4.StructuralPlasticity(every=10 * u.ms, formation=forms, weight=WEIGHT)
    e = n4.Projection("e", cells, cells, "exc", n4.FixedProb(0.1, autapses=False), weight=WEIGHT, delay=1 * u.ms, structure=rule, slots=30)
    model = n4.Network(cells, drive, e).build(dt=0.1 * u.ms, seed=0)
    weights = []
    for key in range(3):
        state = n4.simulate(model, jr.key(key), 300 * u.ms, chunk=500).state
        edges, alive, slots = model.edges("e", state), np.asarray(state.alive["cells"]), model.slots("e", state)
        assert alive[edges.pre].all() and alive[edges.post].all() and 0 < alive.sum() <= N and int(state.life["cells"].births) > 20
        assert len(edges) == len(model.edges("e")) + int(slots.formed) - int(slots.pruned) and int(slots.pruned) > 100
        weights.append(np.asarray(edges.weight.to_decimal(u.nS)))
    drawn = np.concatenate(weights)
    assert (drawn >= 0).all() and len(np.unique(drawn)) > 10  # those that were there when a neuron was born have inherited


# Refusals -----------------------------------------------------------------------------------------------------------------

FORMS = n4.Formation(rate=0.01, full=20 * u.Hz)


@pytest.mark.parametrize(
    "make, error, text",
    [
        (lambda: n4.StructuralPlasticity(), ValueError, "nothing would change"),
        (lambda: n4.StructuralPlasticity(formation=FORMS), ValueError, "new synapses need one.*`weight=1\\*u.nS`"),
        (lambda: n4.StructuralPlasticity(formation=FORMS, weight=[1, 2] * u.nS), ValueError, "one number for all synapses"),
        (lambda: n4.StructuralPlasticity(every=0 * u.ms, formation=FORMS, weight=WEIGHT), ValueError, "every must be more than 0"),
        (lambda: n4.StructuralPlasticity(growth=FORMS, weight=WEIGHT), TypeError, "growth is None or `n4.Growth"),
        (lambda: n4.StructuralPlasticity(formation=FORMS, weight=WEIGHT, max_in=0), ValueError, "max_in must be at least 1"),
        (lambda: n4.GaussianGrowth(rate=1 * u.Hz, eps=0.1, eta=0.1), ValueError, "eta lies below eps"),
        (lambda: n4.GaussianGrowth(rate=1, eps=0.1), n4.UnitError, "GaussianGrowth.rate"),
        (lambda: n4.Growth(1, 2), TypeError, "Growth.axonal is a growth curve"),
        (lambda: n4.Formation(rate=2, full=1 * u.Hz), ValueError, "rate must be at least 0.*at most 1"),
        (lambda: n4.Formation(rate=0.1, full=1 * u.Hz, kernel="gauss"), ValueError, "kernel is one of 'uniform', 'inverse', 'exponential'"),
        (lambda: n4.Pruning(below=-1 * u.nS), ValueError, "below must be more than 0"),
        (lambda: n4.Pruning(below=1 * u.nS, probability=[0.1, 0.2]), ValueError, "Pruning.probability is one number"),
    ],
)
def test_refusals_of_rules(make, error, text):
    with pytest.raises(error, match=text):
        make()


def refused(rule=None, slots=10, **more):
    cells = n4.Population("cells", 30, LIF, PORTS)
    structure = n4.StructuralPlasticity(formation=FORMS, weight=WEIGHT) if rule is None else rule
    given_ = {"weight": WEIGHT, "delay": 1 * u.ms, "structure": structure, "slots": slots} | more
    e = n4.Projection("e", cells, cells, "exc", given_.pop("rule_", n4.FixedProb(0.0)), **given_)
    return n4.Network(cells, e).build(dt=0.1 * u.ms, seed=0)


@pytest.mark.parametrize(
    "more, error, text",
    [
        ({"slots": None}, ValueError, "structure and slots go together"),
        ({"structure": None}, ValueError, "structure and slots go together"),
        ({"structure": FORMS}, TypeError, "structure is None or `n4.StructuralPlasticity"),
        ({"delay": n4.Uniform(1 * u.ms, 2 * u.ms)}, ValueError, "have one delay; got 11"),
        ({"delay": n4.TrainableDelays(2 * u.ms, low=1 * u.ms, high=3 * u.ms)}, ValueError, "leave out `plasticity` and `structure`"),
        ({"rule_": n4.FixedOutDegree(12)}, ValueError, "begins with 12 synapses; slots is 10. For example `slots=24`"),
        ({"rule_": n4.EdgeList([0, 0], [1, 1])}, ValueError, "at most one from a neuron to another.*multapses=False"),
        ({"rule": n4.StructuralPlasticity(formation=FORMS, weight=1 * u.pA)}, n4.UnitError, "takes weights in nS; weight is in pA"),
        ({"rule": n4.StructuralPlasticity(formation=FORMS, weight=-1 * u.nS)}, ValueError, "a conductance is 0 or more"),
        ({"rule": n4.StructuralPlasticity(every=0.25 * u.ms, formation=FORMS, weight=WEIGHT)}, ValueError, "every"),
        ({"plasticity": n4.STDP(w_max=0.2 * u.nS, a_plus=0.1, a_minus=0.1), "rule": n4.StructuralPlasticity(formation=FORMS, weight=1 * u.nS)},
         ValueError, "keeps weights from 0. nS to 0.2 nS; the weight of new synapses is 1"),
        ({"rule": n4.StructuralPlasticity(formation=n4.Formation(rate=0.5, full=1 * u.Hz), weight=WEIGHT)}, ValueError, "needs at least 21 proposals; got 8"),
        ({"rule": n4.StructuralPlasticity(formation=n4.Formation(rate=0.01, full=1 * u.Hz, radius=1 * u.um), weight=WEIGHT)}, ValueError, "on a lattice"),
    ],
)
def test_refusals_of_projections(more, error, text):
    with pytest.raises(error, match=text):
        refused(**more)


def test_synapses_that_stay_have_no_slots(sheet):
    model, state = sheet
    other = refused(structure=None, slots=None)
    with pytest.raises(ValueError, match=r"synapses of projection 'e' stay; they come and go where"):
        other.slots("e", other.init(jr.key(0)))
    assert model.as_in(state).census().synapses == len(model.edges("near", state)) + len(model.edges("weak", state))
