"""Arithmetic in which an undefined number is `nan`."""

import math

import numpy as np


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Division that gives `nan` where the divisor is not positive."""
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)


def mean_known(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan
