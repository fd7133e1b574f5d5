"""Passes on random networks: whatever they move, every neuron has one core, every synapse is there, no limit is exceeded, and what a pass is for does not get worse."""

import dataclasses

import brainunit as u
import chip_cases
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro4d import hardware as h
from neuro4d.hardware._ledger import Ledger
from neuro4d.hardware._packing import CapacityError, limits, usage
from neuro4d.hardware._partition import partition
from neuro4d.hardware._placement import fan_out
from neuro4d.hardware._schedule import Groups, Price, schedule

CHIP = chip_cases.small_chip()


def ends(work: h.Workload) -> tuple[np.ndarray, np.ndarray]:
    pieces = list(work.connections.pieces())
    return np.concatenate([p.pre for p in pieces] or [np.zeros(0, int)]), np.concatenate([p.post for p in pieces] or [np.zeros(0, int)])


def placed(work: h.Workload, chip: h.ChipTarget) -> h.Placement | None:
    """`None` where a neuron reaches more cores than one may send to."""
    try:
        return partition(work, chip)
    except CapacityError:
        return None


def check_kept(before: h.Placement, after: h.Placement) -> None:
    """Counted anew from the synapses."""
    n = after.workload.n
    assert after.core.shape == (n,) and sorted(set(after.core.tolist())) == list(range(after.n_cores))
    assert len(set(after.site.tolist())) == after.n_cores == len(after.site)
    table = fan_out(after.workload, after.core, after.n_cores)
    assert all(np.array_equal(a, b) for a, b in zip(table, after.fan_out, strict=True))
    used = usage(after.target, after.core, table, after.n_cores)
    assert all((getattr(used, name) <= limit).all() for name, limit in limits(after.target).items())
    assert after.changes[: len(before.changes)] == before.changes and len(after.changes) > len(before.changes)


@given(chip_cases.networks, chip_cases.chips, st.sampled_from(["time", "axons_in", "axons_out", "memory", "neurons"]), st.integers(0, 3))
@settings(max_examples=12)
def test_balance_keeps_everything_and_the_busiest_core_never_gets_busier(work, chip, by, more):
    start = placed(work, chip)
    if start is None:
        return
    cores = min(start.n_cores + more, work.n)
    found = h.balance(start, by, cores=cores)
    check_kept(start, found)
    change = found.changes[-1]
    assert change.after["busiest"] <= change.before["busiest"]
    assert start.n_cores <= cores and found.n_cores <= cores
    assert by != "time" or change.after["step_time"] <= change.before["step_time"]
    if by != "time":
        exact = usage(chip, found.core, found.fan_out, found.n_cores)
        assert change.after["busiest"] == getattr(exact, by).max()


@given(chip_cases.networks, st.integers(0, 2**16))
@settings(max_examples=25)
def test_books_are_exact_after_any_moves(work, seed):
    """Against counting anew: neurons, axons, bits, and what happens in a step."""
    chip = chip_cases.small_chip(neurons=60, axons_in=10**6, axons_out=10**6, memory=10**9)
    start = partition(work, chip)
    rng, n_cores = np.random.default_rng(seed), start.n_cores + 2
    ledger = Ledger(start, n_cores)
    first = ledger.books
    for _ in range(6):
        begin = int(rng.choice(ledger.home))
        here = np.flatnonzero(ledger.home == begin)
        end = int(rng.choice(np.setdiff1d(np.arange(n_cores), begin)))
        some = np.sort(rng.choice(here, rng.integers(1, len(here) + 1), replace=False))
        kept = ledger.home.copy(), ledger.counts.copy(), ledger.reached.copy(), ledger.books
        move = ledger.move(some, begin, end)
        ledger.do(move)
        ledger.undo(move, kept[3])
        assert all(np.array_equal(a, b) for a, b in zip(kept, (ledger.home, ledger.counts, ledger.reached, ledger.books), strict=True))
        ledger.do(move)
    core = ledger.home.astype(np.int32)
    table = fan_out(work, core, n_cores)
    assert all(np.array_equal(a, b) for a, b in zip(table, ledger.table(), strict=True))
    exact = np.stack([*usage(chip, core, table, n_cores)])
    assert np.array_equal(exact, ledger.books[:4])
    away, sent = core[table.source] != table.core, np.asarray(work.spikes)[table.source]
    sums = lambda where, weight: np.bincount(where, weight, n_cores)  # noqa: E731
    step = [
        sums(table.core, sent * table.synapses), sums(core, work.spikes), sums(core[table.source[away]], sent[away]), sums(table.core[away], sent[away]),
    ]  # fmt: skip
    assert np.allclose(step, ledger.books[4:], atol=1e-9)
    loads = h.meter(start).loads(np.asarray(work.spikes))
    for row, name in zip(first[4:, : start.n_cores], ("events", "spikes", "messages", "arrivals"), strict=True):
        assert np.allclose(row, getattr(loads, name), atol=1e-5)


def test_balance_levels_what_partition_fills_to_the_brim():
    """70 neurons without synapses on cores of 16: 16, 16, 16, 16 and 6 become 14 each."""
    nothing = np.zeros(0, int)
    work = h.layered(["a"], [70], nothing, nothing, np.full(70, 0.1), dt=1 * u.ms, steps=1)
    start = partition(work, CHIP)
    assert np.bincount(start.core).tolist() == [16, 16, 16, 16, 6]
    assert np.bincount(h.balance(start).core).tolist() == [14] * 5
    assert np.bincount(h.balance(start, "neurons", cores=10).core).max() == 7
    busy = dataclasses.replace(work, spikes=np.where(np.arange(70) < 16, 5.0, 0.0))
    even, again = (h.balance(partition(busy, CHIP)) for _ in range(2))
    assert np.bincount(even.core[:16], minlength=5).max() == 4  # the others are full: the busy are exchanged for as many that are not
    assert np.array_equal(even.core, again.core)


def test_balance_says_what_it_cannot_do():
    start = partition(chip_cases.random_network(0, (40,), 100), CHIP)
    with pytest.raises(ValueError, match="Did you mean 'memory'"):
        h.balance(start, "memry")
    with pytest.raises(ValueError, match="expected 3 to 40"):
        h.balance(start, cores=2)
    tiny = msgspec.structs.replace(CHIP, chip=msgspec.structs.replace(CHIP.chip, chips=1))
    with pytest.raises(CapacityError, match=r"20 cores for part0 \(cores\); the largest system of small has 12. What would fit: cores=12"):
        h.balance(partition(chip_cases.random_network(0, (40,), 100), tiny), cores=20)


@pytest.mark.parametrize("aim", ["energy", "time", "product"])
def test_spread_never_makes_its_aim_worse(aim):
    start = partition(chip_cases.random_network(1, (30, 20), 200), CHIP)
    found = h.spread(start, aim, chips=1)
    check_kept(start, found)
    value = {"energy": lambda x: x["energy"], "time": lambda x: x["step_time"], "product": lambda x: x["energy"] * x["step_time"]}[aim]
    assert value(found.changes[-1].after) <= value(found.changes[-1].before)
    assert found.n_chips == 1


# Layout: encoded into words here, and decoded from nothing but these words and the names of neurons in their core.


def encoded(found: h.Placement, core: int) -> tuple[list[list[int]], int]:
    """The words of every list of a core, one list for each source that reaches it, and how many bits they take in all."""
    layout, table, packing = found.layout, found.fan_out, found.target.packing
    pre, post = ends(found.workload)
    lists, bits = {}, 0
    for entry in np.flatnonzero(table.core == core).tolist():
        if layout.first[entry] != entry:
            continue
        targets = sorted(layout.index[post[(pre == table.source[entry]) & (found.core[post] == core)]].tolist())
        width, words = int(layout.width[entry]), []
        each = int(packing.synapse - packing.index) + width
        for low in range(0, len(targets), packing.block):
            some = targets[low : low + packing.block]
            number, size = 0, int(packing.axon) + len(some) * each
            for target in reversed(some):
                assert target < 1 << width or not width
                number = (number << each) | (1 << width) | (target if width else 0)
            number = (number << int(packing.axon)) | (len(some) - 1) << 4 | width
            words += [number >> at & ((1 << packing.word) - 1) for at in range(0, size, packing.word)]
        lists[entry] = words
        bits += packing.word * len(words)
    shared = [lists[int(layout.first[entry])] for entry in np.flatnonzero(table.core == core)]
    return shared, bits


def decoded(words: list[int], packing) -> list[int]:
    """The targets of a list."""
    found: list[int] = []
    while words:
        head = words[0]
        width, some = head & 15, (head >> 4 & ((1 << int(packing.axon) - 4) - 1)) + 1
        each = int(packing.synapse - packing.index) + width
        taken = -(-(int(packing.axon) + some * each) // packing.word)
        number = sum(word << packing.word * i for i, word in enumerate(words[:taken])) >> int(packing.axon)
        parts = [number >> each * i & ((1 << each) - 1) for i in range(some)]
        found += [part & ((1 << width) - 1) for part in parts] if width else range(len(found), len(found) + some)
        words = words[taken:]
    return found


def with_index(neurons: int, block: int = 4) -> h.ChipTarget:
    chip = chip_cases.small_chip(neurons=neurons, axons_in=10**6, axons_out=10**6, memory=10**9)
    return msgspec.structs.replace(chip, packing=msgspec.structs.replace(chip.packing, index=10, block=block))


layouts = st.builds(with_index, st.integers(1, 60), st.sampled_from([4, 7, 64]))


def meshed(seed: int, sizes: tuple[int, ...], synapses: int) -> h.Workload:
    """A random network in which some neurons reach all of a part, or the same as another."""
    work, rng = chip_cases.random_network(seed, sizes, synapses), np.random.default_rng(seed)
    pre, post = ends(work)
    part = work.parts[int(rng.integers(len(sizes)))]
    full = rng.integers(0, work.n, 3)
    more = np.repeat(full, part.n), np.tile(part.first + np.arange(part.n), 3)
    pre, post = np.concatenate([pre, more[0]]), np.concatenate([post, more[1]])
    return h.layered([p.name for p in work.parts], [p.n for p in work.parts], pre, post, work.spikes, dt=1 * u.ms, steps=10)


@given(
    st.builds(meshed, st.integers(0, 2**16), st.lists(st.integers(1, 40), min_size=1, max_size=3).map(tuple), st.integers(0, 200)),
    layouts,
    st.booleans(),
)
@settings(max_examples=25)
def test_what_is_decoded_from_a_layout_is_what_was_encoded(work, chip, shared):
    start = partition(work, chip)
    found = h.compress(start, shared=shared)
    check_kept(start, found)
    pre, post = ends(work)
    before = usage(chip, start.core, start.fan_out, start.n_cores).memory
    for core in range(found.n_cores):
        lists, bits = encoded(found, core)
        own = int((found.core == core).sum())
        assert bits + own * int(chip.packing.neuron) == found.layout.memory[core] <= before[core]
        name = np.flatnonzero(found.core == core)
        name = name[np.argsort(found.layout.index[name])]
        assert found.layout.index[name].tolist() == list(range(own))
        for source, words in zip(found.fan_out.source[found.fan_out.core == core].tolist(), lists, strict=True):
            truth = post[(pre == source) & (found.core[post] == core)]
            assert sorted(name[decoded(words, chip.packing)].tolist()) == sorted(truth.tolist())
    assert h.estimate(found).usage["memory"].used == found.layout.memory.max()


def test_lists_that_hold_a_whole_core_need_no_names():
    """60 sources onto all of 60 neurons: 60 x 14 + 10 bits in 14 words, where it was 60 x 24 + 10 in 23; and once where they may be shared."""
    pre, post = np.divmod(np.arange(3600), 60)
    work = h.layered(["a", "b"], [60, 60], pre, 60 + post, np.full(120, 0.01), dt=1 * u.ms, steps=10)
    start = partition(work, h.target("loihi1"))
    plain, once = h.compress(start), h.compress(start, shared=True)
    assert plain.changes[-1].before["memory"] == 60 * 23 * 64
    assert plain.changes[-1].after == {"memory": 60 * 14 * 64, "fullest": 60 * 14 * 64, "dense": 1.0, "shared": 0.0}
    assert once.changes[-1].after == {"memory": 14 * 64, "fullest": 14 * 64, "dense": 1.0, "shared": 59 / 60}


def test_there_is_nothing_to_store_on_a_crossbar():
    pre, post = np.divmod(np.arange(400), 20)
    work = h.layered(["a"], [20], pre, post, np.full(20, 0.01), dt=1 * u.ms, steps=10)
    found = h.compress(partition(work, h.target("truenorth")))
    assert found.changes[-1].before["memory"] == found.changes[-1].after["memory"] == 0


def test_balance_compresses_anew():
    start = h.compress(partition(chip_cases.random_network(2, (50,), 300), with_index(16)))
    found = h.balance(start)
    assert [change.name for change in found.changes[-2:]] == ["balance (time)", "compress"]
    fresh = h.compress(dataclasses.replace(found, layout=None)).layout
    assert np.array_equal(found.layout.memory, fresh.memory)


# Gating


def bursts(windows: np.ndarray, steps: int = 10_000, synapses: int = 0) -> h.Workload:
    """Groups of 16 neurons, each on a core of its own, that spike in some windows; `windows`: `(windows, cores)`."""
    n = 16 * windows.shape[1]
    nothing = np.zeros(0, int)
    work = h.layered(["a"], [n], nothing, nothing, np.repeat(windows.mean(0), 16), dt=1 * u.ms, steps=steps)
    return dataclasses.replace(work, windows=np.repeat(windows, 16, axis=1).astype(float))


def grouped(group: int) -> h.ChipTarget:
    return msgspec.structs.replace(CHIP, power=msgspec.structs.replace(CHIP.power, group=group))


@given(st.integers(0, 2**16), st.integers(1, 4), st.floats(-10, -5), st.floats(-8, -2))
@settings(max_examples=10)
def test_gating_never_costs_energy_and_never_switches_off_who_works(seed, group, energy, time):
    rng = np.random.default_rng(seed)
    windows = rng.random((4, 9)) < 0.4
    start = partition(bursts(windows), grouped(group))
    assert start.n_cores == 9
    found = h.gate(start, energy=h.Interval(10**energy), time=h.Interval(10**time))
    on = h.powered(found)
    assert on.shape == windows.shape and (on | ~windows).all()
    for low in range(0, 9, group):
        assert (on[:, low : low + group] == on[:, low : low + 1]).all()
    before, after = (float(h.estimate(x).energy_per_step.value) for x in (start, found))
    change = found.changes[-1]
    assert after <= before * (1 + 1e-12)
    assert (change.before["energy"], change.after["energy"]) == pytest.approx((before, after))
    assert change.after["step_time"] >= change.before["step_time"]
    assert (found.gating is None) == on.all()


@given(st.integers(0, 2**16))
@settings(max_examples=25)
def test_no_other_schedule_saves_more(seed):
    """Against all subsets of the stretches: on a few groups they can be counted."""
    rng = np.random.default_rng(seed)
    busy, time = rng.random((5, 3)) < 0.5, rng.random(5)
    price = Price(1.0, 0.3, float(rng.choice([0.0, 0.2, 1.0])))
    groups = Groups(np.arange(3), np.ones(3, int))
    found = schedule(groups, busy, time, price)
    stretches = []
    for g in range(3):
        w = 0
        while w < 5:
            e = w
            while e < 5 and not busy[e, g]:
                e += 1
            if e > w:
                stretches.append((w, e))
            w = max(e, w) + 1
    best = 0.0
    for mask in range(1 << len(stretches)):
        some = [s for i, s in enumerate(stretches) if mask >> i & 1]
        best = max(best, sum(time[a:b].sum() - 0.3 for a, b in some) - price.wait * len({b for _, b in some}))
    saved = float(time @ (~found.on).sum(axis=1)) - 0.3 * found.wakes - price.wait * found.waits
    assert saved == pytest.approx(best, abs=1e-12)


def test_energy_of_gating_by_hand():
    """Two cores take turns for 5,000 steps each: leakage of one core over half of the run each, less two wake-ups, and the wait for them."""
    start = partition(bursts(np.array([[1, 0], [0, 1]]) * 0.2), CHIP)
    energy, time = h.Interval(1e-9), h.Interval(1e-6)
    found = h.gate(start, energy=energy, time=time)
    before, after = h.estimate(start), h.estimate(found)
    power = CHIP.power.core.value - CHIP.power.gated.value
    step = float(before.step_time.value)
    assert float(after.step_time.value) == pytest.approx(step + 2 * 1e-6 / 10_000)
    all_on = float(sum(float(before.terms[name].value) for name in ("cores", "gated cores", "chips", "boards", "host"))) / step
    saved = power * step - 2 * 1e-9 / 10_000 - (all_on - power) * 2e-6 / 10_000
    assert float(before.energy_per_step.value) - float(after.energy_per_step.value) == pytest.approx(saved, rel=1e-6)
    assert found.changes[-1].after["break_even"] == pytest.approx(1e-9 / power)


def test_gating_says_why_it_does_not():
    work = bursts(np.ones((2, 2)))
    assert h.gate(partition(work, CHIP)).changes[-1].name == "gate (nothing gated: no stretch without activity is long enough)"
    assert h.gate(partition(work, h.target("loihi2"))).changes[-1].name == "gate (nothing gated: no power of a core that is on is known)"
    with pytest.raises(TypeError, match="gate: energy"):
        h.gate(partition(work, CHIP), energy=1e-9)


def test_a_placement_stays_gated_when_it_is_placed():
    start = h.gate(partition(bursts(np.eye(6)), CHIP))
    assert start.gating is not None and h.place(start).gating == start.gating


def test_counts_below_zero_are_refused():
    with pytest.raises(ValueError, match=r"Workload.spikes are numbers .* at least 0; got -0.5 \(first at index 1\)"):
        h.layered(["a"], [2], [0], [1], np.array([0.1, -0.5]), dt=1 * u.ms, steps=1)
    work = chip_cases.random_network(0, (5,), 5)
    for name in ("loihi1", "cpu"):
        with pytest.raises(ValueError, match="meter: spikes are numbers"):
            h.meter(work, name).energy(np.full(5, -1.0))


def test_a_time_step_has_a_unit():
    assert h.layered(["a"], [1], [0], [0], np.ones(1), dt=0.001 * u.second, steps=1).dt == 1e-3
    with pytest.raises(
        TypeError, match=r"layered: dt: expected a quantity convertible to ms, for example `20 \* u.ms`; got the bare value 0.001"
    ):
        h.layered(["a"], [1], [0], [0], np.ones(1), dt=0.001, steps=1)
    with pytest.raises(ValueError, match="layered: dt must be more than 0"):
        h.layered(["a"], [1], [0], [0], np.ones(1), dt=0 * u.ms, steps=1)


def test_neurons_are_named_by_integers():
    with pytest.raises(TypeError, match=r"layered: `pre` and `post` are numbers of neurons, integers; got float64 and int64"):
        h.layered(["a"], [2], [0.5], [1], np.ones(2), dt=1 * u.ms, steps=1)


def test_an_unknown_target_lists_the_known_ones_once():
    with pytest.raises(h.TargetError) as error:
        h.target("abacus")
    assert str(error.value).count("spinnaker2") == 1
