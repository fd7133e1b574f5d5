"""What is looked at every so often: any function of state and spikes."""

import abc
import functools
from collections.abc import Callable
from typing import Any

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from neuro4d._base import check_name, strip
from neuro4d.recorders._base import AbstractProbe, AbstractRecorder, every_steps, shape_bytes
from neuro4d.recorders._records import SampleRecord


class AbstractSampledProbe(AbstractProbe):
    """Rows of a pytree of arrays, one at the end of every `every` steps.

    Each step writes into the row of its interval, so that the row ends up with the last value of the interval.
    """

    every: eqx.AbstractVar[int]

    @abc.abstractmethod
    def sample(self, state: Any, spikes: Any) -> Any:
        """One row."""

    @abc.abstractmethod
    def like(self) -> Any:
        """Shapes and types of a row."""

    def buffer(self, length, carry):
        rows = -(-length // self.every) + 1
        return jax.tree.map(lambda row: jnp.zeros((rows, *row.shape), row.dtype), self.like())

    def update(self, buffer, index, elapsed, state, spikes):
        every = jnp.uint32(self.every)
        row = (elapsed // every - (elapsed - index.astype(jnp.uint32)) // every).astype(jnp.int32)
        values = self.due((elapsed + jnp.uint32(1)) % every == 0, state, spikes)
        return jax.tree.map(lambda rows, x: jax.lax.dynamic_update_index_in_dim(rows, jnp.asarray(x, rows.dtype), row, 0), buffer, values)

    def due(self, due: Array, state: Any, spikes: Any) -> Any:
        """The row, at least in steps in which it is `due`."""
        return self.sample(state, spikes)

    def period(self):
        return self.every

    def extend(self, buffer, index, elapsed, block):
        last = block.n_steps - 1  # the steps lie within one interval, whose row shows the last of them
        return self.update(buffer, index + last, elapsed + last.astype(jnp.uint32), block.state, block.spikes(last))

    def shortest(self):
        return self.every

    def samples(self, chunks: list, n_steps: int) -> tuple[Any, np.ndarray]:
        """All rows, and the steps of the run at whose end they were taken."""
        whole = n_steps // self.every
        parts = [jax.tree.map(lambda rows, c=c: rows[: self._rows_of(c)], c.buffer) for c in chunks]
        joined = jax.tree.map(lambda *rows: np.concatenate(rows)[:whole], *parts)
        return joined, (np.arange(whole) + 1) * self.every - 1

    def _rows_of(self, chunk: Any) -> int:
        """Intervals that end within a chunk."""
        return (chunk.first + chunk.n_steps) // self.every - chunk.first // self.every

    def bytes(self, n_steps, length):
        row = shape_bytes(self.like)
        return (-(-length // self.every) + 1) * row, (n_steps // self.every) * row


class RecordProbe(AbstractSampledProbe):
    """What a function gives."""

    fn: Callable[[Any, Any], Any] = eqx.field(static=True)
    every: int = eqx.field(static=True)
    shapes: tuple[tuple[tuple[int, ...], Any], ...] = eqx.field(static=True)
    structure: Any = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def sample(self, state, spikes):
        return self.fn(state, spikes)

    def like(self):
        return jax.tree.unflatten(self.structure, [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in self.shapes])

    def due(self, due, state, spikes):
        if self.every == 1:
            return self.fn(state, spikes)
        empty = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), self.like())

        def look() -> Any:
            return jax.tree.map(lambda x, row: jnp.asarray(x, row.dtype), self.fn(state, spikes), empty)

        return jax.lax.cond(due, look, lambda: empty)

    def record(self, chunks, start_step, n_steps):
        values, steps = self.samples(chunks, n_steps)
        return SampleRecord(self.name, steps + start_step, values)


class Record(AbstractRecorder):
    """Whatever a function makes of state and spikes, at the end of every `every`.

    **Arguments:**

    - `fn`: `fn(state, spikes)`, a function in JAX that gives an array or a pytree of arrays: `state["cells", "v"]` is a variable of a
      population, bare, in its internal unit; `spikes["cells"]` says who fired in the step.
    - `every`: a multiple of the time step; by default every step. [time]
    - `name`: the key in `run.records`.

    The record is a `SampleRecord`: `run.records["record"].values`, with the samples on the first axis, and `.steps`.

    **Raises:** `UnitError`, `ValueError`, `TypeError`; what `fn` raises comes before the run starts.

    !!! Example

        >>> import brainunit as u, jax.numpy as jnp, neuro4d as n4
        >>> recorder = n4.Record(lambda state, spikes: jnp.mean(state["cells", "v"]), every=1*u.ms, name="mean v")
    """

    fn: Callable[[Any, Any], Any] = eqx.field(static=True)
    every: float | None = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __init__(self, fn: Callable[[Any, Any], Any], *, every: Any = None, name: str = "record"):
        if not callable(fn):
            raise TypeError(
                f'Record takes a function of (state, spikes), for example `n4.Record(lambda state, spikes: state["cells", "v"][:3])`; got {fn!r}.'
            )
        self.fn = fn
        self.every = check_every(every, "Record.every")
        self.name = check_name(name, "recorder")

    def fit(self, model):
        every = every_steps(self.every, model, "Record.every", 1)
        row = _row.eval_shape(self.fn, model, jax.random.key(0))
        leaves, structure = jax.tree.flatten(row)
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        return RecordProbe(fn=self.fn, every=every, shapes=shapes, structure=structure, name=self.name)


@functools.partial(jax.jit, static_argnums=0)
def _row(fn: Callable[[Any, Any], Any], model: Any, key: Any) -> Any:
    """What a function gives after the first step. Only its shape is asked for, once per function and kind of model."""
    return fn(*model.step(model.init(key)))


def check_every(every: Any, where: str) -> float | None:
    """An interval in ms, or `None`."""
    if every is None:
        return None
    bare = strip(every, u.ms, where)
    if bare.ndim or not (bare > 0) or not np.isfinite(bare):
        raise ValueError(f"{where} must be more than 0 ms; got {every}. For example `every=1*u.ms`.")
    return float(bare)
