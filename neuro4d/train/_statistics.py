"""Statistics of a run beside its rate: irregularity, synchrony, and whatever a user computes from a run."""

from collections.abc import Callable, Sequence
from typing import Any

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from neuro4d._base import check_count, check_name, check_quantity, steps_of
from neuro4d.analysis import cv, synchrony
from neuro4d.recorders import AbstractRecorder, Spikes
from neuro4d.results import Run
from neuro4d.train._statistic import AbstractRunStatistic, check_span, observed


class CV(AbstractRunStatistic):
    r"""Irregularity: the coefficient of variation of the intervals between spikes, averaged over neurons.

    $$ \mathrm{CV} = \Big\langle \frac{\mathrm{sd}(I_i)}{\overline{I_i}} \Big\rangle_{i\,:\,m_i \ge m} $$

    over neurons with at least `min_isi` $m$ intervals: 0 for clocks, 1 for Poisson processes. It is `nan` where no neuron fires often enough.

    **Arguments:**

    - `population`: its name.
    - `duration`, `discard`: as in `Rate`. [time]
    - `min_isi`: fewest intervals of a neuron that counts.

    **Raises:** `UnitError`, `TypeError`, `ValueError` for values outside their ranges.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> regularity = n4.train.CV("cells", 1*u.second, discard=200*u.ms)
    """

    population: str = eqx.field(static=True)
    duration: Any = eqx.field(static=True)
    discard: Any = eqx.field(static=True)
    min_isi: int = eqx.field(static=True)

    def __init__(self, population: str, duration: Any, *, discard: Any = 0 * u.ms, min_isi: int = 5):
        check_span("CV", duration, discard)
        self.population, self.duration, self.discard = check_name(population, "population"), duration, discard
        self.min_isi = check_count(min_isi, "CV.min_isi")

    @property
    def unit(self):
        return None

    def __call__(self, model, key):
        fired = observed(model, key, self.population, self.duration, self.discard, lambda spikes: spikes > 0)
        return _cv(fired, self.min_isi, model.dtype)

    def recorders(self):
        return (Spikes(self.population),)

    def of(self, run):
        return float(cv(run.spikes(self.population), self.min_isi))


def _cv(fired: Array, min_isi: int, dtype: Any) -> Array:
    """The same from spikes `(steps, n)`; the intervals are whole numbers of steps."""
    at = jnp.arange(1, fired.shape[0] + 1, dtype=jnp.int32)[:, None]
    latest = jax.lax.cummax(jnp.where(fired, at, 0))
    before = jnp.concatenate([jnp.zeros_like(latest[:1]), latest[:-1]])
    counts = fired & (before > 0)
    interval = jnp.where(counts, at - before, 0).astype(dtype)
    m = jnp.sum(counts, axis=0)
    some = jnp.maximum(m, 1)
    mean = jnp.sum(interval, axis=0) / some
    variance = jnp.sum(jnp.where(counts, (interval - mean) ** 2, 0), axis=0) / some
    enough = m >= min_isi
    each = jnp.where(enough, jnp.sqrt(jnp.where(enough, variance, 1)) / jnp.where(enough, mean, 1), 0)
    return jnp.sum(each) / jnp.sum(enough)


class Synchrony(AbstractRunStatistic):
    r"""Synchrony: variance / mean of the spike count of a population in bins, $\mathrm{Var}(N_b)/\langle N_b\rangle$.

    1 for independent Poisson neurons, up to the number of neurons where all fire together. It is `nan` where nothing fires.

    **Arguments:**

    - `population`: its name.
    - `duration`, `discard`: as in `Rate`. [time]
    - `bin`: width of a bin, a multiple of the time step. [time]

    **Raises:** `UnitError`, `ValueError` for values outside their ranges.

    **Source:** T. C. Potjans, M. Diesmann, Cerebral Cortex 24, 785 (2014).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> together = n4.train.Synchrony("cells", 1*u.second, bin=3*u.ms)
    """

    population: str = eqx.field(static=True)
    duration: Any = eqx.field(static=True)
    discard: Any = eqx.field(static=True)
    bin: Any = eqx.field(static=True)

    def __init__(self, population: str, duration: Any, *, discard: Any = 0 * u.ms, bin: Any = 3 * u.ms):
        check_span("Synchrony", duration, discard)
        check_span("Synchrony", bin, 0 * u.ms)
        self.population, self.duration, self.discard, self.bin = check_name(population, "population"), duration, discard, bin

    @property
    def unit(self):
        return None

    def __call__(self, model, key):
        fired = observed(model, key, self.population, self.duration, self.discard, lambda spikes: jnp.sum(spikes, dtype=model.dtype))
        width = int(steps_of(self.bin.to_decimal(u.ms), model.dt_ms, "Synchrony.bin"))
        bins = fired.shape[0] // width
        counts = jnp.sum(fired[: bins * width].reshape(bins, width), axis=1)
        return jnp.var(counts) / jnp.mean(counts)

    def recorders(self):
        return (Spikes(self.population),)

    def of(self, run):
        return float(synchrony(run.spikes(self.population), self.bin))


class FromRun(AbstractRunStatistic):
    """A number that a function of the user computes from a run.

    It is read from a finished run on the host, so it has no derivative: `tune` and `Differences` take it, gradients through the
    simulation do not.

    **Arguments:**

    - `function`: takes a `Run`, gives a number, or a quantity if `unit` is given.
    - `duration`, `discard`: as in `Rate`. [time]
    - `record`: the recorders it reads; by default the spikes of all neurons.
    - `unit`: of what the function gives; `None` for a bare number.

    **Raises:** `TypeError` for what is no function; `UnitError`, `ValueError` for the times.

    !!! Example

        >>> import brainunit as u, neuro4d as n4, numpy as np
        >>> spread = n4.train.FromRun(lambda run: np.std(run.rates("cells").to_decimal(u.Hz)), 1*u.second, record=(n4.Counts("cells"),))
    """

    function: Callable[[Run], Any] = eqx.field(static=True)
    duration: Any = eqx.field(static=True)
    discard: Any = eqx.field(static=True)
    record: tuple[AbstractRecorder, ...]
    given_unit: Any = eqx.field(static=True)

    def __init__(
        self,
        function: Callable[[Run], Any],
        duration: Any,
        *,
        discard: Any = 0 * u.ms,
        record: AbstractRecorder | Sequence[AbstractRecorder] = (Spikes(),),
        unit: Any = None,
    ):
        if not callable(function):
            raise TypeError(f"FromRun: expected a function of a run, for example `lambda run: run.cv('cells')`; got {function!r:.80}.")
        check_span("FromRun", duration, discard)
        self.function, self.duration, self.discard = function, duration, discard
        self.record = (record,) if isinstance(record, AbstractRecorder) else tuple(record)
        self.given_unit = unit

    @property
    def unit(self):
        return self.given_unit

    def __call__(self, model, key):
        raise TypeError(
            "FromRun is read from a finished run and has no program: measure it, `statistic.measure([model], keys)`, or give a pure function "
            "`(model, key) -> scalar` to a gradient that goes through the simulation."
        )

    def recorders(self):
        return self.record

    def of(self, run):
        value = self.function(run)
        if self.given_unit is None:
            return float(value)
        return float(check_quantity(value, self.given_unit, "FromRun: what the function gives"))
