"""Multicast trees: walked here link by link, and the proof that no packets wait in a circle is made to find some that do."""

import itertools

import brainunit as u
import chip_cases
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro4d.hardware._mesh import Mesh, mesh_of
from neuro4d.hardware._partition import partition
from neuro4d.hardware._placement import Placement
from neuro4d.hardware._route import deadlock, is_deadlock_free, route, routes_of, tree
from neuro4d.hardware._traffic import hop_traffic
from neuro4d.hardware._workload import layered


def placed(work, mesh, columns, rows, per_tile, seed) -> Placement:
    chip = chip_cases.small_chip(
        neurons=4, axons_in=10**6, axons_out=10**6, memory=10**9, mesh=mesh, columns=columns, rows=rows, per_tile=per_tile
    )
    found = partition(work, chip)
    return Placement(chip, work, found.core, np.random.default_rng(seed).permutation(found.site))


placements = st.builds(
    placed, chip_cases.networks, st.sampled_from(["square", "hexagonal"]), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(0, 1000),
)  # fmt: skip


@given(placements)
@settings(max_examples=25)
def test_every_synapse_is_reached_by_its_tree(placement):
    """Trees are walked from the neuron: each link starts where a packet is, each node is entered once, and the leaves are targets."""
    mesh, node = mesh_of(placement)
    steps = {dx + dy * mesh.columns for dx, dy in mesh.steps.tolist()}
    loads: dict[tuple[int, int], float] = {}
    turns = set()
    for neuron in range(placement.workload.n):
        begin = int(node[placement.core[neuron]])
        into = {begin: None}
        links = [tuple(link) for link in tree(placement, neuron).tolist()]
        for a, b in links:
            assert a in into
            assert b not in into
            assert b - a in steps
            if into[a] is not None:
                turns.add((into[a], (a, b)))
            into[b] = (a, b)
            loads[a, b] = loads.get((a, b), 0) + float(placement.workload.spikes[neuron])
        targets = {
            int(node[placement.core[post]])
            for piece in placement.workload.connections.pieces()
            for post in piece.post[piece.pre == neuron].tolist()
        }
        assert targets <= set(into)
        assert {b for _, b in links} - {a for a, _ in links} <= targets
        for end in targets:  # by a shortest way
            back, hops = end, 0
            while back != begin:
                back, hops = into[back][0], hops + 1
            assert hops == mesh.hops(begin, end)
    routes = route(placement)
    found = {tuple(link): load for link, load in zip(routes.links.tolist(), routes.load.tolist(), strict=True)}
    assert found == pytest.approx(loads, abs=1e-9)
    named = [tuple(link) for link in routes.links.tolist()]
    assert {(named[a], named[b]) for a, b in routes.turns.tolist()} == turns
    assert is_deadlock_free(routes)
    assert deadlock(routes) == []
    assert routes.hops <= hop_traffic(placement) + 1e-9  # shared parts count once


def test_loads_of_a_tree_by_hand():
    """One neuron on tile (0, 0) of 3 x 3 reaches (2, 0), (2, 2) and (1, 1): along the row once, and up from where the ways part."""
    work = layered(["a"], [9], [0, 0, 0], [2, 8, 4], [0.5] + [0.0] * 8, dt=1 * u.ms, steps=1)
    chip = chip_cases.small_chip(neurons=1, columns=3, rows=3, per_tile=1)
    routes = route(partition(work, chip))
    assert routes.links.tolist() == [[0, 1], [1, 2], [1, 4], [2, 5], [5, 8]]
    assert routes.load.tolist() == [0.5] * 5
    assert hop_traffic(partition(work, chip)) == 0.5 * (2 + 4 + 2)


@pytest.mark.parametrize("kind", ["square", "hexagonal"])
def test_all_ways_of_a_mesh_at_once_are_free_of_deadlock(kind):
    """Every node to every other, not only the pairs that a network uses."""
    mesh = Mesh(kind, 5, 4)
    routes = routes_of([mesh.path(a, b) for a, b in itertools.product(range(mesh.n), repeat=2)])
    assert len(routes.turns) > 50
    assert is_deadlock_free(routes)


CIRCLE = [[0, 1, 3], [1, 3, 2], [3, 2, 0], [2, 0, 1]]


def test_a_circle_is_found_out():
    """Four packets around a square of nodes, each waiting for the next."""
    routes = routes_of([*CIRCLE, [4, 0, 1], [3, 5, 6]])
    assert not is_deadlock_free(routes)
    circle = deadlock(routes)
    assert sorted(circle) == [(0, 1), (1, 3), (2, 0), (3, 2)]
    assert all(a[1] == b[0] for a, b in zip(circle, circle[1:] + circle[:1], strict=True))


@pytest.mark.parametrize("left_out", range(4))
def test_three_of_the_four_turns_do_no_harm(left_out):
    assert is_deadlock_free(routes_of(CIRCLE[:left_out] + CIRCLE[left_out + 1 :]))


def test_rows_first_and_columns_first_together_can_deadlock():
    """Each by itself is free of deadlock; a mixture of both on one network is not."""
    mesh = Mesh("square", 3, 3)
    turned = lambda node: (node % 3) * 3 + node // 3  # noqa: E731
    pairs = list(itertools.product(range(9), repeat=2))
    first = [mesh.path(a, b) for a, b in pairs]
    second = [[turned(node) for node in mesh.path(turned(a), turned(b))] for a, b in pairs]
    assert is_deadlock_free(routes_of(first))
    assert is_deadlock_free(routes_of(second))
    assert not is_deadlock_free(routes_of(first + second))


@given(st.lists(st.lists(st.integers(0, 5), min_size=2, max_size=4), max_size=6))
def test_circles_are_those_that_a_search_finds(paths):
    """Against a depth-first search through the links."""
    paths = [[a for a, _ in itertools.groupby(path)] for path in paths]
    follows: dict[tuple[int, int], set[tuple[int, int]]] = {}
    for path in paths:
        links = list(itertools.pairwise(path))
        for a, b in itertools.pairwise(links):
            follows.setdefault(a, set()).add(b)

    def returns(begin) -> bool:
        seen, line = set(), [begin]
        while line:
            for after in follows.get(line.pop(), set()) - seen:
                if after == begin:
                    return True
                seen.add(after)
                line.append(after)
        return False

    routes = routes_of(paths)
    assert is_deadlock_free(routes) == (not any(returns(link) for link in follows))
    circle = deadlock(routes)
    assert all(b in follows[a] for a, b in zip(circle, circle[1:] + circle[:1], strict=True))


def test_no_synapses_no_links():
    work = layered(["a"], [30], np.zeros(0, int), np.zeros(0, int), np.ones(30), dt=1 * u.ms, steps=1)
    routes = route(partition(work, chip_cases.small_chip(neurons=1)))
    assert routes.links.shape == (0, 2)
    assert routes.hops == 0
    assert is_deadlock_free(routes)
