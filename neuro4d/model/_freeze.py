"""Delays that were trained, put back on the grid."""

import dataclasses
from collections.abc import Mapping
from typing import TypeVar

import brainunit as u
import jax.numpy as jnp
import numpy as np

from neuro4d._base import attach
from neuro4d.model._fields import ModelFields
from neuro4d.model._origin import wiring_of
from neuro4d.ops import FreeDelays, Pathway

M = TypeVar("M", bound=ModelFields)


def freeze(model: M) -> M:
    """A model in which every delay lies on the grid, and synapses are kept for events."""
    return freeze_at(model, {name: _steps(name, path.free) for name, path in model.pathways.items() if path.free is not None})


def freeze_at(model: M, steps: Mapping[str, np.ndarray]) -> M:
    """The same, with given delays by pathway, in steps, one per edge."""
    free = {name: path.free for name, path in model.pathways.items() if path.free is not None}
    paths = model.pathways | {name: _frozen(model.pathways[name], free[name], steps[name]) for name in free}
    origin = dataclasses.replace(model.origin, frozen=(*model.origin.frozen, *free), wiring=wiring_of(paths, model.gaps))
    return dataclasses.replace(model, pathways=paths, origin=origin)


def _frozen(path: Pathway, free: FreeDelays, steps: np.ndarray) -> Pathway:
    """The edges of a pathway in the order (source, delay, target, port, definition)."""
    source, place = np.asarray(free.source), np.asarray(free.place)
    block, local = np.divmod(place, path.block_size)
    port, inside = np.divmod(local, path.width)
    order = np.lexsort((port, inside, block, steps, source))  # stable: what is equal stays in the order of definition
    delays = np.unique(steps).astype(np.int32) if steps.size else np.ones(1, np.int32)
    n_pieces = len(delays) * path.n_blocks
    piece = source.astype(np.int64) * n_pieces + np.searchsorted(delays, steps) * path.n_blocks + block
    lengths = np.bincount(piece, minlength=path.n_source * n_pieces).reshape(path.n_source, n_pieces)
    bounds = np.concatenate([np.zeros((path.n_source, 1), np.int64), np.cumsum(lengths, axis=1)], axis=1)
    weight = path.weight[order] if path.weight_kind == "edge" else path.weight
    return dataclasses.replace(
        path,
        targets=path.targets[order],
        weight=weight,
        delays=jnp.asarray(delays),
        bounds=jnp.asarray(bounds, jnp.uint32),
        free=None,
    )


def _steps(name: str, free: FreeDelays) -> np.ndarray:
    delay = np.asarray(free.delay, np.float64)
    bad = ~((delay >= free.low - 1e-6) & (delay <= free.high + 1e-6))
    if np.any(bad):
        at = int(np.argmax(bad))
        raise ValueError(
            f"pathway {name!r}: delay {at} is {attach(delay[at], u.ms)}, outside of its bounds {free.low:g} to {free.high:g} ms. Keep delays "
            "between them: `jnp.clip(delay, low, high)` after every update."
        )
    return np.maximum(np.rint(delay / free.dt), 1).astype(np.int64)
