"""A placement as a file: which core and which place every neuron has, in JSON that other programs read, and back."""

import dataclasses
import hashlib
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from jaxtyping import Int

from neuro4d._base import write_whole
from neuro4d.hardware._interval import Interval
from neuro4d.hardware._layout import compress
from neuro4d.hardware._mesh import mesh_of
from neuro4d.hardware._placement import Change, Gating, Placement
from neuro4d.hardware._route import Routes
from neuro4d.hardware._schema import ChipTarget, Target
from neuro4d.hardware._target import target as read_target
from neuro4d.hardware._workload import Workload

VERSION = 1
LARGEST_FILE = 2**30
"""Bytes. The microcircuit at full scale has about 1 MB without its routes."""

Count = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
"""Whole numbers that every reader of JSON keeps."""


class PlacementError(ValueError):
    """A file that holds no placement, or none of this network on this target: says which part, what is there and what belongs there."""


class TargetPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which target, and a hash of all that its file says."""

    name: str
    hash: str


class Population(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the workload: its name, its first neuron, how many it has."""

    name: str
    first: Count
    n: Count


class MeshPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The nodes between which packets go."""

    kind: Literal["square", "hexagonal"]
    columns: Count
    rows: Count


class Pass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The report of a pass."""

    name: str
    before: dict[str, float]
    after: dict[str, float]


class RoutesPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Links in use, as the nodes from which and to which they lead, and the packets per step over each."""

    links: list[tuple[Count, Count]]
    load: list[float]


class LayoutPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How `compress` stored synapses: whether equal lists are one, and the bits of every core. The rest follows from the synapses."""

    shared: bool
    memory: list[Count]


class GatingPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What waking a core takes: value, low and high, in J and s."""

    energy: tuple[float, float, float]
    time: tuple[float, float, float]


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything in a file, in the order in which it is written.

    **Fields:** `core`: runs of neurons on one core, as pairs of a core and a number of neurons; `site`, `tile`: of every core, the latter as chip, column and row;
    `changes`: reports of passes; `layout`, `gating`: after `compress` and `gate`; `routes`: for readers, since they follow from the rest; `checksum`: of all other fields.
    """

    format: Literal["neuro4d placement"]
    version: int
    target: TargetPart
    populations: list[Population]
    synapses: Count
    chips: Count
    mesh: MeshPart
    core: list[tuple[Count, Count]]
    site: list[Count]
    tile: list[tuple[Count, Count, Count]]
    changes: list[Pass]
    layout: LayoutPart | None
    gating: GatingPart | None
    routes: RoutesPart | None
    checksum: str


def export(placement: Placement, path: str | os.PathLike[str], routes: Routes | None = None) -> None:
    """Writes a placement as JSON: populations, core of every neuron, chip, tile and site of every core, reports of the passes, and a hash of the target.

    Neurons are numbered population by population, and runs of neurons on one core are one pair `[core, neurons]`. Nodes of links are numbered row by row on the
    mesh of all chips. The file appears complete or not at all.

    **Arguments:** `path`: the file; `routes`: links and their load, written for other programs.

    **Raises:** `ValueError` for a report with a number that JSON does not have.

    !!! Example

        >>> import tempfile, pathlib
        >>> work = n4.hardware.layered(["E"], [4000], np.arange(4000), np.arange(4000)[::-1], np.full(4000, 0.01), dt=1*u.ms, steps=100)
        >>> placement = n4.hardware.partition(work, n4.hardware.target("loihi1"))
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "placed.json"
        >>> n4.hardware.export(placement, file)
        >>> bool(np.all(n4.hardware.read_placement(file, work).core == placement.core))
        True
    """
    sealed = msgspec.structs.asdict(_sealed(_file(placement, routes)))
    lines = [b" " + msgspec.json.encode(name) + b": " + msgspec.json.encode(value) for name, value in sealed.items()]
    text = b"{\n" + b",\n".join(lines) + b"\n}"
    write_whole(Path(path), lambda file: file.write(text + b"\n"))


def read_placement(path: str | os.PathLike[str], workload: Workload, target: str | os.PathLike[str] | Target | None = None) -> Placement:
    """A placement from a file of `export`, for the workload that was placed: the same cores, sites and reports.

    Spikes are those of `workload`, which may come from another run of the network; its populations and its number of synapses have to be those of the file.

    **Arguments:** `target`: where the file names one that does not come with neuro4d.

    **Raises:** `PlacementError` for a file that is damaged, of another format or version, of another network, or for a target that has changed since;
    `TargetError` for a target that is not known; `OSError` for a file that cannot be read.
    """
    where = Path(path).name
    size = Path(path).stat().st_size
    if size > LARGEST_FILE:
        raise PlacementError(f"{where} has {size:,} bytes; a placement has at most {LARGEST_FILE:,}.")
    found = _decoded(Path(path).read_bytes(), where)
    chip = read_target(found.target.name if target is None else target)
    if not isinstance(chip, ChipTarget):
        raise PlacementError(f"{where}: target: {chip.name} is a processor; a placement is on a chip.")
    if chip.name != found.target.name or hash_of(chip) != found.target.hash:
        raise PlacementError(
            f"{where}: target: written for {found.target.name!r} with the hash {found.target.hash}; {chip.name!r} has {hash_of(chip)}. "
            "Its file has changed since, or it is another one: give the right one as `target=`, or place the network anew."
        )
    _check_network(found, workload, where)
    placement = Placement(
        chip, workload, _cores(found, workload.n, where), np.array(found.site, np.int64), _changes(found), None, _gating(found, where)
    )
    _check_sites(placement, found, where)
    return placement if found.layout is None else _stored(placement, found.layout, where)


def hash_of(found: Target) -> str:
    """A hash of what a target says, whatever its file looks like. Numbers that are left out do not count, so that it lasts when tables get new ones."""
    return _digest(_without_nothing(msgspec.to_builtins(found)))


def _without_nothing(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _without_nothing(value) for name, value in data.items() if value is not None}
    return [_without_nothing(value) for value in data] if isinstance(data, list | tuple) else data


def _digest(data: Any) -> str:
    return hashlib.blake2b(msgspec.json.encode(data, order="sorted"), digest_size=16).hexdigest()


def _sealed(found: File) -> File:
    """With its checksum."""
    return msgspec.structs.replace(found, checksum=_digest(msgspec.structs.replace(found, checksum="")))


def _file(placement: Placement, routes: Routes | None) -> File:
    core, mesh = placement.core, mesh_of(placement)[0]
    first = np.flatnonzero(np.concatenate([np.ones(min(len(core), 1), bool), core[1:] != core[:-1]]))
    runs = zip(core[first].tolist(), np.diff(np.append(first, len(core))).tolist(), strict=True)
    for change in placement.changes:
        for name, value in (change.before | change.after).items():
            if not np.isfinite(value):
                raise ValueError(f"export: the report of {change.name!r} has {name} = {value}, which JSON cannot hold.")
    return File(
        format="neuro4d placement",
        version=VERSION,
        target=TargetPart(placement.target.name, hash_of(placement.target)),
        populations=[Population(*part) for part in placement.workload.parts],
        synapses=placement.workload.synapses,
        chips=placement.n_chips,
        mesh=MeshPart(mesh.kind, mesh.columns, mesh.rows),
        core=list(runs),
        site=placement.site.tolist(),
        tile=[(chip, column, row) for chip, column, row in placement.tile.tolist()],
        changes=[Pass(change.name, _plain(change.before), _plain(change.after)) for change in placement.changes],
        layout=None if placement.layout is None else LayoutPart(placement.layout.shared, placement.layout.memory.tolist()),
        gating=None if placement.gating is None else GatingPart(*(_ends(x) for x in placement.gating)),
        routes=None if routes is None else RoutesPart([(a, b) for a, b in routes.links.tolist()], routes.load.tolist()),
        checksum="",
    )


def _ends(x: Interval) -> tuple[float, float, float]:
    return float(x.value), float(x.low), float(x.high)


def _plain(numbers: dict[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in numbers.items()}


def _decoded(text: bytes, where: str) -> File:
    try:
        version = msgspec.json.decode(text, type=dict[str, msgspec.Raw]).get("version", msgspec.Raw(b"null"))
        if bytes(version) != str(VERSION).encode():
            raise PlacementError(f"{where}: version: {bytes(version).decode()[:20]}; this neuro4d reads version {VERSION}.")
        found = msgspec.json.decode(text, type=File)
    except msgspec.ValidationError as error:
        raise PlacementError(f"{where}: no placement: {error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PlacementError(f"{where}: not JSON: {error}.") from None
    except RecursionError:
        raise PlacementError(f"{where}: nested too deeply.") from None
    if _sealed(found).checksum != found.checksum:
        raise PlacementError(
            f"{where}: checksum: {found.checksum[:40]!r}, and {_sealed(found).checksum!r} of what is there; it was changed or damaged. Make one by "
            "hand with `n4.hardware.Placement(target, workload, core, site)`, then `n4.hardware.export(...)`."
        )
    return found


def _check_network(found: File, workload: Workload, where: str) -> None:
    there = [Population(*part) for part in workload.parts]
    if found.populations != there:
        raise PlacementError(f"{where}: populations: {_named(found.populations)}; those of the workload are {_named(there)}.")
    if found.synapses != workload.synapses:
        raise PlacementError(
            f"{where}: synapses: {found.synapses:,}; the workload has {workload.synapses:,}. It is another network, or another seed."
        )


def _named(parts: list[Population]) -> str:
    shown = ", ".join(f"{part.name!r} ({part.n:,})" for part in parts[:6])
    return shown + (f" and {len(parts) - 6} more" if len(parts) > 6 else "")


def _cores(found: File, n: int, where: str) -> Int[np.ndarray, " n"]:
    """The core of every neuron. Numbers are added up before any array is made."""
    given = sum(count for _, count in found.core)
    if given != n:
        raise PlacementError(f"{where}: core: its runs have {given:,} neurons; the workload has {n:,}.")
    highest = max((core for core, _ in found.core), default=-1)
    if highest + 1 != len(found.site):
        raise PlacementError(f"{where}: core: cores 0 to {highest:,} hold neurons, and {len(found.site):,} have a site.")
    core = np.repeat(np.array([core for core, _ in found.core], np.int32), np.array([count for _, count in found.core], np.int64))
    empty = np.flatnonzero(np.bincount(core, minlength=len(found.site)) == 0)
    if len(empty):
        raise PlacementError(f"{where}: core: no neuron lies on core {empty[0]}; cores are numbered without gaps.")
    return core


def _gating(found: File, where: str) -> Gating | None:
    if found.gating is None:
        return None
    try:
        return Gating(Interval(*found.gating.energy), Interval(*found.gating.time))
    except ValueError as error:
        raise PlacementError(f"{where}: gating: {error}") from None


def _stored(placement: Placement, found: LayoutPart, where: str) -> Placement:
    """With the layout of `compress`, made again: it follows from synapses and cores, and would be larger than the rest of the file."""
    done = compress(placement, shared=found.shared)
    if done.layout is None or done.layout.memory.tolist() != found.memory:
        raise PlacementError(f"{where}: layout: the bits of its cores are not those of `compress(placement, shared={found.shared})`.")
    return dataclasses.replace(done, changes=placement.changes)


def _changes(found: File) -> tuple[Change, ...]:
    return tuple(Change(each.name, each.before, each.after) for each in found.changes)


def _check_sites(placement: Placement, found: File, where: str) -> None:
    """Sites are on the largest system, each taken once, and what else the file says of them follows from them."""
    most = placement.chip.chips * placement.chip.cores
    if len(found.site) and max(found.site) >= most:
        raise PlacementError(
            f"{where}: site: {max(found.site):,}; the largest system of {placement.target.name} has sites 0 to {most - 1:,}."
        )
    if len(set(found.site)) != len(found.site):
        raise PlacementError(f"{where}: site: two cores share one.")
    mesh = mesh_of(placement)[0]
    for name, there, right in (
        ("chips", found.chips, placement.n_chips),
        ("mesh", (found.mesh.kind, found.mesh.columns, found.mesh.rows), (mesh.kind, mesh.columns, mesh.rows)),
        ("tile", found.tile, [tuple(tile) for tile in placement.tile.tolist()]),
    ):
        if there != right:
            raise PlacementError(f"{where}: {name}: does not fit the sites of the cores and the chip of {placement.target.name}.")
    if found.routes is not None and len(found.routes.load) != len(found.routes.links):
        raise PlacementError(f"{where}: routes: {len(found.routes.links):,} links and {len(found.routes.load):,} loads.")
