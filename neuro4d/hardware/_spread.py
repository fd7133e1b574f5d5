"""How many cores: more of them make a step shorter and take more power."""

import math
from collections.abc import Callable
from types import MappingProxyType
from typing import Literal

import numpy as np

from neuro4d._base import check_count, did_you_mean
from neuro4d.hardware._balance import finished, levelled
from neuro4d.hardware._estimate import estimate
from neuro4d.hardware._placement import Change, Placement, noted

AIMS: MappingProxyType[str, Callable[[float, float], float]] = MappingProxyType(
    {"energy": lambda energy, time: energy, "time": lambda energy, time: time, "product": lambda energy, time: energy * time}
)

GROWTH, PATIENCE = 1.4, 2
"""By which factor cores are added from one try to the next, and how many tries in a row may be worse than the best."""


def spread(
    placement: Placement, aim: Literal["energy", "time", "product"] = "energy", *, chips: int | None = None, seed: int = 0
) -> Placement:
    r"""Takes as many cores as are best: `balance` over ever more of them, and the one with the lowest

    $$E(K) = t(K)\,(K P_\text{core} + P_\text{rest}) + E_\text{events}(K).$$

    Each core has less to do, so the step time $t$ falls, and with it what all that is on takes meanwhile, embedded processors above all. Against it stand the power of more cores, and
    messages to more cores.

    **Arguments:** `aim`: what is made small: `energy` of a step, its `time`, or their `product`; `chips`: how many may be used, as many as now if left out; `seed`: of `balance`.

    **Returns:** the best placement, which may be the one that was given. Its report has `energy` per step in J, `step_time` in s and `cores`.

    **Raises:** `ValueError` for an unknown aim, for fewer chips than are in use, and where a table of neurons and cores would take more than 2 GiB.

    !!! Example

        >>> pre = np.arange(2000)
        >>> work = n4.hardware.layered(["E"], [2000], pre, pre[::-1], np.full(2000, 0.01), dt=1*u.ms, steps=100)
        >>> wide = n4.hardware.spread(n4.hardware.partition(work, n4.hardware.target("loihi1")))
        >>> change = wide.changes[-1]
        >>> change.after["cores"] > change.before["cores"], change.after["energy"] < change.before["energy"]
        (True, True)
    """
    if aim not in AIMS:
        raise ValueError(f"spread: cannot aim at {aim!r}.{did_you_mean(str(aim), AIMS)}")
    most = placement.n_chips if chips is None else check_count(chips, "spread: chips")
    if not placement.n_chips <= most <= placement.chip.chips:
        raise ValueError(
            f"spread: chips={chips}; the placement uses {placement.n_chips}, and the largest system has {placement.chip.chips}."
        )
    before = best = _numbers(placement)
    found = tried = placement
    worse = 0
    for cores in _numbers_of_cores(placement, most):
        tried = levelled(tried, "time", cores, seed)
        numbers = _numbers(tried)
        worse += 1
        if AIMS[aim](numbers["energy"], numbers["step_time"]) < AIMS[aim](best["energy"], best["step_time"]):
            found, best, worse = tried, numbers, 0
        if worse > PATIENCE:
            break
    return finished(placement, noted(found, Change(f"spread ({aim})", before, best)))


def _numbers_of_cores(placement: Placement, chips: int) -> list[int]:
    """From as many as now to all, by a factor each time."""
    most = min(chips * placement.chip.cores, placement.workload.n)
    tries = max(math.ceil(math.log(max(most / placement.n_cores, 1)) / math.log(GROWTH)), 0)
    found = np.rint(placement.n_cores * GROWTH ** np.arange(tries)).astype(int)
    return sorted({*found.tolist(), most} if most >= placement.n_cores else set())


def _numbers(placement: Placement) -> dict[str, float]:
    cost = estimate(placement)
    return {"energy": float(cost.energy_per_step.value), "step_time": float(cost.step_time.value), "cores": float(placement.n_cores)}
