"""The loop, in its two forms: a pure scan to transform, and a chunk that records."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int32, UInt32

from neuro4d._base import LARGEST_POTENTIAL, Fault, alike, placed_by_compiler
from neuro4d.model import (
    Constants,
    Model,
    State,
    StepSpikes,
    advance,
    advance_many,
    after_step,
    check_inputs,
    count_spikes,
    numbers_per_step,
    periods,
    prepare,
    runs_natively,
    until_event,
    with_changes,
)
from neuro4d.recorders import StepBlock


def scan(
    model: Model,
    state: State,
    steps: int,
    keep: Callable[[State, StepSpikes], Any] | None = None,
    inputs: dict[str, Any] | None = None,
) -> tuple[State, Any]:
    """Many steps as one pure function: to be jitted, vmapped and differentiated.

    **Arguments:**

    - `model`, `state`: as for `Model.step`.
    - `steps`: how many; static.
    - `keep`: a function of the state and the spikes after each step, whose results are stacked; by default nothing is
      kept, and many steps are one native call where the model allows it (`model.plan().many_steps`), bit for bit the same.
    - `inputs`: values for `Input` ports with a leading axis of length `steps`.

    **Returns:** the final state and the stacked results.

    **Raises:** `ValueError` for values of another length or shape, `UnknownNameError` for a name that no `Input` carries.

    !!! Example

        >>> import brainunit as u, jax, jax.random as jr, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 2, lif)
        >>> model = n4.Network(cells, n4.Clamp("drive", cells, 150*u.pA)).build(dt=0.1*u.ms, seed=0)
        >>> final, v = jax.jit(lambda m, s: n4.scan(m, s, 100, lambda s, k: s.neurons["cells"].v))(model, model.init(jr.key(0)))
        >>> v.shape
        (100, 2)
    """

    def loop(state: State, model: Model, inputs: dict[str, Any] | None) -> tuple[State, Any]:
        if periods(model):
            state = alike(state, model, inputs)
            return _scan_changing(alike(model, state), state, keep, inputs, steps)
        constants = prepare(model)
        block = 1 if keep is not None else _even(min(_block(model, constants, {}, steps), max(SERIES_NUMBERS // _words(model), 1)), steps)
        if block > 1:
            return _scan_by_block(model, constants, alike(state, model, inputs), _checked(model, inputs, steps), steps, block), None

        def body(state: State, given: dict[str, Any] | None) -> tuple[State, Any]:
            state, spikes = advance(model, constants, state, given)
            return state, None if keep is None else keep(state, spikes)

        return jax.lax.scan(body, alike(state, model, inputs), inputs, length=steps)

    return placed_by_compiler(loop, state, model, inputs)


def _scan_changing(
    model: Model, state: State, keep: Callable[[State, StepSpikes], Any] | None, inputs: dict[str, Any] | None, steps: int
) -> tuple[State, Any]:
    """The same for a model whose structure changes. Step by step where each is looked at, or where spikes carry gradients."""
    if keep is None and model.surrogate is None:
        constants, series = prepare(model), _checked(model, inputs, steps)
        block = _block(model, constants, {}, steps)
        series = series if block == 1 else {name: _longer(x, block) for name, x in series.items()}
        piece = _Piece(model, constants, {}, series, jnp.uint32(0))
        return _with_events(piece, state, {}, jnp.int32(steps), block, None)[0], None

    def body(state: State, given: dict[str, Any] | None) -> tuple[State, Any]:
        now = with_changes(model, state)
        after, spikes = advance(now, prepare(now), state, given)
        after = after_step(model, after, spikes.words)
        return after, None if keep is None else keep(after, spikes)

    return jax.lax.scan(body, state, inputs, length=steps)


def _words(model: Model) -> int:
    """How many words hold the spikes of a step."""
    return sum(group.n_words for group in model.layout.groups)


def _even(most: int, steps: int) -> int:
    """The length of blocks, at most `most`: one that divides the steps where there is one not much shorter, since a series of which
    some blocks are left over would be copied."""
    even = next(block for block in range(most, 0, -1) if steps % block == 0)
    return even if 4 * even > most else most


def _checked(model: Model, inputs: dict[str, Any] | None, steps: int) -> dict[str, Any]:
    """Values of `Input` ports, bare, each with a row per step."""
    for name, values in (inputs or {}).items():
        if not (jnp.ndim(values) and jnp.shape(values)[0] == steps):
            raise ValueError(f"input {name!r} needs a row for each of {steps} steps; got shape {jnp.shape(values)}.")
    return jax.vmap(functools.partial(check_inputs, model))(inputs) if inputs else {}


def _scan_by_block(model: Model, constants: Constants, state: State, inputs: dict[str, Any], steps: int, block: int) -> State:
    """`steps` steps, `block` of them at a time, without a look at any."""
    whole = steps - steps % block
    if whole > block:
        series = {name: x[:whole].reshape(-1, block, *x.shape[1:]) for name, x in inputs.items()}
        state, _ = jax.lax.scan(
            lambda state, rows: (advance_many(model, constants, state, None, block, rows)[0], None), state, series, length=whole // block
        )
    else:
        state, _ = advance_many(model, constants, state, None, block, {name: x[:block] for name, x in inputs.items()})
    if whole == steps:
        return state
    return advance_many(model, constants, state, None, steps - whole, {name: x[whole:] for name, x in inputs.items()})[0]


SERIES_NUMBERS = 1 << 20
"""As many numbers of stimuli that change, and words of spikes, has a native call room for: 4 MB, little enough to be in cache when it is read."""


def _block(model: Model, constants: Constants, probes: dict[str, Any], length: int) -> int:
    """How many steps one native call makes at most: as many as lie between two looks of a probe; 1 where the model has no such call."""
    if length < 2 or not runs_natively(model, constants):
        return 1
    at_once = max(SERIES_NUMBERS // max(numbers_per_step(model, constants), 1), 1)
    return min(*(probe.period() or length for probe in probes.values()), *periods(model), length, at_once)


def _until_look(probes: dict[str, Any], elapsed: UInt32[Array, ""], most: int) -> Int32[Array, ""]:
    """Steps up to the next that some probe has to see, `most` at the most."""
    left = jnp.int32(most)
    for period in {probe.period() for probe in probes.values()} - {0}:
        left = jnp.minimum(left, (jnp.uint32(period) - elapsed % jnp.uint32(period)).astype(jnp.int32))
    return left


class _Piece(NamedTuple):
    """Steps that follow each other: the model and its constants, recorders, values of stimuli by row, and the first row as a step of the run."""

    model: Model
    constants: Constants
    probes: dict[str, Any]
    inputs: dict[str, Any]
    first: UInt32[Array, ""]


def _one_step(piece: _Piece, i: Int32[Array, ""], state: State) -> tuple[State, StepSpikes]:
    given = {name: jax.lax.dynamic_index_in_dim(values, i, 0, keepdims=False) for name, values in piece.inputs.items()}
    return advance(piece.model, piece.constants, state, given)


def _seen(piece: _Piece, i: Int32[Array, ""], state: State, spikes: StepSpikes, buffers: dict) -> dict:
    """What recorders hold after step `i`."""
    return {name: probe.update(buffers[name], i, piece.first + i.astype(jnp.uint32), state, spikes) for name, probe in piece.probes.items()}


def _by_step(piece: _Piece, state: State, buffers: dict, begin: Array, end: Array) -> Any:
    def body(i: Int32[Array, ""], carry: Any) -> Any:
        state, buffers = carry
        state, spikes = _one_step(piece, i, state)
        state = count_spikes(piece.model, state, {name: row[None] for name, row in spikes.words.items()}, 1)
        return state, _seen(piece, i, state, spikes, buffers)

    return jax.lax.fori_loop(begin, end, body, (state, buffers))


def _longer(series: Array, n: int) -> Array:
    """A series with `n` rows more that mean nothing, so that a block may reach beyond its end."""
    return jnp.concatenate([series, jnp.zeros((n, *series.shape[1:]), series.dtype)])


def _some_steps(piece: _Piece, i: Array, count: Array, state: State, buffers: dict, block: int) -> Any:
    """`count` steps from step `i` on, at most `block` of them, as one native call."""
    model = piece.model
    rows = {name: jax.lax.dynamic_slice_in_dim(x, i, block, 0) for name, x in piece.inputs.items()}
    state, words = advance_many(model, piece.constants, state, count, block, rows)

    def spikes(row: Array) -> StepSpikes:
        here = {name: jax.lax.dynamic_index_in_dim(rows, row, 0, keepdims=False) for name, rows in words.items()}
        return StepSpikes(here, None, model.layout.groups)

    state = count_spikes(model, state, words, count)
    done = StepBlock(words, count, state, spikes)
    first = piece.first + i.astype(jnp.uint32)
    return state, {name: probe.extend(buffers[name], i, first, done) for name, probe in piece.probes.items()}


def _by_block(piece: _Piece, state: State, buffers: dict, begin: Array, end: Array, block: int) -> Any:
    def body(carry: Any) -> Any:
        i, state, buffers = carry
        count = jnp.minimum(_until_look(piece.probes, piece.first + i.astype(jnp.uint32), block), end - i)
        return i + count, *_some_steps(piece, i, count, state, buffers, block)

    return jax.lax.while_loop(lambda carry: carry[0] < end, body, (begin, state, buffers))[1:]


def _in_pieces(piece: _Piece, state: State, buffers: dict, begin: Array, end: Array, block: int) -> Any:
    """The steps from `begin` to `end`: one by one, or as blocks."""
    return _by_step(piece, state, buffers, begin, end) if block == 1 else _by_block(piece, state, buffers, begin, end, block)


def _with_events(piece: _Piece, state: State, buffers: dict, n: Array, block: int, begun: UInt32[Array, ""] | None) -> Any:
    """`n` steps of a model whose structure changes: those up to an event as always, the last one alone. Recorders see it after the event.

    Constants are made anew after each event. What an event may change passes through a choice, which copies it: once per event, not
    once per step.
    """
    model = piece.model

    def body(carry: Any) -> Any:
        i, state, buffers = carry
        done = state.step - state.start if begun is None else begun + piece.first + i.astype(jnp.uint32)
        count = until_event(model, done, n - i)
        now = with_changes(model, state)
        own = piece._replace(model=now, constants=prepare(now))
        last = i + count - 1
        state, buffers = _in_pieces(own, state, buffers, i, last, block)
        state, spikes = _one_step(own, last, state)
        state = after_step(model, state, spikes.words, done + count.astype(jnp.uint32))
        return last + 1, state, _seen(own, last, state, spikes, buffers)

    begin = alike((jnp.int32(0), state, buffers), state)
    return jax.lax.while_loop(lambda carry: carry[0] < n, body, begin)[1:]


def _chunk(
    length: int,
    state: State,
    model: Model,
    constants: Constants,
    probes: dict[str, Any],
    carries: dict[str, Any],
    inputs: dict,
    first: UInt32[Array, ""],
    n: Int32[Array, ""],
    begun: UInt32[Array, ""] | None = None,
) -> Any:
    """`n` steps, at most `length`, with recorders, of which the first is step `first` of the run; both are traced numbers, so that all
    chunks of a run share one program. `begun`: the steps that all lanes of a batch have done before the run, where that matters."""
    block = _block(model, constants, probes, length)
    whole = block == length and not any(probe.period() for probe in probes.values()) and not periods(model)
    room = length if whole or block == 1 else length + block  # the last block may reach beyond the chunk
    buffers = {name: probe.buffer(room, carries.get(name)) for name, probe in probes.items()}
    series = inputs if whole or block == 1 else {name: _longer(x, block) for name, x in inputs.items()}
    piece = _Piece(model, constants, probes, series, first)
    if periods(model):
        state, buffers = _with_events(piece, state, buffers, n, block, begun)
    elif whole:
        state, buffers = _some_steps(piece, jnp.int32(0), n, state, buffers, block)
    else:
        state, buffers = _in_pieces(piece, state, buffers, jnp.int32(0), n, block)
    return eqx.tree_at(lambda s: s.fault, state, state.fault | _faults(state)), buffers


def _faults(state: State) -> UInt32[Array, ""]:
    """Faults of neurons and receptors: what is not finite, and potentials that are on their way there."""
    bits = jnp.uint32(Fault.NONE)
    for name, held in state.groups.items():
        leaves = [leaf for leaf in jax.tree.leaves(held) if jnp.issubdtype(leaf.dtype, jnp.floating)]
        for leaf in leaves:
            bits |= jnp.where(jnp.isfinite(leaf).all(), jnp.uint32(0), jnp.uint32(Fault.NOT_FINITE))
        potential = state.variables(name).get("v")
        if potential is not None and jnp.issubdtype(potential.dtype, jnp.floating):
            beyond = jnp.any((jnp.abs(potential) > LARGEST_POTENTIAL) & jnp.isfinite(potential))
            bits |= jnp.where(beyond, jnp.uint32(Fault.TOO_LARGE), jnp.uint32(0))
    return bits


@functools.partial(jax.jit, static_argnames=("length",), donate_argnames=("state", "carries"))
def run_chunk(model, constants, probes, state, carries, inputs, first, n, length):
    """One simulation."""
    return placed_by_compiler(functools.partial(_chunk, length), state, model, constants, probes, carries, inputs, first, n)


@functools.partial(jax.jit, static_argnames=("length", "divided"), donate_argnames=("state", "carries"))
def run_lanes(varying, shared, state, carries, inputs, first, n, length, divided, begun=None):
    """A batch: over states, and over those leaves of the model and of its probes that differ between lanes.

    `divided` says how lanes are divided among devices, or is `None`. Each device then makes a batch of its own: of one for all, the
    loops would end together, and devices would wait for each other in every step. `begun`: the steps that all lanes have done before the
    run, where the structure of the model changes.
    """

    def lane(varying, state, carries, shared, inputs, first, n, begun):
        model, probes = eqx.combine(varying, shared)
        return placed_by_compiler(functools.partial(_chunk, length), state, model, prepare(model), probes, carries, inputs, first, n, begun)

    lanes = jax.vmap(lane, (0, 0, 0, *(None,) * 5))
    if divided is not None:
        own, whole = jax.P(divided.spec[0]), jax.P()
        lanes = jax.shard_map(
            lanes, mesh=divided.mesh, in_specs=(own, own, own, *(whole,) * 5), out_specs=own, check_vma=False
        )
    return lanes(varying, state, carries, shared, inputs, first, n, begun)
