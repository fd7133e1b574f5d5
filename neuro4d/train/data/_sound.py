"""Sound as spikes: WAV files, a bank of gammatone filters, and channels that fire as they are driven."""

import math
import wave
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import brainunit as u
import numpy as np

from neuro4d._base import check_count, strip
from neuro4d.train.data._dataset import Dataset
from neuro4d.train.data._errors import DataFormatError, checked_file
from neuro4d.train.data._events import bin_of, summed
from neuro4d.train.data._files import FileSamples, files_by_class

_TOGETHER = 32
"""Channels that are filtered at once: more only take memory."""


class Sound(NamedTuple):
    """One channel of sound.

    **Fields:** `samples`: float32, full scale is 1; `rate`: samples per second.
    """

    samples: np.ndarray
    rate: int


class ChannelSpikes(NamedTuple):
    """Spikes of the channels of a filter bank.

    **Fields:** `t`: microseconds, in order; `channel`: from low to high frequencies; `centres`: the frequency of each channel, Hz.
    """

    t: np.ndarray
    channel: np.ndarray
    centres: np.ndarray


def read_wav(path: str | PathLike[str], *, channel: int | None = None) -> Sound:
    """The sound in a WAV file of whole numbers with 8, 16, 24 or 32 bits.

    **Arguments:** `channel`: which one of several, from 0; needed where there are several.

    **Raises:** `FileNotFoundError`; `DataFormatError` for another format, a file that is cut or silent about its length; `ValueError`
    where a channel has to be chosen.

    !!! Example

        >>> import wave
        >>> with wave.open("short.wav", "wb") as file:
        ...     file.setparams((1, 2, 8000, 0, "NONE", "")); file.writeframes(bytes([0, 0, 0, 64]))
        >>> n4.train.data.read_wav("short.wav")
        Sound(samples=array([0. , 0.5], dtype=float32), rate=8000)
    """
    found = checked_file(path, "read_wav")
    try:
        with wave.open(str(found), "rb") as file:
            n_channels, width, rate, due = file.getnchannels(), file.getsampwidth(), file.getframerate(), file.getnframes()
            raw = file.readframes(due)
    except (wave.Error, EOFError, RuntimeError) as error:
        raise DataFormatError(f"{str(found)!r} is no WAV file of whole numbers: {error}. Convert it to 16 bits first.") from error
    if rate < 1 or width not in (1, 2, 3, 4) or len(raw) != due * width * n_channels:
        raise DataFormatError(
            f"{str(found)!r} says it holds {due} samples of {n_channels} channels at {rate} Hz; it is cut. Copy it again."
        )
    if channel is None and n_channels > 1:
        raise ValueError(f"{str(found)!r} has {n_channels} channels; say which, for example `channel=0`.")
    if channel is not None and not 0 <= check_count(channel, "channel", low=0) < n_channels:
        raise ValueError(f"{str(found)!r} has the channels 0 to {n_channels - 1}; got {channel}.")
    return Sound(_floats(raw, width).reshape(-1, n_channels)[:, channel or 0], rate)


def _floats(raw: bytes, width: int) -> np.ndarray:
    """Samples from -1 to 1. Those of 8 bits have no sign and rest at 128."""
    if width == 1:
        return (np.frombuffer(raw, np.uint8).astype(np.float32) - 128) / 128
    parts = np.frombuffer(raw, np.uint8).reshape(-1, width)
    wide = np.zeros((len(parts), 4), np.uint8)
    wide[:, 4 - width :] = parts
    return (wide.view("<i4")[:, 0] / 2.0**31).astype(np.float32)


def erb_centres(channels: int, low: Any, high: Any) -> np.ndarray:
    r"""Frequencies that lie equally far apart on the scale of equivalent rectangular bandwidths, in Hz.

    $$ E(f) = 21.4 \log_{10}(1 + 0.00437 f) $$

    **Source:** B. R. Glasberg and B. C. J. Moore (1990), Hearing Research 47, 103.

    !!! Example

        >>> n4.train.data.erb_centres(3, 100*u.Hz, 8*u.kHz).round()
        array([ 100., 1416., 8000.])
    """
    check_count(channels, "channels")
    ends = [float(strip(f, u.Hz, name)) for f, name in ((low, "low"), (high, "high"))]
    if not 0 < ends[0] < ends[1]:
        raise ValueError(f"low lies above 0 and below high, for example `low=80*u.Hz, high=8*u.kHz`; got {ends[0]:g} and {ends[1]:g} Hz.")
    first, last = (math.log1p(0.00437 * f) for f in ends)
    return np.expm1(np.linspace(first, last, channels)) / 0.00437


def gammatone(sound: Sound, centres: np.ndarray) -> np.ndarray:
    r"""Sound through gammatone filters of fourth order, `(channels, samples)`, float32. A tone at the centre of a filter passes unchanged.

    $$ g(t) = t^3 e^{-2 \pi b t} \cos(2 \pi f t), \qquad b = 1.019 \cdot 24.7\,(0.00437 f + 1) $$

    **Raises:** `ValueError` for a centre at or above half of the sampling rate.

    **Source:** R. D. Patterson et al. (1992), in Auditory Physiology and Perception, 429; bandwidths after Glasberg and Moore (1990).
    """
    if np.max(centres) >= sound.rate / 2:
        raise ValueError(
            f"the highest channel, {np.max(centres):.0f} Hz, lies below half of the sampling rate of {sound.rate} Hz; lower `high`."
        )
    n = len(sound.samples)
    width = 1.019 * 24.7 * (0.00437 * np.asarray(centres) + 1)
    taps = int(
        np.ceil(sound.rate * 12 / (2 * np.pi * width.min()))
    )  # after 12 time constants t^3 e^-t has fallen by 3 / 10,000 of its peak
    t = np.arange(taps) / sound.rate
    size = 1 << (n + taps - 1).bit_length()
    spectrum = np.fft.rfft(sound.samples, size)
    out = np.empty((len(centres), n), np.float32)
    for begin in range(0, len(centres), _TOGETHER):
        piece = slice(begin, begin + _TOGETHER)
        f, b = np.asarray(centres)[piece, None], width[piece, None]
        response = t**3 * np.exp(-2 * np.pi * b * t) * np.cos(2 * np.pi * f * t)
        gain = np.abs(np.sum(response * np.exp(-2j * np.pi * f * t), axis=1, keepdims=True))
        out[piece] = np.fft.irfft(np.fft.rfft(response / gain, size) * spectrum, size)[:, :n]
    return out


def sound_to_spikes(
    sound: Sound,
    *,
    channels: int = 64,
    low: Any = 80 * u.Hz,
    high: Any = 7 * u.kHz,
    max_rate: Any = 500 * u.Hz,
    compression: float = 0.3,
) -> ChannelSpikes:
    r"""What a simple cochlea fires: gammatone filters, half-wave rectification, compression, and one integrator per channel.

    A channel gathers $r(t) = r_\mathrm{max} \max(y(t), 0)^c / m_c$ over time and fires when it has gathered 1 more; nothing leaks and
    nothing is lost at a spike. The mean $m_c$ of a half-wave to the power $c$ makes the rate readable: a tone of amplitude $a$ at the
    centre of a channel fires at $r_\mathrm{max} a^c$. Spikes keep to the upper half of a slow wave. No randomness.

    **Arguments:**

    - `sound`: of `read_wav`, or `Sound(samples, rate)`.
    - `channels`, `low`, `high`: how many, and the centres of the lowest and the highest. [frequency]
    - `max_rate` $r_\mathrm{max}$: of a tone of full scale. At most a tenth of the sampling rate. [frequency]
    - `compression` $c$: exponent, above 0 and at most 1.

    !!! Example

        >>> tone = n4.train.data.Sound(np.sin(2*np.pi*1000*np.arange(16000)/16000), 16000)
        >>> spikes = n4.train.data.sound_to_spikes(tone, channels=5, low=500*u.Hz, high=2*u.kHz)
        >>> np.bincount(spikes.channel).argmax(), spikes.centres.round()
        (np.int64(2), array([ 500., 735., 1046., 1457., 2000.]))
    """
    rate = float(strip(max_rate, u.Hz, "max_rate"))
    if not 0 < rate <= sound.rate / 10:
        raise ValueError(f"max_rate lies above 0 and is at most a tenth of the sampling rate, {sound.rate / 10:g} Hz; got {rate:g} Hz.")
    if not 0 < compression <= 1:
        raise ValueError(f"compression is an exponent above 0 and at most 1; got {compression!r}.")
    centres = erb_centres(channels, low, high)
    mean = math.gamma((compression + 1) / 2) / (2 * math.sqrt(math.pi) * math.gamma(compression / 2 + 1))
    driven = np.maximum(gammatone(sound, centres), 0).astype(np.float64) ** compression
    gathered = np.floor(np.cumsum(driven, axis=1) * (rate / (mean * sound.rate)))
    channel, sample = np.nonzero(np.diff(gathered, axis=1, prepend=0) > 0)
    order = np.argsort(sample, kind="stable")
    return ChannelSpikes(sample[order] * 1_000_000 // sound.rate, channel[order], centres)


def load_sound_folder(
    folder: str | PathLike[str],
    *,
    bins: int,
    duration: Any,
    channels: int = 64,
    low: Any = 80 * u.Hz,
    high: Any = 7 * u.kHz,
    max_rate: Any = 500 * u.Hz,
    compression: float = 0.3,
    channel: int | None = None,
    late: str = "refuse",
    counts: bool = True,
) -> Dataset:
    """A folder with one folder of WAV files per class, as spikes in bins of time. A batch is `(time, batch, channels)`.

    **Arguments:** as of `read_wav`, `sound_to_spikes` and `frames`. A file is read and filtered each time a batch asks for it; to go
    through a large set many times, keep `data.x`.
    """
    paths, labels, classes = files_by_class(folder, (".wav",), "load_sound_folder")

    def as_bins(path: Path) -> np.ndarray:
        sound = read_wav(path, channel=channel)
        spikes = sound_to_spikes(sound, channels=channels, low=low, high=high, max_rate=max_rate, compression=compression)
        when, kept = bin_of(spikes.t, bins, duration, late)
        return summed(when, spikes.channel[kept], (bins, channels), counts)

    shape = (check_count(bins, "the number of bins"), check_count(channels, "channels"))
    return Dataset(FileSamples(paths, as_bins, shape=shape), labels, classes=classes, timed=True)
