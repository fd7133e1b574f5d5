"""Backpropagation through time with surrogate derivatives, made to stay finite."""

from typing import Any, Literal

import equinox as eqx
import jax

from neuro4d._base import check_count
from neuro4d.model import Model
from neuro4d.ops import AbstractSurrogate, SuperSpike
from neuro4d.train._backward import Backward
from neuro4d.train._estimate import AbstractGradient, of_trials
from neuro4d.train._loop import AbstractLoop, call_with
from neuro4d.train._parameters import Places, read, write
from neuro4d.train._statistic import AbstractStatistic


class Surrogate(AbstractGradient):
    r"""Reverse mode through all steps, with a bump in place of the derivative of the threshold.

    $$ \frac{\partial s}{\partial v} := \varphi(v - v_\mathrm{th}) $$

    Forward it is the simulation, bit for bit. Backward the derivative is biased; for a rate at time steps of 0.1 ms it has often the right
    sign and hardly ever the right size, because a spike that moves to the next step counts as one that is lost
    ([which gradient when](../explain/gradients.md)). The defaults keep it finite over any number of steps of a recurrent network.

    **Arguments:**

    - `shape`: the bump, `n4.SuperSpike(width=...)`, `n4.Triangle(...)`, ...
    - `trials`: independent runs; the standard error is over these, and says nothing about the bias.
    - `damping`: the share of the derivative that passes from a spike to the neurons that hear it, 0 to 1; 0 cuts it, and 1 is the
      usual choice, which explodes in a recurrent network once a spike has more than one bump's worth of consequences.
    - `reset`: `"detached"` leaves the derivative of the reset out, `"through"` keeps it.
    - `truncate`: steps after which the derivative is cut, or `None`.
    - `clip`: the largest norm that the derivative with respect to the state may have in a step, or `None`. A derivative with an entry that
      is not finite is replaced by 0 as a whole: what came before that step then counts for nothing.
    - `checkpoint`: whether the steps of a block are made again in the backward pass instead of kept: memory is that of one block, and of one
      state for each. A block has as many steps as the square root of their number; with `truncate` it goes from cut to cut, so it has
      `truncate` steps.

    **Raises:** `TypeError` for a shape that is no surrogate, `ValueError` for a number outside its range.

    **Source:** E. O. Neftci, H. Mostafa, F. Zenke, IEEE Signal Processing Magazine 36, 51 (2019); damping: G. Bellec et al., NeurIPS (2018).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> n4.train.Surrogate(n4.Triangle(width=5*u.mV), trials=2).damping
        0.1
    """

    shape: AbstractSurrogate
    trials: int = eqx.field(static=True)
    damping: float = eqx.field(static=True)
    reset: Literal["detached", "through"] = eqx.field(static=True)
    truncate: int | None = eqx.field(static=True)
    clip: float | None = eqx.field(static=True)
    checkpoint: bool = eqx.field(static=True)

    def __init__(
        self,
        shape: AbstractSurrogate | None = None,
        *,
        trials: int = 4,
        damping: float = 0.1,
        reset: Literal["detached", "through"] = "detached",
        truncate: int | None = 500,
        clip: float | None = None,
        checkpoint: bool = True,
    ):
        self.shape = check_shape("Surrogate", shape)
        if not 0 <= damping <= 1:
            raise ValueError(f"Surrogate.damping is a share from 0 to 1, for example `damping=0.1`; got {damping!r}.")
        if reset not in ("detached", "through"):
            raise ValueError(f"Surrogate.reset is 'detached' or 'through'; got {reset!r}.")
        if clip is not None and not clip > 0:
            raise ValueError(f"Surrogate.clip is above 0, or `None`; got {clip!r}.")
        self.trials = check_count(trials, "Surrogate.trials")
        self.truncate = None if truncate is None else check_count(truncate, "Surrogate.truncate")
        self.damping, self.reset, self.clip, self.checkpoint = float(damping), reset, clip, bool(checkpoint)

    @property
    def loop(self) -> Backward:
        """How steps are made."""
        return Backward(self.damping, self.truncate, self.clip, self.reset == "through", self.checkpoint)

    def estimate(self, model, where, statistic, key):
        keys = jax.random.split(key, self.trials)
        numbers = read(model, where)
        return of_trials(*reverse(with_surrogate(model, self.shape), dict(where), statistic, keys, numbers, self.loop), numbers)


def check_shape(name: str, shape: Any) -> AbstractSurrogate:
    """A bump, by default `SuperSpike`; or an error that shows one."""
    if shape is None:
        return SuperSpike()
    if not isinstance(shape, AbstractSurrogate):
        raise TypeError(f"{name}.shape is a surrogate, for example `n4.SuperSpike(width=2*u.mV)`; got {shape!r:.80}.")
    return shape


def with_surrogate(model: Model, shape: AbstractSurrogate) -> Model:
    """The model, whose spikes carry a derivative."""
    cast = jax.tree.map(lambda x: jax.numpy.asarray(x, model.dtype), shape)
    return eqx.tree_at(lambda m: m.surrogate, model, cast, is_leaf=lambda x: x is None)


@eqx.filter_jit
def reverse(model: Model, where: Places, statistic: AbstractStatistic, keys: Any, values: dict, loop: AbstractLoop) -> tuple[Any, dict]:
    """Values and gradients of every trial, one after the other: memory is that of one."""

    def one(values: dict, key: Any) -> Any:
        return call_with(statistic, write(model, where, values), key, loop)

    return jax.lax.map(lambda key: jax.value_and_grad(one)(values, key), keys)
