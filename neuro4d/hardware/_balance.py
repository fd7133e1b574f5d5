"""Balance: neurons move away from the busiest core, which every other core waits for."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from types import MappingProxyType
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from neuro4d._base import check_count, did_you_mean
from neuro4d.hardware._estimate import estimate
from neuro4d.hardware._layout import compress
from neuro4d.hardware._ledger import AXONS_IN, AXONS_OUT, MEMORY, NEURONS, Ledger, Move, work_of
from neuro4d.hardware._loads import load_model
from neuro4d.hardware._meter import busy, value
from neuro4d.hardware._packing import CapacityError, limits
from neuro4d.hardware._partition import used
from neuro4d.hardware._placement import Change, Placement, knowing, noted
from neuro4d.hardware._schema import ChipTarget

Books = Float[np.ndarray, "8 cores"]
Load = Float[np.ndarray, " cores"]

BY: MappingProxyType[str, Callable[[Books, ChipTarget], Load]] = MappingProxyType(
    {
        "time": lambda books, target: sum(busy(target.time, work_of(books), value).values()),
        "axons_in": lambda books, target: books[AXONS_IN],
        "axons_out": lambda books, target: books[AXONS_OUT],
        "memory": lambda books, target: books[MEMORY],
        "neurons": lambda books, target: books[NEURONS],
    }
)
"""What may be balanced: a number for each core, of which the largest counts."""

ENDS, PIECES, ROUNDS = 4, 4, 3
"""How many cores with little to do are looked at for each move, how many pieces of the busiest core, and how often without success."""

POWER, LEAST = 16, 1e-3
"""Of loads in terms of the busiest, and by how much their sum has to fall."""


def balance(
    placement: Placement,
    by: Literal["time", "axons_in", "axons_out", "memory", "neurons"] = "time",
    *,
    cores: int | None = None,
    seed: int = 0,
) -> Placement:
    r"""Moves neurons between cores, so that the busiest has less to do: a step takes as long as its busiest core.

    Pieces of the busiest core, halves at first and single neurons in the end, go to cores that have little to do; where these are full, neurons that do much are exchanged for
    as many that do little. Each move lowers $\sum_c L_c^{16}$, with $L_c$ what core $c$ has to do, also for cores that now have to send to one more. Counts are exact: fan-in, fan-out,
    memory and events of all cores are kept up to date with each move. So no limit is exceeded, and of all that was passed the placement with the lowest maximum is taken.

    **Arguments:**

    - `by`: what is levelled: `time` of a step, at the mean spikes of the run and without links; or one of the resources, such as the fan-in of the fullest core, `axons_in`.
    - `cores`: how many to use; as many as now if left out. More cores have less to do each, and take more power: see `spread`. New ones get the first free sites.
    - `seed`: of the pieces that are tried.

    **Returns:** the placement with neurons on other cores. Its report has `busiest`: s, or what `by` counts, of the fullest core; `step_time` in s, mean over the windows of the run;
    `messages` per step between cores, which moves may add to; and `cores`. It comes back unchanged where the busiest core cannot be helped or the step time would grow. A
    placement that was compressed is compressed anew.

    **Raises:** `ValueError` for something else to balance, for fewer cores than now, for more than neurons, and where a table of neurons and cores would take more than 2 GiB;
    `CapacityError` for more cores than the largest system has.

    !!! Example

        >>> pre = np.arange(1400)
        >>> work = n4.hardware.layered(["E"], [1400], pre, pre[::-1], np.full(1400, 0.01), dt=1*u.ms, steps=100)
        >>> placed = n4.hardware.partition(work, n4.hardware.target("loihi1"))
        >>> even = n4.hardware.balance(placed)
        >>> np.bincount(placed.core).tolist(), np.bincount(even.core).tolist()
        ([1024, 376], [700, 700])
    """
    if by not in BY:
        raise ValueError(f"balance: cannot balance by {by!r}.{did_you_mean(str(by), BY)}")
    found = levelled(
        placement, by, placement.n_cores if cores is None else _cores(placement, check_count(cores, "balance: cores", 1)), seed
    )
    before, after = (_numbers(each, by) for each in (placement, found))
    if after["busiest"] >= before["busiest"] or (by == "time" and after["step_time"] > before["step_time"]):
        found, after = placement, before
    return finished(placement, noted(found, Change(f"balance ({by})", before, after)))


def levelled(placement: Placement, by: str, cores: int, seed: int) -> Placement:
    """The placement on so many cores, none of which has more to do than the busiest had; without a report."""
    ledger = Ledger(placement, cores)
    _level(ledger, lambda books: BY[by](books, placement.target), np.random.default_rng(seed))
    return _placement(placement, ledger)


def _level(ledger: Ledger, weigh: Callable[[Books], Load], rng: np.random.Generator) -> None:
    """Moves as long as the busiest cores get less to do. The busiest of all may get a little more meanwhile: where it sends to a core more."""
    load, failed = weigh(ledger.books), 0
    lowest, then, since = float(load.max()), ledger.books, list[Move]()
    while failed < ROUNDS:
        one = next(filter(None, (_best(ledger, weigh, load, moves) for moves in _moves(ledger, load, rng))), None)
        found = [one] if one is not None else _exchange(ledger, weigh, load)
        failed = failed + 1 if not found else 0
        for move in found:
            ledger.do(move)
            since.append(move._replace(books=then))  # its own books are not needed again, and have a number for every core
        load = weigh(ledger.books)
        if load.max() < lowest:
            lowest, then = float(load.max()), ledger.books
            since.clear()
    for move in reversed(since):
        ledger.undo(move, then)


def _best(ledger: Ledger, weigh: Callable[[Books], Load], load: Load, moves: Iterable[Move]) -> Move | None:
    """The move that lowers the sum of powers of the loads most, if any does by enough: a maximum that also sees the next ones."""
    best, lowest = None, _powers(load, load) - LEAST
    for move in moves:
        after = _powers(weigh(move.books), load)
        if after < lowest and ledger.fits(move.books, ledger.books):
            best, lowest = move, after
    return best


def _powers(load: Load, before: Load) -> float:
    return float(((load / before.max()) ** POWER).sum())


def _exchange(ledger: Ledger, weigh: Callable[[Books], Load], load: Load) -> list[Move]:
    """Neurons that do much, for as many that do little, where no more fit on cores with less to do: both moves, or none where that does not help."""
    busiest, before = int(np.argmax(load)), ledger.books
    here = _by_weight(ledger, busiest)[::-1]
    for end in np.argsort(load, kind="stable")[:ENDS].tolist():
        there = _by_weight(ledger, end)
        size = min(len(here), len(there)) // 2
        while size and load[end] < load[busiest]:
            away = ledger.move(np.sort(here[:size]), busiest, end)
            ledger.do(away)
            back = ledger.move(np.sort(there[:size]), end, busiest)
            ledger.undo(away, before)
            if _powers(weigh(back.books), load) < _powers(load, load) - LEAST and ledger.fits(back.books, before):
                return [away, back]
            size //= 2
    return []


def _by_weight(ledger: Ledger, core: int) -> Int[np.ndarray, " m"]:
    """The neurons of a core, first those that do least."""
    here = np.flatnonzero(ledger.home == core)
    return here[np.argsort(ledger.weight[here], kind="stable")]


def _moves(ledger: Ledger, load: Load, rng: np.random.Generator) -> Iterator[list[Move]]:
    """Pieces of the busiest core onto cores with less to do, by size: at first half of what lies between them, in the end single neurons."""
    busiest = int(np.argmax(load))
    here = np.flatnonzero(ledger.home == busiest)
    ends = np.argsort(load, kind="stable")[:ENDS]
    ends = ends[load[ends] < load[busiest]]
    if not len(ends) or len(here) < 2:
        return
    size = min(int(len(here) * (load[busiest] - load[ends[0]]) / (2 * load[busiest])), len(here) - 1)
    while size > 1:
        yield list(_pieces(ledger, here, size, busiest, ends, rng))
        size //= 4
    yield list(_pieces(ledger, here, 1, busiest, ends, rng))


def _pieces(
    ledger: Ledger, here: Int[np.ndarray, " m"], size: int, busiest: int, ends: Int[np.ndarray, " k"], rng: np.random.Generator
) -> Iterator[Move]:
    """Stretches of the neurons of a core: neighbours share sources. The first, the last, and some between."""
    for end in ends.tolist():
        for first in {0, len(here) - size, *rng.integers(0, len(here) - size + 1, PIECES - 2).tolist()}:
            yield ledger.move(here[first : first + size], busiest, end)


def _placement(placement: Placement, ledger: Ledger) -> Placement:
    """Neurons as the ledger has them; cores that stayed empty are left out."""
    there = np.flatnonzero(ledger.books[NEURONS] > 0)
    number = (np.cumsum(ledger.books[NEURONS] > 0) - 1).astype(np.int32)
    site = np.concatenate([placement.site, _sites(placement, ledger.books.shape[1] - placement.n_cores)])[there]
    found, table = dataclasses.replace(placement, core=number[ledger.home], site=site, layout=None), ledger.table()
    return knowing(found, table._replace(core=number[table.core]))


def _sites(placement: Placement, number: int) -> Int[np.ndarray, " k"]:
    """The first free sites: on the chips in use, and then on further ones."""
    most = (int(placement.site.max()) // placement.chip.cores + 1) * placement.chip.cores + number
    return np.setdiff1d(np.arange(most), placement.site)[:number]


def _cores(placement: Placement, cores: int) -> int:
    n, most = placement.workload.n, placement.chip.chips * placement.chip.cores
    if cores < placement.n_cores or cores > n:
        raise ValueError(
            f"balance: cores={cores} for {n:,} neurons on {placement.n_cores:,} cores; expected {placement.n_cores:,} to {n:,}. "
            "`partition` has filled cores as far as they hold; fewer would need another order of the neurons: `method='graph'`."
        )
    if cores > most:
        parts = ", ".join(part.name for part in placement.workload.parts)
        raise CapacityError(
            f"balance: {cores:,} cores for {parts} (cores); the largest system of {placement.target.name} has {most:,}. What would fit: cores={most}."
        )
    return cores


def work_in(placement: Placement) -> dict[str, float]:
    """In a step, at the mean spikes of the run: `messages` between cores, and what the `busiest` has to do, in s, without links."""
    loads = load_model(placement)(np.asarray(placement.workload.spikes, float))
    return {"messages": float(loads.messages.sum()), "busiest": float(sum(busy(placement.target.time, loads, value).values()).max())}


def _numbers(placement: Placement, by: str) -> dict[str, float]:
    work = work_in(placement)
    return {
        "busiest": work["busiest"] if by == "time" else float(getattr(used(placement), by).max()),
        "step_time": float(estimate(placement).step_time.value),
        "messages": work["messages"],
        "cores": float(placement.n_cores),
    }


def finished(before: Placement, after: Placement) -> Placement:
    """The placement, if it keeps to the invariant, compressed as before: every neuron on one core, every core on a site of its own, every synapse there, no limit exceeded."""
    old, new = used(before), used(after)
    bad = [name for name, limit in limits(after.target).items() if getattr(new, name).max() > max(limit, getattr(old, name).max())]
    if bad or int(new.neurons.sum()) != before.workload.n or int(after.fan_out.synapses.sum()) != before.workload.synapses:
        raise RuntimeError(f"balance: limits exceeded ({', '.join(bad)}), or neurons or synapses lost; please report this.")
    if len(np.unique(after.site)) != after.n_cores:
        raise RuntimeError("balance: two cores share a site; please report this.")
    return after if before.layout is None or after.layout is not None else compress(after, shared=before.layout.shared)
