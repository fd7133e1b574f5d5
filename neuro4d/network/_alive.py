"""Who of a population is alive at the beginning, as it was written."""

from typing import Any

import numpy as np

from neuro4d._base import check_count
from neuro4d.lattice import Placement
from neuro4d.structure import Lifecycle

Alive = int | float | np.ndarray
"""How many, the first ones; which share, drawn in each trial; or a boolean for each."""


def check_alive(name: str, size: int | Placement, alive: Any) -> Alive | None:
    """What a population is given, checked as far as it can be before its size is known.

    **Raises:** `TypeError` for anything but a count, a share or booleans, `ValueError` for a share outside of 0 to 1, and for what does not fit
    the size.
    """
    where = f"population {name!r}: alive"
    if alive is None:
        return None
    if isinstance(alive, list | tuple | np.ndarray) and np.ndim(alive) == 1:
        mask = np.asarray(alive)
        if mask.dtype != bool:
            raise TypeError(f"{where} has one boolean per neuron, for example `alive=np.arange(100) < 50`; got an array of {mask.dtype}.")
        checked: Alive = mask.copy()
    elif isinstance(alive, float | np.floating):
        if not 0 < alive <= 1:
            raise ValueError(f"{where} is a share above 0 and at most 1, for example `alive=0.5`, or a whole number of neurons; got {alive}.")
        checked = float(alive)
    else:
        checked = check_count(alive, where, low=0)
    return checked if isinstance(size, Placement) else fit_alive(name, size, checked)


def fit_alive(name: str, size: int, alive: Alive) -> Alive:
    """The same, once the size of the population is known."""
    if isinstance(alive, np.ndarray) and len(alive) != size:
        raise ValueError(f"population {name!r}: alive has one boolean for each of {size} neurons; got {len(alive)}.")
    if isinstance(alive, int) and alive > size:
        raise ValueError(f"population {name!r}: alive is at most its size, {size}; got {alive}.")
    return alive


def how_many(alive: Alive | None, size: int) -> tuple[int | None, bool]:
    """How many are alive at the beginning, `None` where all live for ever; and whether they are drawn."""
    if alive is None:
        return None, False
    if isinstance(alive, np.ndarray):
        return int(alive.sum()), False
    if isinstance(alive, float):
        return round(alive * size), alive < 1
    return alive, False


def check_lifecycle(name: str, lifecycle: Any) -> Lifecycle | None:
    """What a population is given. Raises `TypeError` for anything but a life cycle."""
    if lifecycle is not None and not isinstance(lifecycle, Lifecycle):
        raise TypeError(f"population {name!r}: lifecycle is `n4.Lifecycle(every=100*u.ms, max_age=10*u.second)` or None; got {lifecycle!r:.80}.")
    return lifecycle
