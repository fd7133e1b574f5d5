"""Small models as JSON: every bit comes back, and a file that was changed is refused."""

import json

import brainunit as u
import numpy as np
import pytest
from core.networks import KEY, lif
from describe.rich import unequal
from describe.test_every_number import same_tree

import neuro4d as n4


def test_a_model_comes_back_bit_for_bit(changed_model, tmp_path):
    n4.io.save_json(tmp_path / "rich.json", changed_model)
    assert unequal(n4.io.load_json(tmp_path / "rich.json")[0], changed_model) == set()


@pytest.mark.full
def test_a_model_and_a_state_come_back_bit_for_bit(changed_model, tmp_path):
    state = changed_model.init(KEY)
    n4.io.save_json(tmp_path / "rich.json", changed_model, state)
    again, back = n4.io.load_json(tmp_path / "rich.json")
    assert same_tree(n4.to_user(again, back), n4.to_user(changed_model, state))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A model of which a file is read quickly, with numbers that JSON has no words for."""
    cells = n4.Population("cells", 3, lif(), v0=[-60.1, -55.7, -52.3] * u.mV)
    model = n4.Network(cells, n4.GapJunctions("gap", cells, rule=n4.EdgeList([0], [1]), conductance=0.3 * u.nS)).build(dt=0.1 * u.ms, seed=0)
    state = model.init(KEY)
    odd = np.array([0xFFC00000, 0x7F800000, 0x80000000], np.uint32).view(np.float32)  # a quiet NaN with a sign, infinity, -0
    tree = n4.to_user(model, state)
    tree["state"]["variables"]["cells"]["v"] = odd
    model, state = n4.from_user(model, tree)
    path = tmp_path_factory.mktemp("json") / "small.json"
    n4.io.save_json(path, model, state)
    return path, model, state


def test_numbers_that_json_has_no_word_for(small):
    path, _, state = small
    json.loads(path.read_text(), parse_constant=pytest.fail)
    _, back = n4.io.load_json(path)
    assert np.asarray(back["cells", "v"]).tobytes() == np.asarray(state["cells", "v"]).tobytes()


def test_a_model_without_a_state(small, tmp_path):
    _, model, _ = small
    n4.io.save_json(tmp_path / "m.json", model)
    again, state = n4.io.load_json(tmp_path / "m.json")
    assert state is None and unequal(again, model) == set()


def test_large_models_are_sent_to_hdf5(small, tmp_path):
    path, model, state = small
    with pytest.raises(ValueError, match=r"JSON is for at most 5\. Use `n4\.io\.save_hdf5"):
        n4.io.save_json(tmp_path / "m.json", model, state, limit=5)
    assert not (tmp_path / "m.json").exists()
    with pytest.raises(ValueError, match="JSON is for at most 5"):
        n4.io.load_json(path, limit=5)
    big = tmp_path / "big.json"
    with big.open("wb") as file:
        file.truncate(1 << 34)  # takes no room on the disk
    with pytest.raises(ValueError, match="has 17,179,869,184 bytes"):
        n4.io.load_json(big)


def test_flipped_bits_and_cuts_are_seen(small, tmp_path):
    """One bit at 60 random places, and the file cut at every twentieth: an error that names the file, or the same numbers."""
    path, model, state = small
    whole, wanted = path.read_bytes(), n4.to_user(model, state)
    draws = np.random.default_rng(0)
    cases = []
    for place in draws.integers(0, 8 * len(whole), 60):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << (place % 8)
        cases.append(bytes(flipped))
    cases += [whole[: len(whole) * k // 20] for k in range(20)]
    refused, other = 0, tmp_path / "other.json"
    for case in cases:
        other.write_bytes(case)
        try:
            again, back = n4.io.load_json(other)
        except ValueError as error:
            refused += 1
            assert str(other) in str(error)
        else:
            assert same_tree(n4.to_user(again, back), wanted)
    assert refused > 60


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda d: {**d, "format": 2}, "no model of format 1"),
        (lambda d: {**d, "more": 1}, "no model of format 1"),
        (lambda d: {**d, "rows": d["rows"][:-1]}, "rows and other values"),
        (lambda d: {**d, "values": [[], *d["values"][1:]]}, "another number of entries|rows"),
        (lambda d: {**d, "description": {**d["description"], "format": 7}}, "format of the description is 7"),
        (lambda d: {**d, "rows": [[row[0], [2**40], *row[2:]] if row[2] != "{}" else row for row in d["rows"]]}, "JSON is for at most"),
        (lambda d: [d], "no model of format 1"),
    ],
)
def test_files_that_hold_something_else(small, tmp_path, change, message):
    path, *_ = small
    other = tmp_path / "other.json"
    other.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(ValueError, match=message):
        n4.io.load_json(other)
