"""Boards, and ways on them: every tree is walked here by links that are worked out anew, and circles are looked for by Python's own sorter."""

import graphlib
import itertools

import brainunit as u
import chip_cases
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neuro4d as n4
from neuro4d.hardware._boards import board, boards, on_board
from neuro4d.hardware._mesh import Mesh, mesh_of
from neuro4d.hardware._packing import CapacityError
from neuro4d.hardware._placement import Placement
from neuro4d.hardware._route import is_deadlock_free, route, routes_of, tree, ways_of
from neuro4d.hardware._tables import routing_tables
from neuro4d.hardware._target import TargetError
from neuro4d.hardware._workload import layered

DIRECTIONS = ((1, 0), (1, 1), (0, 1), (-1, 0), (-1, -1), (0, -1))


def links_of(on) -> set[tuple[int, int]]:
    """All links of a board, as nodes, from where its chips lie."""
    there = set(on.places)
    found = set()
    for x, y in there:
        for dx, dy in DIRECTIONS:
            end = (x + dx, y + dy)
            end = (end[0] % on.columns, end[1] % on.rows) if on.wrap else end
            if end in there:
                found.add((y * on.columns + x, end[1] * on.columns + end[0]))
    return found


def distances(on, begin: int) -> dict[int, int]:
    """Links from a node to all others, by breadth-first search."""
    links, far, line = links_of(on), {begin: 0}, [begin]
    after: dict[int, list[int]] = {}
    for a, b in links:
        after.setdefault(a, []).append(b)
    for node in line:
        for end in after.get(node, []):
            if end not in far:
                far[end] = far[node] + 1
                line.append(end)
    return far


def test_a_board_of_48_chips_is_a_hexagon():
    on = board("spin2-48chip")
    rows = [sum(y == row for _, y in on.places) for row in range(8)]
    assert rows == [5, 6, 7, 8, 7, 6, 5, 4]
    assert on.n == 48 and not on.wrap
    assert len(links_of(on)) == 240  # 6 x 48, less 2 at each of 4 + 5 + 4 + 5 + 4 + 5 chips of the edge, 3 at corners
    assert on.places == board("spin1-48chip").places


def test_three_boards_make_a_torus_or_lie_open():
    torus, open_ = board("spin1-144chip"), board("spin1-144chip-open")
    assert sorted(torus.places) == sorted(itertools.product(range(12), repeat=2))
    assert len(set(open_.places)) == 144
    assert len(links_of(torus)) == 144 * 6
    single = len(links_of(board("spin1-48chip")))
    assert 3 * single < len(links_of(open_)) < 144 * 6
    for first in range(3):  # each board has the form of one alone
        mine = np.array(open_.places[48 * first : 48 * first + 48])
        assert (mine - mine[0] == np.array(board("spin1-48chip").places) - np.array([0, 0])).all()


@pytest.mark.parametrize("name", ["spin1-4chip", "spin1-48chip", "spin1-144chip", "spin1-144chip-open"])
def test_a_mesh_has_the_links_of_its_board(name):
    on = board(name)
    target = on_board(n4.hardware.target("spinnaker1"), name)
    work = layered(["a"], [3], [0, 1], [1, 2], np.ones(3), dt=1 * u.ms, steps=1)
    mesh, node = mesh_of(Placement(target, work, np.arange(3), np.arange(3) * 16))
    ends, ways = np.nonzero(mesh.origin >= 0)
    assert {(int(a), int(b)) for a, b in zip(mesh.origin[ends, ways], ends, strict=True)} == links_of(on)
    assert node.tolist() == [y * on.columns + x for x, y in on.places[:3]]
    assert mesh.convex == (name != "spin1-144chip-open")
    if mesh.convex:
        begin = int(node[2])
        far = distances(on, begin)
        assert {end: int(mesh.hops(np.array(begin), np.array(end))) for end in far} == far


def crowded(work, name, seed) -> Placement:
    """Cores with few neurons each, anywhere on the board."""
    target = on_board(n4.hardware.target("spinnaker1"), name)
    few = msgspec.structs.replace(target, limits=msgspec.structs.replace(target.limits, neurons=chip_cases.count(6)))
    found = n4.hardware.partition(work, few)
    site = np.random.default_rng(seed).choice(few.chip.chips * few.chip.cores, found.n_cores, replace=False)
    return Placement(few, work, found.core, site)


NAMES = ("spin1-4chip", "spin1-48chip", "spin1-144chip", "spin1-144chip-open")
placements = st.builds(crowded, chip_cases.networks, st.sampled_from(NAMES), st.integers(0, 1000))


def walked(placement, routes) -> tuple[dict, dict]:
    """Loads of links and who follows whom among channels, by walking the tree of every neuron; every step is checked."""
    on = board(placement.chip.board)
    node, links = routes.trees.home, links_of(on)
    loads: dict[tuple[int, int], float] = {}
    waits: dict[tuple, set[tuple]] = {}
    for neuron in range(placement.workload.n):
        core = int(placement.core[neuron])
        begin, far, ways = int(node[core]), distances(on, int(node[core])), ways_of(routes, core)
        wanted = {
            int(node[placement.core[post]])
            for piece in placement.workload.connections.pieces()
            for post in piece.post[piece.pre == neuron].tolist()
        }
        into: dict[int, tuple | None] = {begin: None}
        for a, b in tree(placement, neuron, routes).tolist():
            assert (a, b) in links
            assert a in into and b not in into
            into[b] = (a, b, int(ways.last[b]))
            assert far[b] == far[a] + 1
            loads[a, b] = loads.get((a, b), 0) + float(placement.workload.spikes[neuron])
            waits.setdefault(into[b], set())
            if into[a] is not None:
                waits.setdefault(into[a], set()).add(into[b])
        assert wanted <= set(into)
        assert set(into) - {a for a, *_ in filter(None, into.values())} - {begin} <= wanted
    return loads, waits


@pytest.mark.slow
@given(placements, st.sampled_from(["dimension_order", "deadlock_free_adaptive"]))
@settings(max_examples=20)
def test_each_target_is_reached_by_links_that_exist_and_nobody_waits_in_a_circle(placement, algorithm):
    if algorithm == "dimension_order" and placement.chip.board.endswith("open"):
        with pytest.raises(ValueError, match="deadlock_free_adaptive"):
            route(placement, algorithm=algorithm)
        return
    routes = route(placement, algorithm=algorithm)
    loads, waits = walked(placement, routes)
    order = list(graphlib.TopologicalSorter(waits).static_order())  # raises for a circle
    assert len(order) == len(waits) == len(routes.channels)
    assert is_deadlock_free(routes)
    if placement.chip.board == "spin1-4chip":  # several links between two chips
        assert routes.load.sum() == pytest.approx(sum(loads.values()))
    else:
        found = {tuple(link): load for link, load in zip(routes.links.tolist(), routes.load.tolist(), strict=True)}
        assert found == pytest.approx(loads, abs=1e-9)
    if placement.chip.board == "spin1-48chip":
        assert routes.virtual == 1  # no virtual channels without links around
    if algorithm == "deadlock_free_adaptive" and not placement.chip.board.endswith("open"):
        assert routes.load.max(initial=0) <= route(placement).load.max(initial=0) * (1 + 1e-9)


@given(chip_cases.networks, st.sampled_from(["square", "hexagonal"]), st.integers(0, 1000))
@settings(max_examples=15)
def test_adaptive_ways_on_a_rectangle_are_shortest_and_no_link_is_busier(work, kind, seed):
    chip = chip_cases.small_chip(neurons=4, axons_in=10**6, axons_out=10**6, memory=10**9, mesh=kind, columns=4, rows=3, per_tile=1)
    found = n4.hardware.partition(work, chip)
    placement = Placement(chip, work, found.core, np.random.default_rng(seed).permutation(found.site))
    ordered, adapted = route(placement), route(placement, algorithm="deadlock_free_adaptive")
    assert adapted.virtual == 1 and is_deadlock_free(adapted)
    assert adapted.load.max(initial=0) <= ordered.load.max(initial=0) * (1 + 1e-9)
    node = adapted.trees.home
    for neuron in range(0, work.n, 7):
        begin = int(node[placement.core[neuron]])
        far = {begin: 0}
        for a, b in tree(placement, neuron, adapted).tolist():
            far[b] = far[a] + 1
            assert far[b] == int(adapted.mesh.hops(np.array(begin), np.array(b)))


def test_two_streams_go_different_ways_where_they_may():
    """Two chips send to two others; in dimension order both streams share a link, and there is another shortest way for one."""
    work = layered(["a"], [4], [0, 1], [2, 3], [1.0, 1.0, 0, 0], dt=1 * u.ms, steps=1)
    chip = chip_cases.small_chip(neurons=1, columns=3, rows=3, per_tile=1)
    placement = Placement(chip, work, np.arange(4), np.array([0, 1, 5, 2]))  # (0, 0) to (2, 1), (1, 0) to (2, 0)
    assert route(placement).load.max() == 2
    assert route(placement, algorithm="deadlock_free_adaptive").load.max() == 1


def test_links_around_need_virtual_channels():
    """All ways of a torus at once: links by themselves wait in circles, their virtual channels do not."""
    mesh = Mesh("hexagonal", 5, 4, wrap=True)
    assert not is_deadlock_free(routes_of([mesh.path(a, b) for a, b in itertools.product(range(mesh.n), repeat=2)]))
    work = layered(
        ["a"],
        [144],
        np.repeat(np.arange(144), 12),
        (np.repeat(np.arange(144), 12) * 5 + np.tile(np.arange(12) * 11, 144)) % 144,
        np.ones(144),
        dt=1 * u.ms,
        steps=1,
    )
    target = on_board(n4.hardware.target("spinnaker2"), "spin2-144chip")
    placement = Placement(target, work, np.arange(144), np.arange(144) * target.chip.cores)
    routes = route(placement)
    assert 2 <= routes.virtual <= 3
    assert is_deadlock_free(routes)
    links = np.stack([routes.link_of[routes.turns[:, 0]], routes.link_of[routes.turns[:, 1]]], axis=1)
    assert not is_deadlock_free(n4.hardware.Routes(routes.links, routes.load, np.unique(links, axis=0)))


def test_a_board_may_be_named_where_routes_are_made():
    """On a rectangle and on a board the same cores lie elsewhere; routing tables and packets follow the target's board."""
    work = chip_cases.random_network(3, (200,), 900)
    plain = msgspec.structs.replace(
        n4.hardware.target("spinnaker2"),
        limits=msgspec.structs.replace(n4.hardware.target("spinnaker2").limits, neurons=chip_cases.count(1)),
    )
    placement = n4.hardware.partition(work, plain)
    on = n4.hardware.partition(work, on_board(plain, "spin2-48chip"))
    named = route(placement, board="spin2-48chip")
    assert named.links.tolist() == route(on).links.tolist()
    assert route(placement).mesh.kind == "square"
    tables = routing_tables(on)
    assert tables.mesh.absent and not set(tables.node.tolist()) & set(tables.mesh.absent)
    found = n4.hardware.packets(on, np.ones((1, 200), int), hop=1 * u.nsecond, link=1 * u.nsecond, timeout=float("inf"))
    assert found.lost.sum() == 0 and len(found.delay) > 0


def test_what_does_not_fit_is_named():
    work = chip_cases.random_network(3, (200,), 900)
    small = on_board(n4.hardware.target("spinnaker1"), "spin1-4chip")
    few = msgspec.structs.replace(small, limits=msgspec.structs.replace(small.limits, neurons=chip_cases.count(2)))
    with pytest.raises(CapacityError, match=r"need 100 cores; the largest system of spinnaker1 has 64 \(4 chips of 16\)"):
        n4.hardware.partition(work, few)
    anywhere = msgspec.structs.replace(few, chip=msgspec.structs.replace(few.chip, board=None, chips=100))
    with pytest.raises(CapacityError, match="board spin1-4chip has 4 chips; this placement uses chip 6"):
        route(n4.hardware.partition(work, anywhere), board="spin1-4chip")
    with pytest.raises(ValueError, match=r"no board named 'spin2-48chips'.*Did you mean 'spin2-48chip'"):
        board("spin2-48chips")
    with pytest.raises(TargetError, match=r"copy packets.*loihi1 is none"):
        on_board(n4.hardware.target("loihi1"), "spin1-48chip")
    with pytest.raises(ValueError, match=r"no algorithm 'fastest'.*deadlock_free_adaptive, dimension_order"):
        route(n4.hardware.partition(work, anywhere), algorithm="fastest")
    assert set(boards()) >= {"spin1-4chip", "spin1-48chip", "spin2-48chip", "spin2-144chip"}


def test_placing_knows_links_around():
    """Hops on a torus are those around its edges, where these are fewer."""
    work = layered(["a"], [2], [0], [1], [1.0, 0.0], dt=1 * u.ms, steps=1)
    target = on_board(n4.hardware.target("spinnaker1"), "spin1-144chip")
    places = list(board("spin1-144chip").places)
    site = np.array([places.index((0, 0)), places.index((11, 11))]) * 16
    placement = Placement(target, work, np.arange(2), site)
    assert n4.hardware.hop_traffic(placement) == 1
    assert n4.hardware.place(placement).changes[-1].before["hops"] == 1


@pytest.mark.slow
@pytest.mark.parametrize(("name", "virtual"), [("spin1-48chip", 1), ("spin1-144chip-open", 2), ("spin1-144chip", 3)])
def test_as_many_virtual_channels_as_a_board_needs(name, virtual):
    """A core on every chip, each of which sends to all others."""
    target = on_board(n4.hardware.target("spinnaker1"), name)
    n = board(name).n
    work = layered(["a"], [n], *np.divmod(np.arange(n * n), n), np.ones(n), dt=1 * u.ms, steps=1)
    placement = Placement(target, work, np.arange(n), np.arange(n) * target.chip.cores)
    routes = route(placement, algorithm="deadlock_free_adaptive")
    assert routes.virtual == virtual
    assert is_deadlock_free(routes)


def test_no_further_channel_is_taken_for_a_link_that_carries_almost_nothing():
    """A loud core whose only way on one channel begins with the link of a quiet one, next to another way with two channels and no load at all."""
    work = layered(["a"], [4], [0, 2], [1, 3], [1.0, 0, 1e-6, 0], dt=1 * u.ms, steps=1)
    target = on_board(n4.hardware.target("spinnaker1"), "spin1-48chip")
    places = list(board("spin1-48chip").places)
    site = np.array([places.index(place) * target.chip.cores + i for i, place in enumerate([(3, 3), (1, 4), (3, 3), (2, 3)])])
    routes = route(Placement(target, work, np.arange(4), site), algorithm="deadlock_free_adaptive")
    assert routes.virtual == 1
    assert routes.load.max() == 1 + 1e-6
