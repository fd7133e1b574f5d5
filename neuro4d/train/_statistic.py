"""What a tuned network is measured by: a number of a run, and its protocol."""

import abc
from collections.abc import Callable, Sequence
from typing import Any

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neuro4d._base import lookup, steps_of
from neuro4d.model import Model
from neuro4d.recorders import Counts
from neuro4d.simulate import batch, scan


class AbstractStatistic(eqx.Module):
    """A number that a run of a model gives, with its unit.

    `statistic(model, key)` is a pure function of JAX: one trial, to be compiled, mapped and, in a model with a surrogate,
    differentiated. `measure` gives the same number for many trials by the fastest program there is.
    """

    @property
    @abc.abstractmethod
    def unit(self) -> Any:
        """The unit of the bare number, or `None`."""

    @abc.abstractmethod
    def __call__(self, model: Model, key: Any) -> Float[Array, ""]:
        """The number of one trial, bare."""

    def measure(self, models: Sequence[Model], keys: Any) -> Float[np.ndarray, " lanes"]:
        """The number of each of several trials, bare, float64.

        **Arguments:** `models`: one for all, or one per key; `keys`: typed random keys, `(lanes,)`.
        """
        lanes = list(models) * len(keys) if len(models) == 1 else list(models)
        return np.array([float(_one_trial(self, model, key)) for model, key in zip(lanes, keys, strict=True)])


@eqx.filter_jit
def _one_trial(statistic: AbstractStatistic, model: Model, key: Any) -> Array:
    return statistic(model, key)


class FunctionStatistic(AbstractStatistic):
    """A function `(model, key) -> scalar` of the user as a statistic."""

    function: Callable[[Model, Any], Any] = eqx.field(static=True)

    @property
    def unit(self):
        return None

    def __call__(self, model, key):
        return jnp.asarray(self.function(model, key))


def as_statistic(loss: Any) -> AbstractStatistic:
    """A statistic, or a function `(model, key) -> scalar` made into one.

    **Raises:** `TypeError` for anything else.
    """
    if isinstance(loss, AbstractStatistic):
        return loss
    if callable(loss):
        return FunctionStatistic(loss)
    raise TypeError(f"expected a statistic, `n4.train.Rate('cells', 1*u.second)`, or a function of model and key; got {loss!r:.80}.")


class Rate(AbstractStatistic):
    r"""The mean firing rate of a population.

    $$ r = \frac{1}{n T} \sum_{i=1}^{n} \sum_t s_i(t) $$

    **Arguments:**

    - `population`: its name.
    - `duration`: $T$. [time]
    - `discard`: a time before, which does not count. [time]

    Bare it is in Hz.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> n4.train.Rate("cells", 1*u.second, discard=200*u.ms).unit
        Unit("Hz")
    """

    population: str = eqx.field(static=True)
    duration: Any = eqx.field(static=True)
    discard: Any = eqx.field(static=True)

    def __init__(self, population: str, duration: Any, *, discard: Any = 0 * u.ms):
        self.population, self.duration, self.discard = population, duration, discard

    @property
    def unit(self):
        return u.Hz

    def __call__(self, model, key):
        lookup(model.populations, self.population, "population")
        before = int(steps_of(self.discard.to_decimal(u.ms), model.dt_ms, "Rate.discard"))
        steps = int(steps_of(self.duration.to_decimal(u.ms), model.dt_ms, "Rate.duration"))
        state = model.init(key)
        if before:
            state, _ = scan(model, state, before)
        _, fired = scan(model, state, steps, lambda _, spikes: jnp.mean(spikes[self.population], dtype=model.dtype))
        return jnp.mean(fired) * (1000 / model.dt_ms)

    def measure(self, models, keys):
        runs = batch(
            models[0] if len(models) == 1 else list(models), keys, self.duration, Counts(self.population), discard=self.discard, progress=False
        )
        return np.array([float(np.mean(run.rate(self.population).to_decimal(u.Hz))) for run in runs])
