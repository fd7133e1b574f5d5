"""Losses of classifiers."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neuro4d._base import is_traced
from neuro4d.train.losses._base import AbstractLoss


class CrossEntropy(AbstractLoss):
    r"""Cross entropy of the softmax of the outputs, a mean over the batch: $-\sum_k q_k \ln p_k$.

    $q$ is 1 for the label and 0 for the other $K - 1$ classes; smoothed, $1 - \epsilon + \epsilon/K$ and $\epsilon/K$.

    **Arguments:** `smoothing` $\epsilon$, from 0 to below 1.

    Called with outputs `(batch, classes)`, from any `Readout`, and whole numbers `(batch,)`.

    **Raises:** `ValueError` for other shapes and labels outside the classes, `TypeError` for labels that are no whole numbers.

    !!! Example

        >>> import jax.numpy as jnp, neuro4d as n4
        >>> loss = n4.train.losses.CrossEntropy()
        >>> round(float(loss(jnp.zeros((5, 10)), jnp.arange(5))), 4)  # ln 10
        2.3026
    """

    smoothing: float = eqx.field(static=True)

    def __init__(self, smoothing: float = 0.0):
        if not 0 <= smoothing < 1:
            raise ValueError(f"CrossEntropy: smoothing lies between 0 and 1, 1 excluded, for example 0.1; got {smoothing!r}.")
        self.smoothing = float(smoothing)

    def classifies(self):
        return True

    def __call__(self, output, labels, records=()):
        check_logits(output, labels, 2, "CrossEntropy", '`(batch, classes)`: end the network with `train.Readout("mean")`')
        return jnp.mean(cross_entropy(output, labels, self.smoothing))


class TET(AbstractLoss):
    r"""Temporal efficient training: cross entropy in every step instead of that of the mean, so that few steps are enough.

    $$ L = (1 - \lambda) \frac{1}{T} \sum_t \mathrm{CE}(o_t, y) + \lambda\, \overline{(o_t - \phi)^2} $$

    **Arguments:** `weight` $\lambda$, from 0 to 1; `target` $\phi$.

    Called with outputs of every step, `(time, batch, classes)`: of a network without `Readout`.

    **Raises:** `ValueError` for another shape or weight and for labels outside the classes.

    **Source:** S. Deng, Y. Li, S. Zhang, S. Gu, ICLR (2022).

    !!! Example

        >>> import jax.numpy as jnp, neuro4d as n4
        >>> loss = n4.train.losses.TET(weight=0.5, target=1.0)
        >>> round(float(loss(jnp.zeros((4, 2, 10)), jnp.array([3, 7]))), 4)  # (ln 10 + 1) / 2
        1.6513
    """

    weight: float = eqx.field(static=True)
    target: float = eqx.field(static=True)

    def __init__(self, weight: float = 0.05, target: float = 1.0):
        if not 0 <= weight <= 1:
            raise ValueError(f"TET: weight lies between 0 and 1, for example 0.05; got {weight!r}.")
        self.weight, self.target = float(weight), float(target)

    def classifies(self):
        return True

    def __call__(self, output, labels, records=()):
        check_logits(output, labels, 3, "TET", "`(time, batch, classes)`: leave `train.Readout` out")
        steps = jnp.broadcast_to(labels, output.shape[:2])
        every = jnp.mean(cross_entropy(output, steps, 0.0))
        return (1 - self.weight) * every + self.weight * jnp.mean(jnp.square(output - self.target))


def cross_entropy(output: Float[Array, "... classes"], labels: Array, smoothing: float) -> Float[Array, "..."]:
    """Of every sample."""
    logs = jax.nn.log_softmax(output)
    own = jnp.take_along_axis(logs, labels[..., None], axis=-1)[..., 0]
    return -own if smoothing == 0 else -(1 - smoothing) * own - smoothing * jnp.mean(logs, axis=-1)


def check_logits(output: Array, labels: Any, axes: int, where: str, advice: str) -> None:
    """Refuses outputs and labels that do not belong together."""
    if output.ndim != axes:
        raise ValueError(f"{where} takes outputs {advice}; got {output.shape}.")
    if not jnp.issubdtype(jnp.asarray(labels).dtype, jnp.integer):
        raise TypeError(f"{where}: labels are whole numbers, for example `y.astype(int)`; got {jnp.asarray(labels).dtype}.")
    if jnp.shape(labels) != output.shape[-2:-1]:
        raise ValueError(f"{where}: {output.shape[-2]} samples need as many labels; got {jnp.shape(labels)}.")
    if not is_traced(labels):
        check_classes(labels, output.shape[-1], where)


def check_classes(labels: Any, classes: int, where: str) -> None:
    """Refuses labels that are no number of a class."""
    numbers = np.asarray(labels)  # concrete, also inside a compiled function
    low, high = int(numbers.min(initial=0)), int(numbers.max(initial=-1))
    if low < 0 or high >= classes:
        raise ValueError(
            f"{where}: labels are numbers of classes from 0 to {classes - 1}, for {classes} outputs; got {low if low < 0 else high}. "
            "Leave samples without a class out, `x[y >= 0], y[y >= 0]`, number classes from 0, or make the last layer wider."
        )
