"""Queues of links as a fluid: how long packets wait on average, from how many come from where and when."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from neuro4d.hardware._flights import Flights
from neuro4d.hardware._groups import groups, spans
from neuro4d.hardware._route import Routes

FULL = 0.95
"""Share of a link's time from which on random arrivals are no longer counted as if they went on for ever."""


class Streams(NamedTuple):
    """Packets that come to a queue, `(queues, streams)`: how `many`, from time `first` to `last`, evenly; and whether they come singly, in a `row`, by one link."""

    many: Float[np.ndarray, "q s"]
    first: Float[np.ndarray, "q s"]
    last: Float[np.ndarray, "q s"]
    row: Float[np.ndarray, "q s"]


def fluid(found: Flights, routes: Routes, within: float, hop: float, link: float) -> Float[np.ndarray, " k"]:
    """The mean wait in s at the queue of each row of `found`, when spikes are sent over the time `within`, with `hop` and `link` in s."""
    key = found.step * len(routes.link_of) + found.channel
    source = np.where(found.parent < 0, -1, found.channel[found.parent])
    queues, number, count = np.unique(key, return_inverse=True, return_counts=True)
    number = number.ravel()
    pairs, bunch = _bunches(found, number, len(queues))
    order = np.lexsort((source, number))  # rows of a queue together, and in it those that come from one
    start = np.searchsorted(number[order], np.arange(len(queues) + 1))
    level = levels(routes)[queues % len(routes.link_of)]
    leave, wait = np.zeros(len(key)), np.zeros(len(queues))
    for some in groups(level):
        rows = order[spans(start[some], count[some])]
        queue = np.repeat(np.arange(len(some)), count[some])
        local = found.parent[rows] < 0
        come = np.where(local, within * _even(found.packet[rows]), leave[found.parent[rows]] + hop)
        wait[some] = _served(_streams(queue, source[rows], come, local, within, link), count[some], bunch[some], link)
        begun = np.bincount(queue, local)[queue] - 1
        own = begun * _even(rows) * link if within == 0 else wait[some][queue]  # of those that start at once, each has its place
        leave[rows] = come + np.where(local, own, wait[some][queue]) + link
    return (wait + (pairs / count * link if within else 0.0))[number]


def _streams(
    queue: Int[np.ndarray, " k"],
    source: Int[np.ndarray, " k"],
    come: Float[np.ndarray, " k"],
    local: Bool[np.ndarray, " k"],
    within: float,
    link: float,
) -> Streams:
    """Rows that come by one link are a stream, as long as its mean and its spread say; at least as long as the link needs for them."""
    new = np.concatenate([[True], (queue[1:] != queue[:-1]) | (source[1:] != source[:-1])])
    begin = np.flatnonzero(new)
    many = np.diff(np.concatenate([begin, [len(queue)]])).astype(float)
    mean, square = (np.add.reduceat(x, begin) / many for x in (come, come**2))
    half = np.sqrt(3 * np.maximum(square - mean**2, 0))
    half = np.maximum(half, (many - 1) / 2 * link)
    half = np.where(local[begin], within / 2, half)
    first, last = np.maximum(mean - half, 0), mean + half
    owner = queue[begin]
    slot = np.arange(len(begin)) - np.searchsorted(owner, owner)
    made = [np.zeros((int(queue[-1]) + 1, int(slot.max()) + 1)) for _ in Streams._fields]
    for table, values in zip(made, (many, first, last, ~local[begin]), strict=True):
        table[owner, slot] = values
    return Streams(*made)


def _even(number: Int[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """Numbers from 0 to 1 for whole numbers, spread evenly whichever of them are taken (Weyl's sequence of the golden ratio)."""
    return number * ((np.sqrt(5) - 1) / 2) % 1.0


def _bunches(found: Flights, number: Int[np.ndarray, " k"], queues: int) -> tuple[Float[np.ndarray, " q"], Float[np.ndarray, " q"]]:
    """Packets that one spike sends over one link at once: pairs of them, and how many a packet finds in its bunch, itself included."""
    start = found.parent < 0
    (queue, _), size = np.unique(np.stack([number[start], found.packet[start]]), axis=1, return_counts=True)
    total, squares = (np.bincount(queue, x, queues) for x in (size, size**2))
    return (squares - total) / 2, np.where(total > 0, squares / np.maximum(total, 1), 1.0)


def _served(come: Streams, count: Int[np.ndarray, " q"], bunch: Float[np.ndarray, " q"], link: float) -> Float[np.ndarray, " q"]:
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
    return np.maximum(total, 0) / count


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
