"""What recorders hold, as trees of arrays, and back: the chunks that came since the last checkpoint, and the buffers that go on."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from neuro4d._base import CorruptFileError
from neuro4d.recorders import AbstractProbe, Chunk

Chunks = Mapping[str, Sequence[Chunk]]
Probes = Mapping[str, AbstractProbe]


def segment(probes: Probes, chunks: Chunks, begin: int) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The chunks from step `begin` on of the recorders that keep every chunk: a tree, and by recorder the first step and the number of steps of
    each chunk. `None` where a chunk lies on both sides of `begin`."""
    tree: dict[str, Any] = {}
    table: dict[str, Any] = {}
    for name, probe in probes.items():
        if probe.carried or probe.streams:
            continue
        later = [chunk for chunk in chunks.get(name, ()) if chunk.first + chunk.n_steps > begin]
        if any(chunk.first < begin for chunk in later):
            return None
        table[name] = [[chunk.first, chunk.n_steps] for chunk in later]
        tree[name] = {str(i): _leaves(chunk.buffer) for i, chunk in enumerate(later)}
    return tree, table


def carried(probes: Probes, chunks: Chunks) -> tuple[dict[str, Any], dict[str, Any]]:
    """The buffers that go on from chunk to chunk, as a tree, and by recorder the first step and the number of steps of its last chunk."""
    last = {name: chunks[name][-1] for name, probe in probes.items() if probe.carried and chunks.get(name)}
    return {name: _leaves(chunk.buffer) for name, chunk in last.items()}, {name: [chunk.first, chunk.n_steps] for name, chunk in last.items()}


def _leaves(buffer: Any) -> dict[str, Any]:
    return {str(i): np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(buffer))}


def chunks_from(
    probes: Probes, segments: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], kept: Mapping[str, Any], places: Mapping[str, Any], length: int
) -> dict[str, list[Chunk]]:
    """All that recorders held at a checkpoint: `segments` as `segment` made them, `kept` and `places` as `carried` did.

    **Raises:** `CorruptFileError` for arrays that are not those of these recorders.
    """
    chunks: dict[str, list[Chunk]] = {}
    for name, probe in probes.items():
        like = jax.eval_shape(lambda probe=probe: probe.buffer(length, None))
        if probe.streams:
            chunks[name] = []
        elif probe.carried:
            chunks[name] = [_chunk(like, name, places[name], kept.get(name, {}))] if name in places else []
        else:
            found = [(place, tree.get(name, {}).get(str(i), {})) for tree, table in segments for i, place in enumerate(table.get(name, []))]
            chunks[name] = [_chunk(like, name, place, leaves) for place, leaves in found]
    return chunks


def _chunk(like: Any, name: str, place: Any, tree: Mapping[str, Any]) -> Chunk:
    """A chunk of a recorder, held against what the recorder would fill."""
    wanted, structure = jax.tree.flatten(like)
    found = [tree.get(str(i)) for i in range(len(wanted))]
    if not (isinstance(place, list) and len(place) == 2 and all(isinstance(n, int) and n >= 0 for n in place)):
        raise CorruptFileError(f"recorder {name!r}: a chunk has a first step and a number of steps; got {place!r:.60}.")
    for i, (leaf, want) in enumerate(zip(found, wanted, strict=True)):
        if leaf is None or leaf.dtype != want.dtype or leaf.shape[1:] != want.shape[1:] or len(tree) != len(wanted):
            raise CorruptFileError(f"recorder {name!r} does not fill arrays like number {i} of the file. Give the recorders of the run: `record=[...]`.")
    return Chunk(place[0], place[1], jax.tree.unflatten(structure, found))
