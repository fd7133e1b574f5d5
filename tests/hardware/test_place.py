"""Cores on the mesh: traffic and what swaps change are counted here one by one, without the code that is tested."""

import itertools

import brainunit as u
import chip_cases
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro4d.hardware._anneal import Swaps, anneal
from neuro4d.hardware._bound import hop_bound
from neuro4d.hardware._descend import descend
from neuro4d.hardware._loads import load_model
from neuro4d.hardware._mesh import Mesh, mesh_of
from neuro4d.hardware._partition import partition
from neuro4d.hardware._place import place
from neuro4d.hardware._placement import Placement
from neuro4d.hardware._region import squared
from neuro4d.hardware._target import target
from neuro4d.hardware._traffic import hop_traffic, traffic
from neuro4d.hardware._workload import layered


def roomy(**changes):
    return chip_cases.small_chip(**{"axons_in": 10**6, "axons_out": 10**6, "memory": 10**9} | changes)


def walked(mesh: Mesh, begin: int) -> list[int]:
    """Hops from a node to every other by breadth-first search along the links."""
    far, line = {begin: 0}, [begin]
    for node in line:
        x, y = node % mesh.columns, node // mesh.columns
        for dx, dy in mesh.steps.tolist():
            if 0 <= x + dx < mesh.columns and 0 <= y + dy < mesh.rows:
                after = (y + dy) * mesh.columns + x + dx
                if after not in far:
                    far[after] = far[node] + 1
                    line.append(after)
    return [far[node] for node in range(mesh.n)]


meshes = [Mesh("square", 5, 4), Mesh("hexagonal", 4, 5), Mesh("square", 1, 7), Mesh("hexagonal", 1, 1)]


@pytest.mark.parametrize("mesh", meshes, ids=str)
def test_hops_are_the_shortest_ways(mesh):
    for begin in range(mesh.n):
        ends = np.arange(mesh.n)
        assert mesh.hops(np.full(mesh.n, begin), ends).tolist() == walked(mesh, begin)
        assert [len(mesh.path(begin, end)) - 1 for end in range(mesh.n)] == walked(mesh, begin)


@pytest.mark.parametrize("mesh", [Mesh("square", 8, 8), Mesh("square", 16, 16)], ids=str)
def test_neighbours_on_the_curve_are_neighbours_on_the_mesh(mesh):
    assert sorted(mesh.curve.tolist()) == list(range(mesh.n))
    assert (mesh.hops(mesh.curve[1:], mesh.curve[:-1]) == 1).all()


@pytest.mark.slow
@given(chip_cases.networks, chip_cases.chips, st.integers(0, 1000))
@settings(max_examples=6)
def test_cores_keep_sites_of_their_own_and_traffic_never_grows(work, chip, seed):
    found = partition(work, roomy(neurons=25, mesh=chip.chip.mesh, columns=chip.chip.columns, rows=chip.chip.rows))
    rng = np.random.default_rng(seed)
    given_sites = Placement(found.target, work, found.core, rng.permutation(found.site))
    for method in ("sequential", "spectral", "annealing"):
        placed = place(given_sites, method, seed)
        assert len(set(placed.site.tolist())) == found.n_cores
        assert set((placed.site // found.chip.cores).tolist()) <= set((found.site // found.chip.cores).tolist())
        assert np.array_equal(placed.core, found.core)
        change = placed.changes[-1]
        assert change.after["hops"] == pytest.approx(counted(placed), rel=1e-9, abs=1e-9)
        assert change.before["hops"] == pytest.approx(counted(given_sites), rel=1e-9, abs=1e-9)
    assert change.after["hops"] <= change.before["hops"]
    assert np.array_equal(place(given_sites, "sequential").site, found.site)


def counted(placement: Placement) -> float:
    """Hop-weighted traffic, spike by spike from the synapses, and from core to core."""
    total = 0.0
    mesh, node = mesh_of(placement)
    seen = set()
    for piece in placement.workload.connections.pieces():
        seen |= set(zip(piece.pre.tolist(), placement.core[piece.post].tolist(), strict=True))
    for neuron, core in seen:
        total += float(placement.workload.spikes[neuron]) * int(mesh.hops(node[placement.core[neuron]], node[core]))
    assert load_model(placement).hops.sum(axis=0) @ placement.workload.spikes == pytest.approx(total)  # as the estimate of energy has it
    return total


def test_traffic_is_messages_between_cores():
    work = layered(["a", "b"], [2, 2], [0, 0, 0, 1, 3], [0, 2, 3, 2, 0], [0.5, 0.25, 1.0, 2.0], dt=1 * u.ms, steps=1)
    found = partition(work, roomy(neurons=2))
    assert traffic(found).tolist() == [[0, 0.75], [2.0, 0]]
    assert hop_traffic(found) == 0  # both on one tile


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["square", "hexagonal"])
def test_what_swaps_change_is_exact(kind):
    """By themselves, and together: against the costs of both placements."""
    rng = np.random.default_rng(4)
    mesh, n = Mesh(kind, 5, 4), 30
    both = rng.random((n, n)) * (rng.random((n, n)) < 0.4)
    both = np.triu(both, 1) + np.triu(both, 1).T
    node = rng.integers(0, mesh.n, n + 6)
    swaps = Swaps(both, mesh, node, rng.permutation(n + 6)[:n])

    def cost(slot):
        where = node[slot[:n]]
        return 0.5 * sum(both[i, j] * mesh.hops(where[i], where[j]) for i in range(n) for j in range(n))

    for _ in range(20):
        cores = rng.permutation(n + 6)
        a, b = cores[:8], cores[8:16]
        before = cost(swaps.slot)
        for i in range(8):
            slot = swaps.slot.copy()
            slot[[a[i], b[i]]] = slot[[b[i], a[i]]]
            assert swaps.change(a, b)[i] == pytest.approx(cost(slot) - before, abs=1e-9)
        shifts = swaps.shifts(a, b)
        said = swaps.change(a, b).sum() + np.triu(swaps.together(shifts), 1).sum()
        swaps.swap(shifts)
        assert said == pytest.approx(cost(swaps.slot) - before, abs=1e-9)


@pytest.mark.slow
def test_annealing_comes_near_the_best_order_of_a_ring():
    """24 cores in a ring on 6 x 4 tiles: the shortest closed way has 24 hops, and a random order about 80."""
    mesh, n = Mesh("square", 6, 4), 24
    both = np.zeros((n, n))
    both[np.arange(n), np.arange(1, n + 1) % n] = 1
    both += both.T
    costs = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        slot = anneal(Swaps(both, mesh, np.arange(n), rng.permutation(n)), rng)
        costs.append(int(mesh.hops(slot, np.roll(slot, 1)).sum()))
    assert 24 <= min(costs) <= max(costs) <= 30


@pytest.mark.parametrize("kind", ["square", "hexagonal"])
def test_descent_finds_the_best_of_all_placements(kind):
    """Six cores on six nodes and one free one: all 5,040 placements are tried."""
    rng = np.random.default_rng(2)
    mesh = Mesh(kind, 4, 2)
    both = rng.random((6, 6)) * (rng.random((6, 6)) < 0.6)
    both = np.triu(both, 1) + np.triu(both, 1).T
    node = np.array([0, 1, 2, 4, 5, 6, 7])
    far = mesh.hops(np.repeat(node, 7), np.tile(node, 7)).reshape(7, 7)
    every = np.array(list(itertools.permutations(range(7), 6)))
    costs = 0.5 * sum(both[i, j] * far[every[:, i], every[:, j]] for i in range(6) for j in range(6))
    slot = descend(Swaps(both, mesh, node, np.arange(6)), np.random.default_rng(0))
    assert 0.5 * (both * far[np.ix_(slot, slot)]).sum() == pytest.approx(costs.min())


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_a_lattice_network_has_a_fifth_of_the_traffic(seed):
    """Neurons on a grid that are numbered at random: partition by the graph and annealing, against the order of numbers."""
    work = chip_cases.torus(32, 2, 0)
    chip = roomy(neurons=16, columns=4, rows=4, per_tile=4)
    plain = partition(work, chip, "sequential")
    placed = place(partition(work, chip, "graph"), seed=seed)
    assert hop_traffic(placed) < 0.2 * hop_traffic(plain)


@pytest.mark.slow
def test_seeds_repeat():
    work = chip_cases.random_network(0, (100, 60), 1000)
    found = partition(work, roomy(neurons=40))
    assert place(found, seed=1).site.tolist() == place(found, seed=1).site.tolist()


def test_a_network_without_spikes_stays_where_it_is():
    work = layered(["a"], [100], np.arange(100), np.arange(100)[::-1], np.zeros(100), dt=1 * u.ms, steps=1)
    found = partition(work, roomy())
    assert place(found).site.tolist() == found.site.tolist()


def test_what_is_known_of_the_synapses_is_kept():
    found = partition(chip_cases.random_network(0, (50,), 100), target("loihi1"))
    assert place(found, "sequential").fan_out is found.fan_out


def test_unknown_methods_are_refused():
    found = partition(chip_cases.random_network(0, (50,), 100), target("loihi1"))
    with pytest.raises(ValueError, match="Did you mean 'annealing'"):
        place(found, "anealing")


def test_chips_lie_in_an_array_as_square_as_their_number_allows():
    work = layered(["a"], [5 * 12], np.zeros(0, int), np.zeros(0, int), np.zeros(60), dt=1 * u.ms, steps=1)
    found = partition(work, roomy(neurons=1))
    mesh, node = mesh_of(found)
    assert (found.n_chips, mesh.columns, mesh.rows) == (5, 9, 4)
    assert mesh.place[node[[0, 2, 6, 12, 36]]].tolist() == [[0, 0], [1, 0], [0, 1], [3, 0], [0, 2]]


def test_chips_make_a_square_of_tiles():
    """Nine chips of 4 x 1 tiles: 3 x 3 of them are 12 x 3 tiles, and in two columns, 8 x 5."""
    work = chip_cases.random_network(1, (9 * 4,), 400)
    found = partition(work, roomy(neurons=1, columns=4, rows=1, per_tile=1))
    placed = place(found, "spectral", chips="square")
    mesh, node = mesh_of(placed)
    assert np.ptp(mesh.place[node], axis=0).tolist() == [7, 4]
    assert len(set(placed.site.tolist())) == found.n_cores
    assert placed.n_chips == found.n_chips == 9
    assert placed.changes[-1].after["hops"] == pytest.approx(counted(placed))
    assert hop_traffic(placed) < hop_traffic(place(found, "spectral"))


ALONE = layered(["a"], [1], np.zeros(0, int), np.zeros(0, int), np.zeros(1), dt=1 * u.ms, steps=1)


@given(st.integers(1, 150), st.integers(1, 9), st.integers(1, 9))
@settings(max_examples=60)
def test_squared_chips_are_as_many_and_lie_in_one_rectangle(chips, columns, rows):
    chip = chip_cases.small_chip(columns=columns, rows=rows, per_tile=1)
    chip = msgspec.structs.replace(chip, chip=msgspec.structs.replace(chip.chip, chips=10**6))
    given_sites = Placement(chip, ALONE, np.zeros(1, int), np.arange(chips) * chip.chip.cores)
    found = Placement(chip, ALONE, np.zeros(1, int), squared(given_sites))
    assert found.n_chips == chips
    spans = [np.ptp(mesh.place[node], axis=0) + (columns, rows) for mesh, node in map(mesh_of, (given_sites, found))]
    assert (spans[1] // (columns, rows)).prod() < chips + (spans[1] // (columns, rows))[0]  # only the last row has room
    assert spans[1].sum() <= spans[0].sum() + max(columns, rows)


def test_other_chips_are_refused():
    found = partition(chip_cases.random_network(0, (50,), 100), target("loihi1"))
    with pytest.raises(ValueError, match="Did you mean 'square'"):
        place(found, chips="sqare")


def test_many_cores_are_annealed_by_rounds():
    """600 cores that each talk to the next of a line: annealed from a random start, ways are a fraction of what they were, and the cost that is kept is exact."""
    n, rng = 600, np.random.default_rng(0)
    mesh = Mesh("square", 25, 24)
    both = np.zeros((n, n))
    both[np.arange(n - 1), np.arange(1, n)] = 1
    both += both.T
    swaps = Swaps(both, mesh, np.arange(n), rng.permutation(n))
    before = swaps.cost()
    slot = anneal(swaps, rng)
    after = int(mesh.hops(slot[1:], slot[:-1]).sum())
    assert swaps.cost() == mesh.hops(swaps.slot[1:], swaps.slot[:-1]).sum()
    assert sorted(slot.tolist()) == list(range(n))
    assert after < 0.25 * before


@given(chip_cases.networks, chip_cases.chips, st.integers(0, 1000))
@settings(max_examples=15)
def test_no_placement_is_below_the_bound(work, chip, seed):
    found = partition(work, roomy(neurons=12, mesh=chip.chip.mesh, columns=chip.chip.columns, rows=chip.chip.rows))
    rng = np.random.default_rng(seed)
    sites = (np.unique(found.site // found.chip.cores)[:, None] * found.chip.cores + np.arange(found.chip.cores)).ravel()
    tried = [Placement(found.target, work, found.core, rng.permutation(sites)[: found.n_cores]) for _ in range(5)]
    hops = [hop_traffic(each) for each in [*tried, place(found, "spectral")]]
    assert hop_bound(found) <= min(hops) * (1 + 1e-9)


def test_the_bound_is_reached_where_all_are_alike():
    """A core on each tile of 2 x 2, all of which talk to all others as much: each has two at one link and one at two."""
    pre, post = np.divmod(np.arange(16), 4)
    work = layered(["a"], [4], pre, post, np.ones(4), dt=1 * u.ms, steps=1)
    found = partition(work, roomy(neurons=1, columns=2, rows=2, per_tile=1))
    assert hop_bound(found) == hop_traffic(found) == 16


@pytest.mark.parametrize("kind", ["square", "hexagonal"])
def test_many_cores_are_bounded_without_sites(kind, monkeypatch):
    """On a mesh without end there is a node for every ring, so that the bound is below that with sites, and not by much for few cores."""
    work = chip_cases.random_network(5, (120,), 3000)
    found = partition(work, roomy(neurons=4, mesh=kind, columns=3, rows=3, per_tile=1))
    close = hop_bound(found)
    monkeypatch.setattr("neuro4d.hardware._bound.MOST", 0)
    assert 0.3 * close < hop_bound(found) <= close
