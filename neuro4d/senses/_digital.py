"""A sense for data of any kind: bytes, text, numbers."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from neuro4d.senses._base import AbstractSense


class Digital(AbstractSense):
    """Bytes, text or numbers, one for each site, numbered along y first. Bytes are divided by 255; text is taken as UTF-8.

    **Raises:** as every sense.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> sheet = n4.Lattice((2, 2), spacing=50*u.um)
        >>> sensor = n4.Population("sensor", sheet.all(), n4.LIF(tau=20*u.ms, c=20*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV))
        >>> wire = n4.senses.Digital("wire", sensor, (2, 2), gain=51*u.pA)
        >>> wire.feed(bytes([0, 5, 255]), pad=True).tolist()
        [[0.0, 1.0], [51.0, 0.0]]
        >>> wire.feed("hello")
        Traceback (most recent call last):
        ValueError: Digital 'wire' takes 4 values; got 5. Say `truncate=True` to leave out the last, or feed them one piece after the other.
    """

    def feed(
        self,
        data: bytes | str | Sequence[float] | Float[np.ndarray, " values"],
        *,
        pad: bool = False,
        truncate: bool = False,
        layer: int = 0,
        hold: int | None = None,
    ) -> Float[np.ndarray, "..."]:
        """Currents from data.

        **Arguments:**

        - `data`: bytes, text, or numbers, which are taken as they are: as many as there are sites.
        - `pad`: whether fewer may be given; the rest is then 0. `truncate`: whether more may be given; the rest is then left out.
        - `layer`, `hold`: as in `Plane.feed`.

        **Returns:** as `Plane.feed`, of one frame.

        **Raises:** `TypeError` for other data, `ValueError` for too few or too many, and for numbers that are not finite.
        """
        raw = data.encode() if isinstance(data, str) else data
        if isinstance(raw, bytes | bytearray):
            values = np.frombuffer(bytes(raw), np.uint8) / 255
        elif isinstance(raw, list | tuple | np.ndarray):
            values = self._checked(raw, np.shape(raw)[-1:], "numbers")
        else:
            raise TypeError(f"{self._where} takes bytes, a text or numbers; got {type(data).__name__}.")
        if values.ndim != 1:
            raise ValueError(
                f"{self._where} takes one number after the other; got the shape {values.shape}. Flatten it first: `data.reshape(-1)`."
            )
        sites = self.shape[0] * self.shape[1]
        if len(values) < sites and not pad:
            raise ValueError(f"{self._where} takes {sites} values; got {len(values)}. Say `pad=True` for zeros after them.")
        if len(values) > sites and not truncate:
            raise ValueError(
                f"{self._where} takes {sites} values; got {len(values)}. Say `truncate=True` to leave out the last, or feed them one piece after the other."
            )
        padded = np.zeros(sites)
        padded[: len(values)] = values[:sites]
        return self._placed(padded.reshape(self.shape), layer, hold)
