"""Edges dealt out to projections in one pass: all of them, once, in the order of `edges`, however small the pieces are."""

import brainunit as u
import equinox as eqx
import jax
import numpy as np
import pytest
from core.networks import lif

import neuro4d as n4
from neuro4d._base import tree_bytes
from neuro4d.model import _shares, shares
from neuro4d.simulate._memory import check_memory

PAIRS = [(0, 5, 2), (3, 9, 0), (3, 9, 0), (3, 2, 7), (8, 0, 1), (8, 11, 3), (8, 0, 9), (11, 11, 4)]
"""Source, target, steps of delay beyond the first."""


@pytest.fixture(scope="module")
def model():
    """Projections that share a pathway: between views that overlap, at two ports, with several edges between two neurons."""
    cells = n4.Population("cells", 12, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms), "inh": n4.ExpCurrent(tau=2 * u.ms)})
    other = n4.Population("other", 12, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms), "inh": n4.ExpCurrent(tau=2 * u.ms)})
    pre, post, delay = np.array(PAIRS).T
    given = n4.EdgeList(pre, post)
    parts = [
        n4.Projection("a", cells, other, "exc", given, weight=np.arange(8.0) * u.pA, delay=(0.1 + 0.1 * delay) * u.ms),
        n4.Projection("b", cells[2:9], other[::2], "inh", n4.AllToAll(), weight=n4.Uniform(1 * u.pA, 2 * u.pA), delay=n4.Uniform(0.1 * u.ms, 1 * u.ms)),
        n4.Projection("c", other, cells[4:], "exc", n4.FixedProb(0.4), weight=3 * u.pA),
        n4.Projection("d", other[:3], cells, "exc", n4.FixedProb(0.4), weight=4 * u.pA),
        n4.Projection("none", other, other, "exc", n4.EdgeList(pre[:0], post[:0]), weight=4 * u.pA),
    ]
    return n4.Network(cells, other, *parts).build(dt=0.1 * u.ms, seed=0)


def test_edges_that_are_given_come_back_in_their_order(model):
    edges = model.edges("a")
    order = sorted(range(len(PAIRS)), key=lambda i: (PAIRS[i][0], PAIRS[i][2], PAIRS[i][1]))  # stable: by definition where all else is equal
    assert list(zip(edges.pre, edges.post, strict=True)) == [PAIRS[i][:2] for i in order]
    assert edges.weight.to_decimal(u.pA).tolist() == order
    assert np.round(edges.delay.to_decimal(u.ms) * 10).tolist() == [PAIRS[i][2] + 1 for i in order]


@pytest.mark.parametrize("size", [1, 7, 1 << 18])
def test_every_edge_belongs_to_one_share(model, size, monkeypatch):
    monkeypatch.setattr(_shares, "PIECE", size)
    for pathway, path in model.pathways.items():
        places: list[int] = []
        names = [span.name for span in model.layout.projections if span.pathway == pathway]
        done = dict.fromkeys(names, 0)
        for share in shares(model, pathway, names):
            assert share.begin == done[share.span.name]
            done[share.span.name] += share.n
            places += [*share.place]
            edges = model.edges(share.span.name)
            for values, wanted in ((share.pre, edges.pre), (share.post, edges.post), (share.delay, np.rint(edges.delay.to_decimal(u.ms) / model.dt_ms))):
                assert np.array_equal(values, wanted[share.here])
        assert done == {name: len(model.edges(name)) for name in names}
        assert sorted(places) == list(range(int(np.asarray(path.bounds)[:, -1].sum())))


@pytest.mark.parametrize("size", [1, 1 << 18])
def test_weights_go_there_and_back(model, size, monkeypatch):
    monkeypatch.setattr(_shares, "PIECE", size)
    tree = n4.to_user(model)
    given = {name: values + np.arange(len(values), dtype=values.dtype) for name, values in tree["weights"].items()}
    after, _ = n4.from_user(model, tree | {"weights": given})
    for name, values in given.items():
        assert np.array_equal(after.weights(name).to_decimal(u.pA), values)
    assert jax.tree.all(jax.tree.map(np.array_equal, n4.to_user(n4.from_user(after, tree)[0])["weights"], tree["weights"]))
    for name, values in given.items():
        with pytest.raises(ValueError, match=f"'{name}' has {len(values)} edges; the tree has {len(values) + 1}"):
            n4.from_user(model, tree | {"weights": given | {name: np.append(values, 1)}})


def test_a_model_with_other_trained_delays_is_the_same_network(tmp_path):
    cells = n4.Population("cells", 6, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)})
    free = n4.TrainableDelays(n4.Uniform(1 * u.ms, 3 * u.ms), low=0.5 * u.ms, high=4 * u.ms)
    net = n4.Network(cells, n4.Projection("e", cells, cells, "exc", n4.FixedProb(0.5), weight=5 * u.pA, delay=free))
    model = net.build(dt=0.1 * u.ms, seed=0)
    (pathway,) = model.pathways
    trained = eqx.tree_at(lambda m: m.pathways[pathway].free.delay, model, 4.5 - model.pathways[pathway].free.delay)
    n4.save(tmp_path / "folder", trained)
    n4.io.save_hdf5(tmp_path / "file.h5", trained)
    for again, _ in (n4.restore(tmp_path / "folder"), n4.io.load_hdf5(tmp_path / "file.h5")):
        assert np.array_equal(again.edges("e").delay.mantissa, trained.edges("e").delay.mantissa)
        assert not np.array_equal(again.edges("e").delay.mantissa, model.edges("e").delay.mantissa)


def test_the_memory_of_a_run_counts_the_state_that_is_saved(model):
    state = jax.eval_shape(model.init, jax.random.key(0))
    plain = check_memory(state, {}, 100, 100, 1)
    assert check_memory(state, {}, 100, 100, 1, saves=True) == plain + 2 * tree_bytes(state)
