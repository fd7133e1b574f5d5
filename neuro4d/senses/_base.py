"""What senses have in common: a rectangle of sites, and values that become currents there."""

import math
from typing import Any, ClassVar

import brainunit as u
import equinox as eqx
import numpy as np
from jaxtyping import Float

from neuro4d._base import check_count, check_name, quantity
from neuro4d.stimuli import AbstractStimulus, Input


class AbstractSense(AbstractStimulus):
    """A port for what a sense takes in: a rectangle of sites (x, y) of a population on a lattice, in one of its layers.

    A sense is a stimulus of a network like `n4.Input`; `feed` turns data into the currents that `step` and `simulate` take in
    `inputs={name: ...}`. Without them nothing is sensed.

    **Arguments:** of every sense.

    - `name`: unique in the network, and the key in `inputs`.
    - `target`: a population on a lattice, or a slice of one.
    - `shape`: sites along x and y.
    - `depth`: sites along the further axes that the port reaches, `(n_z, 1)` for all layers in one slice w; by default the lattice has two axes, or all
      layers have the same value.
    - `origin`: the coordinate of its first site, one entry for each axis of `shape` and `depth`; 0 by default.
    - `gain`: the current for a value of 1, by default 1 pA. [current]
    """

    name: str = eqx.field(static=True)
    target: Any = eqx.field(static=True)
    shape: tuple[int, int] = eqx.field(static=True, converter=tuple)
    depth: tuple[int, ...] = eqx.field(static=True, default=(), converter=tuple, kw_only=True)
    origin: tuple[int, ...] | None = eqx.field(static=True, default=None, kw_only=True)
    gain: Any = quantity(u.pA, default=1 * u.pA)

    port: None = eqx.field(static=True, init=False, default=None)
    weight: None = eqx.field(static=True, init=False, default=None)
    exerts: ClassVar = frozenset({"i"})

    def __check_init__(self):
        check_name(self.name, "stimulus")
        if len(self.shape) != 2:
            raise ValueError(f"{self._where}: shape has the sites along x and y, for example `shape=(20, 20)`; got {self.shape}.")
        for size in (*self.shape, *self.depth):
            check_count(size, f"{self._where}: an entry of shape or depth")
        if np.ndim(self.gain):
            raise ValueError(f"{self._where}: gain is one current, for example `gain=40*u.pA`; got the shape {np.shape(self.gain)}.")

    @property
    def _where(self) -> str:
        return f"{type(self).__name__} {self.name!r}"

    def bind(self, binding, weight_unit):
        return Input(self.name, self.target, shape=(*self.shape, *self.depth), origin=self.origin).bind(binding, weight_unit)

    def _placed(self, values: Float[np.ndarray, "*frames columns rows"], layer: int, hold: int | None) -> Float[np.ndarray, "..."]:
        """Currents for every site that the port reaches: the values in one layer, 0 in the others; each frame for `hold` steps."""
        layers = self.depth[0] if self.depth else 1
        if isinstance(layer, bool) or not isinstance(layer, int | np.integer) or not 0 <= layer < layers:
            raise ValueError(f"{self._where} reaches the layers 0 to {layers - 1}; got `layer={layer!r}`.")
        if hold is not None:
            check_count(hold, f"{self._where}: hold")
        currents = values * float(self.gain)
        if self.depth:
            deep = np.zeros((*currents.shape, *self.depth))
            deep.reshape(*currents.shape, -1)[..., layer * math.prod(self.depth[1:])] = currents
            currents = deep
        if hold is None:
            return currents
        series = currents if values.ndim == 3 else currents[None]
        return np.repeat(series, hold, axis=0)

    def _checked(self, data: Any, shape: tuple[int, ...], what: str, hint: str = "") -> Float[np.ndarray, "..."]:
        """Values of a shape, or several in a row, as finite floats."""
        if isinstance(data, u.Quantity):
            raise TypeError(f"{self._where} takes bare numbers, which `gain` makes currents of; got a quantity in {u.get_unit(data)}.")
        values = np.asarray(data)
        if values.dtype.kind not in "fiub" or values.shape[-len(shape) :] != shape or values.ndim > len(shape) + 1:
            got = f"{values.shape} of {values.dtype}"
            raise ValueError(
                f"{self._where} takes {what} of shape {shape}, or several in a row, {('T', *shape)}; got {got}.{hint}".replace("'T'", "T")
            )
        values = values.astype(np.float64)
        if not np.isfinite(values).all():
            at = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
            raise ValueError(f"{self._where} takes finite values; the one at {at} is {values[at]}.")
        return values

    def _not_negative(self, values: Float[np.ndarray, "..."], what: str) -> Float[np.ndarray, "..."]:
        if (values < 0).any():
            at = tuple(int(i) for i in np.argwhere(values < 0)[0])
            raise ValueError(f"{self._where}: {what} is 0 or more; the one at {at} is {values[at]}.")
        return values


def senses_of(network: Any) -> dict[str, AbstractSense]:
    """The senses of a network by name.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> sheet = n4.Lattice((8, 6), spacing=50*u.um)
        >>> v1 = n4.Population("V1", sheet.all(), n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV))
        >>> net = n4.Network(v1, n4.senses.Vision("eye", v1, (8, 6)))
        >>> n4.senses.senses_of(net)["eye"].shape
        (8, 6)
    """
    return {stimulus.name: stimulus for stimulus in network.stimuli if isinstance(stimulus, AbstractSense)}
