"""Checksums and values of edges by projection: the extension, NumPy and any number of threads say the same."""

import brainunit as u
import numpy as np
import pytest
from core.networks import lif

import neuro4d as n4
from neuro4d.kernels import NativeRows, deal_native, gather_native, native_available, tally_native, wire_native
from neuro4d.model import _shares, _wiring, wiring
from neuro4d.model._canonical import to_user
from neuro4d.model._wiring import _by_share, gathered
from neuro4d.ops import _backend, _edges

needs_native = pytest.mark.skipif(not native_available(), reason="there are no native kernels here: both would be the same")


def network(n=300, weight=None):
    """Projections that share rows, between views, at two ports, two of them without edges."""
    a, b = (n4.Population(name, n, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms), "inh": n4.ExpCurrent(tau=2 * u.ms)}) for name in "ab")
    weight = n4.Uniform(1 * u.pA, 2 * u.pA) if weight is None else weight
    late = n4.Uniform(0.1 * u.ms, 1 * u.ms)
    return n4.Network(
        a,
        b,
        n4.Projection("ab", a, b, "exc", n4.FixedProb(0.2), weight=weight, delay=late),
        n4.Projection("aa", a[n // 3 :], a[: n // 2], "inh", n4.FixedProb(0.3), weight=weight, delay=late),
        n4.Projection("ba", b, a, "exc", n4.FixedProb(0.1), weight=weight, delay=late),
        n4.Projection("bb", b[::2], b, "inh", n4.FixedProb(0.2), weight=weight, delay=late),
        n4.Projection("none", b, b, "exc", n4.EdgeList(np.zeros(0, int), np.zeros(0, int)), weight=1 * u.pA),
    )


@pytest.fixture(scope="module")
def model():
    return network().build(dt=0.1 * u.ms, seed=0)


def plainly(model):
    """Both from NumPy and one thread."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (_edges, _wiring):
            patch.setattr(module, "native_available", lambda: False)
        patch.setattr(_shares, "n_cores", lambda: 1)
        return wiring(model), to_user(model)["weights"]


def same(found, expected):
    assert found[0] == expected[0]
    assert found[1].keys() == expected[1].keys()
    assert all(np.array_equal(found[1][name], x) and found[1][name].dtype == x.dtype for name, x in expected[1].items())


@needs_native
@pytest.mark.parametrize("size", [1, 1000, 1 << 18])
@pytest.mark.parametrize("blocks", [1, 2])
def test_extension_and_numpy_say_the_same(size, blocks, monkeypatch):
    monkeypatch.setattr(_shares, "PIECE", size)
    monkeypatch.setattr(_backend, "NEURONS_PER_CORE", 100)
    built = network().build(dt=0.1 * u.ms, seed=0, backend=n4.Backend.kernels(cores=blocks))
    assert {path.n_blocks for path in built.pathways.values()} == {blocks}
    expected = plainly(built)
    same((wiring(built), to_user(built)["weights"]), expected)
    monkeypatch.setattr(_shares, "SEVERAL", 0)
    monkeypatch.setattr(_shares, "n_cores", lambda: 4)
    same((wiring(built), to_user(built)["weights"]), expected)


def test_a_sum_sees_every_change_and_no_layout(model):
    here = wiring(model)
    assert {name: n for name, (n, _) in here.items()} == {name: len(model.edges(name)) for name in model.projections}
    assert here["none"] == (0, 0) and len({total for _, total in here.values()}) == 5
    assert wiring(network(weight=1 * u.pA).build(dt=0.1 * u.ms, seed=0)) == here  # another form of weights, and of the layout
    assert wiring(network().build(dt=0.1 * u.ms, seed=0, backend=n4.Backend.REFERENCE)) == here
    assert all(wiring(network().build(dt=0.1 * u.ms, seed=1))[name] != here[name] for name in here if name != "none")
    edges = [(0, 1, 1), (0, 2, 1), (3, 1, 1)]
    sums = set()
    for change in ((), (0, 0, 4), (0, 1, 4), (0, 2, 2), (1, 1, 3)):
        rows = [[*edge] for edge in edges]
        if change:
            rows[change[0]][change[1]] = change[2]
        pre, post, late = np.array(rows).T
        cells = n4.Population("cells", 5, lif(), {"in": n4.Delta()})
        sums.add(wiring(n4.Network(cells, n4.Projection("e", cells, cells, "in", n4.EdgeList(pre, post), weight=1 * u.mV, delay=0.1 * late * u.ms)).build(dt=0.1 * u.ms))["e"])
    assert len(sums) == 5


def test_sums_of_shares_in_any_pieces(model, monkeypatch):
    name = next(iter(model.pathways))
    names = [span.name for span in model.layout.projections_by_pathway[name]]
    monkeypatch.setattr(_shares, "PIECE", 77)
    assert {each: wiring(model)[each] for each in names} == _by_share(model, name, names)


@pytest.mark.parametrize("kind", [np.float64, np.int8])
def test_values_of_any_type(model, kind):
    for name, spans in model.layout.projections_by_pathway.items():
        names, values = [span.name for span in spans], np.arange(model.pathways[name].targets.shape[0]).astype(kind)
        found = gathered(model, name, names, values)
        for share in _shares.shares(model, name, names):
            assert np.array_equal(found[share.span.name][share.here], share.read(values))


@needs_native
@pytest.mark.parametrize("kind", [np.uint16, np.uint32])
def test_the_extension_refuses_what_does_not_fit(kind):
    rows = NativeRows(np.array([0, 3, 1, 2, 2], kind), np.array([2, 0, 1, 2]), 2, 4)
    table, edge = np.array([0, 2, 1, 1, 2, 2, 9, 0], np.uint8), np.zeros(3, np.int64)
    places, ends = deal_native(rows, table, 3)
    assert (places.tolist(), ends.tolist()) == ([0, 1, 2], [1, 2, 3])
    assert tally_native(rows, table, 3).tolist() == np.diff(ends, prepend=0).tolist()
    out = np.full(5, -1.0)
    gather_native(rows, table, np.arange(5.0), np.array([0, ends[0], ends[1]]), out)
    assert out[: len(places)].tolist() == places.tolist()
    total = wire_native(rows, table, np.arange(8, dtype=np.int32), np.array([1], np.int32), np.array([0, 5, 9], np.int32), edge)
    assert edge.tolist() == np.diff(ends, prepend=0).tolist() and np.count_nonzero(total) == np.count_nonzero(edge)
    post, delay, pre = np.zeros(8, np.int32), np.zeros(1, np.int32), np.zeros(3, np.int32)
    for bad in (
        rows._replace(target=np.array([0, 4, 1, 2, 2], kind)),
        rows._replace(length=np.array([2, 0, 1, 1])),
        rows._replace(length=np.array([6, -1, 0, 0])),
        rows._replace(length=np.array([5])),
        rows._replace(block_size=5),
        rows._replace(n_blocks=0),
    ):
        for call in (
            lambda bad=bad: deal_native(bad, table, 3),
            lambda bad=bad: tally_native(bad, table, 3),
            lambda bad=bad: gather_native(bad, table, np.arange(5.0), np.zeros(3, np.int64), np.zeros(9)),
            lambda bad=bad: wire_native(bad, table, post, delay, pre, edge),
        ):
            with pytest.raises(ValueError):
                call()
    for places in ([0, 3, 4], [-1, 0, 0]):
        with pytest.raises(ValueError, match="have room"):
            gather_native(rows, table, np.arange(5.0), np.array(places), np.zeros(3))
    with pytest.raises(ValueError):
        deal_native(rows, table, 256)
    with pytest.raises(ValueError):
        wire_native(rows, table, post[:7], delay, pre, edge)
    with pytest.raises(ValueError):
        wire_native(rows, table, post, delay, pre, edge[:2])
