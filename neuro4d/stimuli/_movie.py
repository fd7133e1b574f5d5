"""Movies: values that change in time and differ between places of a lattice."""

from collections.abc import Sequence
from typing import Any

import brainunit as u
import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from neuro4d._base import AbstractPart, UnitError, check_count, check_fits, check_quantity, internal_unit, quantity, strip
from neuro4d.stimuli._base import Binding


class Movie(AbstractPart):
    """Frames that neurons on a lattice see, each held for `every`, nothing after the last: rates for `Poisson`, or currents for `Clamp`.

    The neuron at coordinate `c` sees the pixel `c[:axes] - origin` of each frame; neurons outside the frame receive nothing. `drifting_grating`
    and `moving_bar` make frames; an array of any other source will do.

    **Arguments:**

    - `frames`: shape `(T, *shape)`, one axis or more for the place. [1/time] for `Poisson(rate=...)`, [current] for `Clamp`
    - `every`: how long a frame is held, a multiple of the time step. [time]
    - `origin`: the coordinate of the first pixel, 0 by default.

    **Raises:** `UnitError` for frames without unit, `ValueError` for frames without place or, in `build`, neurons without coordinates.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> retina = n4.Population("retina", n4.Lattice((16, 16), spacing=50*u.um).all(), n4.Relay(), {"in": n4.Delta()})
        >>> frames = n4.drifting_grating((16, 16), duration=500*u.ms, every=10*u.ms, wavelength=8, frequency=4*u.Hz)
        >>> seen = n4.Poisson("seen", retina, "in", rate=n4.Movie(80*frames*u.Hz, every=10*u.ms), weight=1*u.mV)
    """

    frames: Any = eqx.field(converter=lambda x: _frames(x))
    every: Float[np.ndarray, ""] = quantity(u.ms, low=0, open_low=True)
    origin: tuple[int, ...] | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        if np.shape(self.every):
            raise ValueError(f"Movie.every is one time, for example `every=10*u.ms`; got the shape {np.shape(self.every)}.")
        for start in self.origin or ():
            check_count(start, "Movie: an entry of origin", low=0)
        axes = self.frames.ndim - 1
        if self.origin is not None and len(self.origin) != axes:
            raise ValueError(f"Movie.origin has one entry for each of the {axes} axes of a frame; got {self.origin!r}.")

    def columns(self, binding: Binding, unit: Any, where: str, low: float | None = None) -> Float[np.ndarray, "t n"]:
        """What each neuron sees, one column for each."""
        if u.get_unit(self.frames) != unit:
            raise UnitError(f"{where}: Movie.frames: expected a quantity convertible to {unit}; got frames in {u.get_unit(self.frames)}.")
        frames = strip(self.frames, unit, f"{where}: Movie.frames")
        if low is not None and (frames < low).any():
            at = tuple(int(i) for i in np.unravel_index(int(np.argmax(frames < low)), frames.shape))
            raise ValueError(
                f"{where}: Movie.frames must be at least {low:g} {unit}; got {frames[at]} {unit} in frame {at[0]}, pixel {at[1:]}."
            )
        check_fits(frames, binding.dtype, f"{where}: Movie.frames")
        index = pixels(binding, frames.shape[1:], self.origin, where)
        return np.where(index < 0, 0.0, frames.reshape(len(frames), -1)[:, np.maximum(index, 0)])


def pixels(binding: Binding, shape: tuple[int, ...], origin: tuple[int, ...] | None, where: str) -> Int[np.ndarray, " n"]:
    """The number of the pixel that each neuron of a lattice sees, the last axis fastest; -1 outside."""
    if binding.sites is None:
        raise ValueError(f"{where}: a value for each place needs neurons placed on a lattice; the target has no coordinates.")
    axes = len(shape)
    if axes > binding.sites.shape[1]:
        raise ValueError(f"{where}: the value has {axes} axes of places, {shape}; the lattice of the target has {binding.sites.shape[1]}.")
    place = binding.sites[:, :axes] - np.asarray(origin or (0,) * axes)
    inside = ((place >= 0) & (place < np.asarray(shape))).all(axis=1)
    flat = np.ravel_multi_index(tuple(np.where(inside[:, None], place, 0).T), shape)
    return np.where(inside, flat, -1)


def drifting_grating(
    shape: Sequence[int],
    *,
    duration: Any,
    every: Any,
    wavelength: float,
    frequency: Any,
    direction: Sequence[float] | None = None,
    phase: float = 0.0,
    contrast: float = 1.0,
) -> Float[np.ndarray, "t ..."]:
    r"""A sine that moves over a lattice, with values from 0 to 1:

    $$ \frac12 + \frac{c}{2} \sin\!\left(2\pi\,(x \cdot e/\lambda - f t) + \varphi\right) $$

    at the sites $x$ of a grid and the middle $t$ of each frame; it moves along $e$ by $\lambda f$ sites per time.

    **Arguments:**

    - `shape`: pixels along each axis, one axis or more.
    - `duration`, `every`: of the movie and of a frame; a whole number of frames. [time]
    - `wavelength`: $\lambda$ in sites, 2 or more.
    - `frequency`: $f$, 0 for a grating that stands, negative for the other way. [1/time]
    - `direction`: $e$, one number for each axis, of any length but 0; along the first axis by default.
    - `phase`: $\varphi$ in radians.
    - `contrast`: $c$, from 0 to 1.

    **Returns:** an array of shape `(T, *shape)`; times a rate or a current it is what `Movie` takes.

    **Raises:** `UnitError`, `TypeError` or `ValueError`, naming the argument.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> movie = n4.drifting_grating((8, 4), duration=1*u.second, every=50*u.ms, wavelength=4, frequency=2*u.Hz, direction=(1, 1))
        >>> movie.shape
        (20, 8, 4)
    """
    where = "drifting_grating"
    times, along = _frame_times(duration, every, where), _along(shape, direction, where)
    wavelength, phase, contrast = (
        _number(x, f"{where}: {name}") for name, x in (("wavelength", wavelength), ("phase", phase), ("contrast", contrast))
    )
    if not wavelength >= 2:
        raise ValueError(f"{where}: wavelength is 2 sites or more, for example `wavelength=8`; got {wavelength}.")
    if not 0 <= contrast <= 1:
        raise ValueError(f"{where}: contrast lies from 0 to 1; got {contrast}.")
    moved = _one(check_quantity(frequency, u.kHz, f"{where}: frequency"), f"{where}: frequency") * times
    return 0.5 + 0.5 * contrast * np.sin(2 * np.pi * (along / wavelength - moved.reshape(-1, *[1] * along.ndim)) + phase)


def moving_bar(
    shape: Sequence[int],
    *,
    duration: Any,
    every: Any,
    width: float,
    speed: Any,
    direction: Sequence[float] | None = None,
    start: float | None = None,
) -> Float[np.ndarray, "t ..."]:
    """A bright bar that moves over a dark lattice: 1 where a site is covered, 0 where it is not, the covered part in between.

    The bar is as long as the lattice and lies across its direction. Its place is that of the middle of each frame.

    **Arguments:**

    - `shape`, `duration`, `every`, `direction`: as for `drifting_grating`.
    - `width`: along the direction, in sites, above 0.
    - `speed`: in sites per time, so a quantity such as `0.1/u.ms`; negative for the other way. [1/time]
    - `start`: where the middle of the bar is at time 0, in sites along the direction; by default just before it touches the lattice.

    **Returns:** an array of shape `(T, *shape)`.

    **Raises:** as `drifting_grating`.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> n4.moving_bar((4,), duration=4*u.ms, every=1*u.ms, width=1, speed=1/u.ms, start=-0.5)
        array([[1., 0., 0., 0.],
               [0., 1., 0., 0.],
               [0., 0., 1., 0.],
               [0., 0., 0., 1.]])
    """
    where = "moving_bar"
    times, along = _frame_times(duration, every, where), _along(shape, direction, where)
    width, speed = _number(width, f"{where}: width"), _one(check_quantity(speed, u.kHz, f"{where}: speed"), f"{where}: speed")
    if not width > 0:
        raise ValueError(f"{where}: width is above 0 sites, for example `width=2`; got {width}.")
    if start is None:
        edge = 0.5 * (width + 1)
        start = along.min() - edge if speed >= 0 else along.max() + edge
    middle = (_number(start, f"{where}: start") + speed * times).reshape(-1, *[1] * along.ndim)
    covered = np.minimum(along + 0.5, middle + 0.5 * width) - np.maximum(along - 0.5, middle - 0.5 * width)
    return np.maximum(covered, 0.0)


def _frames(x: Any) -> Any:
    """Frames as a quantity in kHz or pA."""
    unit = internal_unit(x, "Movie.frames") if isinstance(x, u.Quantity) else None
    if unit not in (u.kHz, u.pA):
        given = f"the bare value {x!r:.60}" if unit is None else f"the unit {unit}"
        raise UnitError(f"Movie.frames: expected rates or currents, for example `80*frames*u.Hz` or `100*frames*u.pA`; got {given}.")
    frames = check_quantity(x, unit, "Movie.frames")
    if frames.ndim < 2 or not frames.size:
        raise ValueError(f"Movie.frames has shape (T, *shape), with an axis or more for the place; got {frames.shape}.")
    return frames * unit


def _frame_times(duration: Any, every: Any, where: str) -> Float[np.ndarray, " t"]:
    """The middles of the frames, in ms."""
    whole, part = (
        _one(check_quantity(x, u.ms, f"{where}: {name}", low=0, open_low=True), f"{where}: {name}")
        for name, x in (("duration", duration), ("every", every))
    )
    n = round(whole / part)
    if n < 1 or abs(whole / part - n) > 1e-6 * n:
        raise ValueError(
            f"{where}: duration is a whole number of frames of {part:g} ms; got {whole:g} ms. For example `duration={max(n, 1) * part:g}*u.ms`."
        )
    return (np.arange(n) + 0.5) * part


def _along(shape: Sequence[int], direction: Sequence[float] | None, where: str) -> Float[np.ndarray, "..."]:
    """How far each site lies along the direction."""
    if isinstance(shape, str) or not isinstance(shape, Sequence) or not shape:
        raise TypeError(f"{where}: shape is a tuple of whole numbers, for example `(16, 16)`; got {shape!r}.")
    sizes = tuple(check_count(n, f"{where}: an entry of shape") for n in shape)
    unit = np.eye(len(sizes))[0] if direction is None else np.asarray(direction, np.float64)
    length = np.linalg.norm(unit)
    if unit.shape != (len(sizes),) or not np.isfinite(length) or length == 0:
        raise ValueError(f"{where}: direction has one number for each of the {len(sizes)} axes, not all 0; got {direction!r}.")
    return np.einsum("i,i...->...", unit / length, np.indices(sizes).astype(np.float64))


def _number(x: Any, where: str) -> float:
    if isinstance(x, bool) or not isinstance(x, int | float | np.integer | np.floating) or not np.isfinite(x):
        raise TypeError(f"{where} is one finite number, for example `4`; got {x!r}.")
    return float(x)


def _one(x: np.ndarray, where: str) -> float:
    if np.shape(x):
        raise ValueError(f"{where} is one quantity; got the shape {np.shape(x)}.")
    return float(x)
