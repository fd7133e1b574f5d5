"""The stage *learn* for rules that need more than the spikes of a step: potentials and signals of their targets, the number of the step, or
delays that are partly dendritic. In plain XLA, over all synapses."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32, UInt32

from neuro4d._base import address, step_address, steps_of, uniform_jax, words_jax
from neuro4d.model._fields import ModelFields
from neuro4d.model._layout import Group
from neuro4d.model._stages import Outside, Stepped
from neuro4d.model._state import EdgeState, State, Wide, in_force, variables_of
from neuro4d.ops import History, Pathway, arriving_rows, by_port, edge_table, unpack
from neuro4d.plasticity import AbstractPlasticity, Seen, Target, Trace


def is_wide(rule: AbstractPlasticity, dt: float) -> bool:
    """Whether a rule needs more than the spikes of a step."""
    more = rule.draws() or rule.reads() or rule.post_variables(dt) or rule.dendritic()
    return rule.learns and bool(more or (rule.every > 1 and not _meets_spikes(rule)))


def _meets_spikes(rule: AbstractPlasticity) -> bool:
    """Whether a rule says what a spike does, and leaves the order in a step as it is."""
    base, kind = AbstractPlasticity, type(rule)
    return kind.step is base.step and not (kind.on_pre is base.on_pre and kind.on_post is base.on_post)


class Split(NamedTuple):
    """The delays of a pathway in steps, cut at the synapse: the axonal parts, and the dendritic parts, `None` where the target has no
    distance. One entry per delay, or one for all of them."""

    axonal: Int32[Array, " a"]
    dendritic: Int32[Array, " b"] | None


def split_of(path: Pathway, rule: AbstractPlasticity, dt: float) -> Split:
    """Where the synapses of a rule lie on the way."""
    share = rule.dendritic()
    if not share:
        return Split(path.delays, None)
    if share == math.inf:
        return Split(jnp.zeros(1, jnp.int32), path.delays)
    steps = jnp.asarray(steps_of(share, dt, "Dendritic.delay"), jnp.int32).reshape(1)
    return Split(path.delays - steps, steps)


def first_wide(model: ModelFields, name: str) -> EdgeState:
    """The synapses of such a rule before the first step. Traces are kept as they are at the end of the last step."""
    path, rule, dtype = model.pathways[name], model.plasticity[name], model.dtype
    split = split_of(path, rule, model.dt_ms)
    size = (path.n_target,) if split.dendritic is None else (split.dendritic.shape[0], path.n_target)
    pre = {trace: jnp.zeros((split.axonal.shape[0], path.n_source), dtype) for trace in rule.pre_traces()}
    pre |= {name: jnp.full((split.axonal.shape[0], path.n_source), variable.first, dtype) for name, variable in rule.pre_variables().items()}
    post = {trace: jnp.zeros(size, dtype) for trace in rule.post_traces()}
    slots = model.layout.group(path.source).depth
    later = None if split.dendritic is None else jnp.zeros((slots, path.n_blocks * path.block_size), dtype)
    return EdgeState(path.weight, rule.init(path.weight), pre, post, wide=Wide(first_of_targets(path, rule, model), later))


def first_of_targets(path: Pathway, rule: AbstractPlasticity, model: ModelFields) -> dict[str, Array]:
    """What a rule keeps per target neuron before the first step."""
    found = {}
    for name, first in rule.post_variables(model.dt_ms).items():
        value = jnp.asarray(first, model.dtype)
        found[name] = jnp.broadcast_to(value, (path.n_target, *value.shape))
    return found


def learn_wide(model: ModelFields, state: State, after: dict[str, Stepped]) -> dict[str, EdgeState]:
    """The synapses of such rules after a step, by pathway."""
    names = [name for name, rule in model.plasticity.items() if is_wide(rule, model.dt_ms)]
    return {name: _learn_one(model, name, state, after) for name in names}


def _learn_one(model: ModelFields, name: str, state: State, after: dict[str, Stepped]) -> EdgeState:
    held, rule, dt = state.edges[name], model.plasticity[name], model.dt_ms
    path = model.pathways[name] if held.slots is None else in_force(model.pathways[name], held)
    if held.wide is None:
        raise TypeError(f"the synapses of {name!r} were not made for {type(rule).__name__}: use `model.init`.")
    split, later = split_of(path, rule, dt), held.wide.later
    arrived, landed, fired = _at_synapses(path, split, state, after)
    pre, post = _faded(held.pre, rule.pre_traces(), dt), _faded(held.post, rule.post_traces(), dt)
    passed = rule.on_source(dt, {name: held.pre[name] for name in rule.pre_variables()})
    left = where_they_arrive(arrived, rule.on_arrival(passed), passed)
    shown = pre | rule.on_source(dt, left)  # as a spike of the next step finds them
    own = _of_targets(rule, held.wide.targets, post, Target(fired, *_read(rule, state, after, path.target)), dt)
    steps = state.step - state.start + 1

    def changed() -> tuple[Array, dict[str, Array], Array | None]:
        source, which, target, block = ends(path)
        real, source = source < path.n_source, jnp.minimum(source, path.n_source - 1)
        seen = Seen(
            real & _at(arrived, which, source),
            real & _at(landed, which, target),
            {name: _at(x, which, source) for name, x in shown.items()},
            {trace: _at(x, which, target) for trace, x in post.items()} | {variable: x[target] for variable, x in own.items()},
            steps,
            _chances(rule, name, state, held.weight),
        )
        weight, variables = rule.step(dt, held.weight, held.variables, seen)
        if later is None or split.dendritic is None:
            return weight, variables, later
        place = block * path.block_size + path.targets.astype(jnp.int32)
        rest = split.dendritic[jnp.minimum(which, split.dendritic.shape[0] - 1)]
        return weight, variables, _sent(later, jnp.where(seen.arrives, weight, 0), place, rest, state.step)

    if rule.every > 1 and _waits(rule):
        weight, variables, later = jax.lax.cond(steps % rule.every == 0, changed, lambda: (held.weight, held.variables, later))
    else:
        weight, variables, later = changed()
    heard, gone = _taken_in(pre, rule.pre_traces(), arrived), _taken_in(post, rule.post_traces(), landed)
    return held._replace(weight=weight, variables=variables, pre=heard | left, post=gone, wide=Wide(own, later))


def _chances(rule: AbstractPlasticity, name: str, state: State, weight: Float[Array, " nnz"]) -> Float[Array, "draws nnz"] | tuple[()]:
    """Random numbers of synapses in a step: by key, pathway, number of the draw, step and place in the pathway."""
    place = jnp.arange(weight.shape[0], dtype=jnp.uint32)
    starts = [step_address(state.key, address(0, "plasticity", name, str(k)), state.step - state.start) for k in range(rule.draws())]
    return jnp.stack([uniform_jax(words_jax(a, b, place), weight.dtype) for a, b in starts]) if starts else ()


def _waits(rule: AbstractPlasticity) -> bool:
    """Whether nothing happens to synapses but in the steps of `on_step`, so that the others need not look at them."""
    return all(getattr(type(rule), name) is getattr(AbstractPlasticity, name) for name in ("on_pre", "on_post", "step"))


def where_they_arrive(arrived: Bool[Array, "a n_source"], after: dict[str, Array], held: dict[str, Array]) -> dict[str, Array]:
    """Variables per source: `after` an arrival where there is one, as `held` elsewhere."""
    return {name: jnp.where(arrived, after[name], value).astype(value.dtype) for name, value in held.items()}


def _at(x: Array, which: Int32[Array, " nnz"], end: Int32[Array, " nnz"]) -> Array:
    """What synapses find in a table by neuron, or by delay and neuron; that may have one row for all delays."""
    return x[end] if x.ndim == 1 else x[jnp.minimum(which, x.shape[0] - 1), end]


def _faded(held: dict[str, Array], traces: dict[str, Trace], dt: float) -> dict[str, Array]:
    return {name: held[name] * _kept(dt, trace.tau) for name, trace in traces.items()}


def _kept(dt: float, tau: Any) -> Any:
    """What a step leaves of a trace; a time constant that is a leaf of the model is only known when the program runs."""
    return math.exp(-dt / tau) if isinstance(tau, int | float) else jnp.exp(-dt / tau)


def _taken_in(held: dict[str, Array], traces: dict[str, Trace], spikes: Bool[Array, "..."]) -> dict[str, Array]:
    """Traces after the spikes of a step: set to 1 where the last spike alone counts, one more elsewhere."""
    return {name: jnp.where(spikes, 1 if trace.nearest else held[name] + 1, held[name]) for name, trace in traces.items()}


def _at_synapses(path: Pathway, split: Split, state: State, after: dict[str, Stepped]) -> tuple[Array, Array, Bool[Array, " n_target"]]:
    """The sources whose spikes reach synapses in this step, by axonal delay; the targets whose spikes do, by dendritic delay; and the
    targets that fire."""
    fired, heard = unpack(after[path.target].words, path.n_target), state.history[path.source]
    before = fired_before(heard, split.axonal, path.n_source, state.step)
    if split.dendritic is None:
        return before, fired, fired
    now = unpack(after[path.source].words, path.n_source)
    landed = fired_before(state.history[path.target], split.dendritic, path.n_target, state.step)
    return jnp.where(split.axonal[:, None] == 0, now, before), landed, fired


def ends(path: Pathway) -> tuple[Int32[Array, " nnz"], Int32[Array, " nnz"], Int32[Array, " nnz"], Int32[Array, " nnz"]]:
    """Source, number of the delay, target and block of every synapse; padding has the source `n_source`."""
    source, which, block = edge_table(path)
    neuron = block * path.width + path.targets.astype(jnp.int32) % path.width
    return source, which, jnp.minimum(neuron, path.n_target - 1), block


def fired_before(history: History, steps: Int32[Array, " d"], n: int, step: UInt32[Array, ""]) -> Bool[Array, "d n"]:
    """Who fired some steps ago, 1 or more, for several numbers of them."""
    rows = arriving_rows(step, steps, history.count.shape[0])
    ids = jnp.where(jnp.arange(n) < history.count[rows][:, None], history.ids[rows], n)
    return jnp.zeros((rows.shape[0], n), bool).at[jnp.arange(rows.shape[0])[:, None], ids].set(True, mode="drop")


def _read(rule: AbstractPlasticity, state: State, after: dict[str, Stepped], group: str) -> tuple[dict[str, Array], dict[str, Array]]:
    """The variables of the targets that a rule reads, before and after the step."""
    before, later = variables_of(state.groups[group]), variables_of(after[group].state)
    return {name: before[name] for name in rule.reads()}, {name: later[name] for name in rule.reads()}


def _of_targets(rule: AbstractPlasticity, own: dict[str, Array], post: dict[str, Array], target: Target, dt: float) -> dict[str, Array]:
    """What a rule keeps per target neuron, after the step."""
    moved = rule.on_target(dt, post | own, target)
    if set(moved) != set(own):
        raise ValueError(f"{type(rule).__name__}.on_target gives {sorted(moved)}; post_variables names {sorted(own)}.")
    return {name: jnp.broadcast_to(moved[name], before.shape).astype(before.dtype) for name, before in own.items()}


def _sent(
    later: Float[Array, "s size"],
    weight: Float[Array, " nnz"],
    place: Int32[Array, " nnz"],
    rest: Int32[Array, " nnz"],
    step: UInt32[Array, ""],
) -> Float[Array, "s size"]:
    """Sums that arrive in later steps, with the weights that leave synapses in this one; what arrives in this step has been taken."""
    slots = jnp.uint32(later.shape[0])
    emptied = later.at[(step % slots).astype(jnp.int32)].set(0)
    return emptied.at[((step + rest.astype(jnp.uint32)) % slots).astype(jnp.int32), place].add(weight)


def on_the_way(state: State, pathway: str) -> Float[Array, "slots size"] | None:
    """What a pathway sends along dendrites, if it does: its spikes are then no longer delivered from the past of its source."""
    held = state.edges.get(pathway)
    return None if held is None or held.wide is None else held.wide.later


def with_later(model: ModelFields, state: State, group: Group, outside: Outside) -> Outside:
    """What stimuli give to a group in a step, and what arrives there along dendrites."""
    for name, path in model.pathways.items():
        later = on_the_way(state, name)
        if path.target != group.name or later is None:
            continue
        row = later[(state.step % jnp.uint32(later.shape[0])).astype(jnp.int32)]
        sums = by_port(row.reshape(path.n_blocks, path.block_size), path.n_ports, path.width, path.n_target)
        ports = served(model, group, name)
        outside = Outside(
            outside.drives,
            (*outside.arrivals, *(sums[port] for port in ports)),
            outside.noise,
            (*outside.ports, *ports),
            outside.drives_change,
            (*outside.arrivals_change, *(False for _ in ports)),
        )
    return outside


def served(model: ModelFields, group: Group, pathway: str) -> list[int]:
    """The numbers of the ports that a pathway reaches."""
    return sorted({group.port_number(span.port) for span in model.layout.projections if span.pathway == pathway})


def coming(model: ModelFields, state: State, group: Group) -> dict[str, Float[np.ndarray, "slots n"]]:
    """What is on its way along dendrites to a group, by port, the next step first, over all pathways."""
    found: dict[str, np.ndarray] = {}
    for name, path in model.pathways.items():
        ring = on_the_way(state, name)
        if path.target != group.name or ring is None:
            continue
        later = np.asarray(ring)
        rows = np.roll(later, -(int(state.step) % len(later)), axis=0).reshape(len(later), path.n_blocks, path.n_ports, path.width)
        sums = rows.transpose(0, 2, 1, 3).reshape(len(later), path.n_ports, -1)[:, :, : path.n_target]
        for port in served(model, group, name):
            label = group.port_names[port]
            found[label] = _added(found.get(label), sums[:, port])
    return found


def _added(some: np.ndarray | None, more: np.ndarray) -> np.ndarray:
    """The sum of two tables of which one may look further ahead."""
    if some is None:
        return more
    total = np.zeros((max(len(some), len(more)), more.shape[1]), more.dtype)
    total[: len(some)] += some
    total[: len(more)] += more
    return total
