"""Which gradient to take where nobody said: the rule, and its reason."""

from typing import NamedTuple

import numpy as np

from neuro4d.model import Model
from neuro4d.train._differences import Differences
from neuro4d.train._eprop import EProp
from neuro4d.train._estimate import AbstractGradient
from neuro4d.train._parameters import Places, Where, places, read

FEW = 16
"""Slopes up to which two runs for each are the better bargain."""


class Recommended(NamedTuple):
    """A gradient, and why it was chosen."""

    gradient: AbstractGradient
    because: str


def recommended(model: Model, where: Where | Places) -> Recommended:
    """The gradient of a statistic of a run that is taken by default: `Differences` for up to 16 numbers, `EProp` for more.

    A place with more numbers than that, all equal, counts as one: `Differences` moves them together.

    **Arguments:** `where`: as for `n4.train.places`.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> model = n4.Network(n4.Population("cells", 20, lif)).build(dt=0.1*u.ms, seed=0)
        >>> print(n4.train.recommended(model, lambda m: m.neurons["cells"].v_th).because)
        1 number to find the slope of: two runs for each are unbiased and come with a standard error
    """
    known = places(where)
    number = sum(_slopes(np.asarray(value)) for value in read(model, known).values())
    if number <= FEW:
        what = "1 number" if number == 1 else f"{number} numbers"
        return Recommended(
            Differences(entries=FEW), f"{what} to find the slope of: two runs for each are unbiased and come with a standard error"
        )
    return Recommended(
        EProp(),
        f"{number:,} numbers to find the slope of: eligibility gives all of them in one run, biased; `n4.train.check_gradient` says how much",
    )


def _slopes(value: np.ndarray) -> int:
    """How many slopes there are to find: up to `FEW` numbers are moved one by one, more that are equal together."""
    return 1 if value.size > FEW and (value == value.flat[0]).all() else value.size
