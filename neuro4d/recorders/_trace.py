"""Recorder of state variables."""

from typing import Any

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32

from neuro4d._base import UnknownNameError, check_name, did_you_mean, lookup, steps_of, strip
from neuro4d.recorders._base import AbstractProbe, AbstractRecorder


class TraceProbe(AbstractProbe):
    """Rows of a variable, one for every `every` steps.

    Each step writes into the row of its interval, so that the row ends up with the last value of the interval and no branch
    is needed.
    """

    ids: Int32[Array, " m"]
    group: str = eqx.field(static=True)
    port: str | None = eqx.field(static=True)
    variable: str = eqx.field(static=True)
    every: int = eqx.field(static=True)
    dtype: Any = eqx.field(static=True)
    population: str = eqx.field(static=True)
    first: int = eqx.field(static=True)
    unit: Any = eqx.field(static=True)

    @property
    def label(self) -> str:
        """The variable, with its port in front."""
        return self.variable if self.port is None else f"{self.port}.{self.variable}"

    def local_ids(self) -> np.ndarray:
        """Indices into the population."""
        return np.asarray(self.ids) - self.first

    def _rows(self, length: int) -> int:
        return -(-length // self.every) + 1

    def buffer(self, length, carry):
        return jnp.zeros((self._rows(length), self.ids.shape[0]), self.dtype)

    def update(self, buffer, index, elapsed, state, spikes):
        every = jnp.uint32(self.every)
        row = elapsed // every - (elapsed - index.astype(jnp.uint32)) // every
        values = state.read(self.group, self.label)[self.ids]
        return jax.lax.dynamic_update_index_in_dim(buffer, values.astype(buffer.dtype), row.astype(jnp.int32), 0)

    def period(self):
        return self.every

    def extend(self, buffer, index, elapsed, rows):
        last = rows.count - 1  # the steps lie within one interval, whose row shows the last of them
        return self.update(buffer, index + last, elapsed + last.astype(jnp.uint32), rows.state, None)

    def collect(self, buffer, first, count):
        return first, count, np.asarray(buffer)

    def join(self, chunks, n_steps):
        whole = n_steps // self.every
        parts = []
        for first, count, rows in chunks:
            low = first // self.every
            high = (first + count) // self.every
            parts.append(rows[..., : high - low, :])
        joined = np.concatenate(parts, axis=-2) if parts else np.zeros((0, self.ids.shape[0]))
        return joined[..., :whole, :], (np.arange(whole) + 1) * self.every - 1

    def bytes(self, n_steps, length):
        width = 4 * self.ids.shape[0]
        return self._rows(length) * width, (n_steps // self.every) * width


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
        self.every = None if every is None else float(strip(every, u.ms, "Trace.every"))
        if self.every is not None and not self.every > 0:
            raise ValueError(f"Trace.every must be more than 0 ms; got {every}. For example `every=1*u.ms`.")
        self.ids = ids if ids is None or isinstance(ids, slice) else tuple(np.asarray(ids).reshape(-1).tolist())
        self.name = check_name(f"{population}.{variable}" if name is None else name, "recorder")

    def fit(self, model):
        span = lookup(model.populations, self.population, "population")
        port, variable = self.variable.rsplit(".", 1) if "." in self.variable else (None, self.variable)
        known = model.variables(self.population)
        if self.variable not in known:
            raise UnknownNameError(f"population {self.population!r} has no variable {self.variable!r}.{did_you_mean(self.variable, known)}")
        every = 1 if self.every is None else int(steps_of(self.every, model.dt_ms, "Trace.every"))
        ids = jnp.asarray(span.start + self._chosen(span.size), jnp.int32)
        return TraceProbe(ids, span.group, port, variable, every, model.dtype, span.name, span.start, known[self.variable])

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
