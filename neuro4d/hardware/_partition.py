"""Which core each neuron goes to: as few cores as the order of the neurons allows, and no limit of a core exceeded."""

import dataclasses
from typing import Literal

import numpy as np
from jaxtyping import Int

from neuro4d._base import did_you_mean
from neuro4d.hardware._cut import Cutter
from neuro4d.hardware._entries import staying
from neuro4d.hardware._order import ORDERS, Order
from neuro4d.hardware._packing import CapacityError, Usage, limits, usage
from neuro4d.hardware._placement import Change, FanOut, Placement, knowing
from neuro4d.hardware._schema import ChipTarget
from neuro4d.hardware._workload import Workload


def partition(workload: Workload, target: ChipTarget, method: Literal["sequential", "lattice", "graph"] = "sequential") -> Placement:
    """Gives every neuron a core, so that no limit of a core that is known is exceeded.

    Neurons are taken in an order, and each core is filled to the brim. Counts are exact: synapses are read once (by `graph` twice) and held with 4 bytes each.

    **Arguments:** `method`: the order. `sequential`: as numbered; neurons of a part stay together, and only parts that are small as a whole share a core. `lattice`: along the
    Morton curve of their places, whatever their part. `graph`: whichever order sends the fewest messages of those two and of spectral orders of the synapses, within each part or of
    all neurons; by spikes within each part where none helps.

    **Returns:** a `Placement` with its cores in this order, `site = 0, 1, 2, ...`.

    **Raises:** `CapacityError` where a neuron alone does not fit, with its part, the resource, what is used, the limit, and what would fit, and where the largest
    system has too few cores; `ValueError` for an unknown method, and for `lattice` without places.

    !!! Example

        >>> pre, post = np.divmod(np.arange(3000 * 20), 20)
        >>> work = n4.hardware.layered(["E"], [3000], pre, (pre + post) % 3000, np.full(3000, 0.01), dt=1*u.ms, steps=100)
        >>> n4.hardware.partition(work, n4.hardware.target("loihi1")).n_cores
        3
    """
    if not isinstance(target, ChipTarget):
        raise TypeError(
            f"partition: {target.name} is a processor and has no cores to fill; a chip is, for example, `n4.hardware.target('loihi1')`."
        )
    if method not in ORDERS:
        raise ValueError(f"partition: no method {method!r}.{did_you_mean(str(method), tuple(ORDERS))} Known are {', '.join(ORDERS)}.")
    found, refused = [], []
    for order in ORDERS[method](workload, target):
        try:
            found.append(_cut(workload, target, order, method))
        except CapacityError as error:
            refused.append(error)
    if not found:
        raise refused[0]
    placement = min(found, key=lambda each: each.changes[-1].after["messages"])
    _check_limits(placement)
    return placement


def _cut(workload: Workload, target: ChipTarget, order: Order, method: str) -> Placement:
    """The cores of one order."""
    cutter = Cutter(workload, target, *order)
    vars(workload).setdefault("fan_out", np.diff(cutter.incoming.first).astype(float))  # read already
    core, table = cutter.cores()
    _check_system(workload, target, int(core.max()) + 1)
    placement = Placement(target, workload, core, np.arange(int(core.max()) + 1))
    return moved(placement, placement.site, _change(placement, table, method), table)


def moved(placement: Placement, site: Int[np.ndarray, " cores"], change: Change, table: FanOut | None = None) -> Placement:
    """The same neurons on the same cores, which lie on these sites. What is known of the synapses is kept: to read it again takes long."""
    found = dataclasses.replace(placement, site=site, changes=(*placement.changes, change))
    return knowing(found, placement.fan_out if table is None else table)


def used(placement: Placement) -> Usage:
    """What each core uses, counted once."""
    if "used" not in vars(placement):
        vars(placement)["used"] = usage(placement.target, placement.core, placement.fan_out, placement.n_cores)
    return vars(placement)["used"]


def _change(placement: Placement, table: FanOut, method: str) -> Change:
    away = np.diff(table.start) - staying(table, placement.core)
    messages = float(np.asarray(placement.workload.spikes, float) @ away)
    before = {"neurons": float(placement.workload.n), "synapses": float(placement.workload.synapses)}
    after = {"cores": float(placement.n_cores), "chips": float(placement.n_chips), "messages": messages}
    return Change(f"partition ({method})", before, after)


def _check_system(workload: Workload, target: ChipTarget, cores: int) -> None:
    most = target.chip.chips * target.chip.cores
    if cores > most:
        raise CapacityError(
            f"{workload.n:,} neurons with {workload.synapses:,} synapses need {cores:,} cores; the largest system of {target.name} has {most:,} "
            f"({target.chip.chips:,} chips of {target.chip.cores}). What would fit: about {most / cores:.0%} of the network."
        )


def _check_limits(placement: Placement) -> None:
    """The invariant: every neuron on one core, and no limit exceeded."""
    found = used(placement)
    for resource, limit in limits(placement.target).items():
        worst = int(np.argmax(getattr(found, resource)))
        if getattr(found, resource)[worst] > limit:
            raise RuntimeError(f"partition: core {worst} uses {getattr(found, resource)[worst]} of {limit} {resource}; please report this.")
    if int(found.neurons.sum()) != placement.workload.n or not found.neurons.all():
        raise RuntimeError("partition: neurons and cores do not match; please report this.")
