"""The protocol of a loss: output, labels and records in, one number out; losses add."""

import abc
from collections.abc import Sequence
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float

from neuro4d.train.layers import Record


class AbstractLoss(eqx.Module):
    """One number to be made small. Losses add and are multiplied by numbers: `CrossEntropy() + 0.1 * RateTarget(0.05)`."""

    def classifies(self) -> bool:
        """Whether labels are numbers of classes: `fit` then compares them with the width of the output."""
        return False

    @abc.abstractmethod
    def __call__(self, output: Array, labels: Any, records: Sequence[Record] = ()) -> Float[Array, ""]:
        """The loss.

        **Arguments:** `output`: of the network; `labels`: what belongs to the samples, `(batch, ...)`; `records`: one for each spiking layer.
        """

    def __add__(self, other: "AbstractLoss") -> "AbstractLoss":
        if not isinstance(other, AbstractLoss):
            raise TypeError(f"a loss adds to a loss; got {other!r:.60}. For example `CrossEntropy() + 0.1 * RateTarget(0.05)`.")
        return Total((*_terms(self), *_terms(other)))

    def __mul__(self, factor: Any) -> "AbstractLoss":
        if isinstance(factor, AbstractLoss):
            raise TypeError("losses add; they are multiplied by numbers only, for example `0.1 * RateTarget(0.05)`.")
        return Total(tuple((weight * factor, loss) for weight, loss in _terms(self)))

    __rmul__ = __mul__


class Total(AbstractLoss):
    """A weighted sum of losses."""

    terms: tuple[tuple[Any, AbstractLoss], ...]

    def classifies(self):
        return any(loss.classifies() for _, loss in self.terms)

    def __call__(self, output, labels, records=()):
        return sum(weight * loss(output, labels, records) for weight, loss in self.terms)


def _terms(loss: AbstractLoss) -> tuple[tuple[Any, AbstractLoss], ...]:
    return loss.terms if isinstance(loss, Total) else ((1.0, loss),)


def spiking(records: Sequence[Record], where: str) -> Sequence[Record]:
    """The records, of which there has to be one."""
    if not records:
        raise ValueError(
            f"{where} looks at spikes; call it with records, `output, records = net.trace(x)`, of a network with a spiking layer."
        )
    return records
