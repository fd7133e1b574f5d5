"""Routing tables of a machine like SpiNNaker: which keys a router sends where."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Int

from neuro4d.hardware._mesh import Mesh, mesh_of
from neuro4d.hardware._packing import CapacityError
from neuro4d.hardware._placement import Placement
from neuro4d.hardware._trees import dimension_order, grown


@dataclasses.dataclass(frozen=True, eq=False)
class RoutingTables:
    """Entries of all routers. A packet is matched by an entry of its router if `key & mask == entry.key`; all entries that match agree on where it goes.

    A packet that no entry matches goes straight on: it leaves by the link opposite to the one by which it came.

    **Fields:**

    - `node`: the router of each entry, `(k,)`, ascending; nodes are those of `mesh`.
    - `key`, `mask`: 32 bits each, `(k,)`.
    - `links`: whether the packet leaves by each of `mesh.steps`, `(k, links)`.
    - `cores`: cores of this node that get it, one tuple for each entry.
    - `base`: the key of the first neuron of every core, `(cores,)`; further neurons follow one by one.
    - `shift`: bits of a key below the number of its core.
    - `before`: entries before any were left out or merged, per node, `(nodes,)`.
    """

    mesh: Mesh
    node: Int[np.ndarray, " k"]
    key: Int[np.ndarray, " k"]
    mask: Int[np.ndarray, " k"]
    links: Bool[np.ndarray, "k links"]
    cores: tuple[tuple[int, ...], ...]
    base: Int[np.ndarray, " cores"]
    shift: int
    before: Int[np.ndarray, " nodes"]

    @property
    def entries(self) -> Int[np.ndarray, " nodes"]:
        """Entries of every router, `(nodes,)`."""
        return np.bincount(self.node, minlength=self.mesh.n)


def routing_tables(placement: Placement) -> RoutingTables:
    """Keys for all neurons, and tables that bring every spike to the cores that its core reaches.

    Each core has a block of keys, as wide as the fullest core needs; so a router needs at most one entry for each core whose spikes it sees, whatever its neurons
    are. Packets follow the trees of `route`, one for each core: to all cores that any of its neurons reaches. Entries of packets that go straight on are
    left out, and entries with the same way are merged: keys are given freely, so that masks may also cover keys that never come by, and never one
    that goes another way.

    **Raises:** `CapacityError` where a router has more entries than its chip allows, with the chip, what is used and the limit, and where keys need more
    than 32 bits.

    **Source:** the machine and its default routes: Furber et al. 2014, Proc. IEEE 102(5). Merging of entries is a simpler form of what Mundy, Heathcote & Garside
    2016 (HPSR) do, without an order among entries.

    !!! Example

        >>> pre = np.arange(4000)
        >>> work = n4.hardware.layered(["E"], [4000], pre, pre[::-1], np.full(4000, 0.01), dt=1*u.ms, steps=100)
        >>> tables = n4.hardware.routing_tables(n4.hardware.partition(work, n4.hardware.target("spinnaker1")))
        >>> int(tables.entries.max()) <= int(tables.before.max()) <= 16
        True
    """
    mesh, node = mesh_of(placement)
    reached = _reached(placement)
    shift = int(np.bincount(placement.core).max() - 1).bit_length()
    if shift + int(placement.n_cores - 1).bit_length() > 32:
        raise CapacityError(f"keys of {placement.n_cores:,} cores with up to {1 << shift:,} neurons need more than 32 bits.")
    seen = _ways(mesh, node, reached)
    found, before = [], np.zeros(mesh.n, int)
    for router, (cores, came, links, local) in enumerate(seen):
        before[router] = len(cores)
        found += [(router, *entry) for entry in _entries(cores, came, links, local)]
    whole = (1 << 32) - 1
    tables = RoutingTables(
        mesh=mesh,
        node=np.array([entry[0] for entry in found], int),
        key=np.array([entry[1] << shift for entry in found], np.int64),
        mask=np.array([(entry[2] << shift) & whole for entry in found], np.int64),
        links=np.array([entry[3] for entry in found], bool).reshape(len(found), len(mesh.steps)),
        cores=tuple(entry[4] for entry in found),
        base=np.arange(placement.n_cores, dtype=np.int64) << shift,
        shift=shift,
        before=before,
    )
    _check_limit(placement, tables)
    return tables


def _reached(placement: Placement) -> Bool[np.ndarray, "cores cores"]:
    """Which cores any neuron of each core reaches."""
    table, n = placement.fan_out, placement.n_cores
    found = np.zeros((n, n), bool)
    found[placement.core[table.source], table.core] = True
    return found


def _ways(mesh: Mesh, node: Int[np.ndarray, " cores"], reached: Bool[np.ndarray, "cores cores"]) -> list[tuple[list, list, list, list]]:
    """For every router, the cores whose packets come by: which, by which link they came (-1: from here), by which they leave, and to which cores here."""
    seen: list[tuple[list, list, list, list]] = [([], [], [], []) for _ in range(mesh.n)]
    ways = len(mesh.steps)
    for core in range(len(node)):
        begin, targets = int(node[core]), np.flatnonzero(reached[core])
        wanted = np.zeros((mesh.n, 1), bool)
        wanted[node[targets]] = True
        order = dimension_order(mesh, begin)
        before, last = order.before, order.last
        passed = grown(order, wanted)[:, 0]
        leave = np.zeros((mesh.n, ways), bool)
        inner = np.flatnonzero(passed & (before >= 0))
        leave[before[inner], last[inner]] = True
        for router in [begin, *inner.tolist()] if len(targets) else []:
            here = tuple(targets[node[targets] == router].tolist())
            for part, value in zip(seen[router], (core, int(last[router]), tuple(leave[router].tolist()), here), strict=True):
                part.append(value)
    return seen


def _entries(cores: list[int], came: list[int], links: list[tuple[bool, ...]], local: list[tuple[int, ...]]) -> list[tuple]:
    """Entries of one router, in numbers of cores: key, mask, links and cores here."""
    number = np.array(cores, np.int64)
    by_way: dict[tuple, list[int]] = {}
    for core, arrived, out, here in zip(cores, came, links, local, strict=True):
        straight = arrived >= 0 and not here and sum(out) == 1 and out[arrived]
        by_way.setdefault((None,) if straight else (out, here), []).append(core)
    found = []
    for way, members in by_way.items():
        if way != (None,):
            others = number[~np.isin(number, members)]
            found += [(key, mask, *way) for key, mask in _merged(sorted(members), others)]
    return found


def _merged(members: list[int], others: Int[np.ndarray, " k"]) -> list[tuple[int, int]]:
    """Keys and masks that match all members and none of the others: each is widened as long as it may be."""
    found: list[tuple[int, int]] = []
    whole = (1 << 32) - 1
    for member in members:
        for i, (key, mask) in enumerate(found):
            wider = mask & ~(key ^ member) & whole
            if not ((others & wider) == (key & wider)).any():
                found[i] = key & wider, wider
                break
        else:
            found.append((member, whole))
    return found


def _check_limit(placement: Placement, tables: RoutingTables) -> None:
    limit = placement.target.limits.table
    if limit is None or not len(tables.node):
        return
    worst = int(np.argmax(tables.entries))
    used = int(tables.entries[worst])
    if used > limit.value:
        raise CapacityError(
            f"router {worst} of {placement.target.name} needs {used:,} entries (table); it has {int(limit.value):,}. It has {int(tables.before[worst]):,} before "
            f"entries are merged, one for each core whose spikes come by. What would fit: about {limit.value / used:.0%} of the cores, or `place` to keep spikes apart."
        )
