"""Many lanes at once: trials of one model, or models that differ in some numbers."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from neuro4d._base import heard
from neuro4d.model import Model, State, periods, set_value
from neuro4d.recorders import AbstractRecorder, Spikes
from neuro4d.results import Run
from neuro4d.simulate._check import check_run, check_series, fit_recorders, is_keys, renamed
from neuro4d.simulate._fault_error import without_fault
from neuro4d.simulate._loop import Loop, Options, Probes, chunk_length, cut, learns, records, run_chunks
from neuro4d.simulate._memory import check_memory
from neuro4d.simulate._scan import run_lanes


def batch(
    model: Model | Sequence[Model],
    start: Any = None,
    duration: Any = None,
    record: AbstractRecorder | Sequence[AbstractRecorder] = (Spikes(),),
    *,
    discard: Any = None,
    inputs: dict[str, Any] | None = None,
    progress: bool | None = None,
    chunk: int | None = None,
    throw: bool = True,
    keys: Any = None,
) -> list[Run]:
    """Runs several trials in one program; lane `i` gives bit for bit what a single run with its key gives.

    **Arguments:**

    - `model`: one model for all lanes, or one per lane (same network; numbers, weights or connectivity may differ).
    - `start`: one random key per lane, `jax.random.split(jax.random.key(0), 8)`; a batched `State` continues an earlier batch.
    - the others as in `simulate`; `inputs` are the same for all lanes. There is no `between`: lanes go on together.
    - `keys`: the old name of `start`; deprecated.

    **Returns:** one `Run` per lane.

    **Raises:** as `simulate`; `ValueError` if the numbers of models and keys differ or the models do not have one structure.

    !!! Example

        >>> import brainunit as u, jax.random as jr, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 2, lif, v0=n4.Normal(-55*u.mV, 2*u.mV))
        >>> model = n4.Network(cells, n4.Clamp("drive", cells, 150*u.pA)).build(dt=0.1*u.ms, seed=0)
        >>> len(n4.batch(model, jr.split(jr.key(0), 3), 50*u.ms))
        3
    """
    start = renamed(start, keys, "keys", "n4.batch(model, keys, duration)")
    models = [model] if isinstance(model, Model) else list(model)
    varying, shared = split_models(models)
    state = start if isinstance(start, State) else init_lanes(models, varying, shared, start)
    if state.step.ndim != 1:
        raise ValueError("a batch continues a batch of states, one per lane; one state runs with `n4.simulate(model, state, duration)`.")
    lanes = state.step.shape[0]
    if len(models) not in (1, lanes):
        raise ValueError(f"{len(models)} models and {lanes} keys: give one key per model, or one model.")
    n_steps, before = check_run(models[0], state, duration, lanes=True, discard=discard)
    first = fit_recorders(models[0], record, n_steps)
    shared_by_all = not jax.tree.leaves(first)  # probes without arrays are the same for all models
    probes = [first, *(first if shared_by_all else fit_recorders(each, record, n_steps) for each in models[1:])]
    given = check_series(models[0], inputs, before + n_steps)
    length = chunk_length(chunk, models[0].n_neurons * lanes, probes[0], n_steps, False, given, learns(models[0]))
    check_memory(state, probes[0], n_steps, length, lanes)
    options = Options(length, progress, search=throw)
    return heard("sweep", lambda: _side_by_side(models, probes, state, given, (before, n_steps), options))


def _side_by_side(models: list[Model], probes: list[Probes], state: State, given: dict[str, Any], steps: tuple[int, int], options: Options) -> list[Run]:
    """The steps that are discarded, and those of the runs."""
    (before, n_steps), lanes, length = steps, state.step.shape[0], options.chunk
    dt, compile_s, completed, found = models[0].dt_ms, 0.0, True, None
    if before:
        warm = run_chunks(_caller(models, [{}], length, state), {}, state, cut(given, slice(before)), before, dt, options, lanes)
        state, compile_s, completed, found = warm.state, warm.compile_s, warm.completed, warm.found
    call = _caller(models, probes, length, state)
    loop = run_chunks(call, probes[0], state, cut(given, slice(before, None)), n_steps if completed else 0, dt, options, lanes)
    loop = loop._replace(compile_s=compile_s + loop.compile_s, completed=completed and loop.completed)
    return without_fault(models, found or loop.found, _lanes(models, probes, state, loop))


def _caller(models: list[Model], probes: list[Probes], length: int, start: State) -> Callable:
    """The compiled chunk for lanes of these models from `start` on, with what differs between them apart from what they share."""
    each = list(zip(models, probes * len(models) if len(probes) < len(models) else probes, strict=True))
    varying, shared = split_trees(each)
    begun = _begun(models[0], start)

    def call(state, carries, pieces, first, n):
        divided, own = _division(state), (varying, state, carries)
        if divided is not None:
            own = jax.device_put(own, divided)
        return run_lanes(own[0], shared, *own[1:], pieces, first, n, length, divided, begun)

    return call


def _begun(model: Model, start: State) -> np.ndarray | None:
    """The steps that all lanes have done in their trials, where the structure of the model changes after some of them; else `None`."""
    if not periods(model):
        return None
    done = np.unique(np.asarray(start.step) - np.asarray(start.start))
    if len(done) > 1:
        raise ValueError(
            f"neurons are born or synapses form in all lanes of a batch at the same time, but its states have done {done.tolist()} steps. "
            "Continue them one by one, `n4.simulate(model, state, duration)`."
        )
    return done[0].astype(np.uint32)


def _lanes(models: list[Model], probes: list[Probes], state: State, loop: Loop) -> list[Run]:
    """What a loop over lanes has done, as one result per lane."""
    runs, states = [], _together(loop.state)
    for lane in range(state.step.shape[0]):
        number = lane if len(models) > 1 else 0
        own, start = models[number], int(np.asarray(state.step)[lane])
        final = jax.tree.map(lambda x, i=lane: jnp.asarray(x[i]), states)
        kept = records(probes[number], loop.chunks[lane], start, loop.done)
        runs.append(Run(own, final, own.dt_ms, start, loop.done, kept, loop.compile_s, loop.wall_s, loop.completed))
    return runs


def _division(state: State) -> jax.sharding.NamedSharding | None:
    """How lanes are divided among devices, if they are."""
    sharding = state.key.sharding
    if not isinstance(sharding, jax.sharding.NamedSharding) or len(sharding.device_set) == 1 or not any(sharding.spec):
        return None
    return jax.sharding.NamedSharding(sharding.mesh, jax.P(sharding.spec[0]))


def _together(state: State) -> State:
    """Lanes that lie on several devices, on the host: a single one cannot be cut out of a mesh with explicit axes."""
    return jax.tree.map(lambda x: x if len(x.devices()) == 1 else np.asarray(x), state)


def sweep(
    model: Model,
    where: Callable[[Model], Any],
    values: Any,
    duration: Any,
    record: AbstractRecorder | Sequence[AbstractRecorder] = (Spikes(),),
    *,
    start: Any = None,
    discard: Any = None,
    inputs: dict[str, Any] | None = None,
    progress: bool | None = None,
    chunk: int | None = None,
    throw: bool = True,
    key: Any = None,
) -> list[Run]:
    """Runs one model for several values of a parameter, in one program.

    **Arguments:**

    - `where`, `values`: as for `n4.set`; one run for each value.
    - `start`: one random key, used in every lane, so that lanes differ in nothing else; or one key per value; or one state, from which
      all lanes start, or a batch of them.
    - the others as in `batch`.
    - `key`: the old name of `start`; deprecated.

    **Returns:** one `Run` per value.

    **Raises:** as `n4.set` and `batch`.

    !!! Example

        >>> import brainunit as u, jax.random as jr, neuro4d as n4, numpy as np
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 2, lif)
        >>> model = n4.Network(cells, n4.Clamp("drive", cells, 150*u.pA)).build(dt=0.1*u.ms, seed=0)
        >>> runs = n4.sweep(model, lambda m: m.neurons["cells"].v_th, np.array([-50.0, -48.0])*u.mV, 100*u.ms, start=jr.key(0))
        >>> [len(run.spikes("cells")) for run in runs]
        [8, 6]
    """
    start = renamed(start, key, "key", "n4.sweep(model, where, values, duration, start=key)")
    models = [set_value(model, where, value) for value in values]
    if not models:
        raise ValueError("sweep: give at least one value.")
    if start is None:
        raise TypeError("sweep: say where to start, `n4.sweep(model, where, values, duration, start=jax.random.key(0))`.")
    if (isinstance(start, State) and start.step.ndim == 0) or (is_keys(start) and start.ndim == 0):
        start = jax.tree.map(lambda x: jnp.stack([x] * len(models)), start)
    return batch(models, start, duration, record, discard=discard, inputs=inputs, progress=progress, chunk=chunk, throw=throw)


def split_models(models: list[Model]) -> tuple[Model, Model]:
    """The leaves that differ, stacked, and those that all share. Raises where models do not belong together."""
    for number, other in enumerate(models):
        if not isinstance(other, Model):
            raise TypeError(f"expected models from `net.build(...)`; entry {number} is {type(other).__name__}.")
        if jax.tree.structure(other) != jax.tree.structure(models[0]):  # type: ignore[operator]
            raise ValueError(f"model {number} has another structure than model 0: lanes differ in numbers, not in parts or time step.")
    return split_trees(models)


def split_trees(trees: list[Any]) -> tuple[Any, Any]:
    """The same for pytrees of one structure. Arrays that are the same object are not compared."""
    structure = jax.tree.structure(trees[0])
    varying, shared = [], []
    for column in zip(*(jax.tree.leaves(tree) for tree in trees), strict=True):
        same = all(leaf is column[0] for leaf in column) or (_one_shape(column) and all(np.array_equal(leaf, column[0]) for leaf in column))
        if not same and not _one_shape(column):
            raise ValueError(
                f"arrays of the models differ in shape: {[leaf.shape for leaf in column]}. Build them from one network, with other seeds."
            )
        varying.append(None if same else jnp.stack(column))
        shared.append(column[0] if same else None)
    return jax.tree.unflatten(structure, varying), jax.tree.unflatten(structure, shared)


def _one_shape(column: tuple) -> bool:
    return all(leaf.shape == column[0].shape for leaf in column)


def init_lanes(models: list[Model], varying: Model, shared: Model, keys: Any) -> State:
    """A state for every key, from the model of its lane."""
    if not isinstance(keys, jax.Array) or keys.ndim != 1 or not jnp.issubdtype(keys.dtype, jax.dtypes.prng_key):
        raise TypeError(f"keys are several typed random keys, `jax.random.split(jax.random.key(0), 8)`; got {keys!r:.80}.")
    if len(models) == 1:
        return jax.vmap(models[0].init)(keys)
    if len(models) != len(keys):
        raise ValueError(f"{len(models)} models and {len(keys)} keys: give one key per model, or one model.")
    return jax.vmap(lambda v, k: eqx.combine(v, shared).init(k))(varying, keys)
