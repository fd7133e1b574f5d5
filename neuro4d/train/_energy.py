"""The energy of a network on a chip as a statistic: to be measured, differentiated and tuned like a rate."""

from typing import Any

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
import numpy as np

from neuro4d._base import steps_of
from neuro4d.hardware import AbstractMeter, Placement
from neuro4d.hardware import meter as meter_of
from neuro4d.recorders import Counts
from neuro4d.train._loop import PLAIN
from neuro4d.train._statistic import AbstractRunStatistic, check_span


class EnergyPerSecond(AbstractRunStatistic):
    r"""The energy of a network on a chip per second of biological time.

    $$ P = E\big(\langle s_1 \rangle, \dots, \langle s_n \rangle\big) / dt $$

    with the energy $E$ of a step, `meter.energy`, at the mean spikes per step $\langle s_i \rangle$ of every neuron. Static power and that of the host are
    in it. It is the value of an interval: its band is `n4.hardware.estimate(placement).energy_per_second`.

    **Arguments:**

    - `meter`: of `n4.hardware.meter`, or a `Placement`: where the neurons of the model lie.
    - `duration`, `discard`: as in `Rate`. [time]

    Bare it is in W. Input from outside counts as in the run that the meter was made from.

    **Raises:** `TypeError` for what is no meter; `UnitError`, `ValueError` for a duration that is not above 0; `ValueError` where it meets a model with another
    number of neurons.

    !!! Example

        >>> model = n4.zoo.coba(scale=0.05).build(dt=0.1*u.ms, seed=0)
        >>> run = n4.simulate(model, jr.key(0), 50*u.ms, n4.Counts())
        >>> meter = n4.hardware.meter(n4.hardware.workload(model, run), "loihi1")
        >>> power = n4.train.EnergyPerSecond(meter, 50*u.ms)
        >>> bool(power.measure([model], jr.split(jr.key(1), 2)).min() > 0)
        True
    """

    meter: AbstractMeter
    duration: Any = eqx.field(static=True)
    discard: Any = eqx.field(static=True)

    def __init__(self, meter: AbstractMeter | Placement, duration: Any, *, discard: Any = 0 * u.ms):
        check_span("EnergyPerSecond", duration, discard)
        found = meter_of(meter) if isinstance(meter, Placement) else meter
        if not isinstance(found, AbstractMeter):
            raise TypeError(
                f"EnergyPerSecond needs a meter or a placement; got {type(meter).__name__}. For example "
                "`n4.hardware.meter(n4.hardware.workload(model, run), 'loihi2')`."
            )
        self.meter, self.duration, self.discard = found, duration, discard

    @property
    def unit(self):
        return u.watt

    def __call__(self, model, key, loop=PLAIN):
        self._check(model)
        before = int(steps_of(self.discard.to_decimal(u.ms), model.dt_ms, "EnergyPerSecond.discard"))
        steps = int(steps_of(self.duration.to_decimal(u.ms), model.dt_ms, "EnergyPerSecond.duration"))

        def fired(_, spikes):
            return jnp.concatenate([jnp.asarray(spikes[name], model.dtype) for name in model.populations])

        spikes = loop.total(model, model.init(key), steps, fired, discard=before) / steps
        return self.meter.energy(spikes).value / (model.dt_ms * 1e-3)

    def recorders(self):
        return (Counts(),)

    def of(self, run):
        self._check(run.model)
        rates = np.concatenate([np.asarray(run.rates(name).to_decimal(u.Hz)) for name in run.model.populations])
        step = run.model.dt_ms * 1e-3
        return float(self.meter.energy(rates * step).value) / step

    def _check(self, model: Any) -> None:
        if model.n_neurons != self.meter.n_neurons:
            raise ValueError(
                f"EnergyPerSecond: the meter was made for {self.meter.n_neurons} neurons, the model has {model.n_neurons}. "
                "Make it from a run of this model: `n4.hardware.meter(n4.hardware.workload(model, run), 'loihi2')`."
            )
