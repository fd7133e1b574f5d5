"""Options that every surrogate takes: damping, a cut, the reset, and one count for each crossing instead of one for each step."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d._base import NUMBER, quantity
from neuro4d.ops._surrogate import AbstractSurrogate

RESETS = ("detached", "attached")
COUNTS = ("steps", "crossings")
LEAST = 1e-6
"""The shortest move that is told from standing still, as a share of the width."""


class Scaled(AbstractSurrogate):
    r"""A surrogate with options. Forward, spikes and potentials stay those of the hard threshold, bit for bit.

    With $g$ the slope of `surrogate` and $w$ its width, the slope in a step in which the potential goes from $x - m$ to $x$, relative to
    threshold and before any reset, is

    $$ \mathrm{damping}\cdot g(x) \quad\text{("steps")} \qquad\text{or}\qquad
    \mathrm{damping}\cdot g\!\left(w\,\frac{x - m/2}{|m|}\right) \quad\text{("crossings")} $$

    With "steps", every step near threshold counts, so that the slope of a spike count grows with the number of steps that a neuron spends
    there, as $1/dt$. With "crossings" the bump is as wide as the step and as high as before: a crossing at any speed and any time step
    counts once, with a slope that sums to $\int g\,dx / w$. A `Boxcar` then counts the very steps that have the threshold in their path. The width has a
    meaning of its own there: the potential that stands for one spike. For a neuron driven over its threshold take
    $v_\mathrm{th} - v_\mathrm{reset}$: [how this follows](../howto/surrogates.md).

    **Arguments:**

    - `surrogate`: the shape and its width, for example `n4.Triangle(width=10*u.mV)`.
    - `damping`: a factor, 0 or more. [a number]
    - `count`: `"steps"` or `"crossings"`. For neurons without a potential `v` it makes no difference.
    - `reset`: `"detached"`: no derivative passes through the reset of a spike. `"attached"`: the derivative of every variable after the step with
      respect to the spike is its value with the reset minus its value without, $v_\mathrm{reset} - v$ for the potential.
    - `support`: where the slope is cut to exactly 0: at so many widths from threshold. [a number] `None`, the default, cuts nothing. Synapses of a
      neuron whose slope is 0 cost nothing in a backward pass; `Triangle` and `Boxcar` are 0 there by themselves.

    **Raises:** `TypeError` for something else than a surrogate, `ValueError` for a word that there is not or a number outside its range.

    **Source:** damping after G. Bellec et al., NeurIPS (2018); the choice of the reset after F. Zenke, T. P. Vogels, Neural Computation 33, 899 (2021).

    !!! Example

        >>> import brainunit as u, jax.numpy as jnp, neuro4d as n4
        >>> once = n4.Scaled(n4.Boxcar(width=10*u.mV), count="crossings")
        >>> x, m = jnp.array([-0.1, 0.1, 0.3]), jnp.array([0.2, 0.2, 0.2])
        >>> [round(float(s), 3) for s in once.slope_in_step(x, m)]
        [0.0, 0.1, 0.0]
        >>> n4.Scaled(n4.SuperSpike(), damping=0.3, support=5.0).slope(jnp.array([4.9, 5.1])).tolist()[1]
        0.0
    """

    surrogate: AbstractSurrogate
    damping: Float[Array, ""] = quantity(NUMBER, low=0, default=1.0)
    count: Literal["steps", "crossings"] = eqx.field(static=True, default="steps", kw_only=True)
    reset: Literal["detached", "attached"] = eqx.field(static=True, default="detached", kw_only=True)  # type: ignore[misc]
    support: Float[Array, ""] | None = quantity(NUMBER, low=0, open_low=True, optional=True, default=None)

    def __check_init__(self):
        if not isinstance(self.surrogate, AbstractSurrogate):
            raise TypeError(f"Scaled.surrogate is a surrogate, for example `n4.Triangle()`; got {self.surrogate!r}.")
        if isinstance(self.surrogate, Scaled):
            raise TypeError("Scaled.surrogate is Scaled already; give all options to one: `n4.Scaled(n4.Triangle(), damping=0.3)`.")
        for name, value, known in (("count", self.count, COUNTS), ("reset", self.reset, RESETS)):
            if value not in known:
                raise ValueError(f'Scaled.{name} is "{known[0]}" or "{known[1]}"; got {value!r}. For example `{name}="{known[1]}"`.')

    @property  # type: ignore[misc]
    def width(self) -> Float[Array, ""]:  # type: ignore[override]
        """That of the surrogate within."""
        return self.surrogate.width

    @property
    def moves(self) -> bool:  # type: ignore[override]
        return self.count == "crossings"

    def slope(self, excess):
        slope = self.surrogate.slope(excess) * jnp.asarray(self.damping, excess.dtype)
        if self.support is None:
            return slope
        edge = jnp.asarray(self.support, excess.dtype) * jnp.asarray(self.width, excess.dtype)
        return jnp.where(jnp.abs(excess) <= edge, slope, 0)

    def slope_in_step(self, excess, move):
        if move is None or not self.moves:
            return self.slope(excess)
        move = jax.lax.stop_gradient(move)
        width = jnp.asarray(self.width, excess.dtype)
        return self.slope((excess - move / 2) * (width / jnp.maximum(jnp.abs(move), LEAST * width)))
