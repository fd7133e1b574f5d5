"""Heat that flows in flows out, closed forms for even power, and swaps that cool within their bound."""

import brainunit as u
import chip_cases
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

import neuro4d as n4
from neuro4d import hardware as h
from neuro4d.hardware._partition import partition
from neuro4d.hardware._thermal import Solver

DIE = 20 * u.mm**2


def hot_chip(watts: float = 0.0, core: float = 0.01, **shape) -> h.ChipTarget:
    """A small chip whose neurons take `watts` when they spike in every microsecond, about, and whose cores leak."""
    chip = chip_cases.small_chip(**{"axons_in": 10**6, "axons_out": 10**6, "memory": 10**9} | shape)
    number = lambda value: h.Coefficient(value=value, flag="measured", source="made for a test")  # noqa: E731
    energy = msgspec.structs.replace(chip.energy, spike=number(watts * 1e-6))
    return msgspec.structs.replace(
        chip, energy=energy, power=msgspec.structs.replace(chip.power, core=number(core), gated=number(core / 3))
    )


def package(**more) -> h.Package:
    return h.Package(**{"die": DIE} | more)


packages = st.builds(
    lambda r, g, b: package(resistance=r * u.kelvin / u.watt, growth=g / u.kelvin, board=b * u.watt / u.kelvin),
    st.floats(0.1, 30), st.floats(0, 0.03), st.floats(0, 1),
)  # fmt: skip


@given(chip_cases.networks, packages, st.integers(1, 3), st.integers(0, 100))
@settings(max_examples=15)
def test_heat_that_goes_in_comes_out(work, of, columns, seed):
    """Also over several chips, and each tile by itself: what it gives off is what flows to its neighbours and to the package."""
    start = partition(work, hot_chip(1e-3, columns=columns))
    placed = h.Placement(start.target, work, start.core, np.random.default_rng(seed).permutation(start.site))
    found = h.temperature(placed, of)
    out = (found.package - found.ambient) / float(of.resistance)
    assert out.sum() == pytest.approx(found.heat.sum(), rel=1e-6)
    sideways, solver = float(of.conductivity) * float(of.thickness), Solver(placed, of)
    t = np.pad(found.tile, ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = sum(found.tile - t[:, 1 + y : t.shape[1] - 1 + y, 1 + x : t.shape[2] - 1 + x] for x, y in ((0, 1), (0, -1), (1, 0), (-1, 0)))
    away = sideways * around + solver.down * (found.tile - found.package[:, None, None])
    assert np.allclose(away, found.heat, rtol=1e-6, atol=1e-9 * found.heat.max())
    assert found.ambient <= found.tile.min() <= found.mean <= found.hottest


@given(st.floats(0, 3), st.floats(0, 1), packages)
def test_even_power_has_a_closed_form(work, leak, of):
    """Nothing flows sideways: T = T_air + Q R + Q / (N g), with leakage as the solution of one equation."""
    solver = Solver(partition(chip_cases.random_network(0, (10,), 10), hot_chip(columns=4, rows=3)), of)
    through = float(of.resistance) + 1 / (12 * solver.down)
    growth, reference = float(of.growth), float(of.reference)
    excess = lambda t: 298.15 + through * (work + leak * np.exp(growth * (t - reference))) - t  # noqa: E731
    grid = np.linspace(298.15, 990, 4000)
    below = np.flatnonzero(excess(grid) < 0)
    if not len(below):
        with pytest.raises(ValueError, match="run away"):
            solver.rest(np.full(12, work / 12), np.full(12, leak / 12))
        return
    truth = brentq(excess, 298.15 - 1e-9, grid[below[0]], xtol=1e-10)
    found, _ = solver.rest(np.full(12, work / 12), np.full(12, leak / 12))
    assert np.allclose(found[:12], truth, atol=1e-5)


def test_power_is_that_of_the_estimate():
    """Where leakage does not grow: events, cores that are on or gated, chips and hosts; before and after gating."""
    start = partition(chip_cases.random_network(3, (60, 40), 500), hot_chip(1e-3, neurons=20))
    work = start.workload
    quiet = h.Workload(
        work.parts, work.connections, work.spikes / 2, np.stack([work.spikes, 0 * work.spikes]), work.arrivals, work.dt, 10**6
    )
    start = partition(quiet, start.target)
    gated = h.gate(start)
    assert gated.gating is not None and not h.powered(gated).all()
    for placed in (start, gated):
        cost = h.meter(placed)
        watts = float(cost.energy(np.asarray(quiet.spikes)).value / cost.step_time(np.asarray(quiet.spikes)).value)
        assert h.temperature(placed, package(growth=0 / u.kelvin)).heat.sum() == pytest.approx(watts, rel=1e-6)


def test_numbers_of_cores_do_not_matter():
    work = chip_cases.random_network(5, (50, 30), 300)
    start = partition(work, hot_chip(1e-3))
    new = np.random.default_rng(0).permutation(start.n_cores)
    site = np.empty_like(start.site)
    site[new] = start.site
    again = h.Placement(start.target, work, new[start.core].astype(np.int32), site)
    assert np.allclose(h.temperature(start, package()).tile, h.temperature(again, package()).tile, atol=1e-9)


def test_a_watt_here_warms_there_as_a_watt_there_warms_here():
    solver = Solver(partition(chip_cases.random_network(1, (200,), 10), hot_chip(neurons=10)), package())
    assert len(solver.chips) == 2
    answers = np.stack([solver.response(node) for node in range(solver.n)])
    assert np.allclose(answers, answers.T) and (answers.diagonal() >= answers.max(axis=0) - 1e-12).all()


def test_leakage_can_run_away():
    with pytest.raises(ValueError, match=r"the chip would run away\. A package with less resistance"):
        h.temperature(partition(chip_cases.random_network(1, (100,), 10), hot_chip(core=1.0)), package(growth=0.05 / u.kelvin))


def test_what_is_not_known_has_to_be_given():
    start = partition(chip_cases.random_network(1, (20,), 10), hot_chip())
    with pytest.raises(ValueError, match="area of the chip of 'small' is not known"):
        h.temperature(start)
    with pytest.raises(TypeError, match=r"Package.resistance: expected a quantity"):
        h.Package(resistance=20)
    with pytest.raises(ValueError, match="more_hops is the share"):
        h.cool(start, package(), more_hops=-1)


@given(chip_cases.networks, st.sampled_from([0.0, 0.05, 1.0]), st.sampled_from([0.0, 0.3]), st.integers(0, 100))
@settings(max_examples=8)
def test_cooling_keeps_to_its_bounds(work, more, watts, seed):
    start = partition(work, hot_chip(watts, neurons=12, columns=3, rows=3, per_tile=2))
    found = h.cool(start, package(growth=0.005 / u.kelvin), more_hops=more, seed=seed)
    change = found.changes[-1]
    assert len(set(found.site.tolist())) == found.n_cores and np.array_equal(found.core, start.core)
    assert set((found.site // found.chip.cores).tolist()) <= set((start.site // start.chip.cores).tolist())
    assert h.hop_traffic(found) <= h.hop_traffic(start) * (1 + more) * (1 + 1e-6) + 1e-9
    exact = h.temperature(found, package(growth=0.005 / u.kelvin)).hottest
    assert change.after["hottest"] == pytest.approx(exact)
    if change.name == "cool":
        assert change.after["hottest"] <= change.before["hottest"] - 0.1
    else:
        assert np.array_equal(found.site, start.site)


def test_two_hot_cores_of_one_tile_part():
    """Four cores on a chip of 16 tiles, of which two work hard, side by side: the hottest tile cools by as much as one of them warms it, nearly."""
    nothing = np.zeros(0, int)
    work = h.layered(["a"], [64], nothing, nothing, np.repeat([1.0, 1.0, 0.0, 0.0], 16), dt=1 * u.ms, steps=1)
    start = partition(work, hot_chip(0.05, columns=4, rows=4))
    assert start.tile[:2].tolist() == [[0, 0, 0], [0, 0, 0]]
    found = h.cool(start, package())
    change = found.changes[-1]
    assert change.name == "cool" and tuple(found.tile[0]) != tuple(found.tile[1])
    above = [each["hottest"] - each["mean"] for each in (change.before, change.after)]
    assert above[1] < 0.6 * above[0] and change.after["step_time"] > change.before["step_time"]  # two tiles agree later than one


def test_on_a_board_chips_warm_their_neighbours():
    """Of three chips in a row on the board, the first two give off nothing else; the one next to the third is warmer."""
    chip = n4.hardware.on_board(h.target("spinnaker1"), "spin1-48chip")
    n = 16 * 250
    nothing = np.zeros(0, int)
    work = h.layered(["a"], [3 * n], nothing, nothing, np.zeros(3 * n), dt=1 * u.ms, steps=1)
    start = partition(work, chip)
    assert start.n_chips == 3
    solver = Solver(start, h.Package())
    answer = solver.response(2)
    assert answer[2] > answer[1] > answer[0] > 0.1


def test_nothing_to_gain_inside_of_a_chip_of_loihi():
    work = chip_cases.torus(64, 3, 0)
    busy = h.Workload(work.parts, work.connections, np.where(np.arange(work.n) < 500, 0.5, 0.001), None, work.arrivals, work.dt, work.steps)
    for name in ("loihi1", "loihi2"):
        assert h.cool(partition(busy, h.target(name))).changes[-1].name == "cool (no material effect)"
