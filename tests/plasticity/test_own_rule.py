"""The rule of the how-to page holds what every rule holds: its equation, its bounds, chunks and saved states."""

import math
import re

import brainunit as u
import jax
import jax.random as jr
import numpy as np
import pytest
from core.networks import DT, lif, same
from layer_rules import ROOT

import neuro4d as n4

PAGE = (ROOT / "docs" / "howto" / "own-plasticity.md").read_text(encoding="utf-8")
BLOCK = next(text for text in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "class Calcium" in text)


@pytest.fixture(scope="module")
def calcium():
    names = {}
    exec(compile(BLOCK, "own-plasticity.md", "exec"), names)
    return names["Calcium"]


def told(rule):
    """One synapse per pair of neurons that fire as told, with a delay of 5 steps."""
    pre, post = (n4.Population(name, 20, lif(), {"in": n4.ExpConductance(tau=2 * u.ms, e_rev=-65 * u.mV)}) for name in ("pre", "post"))
    wires = n4.Projection("e", pre, post, "in", n4.OneToOne(), weight=0.5 * u.nS, delay=0.5 * u.ms, plasticity=rule)
    return n4.Network(pre, post, wires, n4.Input("to pre", pre), n4.Input("to post", post)).build(dt=DT, seed=0)


def test_it_has_at_most_thirty_lines():
    body = BLOCK[BLOCK.index("class Calcium") :].rstrip().splitlines()
    assert len(body) <= 30


def test_it_follows_its_equation_and_its_bounds(calcium):
    """Step by step in float64 against float32; with `every=7` as well."""
    rng = np.random.default_rng(0)
    for every in (1, 7):
        model = told(calcium(every=every))
        series = {f"to {name}": np.where(rng.random((700, 20)) < 0.03, 1e6, 0).astype(np.float32) for name in ("pre", "post")}
        (name,) = model.plasticity
        keep = lambda state, spikes, name=name: (state.edges[name].weight, spikes["pre"], spikes["post"])  # noqa: E731
        _, (weights, pre, post) = n4.scan(model, model.init(jr.key(0)), 700, keep, series)
        weights, pre, post = (np.asarray(x) for x in (weights, pre, post))
        assert weights.min() >= 0 and weights.max() <= 1 and np.ptp(weights) > 0.05
        for synapse in range(20):
            np.testing.assert_allclose(weights[:, synapse], by_hand(pre[:, synapse], post[:, synapse], every), rtol=0, atol=2e-5)


def by_hand(pre, post, every):
    w, c, found = 0.5, 0.0, []
    for step in range(len(pre)):
        if (step + 1) % every == 0:
            w += 0.1 * every * (0.02 * (1 - w) * (c > 1.3) - 0.01 * w * (c > 1.0))
            c *= math.exp(-0.1 * every / 20)
        c += 1.2 * post[step]
        c += 0.6 * (step >= 5 and pre[step - 5])
        found.append(w)
    return found


def test_chunks_and_saved_states(calcium):
    cells = n4.Population("cells", 20, lif(), {"exc": n4.ExpConductance(tau=2 * u.ms, e_rev=0 * u.mV)}, v0=n4.Normal(-58 * u.mV, 5 * u.mV))
    wires = n4.Projection("e", cells, cells, "exc", n4.FixedProb(0.3), weight=0.5 * u.nS, delay=1 * u.ms, plasticity=calcium(every=3))
    model = n4.Network(cells, wires, n4.Clamp("drive", cells, 500 * u.pA)).build(dt=DT, seed=0)
    run = lambda state, ms: n4.simulate(model, state, ms * u.ms, chunk=70, progress=False).state  # noqa: E731
    whole, half = run(model.init(jr.key(0)), 20), run(model.init(jr.key(0)), 11)
    _, back = n4.from_user(model, n4.to_user(model, half))
    for state in (half, back):
        assert same(run(state, 9).edges, whole.edges)
    assert np.ptp(jax.tree.leaves(whole.edges)[0]) > 0
