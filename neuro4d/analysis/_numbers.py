"""Arithmetic in which an undefined number is `nan`, and a choice of a few of many."""

import math

import numpy as np


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Division that gives `nan` where the divisor is not positive."""
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)


def mean_known(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def evenly(of: np.ndarray, most: int) -> np.ndarray:
    """At most `most` entries, evenly spaced: no draw, so the same entries always give the same ones."""
    return of if len(of) <= most else of[np.arange(most) * len(of) // most]
