"""Exact gradients of spike times, as a choice among gradients."""

from typing import Any

import equinox as eqx
import jax
import numpy as np

from neuro4d._base import check_count
from neuro4d.model import Model
from neuro4d.train._estimate import AbstractGradient, of_trials
from neuro4d.train._events import ARRIVALS
from neuro4d.train._events_statistics import AbstractSpikeStatistic, IntervalRate
from neuro4d.train._parameters import Places, read, write
from neuro4d.train._statistic import AbstractStatistic, FunctionStatistic, Rate


class EventBased(AbstractGradient):
    r"""Reverse mode through the spike times themselves: exact between creations and deletions of spikes, and blind to those.

    $$ \frac{dt}{dp} = \frac{1}{\dot v(t)} \left(\frac{dv_\mathrm{th}}{dp} - \frac{\partial v(t)}{\partial p}\right) $$

    The simulation is `spike_times`: every crossing, reset and arrival lies at its own time, where the grid would round it up, so a value may
    differ from that of the simulation on the grid. For losses on spike times, first spikes and potentials it is the slope itself. Of a
    rate it sees how intervals stretch, and not that a silent neuron begins to fire; `check_gradient` shows by how much that falls short.

    **Arguments:**

    - `trials`: independent runs.
    - `arrivals`: as in `spike_times`.

    For `FirstSpike`, `SpikeTime`, `Potential`, `IntervalRate`, `SpikeDistance`, a function of `spike_times` of yours, and `Rate`, which is
    read as `IntervalRate`.

    **Raises:** `TypeError` for another statistic, `ValueError` for a model without a closed form, or a step that is too long.

    **Source:** T. C. Wunderlich and C. Pehl, Scientific Reports 11, 12829 (2021).

    !!! Example

        >>> import brainunit as u, jax, neuro4d as n4
        >>> lif = n4.LIF(tau=10*u.ms, c=100*u.pF, v_rest=0*u.mV, v_th=10*u.mV, v_reset=0*u.mV)
        >>> cells = n4.Population("cells", 1, lif)
        >>> model = n4.Network(cells, n4.Clamp("drive", cells, 200*u.pA)).build(dt=0.5*u.ms)
        >>> where = n4.train.places(lambda m: m.neurons["cells"].v_th)
        >>> first = n4.train.FirstSpike("cells", 20*u.ms)
        >>> found = n4.train.EventBased(trials=1).estimate(model, where, first, jax.random.key(0))
        >>> round(float(found.gradient["parameter"]), 3)  # tau/(v_inf - v_th), ms/mV
        1.0
    """

    trials: int = eqx.field(static=True, default=4)
    arrivals: int = eqx.field(static=True, default=ARRIVALS)

    def __check_init__(self):
        check_count(self.trials, "EventBased.trials")
        check_count(self.arrivals, "EventBased.arrivals")

    def estimate(self, model, where, statistic, key):
        keys, numbers = jax.random.split(key, self.trials), read(model, where)
        values, gradients = _reverse(model, dict(where), _on_spike_times(statistic), keys, numbers, self.arrivals)
        if not np.isfinite(np.asarray(values)).all():
            raise ValueError(
                f"a run could not be made exactly: in a step of {model.dt_ms} ms a neuron fired twice, or spikes arrived at more than "
                f"arrivals={self.arrivals} different times, or it fired more often than `max_spikes` of the statistic. Build with a shorter "
                f"step, `build(dt={model.dt_ms / 4:g}*u.ms)`, or give `EventBased(arrivals={4 * self.arrivals})`."
            )
        return of_trials(values, gradients, numbers)


def _on_spike_times(statistic: AbstractStatistic) -> AbstractStatistic:
    """The same statistic as one of spike times."""
    if isinstance(statistic, AbstractSpikeStatistic | FunctionStatistic):
        return statistic
    if isinstance(statistic, Rate):
        return IntervalRate(statistic.population, statistic.duration, discard=statistic.discard)
    raise TypeError(
        f"EventBased differentiates spike times and potentials: `train.FirstSpike`, `SpikeTime`, `Potential`, `IntervalRate`, `SpikeDistance` or "
        f"a function of `train.spike_times`; got {type(statistic).__name__}. For a statistic of long runs: `train.Differences()`."
    )


@eqx.filter_jit
def _reverse(model: Model, where: Places, statistic: AbstractStatistic, keys: Any, numbers: dict, arrivals: int) -> tuple[Any, dict]:
    """Values and gradients of every trial, one after the other: memory is that of one."""

    def one(numbers: dict, key: Any) -> Any:
        moved = write(model, where, numbers)
        return statistic(moved, key, arrivals) if isinstance(statistic, AbstractSpikeStatistic) else statistic(moved, key)

    return jax.lax.map(lambda key: jax.value_and_grad(one)(numbers, key), keys)
