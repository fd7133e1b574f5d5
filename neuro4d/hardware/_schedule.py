"""When cores are off: stretches in which nothing happens on a group of cores, and whether leakage over them is worth a wake-up."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from neuro4d.hardware._placement import Placement


class Groups(NamedTuple):
    """Cores that are powered together, of those in use. `of`: the group of every core, `(cores,)`; `size`: cores of each, unused ones among them, `(groups,)`."""

    of: Int[np.ndarray, " cores"]
    size: Int[np.ndarray, " groups"]


class Schedule(NamedTuple):
    """What is powered when. `on`: of each group in each window, `(windows, groups)`; `share`: of the time, for which each is on, `(groups,)`; `wakes`: cores that are woken in
    the run, all together; `waits`: how often cores wait for others to wake."""

    on: Bool[np.ndarray, "windows groups"]
    share: Float[np.ndarray, " groups"]
    wakes: int
    waits: int


class Price(NamedTuple):
    """`saved`: W that a core saves while it is off; `energy` of waking it, in J; `wait`: J that all others take until it is awake."""

    saved: float
    energy: float
    wait: float


def groups_of(placement: Placement) -> Groups:
    """The groups in use. Cores of a chip are grouped one behind the other; the last group may be smaller."""
    chip, number = placement.chip, placement.target.power.group
    where, inside = np.divmod(placement.site, chip.cores)
    each = -(-chip.cores // number)
    found, of = np.unique(where * each + inside // number, return_inverse=True)
    return Groups(of.ravel(), np.minimum(number, chip.cores - found % each * number))


def schedule(groups: Groups, busy: Bool[np.ndarray, "windows cores"], time: Float[np.ndarray, " windows"], price: Price) -> Schedule:
    r"""Groups are off over whole stretches of windows without anything to do, where that saves energy.

    A stretch that lasts $T$ saves $(P_\text{on} - P_\text{off})\, T - E_\text{wake}$ per core. Groups that wake at the same moment share the time until they are awake, which
    costs all of the chip its power; so stretches are taken or left together by where they end, and each by itself before that. That is the best choice: what is
    saved is a sum over ends. A stretch at the end of the run pays for a wake-up as well.

    **Arguments:** `time`: how long each window takes on the chip, in s.
    """
    windows = len(busy)
    idle = np.ones((windows, len(groups.size)), bool)
    for window in range(windows):
        idle[window, groups.of[busy[window]]] = False
    edges = np.diff(np.pad(idle.astype(np.int8), ((1, 1), (0, 0))), axis=0).T
    group, begin = np.nonzero(edges == 1)
    end = np.nonzero(edges == -1)[1]
    clock = np.concatenate([[0.0], np.cumsum(time)])
    gain = groups.size[group] * (price.saved * (clock[end] - clock[begin]) - price.energy)
    worth = gain > 0
    together = np.bincount(end[worth], gain[worth], windows + 1)
    taken = worth & (together[end] > price.wait)
    on = np.ones_like(idle)
    for which in np.flatnonzero(taken):
        on[begin[which] : end[which], group[which]] = False
    return Schedule(on, time @ on / time.sum(), int(groups.size[group[taken]].sum()), len(np.unique(end[taken])))
