"""What a sample costs: a function of the spikes of each layer and the number of steps."""

from collections.abc import Callable
from typing import Any

import brainunit as u
import numpy as np
from jaxtyping import Array, Float

from neuro4d.train.layers import Sequential
from neuro4d.train.tuners._activity import measure_activity
from neuro4d.train.tuners._feed import Encoder, feed

Energy = Callable[[Sequential, Any, Any], Any]
"""`energy(net, spikes, steps)`: spikes `(..., layers)` and steps `(...)` to an energy `(...)`, a number or a quantity."""


def synaptic_operations(net: Sequential, spikes: Float[Array, "*n layers"], steps: Any) -> Float[Array, "*n"]:
    r"""Spikes times the synapses that each reaches, summed over layers: $\sum_\ell f_\ell n_\ell$.

    Counted are spikes of spiking layers; what the input costs is not. The number of steps does not enter.

    **Arguments:** `net`: whose `fan_outs()` are the $f_\ell$; `spikes` $n_\ell$: of each spiking layer; `steps`: of the run.

    !!! Example

        >>> net = n4.train.Sequential(n4.train.Spiking(n4.PLIF()), n4.train.Dense(3, 10, key=jr.key(0)))
        >>> float(n4.train.synaptic_operations(net, np.array([12.0]), 4))
        120.0
    """
    del steps
    return spikes @ np.asarray(net.fan_outs(), spikes.dtype)


def measure_energy(
    model: Sequential, data: Any, *, energy: Energy = synaptic_operations, encoder: Encoder | None = None, batch_size: int = 256
) -> Any:
    """What a sample costs on average, in the unit of `energy`.

    **Arguments:**

    - `data`: a `Dataset`, or a pair `(x, y)`.
    - `energy`: `energy(net, spikes, steps)`, with spikes `(samples, layers)` per sample and layer; by default synaptic operations.
    - `encoder`: how samples without time become sequences, for example `n4.train.encoders.Direct(16)`; not needed with `Hold`.

    !!! Example

        >>> net = n4.train.Sequential(n4.train.Hold(4), n4.train.Spiking(n4.PLIF()), n4.train.Dense(64, 10, key=jr.key(0)))
        >>> digits = n4.train.data.digits()
        >>> n4.train.measure_energy(net, digits.test) == 0  # an input of at most 1 never reaches the threshold of 1
        True
    """
    seen = measure_activity(model, feed(model, data, encoder, batch_size, "measure_energy"))
    return mean_of(energies(energy, model, seen.spikes, np.full(len(seen.spikes), seen.steps)))


def energies(energy: Energy, net: Sequential, spikes: np.ndarray, steps: np.ndarray) -> Any:
    """The energy of every run, checked: one per run, finite, 0 or more.

    **Raises:** `ValueError` where a user's function gives something else.
    """
    found = energy(net, np.asarray(spikes, np.float64), steps)
    bare, _ = parts(found)
    if bare.shape != np.shape(spikes)[:-1] or not np.all(np.isfinite(bare) & (bare >= 0)):
        raise ValueError(
            f"`energy(net, spikes, steps)` gives a finite energy of 0 or more for each of {np.shape(spikes)[:-1]} runs; "
            f"got the shape {bare.shape}. For example `lambda net, spikes, steps: spikes.sum(-1)`."
        )
    return found


def parts(value: Any) -> tuple[np.ndarray, Any]:
    """A bare array and its unit, `None` without one."""
    if isinstance(value, u.Quantity):
        unit = u.get_unit(value)
        return np.asarray(value.to_decimal(unit), np.float64), unit
    return np.asarray(value, np.float64), None


def mean_of(value: Any) -> Any:
    """The mean, a float or a quantity."""
    bare, unit = parts(value)
    mean = float(np.mean(bare))
    return mean if unit is None else mean * unit
