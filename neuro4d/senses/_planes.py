"""Senses whose data are rectangles already: images, maps of touch."""

import numpy as np
from jaxtyping import Float

from neuro4d.senses._base import AbstractSense


class Plane(AbstractSense):
    """A rectangle of values, one for each site (x, y): any sense without a form of its own.

    **Raises:** as every sense.

    !!! Example

        >>> import brainunit as u, neuro4d as n4, numpy as np
        >>> sheet = n4.Lattice((3, 2), spacing=50*u.um)
        >>> cells = n4.Population("cells", sheet.all(), n4.LIF(tau=20*u.ms, c=20*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV))
        >>> heat = n4.senses.Plane("heat", cells, (3, 2), gain=5*u.pA)
        >>> heat.feed(np.eye(3, 2)).sum(), heat.feed(np.eye(3, 2), hold=10).shape
        (np.float64(10.0), (10, 3, 2))
    """

    def feed(
        self, values: Float[np.ndarray, "*frames columns rows"], *, layer: int = 0, hold: int | None = None
    ) -> Float[np.ndarray, "..."]:
        """Currents from one rectangle or several.

        **Arguments:** `values`: shape `shape`, or `(T, *shape)`. `layer`: which layer takes it in, counted from the first that the port reaches.
        `hold`: for how many steps each frame lasts; then the result is a series for `simulate`, otherwise as many frames as were given.

        **Returns:** pA, shape `(*shape, *depth)`, with an axis of frames or steps in front.

        **Raises:** `TypeError`, `ValueError` for another shape, values that are not finite, a layer that is not there.
        """
        return self._placed(self._checked(values, self.shape, "values"), layer, hold)


class Vision(AbstractSense):
    """Images: a pixel for each site (x, y). Images are neither resized nor cut.

    **Raises:** as every sense.

    !!! Example

        >>> import brainunit as u, neuro4d as n4, numpy as np
        >>> brain = n4.Lattice((8, 6, 4), spacing=50*u.um)
        >>> v1 = n4.Population("V1", brain.all(), n4.LIF(tau=20*u.ms, c=20*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV))
        >>> eye = n4.senses.Vision("eye", v1, (8, 6), depth=(4,), gain=40*u.pA)
        >>> image = np.random.default_rng(0).random((8, 6))
        >>> run = n4.simulate(n4.Network(v1, eye).build(dt=1*u.ms), jr.key(0), 50*u.ms, inputs={"eye": eye.feed(image, layer=2, hold=50)})
        >>> int(run.model.coordinates("V1")[np.unique(run.spikes("V1").ids), 2].min())
        2
    """

    def feed(
        self, image: Float[np.ndarray, "*frames columns rows"], *, layer: int = 0, hold: int | None = None
    ) -> Float[np.ndarray, "..."]:
        """Currents from an image, or from the frames of a film. Arguments, result and errors as `Plane.feed`."""
        hint = " Resize it first: means of blocks are `image.reshape({0}, -1, {1}, height // {1}).mean((1, 3))`.".format(*self.shape)
        return self._placed(self._checked(image, self.shape, "images", hint), layer, hold)


class Touch(AbstractSense):
    """A map of pressure on the skin, 0 or more at each site (x, y).

    **Raises:** as every sense.

    !!! Example

        >>> import brainunit as u, neuro4d as n4, numpy as np
        >>> sheet = n4.Lattice((4, 4), spacing=50*u.um)
        >>> s1 = n4.Population("S1", sheet.all(), n4.LIF(tau=20*u.ms, c=20*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV))
        >>> skin = n4.senses.Touch("skin", s1, (4, 4))
        >>> skin.feed(-np.ones((4, 4)))
        Traceback (most recent call last):
        ValueError: Touch 'skin': pressure is 0 or more; the one at (0, 0) is -1.0.
    """

    def feed(
        self, pressure: Float[np.ndarray, "*frames columns rows"], *, layer: int = 0, hold: int | None = None
    ) -> Float[np.ndarray, "..."]:
        """Currents from one map or several. Arguments, result and errors as `Plane.feed`; `ValueError` for a pressure below 0."""
        return self._placed(self._not_negative(self._checked(pressure, self.shape, "maps"), "pressure"), layer, hold)
