"""Changes whose effect is known: rearranged networks do the same, scaled ones scale, and every parameter matters.

In rearrangements weights are multiples of 2^-10 pA, so that sums are exact in any order and results equal bit by bit.
"""

import brainunit as u
import jax.random as jr
import numpy as np
import pytest
from core.networks import lif, same_spikes, words
from hypothesis import given, settings
from hypothesis import strategies as st

import neuro4d as n4

LONGEST = 8


@st.composite
def graphs(draw, n=33, edges=50):
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    delay = random.integers(1, LONGEST + 1, edges)
    delay[:2] = 1, LONGEST
    return {
        "pre": random.integers(0, n, edges),
        "post": random.integers(0, n, edges),
        "weight": random.integers(1, 2**19, edges) / 2**10,
        "delay": delay,
        "v0": random.uniform(-65, -50, n).astype(np.float32).astype(np.float64),
        "clamp": random.integers(350, 700, n).astype(np.float64),
        "random": random,
    }


def graph_run(g, *more, scale=1.0, parts=1, **changes):
    """Spikes `(150, n)` and potentials of a graph; `parts` splits its projection."""
    g = g | changes
    n = len(g["v0"])
    neuron = lif(v_rest=-65 * scale * u.mV, v_th=-50 * scale * u.mV, v_reset=-60 * scale * u.mV)
    cells = n4.Population("cells", n, neuron, {"exc": n4.ExpCurrent(tau=2 * u.ms)}, v0=g["v0"] * scale * u.mV)
    cuts = np.array_split(np.arange(len(g["pre"])), parts)
    edges = [
        n4.Projection(
            f"e{k}",
            cells,
            cells,
            "exc",
            n4.EdgeList(g["pre"][cut], g["post"][cut]),
            weight=g["weight"][cut] * scale * u.pA,
            delay=g["delay"][cut] * 0.1 * u.ms,
        )
        for k, cut in enumerate(cuts)
        if len(cut)
    ]
    clamp = n4.Clamp("drive", cells, g["clamp"] * scale * u.pA)
    model = n4.Network(cells, *edges, clamp, *more).build(dt=0.1 * u.ms, seed=0)
    run = n4.simulate(model, model.init(jr.key(0)), 15 * u.ms, (n4.Spikes("cells"), n4.Trace("cells", "v")), chunk=150)
    table = run.spikes("cells")
    raster = np.zeros((150, n), bool)
    raster[table.step, table.id] = True
    return raster, np.asarray(run.records["cells.v"].values)


def equal(a, b):
    return (a[0] == b[0]).all() and (a[1] == b[1]).all()


@pytest.mark.slow
@given(graphs())
@settings(max_examples=6)
def test_rearrangements(g):
    plain_run = graph_run(g)
    assert plain_run[0].sum() > 20
    # I06: neurons by other numbers.
    new = g["random"].permutation(33)
    old = np.argsort(new)
    raster, v = graph_run(g, pre=new[g["pre"]], post=new[g["post"]], v0=g["v0"][old], clamp=g["clamp"][old])
    assert equal((raster[:, new], v[:, new]), plain_run)
    # I07: edges in another order.
    order = g["random"].permutation(50)
    assert equal(graph_run(g, **{key: g[key][order] for key in ("pre", "post", "weight", "delay")}), plain_run)
    # I12: one projection or two.
    assert equal(graph_run(g, parts=2), plain_run)
    # I13: all voltages and currents doubled.
    raster, v = graph_run(g, scale=2.0)
    assert equal((raster, v / 2), plain_run)


@pytest.mark.slow
@given(graphs())
@settings(max_examples=4)
def test_what_is_not_there(g):
    plain_run = graph_run(g)
    # I11: an edge of weight 0 is no edge.
    more = {key: np.concatenate([g[key], extra]) for key, extra in (("pre", g["post"]), ("post", g["pre"]), ("delay", g["delay"]))}
    assert equal(graph_run(g, **more, weight=np.concatenate([g["weight"], np.zeros(50)])), plain_run)
    # I12: two edges of half the weight are one edge.
    twice = {key: np.concatenate([g[key], g[key]]) for key in ("pre", "post", "delay")}
    assert equal(graph_run(g, **twice, weight=np.concatenate([g["weight"], g["weight"]]) / 2), plain_run)
    # I11: others that are not connected, in the same group and with noise of their own.
    other = n4.Population("other", 7, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)})
    noise = n4.Poisson("noise", other, "exc", rate=5000 * u.Hz, weight=300 * u.pA)
    assert equal(graph_run(g, other, noise), plain_run)


def test_zero_rate_is_no_input():
    # I11
    cells = n4.Population("cells", 7, lif(), {"exc": n4.ExpCurrent(tau=2 * u.ms)})
    drive = n4.Clamp("drive", cells, 600 * u.pA)
    silent = n4.Poisson("noise", cells, "exc", rate=0 * u.Hz, weight=900 * u.pA)
    runs = []
    for parts in ((cells, drive), (cells, drive, silent)):
        model = n4.Network(*parts).build(dt=0.1 * u.ms, seed=0)
        runs.append(n4.simulate(model, model.init(jr.key(0)), 20 * u.ms, chunk=200))
    assert same_spikes(*runs) and runs[0].counts("cells").sum() > 0


# I21 -----------------------------------------------------------------------------------------------


def varied(**changes):
    p = {
        "tau": 10 * u.ms, "c": 250 * u.pF, "v_rest": -65 * u.mV, "v_th": -50 * u.mV, "v_reset": -60 * u.mV, "t_ref": 2 * u.ms,
        "tau_syn": 2 * u.ms, "e_rev": 0 * u.mV, "weight": 8 * u.nS, "delay": 1 * u.ms, "rate": 2000 * u.Hz, "mean": 50 * u.pA,
        "std": 200 * u.pA, "drive": 350 * u.pA, "noise_weight": 3 * u.nS, "v0": -58 * u.mV, "seed": 0, "key": 0, "p": 0.2,
        "name": "cells", "stimulus": "noise", "dt": 0.1 * u.ms,
    } | changes  # fmt: skip
    neuron = n4.LIF(**{key: p[key] for key in ("tau", "c", "v_rest", "v_th", "v_reset", "t_ref")})
    cells = n4.Population(p["name"], 33, neuron, {"g": n4.ExpConductance(tau=p["tau_syn"], e_rev=p["e_rev"])}, v0=p["v0"])
    net = n4.Network(
        cells,
        n4.Projection("e", cells, cells, "g", n4.FixedProb(p["p"]), weight=p["weight"], delay=p["delay"]),
        n4.Poisson(p["stimulus"], cells, "g", rate=p["rate"], weight=p["noise_weight"]),
        n4.WhiteNoise("white", cells, mean=p["mean"], std=p["std"]),
        n4.Clamp("drive", cells, p["drive"]),
    )
    model = net.build(dt=p["dt"], seed=p["seed"])
    run = n4.simulate(model, model.init(jr.key(p["key"])), 20 * u.ms, chunk=200)
    return next(iter(words(run).values())).tobytes()


CHANGES = {
    "tau": 12 * u.ms, "c": 200 * u.pF, "v_rest": -63 * u.mV, "v_th": -51 * u.mV, "v_reset": -64 * u.mV, "t_ref": 1 * u.ms,
    "tau_syn": 3 * u.ms, "e_rev": -10 * u.mV, "weight": 12 * u.nS, "delay": 1.5 * u.ms, "rate": 2500 * u.Hz, "mean": 80 * u.pA,
    "std": 300 * u.pA, "drive": 400 * u.pA, "noise_weight": 4 * u.nS, "v0": -55 * u.mV, "seed": 1, "key": 1, "p": 0.3,
    "stimulus": "others",
}  # fmt: skip


@pytest.mark.slow
def test_every_parameter_matters():
    base = varied()
    inert = [name for name, value in CHANGES.items() if varied(**{name: value}) == base]
    assert inert == []
    assert varied() == base
