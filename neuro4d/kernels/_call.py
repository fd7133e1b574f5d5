"""One call of a compiled handler: operands and results by name, with its rule for `vmap`.

An operand is known to the handler by a hash of its name, so that neither side counts positions. Some operands come back: the
handler changes them in their own memory, or hands them on so that a later write is ordered after its reads.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from jaxtyping import Array

from neuro4d._base import alike

BATCH_AXES = 6
"""`vmap`s around one call that handlers serve: `BatchShape::kMost` in `src/operands.h`, compared when they are loaded."""


class Operand(NamedTuple):
    """A value for a handler. `back`: it is a result as well; `changes`: it differs between lanes of a batch as soon as anything does."""

    value: Any
    back: bool = False
    changes: bool = False


class Made(NamedTuple):
    """A result that is no operand."""

    shape: tuple[int, ...]
    dtype: str


class CallSpec(NamedTuple):
    """What is static about a call.

    `batch` are the sizes of the `vmap`s around it, outermost first. Bit `i` of `mapped[j]` says that operand `j` has an axis for
    `vmap` number `i`; those axes lead its shape in the order of the `vmap`s. Nothing is reshaped or repeated: XLA would copy an
    aliased operand that reaches the handler through a reshape.
    """

    handler: str
    names: tuple[str, ...]
    back: tuple[int, ...]
    changes: tuple[int, ...]
    made: tuple[tuple[str, Made], ...]
    static: tuple[tuple[str, int | tuple[int, ...]], ...]
    batch: tuple[int, ...] = ()
    mapped: tuple[int, ...] = ()


def call(
    handler: str, operands: Mapping[str, Operand], made: Mapping[str, Made], static: Mapping[str, int | tuple[int, ...]]
) -> dict[str, Array]:
    """Calls a handler.

    **Arguments:**

    - `handler`: as it is registered.
    - `operands`: by name. A name may end in a number, as in `path.targets:3`.
    - `made`: shape and dtype of results that are no operands, by name.
    - `static`: whole numbers, or tuples of them, by name.

    **Returns:** results by name: operands that come back, then what is made.
    """
    names = tuple(operands)
    spec = CallSpec(
        handler,
        names,
        tuple(i for i, x in enumerate(operands.values()) if x.back),
        tuple(i for i, x in enumerate(operands.values()) if x.changes),
        tuple(made.items()),
        tuple(static.items()),
        mapped=(0,) * len(names),
    )
    results = _mapped(spec)(*(jnp.asarray(x.value) for x in operands.values()))
    return dict(zip((*(names[i] for i in spec.back), *made), results, strict=True))


@functools.lru_cache(maxsize=512)
def _mapped(spec: CallSpec) -> Any:
    """The call below the `vmap`s of a spec, and its rule for one more."""

    @custom_vmap
    def run(*operands: Array) -> tuple[Array, ...]:
        return _ffi(spec, operands)

    @run.def_vmap
    def rule(axis_size: int, in_batched: Sequence[bool], *operands: Array) -> tuple[tuple[Array, ...], tuple[bool, ...]]:
        arrays, flags = list(operands), list(in_batched)
        for i in spec.changes:
            if not flags[i]:
                arrays[i] = jnp.broadcast_to(arrays[i], (axis_size, *arrays[i].shape))
                flags[i] = True
        batched = tuple(flags[i] for i in spec.back) + (True,) * len(spec.made)
        if len(spec.batch) >= BATCH_AXES:
            return _one_by_one(spec, axis_size, arrays, flags), (True,) * len(batched)
        mapped = tuple(bits << 1 | flag for bits, flag in zip(spec.mapped, flags, strict=True))
        return _mapped(spec._replace(batch=(axis_size, *spec.batch), mapped=mapped))(*arrays), batched

    return run


def _one_by_one(spec: CallSpec, axis_size: int, arrays: list[Array], flags: list[bool]) -> tuple[Array, ...]:
    """More `vmap`s than a handler serves: this one becomes a loop, in which the next finds the same rule."""

    def lane(i: Array) -> tuple[Array, ...]:
        own = zip(arrays, flags, strict=True)
        return _mapped(spec)(*(jax.lax.dynamic_index_in_dim(x, i, 0, keepdims=False) if flag else x for x, flag in own))

    return jax.lax.map(lane, jnp.arange(axis_size))


def _ffi(spec: CallSpec, operands: Sequence[Array]) -> tuple[Array, ...]:
    operands = alike(tuple(operands))
    back = tuple(jax.ShapeDtypeStruct(operands[i].shape, operands[i].dtype) for i in spec.back)
    made = tuple(jax.ShapeDtypeStruct((*spec.batch, *result.shape), result.dtype) for _, result in spec.made)
    run = jax.ffi.ffi_call(spec.handler, (*back, *made), input_output_aliases={operand: result for result, operand in enumerate(spec.back)})
    static = {name: np.asarray(value, np.int64) if isinstance(value, tuple) else np.int64(value) for name, value in spec.static}
    results = [*(spec.names[i] for i in spec.back), *(name for name, _ in spec.made)]
    out = run(
        *operands,
        names=np.array([name_hash(name) for name in spec.names], np.int64),
        results=np.array([name_hash(name) for name in results], np.int64),
        batch=np.asarray(spec.batch, np.int64),
        mapped=np.asarray(spec.mapped, np.int64),
        **static,
    )
    return alike(tuple(out), operands)


@functools.lru_cache(maxsize=4096)
def name_hash(name: str) -> int:
    """How a handler knows a name: FNV-1a of the text, plus a large odd number times the number behind a colon; as int64.

    The same as `name_hash` in `src/names.h`.
    """
    text, _, number = name.partition(":")
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    value = (value + (int(number) + 1 if number else 0) * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    return value - (1 << 64) if value >= 1 << 63 else value
