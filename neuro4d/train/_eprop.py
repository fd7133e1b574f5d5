"""Eligibility propagation: derivatives forward in time, in constant memory, with what passes from neuron to neuron left out."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from neuro4d._base import check_count
from neuro4d.model import Model
from neuro4d.ops import AbstractSurrogate
from neuro4d.train._aims import Aim, aims
from neuro4d.train._eligibility import Follow, Followed, Replay, added, at_once, in_a_row, observed, signals_of
from neuro4d.train._estimate import AbstractGradient, of_trials
from neuro4d.train._loop import AbstractLoop, call_with
from neuro4d.train._parameters import Places, read, write
from neuro4d.train._statistic import AbstractStatistic
from neuro4d.train._surrogate_gradient import check_shape, with_surrogate


class EProp(AbstractGradient):
    r"""Forward mode with eligibility traces (e-prop): memory does not grow with time, and no number of steps makes it explode.

    $$ \frac{dL}{dp} \approx \sum_t \sum_i \frac{\partial L}{\partial s_{i,t}}\,\varphi(v_{i,t} - v_\mathrm{th})\,\varepsilon_{i,t},\qquad
    \varepsilon_{i,t} = \frac{\partial x_{i,t}}{\partial x_{i,t-1}}\,\varepsilon_{i,t-1} + \frac{\partial x_{i,t}}{\partial p} $$

    $x_i$ are the variables of neuron $i$ and of its receptors, so $\varepsilon$ follows whatever they do, for every class of either. What is
    left out: that a spike changes other neurons, and the own reset. The bump $\varphi$ is that of `Surrogate`, with its bias in size.

    For one number, and for one number per neuron, one tangent serves all neurons at once. For `n4.Weights("e")` every synapse has an
    eligibility for each variable of its target. The loss has to be a function of sums over steps (`loop.total`), as `Rate` is.

    **Arguments:**

    - `shape`: the bump.
    - `trials`: independent runs, one after the other.

    **Raises:** `ValueError` for a loss that makes its steps itself, for numbers that belong to no neuron and no synapse, for plastic
    weights.

    **Source:** G. Bellec et al., Nature Communications 11, 3625 (2020).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> n4.train.EProp(n4.SuperSpike(width=2*u.mV)).trials
        4
    """

    shape: AbstractSurrogate
    trials: int = eqx.field(static=True)

    def __init__(self, shape: AbstractSurrogate | None = None, *, trials: int = 4):
        self.shape = check_shape("EProp", shape)
        self.trials = check_count(trials, "EProp.trials")

    def estimate(self, model, where, statistic, key):
        values = read(model, where)
        keys = jax.random.split(key, self.trials)
        made = forward(model, self.shape, dict(where), aims(model, where), values, statistic, keys, False)
        return of_trials(*made, values)


@eqx.filter_jit
def forward(
    model: Model,
    shape: AbstractSurrogate,
    where: Places,
    aims: dict[str, Aim],
    values: dict[str, Array],
    statistic: AbstractStatistic,
    keys: Any,
    typical: bool,
) -> tuple[Array, dict[str, Array]]:
    """Values and gradients of every trial, one after the other."""

    def one(key: Any) -> tuple[Array, dict[str, Array]]:
        loop = Eligible(shape, where, aims, values, key, typical, [])
        value = call_with(statistic, write(model, where, values), key, loop)
        signals = jax.grad(lambda totals: call_with(statistic, model, key, Replay(list(totals))))([total for total, _ in loop.done])
        return value, _gradient(signals, [traces for _, traces in loop.done], values)

    return jax.lax.map(one, keys, batch_size=at_once(model, aims, len(keys)))


def _gradient(signals: list[Any], traces: list[dict[str, Array]], values: dict[str, Array]) -> dict[str, Array]:
    """The traces, weighed by how the loss depends on what was summed."""
    found = {}
    for name, value in values.items():
        flat = [jnp.tensordot(in_a_row(signal), each[name], 1) for signal, each in zip(signals, traces, strict=True)]
        found[name] = jnp.reshape(sum(flat), value.shape).astype(value.dtype)
    return found


class Sums(NamedTuple):
    """What is carried from step to step: what is followed, the `total` of what is observed, and the `sums` of the shares by place."""

    followed: Followed
    total: Any
    sums: dict[str, Array]


class Eligible(AbstractLoop):
    """Steps with eligibilities, of synapses or (`typical`) of their sources only; `done` receives the sums of each call and the traces that belong to them."""

    shape: AbstractSurrogate
    where: Places
    aims: dict[str, Aim]
    values: dict[str, Array]
    key: Any
    typical: bool = eqx.field(static=True)
    done: list[Any]

    def total(self, model, state, steps, observe, *, discard=0):
        follow = Follow(model, with_surrogate(model, self.shape), self.where, self.aims, self.values, self.key, self.typical)
        nothing, count = observed(model, state, observe)
        begin = state.step

        def one(carry: Sums, unused: None) -> tuple[Sums, None]:
            state, spikes, shadow = follow.step(carry.followed)
            counts = (carry.followed.state.step - begin >= jnp.uint32(discard)).astype(model.dtype)
            seen, _, signals = signals_of(observe, state, spikes, count)
            followed, shares = follow.shares(carry.followed, state, spikes, shadow, signals)
            sums = {name: carry.sums[name] + counts * share for name, share in shares.items()}
            return Sums(followed, added(carry.total, seen, counts), sums), None

        none = {name: jnp.zeros((count, *aim.shape), model.dtype) for name, aim in self.aims.items()}
        last, _ = jax.lax.scan(one, Sums(follow.first(state), nothing, none), None, length=discard + steps)
        self.done.append((last.total, last.sums))
        return last.total
