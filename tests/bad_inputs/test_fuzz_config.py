"""Configurations that were damaged: an error that says which file, or a configuration; never anything else, and never for long."""

import json
import random
import time

import pytest
from bad_inputs.more_rows import GOOD

import neuro4d as n4

TOML = b"""lattice_shape = [4, 4, 4, 4]
senses = {}
[neuron_model.params_default]
tau_m = 20.0
[plasticity]
enabled = false
[cell_lifecycle]
max_age = 100
[[areas]]
name = "V1"
coord_ranges = {x = [0, 3], y = [0, 3], z = [0, 3], w = [0, 3]}
"""
SEEDS = {"json": json.dumps(GOOD, indent=1).encode(), "toml": TOML}
PIECES = (
    *(b"{", b"}", b"[", b"]", b'"', b"'", b",", b":", b"=", b".", b"\n", b"\\", b"\x00", b"\xff", b"null", b"true", b"NaN", b"Infinity", b"inf"),
    *(b"1e999", b"-1", b"0", b"9" * 30, b"1979-05-27", b"[[areas]]", b'"areas"', b"a.b.c.d", b"#", b'"""', b"\\ud800", b"\xed\xa0\x80", b"[" * 40),
)


def mutated(data: bytes, draw: random.Random) -> bytes:
    """A few changes: bits flipped, pieces put in, taken out, doubled or moved."""
    out = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 3, 6))):
        at, to = sorted(draw.randrange(len(out) + 1) for _ in range(2))
        match draw.randrange(8):
            case 0 if out:
                out[min(at, len(out) - 1)] ^= 1 << draw.randrange(8)
            case 1:
                out[at:at] = draw.choice(PIECES)
            case 2:
                del out[at : min(to, at + 30)]
            case 3:
                out[at:at] = out[at : min(to, at + 200)] * draw.randint(1, 4)
            case 4:
                out[at : at + 4] = draw.choice(PIECES)
            case 5:
                del out[to:]
            case _:  # one digit for another
                places = [place for place, letter in enumerate(out) if 48 <= letter < 58] or [0]
                place = draw.choice(places)
                out[place : place + 1] = b"%d" % draw.randrange(10)
    return bytes(out)


def fuzz(folder, count, seed):
    """How many were refused and how many read, of each kind."""
    draw, found = random.Random(seed), {"refused": 0, "read": 0}
    for number in range(count):
        kind = ("json", "toml")[number % 2]
        path = folder / f"brain.{kind}"
        path.write_bytes(mutated(SEEDS[kind], draw))
        began = time.process_time()
        try:
            config = n4.io.read_config(path)
        except n4.io.ConfigError as error:
            found["refused"] += 1
            assert len(str(error)) < 2000 + len(str(path)), path.read_bytes()
        else:
            found["read"] += 1
            assert isinstance(config, n4.io.BrainConfig)
        assert time.process_time() - began < 5, path.read_bytes()
    return found


@pytest.mark.parametrize("kind", SEEDS)
def test_what_the_damage_is_done_to_is_read(kind, tmp_path):
    (tmp_path / f"a.{kind}").write_bytes(SEEDS[kind])
    assert n4.io.read_config(tmp_path / f"a.{kind}").areas[0].name == "V1"


def test_damaged_files(tmp_path):
    found = fuzz(tmp_path, 200, 0)
    assert found["refused"] > 100 and found["read"] > 0


@pytest.mark.full
def test_many_damaged_files(tmp_path):
    assert sum(fuzz(tmp_path, 10_000, 1).values()) == 10_000


@pytest.mark.full
@pytest.mark.parametrize("name", ["headers", "keys", "array", "string", "dots", "twins"])
def test_the_largest_files_are_read_in_seconds(name, tmp_path):
    size = 1 << 18
    text = {
        "headers": "".join(f"[a{i}]\n" for i in range(size // 12)),
        "keys": "".join(f"a.b{i}.c=1\n" for i in range(size // 16)),
        "array": "a=[" + "1," * (size // 2 - 10) + "]",
        "string": 'a="' + "\\" * (size - 9),
        "dots": ".".join("a" * (size // 2 - 8)) + "=1",
        "twins": "{" + ",".join(f'"a{i}":1' for i in range(size // 12)) + ',"a9":2}',
    }[name]
    path = tmp_path / ("brain.json" if name == "twins" else "brain.toml")
    path.write_text(text)
    began = time.process_time()
    with pytest.raises(n4.io.ConfigError) as caught:
        n4.io.read_config(path)
    assert time.process_time() - began < 20 and len(str(caught.value)) < 1000
