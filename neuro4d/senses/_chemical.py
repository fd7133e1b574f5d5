"""Taste and smell: how strong each of several kinds of receptors is excited."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from neuro4d._base import lookup
from neuro4d.senses._base import AbstractSense


class Taste(AbstractSense):
    """Five qualities, each on its columns: the sites along x are cut into five equal parts, sweet first, and all sites of a part take the same value.

    **Raises:** as every sense; `ValueError` where the number of columns is no multiple of 5.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> sheet = n4.Lattice((10, 10), spacing=50*u.um)
        >>> gustatory = n4.Population("G", sheet.all(), n4.LIF(tau=20*u.ms, c=20*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV))
        >>> tongue = n4.senses.Taste("tongue", gustatory, (10, 10), gain=30*u.pA)
        >>> tongue.feed({"sweet": 1.0, "umami": 0.5})[:, 0]
        array([30., 30.,  0.,  0.,  0.,  0.,  0.,  0., 15., 15.])
    """

    qualities: ClassVar[tuple[str, ...]] = ("sweet", "salty", "sour", "bitter", "umami")

    def __check_init__(self):
        if self.shape[0] % len(self.qualities):
            raise ValueError(f"{self._where}: five qualities share the columns, for example `shape=(10, 10)`; got {self.shape[0]} of them.")

    def feed(
        self, taste: Mapping[str, float] | Float[np.ndarray, "*frames 5"], *, layer: int = 0, hold: int | None = None
    ) -> Float[np.ndarray, "..."]:
        """Currents from a taste.

        **Arguments:** `taste`: strengths, 0 or more, by quality (those that are not named are 0), or as a vector in the order of `qualities`, or
        several, `(T, 5)`. `layer`, `hold`: as in `Plane.feed`.

        **Returns:** as `Plane.feed`.

        **Raises:** `KeyError` for an unknown quality, `TypeError`, `ValueError` for another shape, and for a strength below 0.
        """
        strengths: Any = taste
        if isinstance(taste, Mapping):
            known = dict.fromkeys(self.qualities)
            for quality in taste:
                lookup(known, quality, "taste")
            strengths = [taste.get(quality, 0.0) for quality in self.qualities]
        values = self._not_negative(self._checked(strengths, (len(self.qualities),), "strengths"), "a strength")
        columns = np.repeat(values, self.shape[0] // len(self.qualities), axis=-1)
        return self._placed(np.repeat(columns[..., None], self.shape[1], axis=-1), layer, hold)


class Smell(AbstractSense):
    """One kind of receptor at each site, numbered along y first, as the glomeruli of an olfactory bulb: an odour is a pattern over all of them.

    **Raises:** as every sense.

    !!! Example

        >>> import brainunit as u, neuro4d as n4, numpy as np
        >>> sheet = n4.Lattice((3, 2), spacing=50*u.um)
        >>> bulb = n4.Population("bulb", sheet.all(), n4.LIF(tau=20*u.ms, c=20*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV))
        >>> nose = n4.senses.Smell("nose", bulb, (3, 2))
        >>> nose.feed(np.arange(6)).tolist()
        [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    """

    def feed(self, odour: Float[np.ndarray, "*frames receptors"], *, layer: int = 0, hold: int | None = None) -> Float[np.ndarray, "..."]:
        """Currents from an odour.

        **Arguments:** `odour`: how strongly each kind of receptor is excited, 0 or more, as many numbers as there are sites; or several, `(T, n)`.
        `layer`, `hold`: as in `Plane.feed`.

        **Returns:** as `Plane.feed`.

        **Raises:** `TypeError`, `ValueError` for another shape, and for an excitation below 0.
        """
        values = self._not_negative(self._checked(odour, (self.shape[0] * self.shape[1],), "one excitation for each site"), "an excitation")
        return self._placed(values.reshape(*values.shape[:-1], *self.shape), layer, hold)
