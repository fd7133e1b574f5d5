"""Relay neurons: as many spikes out as came in."""

import brainunit as u
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import neuro4d as n4


def relays(n=50, **init):
    return n4.Population("relays", n, n4.Relay(), {"in": n4.Delta()}, **init)


def stepped(model, steps, **inputs):
    """Spikes of every step `(steps, n)` and the last state."""
    return n4.scan(model, model.init(jr.key(0)), steps, lambda state, spikes: spikes["relays"], inputs=inputs or None)[::-1]


@pytest.mark.slow
@pytest.mark.parametrize("khz", [1.0, 5.0])
def test_no_spike_of_a_poisson_input_is_lost(khz):
    # The same input, summed by a membrane that neither leaks nor fires.
    cells = relays()
    lif = n4.LIF(tau=1e9 * u.ms, c=1 * u.pF, v_rest=0 * u.mV, v_th=1e9 * u.mV, v_reset=0 * u.mV)
    counter = n4.Population("counter", 50, lif, {"in": n4.Delta()})
    n_in = n4.Network(counter, n4.Poisson("p", counter, "in", rate=khz * u.kHz, weight=1 * u.mV)).build(dt=0.1 * u.ms, seed=0)
    n_out = n4.Network(cells, n4.Poisson("p", cells, "in", rate=khz * u.kHz, weight=1 * u.mV)).build(dt=0.1 * u.ms, seed=0)
    came, _ = n4.scan(n_in, n_in.init(jr.key(0)), 5000, lambda state, spikes: None)
    spikes, last = stepped(n_out, 5000)
    arrived = np.asarray(came.neurons[n_in.populations["counter"].group].v)
    waiting = np.asarray(last.neurons[n_out.populations["relays"].group].waiting)
    np.testing.assert_array_equal(np.asarray(spikes).sum(axis=0) + waiting, np.round(arrived))
    assert abs(arrived.mean() - 500 * khz) < 5 * np.sqrt(500 * khz / 50)
    assert waiting.max() < 20


def test_what_waits_comes_step_by_step():
    cells = relays(n=4)
    net = n4.Network(cells, n4.Input("given", cells, "in"))
    model = net.build(dt=0.1 * u.ms, seed=0)
    values = np.zeros((6, 4), np.float32)
    values[0] = [1.0, 3.0, 0.2, 2.0]
    values[1] = [0.0, 0.0, 0.0, -1.0]
    values[2] = [1.0, 0.0, 1.0, 0.0]
    run = n4.simulate(model, model.init(jr.key(0)), 0.6 * u.ms, (n4.Spikes(), n4.Trace("relays", "waiting")), inputs={"given": values})
    table = run.spikes("relays")
    assert [table.step[table.id == k].tolist() for k in range(4)] == [[0, 2], [0, 1, 2], [0, 2], [0]]
    waiting = run.trace("relays", "waiting").values.to_decimal(u.mV)
    np.testing.assert_array_equal(waiting[:, 1], [2, 1, 0, 0, 0, 0])


def test_the_queue_can_be_initialised():
    cells = relays(n=2, init={"waiting": np.array([0.0, 2.0]) * u.mV})
    spikes, _ = stepped(n4.Network(cells).build(dt=0.1 * u.ms, seed=0), 4)
    np.testing.assert_array_equal(jnp.asarray(spikes).sum(axis=0), [0, 2])


@pytest.mark.parametrize("receptor", [n4.ExpCurrent(tau=2 * u.ms), n4.PulseCurrent(), n4.ExpConductance(tau=2 * u.ms, e_rev=0 * u.mV)])
def test_a_receptor_that_a_relay_would_not_hear_is_refused(receptor):
    with pytest.raises(ValueError, match=r"port 'in': \w+ exerts .* but Relay uses only a jump of the potential.*n4\.Delta"):
        n4.Population("relays", 3, n4.Relay(), {"in": receptor})


@pytest.mark.parametrize(
    "make",
    [
        lambda cells: n4.Clamp("x", cells, 10 * u.pA),
        lambda cells: n4.WhiteNoise("x", cells, std=10 * u.pA),
        lambda cells: n4.Input("x", cells),
    ],
)
def test_a_current_into_a_relay_is_refused(make):
    cells = relays()
    with pytest.raises(ValueError, match=r"stimulus 'x': \w+ exerts a current, but Relay uses only a jump.*n4\.Delta"):
        n4.Network(cells, make(cells))
    n4.Network(cells, n4.Input("x", cells, "in"))
