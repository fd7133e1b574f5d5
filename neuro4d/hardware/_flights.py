"""Which packets a recorded run sends over which links: spikes of single steps, turned into crossings of links."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from neuro4d._base import check_count, check_seed
from neuro4d.hardware._groups import groups
from neuro4d.hardware._placement import Placement
from neuro4d.hardware._route import Routes, trees_of, ways_of
from neuro4d.hardware._trees import Ways, entries_of, grown, targets_of
from neuro4d.results import Run

MOST = 20_000_000
"""Crossings that are held at once: about 2 GB."""


class Spikes(NamedTuple):
    """Spikes in some steps of a run: `step`, from 0 among those that were taken, and `neuron`, `(k,)`; how many `steps`; and where they are from."""

    step: Int[np.ndarray, " k"]
    neuron: Int[np.ndarray, " k"]
    steps: int
    origin: str


class Flights(NamedTuple):
    """One row for each packet and link, `(k,)`; a packet's rows stand together, those near its core first.

    **Fields:** `step`; `packet`, as a number of the spike; `channel` of the routes; `parent`: the row before, -1 for the first; `depth`: links up to and with this
    one; `deliveries`: cores at its end that get the packet; `below`: deliveries of this row and of all that follow from it.
    """

    step: Int[np.ndarray, " k"]
    packet: Int[np.ndarray, " k"]
    channel: Int[np.ndarray, " k"]
    parent: Int[np.ndarray, " k"]
    depth: Int[np.ndarray, " k"]
    deliveries: Int[np.ndarray, " k"]
    below: Int[np.ndarray, " k"]


class _Plan(NamedTuple):
    """Rows of the neurons of a core; `neuron` of each, and `parent` by its number among these rows."""

    neuron: Int[np.ndarray, " k"]
    channel: Int[np.ndarray, " k"]
    parent: Int[np.ndarray, " k"]
    depth: Int[np.ndarray, " k"]
    deliveries: Int[np.ndarray, " k"]


def spikes_of(placement: Placement, run: Run | np.ndarray | None, steps: int, seed: int) -> Spikes:
    """Spikes of so many steps, evenly spread over a run; sampled from rates where there is none."""
    steps, seed = check_count(steps, "steps", 1), check_seed(seed)
    load = placement.workload
    if isinstance(run, Run):
        return _recorded(placement, run, steps)
    if run is not None:
        given = np.asarray(run)
        if given.ndim != 2 or given.shape[1] != load.n or not len(given) or given.dtype.kind not in "biu" or (given < 0).any():
            raise ValueError(
                f"packets: spikes have shape {given.shape} and dtype {given.dtype}; expected whole numbers or booleans of shape (steps, {load.n}), "
                f"for example `np.zeros((10, {load.n}), int)`."
            )
        counts, origin = given[_chosen(len(given), steps)].astype(np.int64), f"{min(steps, len(given))} of {len(given)} given steps"
    else:
        counts = np.random.default_rng(seed).poisson(np.asarray(load.spikes, float), (steps, load.n))
        origin = f"{steps} steps sampled from mean rates, every neuron by itself (Poisson)"
    step, neuron = np.nonzero(counts)
    times = counts[step, neuron]
    return Spikes(np.repeat(step, times), np.repeat(neuron, times), len(counts), origin)


def _chosen(there: int, steps: int) -> Int[np.ndarray, " k"]:
    return np.unique(np.linspace(0, there - 1, min(steps, there)).round().astype(np.int64))


def _recorded(placement: Placement, run: Run, steps: int) -> Spikes:
    parts = placement.workload.parts
    if tuple(part.name for part in parts) != run.populations:
        raise ValueError(
            f"packets: the run has the populations {', '.join(run.populations)}, the placement {', '.join(part.name for part in parts)}; "
            "take the run that the workload was made with."
        )
    tables = [run.spikes(part.name) for part in parts]
    chosen = _chosen(tables[0].n_steps, steps)
    number = np.full(tables[0].n_steps, -1)
    number[chosen] = np.arange(len(chosen))
    step = np.concatenate([number[table.step - table.start_step] for table in tables])
    neuron = np.concatenate([part.first + table.id for part, table in zip(parts, tables, strict=True)])
    mine = step >= 0
    return Spikes(step[mine], neuron[mine], len(chosen), f"{len(chosen)} of {tables[0].n_steps} recorded steps")


def flights(placement: Placement, routes: Routes, spikes: Spikes) -> Flights:
    """The crossings of all packets. Chips whose routers copy packets send one packet per spike; others one for each core that it reaches on other nodes."""
    trees = trees_of(routes, placement, "packets")
    neurons = np.unique(spikes.neuron)
    plan = _planned(placement, routes, trees.home, neurons)
    start = np.searchsorted(plan.neuron, np.arange(placement.workload.n + 1))
    count = (start[1:] - start[:-1])[spikes.neuron]
    total = int(count.sum())
    if total > MOST:
        raise ValueError(
            f"packets: {len(spikes.neuron):,} spikes in {spikes.steps} steps cross {total:,} links, more than {MOST:,}; take fewer steps, "
            f"for example `steps={max(int(spikes.steps * MOST / total), 1)}`."
        )
    packet = np.repeat(np.arange(len(count)), count)
    begin = np.cumsum(count) - count
    row = start[spikes.neuron][packet] + np.arange(total) - begin[packet]
    parent = plan.parent[row]
    parent = np.where(parent < 0, -1, parent - start[spikes.neuron][packet] + begin[packet])
    found = Flights(
        spikes.step[packet], packet, plan.channel[row], parent, plan.depth[row], plan.deliveries[row], plan.deliveries[row].copy()
    )
    for rows in groups(found.depth)[::-1]:
        above = found.parent[rows]
        np.add.at(found.below, above[above >= 0], found.below[rows[above >= 0]])
    return found


def along(found: Flights, own: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """Sums of a number of each row over the way from the core up to it."""
    total = np.array(own, float)
    for rows in groups(found.depth)[1:]:
        total[rows] += total[found.parent[rows]]
    return total


def _planned(placement: Placement, routes: Routes, node: Int[np.ndarray, " cores"], neurons: Int[np.ndarray, " k"]) -> _Plan:
    """Rows of all neurons that spike, sorted by neuron."""
    make = _copied if placement.chip.multicast else _each
    plans, offset = [], 0
    for mine in (neurons[some] for some in groups(placement.core[neurons])):
        plan = make(placement, node, ways_of(routes, int(placement.core[mine[0]])), mine)
        plans.append(plan._replace(parent=np.where(plan.parent < 0, -1, plan.parent + offset)))
        offset += len(plan.neuron)
    if not plans:
        return _Plan(*(np.zeros(0, np.int64) for _ in _Plan._fields))
    joined = _Plan(*(np.concatenate(parts) for parts in zip(*plans, strict=True)))
    order = np.argsort(joined.neuron, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    parent = joined.parent[order]
    return _Plan(
        joined.neuron[order], joined.channel[order], np.where(parent < 0, -1, place[parent]), joined.depth[order], joined.deliveries[order]
    )


def _copied(placement: Placement, node: Int[np.ndarray, " cores"], ways: Ways, neurons: Int[np.ndarray, " k"]) -> _Plan:
    """One packet per spike, which routers copy."""
    table = placement.fan_out
    reach = grown(ways, targets_of(placement, node, neurons, len(ways.last)))
    nodes = np.flatnonzero(reach.any(axis=1) & (ways.last >= 0))
    nodes = nodes[np.argsort(ways.far[nodes], kind="stable")]
    column, place = np.nonzero(reach[nodes].T)
    number = np.full((len(neurons), len(ways.last)), -1)
    number[column, nodes[place]] = np.arange(len(column))
    at = np.zeros((len(neurons), len(ways.last)), np.int64)
    entry, count = entries_of(table, neurons)
    np.add.at(at, (np.repeat(np.arange(len(neurons)), count), node[table.core[entry]]), 1)
    end = nodes[place]
    return _Plan(neurons[column], ways.last[end], number[column, ways.before[end]], ways.far[end], at[column, end])


def _each(placement: Placement, node: Int[np.ndarray, " cores"], ways: Ways, neurons: Int[np.ndarray, " k"]) -> _Plan:
    """One packet for each core that a neuron reaches on another node."""
    table = placement.fan_out
    entry, count = entries_of(table, neurons)
    source, end = np.repeat(neurons, count), node[table.core[entry]]
    source, end = source[ways.last[end] >= 0], end[ways.last[end] >= 0]
    far = ways.far[end]
    first = np.cumsum(far) - far
    total = int(far.sum())
    channel, depth = np.zeros(total, np.int64), np.arange(total) - np.repeat(first, far) + 1
    here, some = end.copy(), np.arange(len(end))
    while len(some):
        channel[first[some] + ways.far[here[some]] - 1] = ways.last[here[some]]
        here[some] = ways.before[here[some]]
        some = some[ways.last[here[some]] >= 0]
    parent = np.where(depth == 1, -1, np.arange(total) - 1)
    return _Plan(np.repeat(source, far), channel, parent, depth, (depth == np.repeat(far, far)).astype(np.int64))
