"""Every neuron on one core, and no core beyond its limits: counted here synapse by synapse, without the code that is tested."""

import dataclasses

import brainunit as u
import chip_cases
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro4d.hardware._connections import AbstractConnections, Piece
from neuro4d.hardware._packing import CapacityError
from neuro4d.hardware._partition import partition, used
from neuro4d.hardware._placement import fan_out
from neuro4d.hardware._target import target
from neuro4d.hardware._workload import Workload, layered


def ends(work: Workload) -> tuple[np.ndarray, np.ndarray]:
    pieces = list(work.connections.pieces())
    return np.concatenate([p.pre for p in pieces] or [np.zeros(0, int)]), np.concatenate([p.post for p in pieces] or [np.zeros(0, int)])


def counted(work: Workload, core: np.ndarray, chip) -> list[tuple[int, int, int, int]]:
    """Neurons, axons in, axons out and bits of every core, by sets and dictionaries."""
    pre, post = ends(work)
    rows: dict[tuple[int, int], int] = {}
    for a, b in zip(pre.tolist(), core[post].tolist(), strict=True):
        rows[a, b] = rows.get((a, b), 0) + 1
    found = []
    for c in range(int(core.max()) + 1):
        here = {pair: n for pair, n in rows.items() if pair[1] == c}
        bits = 8 * int((core == c).sum())
        for n in here.values():
            while n > 0:
                some = min(n, chip.packing.block)
                bits += -(-(some * 24 + 10) // 64) * 64
                n -= some
        found.append((int((core == c).sum()), len(here), sum(core[a] == c != b for a, b in rows), bits))
    return found


@given(chip_cases.networks, chip_cases.chips, st.sampled_from(["sequential", "graph"]))
@settings(max_examples=25)
def test_every_neuron_lies_on_one_core_and_no_limit_is_exceeded(work, chip, method):
    try:
        found = partition(work, chip, method)
    except CapacityError as error:
        assert "axons_out" in str(error) or "cores" in str(error)  # the chips have room for the inputs of every neuron
        return
    core = found.core
    assert core.shape == (work.n,)
    assert sorted(set(core.tolist())) == list(range(found.n_cores))
    assert found.site.tolist() == list(range(found.n_cores))
    limits = chip.limits
    usage = counted(work, core, chip)
    for neurons, axons_in, axons_out, bits in usage:
        assert neurons <= limits.neurons.value
        assert axons_in <= limits.axons_in.value
        assert axons_out <= limits.axons_out.value
        assert bits <= limits.memory.value
    assert [tuple(map(int, row)) for row in zip(*used(found), strict=True)] == usage
    assert all(np.array_equal(a, b) for a, b in zip(found.fan_out, fan_out(work, core, found.n_cores), strict=True))


@given(chip_cases.networks)
@settings(max_examples=15)
def test_neurons_of_a_part_stay_together(work):
    core = partition(work, chip_cases.small_chip(axons_out=10**6), "sequential").core
    assert (np.diff(core) >= 0).all()  # in order, so every part is one stretch of cores
    for a, b in zip(work.parts, work.parts[1:], strict=False):
        if core[a.first + a.n - 1] == core[b.first]:  # a core of two parts holds both of them whole
            shared = core == core[b.first]
            assert shared[a.first : a.first + a.n].all()
            assert shared[b.first : b.first + b.n].all()


def test_cores_are_filled_to_the_brim():
    """Without synapses only neurons count, so 100 neurons take 7 cores of 16; and 100 small parts of one neuron share them."""
    nothing = np.zeros(0, int)
    one = layered(["a"], [100], nothing, nothing, np.zeros(100), dt=1 * u.ms, steps=1)
    many = layered([f"a{i}" for i in range(100)], [1] * 100, nothing, nothing, np.zeros(100), dt=1 * u.ms, steps=1)
    assert [partition(work, chip_cases.small_chip()).n_cores for work in (one, many)] == [7, 7]


def test_a_chain_needs_as_many_cores_as_its_memory_says():
    """Each neuron has 4 inputs, in words of 64 bits, and 8 bits of its own: 264 bits, of which 15 fit into 4096."""
    n = 150
    post, step = np.divmod(np.arange(n * 4), 4)
    work = layered(["a"], [n], (post * 4 + step) % n, post, np.zeros(n), dt=1 * u.ms, steps=1)
    found = partition(work, chip_cases.small_chip(axons_in=10**6, axons_out=10**6))
    assert found.n_cores == 10
    assert used(found).memory.tolist() == [15 * 264] * 10


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (
            {"axons_in": 30},
            r"'hub': its neuron 0 is reached by 40 sources; a core of small takes 30 \(axons_in\)\. What would fit: at most 30 sources",
        ),
        ({"memory": 2048, "axons_in": 100}, r"'hub': its neuron 0 needs 2,568 bits .* has 2,048 \(memory\)\. What would fit: about 80%"),
        (
            {"axons_out": 2, "neurons": 4, "axons_in": 100},
            r"'leaves': its neuron 39 reaches \d+ other cores; a core of small sends to 2 \(axons_out\)",
        ),
    ],
)
def test_a_neuron_that_fits_on_no_core_is_named(limit, words):
    leaves = np.arange(1, 41)
    pre = np.concatenate([leaves, np.full(16, 40)])
    post = np.concatenate([np.zeros(40, int), np.arange(1, 17)])
    work = layered(["hub", "leaves"], [1, 40], pre, post, np.zeros(41), dt=1 * u.ms, steps=1)
    with pytest.raises(CapacityError, match=words):
        partition(work, chip_cases.small_chip(**limit))


def test_the_largest_system_has_an_end():
    chip = chip_cases.small_chip(neurons=1)
    tiny = msgspec.structs.replace(chip, chip=msgspec.structs.replace(chip.chip, chips=2))
    work = layered(["a"], [30], np.zeros(0, int), np.zeros(0, int), np.zeros(30), dt=1 * u.ms, steps=1)
    with pytest.raises(CapacityError, match=r"30 neurons .* need 30 cores; the largest system of small has 24 .* about 80% of the network"):
        partition(work, tiny)


def test_what_cannot_be_used_is_refused():
    work = chip_cases.random_network(0, (20,), 10)
    with pytest.raises(ValueError, match="method='graph'"):
        partition(work, chip_cases.small_chip(), "lattice")
    with pytest.raises(ValueError, match="Did you mean 'graph'"):
        partition(work, chip_cases.small_chip(), "grph")
    with pytest.raises(TypeError, match="cpu is a processor"):
        partition(work, target("cpu"))


@pytest.mark.parametrize("seed", [0, 1])
def test_graph_finds_neighbourhoods_that_numbers_hide(seed):
    """On a grid with neurons numbered at random, nearly every neuron reaches every core; in the right order only those around it."""
    work = chip_cases.torus(32, 2, seed)
    chip = chip_cases.small_chip(neurons=64, axons_in=10**4, axons_out=10**6, memory=10**6)
    plain, by_graph = (partition(work, chip, method).changes[-1].after["messages"] for method in ("sequential", "graph"))
    assert by_graph < 0.3 * plain


def test_lattice_follows_places():
    work = chip_cases.torus(32, 2, 0)
    place = np.empty((work.n, 4), np.int32)
    pre, post = ends(work)
    number = np.random.default_rng(0).permutation(work.n)  # the one of `torus`
    place[number] = np.stack([*np.divmod(np.arange(work.n), 32), np.zeros(work.n, int), np.zeros(work.n, int)], axis=1)
    assert np.abs(place[pre] - place[post]).max(axis=1)[np.abs(place[pre] - place[post]).max(axis=1) < 16].max() == 2
    chip = chip_cases.small_chip(neurons=64, axons_in=10**4, axons_out=10**6, memory=10**6)
    found = partition(dataclasses.replace(work, position=place), chip, "lattice")
    assert found.n_cores == 16
    blocks = [np.ptp(place[found.core == core], axis=0).tolist() for core in range(16)]
    assert blocks == [[7, 7, 0, 0]] * 16  # 64 places along the Morton curve are a square of 8 x 8


class Pieces(AbstractConnections):
    """Synapses in pieces of a few, with sources in several runs."""

    def __init__(self, pre, post):
        self.pre, self.post = pre, post

    @property
    def number(self):
        return len(self.pre)

    def pieces(self):
        for low in range(0, len(self.pre), 37):
            yield Piece(self.pre[low : low + 37], self.post[low : low + 37])


def test_pieces_do_not_matter():
    work = chip_cases.random_network(3, (60, 40), 500)
    pre, post = ends(work)
    shuffled = np.random.default_rng(0).permutation(len(pre))
    again = dataclasses.replace(work, connections=Pieces(pre[shuffled], post[shuffled]))
    chip = chip_cases.small_chip(axons_out=400)
    a, b = (partition(each, chip) for each in (work, again))
    assert np.array_equal(a.core, b.core)
    assert all(np.array_equal(x, y) for x, y in zip(a.fan_out, b.fan_out, strict=True))


def test_messages_to_the_own_core_are_none():
    """Ten neurons that all reach each other on one core send nothing to others, whatever that core could send."""
    pre, post = np.divmod(np.arange(100), 10)
    work = layered(["a"], [10], pre, post, np.ones(10), dt=1 * u.ms, steps=1)
    found = partition(work, chip_cases.small_chip(axons_out=1, memory=10**6))
    assert found.n_cores == 1
    assert found.changes[-1].after["messages"] == 0


def test_parts_at_one_place_are_taken_together():
    """Two parts that lie in one another and have the same sources: on cores of both, each source reaches half as many."""
    rng = np.random.default_rng(0)
    pre = np.repeat(np.arange(64), 16)
    cell = (pre // 8 * 8 + rng.integers(0, 8, len(pre))) % 64
    post = np.concatenate([cell, 64 + cell])
    work = layered(["E", "I"], [64, 64], np.tile(pre, 2), post, np.ones(128), dt=1 * u.ms, steps=1)
    place = np.tile(np.stack([np.arange(64), *np.zeros((3, 64), int)], axis=1), (2, 1))
    chip = chip_cases.small_chip(neurons=16, axons_in=10**4, axons_out=10**6, memory=10**6)
    placed = dataclasses.replace(work, position=place)
    plain, by_place, by_graph = (partition(placed, chip, method) for method in ("sequential", "lattice", "graph"))
    assert [each.n_cores for each in (plain, by_place)] == [8, 8]
    assert sorted(np.flatnonzero(by_place.core == 0).tolist()) == [*range(8), *range(64, 72)]
    messages = [each.changes[-1].after["messages"] for each in (plain, by_place, by_graph)]
    assert messages[1] < 0.5 * messages[0]
    assert messages[2] <= messages[1]


def test_parts_that_fill_different_limits_share_cores():
    """One part has many synapses on few neurons, the other many neurons with few synapses. Side by side both limits are used, and fewer cores are needed."""
    rng = np.random.default_rng(0)
    heavy, light = rng.integers(0, 120, 60 * 50), rng.integers(0, 120, 60)
    post = np.concatenate([np.repeat(np.arange(60), 50), 60 + np.arange(60)])
    work = layered(["heavy", "light"], [60, 60], np.concatenate([heavy, light]), post, rng.random(120), dt=1 * u.ms, steps=1)
    chip = chip_cases.small_chip(neurons=10, axons_in=10**6, axons_out=10**6, memory=12_000)
    plain, mixed = (partition(work, chip, method) for method in ("sequential", "graph"))
    assert mixed.n_cores < plain.n_cores
    assert mixed.changes[-1].after["messages"] < plain.changes[-1].after["messages"]


@pytest.mark.parametrize(("sizes", "synapses"), [((3, 1), 1), ((300, 200), 5), ((300, 200), 2000)])
def test_an_order_by_synapses_is_the_same_each_time(sizes, synapses):
    """Also where few synapses leave singular vectors undetermined."""
    work = chip_cases.random_network(0, sizes, synapses)
    chip = chip_cases.small_chip(neurons=20, axons_in=10**4, axons_out=10**5, memory=10**6)
    first, *others = (partition(work, chip, "graph").core for _ in range(4))
    assert all(np.array_equal(first, each) for each in others)
