"""The network: what the user wrote."""

import collections
import dataclasses
from typing import Any

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

from neuro4d._base import MemoryTable, check_seed, strip
from neuro4d.model import Model, Origin, wiring_of
from neuro4d.network._build import build
from neuro4d.network._gap import GapJunctions
from neuro4d.network._population import Population, check_accepts, view_of
from neuro4d.network._predict import Parts, predict
from neuro4d.network._projection import Projection, check_port
from neuro4d.network._spec import BuildSpec, make_spec
from neuro4d.ops import AbstractSurrogate, Backend
from neuro4d.stimuli import AbstractStimulus


class Network:
    """Populations, projections, gap junctions and stimuli, as the user wrote them; nothing is drawn yet.

    **Arguments:** the parts, in any order. Every population that another part names has to be among them, and every
    name has to be unique among its kind.

    **Raises:** `TypeError` for anything else, `ValueError` for a name used twice or a population that is missing.

    !!! Example

        >>> import brainunit as u, jax.random as jr, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 10, lif, {"exc": n4.ExpCurrent(tau=5*u.ms)})
        >>> net = n4.Network(cells, n4.Clamp("drive", cells, 300*u.pA))
        >>> model = net.build(dt=0.1*u.ms, seed=0)
        >>> model.n_neurons
        10
    """

    __slots__ = ("populations", "projections", "stimuli", "gaps")
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    stimuli: tuple[Any, ...]
    gaps: tuple[GapJunctions, ...]

    def __init__(self, *parts: Any):
        kinds: dict[str, list] = {"population": [], "projection": [], "stimulus": [], "gap junctions": []}
        for part in parts:
            kinds[_kind(part)].append(part)
        put = object.__setattr__
        put(self, "populations", tuple(kinds["population"]))
        put(self, "projections", tuple(kinds["projection"]))
        put(self, "stimuli", tuple(kinds["stimulus"]))
        put(self, "gaps", tuple(kinds["gap junctions"]))
        if not self.populations:
            raise ValueError("a network has at least one population: `n4.Network(cells, ...)`.")
        for kind, members in kinds.items():
            _check_unique(kind, [member.name for member in members])
        _check_unique("projection or gap junctions", [part.name for part in (*kinds["projection"], *kinds["gap junctions"])])
        self._check_ends()

    def __setattr__(self, key, value):
        raise AttributeError(f"a Network does not change; make a new one, for example with `net.add(...)` (tried to set {key!r}).")

    def __repr__(self):
        lines = [f"  {part!r}" for part in (*self.populations, *self.projections, *self.gaps)]
        lines += [f"  {type(s).__name__}({s.name!r})" for s in self.stimuli]
        return "Network(\n" + "\n".join(lines) + "\n)"

    @property
    def parts(self) -> tuple[Any, ...]:
        """All parts: populations, projections, gap junctions, stimuli."""
        return (*self.populations, *self.projections, *self.gaps, *self.stimuli)

    def add(self, *parts: Any) -> "Network":
        """A network with further parts."""
        return Network(*self.parts, *parts)

    def _check_ends(self) -> None:
        known = {id(population) for population in self.populations}
        for part in (*self.projections, *self.gaps, *self.stimuli):
            ends = [part.source, part.target] if isinstance(part, Projection | GapJunctions) else [view_of(part.target, f"stimulus {part.name!r}")]
            for end in ends:
                if id(end.population) not in known:
                    name = end.population.name
                    raise ValueError(
                        f"{part.name!r} refers to population {name!r}, which is not part of the network: add it, `n4.Network({name}, ...)`."
                    )
            if isinstance(part, Projection | GapJunctions):
                continue
            if part.port is not None:
                check_port(ends[0], part.port, f"stimulus {part.name!r}")
            else:
                check_accepts(ends[0].population.neuron, part, f"stimulus {part.name!r}")

    def build(
        self,
        dt: Any,
        seed: int = 0,
        *,
        precision: Any = jnp.float32,
        backend: Backend = Backend.AUTO,
        surrogate: AbstractSurrogate | None = None,
        store_weights: Any = None,
        progress: bool | None = None,
    ) -> Model:
        """Draws the structure and gives a model: the only place where randomness meets structure.

        **Arguments:**

        - `dt`: the time step. [time]
        - `seed`: 0 to 2^64 - 1; structure is a function of (seed, names), the same on every platform.
        - `precision`: `jnp.float32`, or `jnp.float64` where `jax_enable_x64` is set.
        - `backend`: which machines may compute, see `neuro4d.Backend`.
        - `surrogate`: gives spikes a gradient, for example `n4.SuperSpike()`; without it gradients stop at spikes.
        - `store_weights`: the type in which weights that differ between edges are kept; by default that of `precision`.
          `jnp.float16` or `jnp.bfloat16` halve their memory and round each weight (11 or 8 significant bits); sums stay in `precision`.
        - `progress`: a bar while synapses are made; by default where a person can see it and there are many.

        **Raises:** `UnitError`, `TypeError`, `ValueError`: an argument out of range, a period or delay off the grid of steps, a rule
        that cannot be met; `MemoryBudgetError` if the model cannot fit into memory, before it is allocated. Nothing is changed.
        """
        spec = self._spec(dt, seed, precision, backend, surrogate, store_weights)
        dtype, storage = spec.dtype, spec.weight_dtype
        model = build(list(self.populations), list(self.projections), list(self.stimuli), list(self.gaps), spec, surrogate, progress)
        kept = None if store_weights is None else np.dtype(storage).name
        wiring = wiring_of(model.pathways, model.gaps)
        origin = Origin(self, spec.dt, int(seed), dtype.name, backend, surrogate, kept, wiring=wiring)
        return dataclasses.replace(model, origin=origin)

    def memory(
        self,
        dt: Any,
        seed: int = 0,
        *,
        precision: Any = jnp.float32,
        backend: Backend = Backend.AUTO,
        surrogate: AbstractSurrogate | None = None,
        store_weights: Any = None,
    ) -> MemoryTable:
        """What `build` with the same arguments, and one state, will take, before anything is allocated.

        Prints as a table of parts and phases; `.peak` and `.kept` are bytes, `.fits` compares with what the machine can give. What the process holds
        otherwise, compiled programs too, comes on top of it. Only rules whose number of edges does not follow from sizes (distance, for
        example) are drawn for it.

        **Raises:** as `build`.

        !!! Example

            >>> import brainunit as u, neuro4d as n4
            >>> cells = n4.Population("cells", 1000, n4.Relay(), {"in": n4.Delta()})
            >>> wires = n4.Projection("e", cells, cells, "in", n4.FixedOutDegree(100), weight=n4.Normal(1*u.mV, 0.1*u.mV))
            >>> memory = n4.Network(cells, wires).memory(dt=0.1*u.ms)
            >>> memory
            MemoryTable('a network of 1,000 neurons and 100,000 synapses', ...)
            >>> 600_000 < memory.kept < memory.peak and memory.fits
            True
        """
        spec = self._spec(dt, seed, precision, backend, surrogate, store_weights)
        return predict(Parts(self.populations, self.projections, self.stimuli, self.gaps), spec, surrogate)

    def _spec(self, dt: Any, seed: int, precision: Any, backend: Backend, surrogate: AbstractSurrogate | None, store_weights: Any) -> BuildSpec:
        """The arguments of a build, checked, and where populations lie."""
        step, dtype = _check_dt(dt), _check_precision(precision)
        check_seed(seed)
        if not isinstance(backend, Backend):
            raise TypeError(f"backend is a `neuro4d.Backend`, for example `n4.Backend.REFERENCE`; got {backend!r}.")
        if surrogate is not None and not isinstance(surrogate, AbstractSurrogate):
            raise TypeError(f"surrogate is None or, for example, `n4.SuperSpike()`; got {surrogate!r}.")
        return make_spec(list(self.populations), step, int(seed), dtype, backend, _check_storage(store_weights, dtype))


def _kind(part: Any) -> str:
    if isinstance(part, Population):
        return "population"
    if isinstance(part, Projection):
        return "projection"
    if isinstance(part, AbstractStimulus):
        return "stimulus"
    if isinstance(part, GapJunctions):
        return "gap junctions"
    raise TypeError(f"a network is made of populations, projections, gap junctions and stimuli; got {part!r}.")


def _check_unique(kind: str, names: list[str]) -> None:
    for name, number in collections.Counter(names).items():
        if number > 1:
            raise ValueError(
                f"two parts of the kind {kind} are named {name!r}: names address randomness and results, so each is used once."
            )


def _check_dt(dt: Any) -> float:
    value = strip(dt, u.ms, "dt")
    if value.ndim or not np.isfinite(value) or not value > 0:
        raise ValueError(f"dt is one positive time, for example `dt=0.1*u.ms`; got {dt}.")
    return float(value)


def _check_precision(precision: Any) -> Any:
    try:
        dtype = np.dtype(precision)
    except TypeError as error:
        raise TypeError(f"precision is `jnp.float32` or `jnp.float64`; got {precision!r}.") from error
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"precision is `jnp.float32` or `jnp.float64`; got {dtype}.")
    if dtype == np.float64 and jax.dtypes.canonicalize_dtype(np.float64) != np.float64:
        raise ValueError(
            "precision float64 needs `jax.config.update('jax_enable_x64', True)` before anything is built; JAX would use float32."
        )
    return dtype


def _check_storage(storage: Any, precision: Any) -> Any:
    if storage is None:
        return precision
    allowed = (np.dtype(jnp.float16), np.dtype(jnp.bfloat16), precision)
    try:
        dtype = np.dtype(storage)
    except TypeError as error:
        raise TypeError(f"store_weights is None, `jnp.float16`, `jnp.bfloat16` or the precision of the model; got {storage!r}.") from error
    if dtype not in allowed:
        raise ValueError(f"store_weights is None, `jnp.float16`, `jnp.bfloat16` or the precision of the model, {precision}; got {dtype}.")
    return dtype
