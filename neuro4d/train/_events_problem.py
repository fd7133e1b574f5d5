"""A model as the simulation between grid points needs it: leaky neurons, currents with a linear course, edges one by one."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32

from neuro4d.model import Group, Model
from neuro4d.neurons import LI, LIF
from neuro4d.ops import Pathway, edge_table
from neuro4d.receptors import AlphaCurrent, Delta, ExpCurrent

NEVER = float("inf")


class Cells(eqx.Module):
    """Neurons that integrate, `n` of all their groups behind each other, and their `p` ports; ms, mV, pF, pA.

    A port carries the current $i$ with $\\dot i = -i/\\tau + r$ and $\\dot r = -r/\\tau$; a spike of weight 1 moves $r$, $i$ and $v$ by
    `to_rise`, `to_current` and `to_v`.
    """

    tau: Float[Array, " n"]
    c: Float[Array, " n"]
    v_rest: Float[Array, " n"]
    v_th: Float[Array, " n"]
    v_reset: Float[Array, " n"]
    t_ref: Float[Array, " n"]
    tau_port: Float[Array, "n p"]
    to_rise: Float[Array, "n p"]
    to_current: Float[Array, "n p"]
    to_v: Float[Array, "n p"]


class EdgeList(eqx.Module):
    """Synapses one by one: a source among all emitters, a target port `neuron * p + port`, a weight, and a delay of `steps` whole steps
    and `rest` ms, `0 <= rest < dt`."""

    source: Int32[Array, " e"]
    target: Int32[Array, " e"]
    real: Bool[Array, " e"]
    weight: Float[Array, " e"]
    steps: Int32[Array, " e"]
    rest: Float[Array, " e"]


class Problem(eqx.Module):
    """All that does not change in a run. `first`: where a group begins among the emitters, those that integrate first; `depth`: steps
    that the past holds; `rises`: whether any port has a course that rises."""

    cells: Cells
    edges: EdgeList
    first: tuple[tuple[str, int], ...] = eqx.field(static=True)
    n: int = eqx.field(static=True)
    n_all: int = eqx.field(static=True)
    ports: int = eqx.field(static=True)
    depth: int = eqx.field(static=True)
    rises: bool = eqx.field(static=True)
    jumps: bool = eqx.field(static=True)
    dt: float = eqx.field(static=True)

    @property
    def place(self) -> dict[str, int]:
        """Where each group begins among the emitters."""
        return dict(self.first)


class Split(NamedTuple):
    """The groups that integrate, and those that only emit, once per step."""

    cells: list[Group]
    emitters: list[Group]


def split(model: Model) -> Split:
    """The groups of a model, checked: what an exact simulation cannot do is refused here."""
    heard = {path.target for path in model.pathways.values()}
    parts = Split([], [])
    for group in model.layout.groups:
        first = group.spans[0].name
        neuron = model.neurons[first]
        leaky = type(neuron) in (LIF, LI)
        if not leaky and group.name in heard:
            raise ValueError(
                f"population {first!r} has {type(neuron).__name__} neurons and receives synapses: exact spike times are known for `n4.LIF` "
                "and `n4.LI`. Use `n4.LIF(...)`, or another gradient: `train.Surrogate()`, `train.Differences()`."
            )
        if leaky:
            _check_ports(model, first)
        (parts.cells if leaky else parts.emitters).append(group)
    _check_rest(model)
    if not parts.cells:
        raise ValueError("no population of the model has `n4.LIF` or `n4.LI` neurons: there are no spike times between grid points.")
    return parts


def _check_ports(model: Model, population: str) -> None:
    for port, receptor in model.receptors[population].items():
        if type(receptor) not in (ExpCurrent, AlphaCurrent, Delta):
            raise ValueError(
                f"port {port!r} of population {population!r} is a {type(receptor).__name__}: potentials have a closed form with "
                "`n4.ExpCurrent`, `n4.AlphaCurrent` and `n4.Delta`. Use one of them, for example `n4.ExpCurrent(tau=5*u.ms)`."
            )


def _check_rest(model: Model) -> None:
    for name, path in model.pathways.items():
        if path.early:
            raise ValueError(
                f"pathway {name!r} has a delay of 0: a spike between two grid points arrives at its time plus the delay, one step or more. "
                f"Give the projection `delay={model.dt_ms}*u.ms`."
            )
    if model.plasticity:
        raise ValueError(
            f"weights of {', '.join(map(repr, model.plasticity))} live in the state: make the projections without `plasticity`."
        )
    if model.gaps:
        raise ValueError("gap junctions couple potentials at all times, so crossings have no closed form: build the network without them.")
    if any(group.mortal for group in model.layout.groups):
        raise ValueError("neurons that may die have no exact spike times here: make the populations without `alive`.")


def make_problem(model: Model, parts: Split) -> Problem:
    """The arrays of a problem. Works inside compiled functions, and is differentiable with respect to the model."""
    groups = [*parts.cells, *parts.emitters]
    starts = [0]
    for group in groups:
        starts.append(starts[-1] + group.n)
    place = {group.name: start for group, start in zip(groups, starts, strict=False)}
    n, ports = starts[len(parts.cells)], max(max((len(group.ports) for group in parts.cells), default=0), 1)
    kinds = [type(model.receptors[group.spans[0].name][port]) for group in parts.cells for port in group.port_names]
    return Problem(
        cells=_cells(model, parts.cells, ports),
        edges=_edges(model, place, ports),
        first=tuple(place.items()),
        n=n,
        n_all=starts[-1],
        ports=ports,
        depth=2 * max(group.depth for group in groups),
        rises=AlphaCurrent in kinds,
        jumps=Delta in kinds,
        dt=model.dt_ms,
    )


def _cells(model: Model, groups: list[Group], ports: int) -> Cells:
    found: dict[str, list[Array]] = {name: [] for name in Cells.__dataclass_fields__}
    for group in groups:
        for span in group.spans:
            for name, value in _of_neuron(model.neurons[span.name], model.dtype).items():
                found[name].append(jnp.broadcast_to(value, (span.size,)))
            columns = [_of_port(receptor, model.dtype) for receptor in model.receptors[span.name].values()]
            columns += [_unused(model.dtype)] * (ports - len(columns))
            for name in columns[0]:
                found[name].append(jnp.stack([jnp.broadcast_to(column[name], (span.size,)) for column in columns], axis=1))
    return Cells(*(jnp.concatenate(found[name]) for name in found))


def _of_neuron(neuron: Any, dtype: Any) -> dict[str, Array]:
    if isinstance(neuron, LI):
        never, zero = jnp.asarray(NEVER, dtype), jnp.asarray(0, dtype)
        return {
            "tau": neuron.tau,
            "c": neuron.tau * neuron.g_l,
            "v_rest": neuron.v_rest,
            "v_th": never,
            "v_reset": neuron.v_rest,
            "t_ref": zero,
        }
    return {name: getattr(neuron, name) for name in ("tau", "c", "v_rest", "v_th", "v_reset", "t_ref")}


def _of_port(receptor: Any, dtype: Any) -> dict[str, Array]:
    one, zero = jnp.asarray(1, dtype), jnp.asarray(0, dtype)
    if isinstance(receptor, Delta):
        return {"tau_port": one, "to_rise": zero, "to_current": zero, "to_v": one}
    if isinstance(receptor, AlphaCurrent):
        return {"tau_port": receptor.tau, "to_rise": jnp.e / receptor.tau, "to_current": zero, "to_v": zero}
    return {"tau_port": receptor.tau, "to_rise": zero, "to_current": one, "to_v": zero}


def _unused(dtype: Any) -> dict[str, Array]:
    zero = jnp.asarray(0, dtype)
    return {"tau_port": jnp.asarray(1, dtype), "to_rise": zero, "to_current": zero, "to_v": zero}


def _edges(model: Model, place: dict[str, int], ports: int) -> EdgeList:
    pieces = [_of_pathway(path, model, place, ports) for path in model.pathways.values()]
    if not pieces:
        none = jnp.zeros(0, jnp.int32)
        return EdgeList(none, none, none.astype(bool), none.astype(model.dtype), none, none.astype(model.dtype))
    return EdgeList(*(jnp.concatenate(column) for column in zip(*pieces, strict=True)))


def _of_pathway(path: Pathway, model: Model, place: dict[str, int], ports: int) -> tuple[Array, ...]:
    source, which, block = edge_table(path)
    local = path.targets.astype(jnp.int32)
    real = source < path.n_source
    neuron, port = block * path.width + local % path.width, local // path.width
    safe = jnp.where(real, source, 0)
    weight = path.weight if path.weight_kind == "edge" else path.weight[safe] if path.weight_kind == "source" else path.weight
    weight = jnp.where(real, weight, 0).astype(model.dtype)
    steps, rest = _delays(path, which, model)
    target = jnp.where(real, (neuron + place[path.target]) * ports + port, 0)
    return place[path.source] + safe, target, real, weight, steps, rest


def _delays(path: Pathway, which: Array, model: Model) -> tuple[Array, Array]:
    """Whole steps, and what is left of each delay in ms."""
    if path.free is None:
        steps = path.delays[which]
        return steps, jnp.zeros(steps.shape, model.dtype)
    delay = jnp.clip(path.free.delay, path.free.low, path.free.high)
    steps = jnp.floor(jax.lax.stop_gradient(delay) / model.dt_ms)
    return steps.astype(jnp.int32), delay - steps * model.dt_ms
