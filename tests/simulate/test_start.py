"""Where a run starts, what is discarded, and what happens between its chunks."""

import signal
import sys

import brainunit as u
import jax
import jax.random as jr
import numpy as np
import pytest
from core.networks import ring, same, same_spikes

import neuro4d as n4
from neuro4d.simulate._loop import CHUNK, LEARNING_CHUNK, LONG_CHUNK, chunk_length

RING = ring()
KEY = jr.key(0)
DURATION = 20 * u.ms


def other(n):
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)
    return n4.Network(n4.Population("cells", n, lif), n4.Population("more", 3, lif)).build(dt=0.1 * u.ms)


@pytest.fixture(scope="module")
def whole():
    return n4.simulate(RING, RING.init(KEY), DURATION, chunk=200)


@pytest.mark.slow
def test_a_key_stands_for_its_state(whole):
    assert same_spikes(n4.simulate(RING, KEY, DURATION, chunk=200), whole)
    where, values = lambda m: m.neurons["cells"].v_th, np.array([-50.0, -49.0]) * u.mV
    by_key = n4.sweep(RING, where, values, DURATION, start=KEY)
    by_state = n4.sweep(RING, where, values, DURATION, start=RING.init(KEY))
    assert all(same_spikes(a, b) for a, b in zip(by_key, by_state, strict=True))


@pytest.mark.slow
def test_old_names_work_and_show_the_new_line(whole):
    with pytest.warns(DeprecationWarning, match=r"write `n4.simulate\(model, state, duration\)`") as heard:
        assert same_spikes(n4.simulate(RING, state=RING.init(KEY), duration=DURATION, chunk=200), whole)
    assert heard[0].filename == __file__
    with pytest.warns(DeprecationWarning, match=r"n4.batch\(model, keys, duration\)"):
        assert len(n4.batch(RING, keys=jr.split(KEY, 2), duration=DURATION)) == 2
    with pytest.warns(DeprecationWarning, match="start=key"):
        n4.sweep(RING, lambda m: m.neurons["cells"].v_th, [-50.0] * u.mV, DURATION, key=KEY)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: n4.simulate(RING), TypeError, "random.key"),
        (lambda: n4.simulate(RING, KEY), TypeError, r"duration is missing.*1\*u.second"),
        (lambda: n4.simulate(RING, jr.split(KEY, 3), DURATION), TypeError, "n4.batch"),
        (lambda: n4.simulate(RING, KEY, DURATION, state=RING.init(KEY)), TypeError, "old name"),
        (lambda: n4.simulate(RING, KEY, DURATION, discard=0.25 * u.ms), ValueError, "discard must be a multiple"),
        (lambda: n4.simulate(RING, KEY, DURATION, discard=-1 * u.ms), ValueError, "discard is one time, 0 or more"),
        (lambda: n4.batch(RING, RING.init(KEY), DURATION), ValueError, "n4.simulate"),
        (lambda: n4.sweep(RING, lambda m: m.neurons["cells"].v_th, [-50] * u.mV, DURATION), TypeError, "start=jax.random.key"),
        (lambda: n4.simulate(RING, other(9).init(KEY), DURATION), ValueError, "'cells' has 33 neurons in the model and 9 in the state"),
        (lambda: n4.simulate(other(9), RING.init(KEY), DURATION), ValueError, "'cells' has 9 neurons in the model and 33"),
        (lambda: n4.simulate(other(33), RING.init(KEY), DURATION), ValueError, "a population 'more', which it does not know"),
    ],
)
def test_what_is_refused(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.slow
def test_discarded_steps_are_simulated_and_not_recorded(whole):
    recorders = [n4.Spikes(), n4.Trace("cells", "v", every=0.3 * u.ms), n4.Counts()]
    run = n4.simulate(RING, KEY, 15 * u.ms, recorders, discard=5 * u.ms, chunk=64)
    first = n4.simulate(RING, KEY, 5 * u.ms)
    second = n4.simulate(RING, first.state, 15 * u.ms, recorders, chunk=150)
    assert (run.start_step, run.n_steps, run.completed) == (50, 150, True)
    assert same_spikes(run, second) and same(run.state, second.state) and same(run.state, whole.state)
    assert (run.records["cells.v"].values == second.records["cells.v"].values).all()
    assert (run.counts("cells") == second.counts("cells")).all()
    lanes = n4.batch(RING, KEY[None], 15 * u.ms, recorders, discard=5 * u.ms)
    assert same_spikes(lanes[0], second) and lanes[0].start_step == 50


def test_inputs_cover_discarded_steps():
    lif = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)
    cells = n4.Population("cells", 3, lif)
    model = n4.Network(cells, n4.Input("port", cells)).build(dt=0.1 * u.ms)
    values = np.linspace(0, 500, 200)
    run = n4.simulate(model, KEY, 15 * u.ms, inputs={"port": values}, discard=5 * u.ms)
    assert same(run.state, n4.simulate(model, KEY, 20 * u.ms, inputs={"port": values}).state)
    with pytest.raises(ValueError, match=r"shape \(200,\)"):
        n4.simulate(model, KEY, 15 * u.ms, inputs={"port": values[:150]}, discard=5 * u.ms)


def test_an_interrupt_while_steps_are_discarded(monkeypatch):
    loop = sys.modules["neuro4d.simulate._loop"]  # the function `simulate` hides the package

    class Stopping(loop.Progress):
        def advance(self, steps):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(loop, "Progress", Stopping)
    run = n4.simulate(RING, KEY, 15 * u.ms, discard=5 * u.ms, chunk=10)
    assert (run.completed, run.n_steps, run.start_step, int(run.state.step)) == (False, 0, 10, 10)
    assert len(run.spikes("cells")) == 0


def test_between_changes_the_model_from_the_next_chunk_on():
    def raise_threshold(model, state, done):
        seen.append(done)
        return n4.set(model, lambda m: m.neurons["cells"].v_th, (-50 + done / 100) * u.mV), state

    seen = []
    run = n4.simulate(RING, KEY, 15 * u.ms, chunk=50, between=raise_threshold)
    assert seen == [50, 100]
    model, state, words = RING, KEY, []
    for k in range(3):
        part = n4.simulate(model, state, 5 * u.ms)
        words.append(part.records["spikes"].words["cells"])
        model, state = n4.set(RING, lambda m: m.neurons["cells"].v_th, (-50 + (k + 1) / 2) * u.mV), part.state
    assert (run.records["spikes"].words["cells"] == np.concatenate(words)).all() and same(run.state, state)
    assert float(np.asarray(run.model.neurons["cells"].v_th)) == -49


def test_between_compiles_once_where_numbers_change():
    heard = []
    jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: heard.append(event))

    def change(model, state, done):
        if done == 50:
            heard.clear()
        return n4.set(model, lambda m: m.neurons["cells"].v_th, (-50 + done / 100) * u.mV), state

    n4.simulate(RING, KEY, 20 * u.ms, chunk=50, between=change)
    assert not [event for event in heard if event.endswith("backend_compile_duration")]


def test_between_may_change_synapses_and_the_state():
    def silence(model, state, done):
        return n4.set(model, lambda m: m.pathways["cells->cells"].weight, 0.0), model.init(jr.key(1), start=done)

    weak = n4.set(RING, lambda m: m.pathways["cells->cells"].weight, 0.0)
    run = n4.simulate(RING, KEY, 10 * u.ms, chunk=50, between=silence)
    alone = n4.simulate(weak, weak.init(jr.key(1), start=50), 5 * u.ms)
    assert (run.records["spikes"].words["cells"][50:] == alone.records["spikes"].words["cells"]).all()


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (lambda model, state, done: state, TypeError, "return model, state"),
        (lambda model, state, done: None, TypeError, "return model, state"),
        (lambda model, state, done: (other(3), state), ValueError, "another structure"),
        (lambda model, state, done: (model, other(3).init(KEY)), ValueError, "another network"),
    ],
)
def test_what_between_must_not_return(answer, kind, message):
    with pytest.raises(kind, match=message):
        n4.simulate(RING, KEY, 10 * u.ms, chunk=50, between=answer)


def test_values_from_outside_make_chunks_short():
    """A chunk has room for the values of all its steps, also where the run is shorter: 10,000 of them are too many for large ones."""
    narrow, wide = ({"eye": np.zeros((5, n), np.float32)} for n in (100, 9000))
    assert chunk_length(None, 100, {}, 5, False, narrow) == LONG_CHUNK > chunk_length(None, 100, {}, 5, False, wide) == CHUNK
    assert chunk_length(7, 100, {}, 5, False, wide) == 7


def test_chunks_are_longer_where_synapses_learn():
    """The end of a chunk is a look at all of them; whoever watches is told as often as ever."""
    assert CHUNK < chunk_length(None, 10**6, {}, 5000, False, {}, True) == LEARNING_CHUNK < chunk_length(None, 10, {}, 5000, False, {}, True) == LONG_CHUNK
    assert chunk_length(None, 10**6, {}, 5000, True, {}, True) == CHUNK
