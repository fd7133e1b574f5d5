"""Passes in a row, by the names under which users of a chip know them."""

import dataclasses
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from neuro4d._base import card, did_you_mean, html_table, table
from neuro4d.hardware._balance import balance, work_in
from neuro4d.hardware._boards import on_board
from neuro4d.hardware._cool import cool
from neuro4d.hardware._gating import gate
from neuro4d.hardware._layout import compress
from neuro4d.hardware._partition import partition
from neuro4d.hardware._place import place
from neuro4d.hardware._placement import Placement
from neuro4d.hardware._route import Routes, is_deadlock_free, route
from neuro4d.hardware._schema import ChipTarget, Target
from neuro4d.hardware._spread import spread
from neuro4d.hardware._tables import RoutingTables, routing_tables
from neuro4d.hardware._target import TargetError
from neuro4d.hardware._target import target as read_target
from neuro4d.hardware._traffic import hop_traffic
from neuro4d.hardware._utilization import Utilization, utilization
from neuro4d.hardware._workload import Workload, workload
from neuro4d.model import Model
from neuro4d.results import Run

PASSES: MappingProxyType[str, Callable[[Placement, int], Placement]] = MappingProxyType(
    {
        "fanin_fanout_balancing": lambda placement, seed: balance(placement, seed=seed),
        "core_count": lambda placement, seed: spread(placement, seed=seed),
        "traffic_aware_placement": lambda placement, seed: place(placement, seed=seed),
        "memory_layout_optimization": lambda placement, seed: compress(placement),
        "power_gating_insertion": lambda placement, seed: gate(placement),
        "thermal_aware_placement": lambda placement, seed: cool(placement, seed=seed),
    }
)

SHORT = MappingProxyType(dict(zip(("balance", "spread", "place", "compress", "gate", "cool"), PASSES, strict=True)))

DEFAULT = tuple(name for name in PASSES if name != "core_count")
"""What is made if nothing is said: no more cores than needed."""

BOARDS = MappingProxyType({"spinnaker1": "spin1-48chip", "spinnaker2": "spin2-48chip"})


class Loihi2Optimizer:
    """A network on a chip of Loihi: `partition` and further passes, by name.

    **Arguments:** `model`, `run`: a model and a run of it that recorded spikes or counts; or a `Workload` alone. `target`: `loihi2`, `loihi1`, or a file of yours.

    **Raises:** `TargetError` for a target that is no chip; `ValueError` for a run without spikes.

    !!! Example

        >>> model = n4.zoo.coba(scale=0.1).build(dt=0.1*u.ms, seed=0)
        >>> run = n4.simulate(model, jr.key(0), 50*u.ms, n4.Counts(every=10*u.ms))
        >>> optimizer = n4.hardware.Loihi2Optimizer(model, run)
        >>> compiled = optimizer.compile(optimization_passes=["fanin_fanout_balancing", "memory_layout_optimization"])
        >>> utilization = optimizer.analyze_utilization(compiled)
        >>> print(f"{utilization.cores:.1%}")
        0.8%
    """

    def __init__(self, model: Model | Workload, run: Run | None = None, target: str | Target = "loihi2"):
        self.workload = model if isinstance(model, Workload) else workload(model, run)
        self.target = _chip(target)

    def optimize(self, passes: Sequence[str] = DEFAULT, *, method: str = "graph", seed: int = 0) -> Placement:
        """Gives every neuron a core, and every core a site, by passes in the order of their names.

        | name | pass |
        |---|---|
        | `fanin_fanout_balancing` | `balance` |
        | `core_count` | `spread` |
        | `traffic_aware_placement` | `place` |
        | `memory_layout_optimization` | `compress` |
        | `power_gating_insertion` | `gate` |
        | `thermal_aware_placement` | `cool` |

        The short names do as well. All but `core_count` are made if nothing is said.

        **Arguments:** `method`: of `partition`; `seed`: of the passes that draw.

        **Returns:** the placement, with a report of each pass in `changes`.

        **Raises:** `CapacityError` for a network that does not fit; `ValueError` for an unknown pass.
        """
        if isinstance(passes, str):
            raise TypeError(f"passes are several names, for example `passes=[{passes!r}]`; got the string {passes!r}.")
        chosen = [_pass(name) for name in passes]
        found = partition(self.workload, self.target, method)  # type: ignore[arg-type]  # partition checks the method
        for each in chosen:
            found = each(found, seed)
        return found

    def compile(self, *, optimization_passes: Sequence[str] = DEFAULT) -> Placement:
        """As `optimize`."""
        return self.optimize(optimization_passes)

    def analyze_utilization(self, placement: Placement) -> Utilization:
        """How full the cores are."""
        return utilization(placement)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Routing:
    """The way of every packet: a `placement` on a board, and its `routes`."""

    placement: Placement
    routes: Routes

    def rows(self) -> list[tuple[str, str]]:
        """What is printed."""
        load = self.routes.load
        return [
            ("chips", f"{self.placement.n_chips:,}"),
            ("links in use", f"{len(load):,}"),
            ("packets over links per step", f"{self.routes.hops:.4g}"),
            ("  over the busiest link", f"{load.max(initial=0):.4g}"),
            ("virtual channels of a link", f"{self.routes.virtual}"),
            ("free of deadlock", "yes" if is_deadlock_free(self.routes) else "no"),
        ]

    def __repr__(self) -> str:
        return table(("routing", ""), self.rows())

    def _repr_html_(self) -> str:
        return card("Routing", html_table(("", ""), self.rows()))


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Communication:
    """A placement with little communication.

    **Fields:** `placement`; `tables`: compressed routing tables, `None` where they were not asked for; `candidates`: of each way to fill cores, `messages` per step between
    cores and what the `busiest` has to do, in s; `before` and `after`: the same and `hops`, hop-weighted traffic, of cores filled as neurons are numbered, and of the result.
    """

    placement: Placement
    tables: RoutingTables | None
    candidates: dict[str, dict[str, float]]
    before: dict[str, float]
    after: dict[str, float]

    def rows(self) -> list[tuple[str, str, str]]:
        """What is printed."""
        lines = [(name, f"{self.before[name]:.4g}", f"{self.after[name]:.4g}") for name in self.before]
        if self.tables is not None:
            lines.append(("entries of the fullest router", f"{int(self.tables.before.max()):,}", f"{int(self.tables.entries.max()):,}"))
        return lines

    def __repr__(self) -> str:
        return table(("per step", "before", "after"), self.rows())

    def _repr_html_(self) -> str:
        return card("Communication", html_table(("per step", "before", "after"), self.rows()))


class SpiNNakerOptimizer:
    """A network on chips of SpiNNaker: where neurons go so that packets are few, and which way packets take.

    **Arguments:** `model`, `run`: a model and a run of it that recorded spikes or counts; or a `Workload` alone. `target`: `spinnaker2`, `spinnaker1`, or a file of yours.

    **Raises:** `TargetError` for a target that is no chip; `ValueError` for a run without spikes.

    !!! Example

        >>> model = n4.zoo.coba(scale=0.1).build(dt=0.1*u.ms, seed=0)
        >>> run = n4.simulate(model, jr.key(0), 50*u.ms, n4.Counts())
        >>> optimizer = n4.hardware.SpiNNakerOptimizer(model, run)
        >>> found = optimizer.reduce_communication(locality_preference=0.8, compression_enabled=True)
        >>> found.after["messages"] <= found.before["messages"]
        True
    """

    def __init__(self, model: Model | Workload, run: Run | None = None, target: str | Target = "spinnaker2"):
        self.workload = model if isinstance(model, Workload) else workload(model, run)
        self.target = _chip(target)

    def optimize_routing(
        self,
        board_config: str | None = None,
        algorithm: Literal["dimension_order", "deadlock_free_adaptive"] = "deadlock_free_adaptive",
        *,
        method: str = "graph",
        seed: int = 0,
    ) -> Routing:
        """Places the network on a board, and gives every packet its way.

        **Arguments:** `board_config`: one of `boards()`; the board of 48 chips if left out. `algorithm`: of `route`. `method`: of `partition`; `seed`: of `place`.

        **Raises:** `ValueError` for an unknown board or algorithm; `CapacityError` for a network that does not fit on the board.
        """
        if board_config is None and self.target.name not in BOARDS:
            raise ValueError(
                f"optimize_routing: no board of {self.target.name!r} is known; name one, for example `board_config='spin2-48chip'`."
            )
        target = on_board(self.target, BOARDS[self.target.name] if board_config is None else board_config)
        placed = place(partition(self.workload, target, method), seed=seed)  # type: ignore[arg-type]  # partition checks the method
        return Routing(placed, route(placed, algorithm=algorithm))

    def reduce_communication(self, locality_preference: float = 0.8, compression_enabled: bool = True, *, seed: int = 0) -> Communication:
        r"""Fills cores so that few messages go between them, without one core that has too much to do, and places them near each other.

        Cores are filled in each order that `partition` knows, and each of these is also balanced. Of these the one with the lowest

        $$p\, \frac{M}{M_\text{min}} + (1 - p)\, \frac{L}{L_\text{min}}$$

        is placed by `place`, with messages per step $M$, what the busiest core has to do $L$, and the lowest of each among the candidates.

        **Arguments:** `locality_preference`: $p$, from 0, even cores, to 1, few messages; `compression_enabled`: whether to make routing tables, with entries merged; `seed`: of
        the passes that draw.

        **Raises:** `ValueError` for a preference outside of 0 to 1; `CapacityError` for a network, or for tables, that do not fit.
        """
        if not 0 <= locality_preference <= 1:
            raise ValueError(
                f"reduce_communication: locality_preference is a share, from 0 to 1; got {locality_preference}. For example `locality_preference=0.8`."
            )
        placements: dict[str, Placement] = {}
        for method in ("sequential", "graph") if self.workload.position is None else ("sequential", "lattice", "graph"):
            placements[method] = partition(self.workload, self.target, method)  # type: ignore[arg-type]
            placements[f"{method}, balanced"] = balance(placements[method], seed=seed)
        numbers = {name: work_in(each) for name, each in placements.items()}
        best = _lowest(numbers, locality_preference)
        placed = place(placements[best], seed=seed)
        first = placements["sequential"]
        return Communication(
            placement=placed,
            tables=routing_tables(placed) if compression_enabled else None,
            candidates=numbers,
            before=numbers["sequential"] | {"hops": hop_traffic(first)},
            after=numbers[best] | {"hops": hop_traffic(placed)},
        )

    def analyze_utilization(self, placement: Placement) -> Utilization:
        """How full the cores are."""
        return utilization(placement)


def _lowest(numbers: dict[str, dict[str, float]], preference: float) -> str:
    """The candidate with the lowest weighted sum; the first of equals."""
    tiny = float(np.finfo(float).tiny)
    least = {key: max(min(each[key] for each in numbers.values()), tiny) for key in ("messages", "busiest")}
    cost = {
        name: preference * each["messages"] / least["messages"] + (1 - preference) * each["busiest"] / least["busiest"]
        for name, each in numbers.items()
    }
    return min(cost, key=lambda name: cost[name])


def _chip(target: Any) -> ChipTarget:
    found = read_target(target)
    if not isinstance(found, ChipTarget):
        raise TargetError(
            f"{found.name} is a processor and has no cores to place neurons on; a chip is, for example, 'loihi2' or 'spinnaker2'."
        )
    return found


def _pass(name: str) -> Callable[[Placement, int], Placement]:
    full = SHORT.get(name, name)
    if full not in PASSES:
        raise ValueError(f"no pass named {name!r}.{did_you_mean(str(name), (*PASSES, *SHORT))}")
    return PASSES[full]
