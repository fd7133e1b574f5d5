"""Recorders of spikes: all of them, the last ones, or their number."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from neuro4d._base import check_count, check_name
from neuro4d.recorders._base import AbstractProbe, AbstractRecorder


def _words(n: int) -> int:
    return -(-n // 32)


def _groups(model: Any, populations: tuple[str, ...] | None) -> tuple[tuple[str, int], ...]:
    """The groups that hold some populations, with their sizes."""
    names = tuple(model.populations) if populations is None else populations
    groups = [model.layout.group_of(name) for name in names]
    return tuple({group.name: group.n for group in groups}.items())


class SpikeProbe(AbstractProbe):
    """Packed words of every step."""

    groups: tuple[tuple[str, int], ...] = eqx.field(static=True)

    def buffer(self, length, carry):
        return {name: jnp.zeros((length, _words(n)), jnp.uint32) for name, n in self.groups}

    def update(self, buffer, index, elapsed, state, spikes):
        return {name: jax.lax.dynamic_update_index_in_dim(rows, spikes.words[name], index, 0) for name, rows in buffer.items()}

    def period(self):
        return 0

    def extend(self, buffer, index, elapsed, rows):
        def put(whole, words):  # a chunk in one piece is its own record
            return words if words.shape == whole.shape else jax.lax.dynamic_update_slice_in_dim(whole, words, index, 0)

        return {name: put(whole, rows.words[name]) for name, whole in buffer.items()}

    def collect(self, buffer, first, count):
        return {name: np.asarray(rows)[..., :count, :] for name, rows in buffer.items()}

    def join(self, chunks, n_steps):
        empty = {name: np.zeros((0, _words(n)), np.uint32) for name, n in self.groups}
        return {name: np.concatenate([c[name] for c in chunks], axis=-2) if chunks else empty[name] for name, _ in self.groups}

    def bytes(self, n_steps, length):
        row = 4 * sum(_words(n) for _, n in self.groups)
        return row * length, row * n_steps


class Spikes(AbstractRecorder):
    """Every spike, losslessly, as one bit per neuron and step.

    **Arguments:** `populations`: names, by default all (populations that share a neuron model are kept together); `name`: the key
    in `run.records`.

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
        return SpikeProbe(_groups(model, self.populations))


class WindowProbe(AbstractProbe):
    """A ring of packed words, and the number of all spikes seen."""

    groups: tuple[tuple[str, int], ...] = eqx.field(static=True)
    steps: int = eqx.field(static=True)

    carried: ClassVar = True

    def buffer(self, length, carry):
        if carry is not None:
            return carry
        rings = {name: jnp.zeros((self.steps, _words(n)), jnp.uint32) for name, n in self.groups}
        return rings, {name: jnp.zeros(2, jnp.uint32) for name, _ in self.groups}

    def update(self, buffer, index, elapsed, state, spikes):
        rings, seen = buffer
        row = (elapsed % jnp.uint32(self.steps)).astype(jnp.int32)
        rings = {name: jax.lax.dynamic_update_index_in_dim(ring, spikes.words[name], row, 0) for name, ring in rings.items()}
        return rings, {name: _add_64(total, spikes.number(name)) for name, total in seen.items()}

    def period(self):
        return 0

    def collect(self, buffer, first, count):
        return jax.tree.map(np.asarray, buffer)

    def join(self, chunks, n_steps):
        if not chunks:
            empty = {name: np.zeros((0, _words(n)), np.uint32) for name, n in self.groups}
            return empty, {name: 0 for name, _ in self.groups}
        rings, seen = chunks[-1]
        kept = min(self.steps, n_steps)
        order = (np.arange(n_steps - kept, n_steps)) % self.steps
        words = {name: ring[..., order, :] for name, ring in rings.items()}
        total = {name: s[..., 0].astype(np.int64) + (s[..., 1].astype(np.int64) << 32) for name, s in seen.items()}
        return words, {name: total[name] - np.bitwise_count(words[name]).sum(axis=(-2, -1), dtype=np.int64) for name in words}

    def bytes(self, n_steps, length):
        row = 4 * sum(_words(n) for _, n in self.groups)
        return row * self.steps, row * self.steps


def _add_64(total, more):
    """A 64-bit sum in two words."""
    low = total[0] + more
    return jnp.stack([low, total[1] + (low < total[0]).astype(jnp.uint32)])


class Window(AbstractRecorder):
    """The spikes of the last `steps` steps, for runs too long to keep; counts what it drops.

    **Arguments:** `populations`: names, by default all; `steps`: length of the window, at least 1; `name`: the key in `run.records`.

    !!! Example

        >>> import neuro4d as n4
        >>> recorder = n4.Window("cells", steps=1000)
    """

    populations: tuple[str, ...] | None = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __init__(self, *populations: str, steps: int = 100, name: str = "window"):
        self.populations = tuple(populations) or None
        self.steps = check_count(steps, "Window.steps")
        self.name = check_name(name, "recorder")

    def fit(self, model):
        return WindowProbe(_groups(model, self.populations), self.steps)


class CountProbe(AbstractProbe):
    """Spikes per neuron so far."""

    groups: tuple[tuple[str, int], ...] = eqx.field(static=True)

    carried: ClassVar = True

    def buffer(self, length, carry):
        return {name: jnp.zeros(n, jnp.uint32) for name, n in self.groups} if carry is None else carry

    def update(self, buffer, index, elapsed, state, spikes):
        return {name: total + spikes.fired(name).astype(jnp.uint32) for name, total in buffer.items()}

    def period(self):
        return 0

    def collect(self, buffer, first, count):
        return jax.tree.map(np.asarray, buffer)

    def join(self, chunks, n_steps):
        return chunks[-1] if chunks else {name: np.zeros(n, np.uint32) for name, n in self.groups}

    def bytes(self, n_steps, length):
        size = 4 * sum(n for _, n in self.groups)
        return size, size


class Counts(AbstractRecorder):
    """The number of spikes of every neuron; memory does not grow with the run.

    **Arguments:** `populations`: names, by default all; `name`: the key in `run.records`.

    !!! Example

        >>> import neuro4d as n4
        >>> recorder = n4.Counts()
    """

    populations: tuple[str, ...] | None = eqx.field(static=True)
    name: str = eqx.field(static=True)

    def __init__(self, *populations: str, name: str = "counts"):
        self.populations = tuple(populations) or None
        self.name = check_name(name, "recorder")

    def fit(self, model):
        return CountProbe(_groups(model, self.populations))
