"""Slopes of rates by mean-field theory: milliseconds instead of runs, where the theory holds."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neuro4d._base import lookup
from neuro4d.analysis import mean_field
from neuro4d.model import Model
from neuro4d.train._estimate import AbstractGradient, Estimate
from neuro4d.train._parameters import read, write
from neuro4d.train._statistic import Rate
from neuro4d.train._tune_places import PoissonRate


class MeanField(AbstractGradient):
    r"""The derivative of a stationary rate in `analysis.mean_field`.

    $$ \frac{d\nu}{dp} = (1 - \Phi')^{-1}\,\frac{\partial \Phi}{\partial p} $$

    at the fixed point $\nu = \Phi(\nu, p)$ of the populations together. It makes no run, so its standard error is that of the theory: none is given.
    A start and a preconditioner: `check_gradient` says how far it is from what runs show.

    **Arguments:** `sample`: neurons of a population that are looked at, at most.

    **Raises:** `TypeError` for a statistic other than `Rate`, and for models that `analysis.mean_field` does not know; `ValueError` where the theory
    has no stationary state.

    **Source:** N. Brunel, J. Comput. Neurosci. 8, 183 (2000); J. Schuecker et al., PLoS Comput. Biol. 13, e1005179 (2017).

    !!! Example

        >>> import neuro4d as n4
        >>> n4.train.MeanField(sample=200).sample
        200
    """

    sample: int = eqx.field(static=True, default=1000)

    def estimate(self, model, where, statistic, key):
        del key
        if not isinstance(statistic, Rate):
            raise TypeError(
                f"MeanField is a theory of rates: give `n4.train.Rate('cells', 1*u.second)`; got {type(statistic).__name__}. "
                "For other statistics there is `n4.train.Differences()`."
            )
        lookup(model.populations, statistic.population, "population")
        rates, slopes = self.all_rates(model, where)
        row = tuple(model.populations).index(statistic.population)
        return Estimate(float(rates[row]), {name: each[row] for name, each in slopes.items()}, None, 0)

    def all_rates(self, model: Model, where: Mapping[str, Any]) -> tuple[np.ndarray, dict[str, Array]]:
        """Rates of all populations, and their slopes `(P, ...)` with respect to the numbers at some places; bare, in Hz.

        **Raises:** `ValueError` where the theory has no stationary state.
        """
        numbers = {
            name: jnp.asarray(place(model)) if isinstance(place, PoissonRate) else read(model, {name: place})[name]
            for name, place in where.items()
        }

        def rates(values: Mapping[str, Array]) -> tuple[Array, tuple[Array, Array]]:
            found = mean_field(_moved(model, where, values), sample=self.sample)
            return found.rates_hz, (found.rates_hz, found.converged)

        few = sum(np.size(each) for each in numbers.values()) <= 2 * len(model.populations)
        slopes, (value, converged) = (jax.jacfwd if few else jax.jacrev)(rates, has_aux=True)(numbers)
        if not converged:
            raise ValueError(
                "MeanField: no fixed point was found, so there is no slope: the rates of the theory run away or jump. Start from weaker excitation, "
                "or measure the slopes: `n4.train.Differences()`."
            )
        return np.asarray(value), slopes


def _moved(model: Model, where: Mapping[str, Any], values: Mapping[str, Any]) -> Model:
    """The model with other numbers, of which only float leaves are traced: the connections stay on the host."""
    moved = model
    for name, place in where.items():
        if isinstance(place, PoissonRate):
            moved = place.written(moved, values[name])
    whole = {name: place for name, place in where.items() if not isinstance(place, PoissonRate)}
    if not whole:
        return moved
    changed, structure = jax.tree.flatten(write(moved, whole, {name: values[name] for name in whole}))
    return jax.tree.unflatten(structure, [_known(new, old) for new, old in zip(changed, jax.tree.leaves(moved), strict=True)])


def _known(new: Any, old: Any) -> Any:
    """What was there before, unless it is a number that has moved."""
    return new if jnp.issubdtype(new.dtype, jnp.floating) else old
