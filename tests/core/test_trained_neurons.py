"""ALIF, AdLIF, PLIF and LI: steps by hand, and what they must agree with."""

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import neuro4d as n4

pytestmark = pytest.mark.usefixtures("x64")
LN2 = np.log(2.0)


def steps(neuron, currents, dt=1.0, **start):
    """Variables and spikes after each step, eagerly, for one neuron."""
    constants = neuron.constants(dt)
    state = neuron.init({name: jnp.asarray(start.get(name, value), float) for name, value in neuron.rest().items()})
    rows = []
    for current in currents:
        state, fired = neuron.step(constants, state, n4.Drive(i=current))
        rows.append([*(float(x) for x in state), bool(fired.spikes)])
    return rows


# With dt = 1 ms and time constants of 1/ln 2 and 1/ln(4/3) ms: alpha = 1/2, beta = 3/4. a = 1/2, b = 1; currents 3, 3, 4.
#
# sparch, u before its reset: w1 = 0, u1 = 3/2, spike; w2 = a u1 + b = 7/4, u2 = (u1 - 1)/2 + (3 - w2)/2 = 1/4 + 5/8 = 7/8, none;
# w3 = 3/4 w2 + a u2 = 21/16 + 7/16 = 7/4, u3 = 7/16 + (4 - 7/4)/2 = 25/16, spike; w4 = 21/16 + 25/32 + 1 = 99/32.
# Rows: v after the reset, w of the next step, z.
#
# ef: u1 = 3/2, spike, v1 = 0, w1 = 0 (old v and z); u2 = 3/2, spike, v2 = 0, w2 = (1/4)(a 0 + b 1) = 1/4;
# u3 = (4 - 1/4)/2 = 15/8, spike, v3 = 0, w3 = 3/16 + (1/4)(0 + 1) = 7/16.
#
# se: u1 = 3/2, spike, v1 = 0, w1 = 1/4; u2 = (3 - 1/4)/2 = 11/8, spike, v2 = 0, w2 = 3/16 + 1/4 = 7/16;
# u3 = (4 - 7/16)/2 = 57/32, spike, w3 = 21/64 + 1/4 = 37/64.
BY_HAND = {
    "sparch": [[1 / 2, 7 / 4, 1, True], [7 / 8, 7 / 4, 0, False], [9 / 16, 99 / 32, 1, True]],
    "ef": [[0, 0, 1, True], [0, 1 / 4, 1, True], [0, 7 / 16, 1, True]],
    "se": [[0, 1 / 4, 1, True], [0, 7 / 16, 1, True], [0, 37 / 64, 1, True]],
}
# The same below threshold, where the potential matters: currents 1, 1, 1, so that u1 = 1/2 in all orders.
# sparch: w2 = 1/4, u2 = 1/4 + 3/8 = 5/8, w3 = 3/16 + 5/16 = 1/2, u3 = 5/16 + 1/4 = 9/16, w4 = 3/8 + 9/32 = 21/32.
# ef: w1 = 0, u2 = 3/4, w2 = (1/4)(1/2)(1/2) = 1/16, u3 = 3/8 + 15/32 = 27/32, w3 = 3/64 + (1/8)(3/4) = 9/64.
# se: w1 = 1/16, u2 = 1/4 + 15/32 = 23/32, w2 = 3/64 + 23/256 = 35/256, u3 = 23/64 + 221/512 = 405/512, w3 = 105/1024 + 405/4096.
SILENT = {
    "sparch": [[1 / 2, 1 / 4], [5 / 8, 1 / 2], [9 / 16, 21 / 32]],
    "ef": [[1 / 2, 0], [3 / 4, 1 / 16], [27 / 32, 9 / 64]],
    "se": [[1 / 2, 1 / 16], [23 / 32, 35 / 256], [405 / 512, 105 / 1024 + 405 / 4096]],
}


def adlif(order):
    return n4.AdLIF(tau=1 / LN2 * u.ms, tau_w=1 / np.log(4 / 3) * u.ms, a=0.5 * u.nS, b=1 * u.pA, order=order)


@pytest.mark.parametrize("order", BY_HAND)
def test_three_steps_of_adlif(order):
    np.testing.assert_allclose(np.array(steps(adlif(order), [3, 3, 4]), float), np.array(BY_HAND[order], float), atol=1e-12)
    quiet = np.array(steps(adlif(order), [1, 1, 1]), float)
    np.testing.assert_allclose(quiet[:, :2], SILENT[order], atol=1e-12)
    assert not quiet[:, 3].any()


def test_sparch_is_its_own_recurrence():
    # As the library writes it: w from the old potential before its reset and the old spike, without the factor 1 - beta.
    currents = np.random.default_rng(0).uniform(0, 4, 200)
    alpha, beta, a, b = 0.5, 0.75, 0.5, 1.0
    ut = wt = st = 0.0
    want = []
    for current in currents:
        wt = beta * wt + a * ut + b * st
        ut = alpha * (ut - st) + (1 - alpha) * (current - wt)
        st = float(ut >= 1)
        want.append([ut - st, st])
    got = np.array(steps(adlif("sparch"), currents), float)
    np.testing.assert_allclose(got[:, [0, 2]], want, atol=1e-12)
    assert 20 < got[:, 2].sum() < 180


def test_the_orders_are_three_neurons():
    currents = np.random.default_rng(1).uniform(0, 4, 100)
    trains = {tuple(row[3] for row in steps(adlif(order), currents)) for order in BY_HAND}
    assert len(trains) == 3
    with pytest.raises(ValueError, match='"sparch", "ef" or "se"'):
        adlif("adlif")
    with pytest.raises(TypeError):
        n4.AdLIF(tau=1 * u.ms, tau_w=1 * u.ms, a=0.5 * u.nS, b=1 * u.pA)


def test_three_steps_of_alif():
    # alpha = 1/2, rho = 3/4, beta = 2 mV; currents 3, 3, 6: v = 3/2 >= 1, left 1/2, b = (1/4) 2 = 1/2; v = 1/4 + 3/2 = 7/4 >= 3/2, left
    # 1/4, b = 3/8 + 1/2 = 7/8; v = 1/8 + 3 = 25/8 >= 15/8, left 5/4, b = 21/32 + 1/2 = 37/32.
    neuron = n4.ALIF(tau=1 / LN2 * u.ms, tau_b=1 / np.log(4 / 3) * u.ms, beta=2 * u.mV)
    want = [[1 / 2, 1 / 2, True], [1 / 4, 7 / 8, True], [5 / 4, 37 / 32, True]]
    np.testing.assert_allclose(np.array(steps(neuron, [3, 3, 6]), float), np.array(want, float), atol=1e-12)
    # Later silence: the threshold decays with its own time constant.
    rows = steps(neuron, [3, 0, 0, 0])
    np.testing.assert_allclose([row[1] for row in rows], 0.5 * 0.75 ** np.arange(4), atol=1e-12)


def test_three_steps_of_plif():
    # tau = 4 steps: v = 1/4 (3) = 3/4; 3/4 + (3 - 3/4)/4 = 21/16, fires; 3/4.
    neuron = n4.PLIF(w=-np.log(4 - 1))
    np.testing.assert_allclose(np.array(steps(neuron, [3, 3, 3]), float), [[3 / 4, 0], [0, 1], [3 / 4, 0]], atol=1e-12)
    # Another step is another neuron: the time constant counts steps.
    assert steps(neuron, [3, 3, 3], dt=0.1) == steps(neuron, [3, 3, 3])


def test_plif_learns_its_time_constant():
    # v after three steps of current 1: 1 - (1 - s)^3 with s = sigmoid(w); the derivative 3 (1 - s)^2 s (1 - s).
    def last(w):
        neuron = eqx.tree_at(lambda n: n.w, n4.PLIF(), w)
        constants = neuron.constants(1.0)
        state = neuron.init({"v": jnp.asarray(0.0)})
        for _ in range(3):
            state, _ = neuron.step(constants, state, n4.Drive(i=0.5))
        return state.v

    s = 1 / (1 + np.exp(-0.3))
    np.testing.assert_allclose(jax.grad(last)(0.3), 0.5 * 3 * (1 - s) ** 2 * s * (1 - s), rtol=1e-12)


def test_li_follows_lif_and_never_fires():
    li = n4.LI(tau=20 * u.ms, g_l=10 * u.nS, v_rest=-60 * u.mV)
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=1e6 * u.mV, v_reset=-60 * u.mV)
    for drive in (n4.Drive(i=2000.0), n4.Drive(i=2000.0, g=4.0), n4.Drive(jump=3.0)):
        a, b = li.init({"v": jnp.asarray(-60.0)}), lif.init({"v": jnp.asarray(-60.0)})
        for _ in range(50):
            a, fired = li.step(li.constants(0.1), a, drive)
            b, _ = lif.step(lif.constants(0.1), b, drive)
            assert not fired.spikes
        np.testing.assert_allclose(a.v, b.v, rtol=1e-12)


def test_conductances_are_refused_where_there_is_no_place_for_them():
    for neuron in (n4.ALIF(tau=9 * u.ms, tau_b=9 * u.ms, beta=1 * u.mV), adlif("se"), n4.PLIF()):
        with pytest.raises(ValueError, match="ExpConductance exerts a conductance"):
            n4.Population("cells", 2, neuron, {"in": n4.ExpConductance(tau=2 * u.ms, e_rev=0 * u.mV)})
