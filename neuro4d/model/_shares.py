"""The edges of a pathway dealt out to its projections, in one pass over its rows and a piece at a time: what a projection of many would look for alone."""

import concurrent.futures
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from neuro4d._base import n_cores
from neuro4d.kernels import huge_empty
from neuro4d.model._fields import ModelFields
from neuro4d.model._layout import ProjectionSpan
from neuro4d.ops import FreeDelays, HostRows, Pathway, some_places

PIECE = 1 << 18
"""About as many edges are looked at together, so that what is known of them stays in the cache."""

SEVERAL = 8
"""Pieces from which on threads are worth it."""


class Share:
    """Some edges of one projection, one behind the other in its canonical order: number `begin` and those that follow. Arrays are made when they are asked for."""

    def __init__(self, model: ModelFields, span: ProjectionSpan, rows: HostRows, pick: Any, begin: int):
        self.model, self.span, self.rows, self.pick, self.begin = model, span, rows, pick, begin

    @property
    def n(self) -> int:
        """How many edges."""
        return self.rows.n if isinstance(self.pick, slice) else len(self.pick)

    @property
    def here(self) -> slice:
        """Where they lie among the edges of the projection."""
        return slice(self.begin, self.begin + self.n)

    def read(self, array: np.ndarray) -> np.ndarray:
        """Their values in an array of the pathway; perhaps a view."""
        return array[self.rows.place][self.pick]

    def write(self, array: np.ndarray, values: Any) -> None:
        """Puts values into an array of the pathway."""
        if isinstance(self.rows.place, slice):
            array[self.rows.place][self.pick] = values
        else:
            array[self.place] = values

    @property
    def place(self) -> Int[np.ndarray, " k"]:
        """Where they lie in the arrays of the pathway."""
        return some_places(self.rows.place, np.arange(self.rows.n) if isinstance(self.pick, slice) else self.pick)

    @functools.cached_property
    def source(self) -> Int[np.ndarray, " k"]:
        """Sources in their group."""
        return self.rows.source[self.pick]

    @functools.cached_property
    def target(self) -> Int[np.ndarray, " k"]:
        """Targets in their group; here and below, in numbers of 32 bits where these are enough."""
        return self.rows.neuron(self.pick)

    @property
    def pre(self) -> Int[np.ndarray, " k"]:
        """Sources in their population."""
        return self.source - (self.span.pre.in_group - self.span.pre.first)

    @property
    def post(self) -> Int[np.ndarray, " k"]:
        """Targets in their population."""
        return self.target - (self.span.post.in_group - self.span.post.first)

    @functools.cached_property
    def delay_number(self) -> Int[np.ndarray, " k"]:
        """Indices of their delays among those of the pathway."""
        path = self.rows.path
        return self.rows.delay_number[self.pick] if path.free is None else np.searchsorted(np.asarray(path.delays), self.delay)

    @functools.cached_property
    def delay(self) -> Int[np.ndarray, " k"]:
        """Delays in steps."""
        path = self.rows.path
        if path.free is not None:
            return np.rint(free_delays(path.free, self.place) / self.model.dt_ms).astype(np.int64)
        return np.zeros(self.n, np.int32) if path.early else self.rows.delay[self.pick]


def free_delays(free: FreeDelays, place: Int[np.ndarray, " k"]) -> np.ndarray:
    """Delays that are trained, in ms."""
    return np.asarray(free.delay, np.float64)[place]


def shares(model: ModelFields, pathway: str, names: Sequence[str]) -> Iterator[Share]:
    """The edges of projections of a pathway, piece by piece; at least one share of each, which may be empty."""
    path, reach = model.pathways[pathway], _reach(model.layout.projections_by_pathway[pathway])
    wanted = _chosen(model, pathway, names)
    done = dict.fromkeys((span.name for span in wanted), 0)
    for low, high, active in cuts(model, pathway, names):
        alone = np.count_nonzero((reach[:, 0] < high) & (reach[:, 1] > low)) == 1
        table = None if alone or path.owner is not None else slot_table(model, path, active)
        for piece in pieces(path, low, high):
            for span, pick in _dealt(piece, active, table, alone):
                share = Share(model, span, piece, pick, done[span.name])
                if share.n:
                    done[span.name] += share.n
                    yield share
    for span in wanted:
        if not done[span.name]:
            yield Share(model, span, HostRows(path, 0, 0), slice(None), 0)


def _chosen(model: ModelFields, pathway: str, names: Sequence[str]) -> list[ProjectionSpan]:
    chosen = frozenset(names)
    return [span for span in model.layout.projections_by_pathway[pathway] if span.name in chosen]


def cuts(model: ModelFields, pathway: str, names: Sequence[str]) -> Iterator[tuple[int, int, list[ProjectionSpan]]]:
    """Sources `low` to `high - 1` that some projections of a pathway have in common, and these; in order of the sources."""
    wanted = _chosen(model, pathway, names)
    begins, ends = _reach(wanted).T
    edges = np.unique(np.concatenate([begins, ends]))
    for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        active = [wanted[i] for i in np.flatnonzero((begins <= low) & (ends >= high))]
        if active:
            yield low, high, active


def _reach(spans: Sequence[ProjectionSpan]) -> Int[np.ndarray, "spans 2"]:
    """The first source of each projection in their group, and the one behind the last."""
    return np.array([(span.pre.in_group, span.pre.in_group + span.pre.extent) for span in spans], np.int64).reshape(-1, 2)


def pieces(path: Pathway, low: int, high: int) -> Iterator[HostRows]:
    """The rows of some sources, a few at a time."""
    ends = np.cumsum(np.asarray(path.bounds)[low:high, -1].astype(np.int64))
    begin = 0
    while begin < len(ends):
        before = int(ends[begin - 1]) if begin else 0
        end = max(int(np.searchsorted(ends, before + PIECE, side="right")), begin + 1)
        if ends[end - 1] > before:
            yield HostRows(path, low + begin, low + end)
        begin = end


def slot_table(
    model: ModelFields, path: Pathway, active: Sequence[ProjectionSpan], value: Callable[[ProjectionSpan], Any] | None = None, kind: Any = None
) -> np.ndarray:
    """For each port of each target, what is said of the projection that leads there, by default its number among `active`; as the layout of a block has it."""
    group, kind = model.layout.group(path.target), kind or (np.uint8 if len(active) < 1 << 8 else np.uint32)
    table = np.full((path.n_ports, path.n_blocks * path.width), len(active), kind)
    for number, span in enumerate(active):
        here = slice(span.post.in_group, span.post.in_group + span.post.extent)
        table[group.port_number(span.port), here] = value(span) if value else number
    return table.reshape(path.n_ports, path.n_blocks, path.width).transpose(1, 0, 2).reshape(-1)


def _dealt(piece: HostRows, active: Sequence[ProjectionSpan], table: np.ndarray | None, alone: bool) -> Iterator[tuple[ProjectionSpan, Any]]:
    """Which edges of a piece belong to which projection."""
    if alone:
        yield active[0], slice(None)
        return
    if table is not None:
        yield from zip(active, piece.dealt(table, len(active)), strict=True)
        return
    owner = np.asarray(piece.path.owner)[piece.place]
    for span in active:
        yield span, np.flatnonzero(owner == span.number)


def each_share(model: ModelFields, pathway: str, names: Sequence[str], work: Callable[[Share], Any]) -> None:
    """Calls `work` with all shares: those of a projection one after the other, projections whose sources are apart at the same time."""

    def one(part: Sequence[str]) -> None:
        for share in shares(model, pathway, part):
            work(share)

    each_part(model, pathway, names, one)


def each_part(model: ModelFields, pathway: str, names: Sequence[str], one: Callable[[Sequence[str]], Any]) -> None:
    """Calls `one` with the names of projections that share sources, for all of them; at the same time where there is enough to do."""
    parts = _apart(_chosen(model, pathway, names))
    threads = min(len(parts), n_cores())
    if threads < 2 or model.pathways[pathway].targets.shape[0] < SEVERAL * PIECE:
        for part in parts:
            one(part)
        return
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(one, part) for part in parts]:
            done.result()


def _apart(spans: Sequence[ProjectionSpan]) -> list[list[str]]:
    """Names of projections, those together that share sources."""
    found: list[list[str]] = []
    behind = 0
    for span in sorted(spans, key=lambda span: span.pre.in_group):
        if not found or span.pre.in_group >= behind:
            found.append([])
        found[-1].append(span.name)
        behind = max(behind, span.pre.in_group + span.pre.extent)
    return found


def collected(model: ModelFields, pathway: str, names: Sequence[str], read: Callable[[Share], Mapping[str, np.ndarray]]) -> dict[str, dict[str, np.ndarray]]:
    """By projection of a pathway, arrays over its edges that are read share by share. They are new, and nobody else's."""
    found: dict[str, dict[str, list[np.ndarray]]] = {name: {} for name in names}

    def take(share: Share) -> None:
        for field, values in read(share).items():
            found[share.span.name].setdefault(field, []).append(values)

    each_share(model, pathway, names, take)
    return {name: {field: _joined(held.pop(field)) for field in tuple(held)} for name in names for held in (found.pop(name),)}


def _joined(pieces: Sequence[np.ndarray]) -> np.ndarray:
    """One behind the other, on huge pages: half the time of joining gigabytes goes into asking for small ones."""
    shape = (sum(len(piece) for piece in pieces), *pieces[0].shape[1:])
    return np.concatenate(pieces, out=huge_empty(shape, pieces[0].dtype))


def check_counts(counts: Mapping[str, int], given: Mapping[str, Any], advice: str = "", each: tuple[int, ...] = ()) -> None:
    """Raises `ValueError` where projections have other numbers of edges than what is given for them, or other than `each` numbers for an edge."""
    for name, n in counts.items():
        shape = np.shape(given[name])
        if shape[:1] != (n,):
            raise ValueError(f"projection {name!r} has {n} edges; the tree has {shape[0] if shape else 1}.{advice}")
        if shape[1:] != each:
            raise ValueError(f"projection {name!r} has numbers of shape {each} for an edge; the tree has {shape[1:]}.{advice}")
