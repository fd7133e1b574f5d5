"""Weights with a trainable delay each."""

from typing import Any

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from neuro4d._base import check_count, check_quantity, is_traced, steps_of, strip
from neuro4d.train.layers._base import AbstractLayer, Passed, as_float, check_key, uniform_weights

KERNELS = ("gaussian", "triangular")


class Delayed(AbstractLayer):
    r"""All inputs to all outputs, each synapse with a delay of its own, which is trained.

    $$ y_t = \sum_{k=0}^{K} x_{t-k}\,W^{(k)}, \qquad W^{(k)}_{ij} = w_{ij}\,\frac{\kappa((k - d_{ij}/dt)/\sigma)}{\sum_l \kappa((l - d_{ij}/dt)/\sigma)} $$

    A spike arrives spread over the steps around its delay, so that there is a slope: $\kappa$ is $e^{-x^2/2}$ or $\max(0, 1 - |x|)$. The triangle with a width of
    one step is linear interpolation between two steps. A wide kernel feels far away spikes; make it narrower as training goes on (`with_width`), then
    `freeze`. Before the first step the input is 0. Delays stay between 0 and the longest one in `fit`. The cost is that of $K + 1$ `Dense` layers.

    **Arguments:**

    - `inputs`, `outputs`: how many.
    - `longest`: the longest delay, a multiple of the time step. [time]
    - `key`: for the weights, uniform in $\pm 1/\sqrt{\text{inputs}}$, and the delays, uniform between 0 and `longest`.
    - `kernel`: `"gaussian"` or `"triangular"`.
    - `width`: $\sigma\,dt$; of a triangle at least one time step. [time]

    **Raises:** `UnitError` for bare numbers, `ValueError` for what lies outside its range and for an input of another width.

    **Source:** I. Hammouamri, I. Khalfaoui-Hassani, T. Masquelier, ICLR (2024): Gaussians that narrow; I. Khalfaoui-Hassani, T. Pellegrini,
    T. Masquelier, ICLR (2023): interpolation.

    !!! Example

        >>> import brainunit as u, jax.numpy as jnp, jax.random as jr, neuro4d as n4
        >>> layer = n4.train.Delayed(1, 1, longest=3*u.ms, kernel="triangular", width=1*u.ms, key=jr.key(0)).with_delays(1.25*u.ms)
        >>> pulse = jnp.zeros((4, 1, 1)).at[0].set(1)
        >>> [round(float(x), 4) for x in (layer(pulse) / layer.weight).ravel()]
        [0.0, 0.75, 0.25, 0.0]
        >>> [round(float(x), 4) for x in (layer.freeze(dt=1*u.ms)(pulse) / layer.weight).ravel()]
        [0.0, 1.0, 0.0, 0.0]
    """

    weight: Float[Array, "inputs outputs"]
    delay: Float[Array, "inputs outputs"]
    width: Float[Array, ""] | None
    longest: float = eqx.field(static=True)
    kernel: str = eqx.field(static=True)

    def __init__(self, inputs: int, outputs: int, *, longest: Any, key: Any, kernel: str = "gaussian", width: Any = 1 * u.ms):
        shape = (check_count(inputs, "Delayed: inputs"), check_count(outputs, "Delayed: outputs"))
        if kernel not in KERNELS:
            raise ValueError(f"Delayed: kernel is one of {', '.join(KERNELS)}; got {kernel!r}.")
        self.longest = _positive(longest, "Delayed: longest")
        weights, delays = jr.split(check_key(key, "Delayed"))
        self.weight = uniform_weights(weights, shape, shape[0])
        self.delay = jr.uniform(delays, shape, self.weight.dtype, 0, self.longest)
        self.width = jnp.asarray(_positive(width, "Delayed: width"), self.weight.dtype)
        self.kernel = kernel

    @property
    def frozen(self) -> bool:
        """Whether every delay is a whole number of steps and no longer trained."""
        return self.width is None

    def check(self, dt: float) -> None:
        """Refuses a time step that does not suit the layer."""
        steps_of(self.longest, dt, "Delayed: longest")
        if self.kernel == "gaussian" or self.width is None or is_traced(self.width):
            return
        width = np.min(np.asarray(self.width))  # numpy: concrete, also inside a compiled function
        if not width >= dt * (1 - 1e-6):
            raise ValueError(
                f"Delayed: a triangle is at least one time step wide, dt = {dt:g} ms; got {width:g} ms. "
                f'`width={dt:g}*u.ms` works, and so does `kernel="gaussian"`.'
            )

    def taps(self, dt: float) -> Float[Array, "steps inputs outputs"]:
        """The weights by number of steps that a spike takes."""
        self.check(dt)
        steps = jnp.arange(round(self.longest / dt) + 1, dtype=self.weight.dtype)[:, None, None]
        if self.width is None:
            return jnp.where(steps == jnp.round(self.delay / dt), self.weight, 0)
        # A triangle below one step can miss every step. `check` refuses that, except of a width that is itself traced.
        width = jnp.maximum(self.width, dt) if self.kernel == "triangular" else self.width
        away = (steps - self.delay / dt) / (width / dt)
        # Of a Gaussian the share, as a softmax: no sum of underflows can be 0.
        return self.weight * (jax.nn.softmax(-jnp.square(away) / 2, axis=0) if self.kernel == "gaussian" else _triangle(away))

    def apply(self, x, context):
        if x.ndim != 3 or x.shape[-1] != self.weight.shape[0]:
            raise ValueError(f"Delayed of {self.weight.shape[0]} inputs takes (time, batch, {self.weight.shape[0]}); got {x.shape}.")
        taps = self.taps(context.dt)
        padding = [(len(taps) - 1, 0)]
        layout = ("WNC", "WIO", "WNC")
        return Passed(jax.lax.conv_general_dilated(as_float(x, taps), taps[::-1], (1,), padding, dimension_numbers=layout))

    def kept(self):
        return ("delay",) if self.frozen else ("width",)

    def ranges(self):
        return {} if self.frozen else {"delay": (0.0, self.longest)}

    def fan_out(self):
        return float(self.weight.shape[1])

    def with_delays(self, delays: Any) -> "Delayed":
        """The layer with other delays, one or `(inputs, outputs)`, from 0 to the longest. [time]"""
        bare = strip(delays, u.ms, "Delayed: delays")
        if not ((bare >= 0) & (bare <= self.longest)).all():
            raise ValueError(f"Delayed: delays lie between 0 and {self.longest:g} ms; got {delays}.")
        return eqx.tree_at(lambda layer: layer.delay, self, jnp.broadcast_to(jnp.asarray(bare, self.delay.dtype), self.delay.shape))

    def with_width(self, width: Any) -> "Delayed":
        """The layer with a kernel of another width. [time]"""
        if self.width is None:
            raise ValueError("Delayed: a frozen layer has no width; change it before `freeze`.")
        return eqx.tree_at(lambda layer: layer.width, self, jnp.asarray(_positive(width, "Delayed: width"), self.width.dtype))

    def freeze(self, *, dt: Any) -> "Delayed":
        """The layer with every delay at the nearest step: each spike arrives once and whole; delays are not trained any more."""
        step = _positive(dt, "Delayed.freeze: dt")
        parts = (jnp.round(self.delay / step) * step, None)
        return eqx.tree_at(lambda layer: (layer.delay, layer.width), self, parts, is_leaf=lambda x: x is None)


def _triangle(away: Array) -> Array:
    parts = jnp.maximum(0, 1 - jnp.abs(away))
    return parts / jnp.sum(parts, axis=0)


def _positive(x: Any, where: str) -> float:
    return float(check_quantity(x, u.ms, where, low=0, open_low=True))
