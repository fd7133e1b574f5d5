"""Normalisation over time and batch."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d._base import check_count
from neuro4d.train.layers._base import AbstractLayer, Passed


class Moments(NamedTuple):
    """Running mean and variance of every feature."""

    mean: Float[Array, " features"]
    variance: Float[Array, " features"]


class BatchNorm(AbstractLayer):
    r"""Every feature to mean $b$ and standard deviation $g$, over time, batch and space together.

    $$ y = g\,\frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + b $$

    In training $\mu$ and $\sigma^2$ are those of the batch, and running means of both follow: $m \leftarrow (1 - r) m + r \mu$. Otherwise the running ones
    are used. Nothing changes behind your back: `net.run(x, training=True)` returns the new ones, `net.with_statistics` puts them in, and `fit` does both.

    **Arguments:**

    - `features`: the length of the last axis.
    - `scale`: where $g$ starts; with a threshold of 1, 1 gives threshold-dependent batch norm.
    - `momentum`: $r$, above 0 and at most 1.
    - `epsilon`: above 0.

    **Raises:** `ValueError` for numbers outside these ranges or an input of another width.

    **Source:** H. Zheng, Y. Wu, L. Deng, Y. Hu, G. Li, AAAI 35, 11062 (2021).

    !!! Example

        >>> import jax.numpy as jnp, neuro4d as n4
        >>> net = n4.train.Sequential(n4.train.BatchNorm(1, momentum=1.0))
        >>> output, _, statistics = net.run(jnp.array([[[1.0], [3.0]]]), training=True)
        >>> net.with_statistics(statistics).layers[0].moments.mean.tolist()
        [2.0]
    """

    gain: Float[Array, " features"]
    shift: Float[Array, " features"]
    moments: Moments
    momentum: float = eqx.field(static=True)
    epsilon: float = eqx.field(static=True)

    def __init__(self, features: int, *, scale: float = 1.0, momentum: float = 0.1, epsilon: float = 1e-5):
        features = check_count(features, "BatchNorm: features")
        if not 0 < momentum <= 1:
            raise ValueError(f"BatchNorm: momentum lies above 0 and is at most 1, for example 0.1; got {momentum!r}.")
        if not epsilon > 0:
            raise ValueError(f"BatchNorm: epsilon must be more than 0, for example 1e-5; got {epsilon!r}.")
        zeros = jnp.zeros(features, jnp.result_type(float))
        self.gain, self.shift = zeros + scale, zeros
        self.moments = Moments(zeros, zeros + 1)
        self.momentum, self.epsilon = float(momentum), float(epsilon)

    def apply(self, x, context):
        if x.shape[-1] != self.gain.shape[0]:
            raise ValueError(f"BatchNorm of {self.gain.shape[0]} features got {x.shape[-1]}: x has shape {x.shape}.")
        if not context.training:
            return Passed(self._normal(x, self.moments))
        axes = tuple(range(x.ndim - 1))
        mean = jnp.mean(x, axes)
        now = Moments(mean, jnp.mean(jnp.square(x - mean), axes))
        running = jax.tree.map(lambda old, new: (1 - self.momentum) * old + self.momentum * jax.lax.stop_gradient(new), self.moments, now)
        return Passed(self._normal(x, now), (), running)

    def _normal(self, x: Array, moments: Moments) -> Array:
        factor = self.gain * jax.lax.rsqrt(moments.variance + self.epsilon)
        return x * factor + (self.shift - moments.mean * factor)

    def kept(self):
        return ("moments",)

    def statistics(self):
        return self.moments

    def with_statistics(self, statistics):
        return eqx.tree_at(lambda layer: layer.moments, self, statistics)
