"""Recorder of state variables."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32

from neuro4d._base import UnknownNameError, check_name, did_you_mean, lookup
from neuro4d.recorders._base import AbstractRecorder, every_steps
from neuro4d.recorders._records import TraceRecord
from neuro4d.recorders._sampled import AbstractSampledProbe, check_every


class TraceProbe(AbstractSampledProbe):
    """Rows of a variable, one for every `every` steps."""

    ids: Int32[Array, " m"]
    span: Any = eqx.field(static=True)
    variable: str = eqx.field(static=True)
    every: int = eqx.field(static=True)
    dtype: Any = eqx.field(static=True)
    unit: Any = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def sample(self, state, spikes):
        return state.read(self.span.group, self.variable)[self.ids]

    def like(self):
        return jax.ShapeDtypeStruct(self.ids.shape, self.dtype)

    def record(self, chunks, start_step, n_steps):
        values, steps = self.samples(chunks, n_steps)
        ids = np.asarray(self.ids) - self.span.start
        return TraceRecord(self.name, self.span.name, self.variable, ids, steps + start_step, values, self.unit)


class Trace(AbstractRecorder):
    """A state variable of some neurons, sampled at the end of every `every`.

    **Arguments:**

    - `population`: its name.
    - `variable`: of the neuron (`"v"`), or of a receptor with its port in front (`"exc.g"`).
    - `every`: sampling interval, a multiple of the time step; by default every step. [time]
    - `ids`: which neurons of the population, by default all; an array of whole numbers or a slice.
    - `name`: the key in `run.records`, by default `"population.variable"`.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> recorder = n4.Trace("cells", "v", every=1*u.ms, ids=[0, 1])
    """

    population: str = eqx.field(static=True)
    variable: str = eqx.field(static=True)
    every: float | None = eqx.field(static=True)
    ids: Any = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __init__(self, population: str, variable: str, *, every=None, ids=None, name: str | None = None):
        self.population, self.variable = population, variable
        self.every = check_every(every, "Trace.every")
        self.ids = ids if ids is None or isinstance(ids, slice) else tuple(np.asarray(ids).reshape(-1).tolist())
        self.name = check_name(f"{population}.{variable}" if name is None else name, "recorder")

    def fit(self, model):
        span = lookup(model.populations, self.population, "population")
        known = model.variables(self.population)
        if self.variable not in known:
            raise UnknownNameError(f"population {self.population!r} has no variable {self.variable!r}.{did_you_mean(self.variable, known)}")
        every = every_steps(self.every, model, "Trace.every", 1)
        ids = jnp.asarray(span.start + self._chosen(span.size), jnp.int32)
        unit = known[self.variable]
        return TraceProbe(ids=ids, span=span, variable=self.variable, every=every, dtype=model.dtype, unit=unit, name=self.name)

    def _chosen(self, size: int) -> np.ndarray:
        if self.ids is None:
            return np.arange(size)
        if isinstance(self.ids, slice):
            chosen = np.arange(size)[self.ids]
            if not chosen.size or (self.ids.stop is not None and self.ids.stop > size):
                raise IndexError(f"Trace.ids: population {self.population!r} has neurons 0 to {size - 1}; got {self.ids}.")
            return chosen
        ids = np.asarray(self.ids)
        if ids.dtype.kind not in "iu":
            raise TypeError(f"Trace.ids are whole numbers; got {self.ids}.")
        bad = (ids < 0) | (ids >= size)
        if bad.any():
            raise IndexError(f"Trace.ids: population {self.population!r} has neurons 0 to {size - 1}; got {ids[bad][0]}.")
        return ids
