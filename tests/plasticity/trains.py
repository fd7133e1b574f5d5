"""Synapses under one rule each, whose sources and targets fire exactly as told, and what they should weigh, pair by pair."""

import functools
from typing import NamedTuple

import brainunit as u
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from core.networks import DT

import neuro4d as n4
from neuro4d.model import locate

STEPS, N, PRE, POST = 250, 82, 6, 5
W_MAX = 1e-3  # pA, so that what arrives moves nobody

STRONG = {"a_plus": 0.2, "a_minus": 0.25, "tau_plus": 8 * u.ms, "tau_minus": 11 * u.ms}
RULES = {
    "additive": STRONG,
    "power law": STRONG | {"mu_plus": 0.4, "mu_minus": 1},
    "nearest inhibitory": STRONG | {"mu_plus": 1, "mu_minus": 0.7, "pairing": "nearest"},
}
TRIPLETS = {"a2_plus": 0.02, "a3_plus": 0.08, "a2_minus": 0.06, "a3_minus": 0.03}
TRIPLETS |= {"tau_plus": 8 * u.ms, "tau_minus": 11 * u.ms, "tau_x": 25 * u.ms, "tau_y": 32 * u.ms}
KINDS = {"triplets": "all", "nearest triplets": "nearest"}
NAMES = (*RULES, *KINDS)
DELAYS = np.random.default_rng(1).integers(1, 31, (PRE, POST)) / 10  # ms
WEIGHTS = np.random.default_rng(2).uniform(0, 1, (PRE, POST))  # of w_max


def w_max_of(name):
    return -W_MAX if "inhibitory" in name else W_MAX


def network():
    membrane = n4.LIF(tau=10 * u.ms, c=250 * u.pF, v_rest=-65 * u.mV, v_th=-50 * u.mV, v_reset=-65 * u.mV)
    pre, post = (n4.Population(name, N, membrane, {"in": n4.ExpCurrent(tau=2 * u.ms)}) for name in ("pre", "post"))
    parts = [pre, post, n4.Input("to pre", pre), n4.Input("to post", post)]
    rules = {name: n4.STDP(w_max=w_max_of(name) * u.pA, **values) for name, values in RULES.items()} | {
        name: n4.TripletSTDP(w_max=W_MAX * u.pA, pairing=pairing, **TRIPLETS) for name, pairing in KINDS.items()
    }
    one_each = {"weight": W_MAX / 2 * u.pA, "delay": 1 * u.ms, "plasticity": rules["additive"]}
    parts.append(n4.Projection("window", pre, post, "in", n4.OneToOne(), **one_each))
    ends = {"delay": DELAYS.reshape(-1) * u.ms}
    for name, rule in rules.items():
        weight = WEIGHTS.reshape(-1) * w_max_of(name) * u.pA
        parts.append(n4.Projection(name, pre[:PRE], post[:POST], "in", n4.AllToAll(), weight=weight, plasticity=rule, **ends))
    return n4.Network(*parts)


@functools.cache
def build(backend=n4.Backend.REFERENCE):
    with jax.enable_x64(True):
        return network().build(dt=DT, seed=0, precision=jnp.float64, backend=backend)


@functools.cache
def _program(backend):
    model = build(backend)
    look = lambda state, spikes: {name: state.edges[span.pathway].weight for name, span in model.layout.projections_by_name.items()}  # noqa: E731
    return jax.jit(lambda state, series: n4.scan(model, state, STEPS, look, series))


def series(pre, post):
    """A current that makes a neuron fire in each step in which it should."""
    wide = lambda x: np.pad(np.asarray(x, float), ((0, 0), (0, N - x.shape[1]))) * 1e6  # noqa: E731
    return {"to pre": wide(pre), "to post": wide(post)}


def weights(pre, post, state=None, backend=n4.Backend.REFERENCE):
    """The weights after every step by projection, as shares of their bound `(steps, pre, post)`, for spikes `(steps, n)`; and the state."""
    model = build(backend)
    with jax.enable_x64(True):
        state = model.init(jr.key(0)) if state is None else state
        found = []
        for low in range(0, len(pre), STEPS):
            state, some = _program(backend)(state, series(pre[low : low + STEPS], post[low : low + STEPS]))
            found.append(some)
        whole = {name: np.concatenate([np.asarray(some[name]) for some in found]) for name in model.projections}
    return {name: in_rows(backend, name, values) for name, values in whole.items()}, state


@functools.cache
def _edges(backend, name):
    return build(backend).edges(name)


@functools.cache
def _places(backend, name):
    return locate(build(backend), name).place


def in_rows(backend, name, values):
    """From the order of the pathway to `(steps, pre, post)`, or to `(steps, n)` for pairs."""
    values = values[:, _places(backend, name)]
    edges = _edges(backend, name)
    if name == "window":
        return values / W_MAX
    placed = np.zeros((len(values), PRE, POST))
    placed[:, edges.pre, edges.post] = values / w_max_of(name)
    return placed


class Triplets(NamedTuple):
    """One synapse under triplets, summed over earlier spikes in ms."""

    a2_plus: float
    a3_plus: float
    a2_minus: float
    a3_minus: float
    tau_plus: float
    tau_minus: float
    tau_x: float
    tau_y: float
    pairing: str = "all"

    def over(self, w: float, arrivals: np.ndarray, fired: np.ndarray) -> np.ndarray:
        """As `Pairing.over`."""
        arrive, fire, found = set(arrivals.tolist()), set(fired.tolist()), []
        counted = slice(-1, None) if self.pairing == "nearest" else slice(None)
        heard = lambda step, others, tau: np.exp((others[others < step][counted] - step) * 0.1 / tau).sum()  # noqa: E731
        for step in range(2 * STEPS):
            if step in fire:
                triplets = self.a3_plus * heard(step, fired, self.tau_y)
                w = min(w + heard(step, arrivals, self.tau_plus) * (self.a2_plus + triplets), 1.0)
            if step in arrive:
                triplets = self.a3_minus * heard(step, arrivals, self.tau_x)
                w = max(w - heard(step, fired, self.tau_minus) * (self.a2_minus + triplets), 0.0)
            found.append(w)
        return np.array(found)


class Pairing(NamedTuple):
    """One synapse as its definition says it, summed over pairs of spikes in ms."""

    a_plus: float
    a_minus: float
    tau_plus: float
    tau_minus: float
    mu_plus: float = 0.0
    mu_minus: float = 0.0
    pairing: str = "all"

    def over(self, w: float, arrivals: np.ndarray, fired: np.ndarray) -> np.ndarray:
        """The weight after each step, as a share of its bound; `arrivals` and `fired` are steps."""
        arrive, fire, found = set(arrivals.tolist()), set(fired.tolist()), []
        for step in range(2 * STEPS):
            if step in fire:
                w = min(w + self.a_plus * (1 - w) ** self.mu_plus * self._sum(step, arrivals, self.tau_plus), 1.0)
            if step in arrive:
                w = max(w - self.a_minus * w**self.mu_minus * self._sum(step, fired, self.tau_minus), 0.0)
            found.append(w)
        return np.array(found)

    def _sum(self, step: int, others: np.ndarray, tau: float) -> float:
        earlier = others[others < step]
        return np.exp((earlier[-1:] if self.pairing == "nearest" else earlier) * 0.1 / tau - step * 0.1 / tau).sum()


def definition(name: str) -> Pairing | Triplets:
    """A rule as its definition says it, with bare numbers."""
    values = TRIPLETS | {"pairing": KINDS[name]} if name in KINDS else RULES[name]
    bare = {key: x.to_decimal(u.ms) if isinstance(x, u.Quantity) else x for key, x in values.items()}
    return Triplets(**bare) if name in KINDS else Pairing(**bare)


def expected(name: str, pre: np.ndarray, post: np.ndarray) -> np.ndarray:
    """What the synapses of a rule should weigh after every step, `(steps, pre, post)`."""
    found = np.zeros((len(pre), PRE, POST))
    for i, j in np.ndindex(PRE, POST):
        arrivals = np.flatnonzero(pre[:, i]) + round(DELAYS[i, j] * 10)
        found[:, i, j] = definition(name).over(WEIGHTS[i, j], arrivals, np.flatnonzero(post[:, j]))
    return found


def random_trains(seed: int, pre_rate: float = 0.05, post_rate: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Spikes `(steps, n)` of sources and targets, with a chance per step."""
    rng = np.random.default_rng(seed)
    return rng.random((2 * STEPS, PRE)) < pre_rate, rng.random((2 * STEPS, POST)) < post_rate
