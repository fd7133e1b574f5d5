"""Packets that wait for links: a discrete-time model in which all links, of all steps of a run, move at once."""

import heapq
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from neuro4d.hardware._groups import groups, spans

NEVER = np.iinfo(np.int64).max


class Crossings(NamedTuple):
    """What has to pass which link: one crossing for each packet and link, `(k,)`.

    **Fields:** `channel` that it takes; `parent`: the crossing that brings the packet there, -1 where it starts; `release`: tick at which it starts, for those; `rank`:
    who goes first of crossings that come to a link at the same tick.
    """

    channel: Int[np.ndarray, " k"]
    parent: Int[np.ndarray, " k"]
    release: Int[np.ndarray, " k"]
    rank: Int[np.ndarray, " k"]


class Rules(NamedTuple):
    """Ticks for which a packet occupies a link (`service`) and takes from its end on through the next router (`hop`); packets that the end of a channel
    holds (`buffer`) and ticks after which a packet that is blocked is dropped (`timeout`), each `None` where there is no end to it."""

    service: int
    hop: int
    buffer: int | None = None
    timeout: int | None = None


class Passed(NamedTuple):
    """When each crossing came to its end, in ticks, -1 where it never did; which were dropped; the longest queue of every link; and how many still wait for
    each other when nothing moves any more."""

    arrived: Int[np.ndarray, " k"]
    dropped: Bool[np.ndarray, " k"]
    longest: Int[np.ndarray, " links"]
    stuck: int


def pass_all(crossings: Crossings, link_of: Int[np.ndarray, " channels"], rules: Rules) -> Passed:
    """Lets all packets through: each link serves who came first, one packet at a time.

    A packet lies at the end of the link by which it came until the last of its copies has begun to leave, and a link begins nothing for which there is no room at
    its end. Packets that start wait in their core, which holds any number. Time goes from event to event: ticks at which nothing can change are not looked at.
    """
    network = _Network(crossings, link_of, rules)
    while network.events:
        network.tick()
    waiting = (network.arrived < 0) & ~network.dropped & (network.since >= 0)
    return Passed(network.arrived, network.dropped, network.longest, int(waiting.sum()))


def pass_freely(crossings: Crossings, level: Int[np.ndarray, " channels"], rules: Rules) -> Passed:
    r"""The same as `pass_all` where nothing is held back or dropped and each channel is a link: queue by queue instead of tick by tick.

    `level`: of channels; packets go on to higher ones only. So all that comes to a queue is known before it is looked at, and those that leave it are $s_k =
    \max(a_k, s_{k-1} + t)$, a running maximum.
    """
    arrived, longest = np.full(len(crossings.channel), -1), np.zeros(len(level), np.int64)
    for jobs in groups(level[crossings.channel]):
        parent, channel = crossings.parent[jobs], crossings.channel[jobs]
        come = np.where(parent < 0, crossings.release[jobs], arrived[parent])
        line = np.lexsort((crossings.rank[jobs], come, channel))
        jobs, come, channel = jobs[line], come[line], channel[line]
        queue = np.cumsum(np.concatenate([[0], channel[1:] != channel[:-1]]))
        first = np.searchsorted(queue, np.arange(queue[-1] + 1))
        place = np.arange(len(jobs)) - first[queue]
        wide = int(come.max()) + (int(place.max()) + 1) * rules.service + 1
        begin = np.maximum.accumulate(queue * 2 * wide + come - place * rules.service) - queue * 2 * wide + place * rules.service
        arrived[jobs] = begin + rules.service + rules.hop
        gone = np.searchsorted(queue * wide + begin, queue * wide + come, side="right")
        here = np.searchsorted(queue * wide + come, queue * wide + come, side="right")
        np.maximum.at(longest, channel, here - gone)
    return Passed(arrived, np.zeros(len(arrived), bool), longest, 0)


class _Network:
    """All queues at one tick. The queue of a channel is a list from `head` along `after` to `tail`."""

    def __init__(self, crossings: Crossings, link_of: Int[np.ndarray, " channels"], rules: Rules):
        self.jobs, self.link_of, self.rules = crossings, link_of, rules
        n, channels, links = len(crossings.channel), len(link_of), int(link_of.max(initial=-1)) + 1
        self.head, self.tail, self.after = np.full(channels, -1), np.full(channels, -1), np.full(n, -1)
        self.since, self.arrived, self.dropped = np.full(n, -1), np.full(n, -1), np.zeros(n, bool)
        self.room = np.full(channels, NEVER if rules.buffer is None else rules.buffer)
        self.length, self.longest, self.free = np.zeros(links, np.int64), np.zeros(links, np.int64), np.ones(links, bool)
        self.channels = _by_link(link_of, links)
        self.first = np.searchsorted(np.sort(crossings.parent), np.arange(n + 1))
        self.children = np.argsort(crossings.parent, kind="stable")
        self.pending = np.diff(self.first)
        self.coming: dict[int, list[Int[np.ndarray, " k"]]] = {}
        self.ending: dict[int, list[Int[np.ndarray, " k"]]] = {}
        self.starts: dict[int, Int[np.ndarray, " k"]] = {}
        roots = np.flatnonzero(crossings.parent < 0)
        for some in groups(crossings.release[roots]):
            self.starts[int(crossings.release[roots[some[0]]])] = roots[some]
        self.known = set(self.starts)
        self.events = sorted(self.starts)  # a heap

    def tick(self) -> None:
        """The next tick at which something happens."""
        now = heapq.heappop(self.events)
        self.known.discard(now)
        come = self.coming.pop(now, [])
        new = [self._arrive(np.concatenate(come), now)] if come else []
        new += [self.starts.pop(now)] if now in self.starts else []
        for links in self.ending.pop(now, []):
            self.free[links] = True
        touched = self._queue(np.concatenate(new), now) if new else np.zeros(0, np.int64)
        again = True
        while again:
            again = (self._begin(now) and self.rules.buffer is not None) or self._drop(now)
        self.longest[touched] = np.maximum(self.longest[touched], self.length[touched])

    def _at(self, tick: int) -> None:
        if tick not in self.known:
            self.known.add(tick)
            heapq.heappush(self.events, tick)

    def _arrive(self, jobs: Int[np.ndarray, " k"], now: int) -> Int[np.ndarray, " c"]:
        """Packets come to the end of a link: some are where they should be, others go on, as copies where ways part."""
        self.arrived[jobs] = now
        np.add.at(self.room, self.jobs.channel[jobs[self.pending[jobs] == 0]], self.rules.buffer is not None)
        count = self.first[jobs + 1] - self.first[jobs]
        return self.children[spans(self.first[jobs], count)]

    def _queue(self, jobs: Int[np.ndarray, " k"], now: int) -> Int[np.ndarray, " l"]:
        """To the end of their queues; the links that they wait for."""
        if not len(jobs):
            return jobs
        channel = self.jobs.channel[jobs]
        order = np.lexsort((self.jobs.rank[jobs], channel))
        jobs, channel = jobs[order], channel[order]
        begin = np.concatenate([[True], channel[1:] != channel[:-1]])
        end = np.concatenate([begin[1:], [True]])
        self.after[jobs[:-1]] = np.where(end[:-1], -1, jobs[1:])
        first, of = jobs[begin], channel[begin]
        empty = self.head[of] < 0
        self.head[of[empty]] = first[empty]
        self.after[self.tail[of[~empty]]] = first[~empty]
        self.tail[of] = jobs[end]
        self.since[jobs] = now
        links = self.link_of[channel]
        np.add.at(self.length, links, 1)
        if self.rules.timeout is not None:
            self._at(now + self.rules.timeout)
        return np.unique(links)

    def _begin(self, now: int) -> bool:
        """Free links take the packet that came first among those for which there is room; whether any did."""
        links = np.flatnonzero(self.free & (self.length > 0))
        heads = np.where(self.channels[links] >= 0, self.head[self.channels[links]], -1)
        open_ = (heads >= 0) & (self.room[self.channels[links]] > 0)
        key = np.where(open_, self.since[heads] * (len(self.since) + 1) + self.jobs.rank[heads], NEVER)
        best = np.argmin(key, axis=1) if len(links) else np.zeros(0, np.int64)
        can = key[np.arange(len(links)), best] < NEVER
        links, jobs = links[can], heads[np.arange(len(heads)), best][can]
        if not len(jobs):
            return False
        self._leave(jobs)
        if self.rules.buffer is not None:
            self.room[self.jobs.channel[jobs]] -= 1
        self.free[links] = False
        done = now + self.rules.service
        for tick, where, what in ((done, self.ending, links), (done + self.rules.hop, self.coming, jobs)):
            where.setdefault(tick, []).append(what)
            self._at(tick)
        return True

    def _drop(self, now: int) -> bool:
        """Drops packets that have been blocked for too long; whether there were any."""
        if self.rules.timeout is None:
            return False
        heads = self.head[self.head >= 0]
        late = heads[now - self.since[heads] >= self.rules.timeout]
        self._leave(late)
        self.dropped[late] = True
        return len(late) > 0

    def _leave(self, jobs: Int[np.ndarray, " k"]) -> None:
        """Heads leave their queues; a packet whose last copy leaves gives up its room."""
        channel, parent = self.jobs.channel[jobs], self.jobs.parent[jobs]
        self.head[channel] = self.after[jobs]
        self.tail[channel[self.after[jobs] < 0]] = -1
        np.subtract.at(self.length, self.link_of[channel], 1)
        parent = parent[parent >= 0]
        np.subtract.at(self.pending, parent, 1)
        if self.rules.buffer is not None:
            done = np.unique(parent[self.pending[parent] == 0])
            np.add.at(self.room, self.jobs.channel[done], 1)


def _by_link(link_of: Int[np.ndarray, " channels"], links: int) -> Int[np.ndarray, "links v"]:
    """The channels of every link, filled up with -1."""
    order = np.argsort(link_of, kind="stable")
    count = np.bincount(link_of, minlength=links)
    place = np.arange(len(order)) - np.repeat(np.cumsum(count) - count, count)
    found = np.full((links, int(count.max(initial=1))), -1)
    found[link_of[order], place] = order
    return found
