"""Networks in the numbers of chips: what is stored, what is said of it, what the simulation does, and what is refused."""

import dataclasses
import functools
import json

import brainunit as u
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neuro4d as n4
from neuro4d import hardware as h

DT = 0.1 * u.ms
CHIPS = ("loihi1", "spinnaker1")


def lif(**changes):
    given_ = {"tau": 10 * u.ms, "c": 250 * u.pF, "v_rest": -65 * u.mV, "v_th": -50 * u.mV, "v_reset": -62 * u.mV, "t_ref": 2 * u.ms}
    return n4.LIF(**given_ | changes)


KINDS = ("exp", "delta")


@functools.cache
def built(backend=n4.Backend.AUTO):
    """Two networks that know nothing of each other, in one model, so that one program runs both: synapses with currents, and with jumps."""
    return n4.Network(*(part for kind in KINDS for part in parts_of(kind))).build(dt=DT, seed=0, backend=backend)


def parts_of(kind):
    """60 neurons with all kinds of input, and one that gets a single spike."""
    unit, size = (u.pA, 1.0) if kind == "exp" else (u.mV, 1 / 130)
    make = lambda: n4.ExpCurrent(tau=2 * u.ms) if kind == "exp" else n4.Delta()  # noqa: E731
    ports = {"exc": make(), "inh": make()}
    cells = n4.Population(f"{kind} cells", 60, lif(), ports, v0=n4.Normal(-58 * u.mV, 3 * u.mV))
    probe = n4.Population(f"{kind} probe", 1, lif(), ports, v0=-62 * u.mV)
    some, weight = n4.FixedProb(0.2), lambda mean, sd: n4.Normal(mean * size * unit, sd * size * unit)
    wires = [
        n4.Projection(f"{kind} e", cells[:48], cells, "exc", some, weight=weight(40, 8), delay=n4.Uniform(0.1 * u.ms, 3 * u.ms)),
        n4.Projection(f"{kind} i", cells[48:], cells, "inh", some, weight=weight(-160, 32), delay=0.8 * u.ms),
        n4.Projection(f"{kind} both", cells, cells, "exc", n4.FixedProb(0.05), weight=weight(5, 20)),
    ]
    ramp = n4.RateSteps(samples=[500.0, 900.0] * u.Hz, every=20 * u.ms)
    inputs = [
        n4.Poisson(f"{kind} noise", cells, "exc", rate=3 * u.kHz, weight=60 * size * unit),
        n4.Poisson(f"{kind} ramp", cells[::2], "exc", rate=ramp, weight=30 * size * unit),
        n4.SpikeTimes(f"{kind} one", probe, "exc", times=[5] * u.ms, ids=[0], weight=120 * size * unit),
        n4.Clamp(f"{kind} bias", cells[10:20], 100 * u.pA),
    ]
    return [cells, probe, *wires, *inputs]


@functools.cache
def quantized(chip):
    return h.quantize_for(built(), chip)


@functools.cache
def run_of(chip, backend=n4.Backend.AUTO):
    model = built(backend) if chip is None else h.quantize_for(built(backend), chip).model
    traces = [n4.Trace(f"{kind} probe", "v") for kind in KINDS]
    return n4.simulate(model, jr.key(0), 60 * u.ms, (n4.Spikes(), *traces), progress=False)


# What the simulation does -------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_network_does_nearly_the_same(kind, chip):
    """A network of 60 neurons that are driven from outside keeps its rates, and its spikes keep their time."""
    found = h.fidelity(run_of(None), run_of(chip))[f"{kind} cells"]
    assert found.spikes > 200 and abs(found.after / found.before - 1) < 0.05
    assert found.within > 0.8 > 4 * found.by_chance and abs(found.shift) < 0.2 and found.correlation > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_postsynaptic_potential_keeps_its_time_height_and_area(kind, chip):
    before = np.asarray(run_of(None).trace(f"{kind} probe.v").values.to_decimal(u.mV), float)[:, 0]
    after = quantized(chip).potential(f"{kind} probe", run_of(chip).trace(f"{kind} probe.v").values[:, 0]).to_decimal(u.mV)
    still = slice(0, 48)  # the way from reset to rest, before the spike
    np.testing.assert_allclose(after[still], before[still], atol=0.02)
    rise = lambda v: v[48:] - (-65 + (v[47] + 65) * np.exp(-0.01 * np.arange(1, len(v) - 47)))  # noqa: E731
    assert (
        np.argmax(rise(before) > 0.02) == np.argmax(rise(after) > 0.02) == (2 if kind == "exp" else 1)
    )  # the step in which the spike acts
    assert rise(before).max() > 0.15
    assert rise(after).max() == pytest.approx(rise(before).max(), rel=0.02)
    assert rise(after).sum() == pytest.approx(rise(before).sum(), rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("chip", ["loihi1", pytest.param("spinnaker1", marks=pytest.mark.full)])
def test_integers_are_summed_without_rounding(chip):
    """In whatever order spikes are delivered, natively or not, every bit is the same."""
    native, plain = run_of(chip), run_of(chip, n4.Backend.REFERENCE)
    for name in native.populations:
        one, two = (run.spikes(name) for run in (native, plain))
        np.testing.assert_array_equal(one.step, two.step)
        np.testing.assert_array_equal(one.id, two.id)
        for variable in native.model.variables(name):
            np.testing.assert_array_equal(native.state[name, variable], plain.state[name, variable])
    assert len(native.spikes("exp cells")) > 100


# What is stored -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_weights_of_loihi_are_mantissas_of_8_bits(kind):
    before, found = built(), quantized("loihi1")
    rows = {row.name: row for row in found.weights}
    ratio = []
    for name, even in (("e", False), ("i", False), ("both", True)):
        name = f"{kind} {name}"
        was, now = (np.asarray(model.weights(name).mantissa, np.float64) for model in (before, found.model))
        exponent = int(rows[name].stored.split("^")[1].split(",")[0])
        mantissa = now / 2.0**exponent
        assert (mantissa == np.rint(mantissa)).all() and np.abs(mantissa).max() <= 255
        assert ((mantissa % 2 == 0).all() and (np.sign(was) * now >= 0).all()) if even else 100 < np.abs(mantissa).max()
        ratio.append((now.sum() / was.sum(), 0.01 if even else 0.002))
        # What the report says, from the weights of both models; the scale is that of the whole.
        after = now * was.sum() / now.sum() * (1 + (rows[name].total_error if not even else 0))
        if not even:
            change = np.abs(after / was - 1)
            assert change.mean() == pytest.approx(rows[name].mean_error, abs=1e-4) and change.max() == pytest.approx(
                rows[name].max_error, abs=2e-4
            )
        assert rows[name].number == len(was) and rows[name].clipped == 0
    assert ratio[0][0] == pytest.approx(ratio[1][0], rel=0.004) and ratio[0][0] == pytest.approx(ratio[2][0], rel=0.1)
    neuron = found.model.neurons[f"{kind} cells"]
    assert int(neuron.dv) == round(4096 * -np.expm1(-0.01)) and int(neuron.hold) == 20
    assert int(neuron.du) == (round(4096 * -np.expm1(-0.05)) - 1 if kind == "exp" else 4095)
    assert 2**12 < int(neuron.vth) < 2**15 + 1
    assert (
        neuron.bias_mant.shape == (60,) and len(np.unique(np.asarray(neuron.bias_mant))) == 2
    )  # some get 100 pA, all a way from reset to rest
    # That bias is where the potential goes: rest, and 100 pA times 40 MOhm above it.
    bias = (
        np.asarray(neuron.bias_mant * 2**neuron.bias_exp, float) * found.v_unit[f"{kind} cells"] / (int(neuron.dv) / 4096)
        + found.v_zero[f"{kind} cells"]
    )
    np.testing.assert_allclose(np.unique(np.round(bias, 2)), [-65, -61], atol=0.01)
    left = [f"{kind} {name}" for kind in KINDS for name in ("ramp", "one")]
    assert sorted(found.model.sources) == sorted(left) and sorted(s.name for s in found.model.layout.stimuli) == sorted(left)


def test_weights_of_spinnaker_are_words_of_16_bits():
    before, found = built(), quantized("spinnaker1")
    ports, rows = found.model.receptors["exp cells"], {row.name: row for row in found.weights}
    assert float(ports["inh"].inhibitory) == 1 and float(ports["exc"].inhibitory) == 0.5 and "exc" in found.notes[1]
    for name, port in (("exp e", "exc"), ("exp i", "inh"), ("exp both", "exc")):
        was, now = (np.asarray(model.weights(name).mantissa, np.float64) for model in (before, found.model))
        unit = 1000 * 2.0 ** (float(ports[port].shift) - 15)  # pA
        np.testing.assert_array_equal(now, np.rint(was / unit))
        assert rows[name].zeroed == np.count_nonzero((now == 0) & (was != 0))
    assert {"exp bias", "exp one", "exp ramp"} < set(found.model.sources)
    assert found.clipped == 0


def test_delta_weights_of_spinnaker_are_charges():
    before, found = built(), quantized("spinnaker1")
    was, now = (np.asarray(model.weights("delta e").mantissa, np.float64) for model in (before, found.model))
    charge = 0.1 / 40 / -np.expm1(-0.01)  # dt / (R (1 - exp(-dt/tau))) pC for a jump of 1 mV
    np.testing.assert_allclose(now, was * charge, atol=2.0**-16 + 1e-9)
    assert (now * 2**15 == np.rint(now * 2**15)).all()


@pytest.mark.parametrize("chip", CHIPS)
def test_weights_that_vanish_are_counted_and_said(chip):
    cells = n4.Population("cells", 3, lif(), {"in": n4.ExpCurrent(tau=2 * u.ms)})
    sizes = np.array([1000.0, 500.0, 1e-3]) if chip == "loihi1" else np.array([5e4, 5e4, 0.2])
    wires = n4.Projection("w", cells, cells, "in", n4.OneToOne(), weight=sizes * u.pA, delay=1 * u.ms)
    found = h.quantize_for(n4.Network(cells, wires).build(dt=DT, seed=0), chip)
    assert found.zeroed == found.weights[0].zeroed == 1 and found.weights[0].max_error == 1
    assert found.notes[0].startswith("1 weights became 0 and 0 met")
    assert np.asarray(found.model.weights("w").mantissa)[2] == 0


size = st.floats(-1e5, 1e5).filter(lambda x: x == 0 or abs(x) > 1e-3)


@settings(max_examples=10)
@given(
    st.sampled_from([1, 20]).flatmap(lambda n: st.lists(size, min_size=n, max_size=n)),  # two shapes, so that little is compiled
    st.floats(0.2, 60), st.floats(0.3, 20), st.floats(10, 1000), st.floats(0.5, 60), st.floats(-30, 30),
)  # fmt: skip
def test_any_population_fits_the_registers_of_loihi(weights, tau, tau_syn, c, distance, away):
    """Whatever the parameters: every number is whole and within its register, and no weight changes by more than half a mantissa of the largest."""
    neuron = lif(tau=tau * u.ms, c=c * u.pF, v_rest=(-50 - distance + away) * u.mV, v_reset=(-50 - distance) * u.mV)
    cells = n4.Population("cells", len(weights), neuron, {"in": n4.ExpCurrent(tau=tau_syn * u.ms)})
    wires = n4.Projection("w", cells, cells, "in", n4.OneToOne(), weight=np.array(weights) * u.pA)
    model = n4.Network(cells, wires).build(dt=DT, seed=0)
    found = h.quantize_for(model, "loihi2")
    made = found.model.neurons["cells"]
    for name, low, high in (
        ("du", 0, 4095),
        ("dv", 1, 4095),
        ("vth", 0, 2**17 - 1),
        ("bias_mant", -4096, 4095),
        ("bias_exp", 0, 7),
        ("hold", 0, 62),
    ):
        value = np.asarray(getattr(made, name))
        assert (value == np.rint(value)).all() and low <= value.min() and value.max() <= high
    row, now = found.weights[0], np.asarray(found.model.weights("w").mantissa, np.float64)
    was = np.array(weights, np.float32)
    assert row.clipped == 0 and row.zeroed == np.count_nonzero((now == 0) & (was != 0))
    if now.any():
        whole = now[np.abs(was).argmax()] / was[np.abs(was).argmax()]
        step = 2 if (was > 0).any() and (was < 0).any() else 1
        assert np.abs(now / whole - was).max() <= np.abs(was).max() * step / 120


# What is said -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chip", CHIPS)
def test_the_report(chip):
    found = quantized(chip)
    text, page = repr(found), found._repr_html_()
    for word in ("tau", "v_th", "t_ref", "mean error", "Poisson to exp cells", "delta one", "exp ramp", "weights became 0"):
        assert word in text
    assert page.count("<table>") == 2 and "tau" in page
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["target"] == chip and len(plain["weights"]) == 12
    change = next(p for p in found.parameters if p.name == "tau")
    assert change.before == 10 and change.error == pytest.approx(-0.006 if chip == "loihi1" else 0.00015, abs=3e-4)


def test_a_surrogate_is_left_out_and_said():
    cells = n4.Population("cells", 3, lif(), {"in": n4.Delta()})
    model = n4.Network(cells).build(dt=DT, seed=0, surrogate=n4.SuperSpike())
    found = h.quantize_for(model, "loihi2")
    assert found.model.surrogate is None and "surrogate" in found.notes[-1]


# What is refused ----------------------------------------------------------------------------------------------------------


def refused(chip, *parts, dt=DT):
    with pytest.raises(h.QuantizationError) as error:
        h.quantize_for(n4.Network(*parts).build(dt=dt, seed=0), chip)
    return str(error.value)


@pytest.mark.parametrize("chip", CHIPS)
def test_all_that_does_not_fit_is_listed(chip):
    a = n4.Population("a", 4, n4.AdEx(c=100 * u.pF, g_l=10 * u.nS, v_rest=-60 * u.mV, v_t=-55 * u.mV, v_reset=-60 * u.mV, delta_t=2 * u.mV,
                                      a=2 * u.nS, tau_w=30 * u.ms, b=20 * u.pA), {"in": n4.ExpCurrent(tau=2 * u.ms)})  # fmt: skip
    b = n4.Population("b", 4, lif(), {"g": n4.ExpConductance(tau=2 * u.ms, e_rev=0 * u.mV), "in": n4.ExpCurrent(tau=2 * u.ms)})
    text = refused(
        chip, a, b,
        n4.Projection("plastic", b, b, "in", n4.OneToOne(), weight=1 * u.pA, plasticity=n4.Free()),
        n4.Projection("trained", b, b, "in", n4.OneToOne(), weight=1 * u.pA,
                      delay=n4.TrainableDelays(1 * u.ms, low=0.1 * u.ms, high=3 * u.ms)),
        n4.GapJunctions("gap", b, b, n4.EdgeList([0], [1]), conductance=1 * u.nS),
        n4.Input("command", b, "in"),
    )  # fmt: skip
    for line in (
        "population 'a': AdEx neurons; what would fit: `LIF` with `ExpCurrent` or `Delta` synapses", "population 'b': receptor 'g', ExpConductance",
        "projection 'plastic': weights that live in the state (Free)", "quantize `model.freeze()`", "gap junctions 'gap'", "stimulus 'command'",
    ):  # fmt: skip
        assert line in text


def test_what_loihi_alone_cannot_do():
    two = n4.Population("two", 4, lif(t_ref=8 * u.ms), {"exc": n4.ExpCurrent(tau=5 * u.ms), "inh": n4.ExpCurrent(tau=10 * u.ms)})
    kinds = n4.Population("kinds", 4, lif(tau=5000 * u.ms), {"exc": n4.ExpCurrent(tau=5 * u.ms), "kick": n4.Delta()})
    late = n4.Projection("late", two, two, "exc", n4.OneToOne(), weight=1 * u.pA, delay=6.3 * u.ms)
    text = refused("loihi1", two, kinds, late)
    for line in ("time constants of 5 ms and 10 ms", "80 steps; the chip holds for 62", "currents and ports with jumps", "would not leak",
                 "projection 'late': a delay of 63 steps; the chip delays by 62 at most"):  # fmt: skip
        assert line in text
    assert "a current that changes" in refused("loihi1", two, n4.WhiteNoise("noise", two, mean=0 * u.pA, std=1 * u.pA))


def test_what_spinnaker_alone_cannot_do():
    cells = n4.Population("cells", 4, lif(tau=np.array([5, 6, 7, 8]) * u.ms), {"kick": n4.Delta()})
    slow = n4.Population("slow", 4, lif(tau=1e5 * u.ms), {"in": n4.ExpCurrent(tau=5 * u.ms)})
    late = n4.Projection("late", cells, slow, "in", n4.OneToOne(), weight=1 * u.pA, delay=14.4 * u.ms)
    text = refused("spinnaker2", cells, slow, late)
    for line in (
        "`tau` or `c` differ",
        "would not leak",
        "resistance of 400000 MOhm",
        "delay of 144 steps, programmed as 145; the chip's software delays by 144",
    ):
        assert line in text


def test_wrong_arguments():
    with pytest.raises(
        h.QuantizationError, match="the arithmetic of loihi1, loihi2, spinnaker1, spinnaker2 is known, not that of 'truenorth'"
    ):
        h.quantize_for(built(), "truenorth")
    with pytest.raises(h.TargetError, match="no target named 'loihi3'"):
        h.quantize_for(built(), "loihi3")
    with pytest.raises(TypeError, match="expected a model, for example"):
        h.quantize_for("brunel", "loihi1")


# Fidelity -----------------------------------------------------------------------------------------------------------------


@functools.cache
def relayed(times):
    """Two neurons that fire at given times, (neuron, ms)."""
    cells = n4.Population("cells", 2, n4.Relay(), {"in": n4.Delta()})
    ids, at = (np.array(x) for x in zip(*sorted(times, key=lambda x: x[1]), strict=True))
    spikes = n4.SpikeTimes("given", cells, "in", times=at * u.ms, ids=ids.astype(int), weight=1 * u.mV)
    return n4.simulate(n4.Network(cells, spikes).build(dt=DT, seed=0), jr.key(0), 20 * u.ms, n4.Spikes(), progress=False)


BEFORE = ((0, 2.0), (0, 9.0), (1, 5.0), (1, 14.0))


def test_fidelity_by_hand():
    """Of four spikes one stays, one comes a step later, one 0.8 ms earlier, one is lost; a neuron next to another does not count as a partner."""
    after = ((0, 2.0), (0, 9.1), (1, 4.2), (0, 14.0))
    found = h.fidelity(relayed(BEFORE), relayed(after))["cells"]
    assert (found.before, found.after, found.spikes) == (100, 100, 8)
    assert found.within_step == 0.5 and found.within == 0.75
    assert found.shift == pytest.approx((0 + 0.1 - 0.8) / 3) and found.apart == pytest.approx(0.3)
    expected = [[2, 2], [3, 1]]
    chance = sum(n * (1 - np.exp(-21 * m / 200)) for a, b in (expected, expected[::-1]) for n, m in zip(a, b, strict=True)) / 8
    assert found.by_chance == pytest.approx(chance)
    narrow = h.fidelity(relayed(BEFORE), relayed(after), window=0.1 * u.ms)["cells"]
    assert narrow.within == 0.5 and narrow.shift == pytest.approx(0.05)


def test_a_run_is_like_itself():
    found = h.fidelity(relayed(BEFORE), relayed(BEFORE))
    assert found["cells"].within_step == found["cells"].within == 1 and found["cells"].shift == 0
    assert "within 1 ms" in repr(found) and "100.0%" in repr(found) and "<table>" in found._repr_html_()
    assert json.loads(json.dumps(found.to_dict()))["window_ms"] == 1


def test_fidelity_refuses_runs_that_do_not_belong_together():
    run = relayed(BEFORE)
    with pytest.raises(TypeError, match="expected two runs"):
        h.fidelity(run, run.model)
    with pytest.raises(ValueError, match="other populations"):
        h.fidelity(run, run_of(None))
    with pytest.raises(ValueError, match="other begins and durations"):
        h.fidelity(run, dataclasses.replace(run, start_step=10))
    with pytest.raises(ValueError, match=r"window is at least a step, 0.1 ms; got 0.01 ms"):
        h.fidelity(run, run, window=0.01 * u.ms)
    with pytest.raises(n4.UnitError, match="window"):
        h.fidelity(run, run, window=1.0)


@pytest.mark.full
@pytest.mark.parametrize("chip", ["loihi2", "spinnaker2"])
def test_brunel_keeps_its_rates(chip):
    """Regime C at a tenth of its size, where another key moves rates by 6 %."""
    model = n4.zoo.brunel(scale=0.1).build(dt=DT, seed=0)
    runs = [n4.simulate(each, jr.key(0), 1 * u.second, n4.Spikes(), progress=False) for each in (model, h.quantize_for(model, chip).model)]
    found = h.fidelity(*runs)
    assert all(abs(found[name].after / found[name].before - 1) < 0.1 for name in ("exc", "inh"))
