"""The stage *learn*: plastic synapses change by what they have seen of a step. In plain XLA; the oracle of the native rules."""

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, UInt32

from neuro4d.model._fields import ModelFields
from neuro4d.model._learn_events import EDGES_AT_ONCE, Ends, each_lane, visited
from neuro4d.model._learn_wide import ends, fired_before, is_wide, where_they_arrive
from neuro4d.model._state import EdgeState, in_force
from neuro4d.ops import History, Pathway, Visit, fold_rows, unpack
from neuro4d.plasticity import AbstractPlasticity, Seen, Trace


class Learner(eqx.Module):
    """A pathway that learns: its synapses, its rule, and the time step in ms."""

    path: Pathway
    rule: AbstractPlasticity
    dt: float = eqx.field(static=True)


def learners_of(model: ModelFields) -> dict[str, Learner]:
    """All pathways whose rules need the spikes of a step and no more, by name."""
    rules = {name: rule for name, rule in model.plasticity.items() if rule.learns and not is_wide(rule, model.dt_ms)}
    return {name: Learner(model.pathways[name], rule, model.dt_ms) for name, rule in rules.items()}


def learn(
    learners: dict[str, Learner],
    edges: dict[str, EdgeState],
    history: dict[str, History],
    words: dict[str, UInt32[Array, " w"]],
    clock: tuple[UInt32[Array, ""], UInt32[Array, ""]],
) -> dict[str, EdgeState]:
    """The plastic synapses after a step; `edges` where nothing learns.

    `history`: the spikes that arrive, by group, with or without those of this step; `words`: those of this step, packed; `clock`: its number, and that of the
    first step of the trial.
    """
    learned = {name: _learn_one(item, edges[name], history[item.path.source], words[item.path.target], clock) for name, item in learners.items()}
    return edges | learned


def _learn_one(item: Learner, held: EdgeState, history: History, words: UInt32[Array, " w"], clock: tuple[Array, Array]) -> EdgeState:
    """Rules see traces that have passed through the step; the spikes of the step enter them afterwards."""
    if held.slots is not None:
        item = dataclasses.replace(item, path=in_force(item.path, held))
    if item.path.columns is None:
        return _everywhere(item, held, history, words, clock)
    arrays, rest = eqx.partition((item, held, history, words, clock), eqx.is_array)
    learned = each_lane(lambda x: _by_events(*eqx.combine(x, rest)), lambda x: _everywhere(*eqx.combine(x, rest)))
    return learned(arrays)


def _everywhere(item: Learner, held: EdgeState, history: History, words: UInt32[Array, " w"], clock: tuple[Array, Array]) -> EdgeState:
    """All synapses are looked at."""
    step_of = _in_step(item, held, history, words, clock)
    after = item.rule.step(item.dt, held.weight, held.variables, _seen_by_all(item.path, step_of, history, clock[0]))
    return _with_spikes(item.rule, held, step_of, after, clock[0])


def _seen_by_all(path: Pathway, step_of: "_Step", history: History, step: UInt32[Array, ""]) -> Seen:
    source, which, target, _ = ends(path)
    real, heard = source < path.n_source, jnp.minimum(source, path.n_source - 1)
    seen = step_of.seen((which, heard, target))
    arrives = _arrivals(path, history, step) if step_of.arrived is None else real & seen.arrives
    return seen._replace(arrives=arrives, fires=real & seen.fires)


def _by_events(item: Learner, held: EdgeState, history: History, words: UInt32[Array, " w"], clock: tuple[Array, Array]) -> EdgeState:
    """Synapses are looked at through which a spike arrives, or whose target fires; all of them where `on_step` is due."""
    path, rule, step = item.path, item.rule, clock[0]
    step_of = _in_step(item, held, history, words, clock, True)

    def passed(some: tuple[Array, dict[str, Array]]) -> tuple[Array, dict[str, Array]]:
        later = rule.on_step(item.dt * rule.every, *some, _seen_by_all(path, step_of, history, step))
        return jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), later, some)

    some = (held.weight, held.variables)
    if type(rule).on_step is not AbstractPlasticity.on_step:
        some = jax.lax.cond(step_of.steps % rule.every == 0, passed, lambda some: some, some)
    after = visited(path, rule, some, (step_of.fired, words, history, step), step_of.seen)
    return _with_spikes(rule, held, step_of, after, step)


class _Step(NamedTuple):
    """A step as synapses see it: traces that have passed through it, by neuron, and variables per source as the next spike finds them; who of the targets
    fired, and whose spikes arrive by delay and source (`None` where nobody asks); `left`: the variables per source as their last spikes left them; `steps`: since
    the beginning of the trial, with this one."""

    pre: dict[str, Array]
    post: dict[str, Array]
    fired: Bool[Array, " n_target"]
    arrived: Bool[Array, "D n_source"] | None
    left: dict[str, Array]
    steps: UInt32[Array, ""]

    def seen(self, some: Ends) -> Seen:
        """What synapses with these ends see."""
        which, source, target = some
        fires = self.fired[target]
        return Seen(
            fires if self.arrived is None else self.arrived[which, source],
            fires,
            {trace: x[which, source] for trace, x in self.pre.items()},
            {trace: x[target] for trace, x in self.post.items()},
            self.steps,
        )


def _in_step(
    item: Learner, held: EdgeState, history: History, words: UInt32[Array, " w"], clock: tuple[Array, Array], ask: bool = False
) -> _Step:
    path, rule, step = item.path, item.rule, clock[0]
    steps = step - clock[1] + 1
    pre = _faded(held.pre, rule.pre_traces(), item.dt, step, held.heard)
    post = _faded(held.post, rule.post_traces(), item.dt, step, held.fired)
    fired, own = unpack(words, path.n_target), {name: held.pre[name] for name in rule.pre_variables()}
    arrived = fired_before(history, path.delays, path.n_source, step) if pre or own or ask else None
    if not own or held.heard is None or arrived is None:
        return _Step(pre, post, fired, arrived, {}, steps)
    since = lambda steps: steps.astype(held.weight.dtype) * jnp.asarray(item.dt, held.weight.dtype)  # noqa: E731
    left = where_they_arrive(arrived, rule.on_arrival(rule.on_source(since(step - held.heard), own)), own)
    coming = rule.on_source(since(step + 1 - jnp.where(arrived, step, held.heard)), left)
    return _Step(pre | coming, post, fired, arrived, left, steps)


def _with_spikes(rule: AbstractPlasticity, held: EdgeState, step_of: _Step, after: tuple[Array, dict[str, Array]], step: Array) -> EdgeState:
    """Synapses after a step, whose spikes enter the traces."""
    pre, heard = _taken_in(held.pre, step_of.pre, rule.pre_traces(), held.heard, step_of.arrived, step)
    post, fired = _taken_in(held.post, step_of.post, rule.post_traces(), held.fired, step_of.fired, step)
    weight, variables = after
    return held._replace(weight=weight, variables=variables, pre=pre | step_of.left, post=post, heard=heard, fired=fired)


def _faded(
    held: dict[str, Array], traces: dict[str, Trace], dt: float, step: UInt32[Array, ""], since: UInt32[Array, "*n"] | None
) -> dict[str, Array]:
    r"""Traces in a step, $x\,e^{-n\,\mathrm{d}t/\tau}$ from what the last spike left, `n` steps ago: one power, however many steps there
    were, so that nothing depends on who looked in between."""
    if since is None:
        return {}
    return {name: held[name] * _kept((step - since).astype(held[name].dtype), dt, trace.tau) for name, trace in traces.items()}


def _kept(steps: Float[Array, "*n"], dt: float, tau: Any) -> Float[Array, "*n"]:
    """What some steps leave of a trace; a time constant that is a leaf of the model is only known when the program runs."""
    return jnp.exp(-steps * jnp.asarray(dt / tau, steps.dtype))


def _taken_in(
    held: dict[str, Array],
    faded: dict[str, Array],
    traces: dict[str, Trace],
    since: UInt32[Array, "*n"] | None,
    spikes: Bool[Array, "*n"] | None,
    step: UInt32[Array, ""],
) -> tuple[dict[str, Array], UInt32[Array, "*n"] | None]:
    """Traces where spikes enter, and their steps: set to 1 where the last spike alone counts, one more than is left elsewhere."""
    if since is None or spikes is None:
        return held, since
    after = {name: jnp.where(spikes, 1 if trace.nearest else faded[name] + 1, held[name]) for name, trace in traces.items()}
    return after, jnp.where(spikes, step, since)


def _arrivals(path: Pathway, history: History, step: UInt32[Array, ""]) -> Bool[Array, " nnz"]:
    """The synapses through which a spike arrives in this step."""

    def mark(marks: Array, some: Visit) -> Array:
        place = jnp.where(some.real, some.edge, marks.shape[0])
        return marks.at[place.reshape(-1)].set(True, mode="drop")

    nothing = jnp.zeros(path.targets.shape[0], bool)
    return fold_rows(path, history.ids, history.count, step, nothing, mark, EDGES_AT_ONCE)[0]
