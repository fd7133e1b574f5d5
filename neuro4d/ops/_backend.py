"""Which machine may compute, and which layout suits it: a value that travels with the model, never a global switch."""

import abc
import dataclasses
from typing import ClassVar

import jax
from jaxtyping import Array, Bool, Float, Int32, UInt32

from neuro4d._base import n_cores
from neuro4d.kernels import deliver_native, native_available, push_native
from neuro4d.ops._pathway import Pathway
from neuro4d.ops._reference import ACCELERATOR_BLOCK, CPU_BLOCK, reference
from neuro4d.ops._ring import push_plainly

MAX_XLA_EDGES = 2**31 - 1
"""As many synapses of one pathway can XLA address; the native kernels know no such limit."""

BLOCK_TARGETS = 1 << 16
"""Accumulators of a target block: as many as 16-bit ids can name, which also fits into a core's cache."""

NEURONS_PER_CORE = 1536
"""With at least so many neurons for each core a group is split into as many target blocks as there are cores. Of fewer neurons one
thread has done the work before several have met."""

MAX_BLOCKS_FOR_CORES = 16
WIDTH_STEP = 512
"""Blocks are a multiple of so many neurons: the piece that the native kernels work on at a time."""

Ring = tuple[Float[Array, "blocks size"], Int32[Array, "depth n"], Int32[Array, " depth"]]
Pushed = tuple[UInt32[Array, " w"], Int32[Array, "depth n"], Int32[Array, " depth"]]


class Backend(abc.ABC):
    """How a model is computed.

    - `Backend.AUTO`: the native CPU kernels where they are installed and the platform is a CPU, plain XLA elsewhere.
    - `Backend.REFERENCE`: plain XLA everywhere; the oracle for the others.
    - `Backend.kernels(cores=2)`: as `AUTO`, with the layout for a number of cores instead of those of this machine.

    A backend chooses how targets are cut into blocks, and which program delivers. The results do not depend on the blocks.

    !!! Example

        >>> import neuro4d as n4
        >>> n4.Backend.REFERENCE.native
        False
    """

    AUTO: ClassVar["Backend"]
    REFERENCE: ClassVar["Backend"]

    @staticmethod
    def kernels(cores: int) -> "Backend":
        """The native kernels, with a layout for `cores` cores."""
        return Kernels(cores)

    @property
    @abc.abstractmethod
    def native(self) -> bool:
        """Whether programs for a CPU use the native kernels."""

    @abc.abstractmethod
    def block_width(self, n: int, n_ports: int) -> int:
        """Neurons of a target block, for a group of `n` neurons with so many ports."""

    @abc.abstractmethod
    def deliver(self, path: Pathway, ids: Array, count: Array, step: UInt32[Array, ""], acc: Array) -> Ring:
        """Adds what arrives in a step to the sums; returns the sums and the ring."""

    @abc.abstractmethod
    def push(self, fired: Bool[Array, " n"], ids: Array, count: Array, step: UInt32[Array, ""]) -> Pushed:
        """Packs the spikes of a step and writes their ids into its row; returns the words and the ring."""

    def can_address(self, n_edges: int) -> bool:
        """Whether a pathway may have so many synapses."""
        return n_edges <= MAX_XLA_EDGES or self.native


def _width(n: int, blocks: int) -> int:
    """All in one block, or a multiple of the piece."""
    return n if blocks == 1 else -(-n // (blocks * WIDTH_STEP)) * WIDTH_STEP


def _fewest(n: int, n_ports: int) -> int:
    return max(-(-n * n_ports // BLOCK_TARGETS), 1)


@dataclasses.dataclass(frozen=True)
class Plain(Backend):
    """Plain XLA on every platform."""

    @property
    def native(self) -> bool:
        return False

    def block_width(self, n: int, n_ports: int) -> int:
        return _width(n, _fewest(n, n_ports))

    def deliver(self, path: Pathway, ids: Array, count: Array, step: UInt32[Array, ""], acc: Array) -> Ring:
        return jax.lax.platform_dependent(
            ids,
            count,
            step,
            acc,
            cpu=lambda ids, count, step, acc: reference(path, ids, count, step, acc, CPU_BLOCK),
            default=lambda ids, count, step, acc: reference(path, ids, count, step, acc, ACCELERATOR_BLOCK),
        )

    def push(self, fired: Array, ids: Array, count: Array, step: UInt32[Array, ""]) -> Pushed:
        return push_plainly(fired, ids, count, step)


@dataclasses.dataclass(frozen=True)
class Kernels(Backend):
    """The native kernels on a CPU, if they are installed; plain XLA elsewhere. `cores`: for how many cores targets are cut into
    blocks; `None` for those of this process when a network is built."""

    cores: int | None = None

    @property
    def native(self) -> bool:
        return native_available()

    def block_width(self, n: int, n_ports: int) -> int:
        blocks = _fewest(n, n_ports)
        if self.native:
            cores = n_cores() if self.cores is None else self.cores
            blocks = max(blocks, min(cores, n // NEURONS_PER_CORE, MAX_BLOCKS_FOR_CORES))
        return _width(n, blocks)

    def deliver(self, path: Pathway, ids: Array, count: Array, step: UInt32[Array, ""], acc: Array) -> Ring:
        if not self.native:
            return Backend.REFERENCE.deliver(path, ids, count, step, acc)

        def compiled(ids: Array, count: Array, step: Array, acc: Array) -> Ring:
            return deliver_native(
                step, path.delays, ids, count, path.start, path.bounds, path.targets, path.weight, acc, weight_kind=path.weight_kind, some=path.some
            )

        if path.targets.shape[0] > MAX_XLA_EDGES:
            return compiled(ids, count, step, acc)
        return jax.lax.platform_dependent(
            ids,
            count,
            step,
            acc,
            cpu=compiled,
            default=lambda ids, count, step, acc: reference(path, ids, count, step, acc, ACCELERATOR_BLOCK),
        )

    def push(self, fired: Array, ids: Array, count: Array, step: UInt32[Array, ""]) -> Pushed:
        if not self.native:
            return Backend.REFERENCE.push(fired, ids, count, step)
        return jax.lax.platform_dependent(
            fired, ids, count, step, cpu=lambda fired, ids, count, step: push_native(step, fired, ids, count), default=push_plainly
        )


Backend.AUTO = Kernels()
Backend.REFERENCE = Plain()
