"""Many lanes at once: trials of one model, or models that differ in some numbers."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from neuro4d.model import Model, State, set_value
from neuro4d.recorders import AbstractRecorder, Spikes
from neuro4d.results import Run
from neuro4d.simulate._memory import check_memory
from neuro4d.simulate._run import (
    Loop,
    Options,
    check_run,
    check_series,
    chunk_length,
    drive,
    first_carries,
    fit_recorders,
    make_record,
    own_copy,
    raise_fault,
)
from neuro4d.simulate._scan import run_lanes


def batch(
    model: Model | Sequence[Model],
    keys: Any,
    duration: Any,
    record: AbstractRecorder | Sequence[AbstractRecorder] = (Spikes(),),
    *,
    inputs: dict[str, Any] | None = None,
    progress: bool | None = None,
    chunk: int | None = None,
    throw: bool = True,
) -> list[Run]:
    """Runs several trials in one program; lane `i` gives bit for bit what a single run with its key gives.

    **Arguments:**

    - `model`: one model for all lanes, or one per lane (same network; numbers, weights or connectivity may differ).
    - `keys`: one random key per lane, `jax.random.split(jax.random.key(0), 8)`; a batched `State` continues an earlier batch.
    - the others as in `simulate`; `inputs` are the same for all lanes.

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
    models = [model] if isinstance(model, Model) else list(model)
    varying, shared = split_models(models)
    state = keys if isinstance(keys, State) else init_lanes(models, varying, shared, keys)
    lanes = state.step.shape[0]
    if len(models) not in (1, lanes):
        raise ValueError(f"{len(models)} models and {lanes} keys: give one key per model, or one model.")
    if len(models) == 1:
        varying = jax.tree.map(lambda _: None, varying)
    n_steps = check_run(models[0], state, duration, lanes=True)
    probes = fit_recorders(models[0], record, n_steps)
    length = chunk_length(chunk, models[0].n_neurons * lanes, probes, n_steps, False)
    given = check_series(models[0], inputs, n_steps)
    check_memory(state, probes, n_steps, length, lanes)

    def call(state, carries, pieces, first, n):
        return run_lanes(varying, shared, probes, state, carries, pieces, first, n, length, divided)

    divided, began, carries = _division(state), own_copy(state), own_copy(first_carries(probes, length, lanes))
    if divided is not None:
        varying, began, carries = jax.device_put((varying, began, carries), divided)
    options = Options(length, progress, None, None, throw)
    loop = drive(call, probes, began, carries, given, n_steps, models[0].dt_ms, options)
    return _lanes(models, probes, state, loop, throw)


def _lanes(models: list[Model], probes: dict[str, Any], state: State, loop: Loop, throw: bool) -> list[Run]:
    """What a loop over lanes has done, as one result per lane."""
    runs, states = [], _together(loop.state)
    joined = {name: probe.join(loop.chunks[name], loop.done) for name, probe in probes.items()}
    for lane in range(state.step.shape[0]):
        own = models[lane if len(models) > 1 else 0]
        final = jax.tree.map(lambda x, i=lane: jnp.asarray(x[i]), states)
        start = int(np.asarray(state.step)[lane])
        records = {name: make_record(own, name, p, _lane_of(joined[name], lane), start) for name, p in probes.items()}
        runs.append(Run(own, final, own.dt_ms, start, loop.done, records, loop.compile_s, loop.wall_s, loop.completed))
        if throw:
            raise_fault(own, final, loop.done)
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


def _lane_of(joined: Any, lane: int) -> Any:
    """One lane of a joined record."""
    if isinstance(joined, tuple):
        values, rest = joined
        shared = rest if isinstance(rest, np.ndarray) else {name: total[lane] for name, total in rest.items()}
        return jax.tree.map(lambda x: x[lane], values), shared
    return jax.tree.map(lambda x: x[lane], joined)


def sweep(
    model: Model,
    where: Callable[[Model], Any],
    values: Any,
    duration: Any,
    record: AbstractRecorder | Sequence[AbstractRecorder] = (Spikes(),),
    *,
    key: Any,
    inputs: dict[str, Any] | None = None,
    progress: bool | None = None,
    chunk: int | None = None,
    throw: bool = True,
) -> list[Run]:
    """Runs one model for several values of a parameter, in one program.

    **Arguments:**

    - `where`, `values`: as for `n4.set`; one run for each value.
    - `key`: one random key, used in every lane, so that lanes differ in nothing else; or one key per value.
    - the others as in `batch`.

    **Returns:** one `Run` per value.

    **Raises:** as `n4.set` and `batch`.

    !!! Example

        >>> import brainunit as u, jax.random as jr, neuro4d as n4, numpy as np
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 2, lif)
        >>> model = n4.Network(cells, n4.Clamp("drive", cells, 150*u.pA)).build(dt=0.1*u.ms, seed=0)
        >>> runs = n4.sweep(model, lambda m: m.neurons["cells"].v_th, np.array([-50.0, -48.0])*u.mV, 100*u.ms, key=jr.key(0))
        >>> [len(run.spikes("cells")) for run in runs]
        [8, 6]
    """
    models = [set_value(model, where, value) for value in values]
    if not models:
        raise ValueError("sweep: give at least one value.")
    keys = jnp.stack([key] * len(models)) if jnp.ndim(key) == 0 else key
    return batch(models, keys, duration, record, inputs=inputs, progress=progress, chunk=chunk, throw=throw)


def split_models(models: list[Model]) -> tuple[Model, Model]:
    """The leaves that differ, stacked, and those that all share. Arrays that are the same object are not compared."""
    first = jax.tree.structure(models[0])
    for number, other in enumerate(models):
        if not isinstance(other, Model):
            raise TypeError(f"expected models from `net.build(...)`; entry {number} is {type(other).__name__}.")
        if jax.tree.structure(other) != first:  # type: ignore[operator]
            raise ValueError(f"model {number} has another structure than model 0: lanes differ in numbers, not in parts or time step.")
    columns = list(zip(*(jax.tree.leaves(m) for m in models), strict=True))
    varying, shared = [], []
    for column in columns:
        same = all(leaf is column[0] for leaf in column) or (_one_shape(column) and all(np.array_equal(leaf, column[0]) for leaf in column))
        if not same and not _one_shape(column):
            raise ValueError(
                f"arrays of the models differ in shape: {[leaf.shape for leaf in column]}. Build them from one network, with other seeds."
            )
        varying.append(None if same else jnp.stack(column))
        shared.append(column[0] if same else None)
    return jax.tree.unflatten(first, varying), jax.tree.unflatten(first, shared)


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
