"""The compiled delivery against plain loops, bit for bit."""

import functools

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels.delivery_cases import Case, history, make, plain

from neuro4d.kernels import deliver_native, huge_empty, native_available, native_status

pytestmark = pytest.mark.skipif(not native_available(), reason="the CPU handlers are not built")

ISAS = ("baseline", "avx2", "avx512")
STORAGE = (np.float32, np.float16, ml_dtypes.bfloat16)


def run(case: Case, **options) -> np.ndarray:
    acc, ids, count = jax.jit(functools.partial(deliver_native, **options))(*case)
    np.testing.assert_array_equal(ids, case.ids)
    np.testing.assert_array_equal(count, case.count)
    return np.asarray(acc)


def equal_bits(a, b):
    assert a.dtype == b.dtype and a.shape == b.shape
    assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", ["one", "source", "edge"])
@pytest.mark.parametrize("targets", [np.uint16, np.uint32])
def test_all_weight_kinds_and_widths(kind, targets, isa):
    for weights in STORAGE:
        case = make(np.random.default_rng(1), kind=kind, targets=targets, weights=weights, mean=60)
        equal_bits(run(case, weight_kind=kind, isa=isa), plain(case))


@pytest.mark.parametrize("weights", [np.float64, *STORAGE])
@pytest.mark.parametrize("kind", ["one", "source", "edge"])
def test_double_precision(x64, kind, weights):
    case = make(np.random.default_rng(2), kind=kind, weights=weights, sums=np.float64, mean=60)
    for isa in ISAS:
        equal_bits(run(case, isa=isa), plain(case))


@pytest.mark.slow
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 60),
    st.integers(1, 5),
    st.integers(1, 40),
    st.sampled_from([0.0, 0.05, 1.0]),
    st.sets(st.integers(1, 8), min_size=1, max_size=5),
    st.sampled_from([0.5, 5.0, 200.0]),
)
def test_random_layouts(seed, n_source, n_blocks, width, rate, delays, mean):
    rng = np.random.default_rng(seed)
    case = make(rng, n_source=n_source, n_blocks=n_blocks, width=width, rate=rate, delays=sorted(delays), mean=mean)
    with jax.disable_jit():  # one shape per example: nothing to compile
        acc = deliver_native(*case)[0]
    equal_bits(np.asarray(acc), plain(case))


def noted(case: Case, words: int) -> np.ndarray:
    """Which sources may have synapses of each delay, in so many words of bits."""
    n_blocks = len(case.acc)
    has = np.diff(case.bounds[:, ::n_blocks].astype(np.int64)) > 0
    some = np.zeros((len(case.delays), 32 * words), bool)
    for source, row in enumerate(has):
        some[:, source % (32 * words)] |= row
    return np.packbits(some, axis=1, bitorder="little").view(np.uint32)


@pytest.mark.parametrize("words", [1, 2, 8])
@pytest.mark.parametrize("rate", [0.0, 0.01, 0.3, 1.0])
def test_pairs_without_synapses_may_be_noted(words, rate):
    case = make(np.random.default_rng(7), n_source=200, delays=tuple(range(1, 60)), depth=64, mean=5, rate=rate)
    equal_bits(run(case, some=noted(case, words)), plain(case))


def test_what_is_noted_is_asked_before_the_bounds():
    case = make(np.random.default_rng(8), mean=30)
    nothing = np.zeros((len(case.delays), 2), np.uint32)
    equal_bits(run(case, some=nothing), case.acc)
    for wrong in (np.zeros((len(case.delays), 3), np.uint32), np.zeros((1, 2), np.uint32)):
        with pytest.raises(Exception, match="words of bits for each delay"):
            run(case, some=wrong)


def test_silence_and_everybody_firing():
    for rate in (0.0, 1.0):
        case = make(np.random.default_rng(3), n_source=200, rate=rate)
        equal_bits(run(case), plain(case))


def test_every_float16_is_widened_exactly():
    bits = np.arange(2**16, dtype=np.uint16)
    for dtype in (np.float16, ml_dtypes.bfloat16):
        weight = bits.view(dtype)
        with np.errstate(invalid="ignore"):
            wide = weight.astype(np.float32)
            keep = np.isfinite(wide) & ((np.abs(wide) >= np.finfo(np.float32).tiny) | (wide == 0))
        weight, wide = weight[keep], wide[keep]
        n = len(weight)
        case = Case(
            np.uint32(1),
            np.array([1], np.int32),
            np.array([[0]], np.int32),
            np.array([1], np.int32),
            np.zeros((1, 2), np.uint32),
            np.array([[0, n]], np.uint32),
            np.arange(n, dtype=np.uint32),
            weight,
            np.zeros((1, n), np.float32),
        )
        for isa in ISAS:
            np.testing.assert_array_equal(run(case, weight_kind="edge", isa=isa)[0], wide)


def test_duplicate_targets_are_added_in_order():
    weight = np.array([1e8, 1.0, -1e8, 1.0, 1e-3], np.float32)
    case = Case(
        np.uint32(5),
        np.array([1], np.int32),
        np.zeros((4, 1), np.int32),
        np.ones(4, np.int32),
        np.zeros((1, 2), np.uint32),
        np.array([[0, 5]], np.uint32),
        np.zeros(5, np.uint16),
        weight,
        np.zeros((1, 1), np.float32),
    )
    total = np.float32(0)
    for w in weight:
        total += w
    assert run(case)[0, 0] == total


def wrong(case: Case, **changes) -> str:
    bad = case._replace(**changes)
    with pytest.raises(Exception) as error:  # XLA's error class is not public
        jax.block_until_ready(jax.jit(deliver_native)(*bad))
    return str(error.value)


def test_an_index_out_of_range_is_an_error_that_names_it():
    case = make(np.random.default_rng(4), rate=0.5, delays=(1, 2))
    row = (int(case.step) - 1) % 8
    ids = case.ids.copy()
    ids[row, 0] = 40
    assert "source index out of range: got 40 at delay 1, expected 0 <= index < 40" in wrong(case, ids=ids)
    ids[row, 0] = -7
    assert "source index out of range: got -7" in wrong(case, ids=ids)
    for n in (-1, 41):
        count = case.count.copy()
        count[row] = n
        assert f"got {n} in ring row {row}" in wrong(case, count=count)
    assert "target index out of range: got 4000" in wrong(case, targets=np.full_like(case.targets, 4000))
    bounds = case.bounds.copy()
    bounds[..., 1:] += 10**6
    assert "ends at edge" in wrong(case, bounds=bounds)
    start = case.start.copy()
    start[..., 1] = 2**31
    assert "ends at edge" in wrong(case, start=start)
    for delay in (0, 9):
        assert f"between 1 and the depth of the ring, 8; got {delay}" in wrong(case, delays=np.array([1, delay], np.int32))


def test_wrong_shapes_are_refused_before_anything_runs():
    case = make(np.random.default_rng(5))
    with pytest.raises(ValueError, match="`ring_ids` has 2 axes"):
        deliver_native(*case._replace(ids=case.count))
    with pytest.raises(ValueError, match="`weight_kind` is one of"):
        deliver_native(*case, weight_kind="all")
    assert "power of two" in wrong(case, ids=case.ids[:6], count=case.count[:6])
    assert "one weight per source expected, 40 values; got 39" in wrong(case, weight=case.weight[:39])
    assert "a row needs D * n_blocks + 1 bounds, 10; got 9" in wrong(case, bounds=case.bounds[:, :9])
    assert "start and bounds must agree in sources" in wrong(case, bounds=case.bounds[:39])


@pytest.mark.skipif(not native_available(), reason=native_status())
def test_the_question_may_be_asked_inside_a_trace():
    @jax.jit
    def f(x):
        return x + jnp.float32(native_available())

    assert f(jnp.float32(1)) == 2


def test_edges_beyond_two_to_the_31():
    """Rows are found by 64-bit offsets. The pages between the rows are never touched, so they cost nothing."""
    n = 2**32 + 4096
    targets = huge_empty((n,), np.uint16)
    far = 2**32 + 1000
    targets[far : far + 4] = [3, 1, 3, 0]
    shared = jax.device_put(targets)
    if shared.unsafe_buffer_pointer() != targets.ctypes.data:
        pytest.skip("jax copies the array on this machine")
    start = np.array([[far & 0xFFFFFFFF, far >> 32]], np.uint32)
    acc, _, _ = jax.jit(deliver_native)(
        np.uint32(1),
        np.array([1], np.int32),
        np.array([[0]], np.int32),
        np.array([1], np.int32),
        start,
        np.array([[0, 4]], np.uint32),
        shared,
        np.float32(0.5),
        np.zeros((1, 4), np.float32),
    )
    np.testing.assert_array_equal(acc, [[0.5, 0.5, 0, 1.0]])


def stack(rng, cases, *fields):
    whole = {name: np.stack([getattr(case, name) for case in cases]) for name in fields}
    return cases[0]._replace(**whole), Case(*(0 if name in fields else None for name in Case._fields))


def batch_of(rng, base, n, fields):
    cases = []
    for _ in range(n):
        ids, count = history(rng, 8, 40, 0.3)
        fresh = base._replace(
            ids=ids,
            count=count,
            step=np.uint32(rng.integers(2**32, dtype=np.uint64)),
            acc=rng.normal(size=base.acc.shape).astype(np.float32),
            weight=rng.normal(size=base.weight.shape).astype(np.float32),
        )
        cases.append(base._replace(**{name: getattr(fresh, name) for name in fields}))
    return cases


@pytest.mark.parametrize(
    "fields",
    [("ids", "count"), ("ids", "count", "acc"), ("weight",), ("step",), ("acc",), ("ids", "count", "step", "weight", "acc")],
    ids="-".join,
)
def test_vmap_equals_the_loop(fields):
    rng = np.random.default_rng(6)
    cases = batch_of(rng, make(rng), 5, fields)
    batch, axes = stack(rng, cases, *fields)
    acc, ids, count = jax.jit(jax.vmap(deliver_native, in_axes=tuple(axes), out_axes=(0, 0, 0)))(*batch)
    for i, case in enumerate(cases):
        equal_bits(np.asarray(acc[i]), plain(case))
        np.testing.assert_array_equal(ids[i], case.ids)
        np.testing.assert_array_equal(count[i], case.count)


@pytest.mark.parametrize("outer", [("weight",), ("ids", "count", "acc"), ("weight", "step")], ids="-".join)
@pytest.mark.parametrize("inner", [("ids", "count"), ("weight", "acc"), ("step",)], ids="-".join)
@pytest.mark.parametrize("third", [(), ("weight",), ("acc", "step")], ids="-".join)
def test_vmap_of_vmap(outer, inner, third):
    """Every operand may be mapped at any level, at several, or at some with a gap between them."""
    rng = np.random.default_rng(7)
    base = make(rng)
    sizes = (2, 3, 4) if third else (2, 3)
    levels = (outer, inner, third) if third else (outer, inner)
    arrays = base._asdict()
    for name in Case._fields:
        shape = tuple(n for n, level in zip(sizes, levels, strict=True) if name in level)
        if shape and name != "count":
            fields = ("ids", "count") if name == "ids" else (name,)
            members = batch_of(rng, base, int(np.prod(shape)), fields)
            for field in fields:
                stacked = np.stack([getattr(member, field) for member in members])
                arrays[field] = stacked.reshape((*shape, *stacked.shape[1:]))
    f = deliver_native
    for level in reversed(levels):
        f = jax.vmap(f, in_axes=tuple(0 if name in level else None for name in Case._fields))
    acc = np.asarray(jax.jit(f)(*(arrays[name] for name in Case._fields))[0])
    for at in np.ndindex(*sizes):
        case = Case(*(arrays[name][tuple(i for i, level in zip(at, levels, strict=True) if name in level)] for name in Case._fields))
        equal_bits(acc[at], plain(case))


def test_a_batch_over_states_shares_the_synapses():
    rng = np.random.default_rng(8)
    base = make(rng)
    cases = batch_of(rng, base, 4, ("ids", "count", "acc"))
    batch, axes = stack(rng, cases, "ids", "count", "acc")
    text = jax.jit(jax.vmap(deliver_native, in_axes=tuple(axes))).lower(*batch).compile().as_text()
    n = len(base.targets)
    assert f"f32[4,{n}]" not in text and f"u16[4,{n}]" not in text


@pytest.mark.parametrize("batch", [None, 3])
def test_in_a_scan_the_ring_and_the_sums_are_never_copied(batch):
    """The trap: a ring that is read by one call and written by another without a dependence is copied at every step."""
    n, depth = 4096, 16
    rng = np.random.default_rng(9)
    base = make(rng, n_source=n, n_blocks=2, width=n // 2, n_ports=1, depth=depth, delays=(1, 2), mean=2, rate=0.0)
    synapses = (base.start, base.bounds, base.targets, base.weight)
    state = (base.acc, base.ids, base.count)
    if batch:
        state = tuple(np.stack([x] * batch) for x in state)

    def step(carry, k):
        def one(acc, ids, count):
            acc, ids, count = deliver_native(k, base.delays, ids, count, *synapses, acc)
            row = jnp.flatnonzero(acc.reshape(-1) > 4, size=n, fill_value=0).astype(jnp.int32)
            ids = jax.lax.dynamic_update_slice_in_dim(ids, row[None], k.astype(jnp.int32) & (depth - 1), 0)
            return acc, ids, count.at[k & (depth - 1)].set(jnp.int32(3))

        carry = (jax.vmap(one) if batch else one)(*carry)
        return carry, carry[2].sum()

    loop = jax.jit(lambda carry, ks: jax.lax.scan(step, carry, ks), donate_argnums=0)
    text = loop.lower(state, jnp.arange(8, dtype=jnp.uint32)).compile().as_text()
    body = next(part for part in text.split("\n\n") if "custom-call" in part and "n4_deliver" in part)
    large = [f"s32[{','.join(map(str, x.shape))}]" for x in (state[1],)] + [f"f32[{','.join(map(str, state[0].shape))}]"]
    copies = [line for line in body.splitlines() if " copy(" in line and any(shape in line for shape in large)]
    assert copies == []
