"""Likelihood-ratio gradients of networks that fire at random: unbiased for statistics of spikes, from one run for all parameters."""

import math
from typing import Any, ClassVar, NamedTuple

import brainunit as u
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from neuro4d._base import check_count, check_quantity
from neuro4d.model import Model, StepSpikes
from neuro4d.neurons import LI, PoissonNeuron, Relay
from neuro4d.ops import AbstractSurrogate
from neuro4d.train._aims import Aim, aims
from neuro4d.train._eligibility import Follow, Followed, Replay, added, at_once, observed, signals_of
from neuro4d.train._escape import AbstractEscaping, shifts
from neuro4d.train._estimate import AbstractGradient, of_trials
from neuro4d.train._loop import AbstractLoop, call_with
from neuro4d.train._parameters import Places, read, write
from neuro4d.train._statistic import AbstractStatistic
from neuro4d.train._surrogate_gradient import with_surrogate
from neuro4d.train._tangents import Changes, Shadow

SURE = 60.0
"""Widths above threshold from which on a spike counts as sure: e^60 is still a float32, and what follows from it is 0 in any case."""


class Excess(AbstractSurrogate):
    """Not a bump: the distance to threshold itself, with its derivative."""

    width: Float[Array, ""] = eqx.field(default_factory=lambda: jnp.ones(()))

    moves: ClassVar[bool] = False

    def slope(self, excess):
        return jnp.ones_like(excess)

    def spike(self, excess, move=None):
        return excess


class ScoreFunction(AbstractGradient):
    r"""The likelihood-ratio gradient (REINFORCE) of neurons with escape noise.

    $$ \frac{d}{dp}\,\mathbb{E}\Big[\sum_t f_t\Big] = \mathbb{E}\Big[\sum_t (f_t - b)\,z_t\Big],\qquad
    z_t = \gamma z_{t-1} + \frac{\partial}{\partial p} \log P(s_t \mid \text{past}),\qquad \gamma = e^{-dt/T_w} $$

    $f_t$ is what the loss sums in step $t$, $b$ its mean over the other trials. The score of a step follows the own dynamics of each
    neuron, with all spikes as they were, so one run gives the slope along every parameter. Effects through other neurons are in it: they
    change $f_t$.

    Without a window it is unbiased, and its variance grows with the run. The window $T_w$ leaves out what a spike changes later than
    that: effects of one spike that outlast it, through slow synapses or a network that remembers, are lost, a share $e^{-\Delta t/T_w}$
    of what happens $\Delta t$ later is kept. The standard error knows nothing of this bias.

    **Arguments:**

    - `trials`: independent runs, 2 or more.
    - `window` $T_w$: [time], or `None` for all of the past.

    A nonlinear loss of sums is differentiated at the mean of the sums over all trials.

    **Raises:** `ValueError` for a model in which a neuron fires without escape noise, for numbers that belong to no neuron and no
    synapse, for a loss that makes its steps itself.

    **Source:** R. J. Williams, Machine Learning 8, 229 (1992); J.-P. Pfister et al., Neural Computation 18, 1318 (2006).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> n4.train.ScoreFunction(trials=64, window=50*u.ms).trials
        64
    """

    trials: int = eqx.field(static=True)
    window_ms: float | None = eqx.field(static=True)

    def __init__(self, trials: int = 64, *, window: Any = 100 * u.ms):
        self.trials = check_count(trials, "ScoreFunction.trials")
        if self.trials < 2:
            raise ValueError("ScoreFunction.trials must be 2 or more: the baseline is the mean of the other trials.")
        self.window_ms = None if window is None else float(check_quantity(window, u.ms, "ScoreFunction.window", low=0))
        if self.window_ms == 0:
            raise ValueError("ScoreFunction.window must be more than 0 ms, for example `window=100*u.ms`, or `None` for all of the past.")

    def estimate(self, model, where, statistic, key):
        check_random(model)
        values, keys = read(model, where), jax.random.split(key, self.trials)
        keep = 1.0 if self.window_ms is None else math.exp(-model.dt_ms / self.window_ms)
        losses, totals, weighted, scores = scored(model, dict(where), aims(model, where), values, statistic, keys, keep)
        signals = _at_mean(model, statistic, keys[0], totals)
        found = {name: _joined(signals, totals, [each[name] for each in weighted], [each[name] for each in scores]) for name in values}
        found = {name: jnp.reshape(each, (self.trials, *values[name].shape)) for name, each in found.items()}
        return of_trials(losses, found, values)


def check_random(model: Model) -> None:
    """Every neuron that listens fires at random.

    **Raises:** `ValueError` naming the others.
    """
    sure = [name for name, neuron in model.neurons.items() if not isinstance(neuron, AbstractEscaping | PoissonNeuron | Relay | LI)]
    if sure:
        raise ValueError(
            f"the neurons of {', '.join(map(repr, sure))} fire for sure at their threshold, so their spikes have no likelihood. Give them escape noise: "
            "`n4.train.with_escape_noise(model, rate=1*u.kHz, width=2*u.mV)`. It is another network: compare its rates."
        )


def _at_mean(model: Model, statistic: Any, key: Any, totals: list[Any]) -> list[np.ndarray]:
    """How the loss depends on each sum, at their mean over trials."""
    mean = [jax.tree.map(lambda x: jnp.mean(x, 0), total) for total in totals]
    signals = jax.grad(lambda sums: call_with(statistic, model, key, Replay(list(sums))))(mean)
    return [np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(signal)]) for signal in signals]


def _joined(signals: list[np.ndarray], totals: list[Any], weighted: list[Array], scores: list[Array]) -> Array:
    """The estimate of every trial, `(trials, ...)`: each sum with the mean of the other trials as its baseline."""
    found: Any = 0
    for signal, total, product, score in zip(signals, totals, weighted, scores, strict=True):
        sums = jnp.concatenate([jnp.reshape(leaf, (leaf.shape[0], -1)) for leaf in jax.tree.leaves(total)], 1)
        others = (jnp.sum(sums, 0) - sums) / (sums.shape[0] - 1)
        wide = (..., *(None,) * (score.ndim - 1))
        found = found + jnp.tensordot(product - others[wide] * score[:, None], jnp.asarray(signal, product.dtype), ((1,), (0,)))
    return found


@eqx.filter_jit
def scored(
    model: Model, where: Places, aims: dict[str, Aim], values: dict[str, Array], statistic: AbstractStatistic, keys: Any, keep: float
) -> tuple[Array, list[Any], list[dict[str, Array]], list[dict[str, Array]]]:
    """Of every trial: the loss, its sums, what they are together with the scores, and the mean score of a step."""

    def one(key: Any) -> Any:
        loop = Scored(where, aims, values, key, keep, [])
        value = call_with(statistic, write(model, where, values), key, loop)
        return value, [made[0] for made in loop.done], [made[1] for made in loop.done], [made[2] for made in loop.done]

    return jax.lax.map(one, keys, batch_size=at_once(model, aims, len(keys)))


class Scores(NamedTuple):
    """What is carried from step to step: what is followed; `z` the scores so far by place; `total`; and sums of what is seen times the
    score, `(count, ...)`, and of the score, by place."""

    followed: Followed
    z: dict[str, Array]
    total: Any
    weighted: dict[str, Array]
    scores: dict[str, Array]


class Scored(AbstractLoop):
    """Steps with scores; `done` receives what each call made."""

    where: Places
    aims: dict[str, Aim]
    values: dict[str, Array]
    key: Any
    keep: float = eqx.field(static=True)
    done: list[Any]

    def total(self, model, state, steps, observe, *, discard=0):
        follow = Follow(model, with_surrogate(model, Excess()), self.where, self.aims, self.values, self.key)
        nothing, count = observed(model, state, observe)
        begin = state.step

        def one(carry: Scores, unused: None) -> tuple[Scores, None]:
            state, spikes, shadow = follow.step(carry.followed)
            counts = (carry.followed.state.step - begin >= jnp.uint32(discard)).astype(model.dtype)
            seen, row, path = signals_of(observe, state, spikes, count)
            followed, shares = follow.shares(carry.followed, state, spikes, shadow, _asked(path, _slopes(model, shadow, spikes)))
            z = {name: self.keep * carry.z[name] + share[0] for name, share in shares.items()}
            weighted = {
                name: carry.weighted[name] + counts * (share[1:] + row.reshape(count, *(1,) * z[name].ndim) * z[name])
                for name, share in shares.items()
            }
            scores = {name: carry.scores[name] + counts / steps * each for name, each in z.items()}
            return Scores(followed, z, added(carry.total, seen, counts), weighted, scores), None

        z = {name: jnp.zeros(aim.shape, model.dtype) for name, aim in self.aims.items()}
        weighted = {name: jnp.zeros((count, *each.shape), model.dtype) for name, each in z.items()}
        last, _ = jax.lax.scan(one, Scores(follow.first(state), z, nothing, weighted, z), None, length=discard + steps)
        self.done.append((last.total, last.weighted, last.scores))
        return last.total


def _asked(path: Changes, likely: dict[str, Array]) -> Changes:
    """First how the log-likelihood depends on spikes alone, then how what is seen depends on variables alone: `(1 + count, n)`."""
    groups = jax.tree.map(lambda x: jnp.concatenate([jnp.zeros_like(x[:1]), x]), path.groups)
    return Changes(groups, {name: jnp.concatenate([likely[name], jnp.zeros_like(x)]) for name, x in path.soft.items()})


def _slopes(model: Model, shadow: Shadow, spikes: StepSpikes) -> dict[str, Array]:
    """How the log-likelihood of a step depends on the distance to threshold, by group, `(1, n)`."""
    found = {}
    for group in model.layout.groups:
        if not isinstance(model.neurons[group.spans[0].name], AbstractEscaping):
            found[group.name] = jnp.zeros((1, group.n), model.dtype)
            continue
        own = shadow.constants.groups[group.name].of_neuron
        distance = shadow.out.soft[group.name] + shifts(model, own, group, shadow.state)
        # Far above threshold a spike is sure, and its score is 0: the limit keeps infinity over infinity away.
        expected = own.rate_dt * jnp.exp(jnp.minimum(distance / own.width, SURE))
        fired = spikes.fired(group.name)
        safe = jnp.where(fired, expected, 1)
        found[group.name] = (jnp.where(fired, safe / jnp.expm1(safe), -expected) / own.width)[None]
    return found
