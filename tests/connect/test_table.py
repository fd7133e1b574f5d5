"""Tables of edges: what is written comes back, what is wrong is refused with its row, column and value."""

import importlib
import sys

import brainunit as u
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

import neuro4d as n4

WEIGHT, DELAY = ("w", u.pA), ("d", u.ms)
LIF = n4.LIF(tau=20 * u.ms, c=200 * u.pF, v_rest=-60 * u.mV, v_th=-50 * u.mV, v_reset=-60 * u.mV)


def table(n=50, seed=0, weight=True, delay=True):
    rng = np.random.default_rng(seed)
    return n4.EdgeTable(
        rng.integers(0, 20, n),
        rng.integers(0, 30, n),
        weight=rng.normal(0, 30, n) * u.pA if weight else None,
        delay=0.1 * rng.integers(1, 90, n) * u.ms if delay else None,
    )


def same(a, b):
    if (a.pre != b.pre).any() or (a.post != b.post).any():
        return False
    pairs = ((a.weight, b.weight), (a.delay, b.delay))
    return all(x is y is None or (u.get_unit(x) == u.get_unit(y) and np.array_equal(x.mantissa, y.mantissa)) for x, y in pairs)


def csv(tmp_path, text):
    path = tmp_path / "edges.csv"
    path.write_text(text, encoding="utf-8")
    return path


@given(
    st.lists(
        st.tuples(st.integers(0, 99), st.integers(0, 2**31 - 2), st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1e6)),
        max_size=20,
    ),
    st.sampled_from([0, 1]),
    st.sampled_from([",", ";", "\t"]),
)
def test_a_text_file_gives_back_every_bit(tmp_path_factory, rows, first, delimiter):
    pre, post, weight, delay = (
        (np.array(column) for column in zip(*rows, strict=True)) if rows else (np.empty(0, int), np.empty(0, int), np.empty(0), np.empty(0))
    )
    made = n4.EdgeTable(pre, post, weight=weight * u.pA, delay=delay * u.ms)
    path = tmp_path_factory.mktemp("csv") / "edges.csv"
    made.to_csv(path, weight=WEIGHT, delay=DELAY, first=first, delimiter=delimiter)
    assert same(n4.EdgeTable.from_csv(path, weight=WEIGHT, delay=DELAY, first=first, delimiter=delimiter), made)


@pytest.mark.parametrize("weight", [True, False])
@pytest.mark.parametrize("delay", [True, False])
def test_weights_and_delays_are_there_where_they_are_named(tmp_path, weight, delay):
    made = table(weight=weight, delay=delay)
    columns = {"weight": WEIGHT if weight else None, "delay": DELAY if delay else None, "pre": "from", "post": "to"}
    made.to_csv(tmp_path / "t.csv", **columns)
    assert same(n4.EdgeTable.from_csv(tmp_path / "t.csv", **columns), made)
    assert (tmp_path / "t.csv").read_text().splitlines()[0] == ",".join(["from", "to", *["w"] * weight, *["d"] * delay])
    assert repr(made) == "EdgeTable(50 edges" + ", weight in pA" * weight + ", delay in ms" * delay + ")"
    assert (made.weight is None) == (not weight) and len(made) == 50


def test_units_are_those_of_the_caller(tmp_path):
    path = csv(tmp_path, "\ufeffnote,post,pre,w,d\nx,1,0,0.5,2\ny,2,1,-1e-3,0\n")
    made = n4.EdgeTable.from_csv(path, weight=("w", u.nA), delay=("d", u.second))
    np.testing.assert_allclose(made.weight.to_decimal(u.pA), [500, -1])
    np.testing.assert_allclose(made.delay.to_decimal(u.ms), [2000, 0])
    assert made.pre.tolist() == [0, 1] and made.post.tolist() == [1, 2]
    made.to_csv(tmp_path / "again.csv", weight=("w", u.pA), delay=("d", u.ms))
    again = n4.EdgeTable.from_csv(tmp_path / "again.csv", weight=("w", u.pA), delay=("d", u.ms))
    np.testing.assert_allclose(again.weight.to_decimal(u.nA), made.weight.to_decimal(u.nA), rtol=1e-15)


def test_a_network_from_a_table():
    made = table(seed=3)
    cells, targets = (n4.Population(name, n, LIF, {"exc": n4.ExpCurrent(tau=5 * u.ms)}) for name, n in (("cells", 20), ("targets", 30)))
    net = n4.Network(cells, targets, n4.Projection("e", cells, targets, "exc", made.rule, weight=made.weight, delay=made.delay))
    edges = net.build(dt=0.1 * u.ms).edges("e")
    key = lambda pre, post, weight: sorted(zip(pre.tolist(), post.tolist(), np.float32(weight).tolist(), strict=True))  # noqa: E731
    assert key(edges.pre, edges.post, edges.weight.to_decimal(u.pA)) == key(made.pre, made.post, made.weight.to_decimal(u.pA))
    assert np.isclose(edges.delay.to_decimal(u.ms).sum(), made.delay.to_decimal(u.ms).sum(), rtol=1e-5)


@pytest.mark.parametrize("form", ["coo", "csr", "csc", "lil"])
def test_sparse_matrices_there_and_back(form):
    matrix = sp.random_array((20, 30), density=0.2, rng=1, format="coo")
    made = n4.EdgeTable.from_scipy(matrix.asformat(form), u.pA)
    assert len(made) == matrix.nnz and np.array_equal(made.to_scipy((20, 30), u.pA).toarray(), matrix.toarray())
    assert np.array_equal(made.to_scipy((20, 30), u.nA).toarray(), (matrix * 1e-3).toarray())
    assert np.array_equal(n4.EdgeTable.from_scipy(matrix.asformat(form)).to_scipy((20, 30)).toarray(), (matrix != 0).toarray())
    delays = matrix.copy()
    delays.data = np.arange(matrix.nnz) * 0.1
    both = n4.EdgeTable.from_scipy(matrix.asformat(form), u.pA, delay=(delays.tocsc(), u.ms))
    place = {(i, j): (w, d) for i, j, w, d in zip(matrix.row, matrix.col, matrix.data, delays.data, strict=True)}
    assert all(place[i, j] == (w, d) for i, j, w, d in zip(both.pre, both.post, both.weight.mantissa, both.delay.mantissa, strict=True))


def test_stored_zeros_and_entries_that_are_stored_twice_are_edges():
    matrix = sp.coo_array(([0.0, 2.0, 3.0], ([0, 1, 1], [1, 2, 2])), shape=(3, 3))
    made = n4.EdgeTable.from_scipy(matrix, u.nS)
    assert made.pre.tolist() == [0, 1, 1] and made.weight.mantissa.tolist() == [0, 2, 3]


# Parquet ---------------------------------------------------------------------------------------------------------------------


def test_parquet_there_and_back(tmp_path):
    pytest.importorskip("pyarrow")
    made = table(2000)
    made.to_parquet(tmp_path / "t.parquet", weight=WEIGHT, delay=DELAY, first=1)
    assert same(n4.EdgeTable.from_parquet(tmp_path / "t.parquet", weight=WEIGHT, delay=DELAY, first=1), made)
    bare = n4.EdgeTable.from_parquet(tmp_path / "t.parquet", first=1)
    assert bare.weight is None and bare.delay is None and (bare.pre == made.pre).all()


BAD_PARQUET = [
    ({"pre": [0, None], "post": [1, 2]}, {}, ValueError, "row 1, column 'pre': expected a number; got nothing"),
    ({"pre": [0.0, 1.5], "post": [1, 2]}, {}, ValueError, r"column 'pre' holds whole numbers, not double; got .*0.0.* in row 0"),
    ({"pre": ["a", "b"], "post": [1, 2]}, {}, ValueError, "column 'pre' holds whole numbers, not string"),
    ({"pre": [0, -1], "post": [1, 2]}, {}, ValueError, "row 1, column 'pre': expected the number of a neuron, 0 or more; got -1"),
    (
        {"pre": [0, 1], "post": [1, 2], "w": [1.0, float("inf")]},
        {"weight": WEIGHT},
        ValueError,
        "row 1, column 'w': expected a finite number.*got inf",
    ),
    ({"pre": [0, 1], "post": [1, 2], "weight": [1.0, 2]}, {"weight": ("wieght", u.pA)}, n4.UnknownNameError, "Did you mean 'weight'"),
]


@pytest.mark.parametrize("columns, options, error, text", BAD_PARQUET)
def test_refused_parquet(tmp_path, columns, options, error, text):
    arrow = pytest.importorskip("pyarrow")
    importlib.import_module("pyarrow.parquet").write_table(arrow.table(columns), tmp_path / "bad.parquet")
    with pytest.raises(error, match=text):
        n4.EdgeTable.from_parquet(tmp_path / "bad.parquet", **options)


def test_without_pyarrow_a_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match=r'from_parquet needs pyarrow: `pip install "neuro4d\[parquet\]"`'):
        n4.EdgeTable.from_parquet(tmp_path / "t.parquet")
    with pytest.raises(ImportError, match=r"to_parquet needs pyarrow.*`EdgeTable\.to_csv`"):
        table(weight=False, delay=False).to_parquet(tmp_path / "t.parquet")
    assert not [*tmp_path.iterdir()]


# What is refused -------------------------------------------------------------------------------------------------------------

HEAD = "pre,post,w,d\n"
BAD_FILES = [
    ("", {}, ValueError, "has no line with the names of its columns, for example `pre,post,weight,delay`"),
    ("pre,pre\n1,2\n", {}, ValueError, "the names of its columns differ; got pre, pre"),
    ("source,post\n1,2\n", {}, n4.UnknownNameError, "no column in .*edges.csv named 'pre'"),
    (HEAD + "0,1,2,3\n0,1,2\n", {}, ValueError, r"row 1 \(line 3\) has 3 cells, the first line names 4 columns"),
    (HEAD + "0,1,2,3\n\n0,1,2,3\n", {}, ValueError, r"row 1 \(line 3\) has 0 cells"),
    (HEAD + "0,1,2,3\n0,x,2,3\n", {}, ValueError, r"row 1 \(line 3\), column 'post': expected a whole number, for example `3`; got 'x'"),
    (HEAD + "0,1.0,2,3\n", {}, ValueError, r"row 0 \(line 2\), column 'post': expected a whole number.*got '1.0'"),
    (HEAD + "1_0,1,2,3\n", {}, ValueError, r"column 'pre': expected a whole number.*got '1_0'"),
    (HEAD + "0,1,,3\n", {"weight": WEIGHT}, ValueError, r"row 0 \(line 2\), column 'w': expected a number, for example `0.5`; got ''"),
    (HEAD + "0,1,nan,3\n", {"weight": WEIGHT}, ValueError, r"row 0 \(line 2\), column 'w': expected a finite number.*got nan"),
    (
        HEAD + "0,1,2,3\n0,1,2,-0.5\n",
        {"delay": DELAY},
        ValueError,
        r"row 1 \(line 3\), column 'd': expected a delay of 0 or more.*got -0.5",
    ),
    (HEAD + "-1,1,2,3\n", {}, ValueError, r"row 0 \(line 2\), column 'pre': expected the number of a neuron, 0 or more; got -1"),
    (HEAD + "1,0,2,3\n", {"first": 1}, ValueError, r"column 'post': expected the number of a neuron, 1 or more; got 0"),
    (HEAD + '0,1,2,"3\n', {}, ValueError, "line 2: unexpected end of data"),
    (HEAD, {"weight": "w"}, TypeError, r'weight is the name and the unit of a column, for example `weight=\("w", u.pA\)`; got \'w\''),
    (HEAD, {"weight": ("w", "pA")}, n4.UnitError, "takes a unit such as `u.pA`; got 'pA'"),
    (HEAD, {"delay": ("d", u.pA)}, n4.UnitError, "delays are times"),
    (HEAD, {"post": "pre"}, ValueError, "each column is used once; got pre, pre"),
    (HEAD, {"delimiter": ", "}, TypeError, "delimiter is one character"),
    (HEAD, {"first": -1}, ValueError, "first must be at least 0"),
]


@pytest.mark.parametrize("text, options, error, message", BAD_FILES)
def test_refused_files(tmp_path, text, options, error, message):
    with pytest.raises(error, match=message):
        n4.EdgeTable.from_csv(csv(tmp_path, text), **options)


BAD_TABLES = [
    (lambda: n4.EdgeTable([0, 1], [0]), ValueError, "2 and 1"),
    (lambda: n4.EdgeTable([0, 1], [0, -1]), IndexError, "edge 1 has -1"),
    (lambda: n4.EdgeTable([0], [0], weight=[3.0]), n4.UnitError, r"EdgeTable\.weight: expected a quantity"),
    (lambda: n4.EdgeTable([0], [0], weight=3 * u.pA), ValueError, r"one entry for each of the 1 edges; got the shape \(\)"),
    (lambda: n4.EdgeTable([0, 0], [0, 0], weight=np.array([1, np.nan]) * u.pA), ValueError, r"finite number; got nan.*\(first at index 1\)"),
    (lambda: n4.EdgeTable([0], [0], delay=np.array([-1.0]) * u.ms), ValueError, "at least 0"),
    (lambda: n4.EdgeTable([0], [0], delay=np.array([1.0]) * u.pA), n4.UnitError, r"EdgeTable\.delay: expected a quantity convertible to ms"),
    (lambda: n4.EdgeTable.from_scipy(np.eye(3), u.pA), TypeError, r"is a sparse matrix, for example `scipy.sparse.csr_array\(dense\)`; got ndarray"),
    (lambda: n4.EdgeTable.from_scipy(sp.eye_array(3) * np.nan, u.pA), ValueError, "entries are finite; got nan in row 0, column 0"),
    (lambda: n4.EdgeTable.from_scipy(sp.eye_array(3) * 1j, u.pA), TypeError, "real numbers"),
    (lambda: n4.EdgeTable.from_scipy(sp.eye_array(3).astype(bool), u.pA), TypeError, "Leave out the unit"),
    (lambda: n4.EdgeTable.from_scipy(sp.coo_array(([0.0], ([1], [2])), shape=(3, 3))), ValueError, "is not 0; got 0.0 in row 1, column 2"),
    (lambda: n4.EdgeTable.from_scipy(sp.eye_array(3), "pA"), n4.UnitError, "takes a unit such as `u.pA`"),
    (lambda: n4.EdgeTable.from_scipy(sp.eye_array(3), u.pA, delay=sp.eye_array(3)), TypeError, "delay is a matrix and its unit"),
    (lambda: n4.EdgeTable.from_scipy(sp.eye_array(3), u.pA, delay=(sp.eye_array(3, k=1), u.ms)), ValueError, "with 3 and 2 entries"),
    (lambda: n4.EdgeTable.from_scipy(sp.eye_array(2), u.pA, delay=(sp.coo_array(([1.0, 1], ([0, 1], [0, 0])), shape=(2, 2)), u.ms)), ValueError, "row 1, column 1 of the matrix has no partner"),
    (lambda: table().to_csv("x.csv", delay=DELAY), ValueError, r'weights, and they would be lost; for example `weight=\("weight", u.pA\)`'),
    (lambda: table(delay=False).to_csv("x.csv", weight=WEIGHT, delay=DELAY), ValueError, "there are delays, and the table has none"),
    (lambda: table().to_csv("x.csv", weight=("w", u.nS), delay=DELAY), n4.UnitError, "weights are in pA, which is not convertible to nS"),
    (lambda: table().to_csv("x.csv", weight=("w,x", u.pA), delay=DELAY), ValueError, "no delimiter"),
    (lambda: table(weight=False).to_scipy((20, 30), u.pA), ValueError, "the table has no weights"),
    (lambda: table().to_scipy((2, 2)), ValueError, "exceeds matrix dimension|index"),
]  # fmt: skip


@pytest.mark.parametrize("make, error, text", BAD_TABLES)
def test_refused_tables(make, error, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=text):
        make()
    assert not [*tmp_path.iterdir()]
