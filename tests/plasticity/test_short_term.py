"""Short-term plasticity: what spikes release, against the equations solved from spike to spike, closed forms, and in a network."""

import brainunit as u
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

import neuro4d as n4
from neuro4d.plasticity import Seen

DT, STEPS, SYNAPSES = 0.5, 2000, 8
RULES = {
    "depressing": n4.TsodyksMarkram(use=0.5, tau_rec=800 * u.ms),
    "facilitating": n4.TsodyksMarkram(use=0.03, tau_rec=130 * u.ms, tau_fac=530 * u.ms),
    "three states": n4.TsodyksMarkram(use=0.04, tau_rec=100 * u.ms, tau_fac=1000 * u.ms, tau_in=3 * u.ms),
    "active for long": n4.TsodyksMarkram(use=0.7, tau_rec=20 * u.ms, tau_fac=50 * u.ms, tau_in=90 * u.ms),
}


@jax.jit
def _run(arrives):
    """What each of the rules releases for trains, `(steps, synapses)`, and its resources: of all rules in one program."""
    found = {}
    for name, rule in RULES.items():
        start = jnp.full(SYNAPSES, 2.0)

        def step(held, arrives, rule=rule):
            (weight, variables), own = held
            passed = rule.on_source(DT, own)
            left = jax.tree.map(lambda spent, before: jnp.where(arrives, spent, before), rule.on_arrival(passed), passed)
            seen = Seen(arrives, jnp.zeros(SYNAPSES, bool), rule.on_source(DT, left), {})
            return (rule.step(DT, weight, variables, seen), left), (weight, left)

        own = {variable: jnp.full(SYNAPSES, x.first) for variable, x in rule.pre_variables().items()}
        found[name] = jax.lax.scan(step, ((start, rule.init(start)), own), arrives)[1]
    return found


def run(arrives):
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, _run(jnp.asarray(arrives)))


def trains(seed, chance):
    arrives = np.random.default_rng(seed).random((STEPS, SYNAPSES)) < chance
    arrives[0] = False  # nothing arrives in the first step: no delay is shorter than one
    return arrives


def released(rule, arrives):
    """Spike by spike, with the matrix exponential of the linear equations between them; without `tau_in` what is used is inactive at once."""
    decay, rec = (1 / rule.tau_in if rule.tau_in else 0.0), 1 / rule.tau_rec
    flow = np.array([[0, 0, rec], [0, -decay, 0], [0, decay, -rec]])
    x, y, z, u_, last, found = 1.0, 0.0, 0.0, 0.0, 0, []
    for step in np.flatnonzero(arrives):
        time = (step - last) * DT
        x, y, z = expm(flow * time) @ (x, y, z)
        u_ = u_ * np.exp(-time / rule.tau_fac) if rule.tau_fac else 0.0
        u_ += rule.use * (1 - u_)
        found.append(u_ * x)
        x, y, z, last = x - u_ * x, y + u_ * x * (decay > 0), z + u_ * x * (decay == 0), step
    return np.array(found)


@pytest.mark.parametrize("chance", [0.01, 0.06])
def test_spikes_release_what_the_equations_say(chance):
    arrives = trains(1, chance)
    for name, (weight, _) in run(arrives).items():
        for k in range(2):
            np.testing.assert_allclose(weight[arrives[:, k], k], 2 * released(RULES[name], arrives[:, k]), rtol=1e-9, err_msg=name)


def test_regular_trains_release_the_closed_form():
    """20 Hz. Of the depressing synapse also every spike: x recovers from 1 - U of what it was towards 1."""
    for rule in RULES.values():
        assert rule.steady(20 * u.Hz) == pytest.approx(released(rule, np.arange(10_000) % 100 == 99)[-1], rel=1e-2 if rule.tau_fac == 1000 else 1e-5)
    arrives = np.zeros((STEPS, SYNAPSES), bool)
    arrives[100::100] = True
    found = run(arrives)
    kept, x = np.exp(-50 / 800), 1.0
    for step in range(100, STEPS, 100):
        np.testing.assert_allclose(found["depressing"][0][step], 2 * 0.5 * x, rtol=1e-12)
        x = 1 - (1 - 0.5 * x) * kept


def test_nest_releases_the_same():
    """Jumps of `I_syn_ex` in NEST 3.10: `tsodyks_synapse` of weight 10 with the parameters of `three states` (`tau_psc` 3), spikes at 5, 20, 30, 31 and 70 ms."""
    arrives = np.zeros((STEPS, SYNAPSES), bool)
    arrives[(np.array([5, 20, 30, 31, 70]) / DT).astype(int)] = True
    weight = run(arrives)["three states"][0]
    np.testing.assert_allclose(5 * weight[arrives[:, 0], 0], [0.4, 0.750665786784701, 1.0234022270955816, 1.189574154392183, 1.3832738798410897], rtol=1e-12)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_resources_stay_shares(seed, chance):
    for weight, held in run(trains(seed, chance)).values():
        assert (weight[1:] >= 0).all() and (weight[1:] <= 2).all()
        assert all((held[name] >= -1e-12).all() and (held[name] <= 1 + 1e-12).all() for name in ("u", "x", "y"))
        assert (held["x"] + held["y"] <= 1 + 1e-12).all()


@pytest.mark.slow
def test_a_network_delivers_what_is_released():
    """Jumps of the current of a receptor, with two delays; the next spike releases what `weights` says."""
    source = n4.Population("source", 2, n4.Relay(), {"in": n4.Delta()})
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)
    cells = n4.Population("cells", 2, lif, {"exc": n4.ExpCurrent(tau=3 * u.ms)})
    rule = RULES["three states"]
    delays = np.array([1.0, 7.5])
    train = np.array([5.0, 20.0, 30.0, 31.0, 70.0])
    spikes = n4.SpikeTimes("spikes", source, "in", times=np.repeat(train, 2) * u.ms, ids=np.tile([0, 1], len(train)), weight=1 * u.mV)
    edges = n4.Projection("e", source, cells, "exc", n4.OneToOne(), weight=-10 * u.pA, delay=delays * u.ms, plasticity=rule)
    model = n4.Network(source, cells, spikes, edges).build(dt=DT * u.ms, seed=0)
    run = n4.simulate(model, jr.key(0), 100 * u.ms, n4.Record(lambda state, spikes: state["cells", "exc.i"]), progress=False)
    current = np.asarray(run.records["record"].values).reshape(-1, 2)
    jumps = np.diff(current, axis=0, prepend=0) + np.concatenate([np.zeros((1, 2)), current[:-1]]) * -np.expm1(-DT / 3)
    arrives = np.zeros(200, bool)
    arrives[(train / DT).astype(int)] = True
    for k in range(2):
        steps = np.flatnonzero(np.abs(jumps[:, k]) > 1e-4)
        assert len(steps) == len(train)
        np.testing.assert_allclose(jumps[steps, k], -10 * released(rule, arrives), rtol=1e-4)
        more = np.concatenate([arrives, [False]])
        more[200 - (steps[0] - np.flatnonzero(arrives)[0])] = True  # one that arrives in the step after the run
        np.testing.assert_allclose(model.weights("e", run.state)[k].to_decimal(u.pA), -10 * released(rule, more)[-1], rtol=1e-4)


@pytest.mark.parametrize(
    ("bad", "match"),
    [({"use": 0}, "use"), ({"use": 1.5}, "share"), ({"tau_rec": 0 * u.ms}, "tau_rec"), ({"tau_fac": -1 * u.ms}, "tau_fac"), ({"tau_in": 800 * u.ms}, "differ")],
)
def test_mistakes(bad, match):
    with pytest.raises(ValueError, match=match):
        n4.TsodyksMarkram(**{"use": 0.5, "tau_rec": 800 * u.ms} | bad)
