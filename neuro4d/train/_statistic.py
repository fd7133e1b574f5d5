"""What a tuned network is measured by: a number of a run, and its protocol."""

import abc
from collections.abc import Callable, Sequence
from typing import Any

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neuro4d._base import check_name, check_quantity, lookup, steps_of
from neuro4d.model import Model
from neuro4d.recorders import Counts
from neuro4d.simulate import batch
from neuro4d.train._loop import PLAIN, AbstractLoop, takes_loop


class AbstractStatistic(eqx.Module):
    """A number that a run of a model gives, with its unit.

    `statistic(model, key)` is a pure function of JAX: one trial, to be compiled, mapped and, in a model with a surrogate,
    differentiated. `measure` gives the same number for many trials by the fastest program there is. A statistic that takes a third
    argument `loop` and makes its steps with `loop.total` can be differentiated by every gradient: each brings a loop of its own.
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

    def __call__(self, model, key, loop=PLAIN):
        given = (loop,) if takes_loop(self.function) else ()
        if not given and loop is not PLAIN:
            raise ValueError(NO_LOOP)
        return jnp.asarray(self.function(model, key, *given))


def as_statistic(loss: Any) -> AbstractStatistic:
    """A statistic, or a function `(model, key) -> scalar` made into one.

    **Raises:** `TypeError` for anything else.
    """
    if isinstance(loss, AbstractStatistic):
        return loss
    if callable(loss):
        return FunctionStatistic(loss)
    raise TypeError(f"expected a statistic, `n4.train.Rate('cells', 1*u.second)`, or a function of model and key; got {loss!r:.80}.")


NO_LOOP = (
    "this gradient makes the time steps in a way of its own, so the loss has to let it: write it with a third argument, "
    "`def loss(model, key, loop): return loop.total(model, model.init(key), 1000, lambda state, spikes: spikes['cells'].mean())`."
)


def call_with(statistic: AbstractStatistic, model: Model, key: Any, loop: AbstractLoop) -> Array:
    """One trial, whose steps are made by a loop.

    **Raises:** `ValueError` for a statistic that makes its steps itself.
    """
    if not takes_loop(type(statistic).__call__):
        if loop is PLAIN:
            return statistic(model, key)
        raise ValueError(NO_LOOP)
    return statistic(model, key, loop)  # type: ignore[call-arg]


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
    duration_ms: float = eqx.field(static=True)
    discard_ms: float = eqx.field(static=True)

    def __init__(self, population: str, duration: Any, *, discard: Any = 0 * u.ms):
        self.population = check_name(population, "population")
        self.duration_ms = float(check_quantity(duration, u.ms, "Rate.duration", low=0))
        self.discard_ms = float(check_quantity(discard, u.ms, "Rate.discard", low=0))
        if self.duration_ms == 0:
            raise ValueError("Rate.duration must be more than 0 ms; for example `n4.train.Rate('cells', 1*u.second)`.")

    @property
    def unit(self):
        return u.Hz

    def __call__(self, model, key, loop=PLAIN):
        lookup(model.populations, self.population, "population")
        before = int(steps_of(self.discard_ms, model.dt_ms, "Rate.discard"))
        steps = int(steps_of(self.duration_ms, model.dt_ms, "Rate.duration"))

        def fired(_, spikes):
            return jnp.mean(spikes[self.population], dtype=model.dtype)

        return loop.total(model, model.init(key), steps, fired, discard=before) * (1000 / (model.dt_ms * steps))

    def measure(self, models, keys):
        runs = batch(
            models[0] if len(models) == 1 else list(models),
            keys,
            self.duration_ms * u.ms,
            Counts(self.population),
            discard=self.discard_ms * u.ms,
            progress=False,
        )
        return np.array([float(np.mean(run.rate(self.population).to_decimal(u.Hz))) for run in runs])
