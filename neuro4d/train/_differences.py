"""Slopes of statistics of long runs, measured: differences between trials that share their random numbers."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from neuro4d.model import Model
from neuro4d.train._estimate import AbstractGradient, Estimate
from neuro4d.train._parameters import Places, read, write
from neuro4d.train._statistic import AbstractStatistic


class Differences(AbstractGradient):
    r"""Central differences with common random numbers, over lanes of one batch.

    $$ \frac{\partial r}{\partial p} \approx \frac{1}{m} \sum_{j=1}^{m} \frac{r_j(p + h) - r_j(p - h)}{2h} $$

    Trial $j$ meets the same noise and the same initial values on both sides, so what both share cancels. A leaf with many entries is
    moved as a whole: the slope along "all entries together".

    **Arguments:**

    - `trials` $m$: pairs of runs.
    - `step` $h$: relative to the value, or absolute where the value is 0.

    **Source:** P. Glasserman, Monte Carlo Methods in Financial Engineering (2003), chapter 7.1.
    """

    trials: int = eqx.field(static=True, default=16)
    step: float = eqx.field(static=True, default=0.02)

    def estimate(self, model, where, statistic, key):
        values, gradient, stderr = read(model, where), {}, {}
        keys = jax.random.split(key, self.trials)
        means = []
        for name, value in values.items():
            h = np.maximum(np.abs(np.asarray(value, np.float64)), 1e-12) * self.step
            low, high = (self._side(model, where, name, value + sign * h, statistic, keys) for sign in (-1, 1))
            slope = (high - low) / (2 * float(np.mean(h)))
            means.append((high + low) / 2)
            gradient[name] = jnp.asarray(np.mean(slope))
            stderr[name] = jnp.asarray(np.std(slope, ddof=1) / np.sqrt(self.trials))
        return Estimate(float(np.mean(means)), gradient, stderr, 2 * self.trials * len(values))

    def _side(self, model: Model, where: Places, name: str, value: Any, statistic: AbstractStatistic, keys: Any) -> np.ndarray:
        return statistic.measure([write(model, {name: where[name]}, {name: value})], keys)
