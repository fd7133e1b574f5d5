"""The protocol of a recorder."""

import abc
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int32, UInt32

from neuro4d._base import AbstractPart


class Rows(NamedTuple):
    """What several steps leave: packed spikes of each by group, of which the first `count` rows count, and the state after the last;
    `spikes` makes those of one step from the number of their row."""

    words: dict[str, UInt32[Array, "length w"]]
    count: Int32[Array, ""]  # type: ignore[assignment]
    state: Any
    spikes: Callable[[Int32[Array, ""]], Any]


class AbstractProbe(eqx.Module):
    """A recorder fitted to a model: a buffer for a chunk of steps, filled on the device, read on the host.

    A probe is a pure function of state and spikes; it can not change what is simulated.
    """

    carried: ClassVar[bool] = False
    """Whether its buffer goes on from chunk to chunk, instead of being read and made anew."""

    @abc.abstractmethod
    def buffer(self, length: int, carry: Any) -> Any:
        """Room for `length` steps. `carry` is the buffer of the chunk before, or `None`."""

    @abc.abstractmethod
    def update(self, buffer: Any, index: Int32[Array, ""], elapsed: UInt32[Array, ""], state: Any, spikes: Any) -> Any:
        """The buffer after step `index` of the chunk, which is step `elapsed` since the start of the run."""

    def period(self) -> int:
        """How often it has to see the state: after every so many steps since the start of the run, or 0 if spikes are enough."""
        return 1

    def extend(self, buffer: Any, index: Int32[Array, ""], elapsed: UInt32[Array, ""], rows: Rows) -> Any:
        """The buffer after several steps, of which the first is step `index` of the chunk and step `elapsed` of the run. Only for a
        probe whose `period` is not 1."""

        def body(i: Array, buffer: Any) -> Any:
            return self.update(buffer, index + i, elapsed + i.astype(jnp.uint32), rows.state, rows.spikes(i))

        return jax.lax.fori_loop(0, rows.count, body, buffer)

    @abc.abstractmethod
    def collect(self, buffer: Any, first: int, count: int) -> Any:
        """Host: what the chunk of `count` steps from `first` on has brought, as NumPy arrays."""

    @abc.abstractmethod
    def join(self, chunks: list[Any], n_steps: int) -> Any:
        """Host: the record of the whole run."""

    @abc.abstractmethod
    def bytes(self, n_steps: int, length: int) -> tuple[int, int]:
        """Predicted memory: on the device for a chunk of `length` steps, on the host for the run."""


class AbstractRecorder(AbstractPart):
    """What to keep of a run, chosen before it starts."""

    name: eqx.AbstractVar[str]

    @abc.abstractmethod
    def fit(self, model: Any) -> AbstractProbe:
        """The probe for a model. Raises for names and variables that the model does not have."""
