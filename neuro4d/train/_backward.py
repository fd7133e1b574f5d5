"""Steps that are differentiated backwards in time, and what keeps that derivative finite."""

import functools
import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from neuro4d.model import Model, State, advance, check_unchanging, prepare
from neuro4d.ops import row_of
from neuro4d.train._loop import AbstractLoop, add, nothing


class Backward(AbstractLoop):
    """Steps for reverse mode: the past is kept at the beginning of blocks only and made again from there.

    **Fields:** `damping`: the share of the derivative that passes from a spike to those that hear it; `truncate`: steps after which
    the derivative with respect to the state is cut, or `None`; `clip`: the largest norm of that derivative in a step, or `None`;
    `reset`: whether the derivative passes through the reset; `checkpoint`: whether blocks are made again instead of kept.
    """

    damping: float = eqx.field(static=True, default=1.0)
    truncate: int | None = eqx.field(static=True, default=None)
    clip: float | None = eqx.field(static=True, default=None)
    reset: bool = eqx.field(static=True, default=False)
    checkpoint: bool = eqx.field(static=True, default=True)

    def total(self, model, state, steps, observe, *, discard=0):
        check_unchanging(model, "backpropagation with a choice of its own")
        constants = prepare(model)
        resets = reset_levels(model) if self.reset else {}
        all_steps = discard + steps
        block = min(self.truncate or math.isqrt(all_steps), all_steps)

        def one(carry: Any, number: Array) -> Any:
            state, total = carry
            before = state if self.clip is None else clipped(state, self.clip)
            after, spikes = advance(model, constants, before, None)
            after = _with_resets(after, spikes, resets)
            after = after if self.damping == 1 else _damped(after, before.step, self.damping)
            counts = (number >= discard).astype(model.dtype)
            seen = jax.tree.map(lambda x: x * counts.astype(x.dtype), observe(after, spikes))
            return (after, add(total, seen)), None

        def some(length: int, carry: Any, numbers: Array) -> Any:
            state, total = carry
            state = state if self.truncate is None else jax.tree.map(jax.lax.stop_gradient, state)
            return jax.lax.scan(one, (state, total), numbers, length=length)

        first = (state, nothing(model, state, observe))
        (_, total), _ = in_pieces(some, first, jnp.arange(all_steps), all_steps, block, again=self.checkpoint)
        return total


def in_pieces(some: Callable[[int, Any, Any], Any], carry: Any, rows: Any, steps: int, each: int, *, again: bool) -> tuple[Any, Any]:
    """`steps` steps in pieces of `each`, with the rows that belong to them; the last piece may be shorter.

    `some(length, carry, rows)` makes a piece; the backward pass makes it `again`, or keeps what it left.
    """

    def make(length: int) -> Callable[[Any, Any], Any]:
        piece = functools.partial(some, length)
        return jax.checkpoint(piece) if again else piece

    whole = steps - steps % each
    first = jax.tree.map(lambda x: x[:whole].reshape(-1, each, *x.shape[1:]), rows)
    carry, kept = jax.lax.scan(make(each), carry, first, length=whole // each)
    kept = jax.tree.map(lambda x: x.reshape(whole, *x.shape[2:]), kept)
    if whole == steps:
        return carry, kept
    carry, rest = make(steps - whole)(carry, jax.tree.map(lambda x: x[whole:], rows))
    return carry, jax.tree.map(lambda a, b: jnp.concatenate([a, b]), kept, rest)


def _damped(state: State, step: Array, share: float) -> State:
    """The spikes of the step that was just made, as later steps hear them, with a share of their derivative."""
    rings = [name for name, past in state.history.items() if past.soft is not None]
    if not rings:
        return state

    def one(name: str) -> Array:
        past = state.history[name]
        row = row_of(past, step)
        spikes = jax.lax.dynamic_index_in_dim(past.soft, row, 0, keepdims=False)  # type: ignore[arg-type]
        some = share * spikes + (1 - share) * jax.lax.stop_gradient(spikes)
        same = jax.lax.stop_gradient(spikes - some) + some  # the value to the last bit
        return jax.lax.dynamic_update_index_in_dim(past.soft, same, row, 0)  # type: ignore[arg-type]

    return eqx.tree_at(lambda s: [s.history[name].soft for name in rings], state, [one(name) for name in rings])


def reset_levels(model: Model) -> dict[str, tuple[Array, Array]]:
    """Threshold and reset of the neurons of each group, `(n,)` or scalars.

    **Raises:** `ValueError` for neurons without these two numbers.
    """
    found = {}
    for name, group in prepare(model).groups.items():
        levels = [getattr(group.of_neuron, field, None) for field in ("v_th", "v_reset")]
        if levels[0] is None or levels[1] is None:
            raise ValueError(
                f"`reset='through'` needs neurons with a threshold and a reset potential; those of {name!r} are "
                f"{type(group.neuron).__name__}. Use `reset='detached'`."
            )
        found[name] = (levels[0], levels[1])
    return found


def _with_resets(state: State, spikes: Any, levels: dict[str, tuple[Array, Array]]) -> State:
    """The potential of each neuron with the derivative of its reset: a spike more moves it from where it is to the reset."""
    for name, (v_th, v_reset) in levels.items():
        soft, v = spikes.soft[name], state.groups[name].neurons.v
        fired = spikes.fired(name)
        jump = jax.lax.stop_gradient(v_reset - jnp.where(fired, v_th, v))
        moved = v + jump * (soft - jax.lax.stop_gradient(soft))
        state = _with_v(state, name, moved)
    return state


def _with_v(state: State, group: str, v: Array) -> State:
    return eqx.tree_at(lambda s: s.groups[group].neurons.v, state, v)


def clipped(state: State, most: float) -> State:
    """The state, whose cotangent is made shorter where its norm is above `most`, and 0 where an entry of it is not finite."""
    floats, rest = eqx.partition(state, eqx.is_inexact_array)
    return eqx.combine(_clip(most, floats), rest)


def _clip(most: float, floats: Any) -> Any:
    @jax.custom_vjp
    def same(x: Any) -> Any:
        return x

    def forward(x: Any) -> Any:
        return x, None

    def backward(_: None, given: Any) -> Any:
        leaves = jax.tree.leaves(given)
        top = functools.reduce(jnp.maximum, [jnp.max(jnp.abs(leaf), initial=0) for leaf in leaves], jnp.zeros(()))
        finite = jnp.isfinite(top)
        # Squares of what is divided by it do not overflow; nor is its reciprocal, which may be multiplied by instead, so small that it counts as 0.
        far = 2.0 ** (3 * jnp.finfo(top.dtype).maxexp // 4)
        size = jnp.where(finite, jnp.clip(top, 1 / far, far), 1)
        norm = jnp.sqrt(sum(jnp.sum(jnp.square(leaf / size)) for leaf in leaves))

        def shorter(leaf: Array) -> Array:
            short = (leaf / size) * (most / jnp.where(norm > 0, norm, 1))
            return jnp.where(finite, jnp.where(size * norm > most, short, leaf), 0).astype(leaf.dtype)

        return (jax.tree.map(shorter, given),)

    same.defvjp(forward, backward)
    return same(floats)
