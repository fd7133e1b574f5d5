"""Text that was changed anyhow: it is refused with one kind of error, or it is a network. No crash, no hang, no memory."""

import resource
import warnings

import brainunit as u
import numpy as np
import pytest
from core.exported import network
from core.networks import KEY, lif

import neuro4d as n4
from neuro4d.describe import Description, DescriptionError, describe

WORDS = [b"null", b"-1", b"1e308", b"9" * 30, b'"cells"', b"[]", b"{}", b"true", b'{"shared":0}', b'"\\ud800"', b"1e-400", b"NaN", b"[" * 200]


def mutated(text, draws):
    """One to three changes: a bit, a byte, a piece cut out, doubled or moved, a number or a word put in."""
    data = bytearray(text)
    for _ in range(draws.integers(1, 4)):
        at, end = sorted(draws.integers(0, len(data), 2))
        match draws.integers(7):
            case 0:
                data[at] ^= 1 << draws.integers(8)
            case 1:
                data[at] = draws.integers(256)
            case 2:
                del data[at : min(end, at + 40)]
            case 3:
                data[at:at] = data[at : min(end, at + 40)]
            case 4:
                data[at:at] = WORDS[draws.integers(len(WORDS))]
            case 5:
                spans = [i for i in range(len(data)) if chr(data[i]).isdigit()]
                if spans:
                    i = spans[draws.integers(len(spans))]
                    data[i : i + 1] = WORDS[draws.integers(len(WORDS))]
            case _:
                data[at:] = data[at:] + data[: min(at, 40)]
        if not data:
            return b""
    return bytes(data)


def fuzz_descriptions(n, seed):
    text = describe(network("STDP").build(dt=0.1 * u.ms, seed=1)).to_json().encode()
    draws, made = np.random.default_rng(seed), 0
    for _ in range(n):
        case = mutated(text, draws).decode("utf-8", "replace")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                made += isinstance(Description.from_json(case).network(), n4.Network)
            except DescriptionError:
                pass
    return made


def test_descriptions():
    assert fuzz_descriptions(200, 0) < 150


@pytest.mark.full
def test_very_many_descriptions():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fuzz_descriptions(10_000, 1)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 500_000


def fuzz_files(folder, n, seed):
    cells = n4.Population("cells", 3, lif(), v0=[-60.1, -55.7, -52.3] * u.mV)
    model = n4.Network(cells).build(dt=0.1 * u.ms, seed=0)
    path, draws = folder / "small.json", np.random.default_rng(seed)
    n4.io.save_json(path, model, model.init(KEY))
    text, other, refused = path.read_bytes(), folder / "other.json", 0
    for _ in range(n):
        other.write_bytes(mutated(text, draws))
        try:
            n4.io.load_json(other)
        except ValueError as error:
            refused += 1
            assert str(other) in str(error)
    return refused


def test_files(tmp_path):
    assert fuzz_files(tmp_path, 200, 0) > 100


@pytest.mark.full
def test_very_many_files(tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert fuzz_files(tmp_path, 10_000, 1) > 5_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 500_000
