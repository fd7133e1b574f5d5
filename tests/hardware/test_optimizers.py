"""Views on passes: the names that users know, fractions of what is used, and traffic against balance."""

import brainunit as u
import chip_cases
import jax.random as jr
import msgspec
import numpy as np
import pytest

import neuro4d as n4
from neuro4d import hardware as h
from neuro4d.hardware._packing import limits
from neuro4d.hardware._partition import partition, used
from neuro4d.hardware._placement import fan_out

SEED = ["fanin_fanout_balancing", "memory_layout_optimization", "power_gating_insertion", "thermal_aware_placement"]


@pytest.fixture(scope="module")
def recorded():
    model = n4.zoo.coba(scale=0.1).build(dt=0.1 * u.ms, seed=0)
    return model, n4.simulate(model, jr.key(0), 50 * u.ms, n4.Counts(every=10 * u.ms))


@pytest.mark.parametrize("name", ["loihi1", "loihi2"])
def test_all_passes_of_a_network_of_the_zoo(recorded, name):
    """Every neuron on one core, every synapse reachable, no limit exceeded, and a report of each pass."""
    optimizer = h.Loihi2Optimizer(*recorded, target=name)
    found = optimizer.compile(optimization_passes=SEED)
    names = [change.name.split(" (")[0] for change in found.changes]
    assert names == ["partition", "balance", "compress", "gate", "cool"]
    assert all(change.after for change in found.changes)
    table = fan_out(found.workload, found.core, found.n_cores)
    assert int(table.synapses.sum()) == recorded[0].n_synapses
    assert all(np.array_equal(a, b) for a, b in zip(table, found.fan_out, strict=True))
    assert all((getattr(used(found), resource) <= limit).all() for resource, limit in limits(found.target).items())
    start = partition(found.workload, found.target, "graph")
    before, after = (h.estimate(each).step_time.value for each in (start, found))
    assert float(after) <= float(before)
    full = optimizer.optimize(seed=1)
    assert [change.name.split(" (")[0] for change in full.changes] == ["partition", "balance", "place", "compress", "gate", "cool"]


def test_utilization_by_hand():
    """1,500 neurons on 2 of the 128 cores of a chip of Loihi; each is reached by one other."""
    pre = np.arange(1500)
    work = h.layered(["a"], [1500], pre, pre, np.zeros(1500), dt=1 * u.ms, steps=1)
    optimizer = h.Loihi2Optimizer(work, target="loihi1")
    found = optimizer.analyze_utilization(partition(work, optimizer.target))
    assert (found.cores, found.neurons) == (2 / 128, 1500 / 2048) and found.fullest["neurons"] == 1
    assert found.memory == pytest.approx(1500 * 64 / (2 * 2**20)) and found.axons_in == pytest.approx(1500 / 8192)
    assert "cores        1.6%" in repr(found) and "<table" in found._repr_html_()
    other = h.utilization(partition(work, h.target("loihi2")))
    assert other.axons_in is None and "axons_in" not in repr(other)


def test_short_names_and_none(recorded):
    optimizer = h.Loihi2Optimizer(*recorded)
    assert [change.name for change in optimizer.optimize(["balance"]).changes] == ["partition (graph)", "balance (time)"]
    assert [change.name for change in optimizer.optimize([]).changes] == ["partition (graph)"]
    small = chip_cases.small_chip(neurons=100, axons_in=10**6, axons_out=10**6, memory=10**9)
    names = [change.name for change in h.Loihi2Optimizer(*recorded, target=small).optimize(["spread"]).changes]
    assert names == ["partition (graph)", "spread (energy)"]


def test_what_is_unknown_is_named(recorded):
    optimizer = h.Loihi2Optimizer(*recorded)
    with pytest.raises(ValueError, match=r"no pass named 'thermal_aware_placment'\. Did you mean 'thermal_aware_placement'"):
        optimizer.compile(optimization_passes=["thermal_aware_placment"])
    with pytest.raises(TypeError, match="passes are several names"):
        optimizer.optimize("balance")
    with pytest.raises(h.TargetError, match="cpu is a processor"):
        h.Loihi2Optimizer(*recorded, target="cpu")
    with pytest.raises(TypeError, match="expected a model and its run"):
        h.Loihi2Optimizer(recorded[0])
    spinnaker = h.SpiNNakerOptimizer(*recorded)
    with pytest.raises(ValueError, match="locality_preference is a share"):
        spinnaker.reduce_communication(locality_preference=1.2)
    with pytest.raises(ValueError, match="no algorithm 'deadlock_free'"):
        spinnaker.optimize_routing(algorithm="deadlock_free")
    with pytest.raises(ValueError, match="no board named 'spin2-48chips'"):
        spinnaker.optimize_routing("spin2-48chips")


@pytest.mark.slow
def test_preference_weighs_messages_against_the_busiest_core():
    work = chip_cases.random_network(3, (50, 60, 40), 500)
    chip = chip_cases.small_chip(neurons=60, axons_in=10**6, axons_out=10**6, memory=10**9, mesh="hexagonal", per_tile=4)
    optimizer = h.SpiNNakerOptimizer(work, target=chip)
    even, near = (optimizer.reduce_communication(p, compression_enabled=False) for p in (0.0, 1.0))
    assert near.tables is None
    assert near.after["messages"] == min(each["messages"] for each in near.candidates.values()) <= near.before["messages"]
    assert even.after["busiest"] == min(each["busiest"] for each in even.candidates.values()) <= even.before["busiest"]
    loads = h.meter(near.placement).loads(np.asarray(work.spikes))
    assert near.after["messages"] == pytest.approx(float(loads.messages.sum()), rel=1e-5)


@pytest.mark.slow
def test_tables_and_routes_of_a_network_on_several_chips():
    """A grid on chips of 4 cores with 64 neurons each: packets between chips, in tables, and over links of a board without a circle."""
    work = chip_cases.torus(24, 2, 0)
    chip = h.target("spinnaker1")
    small = msgspec.structs.replace(
        chip,
        chip=msgspec.structs.replace(chip.chip, cores=4, per_tile=4),
        limits=msgspec.structs.replace(chip.limits, neurons=chip_cases.count(64)),
    )
    optimizer = h.SpiNNakerOptimizer(work, target=small)
    found = optimizer.reduce_communication()
    assert found.after["messages"] < 0.6 * found.before["messages"] and found.after["hops"] < 0.6 * found.before["hops"]
    assert (found.tables.entries <= found.tables.before).all() and found.tables.entries.sum() < found.tables.before.sum()
    assert "entries of the fullest router" in repr(found) and "<table" in found._repr_html_()
    routing = optimizer.optimize_routing(algorithm="deadlock_free_adaptive")
    assert routing.placement.n_chips == 3 and h.is_deadlock_free(routing.routes)
    assert "free of deadlock" in repr(routing) and "<table" in routing._repr_html_()
    assert routing.placement.chip.board == "spin1-48chip" and routing.routes.hops > 0
