"""The protocol of a recorder."""

import abc
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32, UInt32

from neuro4d._base import AbstractPart, lookup, steps_of


class StepBlock(NamedTuple):
    """What several steps leave: packed spikes of each by group, of which the first `n_steps` rows mean something, and the state after
    the last; `spikes` makes those of one step from the number of their row."""

    words: dict[str, UInt32[Array, "length w"]]
    n_steps: Int32[Array, ""]
    state: Any
    spikes: Callable[[Int32[Array, ""]], Any]


class Chunk(NamedTuple):
    """The buffer that `n_steps` steps have filled, of which the first is step `first` of the run; arrays are NumPy arrays."""

    first: int
    n_steps: int
    buffer: Any


class AbstractProbe(eqx.Module):
    """A recorder fitted to a model: a buffer that is filled on the device, and made a record on the host.

    Three methods have to be written: `buffer`, `update`, `record`. A probe is a pure function of state and spikes; it can not change
    what is simulated. It sees one simulation: in `batch` and `sweep` every lane has a buffer of its own. One that `streams` takes each chunk away
    as it comes, so that a run of any length needs the memory of one.
    """

    @property
    def carried(self) -> bool:
        """Whether the buffer goes on from chunk to chunk, instead of being kept for every chunk and made anew."""
        return False

    @abc.abstractmethod
    def buffer(self, length: int, carry: Any) -> Any:
        """Room for `length` steps, a pytree of arrays. `carry` is the buffer of the chunk before where it is `carried`, else `None`."""

    @abc.abstractmethod
    def update(self, buffer: Any, index: Int32[Array, ""], elapsed: UInt32[Array, ""], state: Any, spikes: Any) -> Any:
        """The buffer after step `index` of the chunk, which is step `elapsed` of the run. `state["cells", "v"]` and `spikes["cells"]`
        are those of the end of the step."""

    @abc.abstractmethod
    def record(self, chunks: list[Chunk], start_step: int, n_steps: int) -> Any:
        """Host: the record of a run of `n_steps` steps, of which the first is step `start_step` of the model's clock. There is at least
        one chunk, and exactly one where the buffer is `carried`; none where the probe `streams`."""

    @property
    def streams(self) -> bool:
        """Whether every chunk is handed to `take` as it comes, and none is kept."""
        return False

    def begin(self, start_step: int, lanes: int | None, done: int | None = None) -> None:
        """Host: a run begins with step `start_step` of the model's clock; `lanes` simulations side by side, `None` for a single one. Raises
        what can be known before it. `done`: the run was begun before and goes on after so many steps; what was taken of later ones is forgotten."""

    def end(self) -> None:
        """Host: the run is over, however it has ended; also called of a probe that has not begun. `record` comes after it."""

    def take(self, chunk: Chunk) -> None:
        """Host: what a chunk has left, of a probe that `streams`. A chunk that begins before the end of the last one replaces what came from there on."""
        raise NotImplementedError(f"{type(self).__name__} streams and has no `take`.")

    def settle(self) -> None:
        """Host: returns when all that was taken lies where a kill leaves it, from any thread. A checkpoint that says so is written afterwards."""

    def period(self) -> int:
        """How often it has to see the state: after every so many steps since the start of the run; 0 if spikes are enough."""
        return 1

    def extend(self, buffer: Any, index: Int32[Array, ""], elapsed: UInt32[Array, ""], block: StepBlock) -> Any:
        """The buffer after several steps, of which the first is step `index` of the chunk and step `elapsed` of the run. Only asked of a
        probe whose `period` is not 1; a block never goes beyond the next step that the probe has to see."""

        def body(i: Array, buffer: Any) -> Any:
            return self.update(buffer, index + i, elapsed + i.astype(jnp.uint32), block.state, block.spikes(i))

        return jax.lax.fori_loop(0, block.n_steps, body, buffer)

    def shortest(self) -> int:
        """Steps of the shortest run that leaves something in the record; a shorter one is refused before it starts."""
        return 1

    def bytes(self, n_steps: int, length: int) -> tuple[int, int]:
        """Predicted memory: the buffer of a chunk of `length` steps, and the record of the run that is made of the buffers. By default as the buffers need."""
        chunk = shape_bytes(lambda: self.buffer(length, None))
        return chunk, chunk if self.carried else -(-n_steps // max(length, 1)) * chunk


def shape_bytes(make: Callable[[], Any]) -> int:
    """Bytes of the arrays that a function would make."""
    return sum(int(np.prod(leaf.shape)) * np.dtype(leaf.dtype).itemsize for leaf in jax.tree.leaves(jax.eval_shape(make)))


class AbstractRecorder(AbstractPart):
    """What to keep of a run, chosen before it starts."""

    name: eqx.AbstractVar[str]

    @abc.abstractmethod
    def fit(self, model: Any) -> AbstractProbe:
        """The probe for a model. Raises for names and variables that the model does not have."""

    def writes(self) -> str | None:
        """The path that it writes to on disk, `None` where it writes nothing. A run that goes on from its folder alone writes to no other place than that
        folder, unless the user allows it."""
        return None


def chosen_spans(model: Any, populations: tuple[str, ...] | None) -> tuple[Any, ...]:
    """The places of populations, by default all. Raises for a name that the model does not have."""
    names = tuple(model.populations) if populations is None else populations
    return tuple(lookup(model.populations, name, "population") for name in names)


def groups_of(model: Any, spans: tuple[Any, ...]) -> tuple[tuple[str, int], ...]:
    """The groups that hold some populations, with their sizes."""
    groups = [model.layout.group_of(span.name) for span in spans]
    return tuple({group.name: group.n for group in groups}.items())


def every_steps(every: float | None, model: Any, where: str, default: int) -> int:
    """A sampling interval in ms as a number of steps."""
    return default if every is None else int(steps_of(every, model.dt_ms, where))
