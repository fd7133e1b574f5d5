"""Loaders: tiny files of every format, written here and read back, whole and damaged."""

import contextlib
import importlib.util
import sys
import wave

import brainunit as u
import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neuro4d as n4
from neuro4d.train import data as d

# --- images -------------------------------------------------------------------------------------------------------------------


def netpbm(kind, values, most):
    """A PGM or PPM file of `values`, `(height, width, channels)`."""
    head = f"P{kind}\n# a remark 9 9\n{values.shape[1]} {values.shape[0]}\n{most}\n".encode()
    if kind in (2, 3):
        return head + "\n".join(str(v) for v in values.ravel()).encode()
    return head + values.astype(">u2" if most > 255 else "u1").tobytes()


@given(
    colour=st.booleans(),
    raw=st.booleans(),
    most=st.sampled_from([1, 16, 255, 256, 65535]),
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
)
def test_netpbm_gives_back_what_was_written(tmp_path_factory, colour, raw, most, size):
    channels = 3 if colour else 1
    values = np.random.default_rng(most).integers(0, most + 1, (*size, channels))
    path = tmp_path_factory.mktemp("image") / ("x.ppm" if colour else "x.pgm")
    path.write_bytes(netpbm((6 if raw else 3) if colour else (5 if raw else 2), values, most))
    read = d.read_image(path)
    assert read.shape == (*size, channels) and read.dtype == np.float32
    assert np.array_equal(np.rint(read * most), values)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no PGM or PPM"),
        (b"P7 1 1 255 x", "no PGM or PPM"),
        (b"P5 2 2 255\nabc", "4 bytes of pixels; 3 follow"),
        (b"P5 1 1 255\nabc", "1 bytes of pixels; 3 follow"),
        (b"P5 99999 99999 255\n", "pixels"),
        (b"P5 1 1 0\na", "largest value"),
        (b"P5 1 1 3\na", "up to 3"),
        (b"P2 1 1 3\n-1", "not only numbers"),
        (b"P2 2 1 3\n1", "holds 2 values"),
    ],
)
def test_netpbm_that_is_damaged(tmp_path, content, says):
    (tmp_path / "x.pgm").write_bytes(content)
    with pytest.raises(d.DataFormatError, match=says):
        d.read_image(tmp_path / "x.pgm")


@pytest.mark.skipif(importlib.util.find_spec("PIL") is None, reason="Pillow is not installed")
def test_png_through_pillow(tmp_path):
    from PIL import Image

    grey, colour = np.arange(6, dtype=np.uint8).reshape(2, 3) * 50, np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    for name, array in (("grey", grey), ("colour", colour), ("deep", grey.astype(np.uint16) * 200)):
        Image.fromarray(array).save(tmp_path / f"{name}.png")
    assert np.array_equal(np.rint(d.read_image(tmp_path / "grey.png")[..., 0] * 255), grey)
    assert np.array_equal(np.rint(d.read_image(tmp_path / "colour.png") * 255), colour)
    assert np.array_equal(np.rint(d.read_image(tmp_path / "deep.png")[..., 0] * 65535), grey.astype(int) * 200)
    Image.fromarray(np.zeros((2, 2, 4), np.uint8)).save(tmp_path / "clear.png")
    with pytest.raises(d.DataFormatError, match="without transparency"):
        d.read_image(tmp_path / "clear.png")
    whole = (tmp_path / "grey.png").read_bytes()
    for content in (b"no image", whole[:-30]):
        (tmp_path / "bad.png").write_bytes(content)
        with pytest.raises(d.DataFormatError, match=r"bad\.png"):
            d.read_image(tmp_path / "bad.png")


def test_without_pillow(tmp_path, monkeypatch):
    (tmp_path / "x.png").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ImportError, match="pip install pillow"):
        d.read_image(tmp_path / "x.png")


def test_a_folder_of_images(tmp_path):
    for k, (name, file) in enumerate([("b", "2.pgm"), ("a", "1.pgm"), ("b", "1.pgm")]):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / file).write_bytes(netpbm(5, np.full((2, 3, 1), k), 4))
    data = d.load_image_folder(tmp_path)
    assert data.classes == ("a", "b") and data.y.tolist() == [0, 1, 1] and data.shape == (2, 3, 1)
    assert (data.x[:, 0, 0, 0] * 4).tolist() == [1, 2, 0]
    (tmp_path / "a" / "3.pgm").write_bytes(netpbm(5, np.zeros((9, 9, 1)), 4))
    with pytest.raises(d.DataFormatError, match="one shape"):
        _ = d.load_image_folder(tmp_path).x
    (tmp_path / "a" / "notes.txt").write_text("")
    with pytest.raises(d.DataFormatError, match=r"notes\.txt"):
        d.load_image_folder(tmp_path)
    (tmp_path / "c").mkdir()
    with pytest.raises(d.DataFormatError, match="no folder"):
        d.load_image_folder(tmp_path / "c")


# --- events -------------------------------------------------------------------------------------------------------------------


def some_events(n, size, last, seed=0):
    rng = np.random.default_rng(seed)
    events = np.zeros(n, d.EVENT)
    events["t"] = np.sort(rng.integers(0, last + 1, n))
    events["x"], events["y"], events["p"] = rng.integers(0, size[0], n), rng.integers(0, size[1], n), rng.integers(0, 2, n)
    return events


@given(n=st.integers(0, 40), bins=st.integers(1, 7), seed=st.integers(0, 99))
def test_frames_count_every_event_where_it_is(n, bins, seed):
    events = some_events(n, (5, 3), 999, seed)
    found = d.frames(events, size=(5, 3), bins=bins, duration=1 * u.ms)
    by_hand = np.zeros((bins, 2, 3, 5))
    for t, x, y, p in events:
        by_hand[int(t) * bins // 1000, p, y, x] += 1
    assert np.array_equal(found, by_hand)
    assert np.array_equal(d.frames(events, size=(5, 3), bins=bins, duration=1 * u.ms, counts=False), by_hand > 0)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"p": [0, -1]}, "p lies between 0"),
        ({"p": [0, 2]}, "p is 1"),
        ({"t": [5, 3]}, "times go back, first at event 1"),
        ({"t": [0.5, 1.0]}, "whole numbers, t in microseconds"),
        ({"x": [0, 2**40]}, "x lies between"),
        ({"x": [0]}, "one entry per event"),
        ({"y": None}, "t, x, y and p"),
    ],
)
def test_events_that_are_none(changes, says):
    columns = {"t": [0, 1], "x": [0, 1], "y": [0, 1], "p": [0, 1], **changes}
    with pytest.raises(d.DataFormatError, match=says):
        d.as_events({key: column for key, column in columns.items() if column is not None})


def test_events_beside_the_sensor_or_late():
    events = some_events(50, (5, 3), 999)
    with pytest.raises(ValueError, match="beside a sensor"):
        d.frames(events, size=(3, 5), bins=2, duration=1 * u.ms)
    with pytest.raises(ValueError, match="at 500 us or later"):
        d.frames(events, size=(5, 3), bins=2, duration=0.5 * u.ms)
    kept = d.frames(events, size=(5, 3), bins=2, duration=0.5 * u.ms, late="drop")
    assert kept.sum() == np.sum(events["t"] < 500)
    with pytest.raises(TypeError, match="duration"):
        d.frames(events, size=(5, 3), bins=2, duration=1000)


def test_event_files(tmp_path):
    events = some_events(20, (5, 3), 99)
    np.save(tmp_path / "x.npy", events)
    np.savez(tmp_path / "x.npz", **{key: events[key] for key in events.dtype.names})
    for name in ("x.npy", "x.npz"):
        assert np.array_equal(d.read_events(tmp_path / name), events)
    np.save(tmp_path / "object.npy", np.array([{}], object), allow_pickle=True)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "x.npz").read_bytes()[:100])
    for name in ("object.npy", "cut.npz"):
        with pytest.raises(d.DataFormatError, match="plain numbers"):
            d.read_events(tmp_path / name)
    for name in ("0", "1"):
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / "x.npz").write_bytes((tmp_path / "x.npz").read_bytes())
    data = d.load_event_folder(tmp_path / "set", size=(5, 3), bins=4, duration=100 * u.us)
    (batch,) = data.batches(2, drop_last=True)
    assert batch.x.shape == (4, 2, 2, 3, 5) and batch.x[:, 1].sum() == 20
    with pytest.raises(ValueError, match=r"x\.npz.*beside a sensor"):
        _ = d.load_event_folder(tmp_path / "set", size=(2, 3), bins=4, duration=100 * u.us).x


# --- N-MNIST ------------------------------------------------------------------------------------------------------------------


def nmnist_bytes(events):
    t = events["t"]
    word = [events["x"], events["y"], events["p"].astype(int) << 7 | t >> 16, t >> 8 & 255, t & 255]
    return np.stack(word, 1).astype(np.uint8).tobytes()


@given(n=st.integers(0, 30), seed=st.integers(0, 99))
def test_nmnist_gives_back_what_was_written(tmp_path_factory, n, seed):
    events = some_events(n, (34, 34), 2**23 - 1, seed)
    path = tmp_path_factory.mktemp("nmnist") / "x.bin"
    path.write_bytes(nmnist_bytes(events))
    assert np.array_equal(d.read_nmnist(path), events)


def test_nmnist_overflow_and_damage(tmp_path):
    (tmp_path / "x.bin").write_bytes(bytes([1, 2, 0x80, 0, 5, 0, 240, 0, 0, 0, 3, 4, 0, 0, 6]))
    assert d.read_nmnist(tmp_path / "x.bin").tolist() == [(5, 1, 2, 1), (8192 + 6, 3, 4, 0)]
    for content, says in ((bytes(7), "no multiple of the 5"), (bytes([0, 0, 0, 0, 9, 0, 0, 0, 0, 8]), "go back, first at event 1")):
        (tmp_path / "x.bin").write_bytes(content)
        with pytest.raises(d.DataFormatError, match=says):
            d.read_nmnist(tmp_path / "x.bin")


def test_a_folder_of_nmnist(tmp_path):
    for k in range(10):
        (tmp_path / str(k)).mkdir()
        (tmp_path / str(k) / "00001.bin").write_bytes(nmnist_bytes(some_events(k, (34, 34), 310_000, k)))
    data = d.load_nmnist(tmp_path, bins=6, duration=311 * u.ms)
    assert data.shape == (6, 2, 34, 34) and data.y.tolist() == list(range(10))
    assert data.x.sum(axis=(1, 2, 3, 4)).tolist() == list(range(10))


# --- SHD ----------------------------------------------------------------------------------------------------------------------


def shd_file(n=3, seed=0):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, 30, n)
    return {
        "spikes/times": [np.sort(rng.uniform(0, 1, k)).astype(np.float16) * 0.9 for k in sizes],
        "spikes/units": [rng.integers(0, 700, k).astype(np.uint16) for k in sizes],
        "labels": rng.integers(0, 20, n).astype(np.uint16),
    }


def test_shd_counts_every_spike_where_it_is():
    file = shd_file()
    data = d.load_shd(file, bins=10, duration=1 * u.second, merge=5)
    by_hand = np.zeros((3, 10, 140))
    for k, (t, unit) in enumerate(zip(file["spikes/times"], file["spikes/units"])):
        np.add.at(by_hand[k], (np.floor(t.astype(float) * 10).astype(int), unit // 5), 1)
    assert np.array_equal(data.x, by_hand) and np.array_equal(data.y, file["labels"])
    (batch,) = data[[2, 0]].batches(2, drop_last=True)
    assert np.array_equal(batch.x, by_hand[[2, 0]].transpose(1, 0, 2))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"labels": np.zeros(2, int)}, "a label each"),
        ({"spikes/units": [np.array([700])]}, "between 0 and 699"),
        ({"spikes/units": [np.array([1, 2])]}, "go in pairs"),
        ({"spikes/times": [np.array([-0.1])]}, "seconds from 0"),
        ({"spikes/times": [np.array([np.nan])]}, "seconds from 0"),
        ({"spikes/times": None}, "no 'spikes/times'"),
    ],
)
def test_shd_that_is_damaged(changes, says):
    file = {"spikes/times": [np.array([0.5])], "spikes/units": [np.array([1])], "labels": np.array([0]), **changes}
    with pytest.raises(d.DataFormatError, match=says):
        d.load_shd({key: column for key, column in file.items() if column is not None}, bins=2, duration=1 * u.second)


def test_shd_spikes_that_are_late():
    file = {"spikes/times": [np.array([0.5, 1.2])], "spikes/units": [np.array([1, 1])], "labels": np.array([0])}
    with pytest.raises(ValueError, match="recording 0: 1 events"):
        d.load_shd(file, bins=2, duration=1 * u.second)
    assert d.load_shd(file, bins=2, duration=1 * u.second, late="drop").x.sum() == 1
    for wrong, says in (({"bins": 0}, "at least 1"), ({"duration": 0 * u.second}, "more than 0"), ({"late": "keep"}, "refuse")):
        with pytest.raises(ValueError, match=says):
            d.load_shd({}, **{"bins": 2, "duration": 1 * u.second, **wrong})  # before the file is looked at
    with pytest.raises(TypeError, match=r"n4\.io\.open_hdf5"):
        d.load_shd("shd.h5", bins=2, duration=1 * u.second)


def test_shd_as_hdf5(tmp_path):
    with pytest.raises(FileNotFoundError, match="Nothing is downloaded"):
        n4.io.open_hdf5(tmp_path / "no.h5")
    content = shd_file()
    with h5py.File(tmp_path / "shd.h5", "w") as file:
        for name, kind in (("times", np.float16), ("units", np.uint16)):
            column = file.create_dataset(f"spikes/{name}", (3,), dtype=h5py.vlen_dtype(np.dtype(kind)))
            for k in range(3):
                column[k] = content[f"spikes/{name}"][k].astype(kind)
        file["labels"] = content["labels"]
    with n4.io.open_hdf5(tmp_path / "shd.h5") as file:
        data = d.load_shd(file, bins=10, duration=1 * u.second)
    assert np.array_equal(data.x, d.load_shd(content, bins=10, duration=1 * u.second).x)
    with h5py.File(tmp_path / "away.h5", "w") as file:
        file["labels"] = h5py.ExternalLink("shd.h5", "/labels")
    with pytest.raises(ValueError, match="link to another file"):
        n4.io.open_hdf5(tmp_path / "away.h5")
    (tmp_path / "none.h5").write_bytes(b"none")
    with pytest.raises(ValueError, match="no HDF5 file"):
        n4.io.open_hdf5(tmp_path / "none.h5")


# --- sound --------------------------------------------------------------------------------------------------------------------


def write_wav(path, samples, width, rate=16000):
    """Whole numbers `(samples, channels)` of `width` bytes."""
    with wave.open(str(path), "wb") as file:
        file.setparams((samples.shape[1], width, rate, 0, "NONE", ""))
        raw = samples.astype(np.uint8) if width == 1 else samples.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :width]
        file.writeframes(raw.tobytes())


@given(width=st.sampled_from([1, 2, 3, 4]), channels=st.integers(1, 3), n=st.integers(0, 20))
def test_wav_gives_back_what_was_written(tmp_path_factory, width, channels, n):
    most = 2 ** (8 * width - 1)
    values = np.random.default_rng(n).integers(-most, most, (n, channels))
    path = tmp_path_factory.mktemp("wav") / "x.wav"
    write_wav(path, values + (128 if width == 1 else 0), width)
    sound = d.read_wav(path, channel=channels - 1)
    assert sound.rate == 16000
    assert np.array_equal(sound.samples, (values[:, -1] / most).astype(np.float32))


def test_wav_that_is_damaged_or_has_channels(tmp_path):
    write_wav(tmp_path / "x.wav", np.zeros((9, 2)), 2)
    with pytest.raises(ValueError, match="say which"):
        d.read_wav(tmp_path / "x.wav")
    with pytest.raises(ValueError, match="channels 0 to 1"):
        d.read_wav(tmp_path / "x.wav", channel=2)
    whole = (tmp_path / "x.wav").read_bytes()
    floats = whole[:20] + b"\x03\x00" + whole[22:]
    for content in (b"", b"RIFF", whole[:-4], floats):
        (tmp_path / "x.wav").write_bytes(content)
        with pytest.raises(d.DataFormatError, match=r"x\.wav"):
            d.read_wav(tmp_path / "x.wav", channel=0)


def tone(frequency, amplitude, seconds=1.0, rate=16000):
    return d.Sound((amplitude * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)).astype(np.float32), rate)


def test_a_tone_at_a_centre_passes_unchanged_and_others_do_not():
    centres = d.erb_centres(3, 500 * u.Hz, 2 * u.kHz)
    passed = d.gammatone(tone(centres[1], 0.3), centres)[:, 8000:]
    assert np.sqrt(2) * passed[1].std() == pytest.approx(0.3, rel=1e-3)
    assert max(passed[0].std(), passed[2].std()) < 0.01 * passed[1].std()
    with pytest.raises(ValueError, match="half of the sampling rate"):
        d.gammatone(tone(500, 1, rate=3000), centres)


@pytest.mark.parametrize(("amplitude", "compression"), [(1.0, 0.3), (0.1, 0.3), (0.25, 1.0)])
def test_the_rate_of_a_tone_is_the_one_that_is_promised(amplitude, compression):
    """r = r_max a^c at the centre, to the few spikes that the onset of the filter costs. Samples fall on all phases of the tone."""
    spikes = d.sound_to_spikes(tone(1000.3, amplitude), channels=1, low=1000.3 * u.Hz, high=1001 * u.Hz, compression=compression)
    assert len(spikes.t) == pytest.approx(500 * amplitude**compression, abs=3)
    assert np.all(np.diff(spikes.t) >= 0) and spikes.t[-1] < 1e6


def test_a_folder_of_sounds(tmp_path):
    for name, frequency in (("high", 2000), ("low", 500)):
        (tmp_path / name).mkdir()
        write_wav(tmp_path / name / "x.wav", (tone(frequency, 0.9, 0.2).samples[:, None] * 32767).astype(int), 2)
    data = d.load_sound_folder(tmp_path, bins=10, duration=200 * u.ms, channels=8, low=400 * u.Hz, high=3 * u.kHz)
    best = data.x.sum(axis=1).argmax(axis=1)
    centres = d.erb_centres(8, 400 * u.Hz, 3 * u.kHz)
    assert data.shape == (10, 8) and data.classes == ("high", "low")
    assert best.tolist() == [int(np.abs(centres - f).argmin()) for f in (2000, 500)]


# --- anything at all ----------------------------------------------------------------------------------------------------------

BEGINNINGS = {
    "x.idx": (d.read_idx, [b"", b"\0\0\x08\x01", b"\0\0\x0d\x02\0\0", b"\x1f\x8b\x08\0"]),
    "x.pgm": (d.read_image, [b"", b"P5 2 1 255 ", b"P2 1 1 9\n", b"P6\n#\n1 1 65535\n"]),
    "x.png": (d.read_image, [b"", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"BM", b"GIF89a"]),
    "x.npz": (
        d.read_events,
        [b"", b"PK\x03\x04", b"\x93NUMPY\x01\0", b"\x93NUMPY\x01\0F\0{'descr': '<i8', 'fortran_order': False, 'shape': (9"],
    ),
    "x.bin": (d.read_nmnist, [b"", bytes(5)]),
    "x.wav": (d.read_wav, [b"", b"RIFF\x24\0\0\0WAVE", b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0"]),
}


@pytest.mark.parametrize("name", BEGINNINGS)
@given(data=st.data(), rest=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path_factory, name, data, rest):
    """Whatever a file holds, a loader gives an array or says that the format is wrong; nothing else is raised, nothing large is allocated."""
    if name == "x.png" and importlib.util.find_spec("PIL") is None:
        pytest.skip("Pillow is not installed")
    read, beginnings = BEGINNINGS[name]
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(data.draw(st.sampled_from(beginnings)) + rest)
    with contextlib.suppress(d.DataFormatError):
        read(path)
