"""What a run asks of any machine."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import brainunit as u
import numpy as np

from neuro4d._base import check_count, check_quantity, first_bad, is_traced
from neuro4d.hardware._connections import AbstractConnections, ListedConnections, ModelConnections
from neuro4d.model import Model
from neuro4d.results import Run


class Part(NamedTuple):
    """A population or a layer: its name, its first neuron in the workload, and how many it has."""

    name: str
    first: int
    n: int


@dataclasses.dataclass(frozen=True, eq=False)
class Workload:
    """Neurons, synapses and spikes, whatever machine they will meet.

    **Arguments:**

    - `parts`: populations or layers, one behind the other.
    - `connections`: the synapses between their neurons.
    - `spikes`: spikes of each neuron per step, mean over the run, `(n,)`.
    - `windows`: the same in windows of the run, `(windows, n)`; the mean alone where nothing was recorded in bins.
    - `arrivals`: synaptic events of each neuron per step from outside the network, such as Poisson input, `(n,)`.
    - `dt`: biological time of a step in s.
    - `steps`: of the run, or of an inference.
    - `position`: places of neurons on the lattice, `(n, 4)`, or `None`.

    **Raises:** `ValueError` for a count that is negative or not finite.
    """

    parts: tuple[Part, ...]
    connections: AbstractConnections
    spikes: Any
    windows: Any
    arrivals: Any
    dt: float
    steps: int
    position: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name in ("spikes", "windows", "arrivals"):
            check_counts(getattr(self, name), f"Workload.{name}")

    @property
    def n(self) -> int:
        """Neurons."""
        return sum(part.n for part in self.parts)

    @property
    def synapses(self) -> int:
        """Synapses."""
        return self.connections.number

    @functools.cached_property
    def fan_out(self) -> np.ndarray:
        """Synapses that leave each neuron, `(n,)`."""
        counts = np.zeros(self.n)
        for piece in self.connections.pieces():
            counts += np.bincount(piece.pre, minlength=self.n)
        return counts

    def part_of(self, neuron: int) -> Part:
        """The part that a neuron belongs to."""
        return next(part for part in self.parts if part.first <= neuron < part.first + part.n)

    def __repr__(self) -> str:
        return f"Workload({len(self.parts)} parts, {self.n} neurons, {self.synapses} synapses, {float(np.sum(self.spikes)):.4g} spikes per step)"


def workload(model: Model, run: Run | None) -> Workload:
    """What a recorded run of a model asks of a machine.

    Spikes are taken from the recorder `Spikes` or `Counts`; windows from `Counts(every=...)`. Poisson input of a model
    counts as synaptic events that come from outside, with its mean rate.

    **Raises:** `TypeError` where `model` and `run` are none; `ValueError` for a run of another model, and for one that recorded no spikes.

    !!! Example

        >>> model = n4.zoo.coba(scale=0.05).build(dt=0.1*u.ms, seed=0)
        >>> run = n4.simulate(model, jr.key(0), 50*u.ms, n4.Counts())
        >>> n4.hardware.workload(model, run).synapses == model.n_synapses
        True
    """
    run = _checked(model, run)
    connections = ModelConnections(model)
    parts = tuple(Part(name, connections.first[name], span.size) for name, span in model.populations.items())
    mean = np.concatenate([run.rates(part.name).to_decimal(u.Hz) for part in parts]) * model.dt_ms * 1e-3
    return Workload(
        parts,
        connections,
        mean,
        _windows(run, parts, mean),
        _arrivals(model, connections),
        model.dt_ms * 1e-3,
        run.n_steps,
        _positions(model),
    )


def layered(
    names: Sequence[str], sizes: Sequence[int], pre: Any, post: Any, spikes: Any, *, dt: Any, steps: int, arrivals: Any = None
) -> Workload:
    """A workload from arrays: layers of given sizes, and synapses between neurons that are numbered through all layers.

    **Arguments:** `pre`, `post`: the two ends of every synapse, `(k,)`; `spikes`: per neuron and step, `(n,)`; `dt`: a time, such as
    `1*u.ms`; `steps`; `arrivals`: events from outside per neuron and step, `(n,)`, 0 if left out.

    **Raises:** `ValueError` where numbers do not fit together; `TypeError` for neurons that are not named by integers; `UnitError` for a `dt` without a unit of time.

    !!! Example

        >>> n4.hardware.layered(["a", "b"], [2, 1], [0, 1], [2, 2], np.full(3, 0.1), dt=1*u.ms, steps=100)
        Workload(2 parts, 3 neurons, 2 synapses, 0.3 spikes per step)
    """
    sizes = [check_count(n, "sizes", 1) for n in sizes]
    n = sum(sizes)
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(int)
    pre, post = np.asarray(pre), np.asarray(post)
    if len(names) != len(sizes) or pre.shape != post.shape or pre.ndim != 1 or np.shape(spikes) != (n,):
        raise ValueError(
            f"layered: {len(names)} names and {len(sizes)} sizes of {n} neurons in all, with synapses {pre.shape} to {post.shape} and spikes {np.shape(spikes)}; "
            f"expected one name per size, `pre` and `post` of one shape (k,), and spikes ({n},)."
        )
    if any(each.size and each.dtype.kind not in "iu" for each in (pre, post)):
        raise TypeError(
            f"layered: `pre` and `post` are numbers of neurons, integers; got {pre.dtype} and {post.dtype}. For example `pre=np.array([0, 1])`."
        )
    if len(pre) and not (min(pre.min(), post.min()) >= 0 and max(pre.max(), post.max()) < n):
        raise ValueError(f"layered: synapses name neurons outside of 0 to {n - 1}.")
    length = float(check_quantity(dt, u.ms, "layered: dt", low=0, open_low=True)) * 1e-3
    parts = tuple(Part(name, int(begin), size) for name, begin, size in zip(names, first, sizes, strict=True))
    outside = np.zeros(n) if arrivals is None else arrivals
    return Workload(parts, ListedConnections(pre, post), spikes, None, outside, length, check_count(steps, "steps", 1))


def check_counts(x: Any, where: str) -> None:
    """Refuses numbers of spikes or events that are negative or not finite. Inside of compiled functions they are not known yet."""
    if x is None or is_traced(x):
        return
    counts = np.asarray(x, np.float64)
    bad = ~(np.isfinite(counts) & (counts >= 0))
    if bad.any():
        raise ValueError(
            f"{where} are numbers per neuron and step, at least 0; got {np.atleast_1d(counts)[np.atleast_1d(bad)][0]}{first_bad(bad)}."
        )


def _checked(model: Any, run: Any) -> Run:
    if not isinstance(model, Model) or not isinstance(run, Run):
        raise TypeError(
            f"expected a model and its run; got {type(model).__name__} and {type(run).__name__}. For example "
            "`run = n4.simulate(model, key, 1*u.second, n4.Counts())`, then `n4.hardware.estimate(model, run, 'loihi2')`."
        )
    if run.model.fingerprint() != model.fingerprint():
        raise ValueError("`run` was made with another model than `model`: populations, projections, seed or time step differ.")
    return run


def _windows(run: Run, parts: tuple[Part, ...], mean: np.ndarray) -> np.ndarray:
    """Spikes per step in windows, `(windows, n)`."""
    try:
        bins = [run.counts_over_time(part.name) for part in parts]
    except ValueError:  # no bins were recorded
        return mean[None]
    ends = np.rint(np.asarray(bins[0].times.to_decimal(u.ms)) / run.dt_ms).astype(int) - run.start_step
    lengths = np.diff(np.concatenate([[0], ends]))
    return np.concatenate([each.values for each in bins], axis=1) / lengths[:, None]


def _arrivals(model: Model, connections: ModelConnections) -> np.ndarray:
    """Events per neuron and step from Poisson input, at its mean rate."""
    found = np.zeros(model.n_neurons)
    for span in model.layout.banks:
        bank = model.banks[span.name]
        mean = np.asarray(bank.mean, np.float64)
        mean = mean.mean(axis=0) if bank.hold else mean
        numbers = connections.number_of[span.group]
        for first, n, segment, count in bank.parts:
            found[numbers[first : first + n]] += mean[segment : segment + count] if count > 1 else mean[segment]
    return found


def _positions(model: Model) -> np.ndarray | None:
    """Places of all neurons, or `None` where some have none."""
    places = [model.coordinates(name) for name in model.populations]
    if any(place is None for place in places):
        return None
    return np.concatenate([np.asarray(place) for place in places if place is not None])
