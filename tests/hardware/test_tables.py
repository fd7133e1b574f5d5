"""Routing tables, interpreted by a router that is written here: it knows keys, masks and links, and nothing of how tables are made."""

import brainunit as u
import chip_cases
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro4d.hardware._mesh import mesh_of
from neuro4d.hardware._packing import CapacityError
from neuro4d.hardware._partition import partition
from neuro4d.hardware._placement import Placement
from neuro4d.hardware._tables import routing_tables
from neuro4d.hardware._workload import layered


def delivered(tables, start: int, key: int) -> list[int]:
    """The cores that get a packet, by going through the tables router by router."""
    steps = tables.mesh.steps.tolist()
    got, line = [], [(start, None)]
    for _ in range(10_000):
        if not line:
            return got
        router, came = line.pop()
        rows = [i for i in np.flatnonzero(tables.node == router) if key & int(tables.mask[i]) == int(tables.key[i])]
        if rows:
            out = {(tuple(tables.links[i].tolist()), tables.cores[i]) for i in rows}
            assert len(out) == 1  # entries that match agree
            links, cores = out.pop()
            got += cores
        else:
            assert came is not None, "a packet without an entry where it starts"
            links = [way == came for way in range(len(steps))]
        x, y = router % tables.mesh.columns, router // tables.mesh.columns
        for way, used in enumerate(links):
            if used:
                x2, y2 = x + steps[way][0], y + steps[way][1]
                assert 0 <= x2 < tables.mesh.columns
                assert 0 <= y2 < tables.mesh.rows
                line.append((y2 * tables.mesh.columns + x2, way))
    raise AssertionError("a packet goes round for ever")


def placed(work, kind, per_tile, seed) -> Placement:
    chip = chip_cases.small_chip(neurons=5, axons_in=10**6, axons_out=10**6, memory=10**9, mesh=kind, columns=2, rows=2, per_tile=per_tile)
    found = partition(work, chip)
    return Placement(chip, work, found.core, np.random.default_rng(seed).permutation(found.site))


placements = st.builds(placed, chip_cases.networks, st.sampled_from(["hexagonal", "square"]), st.integers(1, 4), st.integers(0, 1000))


@given(placements)
@settings(max_examples=20)
def test_tables_deliver_exactly_to_the_cores_that_a_core_reaches(placement):
    tables = routing_tables(placement)
    _, node = mesh_of(placement)
    want: dict[int, set[int]] = {core: set() for core in range(placement.n_cores)}
    for piece in placement.workload.connections.pieces():
        for pre, post in zip(piece.pre.tolist(), piece.post.tolist(), strict=True):
            want[int(placement.core[pre])].add(int(placement.core[post]))
    keys = set()
    for core, targets in want.items():
        for inside in (0, int((placement.core == core).sum()) - 1):
            key = int(tables.base[core]) + inside
            assert key >> tables.shift == core
            if targets:
                assert sorted(delivered(tables, int(node[core]), key)) == sorted(targets)
        keys |= {int(tables.base[core]) + i for i in range(int((placement.core == core).sum()))}
    assert len(keys) == placement.workload.n
    assert (tables.entries <= tables.before).all()


def test_entries_with_the_same_way_are_merged():
    """40 cores on 2 chips all reach one core: a router needs one entry for its way there, not one for each core."""
    work = layered(["a"], [200], np.arange(200), np.zeros(200, int), np.ones(200), dt=1 * u.ms, steps=1)
    chip = chip_cases.small_chip(neurons=5, axons_in=10**6, axons_out=10**6, memory=10**9, mesh="hexagonal", per_tile=20)
    tables = routing_tables(partition(work, chip))
    assert tables.before.tolist() == [40, 20]
    assert tables.entries.tolist() == [1, 1]


def test_a_router_that_is_too_small_is_named():
    work = chip_cases.random_network(1, (200,), 400)
    chip = chip_cases.small_chip(neurons=5, axons_in=10**6, axons_out=10**6, memory=10**9, mesh="hexagonal", per_tile=10)
    tight = msgspec.structs.replace(chip, limits=msgspec.structs.replace(chip.limits, table=chip_cases.count(7)))
    with pytest.raises(
        CapacityError, match=r"router \d of small needs \d+ entries \(table\); it has 7\. .* What would fit: about \d+% of the cores"
    ):
        routing_tables(partition(work, tight))
