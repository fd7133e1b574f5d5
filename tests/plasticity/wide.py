"""Synapses under one rule each that needs more than pairs of spikes, and what they should weigh, spike by spike and without traces.

`run` simulates all of them in one network whose neurons fire as told; `expected` sums over the earlier spikes of one synapse at a time.
"""

import functools
import itertools
import math
from typing import NamedTuple

import brainunit as u
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from core.networks import DT, lif
from plasticity.trains import Pairing

import neuro4d as n4
from neuro4d.model import locate

STEPS, PRE, POST = 500, 6, 5
W = 1e-3  # pA, so that what arrives moves nobody
DELAYS = np.random.default_rng(1).integers(1, 31, (PRE, POST)) / 10  # ms
WEIGHTS = np.random.default_rng(2).uniform(0.05, 0.95, (PRE, POST))  # of W

PAIRS = {"a_plus": 0.2, "a_minus": 0.25, "tau_plus": 8 * u.ms, "tau_minus": 11 * u.ms}
CLOPATH = {
    "a_ltd": 2e-2 / u.mV,
    "a_ltp": 2e-4 / u.mV**2,
    "theta_minus": -64 * u.mV,
    "theta_plus": -45 * u.mV,
    "rest": -65 * u.mV,
    "delay": 0.4 * u.ms,
}
RULES = {
    "vogels": n4.VogelsInhibitory(w_max=-W * u.pA, eta=0.05 * W * u.pA, rate=40 * u.Hz, tau=9 * u.ms),
    "power": n4.PowerLawSTDP(w0=W * u.pA, rate=0.1, alpha=0.6, mu=0.4, tau_plus=15 * u.ms, tau_minus=30 * u.ms),
    "reward": n4.RewardSTDP(w_max=W * u.pA, **PAIRS, tau_c=40 * u.ms, tau_n=15 * u.ms, baseline=2 * u.Hz),
    "clopath": n4.ClopathSTDP(w_max=W * u.pA, **CLOPATH, peak=30 * u.mV, width=0.5 * u.ms),
    "clopath slow": n4.ClopathSTDP(w_max=W * u.pA, **CLOPATH | {"theta_plus": -62 * u.mV}, u_ref=60 * u.mV, tau_ref=20 * u.ms),
    "bcm": n4.BCM(w_max=W * u.pA, eta=0.02, rate=100 * u.Hz, tau_theta=20 * u.ms, tau_rate=7 * u.ms),
    "oja": n4.Oja(norm=W * u.pA, eta=0.1, tau=8 * u.ms),
    "scaled": n4.Homeostasis(w_max=W * u.pA, rate=200 * u.Hz, tau=30 * u.ms, tau_rate=12 * u.ms),
    "scaled seldom": n4.Homeostasis(w_max=W * u.pA, rate=200 * u.Hz, tau=30 * u.ms, tau_rate=12 * u.ms, every=7),
    "combined": n4.Combined(
        n4.STDP(w_max=W * u.pA, **PAIRS), n4.Homeostasis(w_max=W * u.pA, rate=200 * u.Hz, tau=30 * u.ms, tau_rate=12 * u.ms, every=7)
    ),
    "dendritic": n4.Dendritic(n4.STDP(w_max=W * u.pA, **PAIRS)),
    "partly dendritic": n4.Dendritic(n4.STDP(w_max=W * u.pA, **PAIRS), 0.1 * u.ms),
}


class Told(NamedTuple):
    """What neurons do: who fires `(steps, n)`, and the dopamine at the targets `(steps, POST)`."""

    pre: np.ndarray
    post: np.ndarray
    dopamine: np.ndarray


class Heard(NamedTuple):
    """What one synapse hears: steps of arrivals and of spikes of its target, dopamine in each step, and the potential of the target at
    the beginning of the first step and at the end of each."""

    arrivals: np.ndarray
    fired: np.ndarray
    dopamine: np.ndarray
    v: np.ndarray


def network():
    pre = n4.Population("pre", PRE, lif(), {"in": n4.ExpCurrent(tau=2 * u.ms)})
    post = n4.Population("post", POST, lif(), {"in": n4.ExpCurrent(tau=2 * u.ms), "dopamine": n4.Modulator()})
    parts = [pre, post, n4.Input("to pre", pre), n4.Input("to post", post), n4.Input("reward", post, port="dopamine")]
    ends = {"delay": DELAYS.reshape(-1) * u.ms}
    for name, rule in RULES.items():
        weight = WEIGHTS.reshape(-1) * sign(name) * W * u.pA
        parts.append(n4.Projection(name, pre, post, "in", n4.AllToAll(), weight=weight, plasticity=rule, **ends))
    return n4.Network(*parts)


def sign(name):
    return -1 if name == "vogels" else 1


@functools.cache
def build():
    with jax.enable_x64(True):
        return network().build(dt=DT, seed=0, precision=jnp.float64, backend=n4.Backend.REFERENCE)


@functools.cache
def _program():
    model = build()
    spans = model.layout.projections_by_name

    def look(state, spikes):
        return {name: state.edges[span.pathway].weight for name, span in spans.items()}, state["post", "v"], spikes["pre"], spikes["post"]

    return jax.jit(lambda state, series: n4.scan(model, state, STEPS, look, series))


def told(seed, pre_rate=0.05, post_rate=0.05, reward_rate=0.02):
    """Trains with a chance per step, for neurons that may fire again after their 2 ms."""
    rng = np.random.default_rng(seed)
    draw = lambda rate, n: _apart(rng.random((STEPS, n)) < rate)  # noqa: E731
    return Told(draw(pre_rate, PRE), draw(post_rate, POST), (rng.random((STEPS, POST)) < reward_rate) * rng.uniform(0.5, 3, (STEPS, POST)))


def _apart(fires):
    """Without what falls into the 20 refractory steps after a spike."""
    free = np.zeros(fires.shape[1], int)
    for step, row in enumerate(fires):
        row &= step >= free
        free[row] = step + 21
    return fires


def run(given: Told, state=None):
    """The weights after every step by rule, as shares of `W`, `(steps, pre, post)`; the potentials `(steps + 1, post)`; the state."""
    model = build()
    with jax.enable_x64(True):
        state = model.init(jr.key(0)) if state is None else state
        first = np.asarray(state["post", "v"])
        series = {"to pre": given.pre * 1e6, "to post": given.post * 1e6, "reward": given.dopamine}
        state, (weights, v, pre, post) = _program()(state, series)
    assert np.array_equal(pre, given.pre) and np.array_equal(post, given.post)
    return {name: placed(name, np.asarray(values)) for name, values in weights.items()}, np.concatenate([first[None], v]), state


def placed(name, values):
    """From the order of the pathway to `(steps, pre, post)`."""
    edges, found = _edges(name), np.zeros((len(values), PRE, POST))
    found[:, edges[0], edges[1]] = values[:, edges[2]] / (sign(name) * W)
    return found


@functools.cache
def _edges(name):
    edges = build().edges(name)
    return edges.pre, edges.post, locate(build(), name).place


def expected(name: str, given: Told, v: np.ndarray) -> np.ndarray:
    """What the synapses of a rule should weigh after every step, `(steps, pre, post)`."""
    found = np.zeros((STEPS, PRE, POST))
    for i, j in np.ndindex(PRE, POST):
        delay = round(DELAYS[i, j] * 10)
        dendritic = {"dendritic": delay, "partly dendritic": 1}.get(name, 0)
        heard = Heard(
            np.flatnonzero(given.pre[:, i]) + delay - dendritic,
            np.flatnonzero(given.post[:, j]) + dendritic,
            given.dopamine[:, j],
            v[:, j],
        )
        found[:, i, j] = REFERENCES[name](WEIGHTS[i, j], heard)
    return found


# One synapse each, in ms, without traces -----------------------------------------------------------------------------------------


def earlier(step, others, tau):
    """The sum over spikes before a step, as it has faded until then."""
    return np.exp((others[others < step] - step) * 0.1 / tau).sum()


def vogels(w, heard):
    found = []
    for step in range(STEPS):
        if step in heard.fired:
            w = min(max(w + 0.05 * earlier(step, heard.arrivals, 9.0), 0), 1)
        if step in heard.arrivals:
            w = min(max(w + 0.05 * (earlier(step, heard.fired, 9.0) - 2 * 0.04 * 9.0), 0), 1)
        found.append(w)
    return found


def power_law(w, heard):
    found = []
    for step in range(STEPS):
        if step in heard.fired:
            w = w + 0.1 * w**0.4 * earlier(step, heard.arrivals, 15.0)
        if step in heard.arrivals:
            w = max(w - 0.1 * 0.6 * w * earlier(step, heard.fired, 30.0), 0)
        found.append(w)
    return found


def reward(w, heard):
    """Eligibility and dopamine as sums over their own past, and the integral of their product by Gauss's rule in every step."""
    marks, signals, found = [], [], []
    nodes, shares = np.polynomial.legendre.leggauss(4)
    for step in range(STEPS):
        for node, share in zip(nodes, shares, strict=True):
            at = step - 0.5 + node / 2  # the step goes from `step - 1` to `step`
            eligibility = sum(size * math.exp((when - at) * 0.1 / 40) for when, size in marks)
            dopamine = sum(size / 15 * math.exp((when - at) * 0.1 / 15) for when, size in signals)
            w = w + 0.1 * share / 2 * eligibility * (dopamine - 0.002)
        w = min(max(w, 0), 1)
        if heard.dopamine[step]:
            signals.append((step, heard.dopamine[step]))
        if step in heard.fired:
            marks.append((step, 0.2 * earlier(step, heard.arrivals, 8.0)))
        if step in heard.arrivals:
            marks.append((step, -0.25 * earlier(step, heard.fired, 11.0)))
        found.append(w)
    return found


def clopath(w, heard, peak, slow):
    """The potential on a grid a hundred times finer, straight between the ends of steps, with each average summed over all of its past."""
    v = heard.v.copy()
    if peak:
        for step in heard.fired:
            v[step + 1 : step + 6] = 30.0
    plus, minus = averaged(v, 7.0), averaged(v, 10.0)
    below = averaged(minus, 20.0)
    delayed = lambda x, end: x[end - 4] if end >= 4 else -65.0  # noqa: E731
    found = []
    for step in range(STEPS):
        end = step + 1
        above = max(v[end] + (62.0 if slow else 45.0), 0) * max(delayed(plus, end) + 64.0, 0)
        w = min(w + 2e-4 * 0.1 * earlier(step, heard.arrivals, 15.0) / 15.0 * above, 1)
        if step in heard.arrivals:
            factor = (below[end] / 60.0) ** 2 if slow else 1.0
            w = max(w - 2e-2 * factor * max(delayed(minus, end) + 64.0, 0), 0)
        found.append(w)
    return found


def averaged(x, tau):
    """The low-pass of a polygon, at its corners; it begins at -65."""
    found, mean = [-65.0], -65.0
    for begin, end in itertools.pairwise(x):
        slope = (end - begin) / 0.1
        mean = end - slope * tau + (mean - begin + slope * tau) * math.exp(-0.1 / tau)
        found.append(mean)
    return np.array(found)


def bcm(w, heard):
    theta, found = 1.0, []
    for step in range(STEPS):
        y = earlier(step, heard.fired, 7.0) / 7.0 / 0.1
        theta = theta + (1 - math.exp(-0.1 / 20)) * (y**2 - theta)
        if step in heard.arrivals:
            w = min(max(w + 0.02 * y * (y - theta), 0), 1)
        found.append(w)
    return found


def oja(w, heard):
    found = []
    for step in range(STEPS):
        if step in heard.fired:
            w = (w + 0.1 * earlier(step, heard.arrivals, 8.0)) / (1 + 0.1 * earlier(step, heard.fired, 8.0))
        found.append(w)
    return found


def scaled(w, heard, every):
    found = []
    for step in range(STEPS):
        r = math.exp(-(step + 1) * 0.1 / 12) + earlier(step + 1, heard.fired, 12.0) * math.exp(0.1 / 12) / 12 / 0.2
        if (step + 1) % every == 0:
            w = min(w * math.exp(0.1 * every / 30 * (1 - r)), 1)
        found.append(w)
    return found


def combined(w, heard):
    """Pairs, then scaling by the rate of then."""
    found = []
    for step in range(STEPS):
        if step in heard.fired:
            w = min(w + 0.2 * earlier(step, heard.arrivals, 8.0), 1)
        if step in heard.arrivals:
            w = max(w - 0.25 * earlier(step, heard.fired, 11.0), 0)
        r = math.exp(-(step + 1) * 0.1 / 12) + earlier(step + 1, heard.fired, 12.0) * math.exp(0.1 / 12) / 12 / 0.2
        if (step + 1) % 7 == 0:
            w = min(w * math.exp(0.7 / 30 * (1 - r)), 1)
        found.append(w)
    return found


def pairs(w, heard):
    fired = heard.fired
    return Pairing(0.2, 0.25, 8.0, 11.0).over(w, heard.arrivals, fired)[:STEPS]


REFERENCES = {
    "vogels": vogels,
    "power": power_law,
    "reward": reward,
    "clopath": functools.partial(clopath, peak=True, slow=False),
    "clopath slow": functools.partial(clopath, peak=False, slow=True),
    "bcm": bcm,
    "oja": oja,
    "scaled": functools.partial(scaled, every=1),
    "scaled seldom": functools.partial(scaled, every=7),
    "combined": combined,
    "dendritic": pairs,
    "partly dendritic": pairs,
}
