"""Random synapse layouts and histories, and the delivery of spikes written as plain loops in the order of the contract."""

from typing import NamedTuple

import numpy as np


class Case(NamedTuple):
    """Operands of one delivery, in the order of `deliver_native`."""

    step: np.ndarray
    delays: np.ndarray
    ids: np.ndarray
    count: np.ndarray
    start: np.ndarray
    bounds: np.ndarray
    targets: np.ndarray
    weight: np.ndarray
    acc: np.ndarray


def make(
    rng,
    *,
    n_source=40,
    n_blocks=3,
    n_ports=2,
    width=17,
    delays=(1, 3, 4),
    depth=8,
    mean=6.0,
    kind="edge",
    targets=np.uint16,
    weights=np.float32,
    sums=np.float32,
    rate=0.3,
    padding=5,
) -> Case:
    """A layout drawn at random; rows may be empty and hold a target more than once."""
    n_delays, block = len(delays), n_ports * width
    lengths = rng.poisson(mean / n_delays, (n_source, n_delays * n_blocks))
    lengths[rng.integers(n_source)] = 0
    bounds = np.zeros((n_source, n_delays * n_blocks + 1), np.uint32)
    bounds[:, 1:] = np.cumsum(lengths, -1)
    first = np.concatenate([[0], np.cumsum(lengths.sum(-1))])[:-1]
    start = np.stack([first & 0xFFFFFFFF, first >> 32], -1).astype(np.uint32)
    n_edges = int(lengths.sum()) + padding
    local = rng.integers(0, block, n_edges).astype(targets)
    local[n_edges - padding :] = np.iinfo(targets).max  # padding is never read
    shape = {"one": (), "source": (n_source,), "edge": (n_edges,)}[kind]
    ids, count = history(rng, depth, n_source, rate)
    step = np.uint32(rng.integers(0, 2**32, dtype=np.uint64))
    acc = rng.normal(size=(n_blocks, block)).astype(sums)
    weight = (rng.normal(size=shape) * 2.0 ** rng.integers(-20, 4, shape)).astype(weights)
    return Case(step, np.array(delays, np.int32), ids, count, start, bounds, local, np.asarray(weight), acc)


def history(rng, depth, n_source, rate):
    """A ring of sorted spikes; entries past the count are rubbish."""
    fired = rng.random((depth, n_source)) < rate
    count = fired.sum(1).astype(np.int32)
    ids = np.full((depth, n_source), 2**31 - 1, np.int32)
    for row in range(depth):
        ids[row, : count[row]] = np.flatnonzero(fired[row])
    return ids, count


def plain(case: Case) -> np.ndarray:
    """Sums in the order delay, source, edge; one addition at a time."""
    acc = case.acc.copy()
    depth = len(case.count)
    per_edge = case.weight.shape == case.targets.shape
    for d, delay in enumerate(case.delays):
        row = (int(case.step) - int(delay)) % 2**32 % depth
        for source in case.ids[row, : case.count[row]]:
            low, high = (int(x) for x in case.start[source])
            begin = low + (high << 32)
            for block in range(len(acc)):
                piece = d * len(acc) + block
                edges = slice(begin + int(case.bounds[source, piece]), begin + int(case.bounds[source, piece + 1]))
                weight = case.weight[edges] if per_edge else case.weight[source] if case.weight.ndim else case.weight
                np.add.at(acc[block], case.targets[edges].astype(np.int64), np.asarray(weight).astype(acc.dtype))
    return acc
