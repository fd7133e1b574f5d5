"""Delivery with delays that are floats, one per edge: every spike arrives in the steps next to its delay, in proportion."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, UInt32

from neuro4d._base import alike
from neuro4d.ops._backend import Backend
from neuro4d.ops._deliver import deliver as deliver_on_grid
from neuro4d.ops._free_delays import SNAP, FreeDelays
from neuro4d.ops._pathway import Pathway
from neuro4d.ops._ring import History, arriving_rows


def deliver(
    path: Pathway, history: History, step: UInt32[Array, ""], acc: Float[Array, "blocks size"], backend: Backend
) -> tuple[Array, History]:
    """Adds what arrives in a step to the sums of the target blocks, whether delays lie on the grid or are `free`."""
    if path.free is None:
        return deliver_on_grid(path, history, step, acc, backend)
    return deliver_delayed(path, path.free, history, step, acc)


def deliver_delayed(
    path: Pathway, free: FreeDelays, history: History, step: UInt32[Array, ""], acc: Float[Array, "blocks size"]
) -> tuple[Array, History]:
    r"""The same for delays that are floats.

    $$ \sum_e w_e \sum_l K_e(l)\, s_{\mathrm{pre}(e)}(k - l), \qquad
    K_e(l) \propto \max\left(0,\ 1 - \frac{|l - d_e/dt|}{1 + \sigma}\right), \quad l \ge 1 $$

    With the spread $\sigma = 0$ these are the two steps next to the delay, in linear proportion. The work is that of the edges.
    Differentiable with respect to weights, delays, spread, and `history.soft`.
    """
    history, step, acc = alike((history, step, acc), path)
    spikes = _spikes(history, acc.dtype)
    lags, share = _kernel(free, acc.dtype)
    rows = arriving_rows(step, lags, spikes.shape[0])
    arriving = jnp.sum(share * spikes[rows, free.source[:, None]], axis=1)
    weight = path.weight[free.source] if path.weight_kind == "source" else path.weight
    change = (weight * arriving).astype(acc.dtype)
    return acc.reshape(-1).at[free.place].add(change).reshape(acc.shape), history


def _kernel(free: FreeDelays, dtype: jnp.dtype) -> tuple[Int32[Array, "e taps"], Float[Array, "e taps"]]:
    """The lags in steps at which each edge delivers, and the share of a spike that arrives at each."""
    exact = jnp.clip(free.delay, free.low, free.high).astype(dtype) / free.dt
    near = jnp.abs(exact - jnp.round(exact)) < SNAP
    exact = exact + jax.lax.stop_gradient(jnp.where(near, jnp.round(exact) - exact, 0))
    whole = jax.lax.stop_gradient(jnp.floor(exact)).astype(jnp.int32)
    side = free.side
    lags = whole[:, None] + jnp.arange(-side, side + 2, dtype=jnp.int32)
    width = 1 + jnp.clip(free.spread.astype(dtype) / free.dt, 0, side)
    # Written without a corner: on the grid the slope is that towards a longer delay, and what some steps gain the others lose.
    sign = jnp.where(jnp.arange(-side, side + 2) <= 0, 1, -1).astype(dtype)
    distance = sign * (exact[:, None] - lags)
    distance = jnp.where((sign > 0) & (distance >= width), jax.lax.stop_gradient(distance), distance)
    share = jnp.where(distance <= width, 1 - distance / width, 0)
    if not side:
        return lags, share
    share = jnp.where(lags >= 1, share, 0)
    return jnp.maximum(lags, 1), share / jnp.sum(share, axis=1, keepdims=True)


def _spikes(history: History, dtype: jnp.dtype) -> Float[Array, "depth n"]:
    """The past as numbers: those that carry a gradient where the model has a surrogate."""
    if history.soft is not None:
        return history.soft
    depth, n = history.ids.shape
    place = jnp.where(jnp.arange(n, dtype=jnp.int32) < history.count[:, None], history.ids, n)
    return jnp.zeros((depth, n), dtype).at[jnp.arange(depth)[:, None], place].set(1, mode="drop")
