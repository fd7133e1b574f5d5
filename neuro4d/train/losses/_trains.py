"""Distances between spike trains."""

from typing import Any

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d._base import check_quantity
from neuro4d.train.losses._base import AbstractLoss


class VanRossum(AbstractLoss):
    r"""Distance between spike trains, each smoothed by $e^{-t/\tau}$:

    $$ D^2 = \frac{1}{\tau} \int_0^\infty (f - g)^2 dt, \qquad f(t) = \sum_{t_i \le t} e^{-(t - t_i)/\tau} $$

    a sum over neurons and a mean over the batch. The integral is exact, also beyond the end of the run: a spike more or less counts 1/2, whatever the time step,
    and two spikes $d$ apart $1 - e^{-d/\tau}$.

    **Arguments:** `tau` [time]; `dt`: the time step of the spikes [time].

    Called with spikes `(time, batch, n)`, and the wanted spikes `(batch, time, n)`: labels begin with the batch.

    **Raises:** `UnitError` for bare numbers, `ValueError` for what is not above 0 or for other shapes.

    **Source:** M. C. W. van Rossum, Neural Computation 13, 751 (2001).

    !!! Example

        >>> import brainunit as u, jax.numpy as jnp, neuro4d as n4
        >>> loss = n4.train.losses.VanRossum(tau=10*u.ms, dt=1*u.ms)
        >>> spikes = jnp.zeros((50, 1, 1)).at[20].set(1)
        >>> round(float(loss(spikes, jnp.zeros((1, 50, 1)))), 6)
        0.5
    """

    tau: Float[Array, ""]
    dt: float = eqx.field(static=True)

    def __init__(self, *, tau: Any, dt: Any = 1 * u.ms):
        self.tau = jnp.asarray(check_quantity(tau, u.ms, "VanRossum: tau", low=0, open_low=True), jnp.result_type(float))
        self.dt = float(check_quantity(dt, u.ms, "VanRossum: dt", low=0, open_low=True))

    def __call__(self, output, labels, records=()):
        wanted = jnp.moveaxis(jnp.asarray(labels, output.dtype), 1, 0)
        if wanted.shape != output.shape:
            raise ValueError(
                f"VanRossum: spikes of shape {output.shape}, (time, batch, ...), need labels (batch, time, ...); got {jnp.shape(labels)}."
            )
        decay = jnp.exp(-self.dt / self.tau).astype(output.dtype)

        def step(trace, difference):
            trace = decay * trace + difference
            return trace, jnp.square(trace)

        last, squares = jax.lax.scan(step, jnp.zeros_like(output[0]), output - wanted)
        # Between two steps the trace decays: its square integrates to (1 - decay^2) tau/2; after the last step, to tau/2.
        total = (1 - decay**2) / 2 * jnp.sum(squares[:-1]) + jnp.sum(jnp.square(last)) / 2
        return total / output.shape[1]
