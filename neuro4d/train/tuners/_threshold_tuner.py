"""Thresholds that give a wanted sparsity."""

import functools
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array

from neuro4d._base import check_count, check_seed
from neuro4d.train.layers import Sequential
from neuro4d.train.losses import AbstractLoss, CrossEntropy
from neuro4d.train.tuners._activity import measure_activity
from neuro4d.train.tuners._bisection import meet
from neuro4d.train.tuners._energy import Energy, mean_of, measure_energy, parts, synaptic_operations
from neuro4d.train.tuners._feed import Encoder, Feed, feed
from neuro4d.train.tuners._threshold_gradient import Goal, trained_thresholds
from neuro4d.train.tuners._thresholds import check_thresholds, relative_potential, scaled

METHODS = ("percentile_based", "gradient")
SCOPES = ("layer", "overall")


class ThresholdTuner(eqx.Module):
    r"""Finds thresholds with which a network fires as rarely as wanted; weights stay as they are.

    Sparsity is the share of (neuron, step) without a spike. With `scope="overall"` all spiking layers meet the target together and keep their
    differences; with `scope="layer"` every one of them meets it, which costs accuracy where layers differ.

    Thresholds move by a factor of how far they lie above the reset, $\theta' = v_r + s\,(\theta - v_r)$, so that neurons that differ go on
    differing.

    | `method` | is |
    |---|---|
    | `"percentile_based"` | one factor per layer (or one for all, with `"overall"`), found by bisection layer by layer from the input on, since later statistics depend on earlier thresholds. It begins at the percentile of the potential before the reset, which would be the answer if a threshold did not change when neurons are reset. Labels are not used |
    | `"gradient"` | one factor per neuron, trained with Adam, its rate falling to 0 along a cosine, by the loss plus $\lambda\,(r/r^* - 1)^2$ of rates $r$ and their target $r^*$, through surrogates; then a common factor by bisection, as above, so that the target is met |

    **Arguments:**

    - `scope`: `"overall"` or `"layer"`.
    - `tolerance`: how near to the target on the calibration data the search goes on to come. Where the share of silent
      steps jumps over the target, because neurons are driven alike, the nearest that there is counts if it lies within 0.005; beyond that
      it is a `ValueError`.
    - `encoder`: how samples without time become sequences, for example `n4.train.encoders.Direct(16)`; not needed with `Hold`.
    - `batch_size`: samples at once.
    - `energy`: `energy(net, spikes, steps)`; by default `synaptic_operations`.
    - `loss`, `updates`, `learning_rate`, `penalty` $\lambda$, `seed`: of `"gradient"`.

    **Source:** percentiles of potentials: B. Rueckauer, I.-A. Lungu, Y. Hu, M. Pfeiffer, S.-C. Liu, Frontiers in Neuroscience 11, 682
    (2017); trained thresholds: S. Wang, T. H. Cheng, M.-H. Lim, NeurIPS 35 (2022).

    !!! Example

        >>> net = n4.train.Sequential(
        ...     n4.train.Hold(8), n4.train.Dense(64, 32, key=jr.key(0)), n4.train.Spiking(n4.PLIF(v_th=0.3*u.mV)),
        ...     n4.train.Dense(32, 10, key=jr.key(1)), n4.train.Readout("mean"),
        ... )
        >>> digits = n4.train.data.digits()
        >>> tuner = n4.train.ThresholdTuner()
        >>> tuned = tuner.optimize_thresholds(net, digits.train, target_sparsity=0.95)
        >>> abs(tuner.measure_sparsity(tuned, digits.test)["all"] - 0.95) < 0.005
        True
    """

    scope: str = eqx.field(static=True, default="overall")
    tolerance: float = eqx.field(static=True, default=5e-4)
    encoder: Encoder | None = eqx.field(static=True, default=None)
    batch_size: int = eqx.field(static=True, default=256)
    energy: Energy = eqx.field(static=True, default=synaptic_operations)
    loss: AbstractLoss = eqx.field(default_factory=CrossEntropy)
    updates: int = eqx.field(static=True, default=500)
    learning_rate: float = eqx.field(static=True, default=0.05)
    penalty: float = eqx.field(static=True, default=1.0)
    seed: int = eqx.field(static=True, default=0)

    def __check_init__(self):
        if self.scope not in SCOPES:
            raise ValueError(f'ThresholdTuner: scope is "layer" or "overall"; got {self.scope!r}.')
        if not 0 < self.tolerance < 0.005:
            raise ValueError(f"ThresholdTuner: tolerance lies above 0 and below 0.005, for example 0.0005; got {self.tolerance!r}.")
        check_count(self.batch_size, "ThresholdTuner: batch_size")
        check_count(self.updates, "ThresholdTuner: updates")
        check_seed(self.seed)
        for name in ("learning_rate", "penalty"):
            if not getattr(self, name) > 0:
                raise ValueError(f"ThresholdTuner: {name} is more than 0; got {getattr(self, name)!r}.")

    def optimize_thresholds(
        self, model: Sequential, calibration_data: Any, target_sparsity: float, method: str = "percentile_based"
    ) -> Sequential:
        """The network with other thresholds.

        **Arguments:** `calibration_data`: a `Dataset` or a pair `(x, y)`; `target_sparsity`: above 0 and below 1; `method`: see above.

        **Raises:** `ValueError` for a target out of reach, for neurons without a threshold, and for samples that nothing encodes.
        """
        if method not in METHODS:
            raise ValueError(f'method is "percentile_based" or "gradient"; got {method!r}.')
        if not isinstance(target_sparsity, float) or not 0 < target_sparsity < 1:
            raise ValueError(
                f"target_sparsity is the share of silent (neuron, step), above 0 and below 1, for example 0.9; got {target_sparsity!r}."
            )
        batches = feed(model, calibration_data, self.encoder, self.batch_size, "optimize_thresholds")
        check_thresholds(model, "optimize_thresholds")
        if method == "gradient":
            goal = Goal(self.loss, 1 - target_sparsity, self.penalty, self.scope == "layer")
            model = trained_thresholds(model, batches, goal, _optimizer(self.learning_rate, self.updates), self.updates, self.seed)
        return self._met(model, batches, target_sparsity)

    def _met(self, net: Sequential, batches: Feed, target: float) -> Sequential:
        """The network whose thresholds, times one factor for each layer or for all, meet the target."""
        if self.scope == "overall":
            return self._scaled_to(net, net.spiking_layers, batches, target)
        for name in net.spiking_layers:
            net = self._scaled_to(net, (name,), batches, target)
        return net

    def _scaled_to(self, net: Sequential, names: tuple[str, ...], batches: Feed, target: float) -> Sequential:
        rows = [net.spiking_layers.index(name) for name in names]

        def with_factor(factor: float) -> Sequential:
            changed = net
            for name in names:
                changed = scaled(changed, name, factor)
            return changed

        def silent(factor: float) -> float:
            seen = measure_activity(with_factor(factor), batches)
            return float(1 - np.sum(np.mean(seen.spikes, axis=0)[rows]) / np.sum(seen.slots[rows]))

        start = percentile(net, names[0], batches, target)
        return with_factor(meet(silent, target, start, self.tolerance, f"layer {names[0]!r}" if len(names) == 1 else "all layers"))

    def measure_sparsity(self, model: Sequential, data: Any) -> dict[str, float]:
        """The share of (neuron, step) without a spike, by the name of the layer, and of all together under `"all"`."""
        seen = measure_activity(model, feed(model, data, self.encoder, self.batch_size, "measure_sparsity"))
        return {**{name: float(share) for name, share in zip(model.spiking_layers, seen.sparsity)}, "all": seen.overall}

    def measure_energy_improvement(self, original_model: Sequential, optimized_model: Sequential, test_data: Any) -> float:
        """The share of energy that is saved per sample: 0.4 if the optimised network needs 60 % of the original one; below 0 if more.

        **Raises:** `ValueError` for an original network that needs nothing.
        """
        old, new = (
            measure_energy(net, test_data, energy=self.energy, encoder=self.encoder, batch_size=self.batch_size)
            for net in (original_model, optimized_model)
        )
        if not parts(old)[0] > 0:
            raise ValueError("the original network is silent on these data: it needs no energy that could be saved.")
        return 1 - float(mean_of(new / old))


def percentile(net: Sequential, name: str, batches: Feed, share: float) -> float:
    """The percentile of the potential before the reset in the first batch, in units of the threshold."""
    first = next(iter(batches))
    found = np.asarray(_potentials(net, first.x)[net.spiking_layers.index(name)])
    return float(np.quantile(found[:, : first.n], share))


@eqx.filter_jit
def _potentials(net: Sequential, x: Array) -> list[Array]:
    """The potential before the reset of every spiking layer, in units of the threshold. One program serves all of them."""
    _, records = net.trace(x)
    return [relative_potential(net.layer(name).neuron, record.excess) for name, record in zip(net.spiking_layers, records)]


@functools.cache
def _optimizer(learning_rate: float, updates: int) -> Any:
    """Made once: another object, though it is the same, would be compiled anew."""
    import optax  # here, so that `import neuro4d` stays light

    return optax.adam(optax.cosine_decay_schedule(learning_rate, updates))
