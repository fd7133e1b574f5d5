"""Event by event, plain XLA leaves the weights that it leaves where it looks at every synapse in every step."""

import functools
from typing import ClassVar

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import neuro4d as n4
from neuro4d.plasticity import AbstractPlasticity

DT = 0.5 * u.ms
STEPS = 300


class Counts(AbstractPlasticity):
    """A rule of one's own that has no trace: a synapse counts what passes, and forgets all of it when its target fires."""

    edge_variables: ClassVar = {"seen": u.UNITLESS}
    gain: float = 0.25

    def init(self, weight):
        return {"seen": jnp.zeros_like(weight)}

    def on_pre(self, weight, variables, seen):
        return weight + self.gain * seen.fires, {"seen": variables["seen"] + 1}

    def on_post(self, weight, variables, seen):
        return weight - 0.1 * variables["seen"] * seen.arrives, {"seen": jnp.zeros_like(variables["seen"])}


RULES = {
    "pairs": n4.STDP(w_max=40 * u.pA, a_plus=0.02, a_minus=0.02),
    "triplets": n4.TripletSTDP(w_max=40 * u.pA, a2_plus=5e-3, a2_minus=7e-3, a3_plus=6e-3, a3_minus=2e-4),
    "own": Counts(),
}


@functools.cache
def network(rule: str) -> n4.Model:
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV, t_ref=2 * u.ms)
    cells = n4.Population("cells", 40, lif, {"exc": n4.ExpCurrent(tau=5 * u.ms)}, v0=n4.Uniform(-60 * u.mV, -50 * u.mV))
    return n4.Network(
        cells,
        n4.Poisson("drive", cells, "exc", rate=900 * u.Hz, weight=40 * u.pA),
        n4.Projection("e", cells, cells, "exc", n4.FixedProb(0.3), weight=20 * u.pA, delay=n4.Uniform(0.5 * u.ms, 3 * u.ms), plasticity=RULES[rule]),
    ).build(dt=DT, seed=1, backend=n4.Backend.REFERENCE)


def everywhere(model: n4.Model) -> n4.Model:
    """The same network, which does not find synapses by their targets."""
    (name,) = model.pathways
    return eqx.tree_at(lambda m: m.pathways[name].columns, model, None, is_leaf=lambda x: x is None)


@functools.cache
def after(rule: str, dense: bool) -> n4.Run:
    model = everywhere(network(rule)) if dense else network(rule)
    return n4.simulate(model, model.init(jr.key(0)), STEPS * DT, progress=False)


@pytest.mark.parametrize("rule", RULES)
def test_weights_and_variables_are_those_of_a_look_at_all_synapses(rule):
    events, dense = after(rule, False), after(rule, True)
    (mine,), (other,) = events.state.edges.values(), dense.state.edges.values()
    assert events.rate()["cells"].to_decimal(u.Hz) > 5
    assert np.asarray(mine.weight).std() > 0.1  # something was learned
    assert jax.tree.structure(mine) == jax.tree.structure(other)
    for ours, theirs in zip(jax.tree.leaves(mine), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=2e-6, atol=1e-6)


def test_lanes_are_single_runs():
    model = network("pairs")
    states = jax.vmap(model.init)(jr.split(jr.key(3), 2))
    both = jax.jit(jax.vmap(lambda state: n4.scan(model, state, STEPS)[0]))(states)
    one = jax.jit(lambda state: n4.scan(model, state, STEPS)[0])
    for lane in range(2):
        alone = one(jax.tree.map(lambda x, i=lane: x[i], states))
        for ours, theirs in zip(jax.tree.leaves(both.edges), jax.tree.leaves(alone.edges), strict=True):
            np.testing.assert_allclose(np.asarray(ours[lane]), np.asarray(theirs), rtol=2e-6, atol=1e-6)


def test_derivatives_are_those_of_a_look_at_all_synapses():
    model = network("own")
    (name,) = model.pathways
    state = model.init(jr.key(0))

    def total(gain, model):
        louder = eqx.tree_at(lambda m: m.plasticity[name].gain, model, gain)
        return n4.scan(louder, state, STEPS)[0].edges[name].weight.sum()

    slope = jax.jit(jax.grad(total))
    ours, theirs = slope(0.25, model), slope(0.25, everywhere(model))
    assert float(theirs) > 1  # how often a spike arrived as the target fired
    assert float(ours) == pytest.approx(float(theirs), rel=1e-5)


def test_a_rule_that_looks_at_every_step_has_no_columns():
    cells = n4.Population("cells", 4, n4.Relay(), {"in": n4.Delta()})
    make = lambda rule: n4.Network(cells, n4.Projection("e", cells, cells, "in", n4.AllToAll(), weight=1 * u.mV, delay=1 * u.ms, plasticity=rule))  # noqa: E731
    has = lambda rule: [p.columns is not None for p in make(rule).build(dt=DT, seed=0, backend=n4.Backend.REFERENCE).pathways.values()]  # noqa: E731
    assert has(Counts()) == [True]
    assert has(n4.Free()) == [False]
