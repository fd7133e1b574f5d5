"""The derivative of delivery as two linear operations, each the transpose of the other, with rules for `vmap` and for each other.

`spread` carries changes of weights and spikes to the targets, forward. `collect` carries slopes of the targets back. Both visit the
synapses of neurons that spiked, for weights, and of neurons that have a slope, for spikes; nothing else. They are primitives of their
own because JAX cannot transpose a loop whose length follows the spikes, and no rule of one `custom_*` function serves forward mode,
reverse mode and `vmap` at once. Second derivatives go forward over reverse, and take as given who fired.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array

from neuro4d.kernels import WeightKind
from neuro4d.ops._collect import collect_now
from neuro4d.ops._spread_plain import Synapses, spread_now

Lanes = tuple[tuple[bool, ...], ...]
"""For each `vmap` around a call, outermost first, which operands it maps; their axes lead in that order."""


class How(NamedTuple):
    """What is static about a call: the shape of the synapses, whether native kernels may serve, and whether anyone asks for weights."""

    kind: WeightKind
    n_blocks: int
    row_hint: int
    native: bool
    weights: bool = True


WEIGHT = Synapses._fields.index("weight")

spread_p = Primitive("neuro4d_spread")
collect_p = Primitive("neuro4d_collect")
spread_p.multiple_results = collect_p.multiple_results = True


def spread(how: How, weight_dot: Array, soft_dot: Array, acc_dot: Array, synapses: Synapses) -> tuple[Array, Array]:
    """The change of the sums when weights and spikes change, on top of `acc_dot`, and `soft_dot` as it is.

    Handing on `soft_dot` lets the way back add to the slopes of the ring in their place.
    """
    out, soft = spread_p.bind(weight_dot, soft_dot, acc_dot, *synapses, how=how, lanes=())
    return out, soft


def _spread(weight_dot: Array, soft_dot: Array, acc_dot: Array, *synapses: Array, how: How) -> list[Array]:
    return [spread_now(how.kind, how.n_blocks, how.row_hint, weight_dot, soft_dot, acc_dot, Synapses(*synapses)), soft_dot]


def _collect(acc_bar: Array, soft_bar: Array, *synapses: Array, how: How) -> list[Array]:
    return list(collect_now(how.kind, how.n_blocks, how.row_hint, how.native, how.weights, acc_bar, soft_bar, Synapses(*synapses)))


def _over_lanes(function: Any, lanes: Lanes) -> Any:
    """A function below the `vmap`s of a call."""
    for mapped in reversed(lanes):
        function = jax.vmap(function, in_axes=tuple(0 if here else None for here in mapped))
    return function


def _made(function: Any) -> Any:
    """How a primitive is computed from its function, compiled or not."""

    def run(*operands: Array, how: How, lanes: Lanes) -> list[Array]:
        return _over_lanes(functools.partial(function, how=how), lanes)(*operands)

    return run


def _batched(primitive: Primitive, results: tuple[int, ...]) -> Any:
    """The rule for one more `vmap`. `results`: operands of the shape of a result, which then differ between lanes."""

    def rule(operands: Any, axes: Any, *, how: How, lanes: Lanes) -> tuple[list[Array], list[int]]:
        size = next(x.shape[axis] for x, axis in zip(operands, axes, strict=True) if axis is not None)
        moved = [x if axis is None else jnp.moveaxis(x, axis, 0) for x, axis in zip(operands, axes, strict=True)]
        mapped = [axis is not None for axis in axes]
        for i in results:
            if not mapped[i]:
                moved[i], mapped[i] = jnp.broadcast_to(moved[i], (size, *moved[i].shape)), True
        out = primitive.bind(*moved, how=how, lanes=(tuple(mapped), *lanes))
        return out, [0] * len(out)

    return rule


def _weight_shape(weight: Any, lanes: Lanes, place: int, sizes: tuple[int, ...]) -> tuple[int, ...]:
    return (*sizes, *weight.shape[sum(mapped[place] for mapped in lanes) :])


def _sum_shared(value: Array, lanes: Lanes, place: int) -> Array:
    """The slope of an operand that lanes share is the sum of theirs."""
    axes = tuple(i for i, mapped in enumerate(lanes) if not mapped[place])
    return jnp.sum(value, axis=axes, dtype=value.dtype) if axes else value


def _zeros(x: Any) -> Array:
    return jnp.zeros(x.shape, x.dtype)


def _spread_shapes(weight_dot: Any, soft_dot: Any, acc_dot: Any, *synapses: Any, how: How, lanes: Lanes) -> list[Any]:
    del weight_dot, synapses, how, lanes
    return [acc_dot, soft_dot]


def _collect_shapes(acc_bar: Any, soft_bar: Any, *synapses: Any, how: How, lanes: Lanes) -> list[Any]:
    weight: Any = Synapses(*synapses).weight
    sizes = acc_bar.shape[: len(lanes)]
    return [weight.update(shape=_weight_shape(weight, lanes, 2 + WEIGHT, sizes) if how.weights else (*sizes, 0)), soft_bar]


def _refuse_weights(synapses: Any) -> None:
    """A product of weights and spikes is transposed in spikes. In weights it would be only for reverse mode of reverse mode."""
    if ad.is_undefined_primal(Synapses(*synapses).weight):
        raise NotImplementedError(
            "second derivatives with respect to weights go forward over reverse: `jax.jvp(jax.grad(loss), (weights,), (direction,))` or "
            "`jax.jacfwd(jax.grad(loss))`, not `jax.grad` of `jax.grad`."
        )


def _spread_transpose(cotangents: Any, weight_dot: Any, soft_dot: Any, acc_dot: Any, *synapses: Any, how: How, lanes: Lanes) -> list[Any]:
    _refuse_weights(synapses)
    acc_bar, soft_bar = (ad.instantiate_zeros(x) for x in cotangents)
    wanted = [ad.is_undefined_primal(x) for x in (weight_dot, soft_dot, acc_dot)]
    back = tuple((mapped[2], mapped[1], *mapped[3:]) for mapped in lanes)
    weight_bar, soft_bar = collect_p.bind(acc_bar, soft_bar, *synapses, how=how._replace(weights=wanted[0]), lanes=back)
    slopes = [_sum_shared(weight_bar, lanes, 0) if wanted[0] else None, soft_bar if wanted[1] else None, acc_bar if wanted[2] else None]
    return [*slopes, *(None for _ in synapses)]


def _collect_transpose(cotangents: Any, acc_bar: Any, soft_bar: Any, *synapses: Any, how: How, lanes: Lanes) -> list[Any]:
    _refuse_weights(synapses)
    weight_dot, soft_dot = (ad.instantiate_zeros(x) for x in cotangents)
    wanted = [ad.is_undefined_primal(x) for x in (acc_bar, soft_bar)]
    there = tuple((True, mapped[1], mapped[0], *mapped[2:]) for mapped in lanes)
    if not how.weights:
        held = Synapses(*synapses).weight
        sizes = acc_bar.aval.shape[: len(lanes)] if wanted[0] else acc_bar.shape[: len(lanes)]
        weight_dot = jnp.zeros(_weight_shape(held, lanes, 2 + WEIGHT, sizes), held.dtype)
    acc_dot = _zeros(acc_bar.aval if wanted[0] else acc_bar)
    out, soft_dot = spread_p.bind(weight_dot, soft_dot, acc_dot, *synapses, how=how._replace(weights=True), lanes=there)
    return [out if wanted[0] else None, soft_dot if wanted[1] else None, *(None for _ in synapses)]


def _jvp(primitive: Primitive, n_linear: int, partner: int, product: int) -> Any:
    """The derivative in a direction. A call is linear in its first operands, and its result number `product` in the weights as well,
    which it multiplies with operand number `partner`."""
    at = n_linear + WEIGHT

    def rule(primals: Any, tangents: Any, *, how: How, lanes: Lanes) -> tuple[Any, Any]:
        changes = primitive.bind(*map(ad.instantiate_zeros, tangents[:n_linear]), *primals[n_linear:], how=how, lanes=lanes)
        if not isinstance(tangents[at], ad.Zero):
            alone = [x if i == partner else _zeros(x) for i, x in enumerate(primals[:n_linear])]
            changed = [tangents[at] if i == at else x for i, x in enumerate(primals)]
            more = primitive.bind(*alone, *changed[n_linear:], how=how, lanes=lanes)[product]
            changes = [x + more if i == product else x for i, x in enumerate(changes)]
        return primitive.bind(*primals, how=how, lanes=lanes), changes

    return rule


def _register(primitive: Primitive, function: Any, shapes: Any, transpose: Any, results: tuple[int, ...], derivative: Any) -> None:
    run = _made(function)
    primitive.def_impl(lambda *operands, **static: jax.jit(functools.partial(run, **static))(*operands))
    primitive.def_abstract_eval(shapes)
    mlir.register_lowering(primitive, mlir.lower_fun(run, multiple_results=True))
    batching.primitive_batchers[primitive] = _batched(primitive, results)
    ad.primitive_transposes[primitive] = transpose
    ad.primitive_jvps[primitive] = derivative


_register(spread_p, _spread, _spread_shapes, _spread_transpose, (1, 2), _jvp(spread_p, 3, partner=1, product=0))
_register(collect_p, _collect, _collect_shapes, _collect_transpose, (0, 1), _jvp(collect_p, 2, partner=0, product=1))
