"""Senses: what becomes of images, sounds, maps, tastes, odours, motions and bytes, and where it arrives."""

import brainunit as u
import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neuro4d as n4
from neuro4d import senses

LATTICE = n4.Lattice((12, 12, 3), spacing=50 * u.um)
LIF = n4.LIF(tau=20 * u.ms, c=20 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)
CELLS = n4.Population("cells", LATTICE.all(), LIF)


def test_what_is_fed_arrives_at_its_sites():
    """A site fires where the image is bright, in the layer and at the coordinates that the port reaches, and no other."""
    eye = senses.Vision("eye", CELLS, (5, 4), depth=(2,), origin=(3, 6, 1), gain=1000 * u.pA)
    image = np.zeros((5, 4))
    image[[0, 4, 2], [0, 3, 1]] = 1
    model = n4.Network(CELLS, eye).build(dt=1 * u.ms)
    _, spikes = model.step(model.init(jax.random.key(0)), {"eye": eye.feed(image, layer=1)})
    span = model.populations["cells"]
    fired = np.asarray(spikes.fired(span.group))[span.start : span.start + span.size]
    found = {tuple(int(x) for x in place) for place in model.coordinates("cells")[fired]}
    assert found == {(3, 6, 2), (7, 9, 2), (5, 7, 2)}


def test_frames_and_steps():
    eye = senses.Vision("eye", CELLS, (3, 2), depth=(2, 1), gain=2 * u.pA)
    film = np.arange(24.0).reshape(4, 3, 2)
    assert eye.feed(film[0]).shape == (3, 2, 2, 1) and eye.feed(film).shape == (4, 3, 2, 2, 1)
    series = eye.feed(film, layer=1, hold=5)
    assert series.shape == (20, 3, 2, 2, 1) and not series[:, :, :, 0].any()
    np.testing.assert_array_equal(series[:, :, :, 1, 0], 2 * np.repeat(film, 5, axis=0))
    assert eye.feed(film[0], hold=7).shape == (7, 3, 2, 2, 1)


EAR = senses.Audition("ear", CELLS, (12, 3))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 11), st.floats(0.01, 5), st.floats(0, 6))
def test_a_tone_has_its_amplitude_in_its_band(band, amplitude, phase):
    """A tone in the middle of a band gives its amplitude there, and less than a tenth of it two bands away."""
    low, high = EAR.edges[band : band + 2]
    frequency = np.round(np.sqrt(low * high) / 25) * 25  # a frequency of the frame, so that no leakage but that of the window
    tone = amplitude * np.sin(2 * np.pi * frequency * np.arange(3200) / 16000 + phase)
    heard = EAR.feed(tone, rate=16 * u.kHz)
    assert heard.shape == (5, 12, 3) and (heard == heard[:, :, :1]).all()
    spread = np.sqrt((heard[:, max(band - 1, 0) : band + 2, 0] ** 2).sum(axis=1))  # the window spreads a tone over three frequencies
    np.testing.assert_allclose(spread, amplitude, rtol=1e-6)
    assert heard[:, [k for k in range(12) if abs(k - band) > 1]].max() < 0.1 * amplitude


def test_sound_ends_in_silence():
    """Frames begin every 10 ms while there is sound; what is after its end counts as silence."""
    tone = np.sin(2 * np.pi * 1000 * np.arange(1000) / 16000)
    heard = EAR.feed(tone, rate=16 * u.kHz, every=10 * u.ms)
    assert heard.shape == (7, 12, 3)
    assert heard[2].max() > heard[4].max() > heard[6].max() > 0
    assert EAR.feed(tone, rate=16 * u.kHz, every=10 * u.ms, hold=10).shape == (70, 12, 3)


def test_taste_and_smell():
    tongue, nose = senses.Taste("tongue", CELLS, (10, 4)), senses.Smell("nose", CELLS, (3, 4))
    strengths = np.array([[0.1, 0.2, 0.3, 0.4, 0.5], [1, 0, 0, 0, 0]])
    np.testing.assert_array_equal(tongue.feed(strengths)[:, ::2, 3], strengths)
    np.testing.assert_array_equal(tongue.feed(strengths)[:, 1::2, 0], strengths)
    np.testing.assert_array_equal(tongue.feed({"sour": 0.3})[4:6], 0.3)
    odours = np.random.default_rng(0).random((2, 12))
    np.testing.assert_array_equal(nose.feed(odours).reshape(2, 12), odours)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=5, max_size=5), st.integers(2, 12))
def test_motion_is_read_from_the_place(motion, rows):
    """The values of the rows of an organ sum up to 1, and their centre is the motion."""
    fed = senses.Vestibular("balance", CELLS, (5, rows)).feed(motion)
    np.testing.assert_allclose(fed.sum(axis=1), 1, rtol=1e-9)
    np.testing.assert_allclose(fed @ np.linspace(-1, 1, rows), motion, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=20))
def test_bytes(data):
    wire = senses.Digital("wire", CELLS, (3, 4))
    fed = wire.feed(data, pad=True, truncate=True).reshape(-1)
    expected = [byte / 255 for byte in data[:12]] + [0.0] * (12 - len(data))
    np.testing.assert_array_equal(fed, expected)
    for allowed in ({"pad": True}, {"truncate": True}):
        wrong = len(data) > 12 if "pad" in allowed else len(data) < 12
        if wrong:
            with pytest.raises(ValueError, match=f"takes 12 values; got {len(data)}"):
                wire.feed(data, **allowed)


def test_text_and_numbers():
    wire = senses.Digital("wire", CELLS, (2, 2))
    np.testing.assert_array_equal(wire.feed("äb", pad=True), wire.feed("äb".encode(), pad=True))
    np.testing.assert_array_equal(wire.feed([1, 2.5, -3, 4]), [[1, 2.5], [-3, 4]])


def test_by_name():
    eye, wire = senses.Vision("eye", CELLS, (2, 2)), senses.Digital("wire", CELLS, (2, 2))
    network = n4.Network(CELLS, eye, n4.Input("command", CELLS), wire)
    assert senses.senses_of(network) == {"eye": eye, "wire": wire}


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: senses.Vision("eye", CELLS, (5, 4)).feed(np.zeros((4, 5))),
            r"images of shape \(5, 4\), or several in a row, \(T, 5, 4\); got \(4, 5\)",
        ),
        (lambda: senses.Vision("eye", CELLS, (5, 4)).feed(np.zeros((5, 4)) * u.pA), "bare numbers"),
        (lambda: senses.Vision("eye", CELLS, (5, 4)).feed([["a"] * 4] * 5), "got"),
        (lambda: senses.Vision("eye", CELLS, (5, 4)).feed(np.full((5, 4), np.inf)), r"at \(0, 0\) is inf"),
        (lambda: senses.Vision("eye", CELLS, (5, 4)).feed(np.zeros((5, 4)), layer=1), "layers 0 to 0"),
        (lambda: senses.Vision("eye", CELLS, (5, 4)).feed(np.zeros((5, 4)), hold=0), "hold"),
        (lambda: senses.Vision("eye", CELLS, (5, 4, 3)), "sites along x and y"),
        (lambda: senses.Vision("eye", CELLS, (5, 0)), "shape or depth"),
        (lambda: senses.Touch("skin", CELLS, (2, 2)).feed([[0, 0], [0, -1]]), r"pressure is 0 or more; the one at \(1, 1\)"),
        (lambda: senses.Taste("tongue", CELLS, (6, 6)), r"shape=\(10, 10\)"),
        (lambda: senses.Taste("tongue", CELLS, (5, 6)).feed({"swet": 1}), "Did you mean 'sweet'"),
        (lambda: senses.Smell("nose", CELLS, (2, 2)).feed(np.zeros(5)), r"shape \(4,\)"),
        (lambda: senses.Vestibular("balance", CELLS, (4, 5)), "five organs"),
        (lambda: senses.Vestibular("balance", CELLS, (5, 5)).feed([0, 0, 0, 0, 1.5]), "between -1 and 1"),
        (lambda: senses.Digital("wire", CELLS, (2, 2)).feed({1, 2}), "got set"),
        (lambda: senses.Digital("wire", CELLS, (2, 2)).feed(np.zeros((2, 2))), "Flatten"),
        (lambda: senses.Audition("ear", CELLS, (5, 5), low=9 * u.kHz), "low lies below high"),
        (lambda: EAR.feed(np.zeros(100), rate=8 * u.kHz), "up to 4000 Hz"),
        (lambda: EAR.feed(np.zeros(100), rate=16 * u.kHz, every=0.1 * u.ms), "whole number of samples"),
        (lambda: EAR.feed(np.zeros((2, 100)), rate=16 * u.kHz), "samples"),
        (lambda: senses.Audition("ear", CELLS, (80, 5)).feed(np.zeros(100), rate=16 * u.kHz), "holds no frequency"),
        (lambda: n4.Network(CELLS, senses.Vision("eye", CELLS, (5, 4), depth=(3, 1))).build(dt=1 * u.ms), "axes of places"),
    ],
)
def test_mistakes(make, text):
    with pytest.raises((TypeError, ValueError, KeyError), match=text):
        make()
