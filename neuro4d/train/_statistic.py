"""What a tuned network is measured by: a number of a run, and its protocol."""

import abc
from collections.abc import Callable, Sequence
from typing import Any

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neuro4d._base import check_name, check_quantity, lookup, per_second, steps_of
from neuro4d.model import Model
from neuro4d.recorders import AbstractRecorder, Counts, Spikes
from neuro4d.results import Run
from neuro4d.simulate import batch, scan
from neuro4d.train._loop import PLAIN, call_with


class AbstractStatistic(eqx.Module):
    """A number that a run of a model gives, with its unit.

    `statistic(model, key)` is a pure function of JAX: one trial, to be compiled, mapped and, in a model with a surrogate,
    differentiated. `measure` gives the same number for many trials by the fastest program there is. A statistic that takes a third
    argument `loop`, and makes its steps with `loop.total`, can be differentiated by every gradient: each brings a loop of its own.
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


class AbstractRunStatistic(AbstractStatistic):
    """A statistic that is read from a finished run, so that one run serves several of them.

    **Fields:** `duration` of what is looked at, `discard` before it. [time]
    """

    duration: eqx.AbstractVar[Any]
    discard: eqx.AbstractVar[Any]

    @abc.abstractmethod
    def recorders(self) -> tuple[AbstractRecorder, ...]:
        """What has to be recorded."""

    @abc.abstractmethod
    def of(self, run: Run) -> float:
        """The number, bare, from a run with these recorders; `nan` where the run does not define it."""

    def measure(self, models, keys):
        return np.array([self.of(run) for run in record(models, keys, (self,))])


def record(models: Sequence[Model], keys: Any, statistics: Sequence[AbstractRunStatistic]) -> list[Run]:
    """One run per trial, from which several statistics with one duration can be read.

    **Arguments:** `models`: one for all, or one per key.

    **Raises:** `KeyboardInterrupt` for runs that Ctrl-C has cut short.
    """
    first = statistics[0]
    runs = batch(
        models[0] if len(models) == 1 else list(models),
        keys,
        first.duration,
        merged([recorder for statistic in statistics for recorder in statistic.recorders()]),
        discard=first.discard,
        progress=False,
    )
    # After the first Ctrl-C `batch` gives what was done so far. A statistic of that is a number like any other, only wrong.
    if not all(run.completed for run in runs):
        raise KeyboardInterrupt("the runs of a measurement were interrupted; nothing is read from a part of them.")
    return runs


def merged(recorders: Sequence[AbstractRecorder]) -> tuple[AbstractRecorder, ...]:
    """Recorders without doubles: what several count or keep is counted and kept once."""
    counts = [each for each in recorders if isinstance(each, Counts) and each.every is None]
    kept = [each for each in recorders if type(each) is Spikes]
    mine = {id(each) for each in (*counts, *kept)}
    others = {each.name: each for each in recorders if id(each) not in mine}
    out: list[AbstractRecorder] = []
    if counts:
        out.append(Counts(*_populations(counts)))
    if kept:
        out.append(Spikes(*_populations(kept)))
    return (*out, *others.values())


def _populations(recorders: Sequence[Counts] | Sequence[Spikes]) -> list[str]:
    """The names that several recorders have; none, which means all, if one has all."""
    if any(each.populations is None for each in recorders):
        return []
    return sorted({name for each in recorders for name in each.populations or ()})


class FunctionStatistic(AbstractStatistic):
    """A function `(model, key) -> scalar` of the user as a statistic."""

    function: Callable[[Model, Any], Any] = eqx.field(static=True)

    @property
    def unit(self):
        return None

    def __call__(self, model, key, loop=PLAIN):
        return jnp.asarray(call_with(self.function, model, key, loop))


def as_statistic(loss: Any) -> AbstractStatistic:
    """A statistic, or a function `(model, key) -> scalar` made into one.

    **Raises:** `TypeError` for anything else.
    """
    if isinstance(loss, AbstractStatistic):
        return loss
    if callable(loss):
        return FunctionStatistic(loss)
    raise TypeError(f"expected a statistic, `n4.train.Rate('cells', 1*u.second)`, or a function of model and key; got {loss!r:.80}.")


def check_span(name: str, duration: Any, discard: Any) -> None:
    """Two times with units: what is looked at, above 0, and what comes before it."""
    if not check_quantity(duration, u.ms, f"{name}.duration", low=0) > 0:
        raise ValueError(f"{name}.duration has to be more than 0 ms, for example `1*u.second`; got {duration}.")
    check_quantity(discard, u.ms, f"{name}.discard", low=0)


def observed(model: Model, key: Any, population: str, duration: Any, discard: Any, what: Callable[[Array], Array]) -> Array:
    """What a function of the spikes of a population gives in every step of a trial, after the time that is discarded."""
    lookup(model.populations, population, "population")
    before = int(steps_of(discard.to_decimal(u.ms), model.dt_ms, "discard"))
    steps = int(steps_of(duration.to_decimal(u.ms), model.dt_ms, "duration"))
    state = model.init(key)
    if before:
        state, _ = scan(model, state, before)
    _, seen = scan(model, state, steps, lambda _, spikes: what(spikes[population]))
    return seen


class Rate(AbstractRunStatistic):
    r"""The mean firing rate of a population.

    $$ r = \frac{1}{n T} \sum_{i=1}^{n} \sum_t s_i(t) $$

    **Arguments:**

    - `population`: its name.
    - `duration`: $T$. [time]
    - `discard`: a time before, which does not count. [time]

    Bare it is in Hz.

    **Raises:** `UnitError`, `ValueError` for a duration that is not above 0.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> n4.train.Rate("cells", 1*u.second, discard=200*u.ms).unit
        Unit("Hz")
    """

    population: str = eqx.field(static=True)
    duration: Any = eqx.field(static=True)
    discard: Any = eqx.field(static=True)

    def __init__(self, population: str, duration: Any, *, discard: Any = 0 * u.ms):
        check_span("Rate", duration, discard)
        self.population, self.duration, self.discard = check_name(population, "population"), duration, discard

    @property
    def unit(self):
        return u.Hz

    def __call__(self, model, key, loop=PLAIN):
        lookup(model.populations, self.population, "population")
        before = int(steps_of(self.discard.to_decimal(u.ms), model.dt_ms, "Rate.discard"))
        steps = int(steps_of(self.duration.to_decimal(u.ms), model.dt_ms, "Rate.duration"))

        def fired(_, spikes):
            return jnp.mean(spikes[self.population], dtype=model.dtype)

        return per_second(loop.total(model, model.init(key), steps, fired, discard=before), model.dt_ms * steps)

    def recorders(self):
        return (Counts(self.population),)

    def of(self, run):
        return float(run.rate(self.population).to_decimal(u.Hz))
