"""How many steps a classifier needs, and when a sample is certain enough to stop."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np

from neuro4d._base import card, check_count, html_table, table
from neuro4d.train.layers import Sequential
from neuro4d.train.tuners._cumulative import certainty, confidence, course, with_steps
from neuro4d.train.tuners._early_exit import SCORES, EarlyExit
from neuro4d.train.tuners._energy import Energy, energies, parts, synaptic_operations
from neuro4d.train.tuners._feed import Encoder, feed

NEVER = 2.0
"""A threshold that no score exceeds: every sample takes all steps."""


class Operating(NamedTuple):
    """One way to run the network.

    **Fields:** `steps`: at most; `threshold`: of the score above which a sample stops, `None` where none does; `accuracy`; `energy`: per
    sample; `mean_steps`: that a sample takes.
    """

    steps: int
    threshold: float | None
    accuracy: float
    energy: float
    mean_steps: float


class StepTable:
    """Accuracy and energy for every number of steps and every exit threshold, measured in one pass.

    **Fields:** `steps`: `(times,)`; `thresholds`: `(thresholds,)`, the last of which nothing exceeds; `accuracy`, `energy`, `mean_steps`:
    `(thresholds, times)`; `unit`: of the energy, or `None`; `samples`: how many there were. `table.front()` are the rows that no other beats.
    """

    __slots__ = ("accuracy", "energy", "mean_steps", "samples", "steps", "thresholds", "unit")

    def __init__(self, steps: Any, thresholds: Any, accuracy: Any, energy: Any, mean_steps: Any, unit: Any, samples: int):
        self.steps, self.thresholds, self.accuracy, self.energy = steps, thresholds, accuracy, energy
        self.mean_steps, self.unit, self.samples = mean_steps, unit, samples

    def __len__(self) -> int:
        return self.accuracy.size

    def row(self, index: tuple[int, int]) -> Operating:
        """One cell: `(threshold, time)` by number."""
        threshold = float(self.thresholds[index[0]])
        values = (float(each[index]) for each in (self.accuracy, self.energy, self.mean_steps))
        return Operating(int(self.steps[index[1]]), None if threshold == NEVER else threshold, *values)

    def __iter__(self) -> Iterator[Operating]:
        return (self.row(index) for index in np.ndindex(*self.accuracy.shape))

    def fixed(self) -> list[Operating]:
        """The rows without exits, one for every number of steps."""
        return [self.row((len(self.thresholds) - 1, k)) for k in range(len(self.steps))]

    def front(self) -> list[Operating]:
        """The rows that no other beats: more energy only for more accuracy."""
        order = sorted(self, key=lambda row: (row.energy, -row.accuracy, row.steps))
        kept: list[Operating] = []
        for row in order:
            if not kept or row.accuracy > kept[-1].accuracy:
                kept.append(row)
        return kept

    def _lines(self) -> list[list[str]]:
        unit = "" if self.unit is None else f" {self.unit}"
        return [
            [
                str(row.steps),
                "" if row.threshold is None else f"{row.threshold:.4f}",
                f"{row.mean_steps:.2f}",
                f"{100 * row.accuracy:.2f} %",
                f"{row.energy:.5g}{unit}",
            ]
            for row in (*self.fixed(), *self.front())
        ]

    def __repr__(self) -> str:
        lines = table(_HEADS, self._lines(), left=0).split("\n")
        lines.insert(2 + len(self.steps), "that no other beats:")  # after the head, its line, and the rows of `fixed`
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return card(f"{self.samples} samples; every number of steps, and what no other beats", html_table(_HEADS, self._lines()))


_HEADS = ("steps", "exit above", "mean steps", "accuracy", "energy")


class TimestepChoice:
    """What `find_optimal` found: `int(choice)` is the number of steps.

    **Fields:** `steps`, `threshold`, `accuracy`, `energy`, `mean_steps`: as of `Operating`; `was`: the longest time; `table`: the whole
    `StepTable`; `score`: what the threshold is of.
    """

    __slots__ = ("_net", "chosen", "score", "table", "was")

    def __init__(self, net: Sequential, chosen: Operating, was: int, score: str, table: StepTable):
        self._net, self.chosen, self.was, self.score, self.table = net, chosen, was, score, table

    @property
    def steps(self) -> int:
        return self.chosen.steps

    @property
    def threshold(self) -> float | None:
        return self.chosen.threshold

    @property
    def accuracy(self) -> float:
        return self.chosen.accuracy

    @property
    def energy(self) -> Any:
        return self.chosen.energy if self.table.unit is None else self.chosen.energy * self.table.unit

    @property
    def mean_steps(self) -> float:
        return self.chosen.mean_steps

    def __int__(self) -> int:
        return self.steps

    def __index__(self) -> int:
        return self.steps

    @property
    def model(self) -> Sequential:
        """The network with `Hold(steps)`. Without `Hold` it runs as long as its input: give it `x[:steps]`."""
        return with_steps(self._net, self.steps)

    @property
    def runner(self) -> EarlyExit:
        """The network that stops where the choice says.

        **Raises:** `ValueError` where the choice has no exits; `model` then is all there is.
        """
        if self.threshold is None:
            raise ValueError(f"the choice has no exits: every sample takes {self.steps} steps. Run `choice.model`.")
        return EarlyExit(self._net, min(self.threshold, 1.0), steps=self.steps, score=self.score)

    def __str__(self) -> str:
        return f"{self.steps} (was {self.was})"

    def __repr__(self) -> str:
        exits = (
            ""
            if self.threshold is None
            else f", {self.score} above {self.threshold:.4f} exits, after {self.mean_steps:.2f} steps on average"
        )
        unit = "" if self.table.unit is None else f" {self.table.unit}"
        error = 100 * np.sqrt(self.accuracy * (1 - self.accuracy) / self.table.samples)
        return f"{self}{exits}: accuracy {100 * self.accuracy:.2f} ± {error:.2f} %, energy {self.chosen.energy:.5g}{unit} per sample"

    def _repr_html_(self) -> str:
        return card(repr(self), self.table._repr_html_())


class TimestepOptimizer(eqx.Module):
    r"""Finds how many steps a classifier needs, and when a single sample may stop.

    One pass at the longest time gives the answer after every step, since layers act on the past alone; so accuracy and energy of every
    number of steps and every exit threshold cost no further run. A sample leaves when the score of its answer so far exceeds the threshold.

    **Arguments:**

    - `score`: `"confidence"` or `"entropy"`; see `EarlyExit`.
    - `thresholds`: how many exit thresholds are looked at, quantiles of all scores of the set; 0 for none, so that all samples take the
      same number of steps.
    - `energy`: `energy(net, spikes, steps)`; by default `synaptic_operations`.
    - `encoder`: how samples without time become sequences; not needed with `Hold`.
    - `batch_size`: samples at once.

    **Source:** Y. Li, A. Moitra, T. Geller, P. Panda, Input-aware dynamic timestep spiking neural networks, DAC (2023); Y. Li, T. Geller,
    Y. Kim, P. Panda, SEENN, NeurIPS 36 (2023).

    !!! Example

        >>> net = n4.train.Sequential(
        ...     n4.train.Hold(8), n4.train.Dense(64, 32, key=jr.key(0)), n4.train.Spiking(n4.PLIF(v_th=0.1*u.mV)),
        ...     n4.train.Dense(32, 10, key=jr.key(1)), n4.train.Readout("mean"),
        ... )
        >>> optimizer = n4.train.TimestepOptimizer()
        >>> steps = optimizer.find_optimal(net, n4.train.data.digits().validation, energy_budget=1e6, min_accuracy=0.05)
        >>> print(f"Optimal timesteps: {steps}")
        Optimal timesteps: 1 (was 8)
    """

    score: str = eqx.field(static=True, default="confidence")
    thresholds: int = eqx.field(static=True, default=64)
    energy: Energy = eqx.field(static=True, default=synaptic_operations)
    encoder: Encoder | None = eqx.field(static=True, default=None)
    batch_size: int = eqx.field(static=True, default=256)

    def __check_init__(self):
        if self.score not in SCORES:
            raise ValueError(f'TimestepOptimizer: score is "confidence" or "entropy"; got {self.score!r}.')
        check_count(self.thresholds, "TimestepOptimizer: thresholds", low=0)
        check_count(self.batch_size, "TimestepOptimizer: batch_size")

    def find_optimal(self, model: Sequential, dataset: Any, energy_budget: Any, min_accuracy: float) -> TimestepChoice:
        """The way to run the network that needs least energy and is accurate enough.

        Among equals the more accurate one, with the higher threshold. What is chosen by a set looks better on it than on fresh samples, the more so the fewer there
        are: among hundreds of rows one is lucky. Give it a thousand samples or more, and report another set.

        **Arguments:** `dataset`: a `Dataset` or a pair `(x, y)`; `energy_budget`: the most that a sample may cost on average, in the unit of
        `energy`; `min_accuracy`: from 0 to 1.

        **Raises:** `ValueError` where nothing is accurate enough within the budget; it says what is possible.
        """
        if not isinstance(min_accuracy, int | float) or not 0 <= min_accuracy <= 1:
            raise ValueError(f"min_accuracy lies between 0 and 1, for example 0.95; got {min_accuracy!r}.")
        table = self.table(model, dataset)
        budget = bare_budget(energy_budget, table.unit)
        accurate, cheap = table.accuracy >= min_accuracy, table.energy <= budget
        if not np.any(accurate & cheap):
            raise ValueError(_impossible(table, accurate, cheap, min_accuracy, budget))
        cost = np.where(accurate & cheap, table.energy, np.inf)
        ties = np.argwhere(cost == cost.min())
        best = max((table.accuracy[tuple(k)], -int(k[1]), int(k[0]), tuple(k)) for k in ties)[-1]
        return TimestepChoice(model, table.row((int(best[0]), int(best[1]))), int(table.steps[-1]), self.score, table)

    def table(self, model: Sequential, dataset: Any) -> StepTable:
        """Accuracy and energy for every number of steps and every exit threshold, from one pass."""
        seen = course(model, feed(model, dataset, self.encoder, self.batch_size, "TimestepOptimizer"))
        times, samples = seen.logits.shape[:2]
        right = np.argmax(seen.logits, axis=-1) == seen.labels
        steps = np.arange(1, times + 1)
        cost, unit = parts(energies(self.energy, model, seen.spikes, np.broadcast_to(steps[:, None], (times, samples))))
        score = np.asarray((confidence if self.score == "confidence" else certainty)(seen.logits))
        limits = self._limits(score)
        out = [_with_exits(score > limit, right, cost) for limit in limits]
        accuracy, energy, mean_steps = (np.stack(each) for each in zip(*out))
        return StepTable(steps, limits, accuracy, energy, mean_steps, unit, samples)

    def _limits(self, score: np.ndarray) -> np.ndarray:
        """Exit thresholds: quantiles of the scores before the last step, and one that nothing exceeds."""
        if self.thresholds == 0 or len(score) < 2:
            return np.array([NEVER])
        inner = np.unique(np.quantile(score[:-1].astype(np.float64), np.linspace(0, 1, self.thresholds)))
        return np.append(np.clip(inner, 0, 1), NEVER)


def _with_exits(over: np.ndarray, right: np.ndarray, cost: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Accuracy, energy and mean steps, each `(times,)`, if samples leave at the first step where `over` says so."""
    times = len(over)
    first = np.where(np.any(over, axis=0), np.argmax(over, axis=0), times)
    left = np.minimum(first, np.arange(times)[:, None])
    take = (np.take_along_axis(each, left, axis=0).mean(axis=1) for each in (right, cost))
    accuracy, energy = take
    return accuracy, energy, (left + 1).mean(axis=1)


def bare_budget(budget: Any, unit: Any) -> float:
    """An energy as a bare number in the unit of the table.

    **Raises:** `TypeError` for a number where a quantity is due, and the other way round.
    """
    value, own = parts(budget)
    if (own is None) != (unit is None):
        due = "a number, as the energy function gives" if unit is None else f"a quantity, for example `{float(value):g}*u.{unit}`"
        raise TypeError(f"energy_budget is {due}; got {budget!r}.")
    bare = float(value) if unit is None else float(budget.to_decimal(unit))
    if not bare >= 0:
        raise ValueError(f"energy_budget is 0 or more; got {budget!r}.")
    return bare


def _impossible(table: StepTable, accurate: np.ndarray, cheap: np.ndarray, wanted: float, budget: float) -> str:
    text = f"nothing reaches an accuracy of {wanted:g} with an energy of {budget:g} or less"
    if np.any(cheap):
        text += f"; within the budget the best is {table.accuracy[cheap].max():.4f}"
    if np.any(accurate):
        text += f"; that accuracy costs at least {table.energy[accurate].min():.5g}"
    else:
        text += f"; the best of all is {table.accuracy.max():.4f}"
    return text + ". `optimizer.table(model, dataset)` shows everything."
