"""Every neuron model and every receptor alike: native against plain XLA, instruction sets, derivatives."""

import functools

import brainunit as u
import equinox as eqx
import jax
import jax.export
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from core.exported import NEURONS, RECEPTORS
from core.networks import same
from kernels.every_part import network

import neuro4d as n4
from neuro4d._base import field_units
from neuro4d.kernels import native_available, run_native
from neuro4d.model import _native, advance, prepare
from neuro4d.ops import Backend

EVERY = (*NEURONS, *RECEPTORS)
STEPS = 300

ULPS = {"EIF": 8, "AdEx": 8, "AdLIF": 4}
"""How far a native step may be from that of plain XLA: in units of the last place of a variable's largest value in the run. What compilers
contract and the exponential are the reasons; 2 where nothing is said. In the upstroke of EIF and AdEx a step multiplies any difference by
exp(rise / delta_t)."""

needs_native = pytest.mark.skipif(not native_available(), reason="the CPU handlers are not built")


@functools.cache
def build(backend=Backend.AUTO, precision=jnp.float32):
    return network().build(dt=0.1 * u.ms, seed=1, backend=backend, precision=precision)


def of(groups, name, model):
    """The variables of the population that stands for a part, by name: groups may hold several."""
    span = model.layout.spans[name]
    held = groups[span.group]
    cut = lambda x: x[..., span.start : span.start + span.size]  # noqa: E731
    found = {v: cut(x) for v, x in (held.neurons._asdict() if held.neurons else {}).items()}
    for values in held.receptors.values():
        found |= {f"port.{v}": cut(x) for v, x in (values._asdict() if values else {}).items()}
    return found


def advanced(model, state):
    """A step, and which parts have a neuron that fires in it."""
    after, spikes = advance(model, prepare(model), state, None)
    return after, jnp.stack([spikes[name].any() for name in EVERY])


@needs_native
def test_a_native_step_is_that_of_plain_xla():
    """From the same states, along a run in plain XLA in which all fire but LI, which never does. One test for all parts: they share a program."""
    native = jax.jit(lambda s, m=build(): advance(m, prepare(m), s, None)[0])
    plain = jax.jit(lambda s, m=build(Backend.REFERENCE): advanced(m, s))
    state, found, fired = build().init(jr.key(3)), [], []
    for step in range(2 * STEPS):
        after, spikes = plain(state)
        if step < STEPS:
            found.append((native(state).groups, after.groups))
        fired.append(spikes)
        state = after
    assert [name for name, each in zip(EVERY, np.any(fired, axis=0), strict=True) if not each] == ["LI"]
    got, want = jax.tree.map(lambda *x: np.stack(x), *found)
    far = {}
    for name in EVERY:
        for variable, expected in of(want, name, build()).items():
            if variable == "left" and name in (*RECEPTORS, "LIF"):
                continue  # what rounding left over of v: test_native_steps.py
            unit = np.spacing(np.float32(max(np.abs(expected).max(), 1e-6)))
            apart = (np.abs(of(got, name, build())[variable].astype(np.float64) - expected) / unit).max()
            if not apart <= ULPS.get(name, 2):
                far[name, variable] = apart
    assert far == {}


@needs_native
def test_every_part_has_a_native_step():
    constants = jax.eval_shape(prepare, build())
    assert [name for name, group in constants.groups.items() if group.native is None or group.native.neuron is None] == []


@needs_native
def test_every_instruction_set_gives_the_same_bits(monkeypatch):
    states = []
    for isa in ("baseline", "avx2", "avx512", "best"):
        monkeypatch.setattr(_native, "run_native", functools.partial(run_native, isa=isa))
        step = jax.jit(lambda s: advance(build(), prepare(build()), s, None)[0])
        state = build().init(jr.key(3))
        for _ in range(100):
            state = step(state)
        states.append(jax.tree.leaves(state))
    for others in states[1:]:
        assert all(np.asarray(x).tobytes() == np.asarray(y).tobytes() for x, y in zip(states[0], others, strict=True))


def test_every_part_lowers_for_other_platforms():
    """A model built for native kernels, lowered for a machine that has none of them."""
    model = build()
    step = jax.jit(lambda m, s: advance(m, prepare(m), s, None)[0])
    text = jax.export.export(step, platforms=["cuda", "rocm", "tpu"])(model, model.init(jr.key(0))).mlir_module()
    assert "n4_run" not in text


@pytest.mark.full
def test_one_trace_and_lanes_and_repeats():
    """As in core/test_conformance.py: one trace over seeds and values; a lane of a batch is the single run; the same twice; finite."""
    traces = []

    @jax.jit
    def run(model, state):
        traces.append(1)
        return n4.scan(model, state, 40, lambda s, k: (s.neurons, k.words))

    keys = jr.split(jr.key(3), 2)
    singles = []
    for seed, key in ((0, keys[0]), (0, keys[1]), (1, keys[0])):
        model = network().build(dt=0.1 * u.ms, seed=seed)
        for path in model.pathways:
            weight = lambda m, path=path: m.pathways[path].weight  # noqa: E731
            model = eqx.tree_at(weight, model, weight(model) * (1 + seed))
        singles.append(run(model, model.init(key)))
        assert all(np.isfinite(x).all() for x in jax.tree.leaves(singles[-1]) if x.dtype.kind == "f")
    assert len(traces) == 1
    model = network().build(dt=0.1 * u.ms, seed=0)
    assert same(run(model, model.init(keys[0])), singles[0])
    loop = lambda m, s: n4.scan(m, s, 40, lambda s, k: (s.neurons, k.words))  # noqa: E731
    lanes = jax.jit(lambda m, s: jax.vmap(lambda s: loop(m, s))(s))(model, jax.vmap(model.init)(keys))
    for lane in range(2):
        assert same(jax.tree.map(lambda x, i=lane: x[i], lanes), singles[lane])


# Derivatives ------------------------------------------------------------------------------------------------------------


def part_of(model, name):
    return model.neurons[name] if name in NEURONS else model.receptors[name]["in"]


def fields_of(model, name):
    """The names of the parameters of a part."""
    return [field for field in field_units(part_of(model, name)) if getattr(part_of(model, name), field) is not None]


def slopes():
    """By part and leaf: the derivative of the mean of all variables after a run, as `jax.grad` gives it and from differences.

    Populations hear nothing of each other, so one run moves a leaf of each at a time.
    """
    with jax.enable_x64(True):
        model = build(Backend.REFERENCE, jnp.float64)
        fields = {name: fields_of(model, name) for name in EVERY}
        where = lambda m: {name: {field: getattr(part_of(m, name), field) for field in fields[name]} for name in EVERY}  # noqa: E731
        values = where(model)
        sizes = jax.tree.map(lambda x: np.maximum(np.abs(np.asarray(x)), 1e-3), values)

        @jax.jit
        def means(values):
            changed = eqx.tree_at(lambda m: jax.tree.leaves(where(m)), model, jax.tree.leaves(values))
            groups = n4.scan(changed, changed.init(jr.key(1)), 60)[0].groups
            return {name: sum(jnp.sum(x) for x in of(groups, name, model).values()) for name in EVERY}

        def moved(number, by):
            some = {(name, field) for name in EVERY for field in fields[name][number : number + 1]}
            move = lambda name, field, x: x + by * sizes[name][field] if (name, field) in some else x  # noqa: E731
            return {name: {field: move(name, field, x) for field, x in held.items()} for name, held in values.items()}

        exact = jax.jit(jax.grad(lambda values: sum(means(values).values())))(values)
        found = {name: [] for name in EVERY}
        for number in range(max(map(len, fields.values()))):
            up, down = (means(moved(number, by)) for by in (1e-6, -1e-6))
            for name in EVERY:
                for field in fields[name][number : number + 1]:
                    slope = float(np.sum(np.asarray(exact[name][field]) * sizes[name][field]))
                    found[name].append((field, slope, float(up[name] - down[name]) / 2e-6))
    return found


@pytest.mark.full
def test_derivatives_are_those_of_differences():
    """`pytest -m full tests/kernels/test_every_part.py`, a minute: one program of all parts. test_conformance.py has each part by itself."""
    found = slopes()
    assert set(found) == set(EVERY)
    for name, fields in found.items():
        for field, slope, difference in fields:
            assert np.isfinite(slope), (name, field)
            assert abs(slope - difference) <= 1e-5 * abs(difference) + 1e-5, (name, field, slope, difference)


@pytest.mark.full
def test_derivatives_through_spikes_are_finite():
    """I16: with a surrogate, for every float leaf, with equal time constants of membrane and synapse."""
    model = network().build(dt=0.1 * u.ms, seed=1, surrogate=n4.SuperSpike())

    @jax.jit
    @jax.grad
    def slope(floats, rest):
        whole = eqx.combine(floats, rest)
        final = n4.scan(whole, whole.init(jr.key(3)), 25)[0]
        return sum(jnp.sum(x) for x in jax.tree.leaves(eqx.filter((final.neurons, final.receptors), eqx.is_inexact_array)))

    for path, leaf in jax.tree_util.tree_leaves_with_path(slope(*eqx.partition(model, eqx.is_inexact_array))):
        assert np.isfinite(leaf).all(), jax.tree_util.keystr(path)
