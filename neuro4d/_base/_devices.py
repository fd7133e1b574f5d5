"""Several devices: over which axes arrays vary inside `jax.shard_map`, and who places arrays on a mesh with explicit axes."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax


def alike(tree: Any, *others: Any) -> Any:
    """The same arrays, of which each varies over all axes of devices over which any in `tree` or in `others` varies.

    Outside of `jax.shard_map` that is none, and the tree is returned as it is. Inside, JAX wants the carry of a loop, the branches of a
    choice and the operands of a compiled handler to agree: zeros that a loop starts from do not vary by themselves.
    """
    axes = frozenset[Any]().union(*(_axes(x) for x in jax.tree.leaves((tree, others)) if eqx.is_array(x)))
    if not axes:
        return tree

    def one(x: Any) -> Any:
        missing = tuple(sorted(axes - _axes(x))) if eqx.is_array(x) else ()
        return jax.lax.pcast(x, missing, to="varying") if missing else x

    return jax.tree.map(one, tree)


def _axes(x: jax.Array) -> frozenset[Any]:
    return jax.typeof(x).manual_axis_type.varying  # type: ignore[attr-defined]


def explicit_axes() -> bool:
    """Whether the mesh in force has axes along which every result has to say how it is divided."""
    return jax.sharding.AxisType.Explicit in jax.sharding.get_abstract_mesh().axis_types


def placed_by_compiler(f: Callable[..., tuple[Any, Any]], state: Any, *others: Any) -> tuple[Any, Any]:
    """`f(state, *others)`, a pair of a changed state and something else, on a mesh with explicit axes as well.

    There, every look-up would have to say how its result is divided among devices. Inside `f` the compiler decides; the state comes back
    divided as it was, the rest whole, and `vmap` divides its own axis.
    """
    if not explicit_axes():
        return f(state, *others)
    arrays, rest = eqx.partition((state, *others), eqx.is_array)
    specs = jax.tree.map(lambda x: jax.typeof(x).sharding.spec, state)
    call = jax.sharding.auto_axes(lambda arrays: f(*eqx.combine(arrays, rest)), out_sharding=(specs, jax.sharding.PartitionSpec()))
    return call(arrays)
