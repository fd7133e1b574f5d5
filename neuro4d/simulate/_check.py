"""What is checked before a run."""

import warnings
from typing import Any

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

from neuro4d._base import UnknownNameError, attach, did_you_mean, is_traced, steps_of, strip
from neuro4d.model import Model, State, input_spans, input_unit
from neuro4d.recorders import AbstractProbe, AbstractRecorder


def check_model(model: Any) -> Model:
    """Raises for anything but a model."""
    if not isinstance(model, Model):
        raise TypeError(f"expected a model from `net.build(dt=0.1*u.ms)`; got {type(model).__name__}.")
    return model


def is_keys(x: Any) -> bool:
    """Whether it is one or several typed random keys."""
    return isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def renamed(start: Any, old: Any, keyword: str, line: str) -> Any:
    """`start`, or what was given under its old name, with a warning that shows the new line."""
    if old is None:
        return start
    if start is not None:
        raise TypeError(f"give `start` only; `{keyword}=` is its old name.")
    warnings.warn(f"`{keyword}=` is now `start`: write `{line}`.", DeprecationWarning, stacklevel=3)
    return old


def first_state(model: Model, start: Any) -> State:
    """The state to begin with: as given, or that of a random key."""
    if is_keys(start):
        if start.ndim:
            raise TypeError(f"simulate starts from one key; got {start.shape} of them. Several run with `n4.batch(model, keys, duration)`.")
        return model.init(start)
    if not isinstance(start, State):
        raise TypeError(f"expected a state from `model.init(jax.random.key(0))`, or a key `jax.random.key(0)`; got {type(start).__name__}.")
    return start


def check_run(model: Model, state: State, duration: Any, lanes: bool = False, discard: Any = None) -> tuple[int, int]:
    """The numbers of steps of a run, and of those that are discarded before it. Raises for a time off the grid and a state that is not of
    this model."""
    if is_traced(model, state):
        raise TypeError("simulate and batch run on the host. Inside jit, vmap or grad use `n4.scan(model, state, steps)`.")
    steps = steps_in(model, duration, "duration")
    before = 0 if discard is None else steps_in(model, discard, "discard")
    check_state(model, state, lanes)
    if int(np.max(np.asarray(state.step))) + before + steps >= 2**32:
        raise ValueError(
            f"the step counter ends at 2**32 - 1; step {int(np.max(np.asarray(state.step)))} and {before + steps} more pass it. Use a larger "
            "dt, or start a new state."
        )
    return steps, before


def steps_in(model: Model, time: Any, name: str) -> int:
    if time is None:
        raise TypeError(f"{name} is missing: `n4.simulate(model, jax.random.key(0), 1*u.second)`.")
    value = strip(time, u.ms, name)
    if value.ndim or not np.isfinite(value) or not value >= 0:
        raise ValueError(f"{name} is one time, 0 or more, for example `1*u.second`; got {time}.")
    return int(steps_of(value, model.dt_ms, name, 2**32 - 1))


def check_state(model: Model, state: State, lanes: bool) -> None:
    """Raises for a state of another network, of another batch shape, or that was given away."""
    want = jax.eval_shape(model.init, jax.random.key(0))
    if jax.tree.structure(want) != jax.tree.structure(state):  # type: ignore[operator]
        raise ValueError(f"this state belongs to another network: {_first_difference(want, state)}. Use `model.init(jax.random.key(0))`.")
    for (path, expected), leaf in zip(jax.tree_util.tree_leaves_with_path(want), jax.tree.leaves(state), strict=True):
        shape = leaf.shape[1:] if lanes else leaf.shape
        name = jax.tree_util.keystr(path)
        if leaf.is_deleted():
            raise ValueError(f"the state's {name} was donated to another computation; keep using what that computation returned.")
        if shape != expected.shape or leaf.dtype != expected.dtype:
            hint = " A batch of states runs with `n4.batch`." if not lanes and leaf.ndim == len(expected.shape) + 1 else ""
            raise ValueError(
                f"the state's {name} has shape {leaf.shape} and type {leaf.dtype}; the model needs {expected.shape} and {expected.dtype}.{hint}"
            )


def _first_difference(want: State, state: State) -> str:
    """The first part in which two states differ: a population, else a variable."""
    needed, held = ({span.name: span for span in each.spans} for each in (want, state))
    for name, span in needed.items():
        if name not in held:
            return f"the model has a population {name!r}, which it does not know (it knows {', '.join(map(repr, held)) or 'none'})"
        if held[name].size != span.size:
            return f"population {name!r} has {span.size} neurons in the model and {held[name].size} in the state"
        if held[name] != span:
            return f"population {name!r} shares its neuron model with others than in the model"
    for name in held:
        if name not in needed:
            return f"it has a population {name!r}, which the model does not know"
    parts, own = ([jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(tree)] for tree in (want, state))
    missing, extra = [name for name in parts if name not in own], [name for name in own if name not in parts]
    if missing:
        return f"the model needs `state{missing[0]}`, which it does not have"
    return f"it has `state{extra[0]}`, which the model does not know" if extra else "its parts have other types than those of the model"


def fit_recorders(model: Model, record: Any, n_steps: int) -> dict[str, AbstractProbe]:
    """Probes by name. Raises for a name used twice, and for a recorder that would keep nothing of a run of `n_steps` steps."""
    recorders = [record] if isinstance(record, AbstractRecorder) else list(record)
    probes: dict[str, AbstractProbe] = {}
    for recorder in recorders:
        if not isinstance(recorder, AbstractRecorder):
            raise TypeError(
                f"record is a recorder or several, for example `record=[n4.Spikes(), n4.Trace('cells', 'v')]`; got {recorder!r}."
            )
        if recorder.name in probes:
            raise ValueError(f"two recorders are named {recorder.name!r}; give one of them another `name=`.")
        probe = probes[recorder.name] = recorder.fit(model)
        if 0 < n_steps < probe.shortest():
            raise ValueError(
                f"recorder {recorder.name!r}: every = {attach(probe.shortest() * model.dt_ms, u.ms)} is longer than the run of "
                f"{attach(n_steps * model.dt_ms, u.ms)}, so nothing would be kept. Use a shorter `every`, or run longer."
            )
    return probes


def check_series(model: Model, inputs: dict[str, Any] | None, n_steps: int) -> dict[str, np.ndarray]:
    """Input values for a whole run as arrays with one entry per step."""
    spans = input_spans(model)
    given = {}
    for name, value in (inputs or {}).items():
        if name not in spans:
            raise UnknownNameError(f"no Input named {name!r}.{did_you_mean(name, spans)}")
        unit = input_unit(model, spans[name])
        bare = np.asarray(value.to_decimal(unit) if isinstance(value, u.Quantity) else value)
        if bare.dtype.kind not in "fiu":
            raise TypeError(f"input {name!r} is made of real numbers; got {bare.dtype}.")
        shape = model.sources[name].value_shape()
        if bare.shape not in ((), (n_steps,), (n_steps, *shape)):
            raise ValueError(
                f"input {name!r} is a scalar or has shape ({n_steps},) or {(n_steps, *shape)}, one entry per step; got {bare.shape}."
            )
        if not np.isfinite(bare).all():
            at = np.argwhere(~np.isfinite(np.atleast_1d(bare)))[0]
            raise ValueError(f"input {name!r} is not finite at step {at[0]}{f', entry {tuple(at[1:].tolist())}' if len(at) > 1 else ''}.")
        given[name] = np.broadcast_to(bare, (n_steps,)) if bare.ndim == 0 else bare
        given[name] = given[name].astype(model.dtype)
    return given


def check_between(model: Model, after: Any) -> tuple[Model, State]:
    """What `between` has returned: a model of the same structure, and a state of it."""
    if not (isinstance(after, tuple) and len(after) == 2 and isinstance(after[0], Model) and isinstance(after[1], State)):
        raise TypeError(f"between returns a model and a state, `return model, state`; got {after!r:.80}.")
    changed, state = after
    if jax.tree.structure(changed) != jax.tree.structure(model):  # type: ignore[operator]
        raise ValueError(
            "between returned a model of another structure: parts, names, sizes, delays and the time step have to stay, numbers and "
            "synapses may change. For example `return n4.set_weights(model, 'e', 2*u.pA), state`."
        )
    check_state(changed, state, False)
    return changed, state
