"""Eligibility propagation: derivatives forward in time, in constant memory, with what passes from neuron to neuron left out."""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from neuro4d._base import check_count
from neuro4d.model import Model, State, StepSpikes, advance, prepare
from neuro4d.ops import AbstractSurrogate, SuperSpike
from neuro4d.train._aims import Aim, aims
from neuro4d.train._estimate import AbstractGradient, of_trials
from neuro4d.train._loop import AbstractLoop, Observe, Same, call_with
from neuro4d.train._parameters import Places, read, write
from neuro4d.train._surrogate_gradient import with_surrogate
from neuro4d.train._synapses import first_traces, of_sources, of_synapses
from neuro4d.train._tangents import Changes, Numbers, Shadow, arriving, first_tangent, floats, local, ports_of, variables

MOST = 64
"""How many numbers a statistic may observe in a step: each has a learning signal of its own."""


NUMBERS_AT_ONCE = 4096
"""Neurons, and a quarter of the synapses with eligibilities, of all trials that run side by side."""


class EProp(AbstractGradient):
    r"""Forward mode with eligibility traces (e-prop): memory does not grow with time, and no number of steps makes it explode.

    $$ \frac{dL}{dp} \approx \sum_t \sum_i \frac{\partial L}{\partial s_{i,t}}\,\varphi(v_{i,t} - v_\mathrm{th})\,\varepsilon_{i,t},\qquad
    \varepsilon_{i,t} = \frac{\partial x_{i,t}}{\partial x_{i,t-1}}\,\varepsilon_{i,t-1} + \frac{\partial x_{i,t}}{\partial p} $$

    $x_i$ are the variables of neuron $i$ and of its receptors, so $\varepsilon$ follows whatever they do, for every class of either. What is
    left out: that a spike changes other neurons, and the own reset. The bump $\varphi$ is that of `Surrogate`, with its bias in size.

    For one number, and for one number per neuron, one tangent serves all neurons at once. For `n4.Weights("e")` every synapse has an
    eligibility for each variable of its target. The loss has to be a function of sums over steps (`loop.total`), as `Rate` is.

    **Arguments:**

    - `shape`: the bump.
    - `trials`: independent runs, one after the other.

    **Raises:** `ValueError` for a loss that makes its steps itself, for numbers that belong to no neuron and no synapse, for plastic
    weights.

    **Source:** G. Bellec et al., Nature Communications 11, 3625 (2020).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> n4.train.EProp(n4.SuperSpike(width=2*u.mV)).trials
        4
    """

    shape: AbstractSurrogate
    trials: int = eqx.field(static=True)

    def __init__(self, shape: AbstractSurrogate | None = None, *, trials: int = 4):
        self.shape = check_shape("EProp", SuperSpike() if shape is None else shape)
        self.trials = check_count(trials, "EProp.trials")

    def estimate(self, model, where, statistic, key):
        values = read(model, where)
        keys = jax.random.split(key, self.trials)
        made = forward(model, self.shape, dict(where), aims(model, where), values, Same(statistic), keys, False)
        return of_trials(*made, values)


def check_shape(name: str, shape: Any) -> AbstractSurrogate:
    """A surrogate, or an error that shows one."""
    if not isinstance(shape, AbstractSurrogate):
        raise TypeError(f"{name}.shape is a surrogate, for example `n4.SuperSpike(width=2*u.mV)`; got {shape!r:.80}.")
    return shape


@eqx.filter_jit
def forward(
    model: Model, shape: AbstractSurrogate, where: Places, aims: dict[str, Aim], values: dict[str, Array], statistic: Same, keys: Any,
    typical: bool,
) -> tuple[Array, dict[str, Array]]:
    """Values and gradients of every trial, one after the other."""

    def one(key: Any) -> tuple[Array, dict[str, Array]]:
        loop = Eligible(shape, where, aims, values, key, typical, [])
        value = call_with(statistic.value, write(model, where, values), key, loop)
        signals = jax.grad(lambda totals: call_with(statistic.value, model, key, Replay(list(totals))))([total for total, _ in loop.done])
        return value, _gradient(signals, [traces for _, traces in loop.done], aims, values)

    return jax.lax.map(one, keys, batch_size=at_once(model, aims, len(keys)))


def at_once(model: Model, aims: dict[str, Aim], trials: int) -> int:
    """How many trials run side by side: as many as keep a step in cache; a divisor of their number."""
    size = model.n_neurons + sum(aim.size for aim in aims.values() if aim.synapses is not None) // 4
    most = max(NUMBERS_AT_ONCE // size, 1)
    return next(number for number in range(min(most, trials), 0, -1) if trials % number == 0)


def _gradient(signals: list[Any], traces: list[dict[str, Array]], aims: dict[str, Aim], values: dict[str, Array]) -> dict[str, Array]:
    """The traces, weighed by how the loss depends on what was summed."""
    found = {}
    for name, value in values.items():
        flat = [jnp.tensordot(_ravel(signal), each[name], 1) for signal, each in zip(signals, traces, strict=True)]
        found[name] = jnp.reshape(sum(flat), value.shape).astype(value.dtype)
    return found


class Replay(AbstractLoop):
    """Gives the sums that were made before."""

    totals: list[Any]

    def total(self, model, state, steps, observe, *, discard=0):
        return self.totals.pop(0)


class Traces(NamedTuple):
    """What is carried from step to step.

    **Fields:** `state`; `past`: the spikes of the last steps by group, where synapses have eligibilities; `tangents`: of the variables,
    by place; `synapses`: eligibilities by place, one array per variable of the target; `total`; `sums`: by place.
    """

    state: State
    past: dict[str, Array]
    tangents: dict[str, Any]
    synapses: dict[str, list[Array]]
    total: Any
    sums: dict[str, Array]


class Eligible(AbstractLoop):
    """Steps with eligibilities, of synapses or (`typical`) of their sources only; `done` receives the sums of each call and the traces that belong to them."""

    shape: AbstractSurrogate
    where: Places
    aims: dict[str, Aim]
    values: dict[str, Array]
    key: Any
    typical: bool = eqx.field(static=True)
    done: list[Any]

    def total(self, model, state, steps, observe, *, discard=0):
        soft, constants = with_surrogate(model, self.shape), prepare(model)
        soft_constants = prepare(soft)
        own: dict[str, Numbers] = {}
        tangents: dict[str, Any] = {}
        for name, aim in self.aims.items():
            if aim.synapses is None:
                tangents[name], own[name] = first_tangent(soft, self.where, name, self.values[name], self.key)
        seen_shape, count = observed(model, state, observe)
        ports, state_step = ports_of(self.aims), state.step

        def one(carry: Traces, unused: None) -> tuple[Traces, None]:
            shadow = Shadow(soft, soft_constants, carry.state, ports)
            state, spikes = observable(model, advance(model, constants, carry.state, None))
            counts = (carry.state.step - state_step >= jnp.uint32(discard)).astype(model.dtype)
            seen, _, signals = signals_of(observe, state, spikes, count)
            changes = {name: shadow.change(carry.tangents[name], own[name]) for name in own}
            synapses, shares = {}, {name: of_neurons(signals, change, self.aims[name]) for name, change in changes.items()}
            for name, aim in self.aims.items():
                if aim.synapses is not None:
                    z = arriving(aim.synapses, carry.past[aim.synapses.source_group], carry.state.step)
                    way = of_sources if self.typical else of_synapses
                    synapses[name], shares[name] = way(signals, local(shadow, aim), carry.synapses[name], aim, z)
            total = jax.tree.map(lambda a, b: a + b * counts.astype(b.dtype), carry.total, seen)
            sums = {name: carry.sums[name] + counts * share for name, share in shares.items()}
            past = {name: remembered(ring, spikes.fired(name), carry.state.step) for name, ring in carry.past.items()}
            later = {name: change.groups for name, change in changes.items()}
            return Traces(state, past, later, synapses, total, sums), None

        first = self._first(model, state, tangents, count, seen_shape)
        last, _ = jax.lax.scan(one, first, None, length=discard + steps)
        self.done.append((last.total, last.sums))
        return last.total

    def _first(self, model: Model, state: State, tangents: dict[str, Any], count: int, seen: Any) -> Traces:
        past, synapses = {}, {}
        sums: dict[str, Array] = {}
        for name, aim in self.aims.items():
            sums[name] = jnp.zeros((count, aim.size) if aim.group else (count,), model.dtype)
            if aim.synapses is None:
                continue
            source = aim.synapses.source_group
            group = model.layout.group(source)
            past[source] = jnp.zeros((group.depth, group.n), model.dtype)
            number = len(variables(floats(state.groups), aim.group or ""))
            synapses[name] = first_traces(aim, number, group.n if self.typical else None, model.dtype)
        return Traces(state, past, tangents, synapses, jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), seen), sums)


def observable(model: Model, made: tuple[State, StepSpikes]) -> tuple[State, StepSpikes]:
    """A state and its spikes as floats, as in a model with a surrogate."""
    state, spikes = made
    soft = {group.name: spikes.fired(group.name).astype(model.dtype) for group in model.layout.groups}
    return state, StepSpikes(spikes.words, soft, spikes.groups)


def observed(model: Model, state: State, observe: Observe) -> tuple[Any, int]:
    """The shape of what is observed in a step, and how many numbers that are.

    **Raises:** `ValueError` for too many.
    """
    seen = jax.eval_shape(lambda m, s: observe(*observable(m, advance(m, prepare(m), s, None))), model, state)
    count = sum(math.prod(x.shape) for x in jax.tree.leaves(seen))
    if count > MOST:
        raise ValueError(f"eligibility lets a loss observe up to {MOST} numbers in a step; this one observes {count}. Sum over neurons first.")
    return seen, count


def _ravel(tree: Any) -> Array:
    """All numbers of a pytree in a row."""
    return jnp.concatenate([jnp.ravel(each) for each in jax.tree.leaves(tree)])


def signals_of(observe: Observe, state: State, spikes: StepSpikes, count: int) -> tuple[Any, Array, Changes]:
    """What is seen, the same in a row, and how each of its numbers depends on variables and spikes: `(count, n)`."""

    def seen(groups: Any, soft: dict[str, Array]) -> Any:
        here = eqx.tree_at(lambda s: s.groups, state, eqx.combine(groups, state.groups))
        value = observe(here, StepSpikes(spikes.words, soft, spikes.groups))
        return _ravel(value), value

    row, back, value = jax.vjp(seen, floats(state.groups), spikes.soft, has_aux=True)
    groups, soft = jax.vmap(back)(jnp.eye(count, dtype=row.dtype))
    return value, row, Changes(groups, soft)


def of_neurons(signals: Changes, change: Changes, aim: Aim) -> Array:
    """The share of a step in the gradient: `(count,)` for one number, `(count, n)` for one per neuron."""
    if aim.group is None:
        pairs = zip(jax.tree.leaves(signals), jax.tree.leaves(change), strict=True)
        return sum(jnp.sum(signal * tangent, axis=-1) for signal, tangent in pairs)  # type: ignore[return-value]
    here = slice(aim.start, aim.start + aim.size)
    pairs = zip(variables(signals.groups, aim.group), variables(change.groups, aim.group), strict=True)
    found = signals.soft[aim.group] * change.soft[aim.group] + sum(signal * tangent for signal, tangent in pairs)
    return found[:, here]


def remembered(ring: Array, fired: Array, step: Array) -> Array:
    row = (step & jnp.uint32(ring.shape[0] - 1)).astype(jnp.int32)
    return jax.lax.dynamic_update_index_in_dim(ring, fired.astype(ring.dtype), row, 0)
