"""A biased gradient, brought to the right size along one direction that is measured."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neuro4d.train._differences import Differences
from neuro4d.train._estimate import AbstractGradient, together
from neuro4d.train._parameters import Places, Where, check_place, read

BY = "(by)"
"""The name of the place that is measured. No place of a user has it: their names have no brackets."""


class Calibrated(AbstractGradient):
    r"""A gradient times one number, so that it is right along one direction: $g \cdot s_\mathrm{measured} / s_\mathrm{estimated}$.

    Gradients with a surrogate are wrong in size by a factor that is nearly the same for all numbers that act through the potential: it
    comes from the bump and the time step. One measured slope, of a threshold or a drive, tells the factor, feedback through the network
    included. The rest stays as biased as it was: signs are those of the gradient, times that of the factor.

    The standard error holds that of the factor, as if the slopes that it is made of were independent of the gradient: along `by` it is too large.

    **Arguments:**

    - `gradient`: for example `n4.train.EProp()`.
    - `by`: the place whose slope is measured, all of its numbers together.
    - `measure`: how.

    **Raises:** `ValueError` where the gradient is 0 along that direction, or the measured slope not known to better than a half.

    !!! Example

        >>> import neuro4d as n4
        >>> found = n4.train.Calibrated(n4.train.EProp(), lambda m: m.neurons["cells"].v_th)
    """

    gradient: AbstractGradient
    by: Where = eqx.field(static=True)
    measure: Differences

    def __init__(self, gradient: AbstractGradient, by: Where, *, measure: Differences | None = None):
        check_place("by", by)
        if not isinstance(gradient, AbstractGradient):
            raise TypeError(f"Calibrated.gradient is a gradient, for example `n4.train.EProp()`; got {gradient!r:.80}.")
        self.gradient, self.by = gradient, by
        self.measure = Differences(entries=1) if measure is None else measure

    def estimate(self, model, where, statistic, key):
        first, second = jax.random.split(key)
        found = self.gradient.estimate(model, {**where, BY: self.by}, statistic, first)
        truth = self.measure.estimate(model, {BY: self.by}, statistic, second)
        value = read(model, {BY: self.by})[BY]
        (slope, error), (own, spread) = (together(each, BY, value) for each in (truth, found))
        if own == 0 or not abs(slope) > 2 * error:
            raise ValueError(
                f"the direction that calibrates tells nothing: the gradient is {own:.3g} along it, the measured slope {slope:.3g} ± {error:.2g}. "
                "Take a number that matters, for example the threshold, or more pairs, `measure=n4.train.Differences(64)`."
            )
        factor, share = slope / own, float(np.hypot(error / slope, np.nan_to_num(spread) / own))
        whole = {name: together(found, name, numbers)[0] for name, numbers in read(model, where).items()}
        return found._replace(
            gradient={name: factor * found.gradient[name] for name in where},
            stderr=_times(factor, share, found.gradient, found.stderr, where),
            trials=found.trials + truth.trials,
            together=tuple(name for name in found.together if name != BY),
            stderr_together=_times(factor, share, whole, found.stderr_together, where),
        )


def _times(
    factor: float, share: float, slopes: Mapping[str, Any], errors: Mapping[str, Array] | None, where: Places
) -> dict[str, Array] | None:
    """The standard errors of slopes times a factor that is known up to a share of itself."""
    return None if errors is None else {name: jnp.hypot(factor * errors[name], factor * share * slopes[name]) for name in where}
