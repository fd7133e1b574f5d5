"""Units at the border: quantities in, bare coherent floats inside, quantities out.

Inside neuro4d every number is in ms, mV, pA, nS, pF, kHz, um, mV/ms or mM. The set is coherent (nS * mV = pA, pF * mV / ms = pA,
pF / nS = ms, kHz * ms = 1), so no equation carries a conversion factor.
"""

import re
from typing import Any

import brainunit as u
import jax
import numpy as np

from neuro4d._base._errors import UnitError

COHERENT = (
    *(u.ms, u.mV, u.pA, u.nS, u.pF, u.kHz, u.um, u.mV / u.ms, u.pA / u.ms, u.nS / u.ms),
    *(u.mM, u.mM / u.ms, u.kHz / u.mM, u.mV**-1),
)

NUMBER = u.UNITLESS


def example(unit: Any) -> str:
    """A line a user can copy: how a quantity of this unit is written."""
    return "20" if unit == NUMBER else "20 * " + re.sub(r"[A-Za-z]+", r"u.\g<0>", str(unit))


def strip(x: Any, unit: Any, where: str = "value") -> np.ndarray:
    """The magnitude of a quantity in one of the internal units, as a float64 array.

    **Arguments:**

    - `x`: a `brainunit` quantity, scalar or array. A bare number only where `unit` is `NUMBER`.
    - `unit`: the unit to express it in.
    - `where`: what the message calls it, for example `"LIF.tau"`.

    **Returns:** a float64 NumPy array.

    **Raises:** `UnitError` (a `TypeError`) for a bare number, another dimension, or something that is not a number.

    !!! Example

        >>> import brainunit as u
        >>> from neuro4d._base import strip
        >>> float(strip(0.02 * u.second, u.ms))
        20.0
    """
    if isinstance(x, u.Quantity):
        try:
            magnitude = x.to_decimal(unit)
        except Exception as error:
            raise UnitError(
                f"{where}: expected a quantity convertible to {unit}, for example `{example(unit)}`; got {x}, whose unit is {u.get_unit(x)}."
            ) from error
    elif unit == NUMBER:
        magnitude = x
    else:
        raise UnitError(f"{where}: expected a quantity convertible to {unit}, for example `{example(unit)}`; got the bare value {x!r}.")
    array = np.asarray(magnitude)
    if array.dtype.kind not in "fiu":
        raise UnitError(f"{where}: expected real numbers, for example `{example(unit)}`; got {x!r} of kind {array.dtype}.")
    return array.astype(np.float64)


def is_traced(*trees: Any) -> bool:
    """Whether values, quantities or pytrees hold a number that is only known when a compiled function runs."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(trees))


def strip_traced(x: Any, unit: Any, where: str = "value") -> Any:
    """As `strip`, also for what is only known when a compiled function runs: a traced bare number is in the internal unit."""
    if not is_traced(x):
        return strip(x, unit, where)
    return x.to_decimal(unit) if isinstance(x, u.Quantity) else x


def attach(x: Any, unit: Any) -> Any:
    """A bare array in an internal unit, given back as a quantity (a bare array if the unit is `NUMBER`)."""
    return x if unit == NUMBER else x * unit
