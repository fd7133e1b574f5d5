"""Izhikevich's network of spikes with delays and learning: polychronization."""

from typing import Any, ClassVar

import brainunit as u
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from neuro4d._base import Drive, address, check_seed, uniform, words
from neuro4d.connect import EdgeList
from neuro4d.network import Network, Population, Projection
from neuro4d.neurons import Izhikevich
from neuro4d.plasticity import AccumulatedSTDP
from neuro4d.receptors import PromptCurrent
from neuro4d.stimuli import AbstractSource, AbstractStimulus

EXC, INH = 800, 200
SYNAPSES, DELAYS = 100, 20
DECAY = 0.95
"""What a millisecond leaves of a trace."""


def polychronous(seed: int = 0) -> Network:
    r"""1,000 neurons with delays of 1 to 20 ms and spike timing: rhythms change from slow to gamma while it learns, and groups fire in patterns that delays hold together.

    | parameter | value |
    |---|---|
    | neurons | `cells`: 800 excitatory (regular spiking, a 0.02, d 8), then 200 inhibitory (fast spiking, a 0.1, d 2); b 0.2, c -65 mV |
    | excitatory synapses `e` | 100 per neuron, to any other; 6 mV/ms at first, five for each delay of 1, 2, ... 20 ms |
    | inhibitory synapses `i` | 100 per neuron, to excitatory ones; -5 mV/ms, 1 ms |
    | input | 20 mV/ms to one neuron, drawn anew in each millisecond |
    | plasticity of `e` | nearest pairs move a slope by 0.1 (pre before post) and -0.12, both falling by 5 % in a ms; each second a weight moves by its slope and 0.01, and the slope loses a tenth; weights between 0 and 10 |

    The order of events is that of the published program: what arrives acts for one step, the one in which it arrives (`PromptCurrent`); in each millisecond arrivals count for learning before
    the spikes that they cause. With a capacitance of 1 pF the published numbers are currents in pA. One step is 1 ms: two halves for `v`, then `u`.

    **Arguments:** `seed`: of the synapses; the input follows the key of the run.

    **Returns:** a `Network` with the population `cells` and the projections `e` and `i`. **Run it with `dt = 1 ms`**: input and pulses last one step, so another step is another network.

    **Reference:** in the second 50 s excitatory cells fire at 4.2 to 4.4 Hz and inhibitory ones at 33 to 34 Hz; after 100 s 20 % of the excitatory weights are below 1, 52 % above 9 and
    13 % between 3 and 7; power between 30 and 70 Hz is three times that of the first 50 s, while the slow rhythm below 8 Hz, with which the network begins, has lost half of its own (six
    seeds of the same equations outside of neuro4d).

    **Raises:** as for every seed.

    **Source:** E. M. Izhikevich, Neural Computation 18, 245 (2006), and its program `spnet`.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> model = n4.zoo.polychronous().build(dt=1*u.ms, seed=0)
        >>> model.n_synapses
        100000
    """
    seed = check_seed(seed)
    exc = np.arange(EXC + INH) < EXC
    neuron = Izhikevich(
        a=np.where(exc, 0.02, 0.1) / u.ms, b=0.2 / u.ms, c=-65 * u.mV, d=np.where(exc, 8, 2) * u.mV / u.ms, v_peak=30 * u.mV, substeps=2
    )
    cells = Population("cells", EXC + INH, neuron, {"in": PromptCurrent()}, v0=-65 * u.mV, init={"u": -13 * u.mV / u.ms})
    tau = -1 / np.log(DECAY) * u.ms
    # The program looks at the trace of a target one millisecond before the arrival.
    rule = AccumulatedSTDP(w_max=10 * u.pA, a_plus=0.01, a_minus=0.012 / DECAY, tau_plus=tau, tau_minus=tau, drift=0.001, keep=0.9, every=1000)
    delay = np.tile(np.repeat(np.arange(1, DELAYS + 1), SYNAPSES // DELAYS), EXC) * u.ms
    excites = EdgeList(np.repeat(np.arange(EXC), SYNAPSES), _targets(seed, "e", np.arange(EXC), EXC + INH))
    inhibits = EdgeList(np.repeat(np.arange(INH), SYNAPSES), _targets(seed, "i", np.arange(EXC, EXC + INH), EXC))
    return Network(
        cells,
        Projection("e", cells[:EXC], cells, "in", excites, weight=6 * u.pA, delay=delay, plasticity=rule),
        Projection("i", cells[EXC:], cells[:EXC], "in", inhibits, weight=-5 * u.pA, delay=1 * u.ms),
        _Thalamus("thalamus", cells),
    )


def _targets(seed: int, kind: str, sources: Int[np.ndarray, " k"], n: int) -> Int[np.ndarray, " synapses"]:
    """Different targets of each source among `n` neurons, in a random order, and not itself."""
    rank = uniform(words(address(seed, "polychronous", kind), np.arange(len(sources) * n))).reshape(len(sources), n)
    rank[sources[:, None] == np.arange(n)] = 2
    return np.argsort(rank, axis=1, kind="stable")[:, :SYNAPSES].reshape(-1)


class _OneSource(AbstractSource):
    """A current into one neuron, pA."""

    amplitude: Float[Array, ""]
    n: int = eqx.field(static=True)

    def emit(self, now):
        chosen = jnp.minimum((now.uniform(1, self.amplitude.dtype) * self.n).astype(jnp.int32), self.n - 1)
        return Drive(i=jnp.where(jnp.arange(self.n) == chosen, self.amplitude, 0))


class _Thalamus(AbstractStimulus):
    """20 pA in each step into one neuron, drawn anew."""

    name: str = eqx.field(static=True)
    target: Any = eqx.field(static=True)
    port: None = eqx.field(static=True, init=False, default=None)
    weight: None = eqx.field(static=True, init=False, default=None)
    exerts: ClassVar = frozenset({"i"})

    def bind(self, binding, weight_unit):
        del weight_unit
        return _OneSource(jnp.asarray(20.0, binding.dtype), binding.n)
