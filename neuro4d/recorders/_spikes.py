"""Recorders of spikes: all of them, or the last ones."""

import warnings
from typing import Any

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from neuro4d._base import check_count, check_name, steps_of, strip
from neuro4d.ops import n_words
from neuro4d.recorders._base import AbstractProbe, AbstractRecorder, chosen_spans, groups_of
from neuro4d.recorders._records import SpikeRecord, WindowRecord


class SpikeProbe(AbstractProbe):
    """Packed words of every step."""

    groups: tuple[tuple[str, int], ...] = eqx.field(static=True)
    spans: tuple[Any, ...] = eqx.field(static=True)

    def buffer(self, length, carry):
        return {name: jnp.zeros((length, n_words(n)), jnp.uint32) for name, n in self.groups}

    def update(self, buffer, index, elapsed, state, spikes):
        return {name: jax.lax.dynamic_update_index_in_dim(rows, spikes.words[name], index, 0) for name, rows in buffer.items()}

    def period(self):
        return 0

    def extend(self, buffer, index, elapsed, block):
        def put(whole, words):  # a chunk in one piece is its own record
            return words if words.shape == whole.shape else jax.lax.dynamic_update_slice_in_dim(whole, words, index, 0)

        return {name: put(whole, block.words[name]) for name, whole in buffer.items()}

    def record(self, chunks, start_step, n_steps):
        packed = {name: np.concatenate([chunk.buffer[name][: chunk.n_steps] for chunk in chunks]) for name, _ in self.groups}
        return SpikeRecord(packed, self.spans)

    def bytes(self, n_steps, length):
        row = 4 * sum(n_words(n) for _, n in self.groups)
        return row * length, row * n_steps


class Spikes(AbstractRecorder):
    """Every spike, losslessly, as one bit per neuron and step.

    **Arguments:** `populations`: names, by default all (populations that share a neuron model are kept together, and take the memory
    of all of them); `name`: the key in `run.records`.

    The record is a `SpikeRecord`; `run.spikes("cells")` makes a table of it.

    !!! Example

        >>> import neuro4d as n4
        >>> recorder = n4.Spikes()
    """

    populations: tuple[str, ...] | None = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __init__(self, *populations: str, name: str = "spikes"):
        self.populations = tuple(populations) or None
        self.name = check_name(name, "recorder")

    def fit(self, model):
        spans = chosen_spans(model, self.populations)
        return SpikeProbe(groups_of(model, spans), spans)


class WindowProbe(AbstractProbe):
    """A ring of packed words, and the number of all spikes seen."""

    groups: tuple[tuple[str, int], ...] = eqx.field(static=True)
    spans: tuple[Any, ...] = eqx.field(static=True)
    steps: int = eqx.field(static=True)

    @property
    def carried(self):
        return True

    def buffer(self, length, carry):
        if carry is not None:
            return carry
        rings = {name: jnp.zeros((self.steps, n_words(n)), jnp.uint32) for name, n in self.groups}
        return rings, {name: jnp.zeros(2, jnp.uint32) for name, _ in self.groups}

    def update(self, buffer, index, elapsed, state, spikes):
        rings, seen = buffer
        row = (elapsed % jnp.uint32(self.steps)).astype(jnp.int32)
        rings = {name: jax.lax.dynamic_update_index_in_dim(ring, spikes.words[name], row, 0) for name, ring in rings.items()}
        return rings, {name: add_64(total, spikes.number(name)) for name, total in seen.items()}

    def period(self):
        return 0

    def record(self, chunks, start_step, n_steps):
        rings, seen = chunks[-1].buffer
        kept = min(self.steps, n_steps)
        order = np.arange(n_steps - kept, n_steps) % self.steps
        packed = {name: ring[order] for name, ring in rings.items()}
        total = sum(int(from_64(words)) for words in seen.values())
        return WindowRecord(packed, self.spans, total - sum(int(np.bitwise_count(rows).sum(dtype=np.int64)) for rows in packed.values()))

    def bytes(self, n_steps, length):
        row = 4 * sum(n_words(n) for _, n in self.groups)
        return row * self.steps, row * self.steps


def add_64(total, more):
    """A 64-bit sum in two words."""
    low = total[..., 0] + more
    return jnp.stack([low, total[..., 1] + (low < total[..., 0]).astype(jnp.uint32)], axis=-1)


def from_64(words: np.ndarray) -> np.ndarray:
    """Two words as one whole number."""
    return words[..., 0].astype(np.int64) + (words[..., 1].astype(np.int64) << 32)


class Window(AbstractRecorder):
    """The spikes of the last while, for runs too long to keep; counts what it drops.

    **Arguments:**

    - `populations`: names, by default all.
    - `length`: of the window, a multiple of the time step; by default 100 steps. [time]
    - `steps`: the length as a number of steps; deprecated.
    - `name`: the key in `run.records`.

    The record is a `WindowRecord`; `run.spikes("cells")` makes a table of it.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> recorder = n4.Window("cells", length=100*u.ms)
    """

    populations: tuple[str, ...] | None = eqx.field(static=True)
    length: float | None = eqx.field(static=True)
    steps: int | None = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __init__(self, *populations: str, length: Any = None, steps: int | None = None, name: str = "window"):
        self.populations = tuple(populations) or None
        self.name = check_name(name, "recorder")
        if length is not None and steps is not None:
            raise ValueError(f"Window takes `length` or `steps`, not both; got length={length}, steps={steps}.")
        self.steps = None if steps is None else check_count(steps, "Window.steps")
        self.length = None if length is None else float(strip(length, u.ms, "Window.length"))
        if self.length is not None and not (0 < self.length < np.inf):
            raise ValueError(f"Window.length must be more than 0 ms; got {length}. For example `length=100*u.ms`.")
        if steps is not None:
            text = f"Window(steps={steps}) is deprecated: give a time, `n4.Window(length={steps}*model.dt)` or for example `length=100*u.ms`."
            warnings.warn(text, DeprecationWarning, stacklevel=4)

    def fit(self, model):
        steps = self.steps or 100
        if self.length is not None:
            steps = int(steps_of(self.length, model.dt_ms, "Window.length"))
        spans = chosen_spans(model, self.populations)
        return WindowProbe(groups_of(model, spans), spans, steps)
