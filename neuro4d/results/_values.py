"""Values over time, with their units."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int


class TraceValues(NamedTuple):
    """`times` (t,) in ms, `values` (t, n) with their unit, `ids` (n,) within the population."""

    times: Any
    values: Any
    ids: Int[np.ndarray, " n"]


class BinValues(NamedTuple):
    """`times` (bins,) in ms, at which the bins end, and `values`, whole numbers with the bins on their first axis."""

    times: Any
    values: Int[np.ndarray, "bins *n"]
