"""Queues of links as a fluid: how long packets wait on average, from how many come from where and when."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from neuro4d.hardware._flights import Flights
from neuro4d.hardware._route import Routes

FULL = 0.95
"""Share of a link's time from which on random arrivals are no longer counted as if they went on for ever."""


class Streams(NamedTuple):
    """Packets that come to a queue, `(queues, streams)`: how `many`, from time `first` to `last`, evenly; and whether they come singly, in a `row`, by one link."""

    many: Float[np.ndarray, "q s"]
    first: Float[np.ndarray, "q s"]
    last: Float[np.ndarray, "q s"]
    row: Float[np.ndarray, "q s"]


class Queues(NamedTuple):
    """Mean `wait` in each queue, and when the `first` and the `last` packet have left, in s, `(queues,)`."""

    wait: Float[np.ndarray, " q"]
    first: Float[np.ndarray, " q"]
    last: Float[np.ndarray, " q"]


def fluid(found: Flights, routes: Routes, within: float, hop: float, link: float) -> Float[np.ndarray, " k"]:
    """The mean wait in s at the queue of each row of `found`, when spikes are sent over the time `within`, with `hop` and `link` in s."""
    key = found.step * len(routes.link_of) + found.channel
    above = np.where(found.parent < 0, -1, key[found.parent])
    queues, number, count = np.unique(key, return_inverse=True, return_counts=True)
    pairs, bunch = _bunches(found, number.ravel(), len(queues))
    level = levels(routes)[queues % len(routes.link_of)]
    edge, flow = np.unique(np.stack([number.ravel(), np.where(above < 0, -1, np.searchsorted(queues, above))]), axis=1, return_counts=True)
    order = np.argsort(edge[0], kind="stable")
    (into, source), flow = edge[:, order], flow[order]
    start = np.searchsorted(into, np.arange(len(queues) + 1))
    served = Queues(*(np.zeros(len(queues)) for _ in Queues._fields))
    for some in _by(level):
        width = int((start[some + 1] - start[some]).max())
        at = start[some][:, None] + np.arange(width)
        there = at < start[some + 1][:, None]
        at = np.where(there, at, 0)
        local = source[at] < 0
        streams = Streams(
            many=np.where(there, flow[at], 0).astype(float),
            first=np.where(local, 0.0, served.first[source[at]] + hop),
            last=np.where(local, within, served.last[source[at]] + hop),
            row=np.where(local, 0.0, 1.0),
        )
        for mine, value in zip(served, _served(streams, count[some], bunch[some], link), strict=True):
            mine[some] = value
    wait = served.wait + (pairs / count * link if within else 0.0)
    return wait[number.ravel()]


def _bunches(found: Flights, number: Int[np.ndarray, " k"], queues: int) -> tuple[Float[np.ndarray, " q"], Float[np.ndarray, " q"]]:
    """Packets that one spike sends over one link at once: pairs of them, and how many a packet finds in its bunch, itself included."""
    start = found.parent < 0
    (queue, _), size = np.unique(np.stack([number[start], found.packet[start]]), axis=1, return_counts=True)
    total, squares = (np.bincount(queue, x, queues) for x in (size, size**2))
    return (squares - total) / 2, np.where(total > 0, squares / np.maximum(total, 1), 1.0)


def _served(come: Streams, count: Int[np.ndarray, " q"], bunch: Float[np.ndarray, " q"], link: float) -> Queues:
    """Goes through the times at which streams begin or end; between them, queues grow or shrink evenly."""
    jump = come.last <= come.first
    span = np.where(jump, 1.0, come.last - come.first)
    none = come.many == 0
    times = np.sort(np.concatenate([np.where(none, 0.0, come.first), np.where(none, 0.0, come.last)], axis=1), axis=1)
    queue, total = np.zeros(len(count)), np.zeros(len(count))
    for i in range(times.shape[1]):
        now = times[:, i]
        then = times[:, i + 1] if i + 1 < times.shape[1] else np.full_like(now, np.inf)
        new = now > times[:, i - 1] if i else np.ones(len(now), bool)
        sudden = np.where(jump & (come.first == now[:, None]) & new[:, None], come.many, 0).sum(axis=1)
        queue, total = queue + sudden, total - sudden * link / 2
        on = ~jump & (come.first <= now[:, None]) & (come.last > now[:, None])
        rate = np.where(on, come.many / span, 0.0)
        gone, area, idle = _between(queue, rate.sum(axis=1), then - now, link)
        queue, total = gone, total + area + idle * _jostle(rate, come.row, idle, link) * bunch
    first = np.where(none, np.inf, come.first).min(axis=1) + link
    last = np.maximum(times[:, -1] + link, first + (count - 1) * link)
    return Queues(np.maximum(total, 0) / count, first, last)


def _between(
    queue: Float[np.ndarray, " q"], rate: Float[np.ndarray, " q"], time: Float[np.ndarray, " q"], link: float
) -> tuple[Float[np.ndarray, " q"], Float[np.ndarray, " q"], Float[np.ndarray, " q"]]:
    """Queues after a while, what was waited in it, and how many packets came while nobody waited."""
    grow = rate - 1 / link
    empty = np.where(grow < 0, queue / np.maximum(-grow, 1e-300), np.inf)
    part = np.minimum(empty, time)
    after = np.where(part < time, 0.0, np.maximum(queue + grow * part, 0.0))
    rest = np.where(np.isfinite(time), np.maximum(time - part, 0.0), 0.0)
    return after, part * (queue + after) / 2, rate * rest


def _jostle(
    rate: Float[np.ndarray, "q s"], row: Float[np.ndarray, "q s"], many: Float[np.ndarray, " q"], link: float
) -> Float[np.ndarray, " q"]:
    """Mean wait of packets that come at random to a link that keeps up: those of one link never meet each other."""
    busy = rate.sum(axis=1) * link
    same = (row * (rate * link) ** 2).sum(axis=1)
    others = np.maximum(busy - same / np.maximum(busy, 1e-300), 0.0)
    return link * np.minimum(others / (2 * np.maximum(1 - busy, 1 - FULL)), np.sqrt(many) / 2)


def levels(routes: Routes) -> Int[np.ndarray, " channels"]:
    """How many channels can come before each: a queue is looked at after all those from which packets come to it. Routes without circles only."""
    level = np.zeros(len(routes.link_of), np.int64)
    first, then = routes.turns.T
    while True:
        found = level.copy()
        np.maximum.at(found, then, level[first] + 1)
        if (found == level).all():
            return level
        level = found


def _by(level: Int[np.ndarray, " q"]) -> list[Int[np.ndarray, " k"]]:
    order = np.argsort(level, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(level[order])) + 1)
