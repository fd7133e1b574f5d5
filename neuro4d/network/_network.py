"""The network: what the user wrote."""

from typing import Any

import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

from neuro4d._base import check_seed, strip
from neuro4d.lattice import Placement
from neuro4d.network._build import Plan, group_sizes, make_pathway, make_sources, place, realise_parts, strands_of
from neuro4d.network._groups import arrange
from neuro4d.network._model import Layout, Link, Model, Wire
from neuro4d.network._population import Population, check_accepts, view_of
from neuro4d.network._predict import check_build
from neuro4d.network._projection import Projection, check_port
from neuro4d.ops import AbstractSurrogate, Backend, depth_for
from neuro4d.stimuli import AbstractStimulus


class Network:
    """Populations, projections and stimuli, as the user wrote them; nothing is drawn yet.

    **Arguments:** the parts, in any order. Every population that a projection or stimulus names has to be among them, and every
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

    __slots__ = ("populations", "projections", "stimuli")
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    stimuli: tuple[Any, ...]

    def __init__(self, *parts: Any):
        kinds: dict[str, list] = {"population": [], "projection": [], "stimulus": []}
        for part in parts:
            kinds[_kind(part)].append(part)
        put = object.__setattr__
        put(self, "populations", tuple(kinds["population"]))
        put(self, "projections", tuple(kinds["projection"]))
        put(self, "stimuli", tuple(kinds["stimulus"]))
        if not self.populations:
            raise ValueError("a network has at least one population: `n4.Network(cells, ...)`.")
        for kind, members in kinds.items():
            _check_unique(kind, [member.name for member in members])
        self._check_ends()

    def __setattr__(self, key, value):
        raise AttributeError(f"a Network does not change; make a new one, for example with `net.add(...)` (tried to set {key!r}).")

    def __repr__(self):
        lines = [f"  {part!r}" for part in (*self.populations, *self.projections)]
        lines += [f"  {type(s).__name__}({s.name!r})" for s in self.stimuli]
        return "Network(\n" + "\n".join(lines) + "\n)"

    @property
    def parts(self) -> tuple[Any, ...]:
        """All parts: populations, projections, stimuli."""
        return (*self.populations, *self.projections, *self.stimuli)

    def add(self, *parts: Any) -> "Network":
        """A network with further parts."""
        return Network(*self.parts, *parts)

    def _check_ends(self) -> None:
        for part in (*self.projections, *self.stimuli):
            ends = [part.source, part.target] if isinstance(part, Projection) else [view_of(part.target, f"stimulus {part.name!r}")]
            for end in ends:
                if not any(end.population is population for population in self.populations):
                    name = end.population.name
                    raise ValueError(
                        f"{part.name!r} refers to population {name!r}, which is not part of the network: add it, `n4.Network({name}, ...)`."
                    )
            if not isinstance(part, Projection) and part.port is not None:
                check_port(ends[0], part.port, f"stimulus {part.name!r}")
            elif not isinstance(part, Projection):
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

        **Raises:** `UnitError`, `TypeError`, `ValueError`: an argument out of range, a period or delay off the grid of steps, a rule
        that cannot be met; `MemoryBudgetError` if the model cannot fit into memory, before it is allocated. Nothing is changed.
        """
        step, dtype = _check_dt(dt), _check_precision(precision)
        check_seed(seed)
        if not isinstance(backend, Backend):
            raise TypeError(f"backend is a `neuro4d.Backend`, for example `n4.Backend.REFERENCE`; got {backend!r}.")
        if surrogate is not None and not isinstance(surrogate, AbstractSurrogate):
            raise TypeError(f"surrogate is None or, for example, `n4.SuperSpike()`; got {surrogate!r}.")
        populations = list(self.populations)
        sizes, sites = place(populations, seed)
        spans = arrange(populations, sizes)
        ports = {spans[p.name].group: tuple(sorted(p.receptors)) for p in populations}
        plan = Plan(step, int(seed), dtype, spans, sizes, sites, ports, backend, _check_storage(store_weights, dtype))
        return _build(self, plan, surrogate)


def _build(network: Network, plan: Plan, surrogate: AbstractSurrogate | None) -> Model:
    populations = list(network.populations)
    totals = group_sizes(plan.spans)
    check_build(network, plan, totals)
    neurons, receptors = realise_parts(populations, plan)
    sources, banks = make_sources(list(network.stimuli), plan, totals)
    members = strands_of(list(network.projections), plan)
    names = {key: f"{key[0]}->{key[1]}{' (early)' if key[2] else ''}" for key in members}
    pathways = {names[key]: make_pathway(key, parts, plan, totals) for key, parts in members.items()}
    depths = dict.fromkeys(totals, 0)
    for path in pathways.values():
        depths[path.source] = max(depths[path.source], int(path.delays[-1]))
    placed = [p.size.lattice for p in populations if isinstance(p.size, Placement)]
    links = [_link(names[key], strand, projection, plan) for key, parts in members.items() for strand, _, _, projection in parts]
    layout = Layout(
        dt=plan.dt,
        dtype=plan.dtype,
        backend=plan.backend,
        spans=tuple(plan.spans.values()),
        sizes=tuple(totals.items()),
        ports=tuple(plan.ports.items()),
        depths=tuple((group, depth_for(depth)) for group, depth in depths.items()),
        wires=tuple(Wire(name, *where) for name, (*where, _) in sources.items()),
        bank_ports=tuple((name, group, port) for name, (group, port, _) in banks.items()),
        links=tuple(links),
        served=frozenset((key[1], p.port, key[2]) for key, parts in members.items() for *_, p in parts),
        lattice_shape=tuple(placed[0].shape) if placed else None,
        axes=tuple(placed[0].axes) if placed else None,
    )
    return Model(
        neurons=neurons,
        receptors=receptors,
        initial={p.name: dict(p.initial) for p in populations},
        pathways=pathways,
        sources={name: source for name, (*_, source) in sources.items()},
        banks={name: bank for name, (_, _, bank) in banks.items()},
        sites={name: jnp.asarray(s, jnp.int32) for name, s in plan.sites.items() if s is not None},
        surrogate=surrogate,
        layout=layout,
    )


def _link(pathway: str, strand: Any, projection: Projection, plan: Plan) -> Link:
    pre, post = projection.source, projection.target
    pre_start, n_pre = pre.resolve(plan.sizes[pre.population.name])
    post_start, n_post = post.resolve(plan.sizes[post.population.name])
    return Link(
        projection.name,
        pathway,
        projection.port,
        (strand.source_start, n_pre),
        (strand.target_start, n_post),
        (pre.population.name, pre_start),
        (post.population.name, post_start),
    )


def _kind(part: Any) -> str:
    if isinstance(part, Population):
        return "population"
    if isinstance(part, Projection):
        return "projection"
    if isinstance(part, AbstractStimulus):
        return "stimulus"
    raise TypeError(f"a network is made of populations, projections and stimuli; got {part!r}.")


def _check_unique(kind: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
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
