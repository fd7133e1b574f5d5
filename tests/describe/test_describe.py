"""Networks as plain data and back: the same to the last bit, and nothing else is read."""

import dataclasses
import json
import warnings

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from core.exported import MASKS, MOVIES, NEURONS, PLACED, RULES, STIMULI, SURROGATES, TABLES, network
from core.networks import lif
from describe.rich import unequal
from hypothesis import given, settings
from hypothesis import strategies as st

import neuro4d as n4
from neuro4d.connect import AbstractKernel
from neuro4d.describe import Description, DescriptionError, NotDescribableError, describe
from neuro4d.describe._kinds import kinds_of, name_of
from neuro4d.describe._read import Reader
from neuro4d.describe._same import differences
from neuro4d.describe._write import Writer

PARTS = {name: make for table in TABLES if table not in (STIMULI, MOVIES) for name, make in table.items()}


def there_and_back(x):
    writer = Writer()
    data = writer.write(x, "x")
    assert not writer.problems
    data, shared = json.loads(json.dumps([data, writer.shared], allow_nan=False))
    return Reader(shared, writer.arrays, kinds_of()).read(data, "x")


def through_text(description):
    return Description.from_json(description.to_json(), description.arrays)


@pytest.mark.parametrize("name", [name for name in PARTS if name != "Record"])
def test_every_part_comes_back(name):
    x = PARTS[name]()
    assert [*differences(x, there_and_back(x), name)] == []


@pytest.mark.parametrize("name", [*STIMULI, *MOVIES, *PLACED, "LIF"])
def test_every_network_comes_back(name):
    net = network(name)
    assert [*differences(net, through_text(describe(net)).network(), name)] == []


def test_a_model_is_built_again_bit_for_bit(rich_model):
    again = through_text(describe(rich_model)).build()
    assert again.fingerprint() == rich_model.fingerprint() and unequal(again, rich_model) == set()
    assert again.origin.fits(rich_model.pathways, rich_model.gaps)


def test_what_is_shared_stays_shared(rich_model):
    made = through_text(describe(rich_model)).network()
    a, b, c = (projection.plasticity for projection in made.projections[:3])
    assert a is b and a is not c
    assert made.populations[1].size.lattice is made.populations[2].size.lattice


@pytest.mark.parametrize(
    "backend", [n4.Backend.AUTO, n4.Backend.REFERENCE, n4.Backend.kernels(3)], ids=["auto", "reference", "three cores"]
)
def test_the_arguments_of_build_come_back(backend):
    surrogate = n4.Scaled(n4.Triangle(width=7 * u.mV), damping=0.3, reset="attached")
    net = n4.Network(n4.Population("cells", 3, lif()))
    model = net.build(dt=0.125 * u.ms, seed=2**63 + 5, backend=backend, surrogate=surrogate, store_weights=jnp.bfloat16)
    again = through_text(describe(model)).build()
    own, other = (dataclasses.asdict(dataclasses.replace(m.origin, network=None, surrogate=None)) for m in (model, again))
    assert own == other and [*differences(again.surrogate, surrogate, "surrogate")] == []
    assert through_text(describe(model)).build(backend=n4.Backend.REFERENCE).layout.backend == n4.Backend.REFERENCE


@pytest.mark.parametrize("name", SURROGATES)
def test_every_surrogate_has_a_description(name):
    assert [*differences(SURROGATES[name](), there_and_back(SURROGATES[name]()), name)] == []


def test_recorders_come_back():
    given = (n4.Spikes("cells"), n4.Trace("cells", "v", every=0.2 * u.ms, ids=[2, 0]), n4.Counts(every=1 * u.ms), n4.Window(length=2 * u.ms))
    net = n4.Network(n4.Population("cells", 3, lif()))
    again = through_text(describe(net, recorders=given)).recorders()
    assert [*differences(given, again, "recorders")] == []


@settings(max_examples=60, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300), st.sampled_from([u.mV, u.volt, u.uvolt]))
def test_numbers_come_back_to_the_last_bit(x, unit):
    value = n4.Constant(x * unit)
    back = there_and_back(value)
    assert np.float64(back.value).tobytes() == np.float64(value.value).tobytes()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 3), max_size=3),
    st.sampled_from(["float64", "float32", "float16", "int64", "int8", "uint32", "bool"]),
    st.integers(0, 2**32 - 1),
)
def test_arrays_come_back_to_the_last_bit(shape, dtype, seed):
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    x = np.frombuffer(np.random.default_rng(seed).bytes(size), "uint8").copy()
    x = (x % 2).astype(bool)[: int(np.prod(shape))].reshape(shape) if dtype == "bool" else x.view(dtype).reshape(shape)
    back = there_and_back([x])[0]
    expected = x if shape or dtype != "float64" else np.asarray(x)
    assert np.asarray(back).dtype == expected.dtype and np.asarray(back).tobytes() == expected.tobytes()


class Plateau(AbstractKernel):
    """A kernel with a constructor written by hand: what it was given is not what it keeps."""

    twice: float

    def __init__(self, reach):
        self.twice = 2 * float(reach)

    def profile(self, square):
        return (square < self.twice).astype(float)


def test_parts_of_the_user_come_back():
    assert name_of(Plateau).endswith(":Plateau")
    x = Plateau(reach=0.3)
    back = there_and_back(n4.DistanceDecay(0.5, 100 * u.um, kernel=x)).kernel
    assert type(back) is Plateau and back.twice == 0.6
    data = json.loads(json.dumps(Writer().write(x, "x")))
    moved = {**data, "part": "a.module.that.is.gone:Plateau"}
    with pytest.raises(DescriptionError, match=r"Import `a.module.that.is.gone` first, or give the class: `parts=\[Plateau\]`"):
        Reader([], {}, kinds_of()).read(moved, "x")
    assert Reader([], {}, kinds_of([Plateau])).read(moved, "x").twice == 0.6


class Oja(AbstractKernel):
    """Called like a part of neuro4d."""

    def profile(self, square):
        return (square < 1).astype(float)


def test_a_part_of_the_user_may_be_called_like_one_of_neuro4d():
    cells = n4.Population("cells", n4.Lattice((3, 3), spacing=50 * u.um).whole.all(), lif(), {"exc": n4.ExpCurrent(tau=5 * u.ms)})
    own, given = n4.DistanceDecay(0.5, 100 * u.um, kernel=Oja()), n4.Oja(norm=200 * u.pA, eta=0.01)
    net = n4.Network(cells, n4.Projection("e", cells, cells, "exc", own, weight=9 * u.pA, plasticity=given))
    again = through_text(describe(net)).network([Oja]).projections[0]
    assert type(again.plasticity) is n4.Oja and type(again.rule.kernel) is Oja


def test_functions_of_the_user_are_listed():
    cells = n4.Population("cells", 3, lif())
    given = [n4.Record(lambda s, k: s["cells", "v"], name="one"), n4.Spikes(), n4.Record(lambda s, k: k["cells"], name="two")]
    with pytest.raises(NotDescribableError, match="at 2 places") as caught:
        describe(n4.Network(cells), recorders=given)
    assert [where for where, _ in caught.value.places] == ["recorder 0[0]", "recorder 2[0]"]


def test_what_was_changed_behind_its_constructor_is_refused():
    times = np.array([0.5, 1.0])
    cells = n4.Population("cells", 3, n4.Relay(), {"in": n4.Delta()})
    given = n4.SpikeTimes("given", cells, "in", times=times * u.ms, ids=np.array([0, 1]), weight=1 * u.mV)
    describe(n4.Network(cells, given))
    object.__setattr__(given, "times", np.array([0.5, 2.0]))
    with pytest.raises(NotDescribableError, match=r"stimuli\[0\]\.times: it cannot be made again"):
        describe(n4.Network(cells, given))


def test_a_model_of_unknown_origin_is_refused(rich_model):
    with pytest.raises(ValueError, match="not known what this model was built from"):
        describe(dataclasses.replace(rich_model, origin=n4.model.UNKNOWN))


def test_the_origin_is_no_part_of_the_structure():
    """Equal structures share a program whatever they were built from; what a program gives back may name the first, which is then found out."""
    cells = n4.Population("cells", 6, lif(), {"exc": n4.ExpCurrent(tau=5 * u.ms)})

    def build(pre, post):
        e = n4.Projection("e", cells, cells, "exc", n4.EdgeList(pre, post), weight=20 * u.pA)
        return n4.Network(cells, e).build(dt=0.1 * u.ms, seed=0)

    one, two = build([0, 1, 2], [1, 2, 3]), build([0, 1, 2], [4, 2, 3])
    traced = []

    @jax.jit
    def louder(model):
        traced.append(0)
        return n4.set(model, lambda m: m.neurons["cells"].v_th, -52 * u.mV)

    first, second = louder(one), louder(two)
    assert len(traced) == 1 and hash(one.origin) == hash(two.origin) and jax.tree.structure(one) == jax.tree.structure(two)
    assert describe(first).network() is not None
    with pytest.raises(ValueError, match="came out of a compiled function"):
        describe(second)


def test_a_checksum_of_synapses_knows_their_order():
    """Also where the same targets belong to other sources, and whole words of eight bytes are moved: by half, by a quarter, within a word."""
    cells = n4.Population("cells", 64, n4.Relay(), {"in": n4.Delta()})
    found = set()
    for by in (0, 1, 16, 32):
        e = n4.Projection("e", cells, cells, "in", n4.EdgeList(np.arange(64), np.roll(np.arange(64), by)), weight=1 * u.mV)
        model = n4.Network(cells, e).build(dt=0.1 * u.ms, seed=0)
        assert model.origin.fits(model.pathways, model.gaps)
        found.add(model.origin.wiring)
    assert len(found) == 4


def test_the_origin_goes_wherever_the_model_goes(rich_model):
    net = rich_model.origin.network
    moved = [
        n4.set(rich_model, lambda m: m.neurons["masked"].v_th, -51 * u.mV),
        n4.set_weights(rich_model, "e", 2 * u.nS),
        n4.with_neurons(rich_model, "masked", lif()),
        jax.tree.map(lambda x: x, rich_model),
        rich_model.freeze(),
        n4.from_user(rich_model, n4.to_user(rich_model))[0],
    ]
    assert all(each.origin.network is net for each in moved)
    assert all(each.origin.fits(each.pathways, each.gaps) for each in moved)


def test_frozen_delays_are_described(rich_model):
    delays = np.linspace(0.5, 3.9, len(rich_model.edges("d")))
    trained = n4.from_user(rich_model, {**n4.to_user(rich_model), "delays": {"d": {"delay": delays.astype(np.float32), "spread": np.float32(0)}}})[0]
    frozen = trained.freeze()
    description = through_text(describe(frozen))
    assert description.frozen and unequal(description.build(), frozen) == set()


# What is refused --------------------------------------------------------------------------------------------------------------


def data_of(net):
    return json.loads(describe(net).to_json())


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "no JSON"),
        ("[1, 2]", "not the description of a network"),
        ('{"format": 99}', "format of the description is 99"),
        ('{"format": 1}', "a description has the keys"),
        ('{"format": 1, "format": 1}', "stands twice"),
        ('{"format": NaN}', "NaN is no number"),
        ('{"format": 1e999}', "larger than any number"),
        ("[" * 100_000, "nested too deeply|no JSON"),
        ('{"format": ' + "9" * 5000 + "}", "no JSON|format of the description"),
    ],
)
def test_text_that_is_no_description_is_refused(text, message):
    with pytest.raises(DescriptionError, match=message):
        Description.from_json(text)


def deeper(x, n):
    for _ in range(n):
        x = {"list": [x]}
    return x


NEURON = {"part": "Relay", "arguments": {}}


@pytest.mark.parametrize(
    "neuron, message",
    [
        ({"part": "os.system", "arguments": {}}, "no part named 'os.system' is imported"),
        ({"part": "subprocess:Popen", "arguments": {}}, "Import `subprocess` first"),
        ({"part": "AbstractNeuron", "arguments": {}}, "no part named"),
        ({"part": ["LIF"], "arguments": {}}, "no part named"),
        ({**NEURON, "extra": 1}, "'extra' is not known beside 'part'"),
        ({"part": "Relay"}, "says too little or too much"),
        ({"part": "Relay", "arguments": {"x": 1}}, "no argument 'x'"),
        ({"part": "Relay", "arguments": 3}, "is no table"),
        ({"shared": 0}, "refers to nothing"),
        ({"population": "cells"}, "there is no population"),
        ({"array": [1.0], "shape": [2], "dtype": "float64"}, "no array of float64 of the shape"),
        ({"array": [1], "shape": [1], "dtype": "float64"}, "no array of float64"),
        ({"array": [1], "shape": [1], "dtype": "object"}, "is no array"),
        ({"array": [300], "shape": [1], "dtype": "int8"}, "too little or too much"),
        ({"array": [1e300], "shape": [1], "dtype": "float32"}, "holds numbers that float32 does not have"),
        ({"array": [0.1], "shape": [1], "dtype": "float32"}, "holds numbers that float32 does not have"),
        ({"array": "a7"}, "the array 'a7' is missing"),
        ({"quantity": 1.0, "unit": "furlong"}, "is no unit"),
        ({"quantity": "1.0", "unit": "mV"}, "is no quantity"),
        ({"float": "1.0"}, "is no number"),
        ({"slice": [0, 1]}, "is no slice"),
        ({"unknown": 1}, "not what an argument may be"),
        ([1], "not what an argument may be"),
        (deeper(1, 60), "nested deeper than"),
        (5, "expected a neuron model"),
    ],
)
def test_data_that_describes_nothing_is_refused(neuron, message):
    data = data_of(n4.Network(n4.Population("cells", 3, n4.Relay())))
    data["populations"][0]["neuron"] = neuron
    with pytest.raises(DescriptionError, match=message):
        Description(data, {}).network()


def test_a_changed_description_is_an_error_or_a_network():
    """Every entry in turn is replaced by something else: what is read is refused with a clear error, or it is a network."""
    data = data_of(network("STDP"))
    text = json.dumps(data)
    places = []

    def walk(x, path):
        places.append(path)
        for key, each in x.items() if isinstance(x, dict) else enumerate(x) if isinstance(x, list) else ():
            walk(each, (*path, key))

    walk(data, ())
    draws = np.random.default_rng(0)
    refused = 0
    for path in places[1:]:
        for junk in (None, -1, "cells", [], {"shared": 0}, 1e300)[draws.integers(6) :][:1]:
            other = json.loads(text)
            inner = other
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = junk
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    made = Description(other, {}).network()
                    assert isinstance(made, n4.Network)
                except DescriptionError:
                    refused += 1
    assert refused > 50


def test_units_without_a_name_come_back():
    unit = u.mS / u.cm2
    data = Writer().write(3.5 * unit, "x")
    back = Reader([], {}, kinds_of()).read(json.loads(json.dumps(data)), "x")
    assert back.unit == unit and back.mantissa == 3.5


def test_a_digest_knows_every_number():
    def digest(weights):
        cells = n4.Population("cells", 40, n4.Relay(), {"in": n4.Delta()})
        e = n4.Projection("e", cells, cells, "in", n4.OneToOne(), weight=weights * u.mV)
        return describe(n4.Network(cells, e)).digest()

    w = np.linspace(0, 1, 40)
    assert digest(w) == digest(w.copy()) != digest(np.nextafter(w, 2))


def test_masks_and_rules_are_among_what_is_tested():
    assert {*MASKS, *RULES, *NEURONS} <= {*PARTS}
