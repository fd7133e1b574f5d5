"""The sense of balance."""

from typing import ClassVar

import numpy as np
from jaxtyping import Float

from neuro4d.senses._base import AbstractSense


class Vestibular(AbstractSense):
    r"""Five organs along x, and along y neurons that prefer different values: three semicircular canals, which feel rotation, then utricle and saccule, which
    feel acceleration.

    The site in row $j$ of $n$ prefers $c_j = -1 + 2 j / (n - 1)$, and takes $\max(1 - |v - c_j| (n - 1) / 2,\; 0)$ for the signed value $v$ of its organ: the nearest
    two rows share a value of 1, so that direction and size are read from the place.

    **Raises:** as every sense; `ValueError` where there are not five columns, or fewer than two rows.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> sheet = n4.Lattice((5, 5), spacing=50*u.um)
        >>> vestibular = n4.Population("V", sheet.all(), n4.LIF(tau=20*u.ms, c=20*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV))
        >>> balance = n4.senses.Vestibular("balance", vestibular, (5, 5))
        >>> balance.feed([0.75, 0, 0, 0, -1]).tolist()[0], balance.feed([0.75, 0, 0, 0, -1]).tolist()[4]
        ([0.0, 0.0, 0.0, 0.5, 0.5], [1.0, 0.0, 0.0, 0.0, 0.0])
    """

    organs: ClassVar[tuple[str, ...]] = ("horizontal", "anterior", "posterior", "utricle", "saccule")

    def __check_init__(self):
        if self.shape[0] != len(self.organs) or self.shape[1] < 2:
            raise ValueError(f"{self._where}: five organs and two rows or more, for example `shape=(5, 5)`; got {self.shape}.")

    def feed(self, motion: Float[np.ndarray, "*frames 5"], *, layer: int = 0, hold: int | None = None) -> Float[np.ndarray, "..."]:
        """Currents from a motion.

        **Arguments:** `motion`: a value from -1 to 1 for each of `organs`, or several, `(T, 5)`. `layer`, `hold`: as in `Plane.feed`.

        **Returns:** as `Plane.feed`.

        **Raises:** `TypeError`, `ValueError` for another shape, and for a value outside -1 to 1.
        """
        values = self._checked(motion, (len(self.organs),), "one value for each organ")
        if (np.abs(values) > 1).any():
            at = tuple(int(i) for i in np.argwhere(np.abs(values) > 1)[0])
            raise ValueError(
                f"{self._where}: a value lies between -1 and 1; the one at {at} is {values[at]}. Divide by the largest that there will be."
            )
        preferred = np.linspace(-1, 1, self.shape[1])
        near = 1 - np.abs(values[..., None] - preferred) * ((self.shape[1] - 1) / 2)
        return self._placed(np.maximum(near, 0), layer, hold)
