"""Pictures of chips: every polygon where it belongs, with the number that belongs to it."""

import brainunit as u
import chip_cases
import matplotlib.pyplot as plt
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neuro4d as n4
from neuro4d import hardware as h
from neuro4d.plot._plane import BEATEN, FRONT, OPEN, standing


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def roomy(**changes):
    return chip_cases.small_chip(**{"axons_in": 10**6, "axons_out": 10**6, "memory": 10**9} | changes)


@pytest.fixture(scope="module")
def work():
    return chip_cases.random_network(3, (90, 60), 900)


@pytest.fixture(scope="module")
def square(work):
    """11 cores on two chips of 3 x 2 tiles of two cores, at random sites."""
    found = h.partition(work, roomy(neurons=15))
    sites = np.random.default_rng(0).permutation(24)[: found.n_cores]
    return h.Placement(found.target, work, found.core, np.sort(sites)[::-1].copy())


@pytest.fixture(scope="module")
def hexagonal(work):
    """The same on chips of three cores with six links."""
    return h.partition(work, roomy(neurons=15, mesh="hexagonal", per_tile=3))


def drawn(ax):
    """Centres of the polygons that have a colour, with their numbers, and of those that are grey."""
    ax.figure.canvas.draw()
    grey, coloured = ax.collections[:2]
    middle = lambda paths: np.array([path.vertices[:-1].mean(axis=0) for path in paths]).reshape(-1, 2)  # noqa: E731
    return middle(coloured.get_paths()), np.asarray(coloured.get_array()), middle(grey.get_paths())


def test_cores_are_drawn_in_their_tiles(square):
    """Two cores of a tile side by side; the second chip to the right of the first."""
    ax = n4.plot.chip_map(square, "neurons")
    middle, values, grey = drawn(ax)
    assert len(middle) == square.n_cores and len(grey) == 24 - square.n_cores
    neurons = np.bincount(square.core)
    for (x, y), value in zip(middle, values, strict=True):
        chip, column = divmod(int(np.floor(x + 0.5)), 3)
        inside = int(np.floor((x + 0.5) % 1 * 2))
        site = chip * 12 + (round(y) * 3 + column) * 2 + inside
        assert value == neurons[np.flatnonzero(square.site == site)[0]]
    assert ax.get_title(loc="left") == f"Loihi (Intel, 14 nm, 2018): neurons of {square.n_cores} cores on 2 chips"
    assert ax.child_axes[0].get_ylabel() == "neurons"


def test_a_hexagon_is_a_chip_with_its_busiest_core_or_their_sum(hexagonal):
    meter = h.meter(hexagonal)
    loads = meter.loads(np.asarray(hexagonal.workload.spikes))
    busy = sum(np.asarray(each.value) for each in meter.busy(loads).values())
    of = lambda ax: np.sort(drawn(ax)[1])  # noqa: E731
    chip = hexagonal.tile[:, 0]
    by_chip = lambda x, f: np.sort([f(x[chip == each]) for each in np.unique(chip)])  # noqa: E731
    load = of(n4.plot.chip_map(hexagonal))
    assert np.allclose(load / load[-1], by_chip(busy, np.max) / busy.max())
    assert np.allclose(of(n4.plot.chip_map(hexagonal, "events")), by_chip(loads.events, np.sum))
    assert np.allclose(of(n4.plot.chip_map(hexagonal, "messages")), by_chip(loads.messages + loads.arrivals, np.sum))


def test_energies_of_cores_add_up_to_those_of_the_estimate(square):
    """All terms that are paid per event on cores; the unit is that of the scale."""
    ax = n4.plot.chip_map(square, "energy")
    _, values, _ = drawn(ax)
    unit = {"p": 1e-12, "n": 1e-9, "µ": 1e-6}[ax.child_axes[0].get_ylabel().split("(")[1][0]]
    terms = h.estimate(square).terms
    expected = sum(float(terms[name].value) for name in ("synapses", "neurons", "spikes", "messages"))
    assert values.sum() * unit == pytest.approx(expected, rel=1e-6)
    assert "times its colour" in ax.texts[0].get_text() and "grey: without neurons" in ax.texts[0].get_text()


def test_silence_is_not_empty(work):
    """Cores that do nothing have the palest colour, those without neurons are grey."""
    quiet = h.Workload(work.parts, work.connections, 0 * work.spikes, None, work.arrivals, work.dt, work.steps)
    found = h.partition(quiet, roomy(neurons=25))
    ax = n4.plot.chip_map(found, "events")
    middle, values, _ = drawn(ax)
    assert len(middle) == found.n_cores and not values.any()
    assert not np.allclose(ax.collections[0].get_facecolor()[0], ax.collections[1].get_facecolor()[0])
    assert drawn(n4.plot.link_load(h.route(found)))[1].max(initial=0) == 0


@pytest.mark.parametrize("kind", ["square", "hexagonal"])
def test_temperatures_are_those_of_tiles(square, hexagonal, kind):
    placement = {"square": square, "hexagonal": hexagonal}[kind]
    package = h.Package(die=60 * u.mm**2)
    found = h.temperature(placement, package)
    ax = n4.plot.chip_map(placement, found)
    middle, values, _ = drawn(ax)
    assert np.allclose(np.sort(values), np.sort((found.tile - 273.15).ravel()))
    assert "air: 25 °C" in ax.texts[0].get_text()
    if kind == "square":
        at = {(round(x), round(y)): value for (x, y), value in zip(middle, values, strict=True)}
        assert at[4, 1] == pytest.approx(found.tile[1, 1, 1] - 273.15)  # chip 1, row 1, column 1


def test_every_link_is_an_arrow_beside_its_line(square):
    routes = h.route(square)
    ax = n4.plot.link_load(routes, square)
    ax.figure.canvas.draw()
    nodes, arrows = ax.collections[:2]
    assert len(nodes.get_paths()) == routes.mesh.n
    assert np.allclose(arrows.get_array(), routes.load)
    for (a, b), path in zip(routes.links, arrows.get_paths(), strict=True):
        begin, end = routes.mesh.place[a], routes.mesh.place[b]
        tip, tail = path.vertices[3], (path.vertices[0] + path.vertices[6]) / 2
        along = end - begin
        assert (tip - tail) @ along > 0.5
        beside = (tip + tail) / 2 - (begin + end) / 2
        assert beside @ [along[1], -along[0]] > 0.05 and abs(beside @ along) < 1e-9
    assert f"all together: {routes.hops:.3g}" in ax.texts[0].get_text()


def test_links_around_the_edges_lead_out(work):
    """On a torus of 2 x 2 two nodes may have three links between them: no two arrows lie on each other."""
    target = msgspec.structs.replace(h.target("spinnaker1"), limits=roomy(neurons=50).limits)
    target = msgspec.structs.replace(target, chip=msgspec.structs.replace(target.chip, cores=1, per_tile=1))
    found = h.partition(work, h.on_board(target, "spin1-4chip"))
    routes = h.route(found, algorithm="deadlock_free_adaptive")
    middle, values, _ = drawn(n4.plot.link_load(routes))
    assert len(values) == len(routes.links) == len({tuple(np.round(each, 3)) for each in middle})
    figure = n4.plot.chip_and_links(found, routes, "events")
    assert len(figure.axes) == 2


def test_boards_have_the_chips_that_are_there(work):
    target = msgspec.structs.replace(h.target("spinnaker1"), limits=roomy(neurons=5).limits)
    target = msgspec.structs.replace(target, chip=msgspec.structs.replace(target.chip, cores=1, per_tile=1))
    found = h.partition(work, h.on_board(target, "spin1-48chip"))
    middle, _, grey = drawn(n4.plot.chip_map(found))
    assert len(middle) == found.n_cores and len(middle) + len(grey) == 48


def test_what_cannot_be_drawn_is_refused(square):
    with pytest.raises(ValueError, match=r"no quantity 'heat'.*Known are load, events"):
        n4.plot.chip_map(square, "heat")
    with pytest.raises(ValueError, match="have no mesh"):
        n4.plot.link_load(h.routes_of([[0, 1]]))
    for points, said in (({}, "no points"), ({"a": (1.5, 1.0)}, "share from 0 to 1"), ({"a": (0.5, 0.0)}, "logarithmic axis")):
        with pytest.raises(ValueError, match=said):
            n4.plot.accuracy_energy(points)


bands = st.tuples(st.integers(1, 6), st.integers(0, 2), st.integers(0, 2)).map(lambda x: (max(x[0] - x[1], 1), x[0], x[0] + x[2]))


@given(st.lists(st.tuples(bands, bands), min_size=1, max_size=6))
def test_who_is_on_the_front(points):
    """By trying all places inside of the bands: filled points are beaten by no value, grey ones wherever they lie."""
    accuracy, energy = np.array(points, float).transpose(1, 2, 0)
    found = standing(accuracy, energy)
    beats = lambda a, e, other_a, other_e: a >= other_a and e <= other_e and (a > other_a or e < other_e)  # noqa: E731
    for i in range(len(points)):
        others = [j for j in range(len(points)) if j != i]
        by_value = any(beats(accuracy[1, j], energy[1, j], accuracy[1, i], energy[1, i]) for j in others)
        always = any(
            all(beats(a, e, b, f) for a in accuracy[:, j] for e in energy[:, j] for b in accuracy[:, i] for f in energy[:, i])
            for j in others
        )
        assert found[i] == (BEATEN if always else OPEN if by_value else FRONT)


def test_the_plane_shows_bands_and_names():
    band = h.Interval(2e-6, 1e-6, 4e-6)
    ax = n4.plot.accuracy_energy({"a": (h.Interval(0.9, 0.88, 0.92), band), "b": (0.95, 3.0 * band), "c": (0.5, 40.0 * band)})
    ax.figure.canvas.draw()
    assert {"a", "b", "c"} <= {text.get_text() for text in ax.texts}
    whole = [bar.get_children()[0] for bar in ax.containers]
    assert [bool(each.get_markerfacecolor() != "white") for each in whole] == [True, True, False]
    ends = ax.containers[0].get_children()[-2].get_segments()[0][:, 0]
    assert np.allclose(ends, [1e-6, 4e-6]) and ax.get_xscale() == "log"
    one = h.Interval(0.9, 0.8, 0.95)
    pairs = [n4.plot.accuracy_energy({"a": (x, 1.0), "b": (y, 2.0)}) for x, y in ((one, one), (one, h.Interval(0.9, 0.8, 0.95)))]
    inks = [[bar.get_children()[0].get_color() for bar in ax.containers] for ax in pairs]
    assert inks == [["#3d6ea5", "#8a8a8a"], ["#3d6ea5", "#3d6ea5"]]  # one network on two chips, and two networks
    own = plt.subplots()[1]
    assert n4.plot.accuracy_energy({"a": (0.9, 1.0)}, ax=own) is own


def test_targets_with_their_bands(work):
    """Order, bands, who is as good as the best, and who is left out."""
    costs = h.compare(work, None, ["gpu", "loihi2", "loihi1", roomy(neurons=1, memory=1)]).costs
    found = h.Comparison(costs)
    ax = n4.plot.cost_bands(found, "energy_per_step")
    ax.figure.canvas.draw()
    value = {name: cost.energy_per_step for name, cost in costs.items() if not isinstance(cost, str)}
    order = sorted(value, key=lambda name: float(value[name].value))
    assert [label.get_text() for label in ax.get_yticklabels()] == [*order, "small"] and isinstance(costs["small"], str)
    assert [text.get_text() for text in ax.texts] == ["does not fit"]
    best = value[order[0]]
    for name, bar in zip(order, ax.containers, strict=True):
        low, high = bar.get_children()[-1].get_segments()[0][:, 0]
        assert (low, high) == pytest.approx((float(value[name].low), float(value[name].high)))
        open_ = float(value[name].low) <= float(best.high)
        assert bar.get_children()[0].get_color() == ("#3d6ea5" if open_ else "#8a8a8a")
    with pytest.raises(ValueError, match="Did you mean 'power'"):
        n4.plot.cost_bands(found, "powr")
    with pytest.raises(ValueError, match="fits on none"):
        h.Comparison({"small": costs["small"]}).plot()


def test_objects_draw_themselves(square):
    routes, (_, axes) = h.route(square), plt.subplots(1, 3)
    assert square.plot("events", ax=axes[0]) is axes[0] and routes.plot(square, ax=axes[1]) is axes[1]
    assert h.compare(square.workload, None, ["loihi1"]).plot("latency", ax=axes[2]).get_xlabel() == "time of all steps (s)"
    assert axes[0].get_title(loc="left").endswith("events of 10 cores on 2 chips")
