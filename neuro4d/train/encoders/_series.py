"""Encoders of numbers that change."""

import equinox as eqx
import jax
import jax.numpy as jnp

from neuro4d._base import check_count
from neuro4d.train.encoders._constant import AbstractEncoder


class Delta(AbstractEncoder):
    r"""Spikes of change: where a series has moved by `threshold` since the last spike, one up or one down; at most one of each per step.

    A level follows the series, one threshold per spike; so rounding does not add up, and a level that lags behind catches up by one
    threshold per step.

    **Arguments:** `threshold`, above 0; `axis`: the axis of time in a sample, 0 by default.

    Takes `(batch, time, ...)` and gives `(time, batch, ..., 2)`: up and down. The level starts at the first value, whose step has no spikes.

    **Raises:** `ValueError` for a threshold that is not above 0, an axis that is not a whole number from 0 up, and for samples without time.

    **Source:** P. Lichtsteiner, C. Posch, T. Delbruck, IEEE J. Solid-State Circuits 43, 566 (2008): the pixel of event cameras.

    !!! Example

        >>> import jax.numpy as jnp, neuro4d as n4
        >>> spikes = n4.train.encoders.Delta(1.0)(jnp.array([[0.0, 0.6, 1.2, 0.0]]))
        >>> spikes[:, 0].tolist()
        [[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    """

    threshold: float = eqx.field(static=True)
    axis: int = eqx.field(static=True)

    def __init__(self, threshold: float, *, axis: int = 0):
        if not threshold > 0:
            raise ValueError(
                f"encoders.Delta: threshold must be more than 0, in the unit of the series, for example 0.1; got {threshold!r}."
            )
        self.threshold, self.axis = float(threshold), check_count(axis, "encoders.Delta: axis", low=0)

    def __call__(self, x, key=None):
        if x.ndim < 2 + self.axis:
            raise ValueError(
                f"encoders.Delta takes (batch, time, ...); got {x.shape}, without time. A constant has no changes: use `Direct`."
            )
        series = jnp.moveaxis(x, 1 + self.axis, 0)

        def step(level, value):
            up, down = value - level >= self.threshold, level - value >= self.threshold
            change = up.astype(x.dtype) - down.astype(x.dtype)
            return level + self.threshold * change, jnp.stack([up, down], axis=-1).astype(x.dtype)

        return jax.lax.scan(step, series[0], series)[1]


class Timed(AbstractEncoder):
    """Samples that have time already: `(batch, time, ...)` becomes `(time, batch, ...)`.

    !!! Example

        >>> import jax.numpy as jnp, neuro4d as n4
        >>> n4.train.encoders.Timed()(jnp.ones((2, 50, 7))).shape
        (50, 2, 7)
    """

    def __call__(self, x, key=None):
        return jnp.moveaxis(x, 1, 0)
