"""Modules that are denser inside than between."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from neuro4d._base import NUMBER, address, check_count, first_bad, strip
from neuro4d.connect._prob import FixedProb
from neuro4d.connect._rows import Pool, Rows, starts_of
from neuro4d.connect._rule import AbstractRule, Ends, check_switch


class Modular(AbstractRule):
    """Neurons in modules: every pair is connected independently, with a probability that depends on the modules of its two neurons (a
    stochastic block model).

    Neurons belong to modules in their order: the first ones to the first module. The cost follows edges, not pairs.

    **Arguments:**

    - `modules`: how many, of sizes that are equal to within one neuron, at each end; or their sizes, which then hold for both ends.
    - `within`: probability inside a module, one or one for each module.
    - `between`: probability from one module to another, one or an array of shape `(from, to)`, whose diagonal is 0.
    - `autapses`: whether a neuron may connect to itself where the two ends share neurons.

    **Raises:** `TypeError` or `ValueError`, naming the argument; `ValueError` at build where the sizes are not those of an end.

    **Source:** Holland, Laskey, Leinhardt, Social Networks 5, 109 (1983).

    !!! Example

        >>> import neuro4d as n4
        >>> n4.Modular(8, within=0.2, between=0.01)
        Modular(8 modules, within=0.2, between=0.01)
        >>> chain = n4.Modular([100, 100, 50], within=0.1, between=[[0, 0.05, 0], [0, 0, 0.05], [0, 0, 0]])
    """

    modules: int | tuple[int, ...] = eqx.field(static=True, converter=lambda m: _modules(m))
    within: Float[np.ndarray, "*m"] = eqx.field(kw_only=True, converter=lambda p: _chances(p, "Modular.within"))
    between: Float[np.ndarray, "*m_m"] = eqx.field(kw_only=True, converter=lambda p: _chances(p, "Modular.between"))
    autapses: bool = eqx.field(default=True, kw_only=True)

    def __check_init__(self):
        check_switch(self.autapses, "Modular.autapses")
        m = self._n_modules
        if self.within.shape not in ((), (m,)):
            raise ValueError(f"Modular.within is one probability, or one for each of the {m} modules; got the shape {self.within.shape}.")
        if self.between.shape not in ((), (m, m)):
            raise ValueError(f"Modular.between is one probability, or an array of shape ({m}, {m}); got the shape {self.between.shape}.")
        if self.between.ndim and np.diag(self.between).any():
            at = int(np.flatnonzero(np.diag(self.between))[0])
            raise ValueError(
                f"Modular.between has a diagonal of 0, since `within` says what happens there; got {self.between[at, at]} for module {at}."
            )

    def __repr__(self):
        sizes = f"{self.modules} modules" if isinstance(self.modules, int) else f"modules of {', '.join(map(str, self.modules))}"
        shown = [f"{name}={p if p.ndim == 0 else p.tolist()}" for name, p in (("within", self.within), ("between", self.between))]
        return f"Modular({', '.join([sizes, *shown, *([] if self.autapses else ['autapses=False'])])})"

    def rows(self, ends):
        pre, post = self._cuts(ends.n_pre, "sources"), self._cuts(ends.n_post, "targets")
        chance = self._chance()
        return _Blocks.of(pre, tuple(tuple(self._blocks(ends, pre, post, a, chance[a])) for a in range(self._n_modules)))

    def capacity(self, n_pre, n_post, shares_population):
        pairs = np.outer(np.diff(self._cuts(n_pre, "sources")), np.diff(self._cuts(n_post, "targets")))
        p = self._chance()
        return min(n_pre * n_post, math.ceil((pairs * p).sum() + 6 * math.sqrt((pairs * p * (1 - p)).sum())))

    @property
    def _n_modules(self) -> int:
        return self.modules if isinstance(self.modules, int) else len(self.modules)

    def _chance(self) -> Float[np.ndarray, "m m"]:
        m = self._n_modules
        chance = np.array(np.broadcast_to(self.between, (m, m)))
        chance[np.arange(m), np.arange(m)] = self.within
        return chance

    def _cuts(self, n: int, what: str) -> np.ndarray:
        """Where the modules begin, and the end of the last."""
        if isinstance(self.modules, int):
            return np.arange(self.modules + 1) * n // self.modules
        if sum(self.modules) != n:
            raise ValueError(
                f"Modular: the sizes of the modules add up to {sum(self.modules)}, but there are {n} {what}. "
                f"Or write `Modular({len(self.modules)}, ...)` for equal ones."
            )
        return starts_of(np.array(self.modules))

    def _blocks(self, ends: Ends, pre: np.ndarray, post: np.ndarray, a: int, chance: np.ndarray) -> Iterator["_Block"]:
        """The edges from one module. Modules of one size that are reached with one probability are drawn together, as rows of their own; one that
        shares neurons with the sources is drawn alone where neurons do not connect to themselves."""
        n, sizes = int(pre[a + 1] - pre[a]), np.diff(post)
        together: dict[tuple, list[int]] = {}
        for b in range(len(sizes)):
            shift = None if ends.self_shift is None else int(ends.self_shift + pre[a] - post[b])
            alone = Pool.of(n, int(sizes[b]), shift, self.autapses).n_excluded > 0
            together.setdefault((int(sizes[b]), float(chance[b]), shift if alone else None), []).append(b)
        for (size, p, shift), modules in together.items():
            own = address(ends.address[0] | ends.address[1] << 32, "module", str(a), str(modules[0]))
            rows = FixedProb(p, autapses=self.autapses).rows(Ends(own, n * len(modules), size, shift))
            yield _Block(rows, post[np.array(modules)])


class _Block(NamedTuple):
    """Edges from one module to some of one size: rows of targets for each source and, within it, each module; and where the modules begin."""

    rows: Rows
    first: Int[np.ndarray, " modules"]

    def counts(self) -> Int[np.ndarray, " sources"]:
        """Edges of each source."""
        return self.rows.counts.reshape(-1, len(self.first)).sum(axis=1)

    def targets(self, lo: int, hi: int) -> Int[np.ndarray, " edges"]:
        """Targets of some of the sources."""
        m = len(self.first)
        return self.rows.targets(lo * m, hi * m) + np.repeat(np.tile(self.first, hi - lo), self.rows.counts[lo * m : hi * m])


@dataclasses.dataclass(frozen=True, eq=False)
class _Blocks(Rows):
    """Rows made of the rows of blocks, one after another."""

    counts: np.ndarray
    pre: np.ndarray
    blocks: tuple[tuple[_Block, ...], ...]
    order = None

    @classmethod
    def of(cls, pre: np.ndarray, blocks: tuple[tuple[_Block, ...], ...]) -> "_Blocks":
        return cls(np.concatenate([np.sum([block.counts() for block in row], axis=0) for row in blocks]).astype(np.int64), pre, blocks)

    def _fill(self, lo, hi, out):
        begin = self.starts[lo]
        for a, row in enumerate(self.blocks):
            first, last = max(lo, int(self.pre[a])), min(hi, int(self.pre[a + 1]))
            if first >= last:
                continue
            at = self.starts[first:last] - begin
            for block in row:
                here, end = first - int(self.pre[a]), last - int(self.pre[a])
                counts = block.counts()[here:end]
                inside = np.arange(counts.sum()) - np.repeat(starts_of(counts)[:-1], counts)
                out[np.repeat(at, counts) + inside] = block.targets(here, end)
                at = at + counts


def _modules(modules: Any) -> int | tuple[int, ...]:
    if isinstance(modules, list | tuple | np.ndarray):
        if not len(modules):
            raise ValueError("Modular.modules has one size or more, for example `[100, 100, 50]`; got none.")
        return tuple(check_count(n, f"Modular.modules[{at}]") for at, n in enumerate(modules))
    return check_count(modules, "Modular.modules")


def _chances(p: Any, where: str) -> np.ndarray:
    array = strip(np.asarray(p), NUMBER, where)
    bad = ~((array >= 0) & (array <= 1))
    if bad.any():
        raise ValueError(f"{where}: probabilities lie between 0 and 1; got {np.atleast_1d(array)[np.atleast_1d(bad)][0]}{first_bad(bad)}.")
    return array
