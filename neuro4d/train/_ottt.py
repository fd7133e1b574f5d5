"""Online training through time: a trace of the source, an instantaneous bump at the target."""

import equinox as eqx
import jax

from neuro4d._base import check_count
from neuro4d.model import Weights
from neuro4d.ops import AbstractSurrogate
from neuro4d.train._aims import aims
from neuro4d.train._eprop import forward
from neuro4d.train._estimate import AbstractGradient, of_trials
from neuro4d.train._parameters import read
from neuro4d.train._surrogate_gradient import check_shape


class OTTT(AbstractGradient):
    r"""Online training through time, for the weights of projections: a trace per source instead of an eligibility per synapse.

    $$ \frac{dL}{dw_{ij}} \approx \sum_t \frac{\partial L}{\partial s_{i,t}}\,\varphi(v_{i,t} - v_\mathrm{th})\,a_{j,t},\qquad
    a_{j,t} = \Lambda_t\,a_{j,t-1} + \beta_t\,s_{j,t-d} $$

    For one leaky variable $\Lambda$ is the leak, as published. Here it is the step of all variables of a target and its receptors,
    $\beta$ what an arrival does to them, and both are those of the typical target: the median over the neurons of the group. So the trace
    does not know of the resets of the single target, which `EProp` follows; with conductances it does not know of its potential either.

    **Arguments:** as `EProp`. Places are `n4.Weights(...)`.

    **Raises:** `ValueError` for another place, and as `EProp`.

    **Source:** M. Xiao, Q. Meng, Z. Zhang, D. He, Z. Lin, NeurIPS (2022).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> n4.train.OTTT(n4.SuperSpike(width=2*u.mV)).trials
        4
    """

    shape: AbstractSurrogate
    trials: int = eqx.field(static=True)

    def __init__(self, shape: AbstractSurrogate | None = None, *, trials: int = 4):
        self.shape = check_shape("OTTT", shape)
        self.trials = check_count(trials, "OTTT.trials")

    def estimate(self, model, where, statistic, key):
        others = [name for name, place in where.items() if not isinstance(place, Weights)]
        if others:
            raise ValueError(
                f"OTTT knows the weights of projections, `n4.Weights('e')`; {others[0]!r} is something else. `n4.train.EProp()` knows parameters of neurons."
            )
        values, keys = read(model, where), jax.random.split(key, self.trials)
        made = forward(model, self.shape, dict(where), aims(model, where), values, statistic, keys, True)
        return of_trials(*made, values)
