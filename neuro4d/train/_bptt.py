"""Backpropagation through many steps: memory that grows with their square root, and derivatives that are cut or kept short."""

import functools
import math
from collections.abc import Callable
from typing import Any, Literal

import brainunit as u
import jax
import jax.numpy as jnp

from neuro4d._base import check_count, check_quantity, steps_of
from neuro4d.model import Model, State, StepSpikes
from neuro4d.simulate import scan as plain_scan
from neuro4d.train._backward import clipped, in_pieces

Keep = Callable[[State, StepSpikes], Any]


def scan(
    model: Model,
    state: State,
    steps: int,
    keep: Keep | None = None,
    inputs: dict[str, Any] | None = None,
    *,
    checkpoint: Literal["sqrt"] | int | None = "sqrt",
    truncate: u.Quantity | None = None,
    clip: float | None = None,
) -> tuple[State, Any]:
    r"""`n4.scan`, prepared for a backward pass through many steps: as a function it is the same, bit for bit.

    **Arguments:**

    - `model`, `state`, `steps`, `keep`, `inputs`: as for `n4.scan`.
    - `checkpoint`: the steps of a block. Only the state at its beginning is kept, and its steps are made again when the backward pass comes to it:
      one forward pass more, for memory of $T/b$ states and $b$ steps instead of $T$ steps. `"sqrt"` takes $b = \sqrt T$, `None`
      keeps everything. Gradients do not depend on it.
    - `truncate`: after how much time the derivative with respect to the state is cut; a multiple of the time step. A loss then sees what
      happened since the last cut, and nothing before. [time] `None` cuts nothing. Blocks lie between cuts: with $W$ steps from one to the
      next `"sqrt"` takes $b = \sqrt W$, so memory is that of $T/\sqrt W$ states and $\sqrt W$ steps, more than without cuts.
    - `clip`: the largest Euclidean norm, over all floats of the state in internal units, with which the derivative passes from a block to the
      one before; longer ones are scaled down. [a number above 0] With it only reverse mode works. A derivative with
      an entry that is not finite has no direction: all of it is replaced by 0, so that blocks before are not learnt from. `None` clips nothing.

    **Returns:** the final state and the stacked results.

    **Raises:** `ValueError` for options out of range, and as `n4.scan` does; `UnitError` for a bare number in the place of a time.

    **Source:** A. Griewank, A. Walther, Evaluating Derivatives, chapter 12 (2008), for blocks; R. J. Williams, J. Peng, Neural Computation 2, 490
    (1990), for truncation; R. Pascanu, T. Mikolov, Y. Bengio, ICML (2013), for the norm.

    !!! Example

        >>> import brainunit as u, equinox as eqx, jax, jax.numpy as jnp, jax.random as jr, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 2, lif)
        >>> model = n4.Network(cells, n4.Clamp("drive", cells, 50*u.pA)).build(dt=0.1*u.ms, seed=0)
        >>> def loss(current):
        ...     changed = eqx.tree_at(lambda m: m.sources["drive"].amplitude, model, current)
        ...     _, v = n4.train.scan(changed, changed.init(jr.key(0)), 100, lambda s, _: s.neurons["cells"].v, truncate=5*u.ms)
        ...     return jnp.mean(v)
        >>> bool(jax.jit(jax.grad(loss))(jnp.float32(50.0)) > 0)
        True
    """
    _check(steps, inputs, clip)
    window = steps if truncate is None else min(_window(truncate, model.dt_ms), steps)
    block = min(_block(checkpoint, window), window)

    def some(length: int, state: State, rows: Any) -> tuple[State, Any]:
        state = state if clip is None else clipped(state, float(clip))
        return plain_scan(model, state, length, keep, rows)

    def blocks(length: int, state: State, rows: Any) -> tuple[State, Any]:
        return in_pieces(some, state, rows, length, block, again=checkpoint is not None)

    if truncate is None:
        return blocks(steps, state, inputs)
    return in_pieces(functools.partial(_cut, blocks), state, (jnp.arange(steps) // window, inputs), steps, window, again=False)


def _check(steps: int, inputs: dict[str, Any] | None, clip: float | None) -> None:
    check_count(steps, "scan.steps")
    for name, values in (inputs or {}).items():
        if not (jnp.ndim(values) and jnp.shape(values)[0] == steps):
            raise ValueError(f"input {name!r} needs a row for each of {steps} steps; got shape {jnp.shape(values)}.")
    if clip is not None and not clip > 0:
        raise ValueError(f"scan.clip is a number above 0, or `None`; got {clip!r}. For example `clip=1.0`.")


def _cut(blocks: Callable, length: int, state: State, rows: Any) -> tuple[State, Any]:
    """A piece without a derivative with respect to the state at its beginning; only the first has one, with respect to the caller's."""
    numbers, inputs = rows
    state = jax.tree.map(lambda x: jnp.where(numbers[0] == 0, x, jax.lax.stop_gradient(x)), state)
    return blocks(length, state, inputs)


def _window(truncate: u.Quantity, dt: float) -> int:
    """The time between cuts in steps."""
    steps = int(steps_of(check_quantity(truncate, u.ms, "scan.truncate"), dt, "scan.truncate"))
    if steps < 1:
        raise ValueError(f"scan.truncate must be at least dt = {dt:g} ms; got {truncate}. For example `truncate={100 * dt:g}*u.ms`.")
    return steps


def _block(checkpoint: Any, window: int) -> int:
    if checkpoint is None or checkpoint == "sqrt":
        return max(math.isqrt(window), 1)
    if isinstance(checkpoint, str):
        raise ValueError(f'scan.checkpoint is "sqrt", a number of steps, or `None`; got {checkpoint!r}. For example `checkpoint="sqrt"`.')
    return check_count(checkpoint, "scan.checkpoint")
