r"""Leaky neurons over time, with a backward pass of their own.

Between spikes the potential before the reset, $u$, is linear in what came before: $u_t = v_{t-1} + \lambda (v_0 + R i_t - v_{t-1})$. So the backward pass needs the excess
$u - v_\mathrm{th}$ alone, which is an output anyway: it says who fired, what the slope of the surrogate is, and, where a constant is trained, what the potentials
were. Automatic differentiation of the loop keeps several arrays of the size of the output instead, and sums the derivatives of constants
in every step.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero, custom_vjp_primal_tree_values
from jaxtyping import Array, Bool, Float

from neuro4d._base import Drive
from neuro4d.neurons import LIF
from neuro4d.ops import AbstractSurrogate


class Leaky(NamedTuple):
    """The constants of a leaky step: share of the way, resistance, the potential at rest, threshold, reset."""

    share: Array
    resistance: Array
    v_base: Array
    v_th: Array
    v_reset: Array


class Frozen(NamedTuple):
    """What has no derivative here: the neuron, its other constants, the surrogate, steps left of held neurons."""

    neuron: Any
    constants: Any
    surrogate: AbstractSurrogate
    left: Array | None


class Kept(NamedTuple):
    """What the backward pass needs; `wanted` names the constants that are trained, `matrix` is `None` without recurrence."""

    excess: Float[Array, "time batch ..."]
    free: Bool[Array, "time batch ..."] | None
    constants: Leaky
    surrogate: AbstractSurrogate
    v: Array
    matrix: Array | None
    wanted: dict[str, None]


class Back(NamedTuple):
    """What a step of the backward pass hands to the step before it.

    **Fields:** `v`: the derivative by the potential after the step before; `u`: by the potential before the reset, `at`: that potential, both of this
    step; `sums`: for trained constants.
    """

    v: Array
    u: Array
    at: Array | None
    sums: dict[str, Array]


def leaky_run(neuron: Any, surrogate: Any, constants: Any, state: Any, x: Array, matrix: Array | None) -> tuple[Array, Array]:
    """Spikes and excess of `LIF` or `PLIF`."""
    held = isinstance(neuron, LIF)
    p = constants
    levels = (
        Leaky(p.leak, p.resistance, p.v_rest, p.v_th, p.v_reset) if held else Leaky(p.share, p.resistance, p.v_reset, p.v_th, p.v_reset)
    )
    frozen = jax.lax.stop_gradient(Frozen(neuron, constants, surrogate, state.left if held else None))
    return _leaky(levels, state.v, x, matrix, frozen)


@jax.custom_vjp
def _leaky(levels: Leaky, v: Array, x: Array, matrix: Array | None, frozen: Frozen) -> tuple[Array, Array]:
    spikes, excess, _ = _forward(levels, v, x, matrix, frozen)
    return spikes, excess


def _forward(levels: Leaky, v: Array, x: Array, matrix: Array | None, frozen: Frozen) -> tuple[Array, Array, Array | None]:
    """Steps of the neuron itself. Differentiable as any loop: second derivatives come from here."""
    neuron, surrogate, left = frozen.neuron, frozen.surrogate, frozen.left
    constants = _constants(levels, frozen)
    begin = neuron.init({"v": v}) if left is None else neuron.init({"v": v})._replace(left=left)

    def step(carry, i):
        state, spikes = carry
        after, fired = neuron.step(constants, state, Drive(i=i if matrix is None else i + spikes @ matrix))
        spikes = None if matrix is None else surrogate.spike(fired.excess)
        return (after, spikes), (fired.excess, None if left is None else state.left < 0.5)

    _, (excess, free) = jax.lax.scan(step, (begin, None if matrix is None else jnp.zeros_like(x[0])), x)
    return surrogate.spike(excess), excess, free


def _constants(levels: Leaky, frozen: Frozen) -> Any:
    """The constants of the neuron with the levels in their places."""
    own = {"resistance": levels.resistance, "v_th": levels.v_th, "v_reset": levels.v_reset}
    if isinstance(frozen.neuron, LIF):
        return frozen.constants._replace(leak=levels.share, v_rest=levels.v_base, **own)
    return frozen.constants._replace(share=levels.share, **own)


def _forward_kept(levels: Any, v: Any, x: Any, matrix: Any, frozen: Any) -> tuple[tuple[Array, Array], Kept]:
    wanted = {name: None for name in Leaky._fields if getattr(levels, name).perturbed}
    levels, v, x, matrix, frozen = custom_vjp_primal_tree_values((levels, v, x, matrix, frozen))
    spikes, excess, free = _forward(levels, v, x, matrix, frozen)
    return (spikes, excess), Kept(excess, free, levels, frozen.surrogate, v, matrix, wanted)


def _backward(kept: Kept, slopes: tuple[Any, Any]) -> tuple[Any, ...]:
    c, matrix = kept.constants, kept.matrix
    by_spikes, by_excess = (None if isinstance(slope, SymbolicZero) else slope for slope in slopes)
    gain = c.share * c.resistance

    def step(back: Back, now):
        excess, free, by_spike, by_x = now
        direct = 0 if by_spike is None else by_spike
        if matrix is not None:
            direct = direct + (gain * back.u) @ matrix.T
        # Of a neuron that is held the excess is the reset above threshold, and the potential stays.
        on_excess = kept.surrogate.slope(excess) * direct + (0 if by_x is None else by_x)
        fired = excess >= 0
        u = on_excess + jnp.where(fired, 0, back.v)
        sums = _summed(kept, back, on_excess, fired, free, excess)
        before = u if free is None else jnp.where(free, u, 0)
        passed = (1 - c.share) * before if free is None else jnp.where(free, (1 - c.share) * u, back.v)
        at = None if back.at is None else excess + c.v_th
        return Back(passed, before, at, sums), gain * before

    zero = jnp.zeros_like(kept.v)
    moved = bool({"share", "resistance"} & set(kept.wanted))
    sums = dict.fromkeys((*kept.wanted, *(("moves",) if moved else ()), *(("v_base",) if "resistance" in kept.wanted else ())), zero)
    begin = Back(zero, zero, zero if moved else None, sums)
    back, by_x = jax.lax.scan(step, begin, (kept.excess, kept.free, by_spikes, by_excess), reverse=True)
    return _levels(kept, back), back.v, by_x, _by_matrix(kept, by_x), None


def _summed(kept: Kept, back: Back, on_excess: Array, fired: Array, free: Array | None, excess: Array) -> dict[str, Array]:
    """Sums for trained constants, entry by entry; they are reduced to the shape of the constant once, at the end."""
    c, sums = kept.constants, dict(back.sums)
    if "moves" in sums or "v_base" in sums:
        # Of the step after this one, now that the potential it began with is known.
        sums = _with_start(sums, back, jnp.where(fired, c.v_reset, excess + c.v_th))
    if "v_th" in sums:
        sums["v_th"] = sums["v_th"] - on_excess
    if "v_reset" in sums:
        held = 0 if free is None else jnp.where(free, 0, on_excess)
        sums["v_reset"] = sums["v_reset"] + jnp.where(fired, back.v, 0) + held
    return sums


def _with_start(sums: dict[str, Array], back: Back, start: Array) -> dict[str, Array]:
    """The share of a step that began at `start`: `moves` by how far the potential went, `resistance` by where from."""
    more = {"moves": back.u * (jnp.asarray(back.at) - start), "resistance": back.u * start, "v_base": back.u}
    return sums | {name: sums[name] + more[name] for name in more if name in sums}


def _levels(kept: Kept, back: Back) -> Leaky:
    """Derivatives of the constants, in their shapes; `None` for those that are not trained.

    A step moves the potential by share (v_base + R i - v); what the current was follows from how far it went.
    """
    c, sums = kept.constants, back.sums
    if "moves" in sums or "v_base" in sums:
        sums = _with_start(sums, back, kept.v)
    found = {name: sums[name] for name in kept.wanted if name in ("v_th", "v_reset")}
    if "share" in kept.wanted:
        found["share"] = sums["moves"] / c.share
    if "resistance" in kept.wanted:
        found["resistance"] = (sums["moves"] + c.share * (sums["resistance"] - c.v_base * sums["v_base"])) / c.resistance
    if "v_base" in kept.wanted:
        found["v_base"] = c.share * sums["v_base"]
    return Leaky(**{name: _reduced(found[name], getattr(c, name)) if name in found else None for name in Leaky._fields})  # type: ignore[arg-type]


def _reduced(total: Array, like: Array) -> Array:
    """A sum over all axes along which a constant was repeated."""
    shape = jnp.shape(like)
    total = jnp.sum(total, axis=tuple(range(total.ndim - len(shape))))
    axes = tuple(axis for axis, size in enumerate(shape) if size == 1 and total.shape[axis] != 1)
    return jnp.sum(total, axis=axes, keepdims=True) if axes else total


def _by_matrix(kept: Kept, by_x: Array) -> Array | None:
    """The derivative by recurrent weights, as one product over all steps."""
    if kept.matrix is None:
        return None
    spikes = kept.surrogate.spike(kept.excess[:-1])
    n = by_x.shape[-1]
    return spikes.reshape(-1, n).T @ by_x[1:].reshape(-1, n)


_leaky.defvjp(_forward_kept, _backward, symbolic_zeros=True)
