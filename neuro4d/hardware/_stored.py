"""What a chip stores of a model: numbers before and after, and what the difference is."""

import dataclasses
from typing import Any, NamedTuple

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from neuro4d._base import NUMBER, AbstractValue, card, html_table, table
from neuro4d.hardware._arriving import Arriving
from neuro4d.hardware._schema import Target
from neuro4d.model import Model


class QuantizationError(ValueError):
    """A model that a chip cannot compute; the message lists all that it cannot, and what would fit."""


class StoredParameter(NamedTuple):
    """A parameter of a population: what it was and what it became, in `unit`, for the neuron that changed most; `stored`: the numbers on the chip."""

    population: str
    name: str
    before: float
    after: float
    unit: str
    stored: str

    @property
    def error(self) -> float:
        """Relative change; absolute where it was 0."""
        return (self.after - self.before) / abs(self.before) if self.before else self.after - self.before


class StoredWeights(NamedTuple):
    """The weights of a projection or stimulus.

    **Fields:** `number` of them; `stored`: their form on the chip; `mean_error` and `max_error`: of the sizes of relative changes of those that were not 0; `total_error`: relative
    change of the sum of sizes; `zeroed` and `clipped`: how many became 0 without being 0, and how many met the end of the range.
    """

    name: str
    population: str
    number: int
    stored: str
    mean_error: float
    max_error: float
    total_error: float
    zeroed: int
    clipped: int


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Quantized:
    """A model in the numbers of a chip, and what changed.

    **Arguments:**

    - `model`: runs like any other, `n4.simulate(quantized.model, ...)`. Its variables and weights are the integers of the chip.
    - `target`: the chip.
    - `parameters`, `weights`: what they were and what they became.
    - `v_unit`: by population, mV for 1 of its integer `v`, a number or one for each neuron; `v_zero`: the potential at which it is 0, in mV.
    - `notes`: what is not the same, in words.
    """

    model: Model
    target: Target
    parameters: tuple[StoredParameter, ...]
    weights: tuple[StoredWeights, ...]
    v_unit: dict[str, Any]
    v_zero: dict[str, Any]
    notes: tuple[str, ...] = ()

    def potential(self, population: str, v: Any) -> Any:
        """Potentials of integers, a quantity: `quantized.potential("cells", run.trace("cells.v").values)`."""
        return (np.asarray(v, np.float64) * self.v_unit[population] + self.v_zero[population]) * u.mV

    @property
    def zeroed(self) -> int:
        """Weights that became 0."""
        return sum(each.zeroed for each in self.weights)

    @property
    def clipped(self) -> int:
        """Weights that met the end of their range."""
        return sum(each.clipped for each in self.weights)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the model, as plain numbers and words."""
        return {
            "target": self.target.name,
            "parameters": [each._asdict() | {"error": each.error} for each in self.parameters],
            "weights": [each._asdict() for each in self.weights],
            "notes": list(self.notes),
        }

    def parameter_rows(self) -> list[tuple[str, ...]]:
        """Parameters as they are printed: those that several populations have in common once."""
        alike: dict[tuple[str, ...], list[str]] = {}
        for p in self.parameters:
            change = f"{p.error:+.2%}" if p.before else f"{p.error:+.2g}"
            line = (p.name, f"{p.before:.6g} {p.unit}", f"{p.after:.6g} {p.unit}", change, p.stored)
            alike.setdefault(line, []).append(p.population)
        return [(", ".join(names) if len(names) < 4 else f"{names[0]} and {len(names) - 1} more", *line) for line, names in alike.items()]

    def weight_rows(self) -> list[tuple[str, ...]]:
        """Weights as they are printed."""
        return [
            (w.name, f"{w.number:,}", f"{w.mean_error:.2%}", f"{w.max_error:.2%}", f"{w.total_error:+.2%}", f"{w.zeroed:,}", f"{w.clipped:,}", w.stored)
            for w in self.weights
        ]  # fmt: skip

    def __repr__(self) -> str:
        tables = [table(PARAMETER_HEAD, self.parameter_rows(), left=2), table(WEIGHT_HEAD, self.weight_rows())]
        return "\n".join([f"Quantized for {self.target.title}", *tables, *self.notes])

    def _repr_html_(self) -> str:
        tables = html_table(PARAMETER_HEAD, self.parameter_rows()), html_table(WEIGHT_HEAD, self.weight_rows())
        return card(f"Quantized for {self.target.title}", *tables)


PARAMETER_HEAD = ("population", "parameter", "was", "is", "error", "stored as")
WEIGHT_HEAD = ("weights", "number", "mean error", "largest", "of the sum", "made 0", "clipped", "stored as")


class Shifted(AbstractValue):
    """Initial values in the integers of a chip: `(value - zero) * factor`, a factor and a zero for all or for each neuron."""

    value: AbstractValue
    zero: Any
    factor: Any
    unit: Any = eqx.field(static=True)

    def __init__(self, value: AbstractValue, zero: Any, factor: Any, dtype: Any):
        """With numbers in the precision of a model."""
        self.value, self.unit = value, NUMBER
        self.zero, self.factor = jnp.asarray(zero, dtype), jnp.asarray(factor, dtype)

    def draw(self, words):
        return (self.value.draw(words) - self.zero) * self.factor

    def draw_jax(self, words, dtype):
        return ((self.value.draw_jax(words, dtype) - self.zero) * self.factor).astype(dtype)

    def bounds(self):
        ends = [(x - self.zero) * self.factor for x in self.value.bounds()]
        return float(np.min(ends)), float(np.max(ends))


def parameter(population: str, name: str, before: Any, after: Any, unit: str, stored: Any) -> StoredParameter:
    """The change of the neuron that changed most; `stored` are the numbers on the chip, of which the range is told."""
    was, now = np.broadcast_arrays(np.asarray(before, np.float64), np.asarray(after, np.float64))
    worst = int(np.argmax(np.abs(now - was)))
    return StoredParameter(
        population, name, float(was.flat[worst]), float(now.flat[worst]), unit, stored if isinstance(stored, str) else spread_text(stored)
    )


def spread_text(x: Any) -> str:
    """A number, or the range of several."""
    low, high = float(np.min(x)), float(np.max(x))
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def stored_weights(item: Arriving, after: Float[np.ndarray, " k"], stored: str, clipped: int) -> StoredWeights:
    """How weights changed; `after`: what the stored ones stand for, in the unit of the port."""
    before = item.weights
    some = before != 0
    change = np.abs(after[some] - before[some]) / np.abs(before[some])
    total = np.abs(before).sum()
    return StoredWeights(
        item.name,
        item.population,
        len(before),
        stored,
        float(change.mean()) if change.size else 0.0,
        float(change.max(initial=0.0)),
        float(np.abs(after).sum() / total - 1) if total else 0.0,
        int(np.count_nonzero(some & (after == 0))),
        clipped,
    )
