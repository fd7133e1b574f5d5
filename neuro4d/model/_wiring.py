"""What the edges of a whole network say, projection by projection, in passes that the extension makes where there is one: checksums and values."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int32, Shaped, UInt64

from neuro4d.kernels import MOST_KINDS, gather_native, huge_empty, native_available, tally_native, wire_native
from neuro4d.model._fields import ModelFields
from neuro4d.model._layout import ProjectionSpan
from neuro4d.model._shares import Share, collected, cuts, each_part, each_share, pieces, slot_table
from neuro4d.ops import Pathway

_FACTORS = tuple(np.uint64(x) for x in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xD6E8FEB86659FD93))
_HALF = np.uint64(32)


def wiring(model: ModelFields) -> dict[str, tuple[int, int]]:
    """By projection, how many edges there are, and a sum of 64 bits over them of their number, source, target and delay: other edges, or the same ones in another order,
    have another sum. It is the same for any layout. Delays that are trained are not part of it.

    Each edge adds a mixture of its numbers, of the kind with which hash functions end (shifts and multiplications that can be undone), so that edges can be summed in any
    order, a piece at a time.
    """
    found: dict[str, tuple[int, int]] = {}
    for pathway, spans in model.layout.projections_by_pathway.items():
        path = model.pathways[pathway]
        natively = path.free is None and _dealt_natively(path, len(spans))
        found |= (_natively if natively else _by_share)(model, pathway, [span.name for span in spans])
    return {name: found[name] for name in model.layout.projections_by_name}


def gathered(model: ModelFields, pathway: str, names: Sequence[str], values: Shaped[np.ndarray, " nnz"]) -> dict[str, Shaped[np.ndarray, " k"]]:
    """By projection of a pathway, the values of its edges in an array of the pathway, in their order."""
    path = model.pathways[pathway]
    if values.dtype.itemsize not in (4, 8) or not _dealt_natively(path, len(names)):
        return {name: found["values"] for name, found in collected(model, pathway, names, lambda share: {"values": share.read(values)}).items()}
    found: dict[str, np.ndarray] = {}

    def one(part: Sequence[str]) -> None:
        counts = dict.fromkeys(part, 0)
        for low, high, active in cuts(model, pathway, part):
            table = slot_table(model, path, active)
            for rows in pieces(path, low, high):
                for span, n in zip(active, tally_native(rows.native, table, len(active)).tolist(), strict=True):
                    counts[span.name] += n
        ends = np.cumsum(list(counts.values()))
        room = {name: int(end) - counts[name] for name, end in zip(counts, ends, strict=True)}
        out = huge_empty(int(ends[-1]), values.dtype)
        found.update({name: out[begin : begin + counts[name]] for name, begin in room.items()})
        for low, high, active in cuts(model, pathway, part):
            table, places = slot_table(model, path, active), np.array([room[span.name] for span in active])
            for rows in pieces(path, low, high):
                gather_native(rows.native, table, values[rows.place], places, out)
            room |= {span.name: place for span, place in zip(active, places.tolist(), strict=True)}

    each_part(model, pathway, names, one)
    return {name: found[name] for name in names}


def _dealt_natively(path: Pathway, kinds: int) -> bool:
    return path.owner is None and kinds <= MOST_KINDS and native_available()


def _by_share(model: ModelFields, pathway: str, names: Sequence[str]) -> dict[str, tuple[int, int]]:
    found = dict.fromkeys(names, (0, 0))

    def take(share: Share) -> None:
        n, total = found[share.span.name]
        delay = share.delay if share.rows.path.free is None else 0
        edge = np.arange(share.begin, share.begin + share.n, dtype=np.uint64)
        more = np.add.reduce(_mixed(edge, share.pre, share.post, delay), dtype=np.uint64)
        found[share.span.name] = n + share.n, (total + int(more)) % (1 << 64)

    each_share(model, pathway, names, take)
    return found


def _mixed(edge: UInt64[np.ndarray, " k"], pre: Any, post: Any, delay: Any) -> UInt64[np.ndarray, " k"]:
    """What `mixed` in deal.cc computes; numbers wrap around."""
    x = np.asarray(post, np.uint64) | np.asarray(delay, np.uint64) << _HALF
    x = x ^ edge * _FACTORS[0] ^ np.asarray(pre, np.uint64) * _FACTORS[1]
    for _ in range(2):
        x = (x ^ x >> _HALF) * _FACTORS[2]
    return x ^ x >> _HALF


def _natively(model: ModelFields, pathway: str, names: Sequence[str]) -> dict[str, tuple[int, int]]:
    path, found = model.pathways[pathway], dict.fromkeys(names, (0, 0))

    def one(part: Sequence[str]) -> None:
        for low, high, active in cuts(model, pathway, part):
            counts, total = np.array([found[span.name][0] for span in active]), np.zeros(len(active), np.uint64)
            table, post, delay = slot_table(model, path, active), _posts(model, path, active), _delays(path)
            for rows in pieces(path, low, high):
                pre = np.array([rows.low - (span.pre.in_group - span.pre.first) for span in active], np.int32)
                total += wire_native(rows.native, table, post, delay, pre, counts)
            for span, n, more in zip(active, counts.tolist(), total.tolist(), strict=True):
                found[span.name] = n, (found[span.name][1] + more) % (1 << 64)

    each_part(model, pathway, names, one)
    return found


def _delays(path: Pathway) -> Int32[np.ndarray, " delays"]:
    """Delays in steps, one for each of those that the rows of a pathway tell apart."""
    n = (path.bounds.shape[-1] - 1) // path.n_blocks
    return np.zeros(n, np.int32) if path.early else np.asarray(path.delays).astype(np.int32)


def _posts(model: ModelFields, path: Pathway, active: Sequence[ProjectionSpan]) -> Int32[np.ndarray, " slots"]:
    """The target at each slot, as the projection that leads there calls it."""
    return slot_table(model, path, active, lambda span: np.arange(span.post.first, span.post.first + span.post.extent), np.int32)
