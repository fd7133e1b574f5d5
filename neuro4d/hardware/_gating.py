"""Power gating: cores on which nothing happens for long enough are off."""

import dataclasses
from typing import Any

import brainunit as u
import numpy as np
from jaxtyping import Bool

from neuro4d._base import check_quantity
from neuro4d.hardware._estimate import estimate
from neuro4d.hardware._interval import Interval
from neuro4d.hardware._meter import planned, value
from neuro4d.hardware._placement import Change, Gating, Placement, knowing, noted
from neuro4d.hardware._schema import ChipTarget

WAKE_ENERGY = Interval(100e-9, 1e-9, 10e-6)
"""J per core, inferred: no chip's wake-up has been published. From charging a core of 0.5 mm2 with 2 nF to reading 1 Mbit from outside of the chip at 10 pJ per bit."""

WAKE_TIME = Interval(1.5e-6, 0.1e-6, 20e-6)
"""s, inferred: from the switch of supply and clock on SpiNNaker 2's prototype (below 100 ns, Höppner et al. 2019) to reading 1 Mbit at 6.4 GB/s."""


def gate(placement: Placement, *, energy: Any = WAKE_ENERGY, time: Any = WAKE_TIME) -> Placement:
    r"""Switches groups of cores off over stretches of the run in which nothing arrives at them and none of their neurons spikes, where that saves energy.

    A core that is off takes `power.gated` instead of `power.core`. Over a stretch $T$ that saves $(P_\text{on} - P_\text{off})\,T - E_\text{wake}$, which is above 0 beyond the
    break-even time $E_\text{wake} / (P_\text{on} - P_\text{off})$. All others wait for cores that wake, and the power of the whole chip over that time is counted
    against the saving. Cores are powered in groups of `power.group`. Stretches are whole windows of the run: record `n4.Counts(every=10*u.ms)`.

    What is saved is leakage. Updates that a core leaves out while it is off are counted as if it made them, since it has to make up for them when it wakes; that this gives
    the same spikes is sure for neurons that only decay without input, and not for those with a drive of their own.

    **Arguments:** `energy`: of waking a core, such as `1e-9*u.joule`, or an `Interval` in J; `time`: until it is awake, such as `1e-3*u.ms`, or an `Interval` in s. Neither has been
    published for any of these chips; without them wide bands are assumed.

    **Returns:** the placement, gated, so that `estimate` counts it; or as it was where that saves nothing, for example since no power of a single core is known. The
    report has `energy` per step in J, `step_time` in s, `powered` cores in the mean, and afterwards `wake_ups` of cores in the run and `break_even` in s.

    **Raises:** `UnitError` for prices without units.

    !!! Example

        >>> pre = np.arange(2048)
        >>> work = n4.hardware.layered(["a", "b"], [1024, 1024], pre, pre, np.full(2048, 0.1), dt=1*u.ms, steps=10_000)
        >>> import dataclasses
        >>> bursts = dataclasses.replace(work, windows=np.repeat(np.eye(2) * 0.2, 1024, axis=1))
        >>> gated = n4.hardware.gate(n4.hardware.partition(bursts, n4.hardware.target("loihi1")))
        >>> n4.hardware.powered(gated).tolist()
        [[True, False], [False, True]]
    """
    price = Gating(_price(energy, u.joule, "gate: energy"), _price(time, u.second, "gate: time"))
    plain, found = (knowing(dataclasses.replace(placement, gating=each), placement.fan_out) for each in (None, price))
    before, after = _numbers(plain), _numbers(found)
    name = "gate"
    if not after["energy"] < before["energy"]:
        found, after, name = plain, before, f"gate ({_why(placement.target)})"
    after = after | {"break_even": break_even(placement.target, price.energy)}
    return noted(found, Change(name, before, after))


def powered(placement: Placement) -> Bool[np.ndarray, "windows cores"]:
    """Which cores are powered in each window of the run, `(windows, cores)`: all of them, unless the placement went through `gate`."""
    groups, plan = planned(placement)
    return plan.on[:, groups.of]


def break_even(target: ChipTarget, energy: Interval) -> float:
    """How long a core has to be off to save what waking it takes, in s; not finite where it saves nothing."""
    saved = value(target.power.core) - value(target.power.gated)
    return float(energy.value) / saved if saved > 0 else float("inf")


def _numbers(placement: Placement) -> dict[str, float]:
    cost = estimate(placement)
    groups, plan = planned(placement)
    return {
        "energy": float(cost.energy_per_step.value),
        "step_time": float(cost.step_time.value),
        "powered": float(plan.share @ groups.size),
        "wake_ups": float(plan.wakes),
    }


def _why(target: ChipTarget) -> str:
    if not value(target.power.core) > value(target.power.gated):
        return "nothing gated: no power of a core that is on is known"
    return "nothing gated: no stretch without activity is long enough"


def _price(x: Any, unit: Any, where: str) -> Interval:
    return x if isinstance(x, Interval) else Interval(float(check_quantity(x, unit, where, low=0)))
