"""Placements as files: there and back, whatever happens to the file in between."""

import dataclasses
import json

import brainunit as u
import chip_cases
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuro4d import hardware as h
from neuro4d.hardware._export import File, _sealed


def ring(n=4000, seed=0):
    pre = np.arange(n)
    post = np.random.default_rng(seed).permutation(n)
    return h.layered(["a", "b"], [n - 500, 500], pre, post, np.full(n, 0.01), dt=1 * u.ms, steps=100)


@pytest.fixture(scope="module")
def placed():
    return h.place(h.partition(ring(), h.target("loihi1")), "spectral")


@pytest.fixture(scope="module")
def text(placed, tmp_path_factory):
    file = tmp_path_factory.mktemp("export") / "placed.json"
    h.export(placed, file, routes=h.route(placed))
    return file.read_text()


def same(one, other):
    assert np.array_equal(one.core, other.core) and one.core.dtype == other.core.dtype
    assert np.array_equal(one.site, other.site)
    assert one.changes == other.changes and one.target == other.target
    assert [each is None for each in (one.layout, one.gating)] == [each is None for each in (other.layout, other.gating)]
    if one.layout is not None:
        assert all(
            np.array_equal(getattr(one.layout, name), getattr(other.layout, name))
            for name in ("index", "width", "first", "memory", "shared")
        )
    if one.gating is not None:
        assert repr(one.gating) == repr(other.gating)


@given(chip_cases.networks, chip_cases.chips, st.randoms(use_true_random=False))
@settings(max_examples=15)
def test_a_placement_comes_back(tmp_path_factory, work, chip, random):
    """Whatever the network, the chip and the sites are."""
    chip = chip_cases.small_chip(chip.limits.neurons.value, 10**6, 10**6, 10**9, chip.chip.mesh, chip.chip.columns, chip.chip.rows)
    found = h.partition(work, chip)
    sites = list(range(found.n_chips * chip.chip.cores))
    random.shuffle(sites)
    found = dataclasses.replace(found, site=np.array(sites[: found.n_cores]))
    found = h.compress(found, shared=random.random() < 0.5) if random.random() < 0.5 else found
    gating = h.Gating(h.Interval(1e-7, 1e-9, 1e-5), h.Interval(1.5e-6, 1e-7, 2e-5))
    found = dataclasses.replace(found, gating=gating if random.random() < 0.5 else None)
    file = tmp_path_factory.getbasetemp() / "random.json"
    h.export(found, file, routes=h.route(found))
    back = h.read_placement(file, work, chip)
    same(found, back)
    assert h.estimate(back).to_dict() == h.estimate(found).to_dict()


def test_other_programs_can_read_it(placed, text):
    content = json.loads(text)
    assert content["format"] == "neuro4d placement" and content["target"]["name"] == "loihi1"
    assert [(part["name"], part["n"]) for part in content["populations"]] == [("a", 3500), ("b", 500)]
    core = [core for core, n in content["core"] for _ in range(n)]
    assert core == placed.core.tolist()
    assert [content["tile"][each] for each in core] == placed.tile[placed.core].tolist()
    routes = h.route(placed)
    assert content["routes"] == {"links": routes.links.tolist(), "load": routes.load.tolist()}


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 5000), st.floats(), st.sampled_from(["", "loihi2", "a"]), st.just([]), st.just({})
)


def places(data, path=()):
    """Every place in a nested value."""
    yield path
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield from places(value, (*path, key))


@given(st.data())
@settings(max_examples=150)
def test_a_changed_file_is_refused_or_means_the_same(placed, text, tmp_path_factory, data):
    """Values are replaced, taken out or given twice, anywhere in the file."""
    content = json.loads(text)
    for _ in range(data.draw(st.integers(1, 2))):
        where = data.draw(st.sampled_from([path for path in places(content) if path]))
        inside = content
        for key in where[:-1]:
            inside = inside[key]
        match data.draw(st.sampled_from(["replace", "delete", "repeat"])):
            case "replace":
                inside[where[-1]] = data.draw(VALUES)
            case "delete":
                del inside[where[-1]]
            case "repeat" if isinstance(inside, list):
                inside.insert(where[-1], inside[where[-1]])
            case _:
                inside[f"{where[-1]}2"] = inside[where[-1]]
        if not content:
            break
    refused_or_same(placed, json.dumps(content).encode(), tmp_path_factory)


@given(st.data())
@settings(max_examples=100)
def test_damaged_bytes_are_refused_or_mean_the_same(placed, text, tmp_path_factory, data):
    raw = bytearray(text.encode())
    at = data.draw(st.integers(0, len(raw) - 1))
    match data.draw(st.sampled_from(["change", "cut", "insert"])):
        case "change":
            raw[at] = data.draw(st.integers(0, 255))
        case "cut":
            del raw[at:]
        case "insert":
            raw[at:at] = data.draw(st.binary(min_size=1, max_size=4))
    refused_or_same(placed, bytes(raw), tmp_path_factory)


def refused_or_same(placed, raw, factory):
    file = factory.getbasetemp() / "mutated.json"
    file.write_bytes(raw)
    try:
        back = h.read_placement(file, placed.workload)
    except (h.PlacementError, h.TargetError) as error:
        assert str(error)
    else:
        same(placed, back)


def sealed(content):
    """With the checksum that belongs to it, as if it had been written so."""
    return msgspec.json.encode(_sealed(msgspec.convert(content, File)))


def moved_core(content):
    content["core"][0][1] += 1


def moved_site(content):
    content["site"][0] = 768 * 128


def shared_site(content):
    content["site"][0] = content["site"][1]


def strange_gating(content):
    content["gating"] = {"energy": [1.0, 2.0, 3.0], "time": [0.0, 0.0, 0.0]}


def strange_layout(content):
    content["layout"] = {"shared": False, "memory": [1, 2]}


def gap(content):
    content["core"] = [[core + (core >= 1), n] for core, n in content["core"]]
    content["site"].append(500)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (moved_core, "core: its runs have 4,001 neurons; the workload has 4,000"),
        (moved_site, "site: 98,304; the largest system of loihi1 has sites 0 to 98,303"),
        (shared_site, "two cores share one"),
        (strange_gating, "gating: an interval has 0 <= low <= value <= high"),
        (strange_layout, "layout: the bits of its cores"),
        (gap, "no neuron lies on core 1"),
        (lambda content: content.update(chips=7), "chips: does not fit"),
        (lambda content: content["tile"][0].__setitem__(0, 3), "tile: does not fit"),
        (lambda content: content.update(synapses=3), "synapses: 3; the workload has 4,000"),
        (lambda content: content["populations"][0].update(name="c"), "populations: 'c' (3,500), 'b' (500); those of the workload are 'a' (3,500)"),
        (lambda content: content["target"].update(hash="0"), "Its file has changed since"),
        (lambda content: content["target"].update(name="cpu"), "cpu is a processor"),
        (lambda content: content["routes"]["load"].pop(), "routes: "),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(placed, text, tmp_path, change, said):
    content = json.loads(text)
    change(content)
    file = tmp_path / "changed.json"
    file.write_bytes(sealed(content))
    with pytest.raises(h.PlacementError) as error:
        h.read_placement(file, placed.workload)
    assert said in str(error.value)


def test_another_version_or_network_or_target_is_refused(placed, text, tmp_path):
    file = tmp_path / "placed.json"
    file.write_text(text.replace('"version": 1', '"version": 2'))
    with pytest.raises(h.PlacementError, match="this neuro4d reads version 1"):
        h.read_placement(file, placed.workload)
    file.write_text(text)
    with pytest.raises(h.PlacementError, match="populations"):
        h.read_placement(file, ring(4001))
    with pytest.raises(h.PlacementError, match="or it is another one"):
        h.read_placement(file, placed.workload, "loihi2")
    with pytest.raises(FileNotFoundError):
        h.read_placement(tmp_path / "absent.json", placed.workload)
    strange = dataclasses.replace(placed, changes=(type(placed.changes[0])("mine", {}, {"x": np.inf}),))
    with pytest.raises(ValueError, match="x = inf"):
        h.export(strange, file)
    assert file.read_text() == text and [each.name for each in tmp_path.iterdir()] == ["placed.json"]
