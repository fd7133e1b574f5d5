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
def network() -> n4.Model:
    """A projection under each of the rules."""
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV, t_ref=2 * u.ms)
    cells = n4.Population("cells", 40, lif, {"exc": n4.ExpCurrent(tau=5 * u.ms)}, v0=n4.Uniform(-60 * u.mV, -50 * u.mV))
    drawn = {"weight": 20 * u.pA, "delay": n4.Uniform(0.5 * u.ms, 3 * u.ms)}
    learns = [n4.Projection(name, cells, cells, "exc", n4.FixedProb(0.1), plasticity=rule, **drawn) for name, rule in RULES.items()]
    drive = n4.Poisson("drive", cells, "exc", rate=900 * u.Hz, weight=40 * u.pA)
    return n4.Network(cells, drive, *learns).build(dt=DT, seed=1, backend=n4.Backend.REFERENCE)


def everywhere(model: n4.Model) -> n4.Model:
    """The same network, which does not find synapses by their targets."""
    assert all(path.columns is not None for path in model.pathways.values())
    return eqx.tree_at(lambda m: [path.columns for path in m.pathways.values()], model, [None] * len(model.pathways), is_leaf=lambda x: x is None)


all_steps = jax.jit(lambda model, state: n4.scan(model, state, STEPS)[0])


@pytest.fixture(scope="module")
def after() -> n4.State:
    return all_steps(network(), network().init(jr.key(0)))


@pytest.mark.slow
def test_weights_and_variables_are_those_of_a_look_at_all_synapses(after):
    model = everywhere(network())
    dense = all_steps(model, model.init(jr.key(0)))
    for name, mine in after.edges.items():
        other = dense.edges[name]
        assert np.asarray(mine.weight).std() > 0.1, name  # something was learned
        assert jax.tree.structure(mine) == jax.tree.structure(other)
        for ours, theirs in zip(jax.tree.leaves(mine), jax.tree.leaves(other), strict=True):
            np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=2e-6, atol=1e-6, err_msg=name)
    assert np.array_equal(np.asarray(after.history["cells"].count), np.asarray(dense.history["cells"].count))


@pytest.mark.slow
def test_lanes_are_single_runs(after):
    keys = jnp.stack([jr.key(3), jr.key(0)])
    both = jax.jit(jax.vmap(lambda state: n4.scan(network(), state, STEPS)[0]))(jax.vmap(network().init)(keys))
    for ours, theirs in zip(jax.tree.leaves(both.edges), jax.tree.leaves(after.edges), strict=True):
        np.testing.assert_allclose(np.asarray(ours[1]), np.asarray(theirs), rtol=2e-6, atol=1e-6)
        assert not np.array_equal(np.asarray(ours[0]), np.asarray(theirs))


@pytest.mark.slow
def test_derivatives_are_differences(after):
    """Of the weights under a rule with its gain, which decides how often a spike arrived as the target fired; spikes do not feel it."""
    model = network()
    (name,) = [name for name, rule in model.plasticity.items() if isinstance(rule, Counts)]
    state = model.init(jr.key(0))

    def total(gain):
        louder = eqx.tree_at(lambda m: m.plasticity[name].gain, model, gain)
        return n4.scan(louder, state, 100)[0].edges[name].weight.sum()

    slope = jax.jit(jax.grad(total))(0.25)
    louder, value = 0.25 + 2**-8, jax.jit(total)
    assert float(slope) > 1
    assert float(slope) == pytest.approx(float((value(louder) - value(0.25)) * 2**8), rel=1e-2)


def test_a_rule_that_looks_at_every_step_has_no_columns():
    cells = n4.Population("cells", 4, n4.Relay(), {"in": n4.Delta()})
    make = lambda rule: n4.Network(cells, n4.Projection("e", cells, cells, "in", n4.AllToAll(), weight=1 * u.mV, delay=1 * u.ms, plasticity=rule))  # noqa: E731
    has = lambda rule: [p.columns is not None for p in make(rule).build(dt=DT, seed=0, backend=n4.Backend.REFERENCE).pathways.values()]  # noqa: E731
    assert has(Counts()) == [True]
    assert has(n4.Free()) == [False]
