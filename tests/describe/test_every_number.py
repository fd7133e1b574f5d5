"""The form of the user holds every float of a model: all are changed, and all arrive in a model that was just built, on any backend."""

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from core.exported import NEURONS, PLASTICITY, RECEPTORS, STIMULI, network, together
from core.networks import KEY, lif
from describe.rich import changed, rich, unequal

import neuro4d as n4
from neuro4d._base import COHERENT

DT = 0.1 * u.ms


def same_tree(a, b):
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return jax.tree.structure(a) == jax.tree.structure(b) and all(np.asarray(x).tobytes() == np.asarray(y).tobytes() for x, y in pairs)


def check(net, others=(), fresh=None, **build):
    fresh = net.build(dt=DT, seed=1, **build) if fresh is None else fresh
    model = changed(fresh)
    tree = n4.to_user(model)
    assert unequal(fresh, model) != set()
    assert unequal(n4.from_user(fresh, tree)[0], model) == set()
    for backend in others:
        assert same_tree(n4.to_user(n4.from_user(net.build(dt=DT, seed=1, backend=backend, **build), tree)[0]), tree)
    return model, tree


@pytest.fixture(scope="module")
def changed_rich(rich_model):
    return check(rich_model.origin.network, (n4.Backend.REFERENCE,), rich_model)


@pytest.mark.full
@pytest.mark.parametrize("backend", [n4.Backend.REFERENCE, n4.Backend.kernels(cores=2)], ids=["reference", "two cores"])
def test_every_backend(backend):
    check(together([*STIMULI, *PLASTICITY]), (backend,))
    check(rich(), (backend,))


@pytest.mark.parametrize("name", ["Steps", "Waveform", "RateSteps", "CorrelatedPoisson", "AC", "WhiteNoise"])
def test_stimuli(name):
    check(network(name))


def test_one_of_everything(changed_rich):
    _, tree = changed_rich
    sections = {"parameters", "weights", "gaps", "initial", "stimuli", "plasticity", "structures", "lives", "delays"}
    assert sections | {"fingerprint", "seed"} == set(tree)


@pytest.mark.parametrize("surrogate", [n4.Scaled(n4.SuperSpike(), support=5.0), n4.Triangle()], ids=["scaled", "plain"])
def test_surrogates(surrogate):
    net = n4.Network(n4.Population("cells", 3, lif()))
    check(net, surrogate=surrogate)
    with pytest.raises(ValueError, match="build with `surrogate=`"):
        n4.from_user(net.build(dt=DT, seed=1), n4.to_user(net.build(dt=DT, seed=1, surrogate=surrogate)))


@pytest.mark.full
@pytest.mark.parametrize("name", [*NEURONS, *RECEPTORS])
def test_neurons_and_receptors(name):
    check(network(name), (n4.Backend.REFERENCE,))


@pytest.mark.parametrize("kept", [jnp.float16, jnp.bfloat16, None], ids=["float16", "bfloat16", "float32"])
def test_weights_keep_their_form(kept):
    """One number for a pathway, one for a source or one for an edge: a model that was just built takes on what it is given as shortly as it can."""
    cells = n4.Population("cells", 12, lif(), {"exc": n4.ExpCurrent(tau=5 * u.ms)})
    net = n4.Network(
        cells,
        n4.Projection("one", cells, cells, "exc", n4.FixedOutDegree(3), weight=20 * u.pA),
        n4.Projection("two", cells, cells, "exc", n4.FixedOutDegree(3), weight=20 * u.pA, delay=1 * u.ms),
    )
    model = net.build(dt=DT, seed=0, store_weights=kept)
    same, apart = (n4.set_weights(model, "one", w * u.pA) for w in (20.0, np.linspace(10, 30, 36)))
    both = n4.set_weights(n4.set_weights(model, "one", 31 * u.pA), "two", 31 * u.pA)
    for given in (same, apart, both):
        back, _ = n4.from_user(net.build(dt=DT, seed=0, store_weights=kept), n4.to_user(given))
        assert all(np.array_equal(back.weights(name).mantissa, given.weights(name).mantissa) for name in net.build(dt=DT, seed=0).projections)
    kinds = [{path.weight_kind for path in n4.from_user(model, n4.to_user(given))[0].pathways.values()} for given in (same, both)]
    assert kinds[0] == kinds[1] == {path.weight_kind for path in model.pathways.values()}


def test_what_the_model_does_not_have_is_named(changed_rich):
    model, tree = changed_rich
    for section, name, part, message in (
        ("stimuli", "wind", {}, "no stimulus named 'wind'"),
        ("lives", "placed", {}, "no population with a life cycle named 'placed'"),
        ("plasticity", "e", {}, "no plastic projection named 'e'"),
        ("structures", "a", {}, "no projection with synapses that come and go named 'a'"),
        ("delays", "nowhere", {}, "no projection named 'nowhere'"),
        ("stimuli", "ou", {"speed": np.float32(1)}, "stimulus 'ou' has no number 'speed'"),
        ("stimuli", "one", {"speed": np.float32(1)}, "no number of stimulus 'one' named 'speed'"),
    ):
        with pytest.raises(n4.UnknownNameError, match=message):
            n4.from_user(model, {**tree, section: {name: part}})
    for section, name, part, message in (
        ("stimuli", "ou", {"tau": np.ones(3, np.float32)}, r"tau has the shape \(\) in the model; the tree has \(3,\)"),
        ("stimuli", "one", {"mean": np.ones(3, np.float32)}, r"mean has the shape \(1,\)"),
        ("delays", "e", {"delay": np.ones(3), "spread": 0.0}, "none in the model"),
        ("weights", "e", np.ones(3), r"'e' has \d+ edges; the tree has 3"),
    ):
        with pytest.raises(ValueError, match=message):
            n4.from_user(model, {**tree, section: {name: part}})


def test_frozen_delays_arrive(changed_rich, rich_model):
    model, _ = changed_rich
    frozen = model.freeze()
    tree = n4.to_user(frozen)
    assert unequal(n4.from_user(rich_model, tree)[0], frozen) == set()
    assert unequal(n4.from_user(frozen, tree)[0], frozen) == set()
    delays = {name: x + 0.3 for name, x in n4.to_user(rich_model)["delays"]["d"].items()}
    other = n4.from_user(rich_model, {**n4.to_user(rich_model), "delays": {"d": delays}})[0]
    with pytest.raises(ValueError, match="other delays in the tree than in the model"):
        n4.from_user(other.freeze(), tree)


def test_every_array_has_a_unit(changed_rich):
    model, _ = changed_rich
    tree = n4.to_user(model, model.init(KEY))
    units = n4.model.tree_units(model, tree)
    assert jax.tree.structure(units) == jax.tree.structure(tree)
    assert set(jax.tree.leaves(units)) <= {"", *map(str, COHERENT)}
    found = (units["parameters"]["placed"]["exc.e_rev"], units["weights"]["e"], units["state"]["edges"]["g"]["weight"], units["stimuli"]["one"]["weight"])
    assert found == ("mV", "nS", "nS", "pA")
    assert units["structures"]["f"]["rule.growth.axonal.rate"] == "kHz" and units["lives"]["cells"]["max_age"] == "ms"
    assert units["state"]["life"]["cells"]["parameter.v_th"] == "mV" and units["initial"]["cells"]["v.values"] == "mV"
