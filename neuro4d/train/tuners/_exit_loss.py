"""A loss that knows of early exits: the time that is spent, differentiable."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from neuro4d.train.losses import AbstractLoss, check_logits
from neuro4d.train.losses._classify import cross_entropy
from neuro4d.train.tuners._cumulative import confidence


def exit_probabilities(logits: Float[Array, "time batch classes"], threshold: float, temperature: float) -> Float[Array, "time batch"]:
    r"""The probability that a sample leaves after each step, if it leaves a step with probability $h_t = \sigma((c_t - \theta)/\vartheta)$:

    $$ p_t = h_t \prod_{s<t} (1 - h_s), \qquad h_T = 1 $$

    $c_t$ is the confidence of the answer so far. For $\vartheta \to 0$ this is the rule of `EarlyExit`.

    **Arguments:** `logits`: after every step; `threshold` $\theta$; `temperature` $\vartheta$, above 0.

    !!! Example

        >>> logits = jnp.array([[[0.0, 0.0]], [[9.0, 0.0]], [[9.0, 0.0]]])
        >>> n4.train.exit_probabilities(logits, 0.9, 0.01)[:, 0].round(3).tolist()
        [0.0, 1.0, 0.0]
    """
    hazard = jax.nn.sigmoid((confidence(logits) - threshold) / temperature).at[-1].set(1)
    before = jnp.cumprod(1 - hazard, axis=0)
    return hazard * jnp.concatenate([jnp.ones_like(hazard[:1]), before[:-1]])


class ExitLoss(AbstractLoss):
    r"""Trains a network to be right early: the cross entropy where a sample leaves, and the share of time that it takes until then.

    $$ L = \sum_t p_t\, \mathrm{CE}(\bar o_t, y) + \lambda \sum_t p_t\, t/T $$

    a mean over the batch; $\bar o_t$ is the mean of the outputs until then, $p_t$ as of `exit_probabilities`. The expected time is smooth in
    every weight, which the time itself is not.

    **Arguments:** `weight` $\lambda$, 0 or more; `threshold` $\theta$ from 0 to 1; `temperature` $\vartheta$, above 0.

    Called with outputs of every step, `(time, batch, classes)`: of a network without `Readout`, or with a readout that is left out.

    **Raises:** `ValueError` for numbers outside these ranges, outputs without time and labels outside the classes; `TypeError` for labels that are no whole numbers.

    **Source:** exits as in Y. Li et al., SEENN (2023); a chain of hazards as in A. Graves, Adaptive computation time (2016).

    !!! Example

        >>> late, early = jnp.zeros((4, 1, 2)).at[3, 0, 0].set(40), jnp.zeros((4, 1, 2)).at[:, 0, 0].set(9)
        >>> loss = jax.jit(n4.train.ExitLoss(weight=1.0))
        >>> bool(loss(early, jnp.array([0])) < loss(late, jnp.array([0])))
        True
    """

    weight: float = eqx.field(static=True)
    threshold: float = eqx.field(static=True)
    temperature: float = eqx.field(static=True)

    def __init__(self, weight: float = 0.1, *, threshold: float = 0.9, temperature: float = 0.05):
        if not weight >= 0:
            raise ValueError(f"ExitLoss: weight is 0 or more, for example 0.1; got {weight!r}.")
        if not 0 <= threshold <= 1:
            raise ValueError(f"ExitLoss: threshold lies between 0 and 1, for example 0.9; got {threshold!r}.")
        if not temperature > 0:
            raise ValueError(f"ExitLoss: temperature is more than 0, for example 0.05; got {temperature!r}.")
        self.weight, self.threshold, self.temperature = float(weight), float(threshold), float(temperature)

    def classifies(self):
        return True

    def __call__(self, output, labels, records=()):
        check_logits(output, labels, 3, "ExitLoss", "of every step, (time, batch, classes): leave `train.Readout` out")
        steps = jnp.arange(1, len(output) + 1, dtype=output.dtype)
        logits = jnp.cumsum(output, axis=0) / steps[:, None, None]
        leaves = exit_probabilities(logits, self.threshold, self.temperature)
        wrong = cross_entropy(logits, jnp.broadcast_to(labels, leaves.shape), 0.0)
        return jnp.mean(jnp.sum(leaves * (wrong + self.weight * (steps / len(output))[:, None]), axis=0))
