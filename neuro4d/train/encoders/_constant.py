"""Encoders of numbers that do not change, such as images."""

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from neuro4d._base import check_count


class AbstractEncoder(eqx.Module):
    """From samples to sequences. Pure; drawing encoders take a key, the others ignore it."""

    @abc.abstractmethod
    def __call__(self, x: Float[Array, "batch ..."], key: Any = None) -> Float[Array, "time batch ..."]:
        """The sequence of a batch, time first."""


class Direct(AbstractEncoder):
    """A constant current: the numbers themselves in every step.

    `Direct(1)` together with the layer `Hold(steps)` is the same and cheaper: layers before `Hold` are computed once.

    **Arguments:** `steps`: how many.

    !!! Example

        >>> import jax.numpy as jnp, neuro4d as n4
        >>> n4.train.encoders.Direct(3)(jnp.array([[0.2]])).ravel().tolist() == [jnp.float32(0.2)] * 3
        True
    """

    steps: int = eqx.field(static=True)

    def __init__(self, steps: int):
        self.steps = check_count(steps, "Direct: steps")

    def __call__(self, x, key=None):
        return jnp.broadcast_to(x, (self.steps, *x.shape))


class Rate(AbstractEncoder):
    r"""Spikes at random: in every step one with probability $\min(1, g x)$, independent of the others. Negative numbers never fire.

    **Arguments:** `steps`: how many; `gain` $g$, above 0: spikes per step where $x$ is 1.

    **Raises:** `ValueError` without a key.

    !!! Example

        >>> import jax.numpy as jnp, jax.random as jr, neuro4d as n4
        >>> spikes = n4.train.encoders.Rate(1000, gain=0.5)(jnp.ones((1, 1)), jr.key(0))
        >>> bool(abs(spikes.mean() - 0.5) < 0.08)  # five standard errors
        True
    """

    steps: int = eqx.field(static=True)
    gain: float = eqx.field(static=True)

    def __init__(self, steps: int, *, gain: float = 1.0):
        self.steps = check_count(steps, "encoders.Rate: steps")
        if not gain > 0:
            raise ValueError(f"encoders.Rate: gain must be more than 0, for example 0.5 spikes per step; got {gain!r}.")
        self.gain = float(gain)

    def __call__(self, x, key=None):
        if key is None:
            raise ValueError("encoders.Rate draws at random and needs a key: `encoder(x, jax.random.key(0))`.")
        return jr.bernoulli(key, jnp.clip(self.gain * x, 0, 1), (self.steps, *x.shape)).astype(x.dtype)


class Latency(AbstractEncoder):
    r"""One spike per number, the earlier the larger: in step $\mathrm{round}((1 - x)(T - 1))$ for $x$ from 0 to 1, a spike of a number above 1 in the first.

    **Arguments:** `steps` $T$; `threshold`: numbers below it do not fire at all.

    !!! Example

        >>> import jax.numpy as jnp, neuro4d as n4
        >>> n4.train.encoders.Latency(3, threshold=0.1)(jnp.array([[1.0, 0.5, 0.0]]))[:, 0].tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """

    steps: int = eqx.field(static=True)
    threshold: float = eqx.field(static=True)

    def __init__(self, steps: int, *, threshold: float = 0.0):
        self.steps, self.threshold = check_count(steps, "Latency: steps"), float(threshold)

    def __call__(self, x, key=None):
        when = jnp.round((1 - jnp.clip(x, 0, 1)) * (self.steps - 1))
        steps = jnp.arange(self.steps, dtype=x.dtype).reshape(-1, *[1] * x.ndim)
        return ((steps == when) & (x >= self.threshold)).astype(x.dtype)
