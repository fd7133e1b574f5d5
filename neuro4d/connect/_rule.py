"""What a rule is, and what it may see."""

import abc
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from neuro4d._base import AbstractPart, Address
from neuro4d.connect._rows import Rows


class Ends(NamedTuple):
    """The two ends of a projection, as far as a rule may know them.

    **Fields:**

    - `address`: the randomness of this projection's structure.
    - `n_pre`, `n_post`: sizes of the two ends.
    - `self_shift`: `None` if the ends belong to different populations; otherwise source `i` and target `i + self_shift` are
      the same neuron.
    - `pre_xyz`, `post_xyz`: positions in um, `None` for populations without a place.
    - `wrap`: length of each periodic axis in um, NaN where an axis is not periodic.
    """

    address: Address
    n_pre: int
    n_post: int
    self_shift: int | None = None
    pre_xyz: Float[np.ndarray, "n_pre axes"] | None = None
    post_xyz: Float[np.ndarray, "n_post axes"] | None = None
    wrap: Float[np.ndarray, "axes"] | None = None


class AbstractRule(AbstractPart):
    """Decides which source connects to which target.

    A rule describes; it draws nothing until `rows` is called with two ends. Every draw is a function of the address, the row
    and the slot, so any part of the structure can be made on its own, in any order, and comes out the same.

    Two switches, on rules where they make sense:

    - `autapses=False`: no neuron connects to itself.
    - `multapses=False`: at most one edge from one source to one target.
    """

    @abc.abstractmethod
    def rows(self, ends: Ends) -> Rows:
        """The edges, grouped by source.

        **Raises:** `ValueError` if the rule cannot be met with ends of these sizes.
        """

    @abc.abstractmethod
    def capacity(self, n_pre: int, n_post: int, shares_population: bool) -> int | None:
        """An upper bound on the number of edges that follows from the sizes alone, so that it is equal for all seeds.

        For rules with independent edges, the mean and six standard deviations. `None` where sizes give no useful bound.
        """


def check_switch(x: object, where: str) -> None:
    """A switch is True or False, not something that Python takes for one."""
    if not isinstance(x, bool):
        raise TypeError(f"{where} is True or False; got {x!r}.")


def bernoulli_capacity(n_pairs: int, p: float) -> int:
    """Mean and six standard deviations of the number of edges, at most all pairs."""
    return min(n_pairs, math.ceil(n_pairs * p + 6 * math.sqrt(n_pairs * p * (1 - p))))
