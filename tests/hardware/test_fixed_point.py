"""Fixed-point neurons against integers of Python: every bit of every step, for traces that also overflow."""

import math

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neuro4d as n4
from neuro4d._base import kept_of, product_s1615, scaled_down, wrapped
from neuro4d.model import prepare

TRACES = 10_000
STEPS = 20
LIMIT = 2**23 - 1


# The arithmetic --------------------------------------------------------------------------------------------------------

words = st.lists(st.integers(-(2**31), 2**31 - 1), min_size=64, max_size=64)
unsigned = st.lists(st.integers(0, 2**32 - 1), min_size=64, max_size=64)


def signed(x, bits):
    """The lowest bits of an integer, read as a signed one."""
    return (x + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)


@given(words, unsigned)
def test_a_word_times_a_fraction(x, y):
    got = jax.jit(scaled_down)(jnp.asarray(x, jnp.int32), jnp.asarray(y, jnp.uint32))
    assert got.tolist() == [(a * b) >> 32 for a, b in zip(x, y, strict=True)]


@given(words, words)
def test_a_product_of_two_accums(x, y):
    got = jax.jit(product_s1615)(jnp.asarray(x, jnp.int32), jnp.asarray(y, jnp.int32))
    assert got.tolist() == [signed((a * b) >> 15, 32) for a, b in zip(x, y, strict=True)]


@given(words, st.lists(st.integers(0, 4096), min_size=64, max_size=64))
def test_a_decay_in_4096ths(x, keep):
    x = [signed(a, 24) for a in x]
    got = jax.jit(kept_of)(jnp.asarray(x, jnp.int32), jnp.asarray(keep, jnp.int32))
    assert got.tolist() == [int(math.copysign(abs(a) * b // 4096, a)) for a, b in zip(x, keep, strict=True)]


@given(words)
def test_registers_wrap(x):
    for bits in (22, 24):
        assert wrapped(jnp.asarray(x, jnp.int32), bits).tolist() == [signed(a, bits) for a in x]


@eqx.filter_jit
def stepped(neuron, state, drive):
    return neuron.step(neuron.constants(1.0), state, drive)


# Loihi -----------------------------------------------------------------------------------------------------------------


def loihi_reference(du, dv, vth, mantissa, exponent, hold, sums):
    """One neuron in integers of Python; `sums` are weights times 64. Gives u, v and spikes of each step, and how often it overflowed."""
    at, v, left, found, odd = 0, 0, 0, [], [0, 0, 0]
    for arrived in sums:
        taken = signed(arrived, 22)
        decayed = abs(at) * (4096 - (du + 1)) // 4096
        total = (decayed if at >= 0 else -decayed) + taken
        at = signed(total, 24)
        odd[0] += taken != arrived
        odd[1] += at != total
        fires = False
        if left:
            v, left = 0, left - 1
        else:
            leaked = abs(v) * (4096 - dv) // 4096
            v = (leaked if v >= 0 else -leaked) + at + mantissa * 2**exponent
            odd[2] += abs(v) > LIMIT
            v = max(-LIMIT, min(LIMIT, v))
            if v > vth * 64:
                fires, v, left = True, 0, hold
        found.append((at, v, fires))
    return found, odd


def loihi_case(seed=0):
    """Parameters and weights (in 64ths) of all traces: a third at the ends of their ranges, sparse arrivals, some of them larger than a register."""
    rng = np.random.default_rng(seed)
    ends = rng.random(TRACES) < 1 / 3
    pick = lambda low, high: np.where(ends, rng.choice([low, high], TRACES), rng.integers(low, high + 1, TRACES))  # noqa: E731
    parameters = {
        "du": pick(0, 4095),
        "dv": pick(0, 4095),
        "vth": np.where(ends, 2**17 - 1, rng.integers(1, 2**13, TRACES)),
        "bias_mant": pick(-4096, 4095) * (rng.random(TRACES) < 0.5),
        "bias_exp": rng.integers(0, 8, TRACES),
        "hold": rng.choice([0, 0, 1, 3, 62], TRACES),
    }
    weights = rng.integers(-256, 256, (STEPS, TRACES)) * 2 ** rng.integers(0, 16, (STEPS, TRACES))
    up = rng.random(TRACES) < 0.2  # so that u grows out of its register
    weights = np.where(up, rng.integers(2**20, 2**21, (STEPS, TRACES)), weights) * (rng.random((STEPS, TRACES)) < np.where(up, 0.8, 0.3))
    return parameters, weights


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["jump", "i"])
def test_loihi_is_the_reference_bit_for_bit(kind):
    """10,000 random traces, through a `Delta` port and as a current, which enter the same sum."""
    parameters, weights = loihi_case(0 if kind == "jump" else 1)
    cells = n4.Population("cells", TRACES, n4.LoihiLIF(**parameters), {"in": n4.Delta()} if kind == "jump" else None)
    model = n4.Network(cells, n4.Input("w", cells, "in" if kind == "jump" else None)).build(dt=1 * u.ms, seed=0)
    look = lambda state, spikes: (*state.neurons["cells"][:2], spikes["cells"])  # noqa: E731
    run = jax.jit(lambda state, w: n4.scan(model, state, STEPS, look, {"w": w})[1])
    got = [np.asarray(x) for x in run(model.init(jr.key(0)), jnp.asarray(weights / 64, jnp.float32))]
    assert [x.dtype for x in got] == [np.int32, np.int32, bool]

    columns = zip(*(x.tolist() for x in parameters.values()), weights.T.tolist(), strict=True)
    traces = [loihi_reference(*column) for column in columns]
    expected = np.array([found for found, _ in traces]).transpose(2, 1, 0)
    for mine, theirs in zip(got, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    # Equality means something: neurons fire, and every register overflows somewhere.
    assert expected[2].sum() > TRACES and (np.sum([odd for _, odd in traces], axis=0) > 100).all()


def test_loihi_by_hand():
    """Half of u and a quarter of v remain: 64 * 7 = 448; then u = 448 * 2047 >> 12 = 223, v = 112 + 223; negative numbers are cut towards zero."""
    neuron = n4.LoihiLIF(du=2048, dv=3072, vth=1000)
    state = neuron.init({name: jnp.zeros(2) for name in "uv"})
    state, _ = stepped(neuron, state, n4.Drive(jump=jnp.array([7.0, -7.0])))
    assert (state.u.tolist(), state.v.tolist()) == ([448, -448], [448, -448])
    state, _ = stepped(neuron, state, n4.Drive(jump=jnp.zeros(2)))
    assert (state.u.tolist(), state.v.tolist()) == ([223, -223], [335, -335])


def test_loihi_threshold_is_strict_and_u_goes_on_while_v_is_held():
    neuron = n4.LoihiLIF(du=0, dv=0, vth=1, hold=2)
    state = neuron.init({name: jnp.zeros(2) for name in "uv"})
    seen = []
    for weight in (1.0, 0.0, 0.0, 0.0, 0.0):
        state, fired = stepped(neuron, state, n4.Drive(jump=jnp.full(2, weight)))
        seen.append((int(state.u[0]), int(state.v[0]), bool(fired.spikes[0]), float(fired.excess[0])))
    # 64 is not above 64; 63 * 4095 >> 12 is 62 and so on.
    assert seen == [(64, 64, False, 0.0), (63, 0, True, 63 / 64), (62, 0, False, -1.0), (61, 0, False, -1.0), (60, 60, False, -4 / 64)]


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("du", 4096, "du must be at least 0 and at most 4095; got 4096"),
        ("dv", 1.5, "dv is a whole number, as the chip stores it; got 1.5"),
        ("vth", 2**17, "vth must be"),
        ("bias_exp", 8, "bias_exp must be"),
        ("hold", [0, 63], "hold must be"),
    ],
)
def test_loihi_refuses_what_the_chip_cannot_store(field, value, text):
    with pytest.raises(ValueError, match=text):
        n4.LoihiLIF(**{"du": 0, "dv": 0, "vth": 1} | {field: value})


# SpiNNaker -------------------------------------------------------------------------------------------------------------


def spinnaker_reference(lif, ports, rows):
    """One neuron in integers of Python. `lif`: what sPyNNaker stores; `ports`: decay, first, shift, sign; `rows`: what arrives at the ports in each step."""
    resistance, keep, v_rest, v_th, v_reset, offset, hold = lif
    v, left, held, waiting, found, full = v_rest, 0, [0] * len(ports), [0] * len(ports), [], 0
    for arriving in rows:
        total = offset
        for k, (decay, first, shift, sign) in enumerate(ports):
            buffer = min(waiting[k], 65535)
            full += buffer != waiting[k]
            held[k] += ((buffer << shift) * first) >> 32
            total += sign * held[k]
            held[k] = (held[k] * decay) >> 32
            waiting[k] = arriving[k]
        fires = False
        if left:
            left -= 1
        else:
            alpha = signed(signed((total * resistance) >> 15, 32) + v_rest, 32)
            v = signed(alpha - signed((keep * signed(alpha - v, 32)) >> 15, 32), 32)
            if v >= v_th:
                fires, v, left = True, v_reset, hold
        found.append((v, *[sign * x for x, (*_, sign) in zip(held, ports, strict=True)], fires))
    return found, full


def spinnaker_case():
    rng = np.random.default_rng(2)
    some = lambda low, high: rng.uniform(low, high, TRACES)  # noqa: E731
    v_th, hold = some(-55, -45), rng.choice([0, 1, 5], TRACES)
    neuron = n4.SpiNNakerLIF(
        tau=some(1, 50) * u.ms, c=some(20, 1000) * u.pF, v_rest=some(-75, -60) * u.mV, v_th=v_th * u.mV, v_reset=(v_th - some(1, 30)) * u.mV,
        t_ref=hold * u.ms, i_offset=some(-500, 500) * u.pA,
    )  # fmt: skip
    ports = {
        name: n4.SpiNNakerCurrent(tau=some(0.3, 4) * u.ms, shift=rng.integers(0, 3, TRACES), inhibitory=side)
        for name, side in (("exc", 0), ("inh", 1))
    }
    sums = rng.integers(0, 2**16, (2, STEPS, TRACES)) >> rng.integers(0, 12, (2, STEPS, TRACES))
    sums = np.where(rng.random((2, STEPS, TRACES)) < 0.02, 70_000, sums) * (rng.random((2, STEPS, TRACES)) < 0.3)
    return neuron, ports, sums


@pytest.mark.slow
def test_spinnaker_is_the_reference_bit_for_bit():
    """10,000 random traces with an excitatory and an inhibitory synapse each, from the constants that the classes store."""
    neuron, ports, sums = spinnaker_case()
    cells = n4.Population("cells", TRACES, neuron, ports)
    inputs = [n4.Input(name, cells, name) for name in ports]
    model = n4.Network(cells, *inputs).build(dt=1 * u.ms, seed=0)
    look = lambda state, spikes: (  # noqa: E731
        state.neurons["cells"].v, state.receptors["cells"]["exc"].i, state.receptors["cells"]["inh"].i, spikes["cells"]
    )  # fmt: skip
    given_ = {"exc": jnp.asarray(sums[0], jnp.float32), "inh": -jnp.asarray(sums[1], jnp.float32)}
    run = jax.jit(lambda state, given_: n4.scan(model, state, STEPS, look, given_)[1])
    got = [np.asarray(x) for x in run(model.init(jr.key(0)), given_)]
    assert [x.dtype for x in got] == [np.int32, np.int32, np.int32, bool]

    each = lambda x: np.broadcast_to(np.asarray(x), (TRACES,)).tolist()  # noqa: E731
    constants = jax.jit(prepare)(model).groups["cells"]
    c = constants.of_neuron
    lif = zip(*map(each, (c.resistance, c.keep, c.v_rest, c.v_th, c.v_reset, c.offset, c.hold)), strict=True)
    stored = [constants.of_receptors[name] for name in ports]
    synapses = [zip(*map(each, (s.decay, s.first, s.shift, sign)), strict=True) for s, sign in zip(stored, (1, -1), strict=True)]
    traces = [spinnaker_reference(a, (b, d), rows) for a, b, d, rows in zip(lif, *synapses, sums.transpose(2, 1, 0).tolist(), strict=True)]
    expected = np.array([found for found, _ in traces]).transpose(2, 1, 0)
    for mine, theirs in zip(got, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert expected[3].sum() > TRACES / 4 and sum(full for _, full in traces) > 100
    assert np.abs(expected[1:3]).max() < 2**21  # up to where a current is handed on without loss


@pytest.mark.parametrize("dt", [0.1, 1.0])
def test_spinnaker_constants_are_the_nearest(dt):
    """From the parameters in double precision: s16.15 to one unit, fractions of 32 bits to single precision."""
    tau = np.geomspace(0.2, 200, 400)
    lif = n4.SpiNNakerLIF(tau=tau * u.ms, c=250 * u.pF, v_rest=-65 * u.mV, v_th=-50 * u.mV, v_reset=-65 * u.mV).constants(dt)
    assert np.abs(np.asarray(lif.keep) - np.exp(-dt / tau) * 2**15).max() < 0.51
    assert np.abs(np.asarray(lif.resistance, float) / (tau / 0.25 * 2**15) - 1).max() < 2e-4
    synapse = n4.SpiNNakerCurrent(tau=tau * u.ms).constants(dt, None)
    np.testing.assert_allclose(np.asarray(synapse.decay, float) / 2**32, np.exp(-dt / tau), atol=2e-7)
    np.testing.assert_allclose(np.asarray(synapse.first, float) / 2**32, tau / dt * (1 - np.exp(-dt / tau)), atol=2e-7)


@given(st.lists(st.tuples(*[st.integers(-(2**21) + 1, 2**21 - 1)] * 2), min_size=64, max_size=64))
def test_currents_are_handed_on_without_loss(pairs):
    """Two synapses below 64 nA: from integers to pA, their sum, and back."""
    assert handed_on(*np.array(pairs, np.int32).T).tolist() == [a + b for a, b in pairs]


@jax.jit
def handed_on(exc, inh):
    """What a neuron of 1 MOhm, of whose past nothing is kept, makes of the currents of two synapses: `v` is their sum."""
    synapse, neuron = (
        n4.SpiNNakerCurrent(tau=1e9 * u.ms),
        n4.SpiNNakerLIF(tau=0.01 * u.ms, c=10 * u.pF, v_rest=0 * u.mV, v_th=65535 * u.mV, v_reset=0 * u.mV),
    )
    constants = synapse.constants(1.0, None)
    held = [synapse.init({"i": jnp.zeros(64)})._replace(i=x) for x in (exc, inh)]
    drives = [synapse.step(constants, each, None)[1] for each in held]
    return neuron.step(neuron.constants(1.0), neuron.init({"v": jnp.zeros(64)}), drives[0] + drives[1])[0].v


def test_a_delta_synapse_of_spinnaker_moves_by_charge():
    """1 mV at 1 nF, as the delta synapse of sPyNNaker: 1 pC; less the leak of the step, (1 - e^-x)/x."""
    neuron = n4.SpiNNakerLIF(tau=10 * u.ms, c=1 * u.nF, v_rest=0 * u.mV, v_th=9 * u.mV, v_reset=0 * u.mV)
    state, _ = stepped(neuron, neuron.init({"v": jnp.zeros(2)}), n4.Drive(jump=jnp.ones(2)))
    assert float(state.v[0]) / 2**15 == pytest.approx(-math.expm1(-0.1) / 0.1, abs=0.001)


def test_a_port_with_both_signs_is_the_difference_of_two():
    """Up to the rounding of what is left in the two buffers: at most a unit for each step."""
    both = {"both": n4.SpiNNakerCurrent(tau=3 * u.ms, inhibitory=0.5)}
    two = {"exc": n4.SpiNNakerCurrent(tau=3 * u.ms), "inh": n4.SpiNNakerCurrent(tau=3 * u.ms, inhibitory=1)}
    rng = np.random.default_rng(0)
    rows = rng.integers(-500, 500, (30, 100))
    found = []
    for ports in (both, two):
        held = {name: port.init({"i": jnp.zeros(100)}) for name, port in ports.items()}
        for name, port in ports.items():
            constants = port.constants(1.0, None)
            body = lambda state, row, port=port, constants=constants: (port.step(constants, state, row)[0], None)  # noqa: E731
            held[name] = jax.lax.scan(body, held[name], jnp.asarray(rows, jnp.float32))[0]
        found.append(sum(np.asarray(x.i) for x in held.values()))
    assert 0 < np.abs(found[0] - found[1]).max() <= 6  # 2 + 2/(1 - e^(-1/3)) would be the bound of the sums of roundings
    assert np.abs(found[0]).max() > 500


def test_spinnaker_refuses_what_it_cannot_store():
    with pytest.raises(ValueError, match=r"SpiNNakerLIF.v_th must be .* at most 65535"):
        n4.SpiNNakerLIF(tau=1 * u.ms, c=1 * u.pF, v_rest=0 * u.mV, v_th=1e5 * u.mV, v_reset=0 * u.mV)
    with pytest.raises(ValueError, match=r"SpiNNakerCurrent: shift is a whole number"):
        n4.SpiNNakerCurrent(tau=1 * u.ms, shift=0.5)
    with pytest.raises(ValueError, match=r"inhibitory is 0, 1, or 0.5"):
        n4.SpiNNakerCurrent(tau=1 * u.ms, inhibitory=0.3)
    with pytest.raises(ValueError, match=r"SpiNNakerLIF.t_ref"):
        cells = n4.Population(
            "c", 1, n4.SpiNNakerLIF(tau=1 * u.ms, c=1 * u.pF, v_rest=0 * u.mV, v_th=1 * u.mV, v_reset=0 * u.mV, t_ref=0.15 * u.ms)
        )
        n4.Network(cells).build(dt=0.1 * u.ms)
    with pytest.raises(ValueError, match=r"at most 65535 MOhm.* got 1e\+08 MOhm"):
        large = n4.SpiNNakerLIF(tau=1e5 * u.ms, c=1 * u.pF, v_rest=0 * u.mV, v_th=1 * u.mV, v_reset=0 * u.mV)
        n4.Network(n4.Population("c", 1, large)).build(dt=0.1 * u.ms)


@pytest.mark.usefixtures("x64")
def test_double_precision_changes_no_bit():
    """The same integers in a model of double precision."""
    lif = n4.SpiNNakerLIF(tau=8 * u.ms, c=256 * u.pF, v_rest=-65 * u.mV, v_th=-60 * u.mV, v_reset=-65 * u.mV)
    cells = [n4.Population(name, 3, neuron, {"in": n4.Delta()}) for name, neuron in (("a", n4.LoihiLIF(du=400, dv=37, vth=70)), ("b", lif))]
    spikes = [
        n4.SpikeTimes(f"to {c.name}", c, "in", times=[1, 3, 4] * u.ms, ids=[0, 2, 1], weight=[60.0, 40.0, 70.0] * u.mV) for c in cells
    ]
    found = []
    for precision in (jnp.float32, jnp.float64):
        model = n4.Network(*cells, *spikes).build(dt=1 * u.ms, seed=0, precision=precision)
        state = jax.jit(lambda state, model=model: n4.scan(model, state, 12)[0])(model.init(jr.key(0)))
        found.append([x for held in state.neurons.values() for x in held])
    assert all(a.dtype == b.dtype == np.int32 and a.tolist() == b.tolist() for a, b in zip(*found, strict=True))
    assert np.any(np.asarray(found[0][0]))
