"""The linear nodes of NIR as sparse matrices, and what arrives at a neuron through several of them."""

import math
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sparse

from neuro4d._base import steps_of

LARGEST = 1 << 24
"""Entries of one matrix, and the products that it may take to make it, in sixteens."""

Shape = tuple[int, ...]


class RefusedError(ValueError):
    """A node that cannot be read as a matrix; the message says why."""


class Term(NamedTuple):
    """What one population sends: `(n_out, n_source)` matrices by delay in steps, and the metadata and the name of the last matrix."""

    source: str
    by_delay: dict[int, Any]
    label: str = ""
    notes: Any = None


class Arriving(NamedTuple):
    """The sum of several terms and of a constant, `(n,)`, with the shape of its axes."""

    terms: list[Term]
    bias: Any
    shape: Shape


def identity(source: str, shape: Shape) -> Arriving:
    """What a population sends, as it leaves it."""
    n = math.prod(shape)
    return Arriving([Term(source, {0: sparse.eye_array(n, format="csr")})], np.zeros(n), shape)


def add(parts: list[Arriving]) -> Arriving:
    """Several signals at one node; those of one source become one term.

    **Raises:** `RefusedError` where their sizes differ.
    """
    first = parts[0]
    merged: dict[str, Term] = {}
    for part in parts:
        if math.prod(part.shape) != math.prod(first.shape):
            raise RefusedError(f"signals of the shapes {first.shape} and {part.shape} meet")
        for term in part.terms:
            known = merged.get(term.source)
            merged[term.source] = term if known is None else Term(term.source, _sum(known.by_delay, term.by_delay), known.label, known.notes)
    return Arriving(list(merged.values()), sum(part.bias for part in parts), first.shape)


def _sum(a: dict[int, Any], b: dict[int, Any]) -> dict[int, Any]:
    return {steps: a[steps] + b[steps] if steps in a and steps in b else a.get(steps, b.get(steps)) for steps in {**a, **b}}


def through(node: Any, name: str, arriving: Arriving, dt: float) -> Arriving:
    """A signal behind a linear node; `dt` in s.

    **Raises:** `RefusedError` for sizes that do not fit, delays off the grid, and matrices that are too large.
    """
    kind = type(node).__name__
    if kind == "Delay":
        return _delayed(node, arriving, dt)
    matrix, bias, shape = _matrix(node, kind, arriving.shape)
    if matrix is None:
        return arriving._replace(shape=shape)
    terms = [
        Term(term.source, {steps: _product(matrix, each) for steps, each in term.by_delay.items()}, name, node.metadata)
        for term in arriving.terms
    ]
    return Arriving(terms, matrix @ arriving.bias + bias, shape)


def _product(a: Any, b: Any) -> Any:
    work = int(np.diff(a.tocsc().indptr).astype(np.int64) @ np.diff(b.indptr).astype(np.int64))
    if work > 16 * LARGEST:
        raise RefusedError(f"a product of matrices that takes {work:,} multiplications, at most {16 * LARGEST:,}")
    found = (a @ b).tocsr()
    if found.nnz > LARGEST:
        raise RefusedError(f"a matrix of {found.nnz:,} weights, at most {LARGEST:,}")
    return found


def _delayed(node: Any, arriving: Arriving, dt: float) -> Arriving:
    n = math.prod(arriving.shape)
    late = np.asarray(node.delay, np.float64).ravel()
    if late.size not in (1, n):
        raise RefusedError(f"{late.size} delays for {n} signals")
    if not (np.isfinite(late) & (late >= 0)).all():
        raise RefusedError("delays that are negative or not finite")
    if np.any(arriving.bias):
        raise RefusedError("a constant (the bias of an Affine) that begins later")
    try:
        steps = np.broadcast_to(steps_of(late * 1e3, dt * 1e3, "a delay"), (n,))
    except ValueError as error:
        raise RefusedError(str(error)) from error
    terms = []
    for term in arriving.terms:
        later: dict[int, Any] = {}
        for before, matrix in term.by_delay.items():
            for each in np.unique(steps).tolist():
                kept = sparse.diags_array((steps == each).astype(np.float64), format="csr") @ matrix
                kept.eliminate_zeros()
                later[before + each] = later[before + each] + kept if before + each in later else kept
        terms.append(term._replace(by_delay=later))
    return arriving._replace(terms=terms)


def _matrix(node: Any, kind: str, shape: Shape) -> tuple[Any, Any, Shape]:
    """The matrix of a node, its constant and the shape behind it; no matrix where a node only names axes."""
    n = math.prod(shape)
    match kind:
        case "Identity":
            return None, 0.0, shape
        case "Flatten":
            return None, 0.0, _flattened(node, shape)
        case "Scale":
            scale = np.asarray(node.scale, np.float64)
            if scale.size not in (1, n):
                raise RefusedError(f"{scale.size} factors for {n} signals")
            return sparse.diags_array(np.broadcast_to(scale.ravel(), (n,)), format="csr"), 0.0, shape
        case "Linear" | "Affine":
            return _dense(node, kind, n)
        case "Conv1d" | "Conv2d":
            return _convolution(node, kind, shape)
        case _:
            return _pooling(node, kind, shape)


def _dense(node: Any, kind: str, n: int) -> tuple[Any, Any, Shape]:
    weight = _finite(node.weight, "weights")
    if weight.ndim != 2 or weight.shape[1] != n:
        raise RefusedError(f"weights of the shape {weight.shape} for {n} signals")
    if weight.size > LARGEST:
        raise RefusedError(f"a matrix of {weight.size:,} weights, at most {LARGEST:,}")
    bias = _finite(node.bias, "a bias") if kind == "Affine" else np.zeros(1)
    if bias.size not in (1, weight.shape[0]):
        raise RefusedError(f"{bias.size} constants for {weight.shape[0]} signals")
    return sparse.csr_array(weight), np.broadcast_to(bias.ravel(), (weight.shape[0],)), (weight.shape[0],)


def _finite(x: Any, what: str) -> np.ndarray:
    array = np.asarray(x)
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise RefusedError(f"{what} that are not finite numbers")
    return array.astype(np.float64)


def _flattened(node: Any, shape: Shape) -> Shape:
    axes = len(shape)
    first, last = int(node.start_dim), int(node.end_dim)
    first, last = first + axes if first < 0 else first, last + axes if last < 0 else last
    if first >= axes or last < first:  # frameworks count the axis of samples, which a graph does not have
        return shape
    return (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])


def _convolution(node: Any, kind: str, shape: Shape) -> tuple[Any, Any, Shape]:
    weight, axes = _finite(node.weight, "weights"), 1 if kind == "Conv1d" else 2
    groups = int(np.asarray(node.groups).item())
    if weight.ndim != axes + 2 or groups < 1:
        raise RefusedError(f"weights of the shape {weight.shape} in {groups} groups")
    if len(shape) != axes + 1:
        given = () if node.input_shape is None else tuple(int(x) for x in np.atleast_1d(node.input_shape))
        shape = (weight.shape[1] * groups, *given)
    matrix, out = _windows(weight, shape, _many(node.stride, axes), node.padding, _many(node.dilation, axes), groups)
    bias = _finite(node.bias, "a bias").ravel()
    if bias.size not in (1, out[0]):
        raise RefusedError(f"{bias.size} constants for {out[0]} channels")
    return matrix, np.repeat(np.broadcast_to(bias, (out[0],)), math.prod(out[1:])), out


def _pooling(node: Any, kind: str, shape: Shape) -> tuple[Any, Any, Shape]:
    if len(shape) != 3:
        raise RefusedError(f"pooling over channels, rows and columns; the signals have the shape {shape}")
    size = _many(node.kernel_size, 2)
    if min(size) < 1 or math.prod(size) * shape[0] > LARGEST:
        raise RefusedError(f"windows of the shape {size}")
    weight = np.full((shape[0], 1, *size), 1.0 if kind == "SumPool2d" else 1 / math.prod(size))
    matrix, out = _windows(weight, shape, _many(node.stride, 2), node.padding, (1, 1), shape[0])
    return matrix, 0.0, out


def _many(x: Any, axes: int) -> Shape:
    values = np.atleast_1d(np.asarray(x))
    if values.dtype.kind not in "iu" or values.size not in (1, axes):
        raise RefusedError(f"{axes} whole numbers for the axes; got {x!r:.60}")
    return tuple(int(each) for each in np.broadcast_to(values.ravel(), (axes,)))


def _windows(weight: np.ndarray, shape: Shape, stride: Shape, padding: Any, dilation: Shape, groups: int) -> tuple[Any, Shape]:
    """A convolution (in the sense of learning, without a mirror) as a matrix over channels and axes in C order."""
    n_out, per_group, *size = weight.shape
    if shape[0] != per_group * groups or n_out % groups or len(shape) != len(size) + 1:
        raise RefusedError(f"weights of the shape {weight.shape} in {groups} groups for signals of the shape {shape}")
    if min(stride) < 1 or min(dilation) < 1:
        raise RefusedError(f"strides {stride} and dilations {dilation}, 1 or more")
    before, after = _padding(padding, size, stride, dilation)
    places, taps, out = [], [], []
    for axis, n in enumerate(shape[1:]):
        span = dilation[axis] * (size[axis] - 1) + 1
        length = (n + before[axis] + after[axis] - span) // stride[axis] + 1
        if length < 1:
            raise RefusedError(f"windows of the shape {tuple(size)} over signals of the shape {shape}")
        at = np.arange(length)[:, None] * stride[axis] - before[axis] + np.arange(size[axis])[None, :] * dilation[axis]
        inside = (at >= 0) & (at < n)
        position, tap = np.nonzero(inside)
        places.append((position, at[inside]))
        taps.append(tap)
        out.append(length)
    pairs = math.prod(len(tap) for tap in taps)
    if pairs * n_out * per_group > LARGEST:
        raise RefusedError(f"a matrix of {pairs * n_out * per_group:,} weights, at most {LARGEST:,}")
    grid = np.meshgrid(*(np.arange(len(tap)) for tap in taps), indexing="ij")
    index = [each.ravel() for each in grid]
    row = np.ravel_multi_index([place[0][i] for place, i in zip(places, index)], out)
    column = np.ravel_multi_index([place[1][i] for place, i in zip(places, index)], shape[1:])
    o, c = (each.ravel() for each in np.meshgrid(np.arange(n_out), np.arange(per_group), indexing="ij"))
    channel = (o // (n_out // groups)) * per_group + c
    values = weight[(o[:, None], c[:, None], *(tap[i][None, :] for tap, i in zip(taps, index)))]
    rows = o[:, None] * math.prod(out) + row[None, :]
    columns = channel[:, None] * math.prod(shape[1:]) + column[None, :]
    matrix = sparse.coo_array((values.ravel(), (rows.ravel(), columns.ravel())), shape=(n_out * math.prod(out), math.prod(shape)))
    return matrix.tocsr(), (n_out, *out)


def _padding(padding: Any, size: list[int], stride: Shape, dilation: Shape) -> tuple[Shape, Shape]:
    """Zeros before and after each axis."""
    padding = padding.decode() if isinstance(padding, bytes) else padding
    if isinstance(padding, str):
        if padding == "valid":
            return (0,) * len(size), (0,) * len(size)
        if padding != "same" or max(stride) > 1:
            raise RefusedError(f"padding {padding!r} with strides {stride}")
        whole = [step * (n - 1) for step, n in zip(dilation, size)]
        return tuple(each // 2 for each in whole), tuple(each - each // 2 for each in whole)
    both = _many(padding, len(size))
    if min(both) < 0:
        raise RefusedError(f"padding {both}, 0 or more")
    return both, both
