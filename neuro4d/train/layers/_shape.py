"""Layers without numbers: shape, pooling, dropout, time."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array

from neuro4d._base import check_count
from neuro4d.train.layers._base import AbstractLayer, Passed, check_key, folded


class Flatten(AbstractLayer):
    """One axis of all that come after time and batch.

    !!! Example

        >>> import jax.numpy as jnp, neuro4d as n4
        >>> n4.train.Flatten()(jnp.ones((4, 2, 8, 8, 3))).shape
        (4, 2, 192)
    """

    def apply(self, x, context):
        return Passed(x.reshape(*x.shape[:2], -1))


class Hold(AbstractLayer):
    """A constant input, held for `steps` steps: `(1, batch, ...)` becomes `(steps, batch, ...)`.

    Layers before it are computed once instead of `steps` times: put it in front of the first spiking layer and encode with
    `encoders.Direct(1)`. That is the encoding by a constant current, with the first weights included.

    **Arguments:** `steps`: how many.

    **Raises:** `ValueError` for an input of more than one step, and from `Sequential` where neurons or delays come before it: they would see a single step.

    !!! Example

        >>> import jax.numpy as jnp, neuro4d as n4
        >>> n4.train.Hold(8)(jnp.ones((1, 2, 64))).shape
        (8, 2, 64)
    """

    steps: int = eqx.field(static=True)

    def __init__(self, steps: int):
        self.steps = check_count(steps, "Hold: steps")

    def apply(self, x, context):
        if x.shape[0] != 1:
            raise ValueError(f"Hold repeats one step; got {x.shape[0]}. Encode with `encoders.Direct(1)`, or leave Hold out.")
        return Passed(jnp.broadcast_to(x, (self.steps, *x.shape[1:])))


class Dropout(AbstractLayer):
    r"""In training each input is 0 with probability `p`, for all time steps of a sample alike; the others are divided by $1 - p$.

    One mask for all of time: a mask that changed from step to step would be averaged away by the membrane.

    **Arguments:** `p`: a number from 0 to below 1.

    **Raises:** `ValueError` for another `p`, or in training without a key.

    **Source:** N. Srivastava et al., JMLR 15, 1929 (2014); the mask over time after C. Lee et al., Front. Neurosci. 14, 119 (2020).

    !!! Example

        >>> import jax.numpy as jnp, jax.random as jr, neuro4d as n4
        >>> y = n4.train.Dropout(0.5)(jnp.ones((3, 1, 4)), key=jr.key(0), training=True)
        >>> bool((y[0] == y[2]).all())
        True
    """

    p: float = eqx.field(static=True)

    def __init__(self, p: float):
        if not 0 <= p < 1:
            raise ValueError(f"Dropout: p lies between 0 and 1, 1 excluded, for example `Dropout(0.2)`; got {p!r}.")
        self.p = float(p)

    def apply(self, x, context):
        if not context.training or self.p == 0:
            return Passed(x)
        kept = jr.bernoulli(check_key(context.key, "Dropout"), 1 - self.p, x.shape[1:])
        return Passed(jnp.where(kept, x / (1 - self.p), 0))


class AbstractPool(AbstractLayer):
    """Pooling over squares of `size` by `size`, `stride` apart; images are `(time, batch, height, width, channels)`."""

    size: int = eqx.field(static=True)
    stride: int = eqx.field(static=True)

    def __init__(self, size: int, stride: int | None = None):
        name = type(self).__name__
        self.size = check_count(size, f"{name}: size")
        self.stride = self.size if stride is None else check_count(stride, f"{name}: stride")

    def apply(self, x, context):
        name = type(self).__name__
        if x.ndim != 5:
            raise ValueError(f"{name} takes (time, batch, height, width, channels); got {x.shape}.")
        if min(x.shape[2:4]) < self.size:
            raise ValueError(f"{name}: a square of {self.size} does not fit into an image of {x.shape[2]} by {x.shape[3]}.")
        return Passed(folded(self.pool, x))

    @abc.abstractmethod
    def pool(self, x: Array) -> Array:
        """The pooled images of one batch, `(batch, height, width, channels)`."""

    def windows(self, x: Array, start: float, reduce: Any) -> Array:
        """`reduce` over every square."""
        size, stride = (1, self.size, self.size, 1), (1, self.stride, self.stride, 1)
        return jax.lax.reduce_window(x, start, reduce, size, stride, "VALID")


class MaxPool2d(AbstractPool):
    """The largest of a square: of spikes, whether any of them fired. What is left over at the edge is not seen.

    **Arguments:** `size`; `stride`: `size` by default.

    !!! Example

        >>> import jax.numpy as jnp, neuro4d as n4
        >>> n4.train.MaxPool2d(2)(jnp.ones((4, 2, 8, 8, 3))).shape
        (4, 2, 4, 4, 3)
    """

    def pool(self, x):
        return self.windows(x, -jnp.inf, jax.lax.max)


class AvgPool2d(AbstractPool):
    """The mean of a square. What is left over at the edge is not seen.

    **Arguments:** `size`; `stride`: `size` by default.

    !!! Example

        >>> import jax.numpy as jnp, neuro4d as n4
        >>> float(n4.train.AvgPool2d(2)(jnp.arange(4.0).reshape(1, 1, 2, 2, 1)).item())
        1.5
    """

    def pool(self, x):
        return self.windows(x, 0.0, jax.lax.add) / self.size**2
