"""Hearing: sound by frequency."""

import itertools
from typing import Any

import brainunit as u
import numpy as np
from jaxtyping import Float

from neuro4d._base import quantity, strip
from neuro4d.senses._base import AbstractSense


class Audition(AbstractSense):
    r"""The spectrum of a sound, a band of frequencies for each column x, low ones first; all rows of a column take the same value.

    The $n$ bands lie between `low` and `high`, their edges in equal ratios. Each frame of the sound, seen through a Hann window, gives each band the
    amplitude $\sqrt{2 P}$ of what the band holds of its power $P$ (the mean square): a pure tone of amplitude $A$ gives $A$ in its band.

    **Arguments:** those of every sense, and

    - `low`, `high`: the range of hearing, by default 200 Hz and 8 kHz. [frequency]
    - `frame`: the length of a frame, by default 40 ms; narrow bands need long ones. [time]

    **Raises:** as every sense; `UnitError`, `ValueError` where `low` is not below `high`.

    !!! Example

        >>> import brainunit as u, neuro4d as n4, numpy as np
        >>> sheet = n4.Lattice((20, 20), spacing=50*u.um)
        >>> a1 = n4.Population("A1", sheet.all(), n4.LIF(tau=20*u.ms, c=20*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV))
        >>> ear = n4.senses.Audition("ear", a1, (20, 20), gain=30*u.pA)
        >>> tone = np.sin(2*np.pi*1000*np.arange(16000)/16000)
        >>> heard = ear.feed(tone, rate=16*u.kHz)
        >>> heard.shape, int(heard[0, :, 0].argmax()), round(float(heard[0].max()), 1)
        ((25, 20, 20), 8, 30.0)
    """

    low: Any = quantity(u.Hz, low=0, open_low=True, default=200 * u.Hz)
    high: Any = quantity(u.Hz, low=0, open_low=True, default=8 * u.kHz)
    frame: Any = quantity(u.ms, low=0, open_low=True, default=40 * u.ms)

    def __check_init__(self):
        if np.ndim(self.low) or np.ndim(self.high) or np.ndim(self.frame) or not self.low < self.high:
            raise ValueError(
                f"{self._where}: low lies below high, for example `low=200*u.Hz, high=8*u.kHz`; got {self.low} and {self.high} Hz."
            )

    @property
    def edges(self) -> Float[np.ndarray, " bands+1"]:
        """The edges of the bands, in Hz."""
        return np.geomspace(float(self.low), float(self.high), self.shape[0] + 1)

    def feed(
        self, sound: Float[np.ndarray, " samples"], *, rate: Any, every: Any = None, layer: int = 0, hold: int | None = None
    ) -> Float[np.ndarray, "..."]:
        """Currents from a sound, one frame after the other.

        **Arguments:**

        - `sound`: samples `(n,)`.
        - `rate`: samples per time. [frequency]
        - `every`: from the beginning of one frame to that of the next, by default the length of a frame. [time]
        - `layer`: as in `Plane.feed`. `hold`: for how many steps each frame lasts, `every` over the time step for a sound in its own time; by default the result
          has one entry for each frame.

        **Returns:** pA, shape `(T, *shape, *depth)`: a frame for every beginning within the sound; after its end there is silence.

        **Raises:** `UnitError`; `TypeError`, `ValueError` for samples that are not finite, times that are no whole number of samples, and bands that
        hold no frequency of a frame.
        """
        hertz = float(strip(rate, u.Hz, f"{self._where}: rate"))
        samples = self._checked(sound, np.shape(sound)[-1:], "samples")
        if samples.ndim != 1 or not samples.size:
            raise ValueError(f"{self._where} takes samples of shape (n,), at least one; got {samples.shape}.")
        length = self._samples(float(self.frame), hertz, "frame")
        hop = length if every is None else self._samples(float(strip(every, u.ms, f"{self._where}: every")), hertz, "every")
        bands = self._bands(length, hertz)
        begins = np.arange(0, len(samples), hop)
        padded = np.concatenate([samples, np.zeros(length)])
        frames = padded[begins[:, None] + np.arange(length)]
        window = np.hanning(length + 1)[:-1]
        power = 2 * np.abs(np.fft.rfft(frames * window, axis=1)) ** 2 / (length * np.sum(window**2))
        amplitude = np.sqrt(2 * np.stack([power[:, band].sum(axis=1) for band in bands], axis=1))
        return self._placed(np.repeat(amplitude[:, :, None], self.shape[1], axis=2), layer, hold)

    def _samples(self, time_ms: float, hertz: float, what: str) -> int:
        count = time_ms * hertz / 1000
        if not np.isfinite(count) or round(count) < 1 or abs(count - round(count)) > 1e-6 * max(count, 1):
            raise ValueError(
                f"{self._where}: {what} is a whole number of samples, 1 or more; {time_ms:g} ms at {hertz:g} Hz are {count:g}."
            )
        return round(count)

    def _bands(self, length: int, hertz: float) -> list[np.ndarray]:
        """The frequencies of a frame that lie in each band."""
        if float(self.high) > hertz / 2:
            raise ValueError(
                f"{self._where}: a sound of {hertz:g} samples per second has frequencies up to {hertz / 2:g} Hz; `high` is {float(self.high):g}."
            )
        frequencies, edges = np.fft.rfftfreq(length, 1 / hertz), self.edges
        bands = [np.flatnonzero((frequencies >= a) & (frequencies < b)) for a, b in itertools.pairwise(edges)]
        for number, band in enumerate(bands):
            if not band.size:
                raise ValueError(
                    f"{self._where}: band {number}, {edges[number]:.4g} to {edges[number + 1]:.4g} Hz, holds no frequency of a frame, which are "
                    f"{hertz / length:g} Hz apart. Use a longer `frame`, a higher `low`, or fewer bands."
                )
        return bands
