"""The protocol of a recorder."""

import abc
from typing import Any, ClassVar

import equinox as eqx
from jaxtyping import Array, Int32, UInt32

from neuro4d._base import AbstractPart


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
