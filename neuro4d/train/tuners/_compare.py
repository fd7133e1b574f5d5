"""Networks side by side: accuracy, spikes, energy."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from neuro4d._base import card, check_name, html_table, table
from neuro4d.train.layers import Sequential
from neuro4d.train.tuners._activity import measure_activity
from neuro4d.train.tuners._energy import Energy, energies, mean_of, parts, synaptic_operations
from neuro4d.train.tuners._feed import Encoder, feed

HEADS = ("network", "accuracy", "spikes", "sparsity", "energy", "of the first")


class ModelRow(NamedTuple):
    """**Fields:** `accuracy`: share of right answers; `stderr`: its standard error over samples; `spikes`: per sample; `sparsity`: share of
    (neuron, step) without a spike; `energy`: per sample, in the unit of the energy function; `steps`: of a run."""

    accuracy: float
    stderr: float
    spikes: float
    sparsity: float
    energy: Any
    steps: int


class ModelTable(Mapping[str, ModelRow]):
    """Networks by name, with what each does: `table["LIF"].energy`. Prints as a table; in a notebook shows one."""

    __slots__ = ("_rows", "models")

    def __init__(self, rows: Mapping[str, ModelRow], models: Mapping[str, Sequential]):
        self._rows, self.models = dict(rows), dict(models)

    def __getitem__(self, name: str) -> ModelRow:
        return self._rows[name]

    def __iter__(self):
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def _lines(self) -> list[list[str]]:
        first = parts(next(iter(self._rows.values())).energy)[0]
        return [
            [
                name,
                f"{100 * row.accuracy:.2f} ± {100 * row.stderr:.2f} %",
                f"{row.spikes:.1f}",
                f"{100 * row.sparsity:.2f} %",
                f"{row.energy:.5g}" if isinstance(row.energy, float) else str(row.energy),
                f"{float(parts(row.energy / first)[0]):.3f}" if first > 0 else "",
            ]
            for name, row in self._rows.items()
        ]

    def __repr__(self) -> str:
        return table(HEADS, self._lines())

    def _repr_html_(self) -> str:
        return card("per sample; ± one standard error over samples", html_table(HEADS, self._lines()))


def compare_models(
    models: Mapping[str, Sequential],
    data: Any,
    *,
    energy: Energy = synaptic_operations,
    encoder: Encoder | None = None,
    batch_size: int = 256,
) -> ModelTable:
    """Accuracy, spikes and energy of several networks on one set.

    **Arguments:** `models`: by name; `data`: a `Dataset` or a pair `(x, y)`; `energy`: `energy(net, spikes, steps)`; `encoder`: how samples
    without time become sequences.

    !!! Example

        >>> net = n4.train.Sequential(
        ...     n4.train.Hold(4), n4.train.Dense(64, 8, key=jr.key(0)), n4.train.Spiking(n4.PLIF(v_th=0.2*u.mV)), n4.train.Dense(8, 10, key=jr.key(1)),
        ... )
        >>> table = n4.train.compare_models({"as it is": net}, n4.train.data.digits().test)
        >>> table["as it is"].steps
        4
        >>> table
        network        accuracy  spikes  sparsity  energy  of the first
        -------- ...
        as it is ... 1.000
    """
    if not isinstance(models, Mapping) or not models:
        raise ValueError('models are networks by name, for example `{"before": net, "after": tuned}`.')
    rows = {}
    for name, model in models.items():
        check_name(name, "network")
        seen = measure_activity(model, feed(model, data, encoder, batch_size, f"network {name!r}"))
        n = len(seen.right)
        cost = mean_of(energies(energy, model, seen.spikes, np.full(n, seen.steps)))
        stderr = float(np.sqrt(seen.accuracy * (1 - seen.accuracy) / n))
        rows[name] = ModelRow(seen.accuracy, stderr, float(np.mean(np.sum(seen.spikes, axis=1))), seen.overall, cost, seen.steps)
    return ModelTable(rows, models)


def compare_neurons(
    model: Sequential,
    neurons: Mapping[str, Any],
    data: Any,
    *,
    retrain: Callable[[Sequential], Sequential] | None = None,
    energy: Energy = synaptic_operations,
    encoder: Encoder | None = None,
    batch_size: int = 256,
) -> ModelTable:
    """One network with several kinds of neurons in all its spiking layers: accuracy, spikes and energy of each.

    Weights stay those of `model` unless `retrain` improves them. Without it the table says what a neuron does to these weights, not how
    good a network of such neurons can be.

    **Arguments:**

    - `neurons`: by name, for example `{"LIF": n4.LIF(...), "PLIF": n4.PLIF()}`; `model.with_neurons(neuron)` puts each in.
    - `retrain`: a function from a network to a trained one, for example
      `lambda net: n4.train.fit(net, digits.train, loss=loss, epochs=5).model`.
    - `data`, `energy`, `encoder`: as of `compare_models`.

    **Returns:** a table; `table.models["LIF"]` is the network.

    !!! Example

        >>> net = n4.train.Sequential(
        ...     n4.train.Hold(4), n4.train.Dense(64, 8, key=jr.key(0)), n4.train.Spiking(n4.PLIF(v_th=0.2*u.mV)), n4.train.Dense(8, 10, key=jr.key(1)),
        ... )
        >>> table = n4.train.compare_neurons(net, {"slow": n4.PLIF(w=-2.0), "fast": n4.PLIF(w=2.0)}, n4.train.data.digits().test)
        >>> list(table), type(table.models["slow"]).__name__
        (['slow', 'fast'], 'Sequential')
    """
    if not isinstance(neurons, Mapping) or not neurons:
        raise ValueError('neurons come by name, for example `{"PLIF": n4.PLIF()}`.')
    models = {name: model.with_neurons(neuron) for name, neuron in neurons.items()}
    if retrain is not None:
        models = {name: retrain(changed) for name, changed in models.items()}
    return compare_models(models, data, energy=energy, encoder=encoder, batch_size=batch_size)
