"""The stages of a step for one group, in plain XLA: deliver, decay, drive, fire. The oracle of the native pass."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32, UInt32

from neuro4d._base import Drive, step_address, words_jax
from neuro4d.model._constants import GroupConstants
from neuro4d.model._layout import Group
from neuro4d.model._state import GroupState
from neuro4d.ops import AbstractSurrogate, Backend, History, Pathway, attached, both_outcomes, by_port, deliver, pack, push, unpack
from neuro4d.stimuli import Noise, PoissonBank


class Clock(NamedTuple):
    """The step, the step at which the trial began, and the key of the trial."""

    step: UInt32[Array, ""]
    start: UInt32[Array, ""]
    key: UInt32[Array, "2"]

    @property
    def elapsed(self) -> UInt32[Array, ""]:
        """Steps since the beginning: what stimuli and noise depend on."""
        return self.step - self.start


class NoiseInput(eqx.Module):
    """Noise into the neurons `start` to `start + n - 1` of a group, and its random address; static but for its numbers."""

    noise: Noise
    name: str = eqx.field(static=True)
    address: tuple[int, int] = eqx.field(static=True)
    start: int = eqx.field(static=True)
    n: int = eqx.field(static=True)

    def emit(self, clock: Clock, size: int, held: dict[str, Array]) -> tuple[Drive, dict[str, Array]]:
        """The current of a step into a group of `size` neurons, and what stimuli with a memory hold after it."""
        a, b = step_address(clock.key, self.address, clock.elapsed)
        words = words_jax(a, b, jnp.arange(self.n, dtype=jnp.uint32))
        if self.noise.decay is None:
            values = jnp.broadcast_to(self.noise.draw(words), (self.n,))
        else:
            values, later = self.noise.move(words, held[self.name])
            held = held | {self.name: later}
        whole = self.start == 0 and self.n == size
        return Drive(i=values if whole else jnp.zeros(size, values.dtype).at[self.start : self.start + self.n].set(values)), held


class Outside(eqx.Module):
    """What stimuli give to a group in a step: drives, and arrivals at ports by number, in the order of their definition.

    For several steps: those that change have an axis of steps in front. `noise` is drawn where it is added.
    """

    drives: tuple[Drive, ...]
    arrivals: tuple[Float[Array, " n"], ...]
    noise: tuple[NoiseInput, ...]
    ports: tuple[int, ...] = eqx.field(static=True)
    drives_change: tuple[bool, ...] = eqx.field(static=True)
    arrivals_change: tuple[bool, ...] = eqx.field(static=True)

    def changing(self, i: Int32[Array, ""] | None = None) -> tuple[tuple[Drive, ...], tuple[Array, ...]]:
        """The drives and arrivals that change, over all steps, or in step number `i` of them."""
        series = (_those(self.drives, self.drives_change), _those(self.arrivals, self.arrivals_change))
        return series if i is None else jax.tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, i, 0, keepdims=False), series)

    def with_row(self, row: tuple[tuple[Drive, ...], tuple[Array, ...]]) -> "Outside":
        """What is given in one step, in which `changing` is `row`."""
        drives = _replaced(self.drives, self.drives_change, row[0])
        arrivals = _replaced(self.arrivals, self.arrivals_change, row[1])
        return Outside(drives, arrivals, self.noise, self.ports, (False,) * len(drives), (False,) * len(arrivals))


def _those(values: tuple, changes: tuple[bool, ...]) -> tuple:
    return tuple(x for x, here in zip(values, changes, strict=True) if here)


def _replaced(values: tuple, changes: tuple[bool, ...], others: tuple) -> tuple:
    """The values, with others in the place of those that change."""
    left = iter(others)
    return tuple(next(left) if here else x for x, here in zip(values, changes, strict=True))


class BankInput(eqx.Module):
    """Poisson input to a port: the bank, its thresholds, the number of the port."""

    bank: PoissonBank
    thresholds: UInt32[Array, "*t x y"]
    port: int = eqx.field(static=True)


class GroupTask(eqx.Module):
    """All that one step of one group needs, but the pasts of those that it hears: `heard` names them, the group itself first.

    `path_names`: those of `paths` in the model; `acts`: which receptors act on the arrivals of which others, by number, and
    what they call them; `addresses`: where the random words of each population begin, if its neurons take any.
    """

    constants: GroupConstants
    state: GroupState
    paths: tuple[Pathway, ...]
    banks: tuple[BankInput, ...]
    outside: Outside
    clock: Clock
    addresses: UInt32[Array, "spans 2"] | None
    surrogate: AbstractSurrogate | None
    group: Group = eqx.field(static=True)
    backend: Backend = eqx.field(static=True)
    dtype: Any = eqx.field(static=True)
    path_names: tuple[str, ...] = eqx.field(static=True, default=())
    acts: tuple[tuple[int, str, int], ...] = eqx.field(static=True, default=())

    @property
    def heard(self) -> tuple[str, ...]:
        """Groups whose pasts a step reads."""
        return tuple(dict.fromkeys((self.group.name, *(path.source for path in self.paths))))


class Stepped(eqx.Module):
    """What a step leaves of a group.

    **Fields:** `state`; `words`: who fired, packed; `soft`: the same as floats with a gradient, or `None`; `fired`: the same as
    booleans, or `None` if the spikes are in `history` already; `history`: the pasts that were read; `near`: who has a slope, or `None`.
    """

    state: GroupState
    words: UInt32[Array, " w"]
    soft: Float[Array, " n"] | None
    fired: Bool[Array, " n"] | None
    history: dict[str, History]
    near: Bool[Array, " n"] | None = None


class Outcome(NamedTuple):
    """What `fire` leaves: the neurons, who fired, the same as floats with a gradient, and who has a slope: `None` without a surrogate."""

    neurons: Any
    fired: Bool[Array, " n"]
    soft: Float[Array, " n"] | None = None
    near: Bool[Array, " n"] | None = None


class Arrivals(NamedTuple):
    """Sums of weights by port number: at the beginning of the step (delay 0) and at its end."""

    early: dict[int, Float[Array, " n"]]
    late: dict[int, Float[Array, " n"]]


def plain_step(task: GroupTask, history: dict[str, History]) -> Stepped:
    """The first four stages of a step, one after the other. `history`: the pasts of the groups that are heard."""
    arrivals, history = deliver_all(task, history)
    receptors, shares = decay(task, arrivals)
    acting, held = drive(task, shares)
    out = fire(task, acting)
    state = GroupState(out.neurons, receptors, task.state.alive, held)
    return Stepped(state, pack(out.fired), out.soft, out.fired, history, out.near)


def deliver_all(task: GroupTask, history: dict[str, History]) -> tuple[Arrivals, dict[str, History]]:
    """What arrives at every port: through synapses, then Poisson input, then other stimuli."""
    history = {name: history[name] for name in task.heard}
    sums: dict[bool, Array] = {}
    for path in task.paths:
        acc = sums.get(path.early)
        if acc is None:
            acc = jnp.zeros((path.n_blocks, path.block_size), task.dtype)
        sums[path.early], history[path.source] = deliver(path, history[path.source], task.clock.step, acc, task.backend)
    early = _by_port(task.group, sums.get(True), [port.early for port in task.group.ports])
    late = _by_port(task.group, sums.get(False), [port.late for port in task.group.ports])
    for item in task.banks:
        a, b = step_address(task.clock.key, (item.bank.a0, item.bank.b0), task.clock.elapsed)
        _add(late, item.port, item.bank.emit(item.bank.in_force(item.thresholds, task.clock.elapsed), a, b))
    for port, values in zip(task.outside.ports, task.outside.arrivals, strict=True):
        _add(late, port, values)
    return Arrivals(early, late), history


def _by_port(group: Group, sums: Array | None, served: list[bool]) -> dict[int, Array]:
    """The sums of the ports that synapses reach."""
    if sums is None:
        return {}
    rows = by_port(sums, len(group.ports), group.width, group.n)
    return {number: rows[number] for number, here in enumerate(served) if here}


def _add(table: dict[int, Array], port: int, value: Array) -> None:
    table[port] = value if table.get(port) is None else table[port] + value


def decay(task: GroupTask, arrivals: Arrivals) -> tuple[dict[str, Any], list[Drive]]:
    """Receptors give their share of the drive from what they hold, decay, and take in what arrives."""
    arrivals = acted_on(task, arrivals)
    states, shares = {}, []
    for number, (port, receptor) in enumerate(task.constants.receptors.items()):
        constants, held = task.constants.of_receptors[port], task.state.receptors[port]
        if number in arrivals.early:
            held = receptor.early(held, constants, arrivals.early[number])
        seen = (task.state.neurons.v,) if receptor.sees_v else ()
        states[port], share = receptor.step(constants, held, arrivals.late.get(number), *seen)
        shares.append(share)
    return states, shares


def acted_on(task: GroupTask, arrivals: Arrivals) -> Arrivals:
    """Arrivals as receptors of other ports let them act, by their state at the beginning of the step."""
    names = task.group.port_names
    for actor, port, number in task.acts:
        receptor, constants, held = (x[names[actor]] for x in (task.constants.receptors, task.constants.of_receptors, task.state.receptors))
        for table in arrivals:
            if table.get(number) is not None:
                table[number] = receptor.act(constants, held, port, table[number])
    return arrivals


def drive(task: GroupTask, shares: list[Drive]) -> tuple[Drive, dict[str, Array]]:
    """The sum of all that acts on the membranes: stimuli, noise after the others, then receptors; and what stimuli hold after it."""
    held = task.state.stimuli
    total = sum(task.outside.drives, Drive())
    for noise in task.outside.noise:
        share, held = noise.emit(task.clock, task.group.n, held)
        total = total + share
    for share in shares:
        total = total + share
    return total, held


def fire(task: GroupTask, acting: Drive) -> Outcome:
    """Neurons integrate, those at threshold fire and are reset; the dead fire nothing."""
    words = () if task.addresses is None else (_words(task, task.addresses),)
    given = (task.constants.of_neuron, task.state.neurons, acting, *words)
    neurons, out = task.constants.neuron.step(*given)
    alive = None if task.state.alive is None else unpack(task.state.alive, task.group.n)
    fired = out.spikes if alive is None else out.spikes & alive
    surrogate = task.surrogate
    if surrogate is None:
        return Outcome(neurons, fired)
    attach = surrogate.reset == "attached"
    spared, reset = both_outcomes(task.constants.neuron.step, out.spikes, *given) if attach or surrogate.moves else (None, None)
    move = _move(task.state.neurons, spared) if surrogate.moves else None
    soft, near = surrogate.spike(out.excess, move), surrogate.slope_in_step(out.excess, move) != 0
    if alive is not None:
        soft, near = jnp.where(alive, soft, 0), near & alive
    if attach:
        neurons = _attach(neurons, soft, spared, reset, task.constants.neuron.variables)
    return Outcome(neurons, fired, soft, near)


def _move(before: Any, spared: Any) -> Float[Array, " n"] | None:
    """How far the potentials went in a step, without any reset; `None` for neurons that have none."""
    return spared.v - before.v if "v" in _fields(before) else None


def _fields(state: Any) -> tuple[str, ...]:
    """The names of the variables of neurons, of which some have none."""
    return state._fields if state else ()


def _attach(neurons: Any, soft: Array, spared: Any, reset: Any, variables: Iterable[str]) -> Any:
    """The same variables, with the derivatives of their resets. Counters of held steps are no variables and have none."""
    names = [name for name in variables if name in _fields(neurons)]
    jumps = {name: jax.lax.stop_gradient(getattr(reset, name) - getattr(spared, name)) for name in names}
    return neurons._replace(**{name: attached(getattr(neurons, name), soft, jumps[name]) for name in names})


def _words(task: GroupTask, addresses: UInt32[Array, "spans 2"]) -> UInt32[Array, " n"]:
    """One random word for each neuron, whose number counts from the first of its population."""
    pieces = []
    for number, span in enumerate(task.group.spans):
        a, b = step_address(task.clock.key, (addresses[number, 0], addresses[number, 1]), task.clock.elapsed)
        pieces.append(words_jax(a, b, jnp.arange(span.size, dtype=jnp.uint32)))
    return jnp.concatenate(pieces)


def push_own(out: Stepped, step: UInt32[Array, ""], own: History, backend: Backend) -> tuple[Array, History]:
    """The packed spikes of a group, and its past with them in it; they may be there already."""
    return (out.words, own) if out.fired is None else push(own, out.fired, out.soft, step, backend, out.near)
