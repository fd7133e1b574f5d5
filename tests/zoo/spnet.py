"""Izhikevich's network with delays and learning, written down once more as its paper describes it: spike by spike, in NumPy and double precision."""

from typing import NamedTuple

import numpy as np

EXC, DELAYS, MOST = 800, 20, 10.0


class Wires(NamedTuple):
    """Synapses in any order: ends, delay in ms, first weight."""

    pre: np.ndarray
    post: np.ndarray
    delay: np.ndarray
    weight: np.ndarray


class Found(NamedTuple):
    """Spikes `(steps, n)`, weights of all synapses after each second `(seconds, k)`, and slopes in the end `(k,)`."""

    fired: np.ndarray
    weights: np.ndarray
    slope: np.ndarray


def run(wires: Wires, thalamus: np.ndarray) -> Found:
    """As many milliseconds as `thalamus` names neurons. Millisecond `t` begins with the spikes that the one before has caused."""
    n, steps = 1000, len(thalamus)
    exc = np.arange(n) < EXC
    a, d = np.where(exc, 0.02, 0.1), np.where(exc, 8.0, 2.0)
    v, u = np.full(n, -65.0), np.full(n, -13.0)
    learns = wires.pre < EXC
    weight, slope = wires.weight.astype(float).copy(), np.zeros(len(wires.pre))
    order = np.argsort(wires.post, kind="stable")
    order = order[learns[order]]
    into = np.split(order, np.searchsorted(wires.post[order], np.arange(1, n)))
    out = {(i, delay): k for i, delay, k in _by_source(wires)}
    ltp, ltd = np.zeros((n, steps + DELAYS + 1)), np.zeros(n)
    fired, kept = np.zeros((steps + 1, n), bool), []
    for t in range(steps):
        current = np.zeros(n)
        current[thalamus[t]] = 20
        for i in np.flatnonzero(fired[t]):
            ltp[i, t + DELAYS], ltd[i] = 0.1, 0.12
        for i in np.flatnonzero(fired[t]):
            k = into[i]
            slope[k] += ltp[wires.pre[k], t + DELAYS - wires.delay[k]]
        for delay in range(1, DELAYS + 1):
            for i in np.flatnonzero(fired[t - delay + 1]) if t - delay + 1 >= 0 else ():
                k = out.get((i, delay))
                if k is not None:
                    np.add.at(current, wires.post[k], weight[k])
                    if i < EXC:
                        slope[k] -= ltd[wires.post[k]]
        for _ in range(2):
            v = v + 0.5 * (0.04 * v * v + 5 * v + 140 - u + current)
        u = u + a * (0.2 * v - u)
        ltp[:, t + DELAYS + 1], ltd = 0.95 * ltp[:, t + DELAYS], 0.95 * ltd
        fired[t + 1] = v >= 30
        v, u = np.where(fired[t + 1], -65.0, v), np.where(fired[t + 1], u + d, u)
        if (t + 1) % 1000 == 0:
            weight[learns] = np.clip(weight[learns] + 0.01 + slope[learns], 0, MOST)
            slope *= 0.9
            kept.append(weight.copy())
    for i in np.flatnonzero(fired[steps]):  # those that the last millisecond has caused
        slope[into[i]] += ltp[wires.pre[into[i]], steps + DELAYS - wires.delay[into[i]]]
    return Found(fired[1:], np.array(kept), slope)


def _by_source(wires: Wires):
    """The synapses of each source and delay."""
    key = wires.pre * (DELAYS + 1) + wires.delay
    order = np.argsort(key, kind="stable")
    for some in np.split(order, np.flatnonzero(np.diff(key[order])) + 1):
        yield int(wires.pre[some[0]]), int(wires.delay[some[0]]), some
