"""`quantize_for`: a model in the numbers that a chip computes with."""

import dataclasses
import os
from typing import Any

import jax.numpy as jnp
import numpy as np

from neuro4d.hardware._arriving import Arriving, arriving, population_at, unread, with_weights
from neuro4d.hardware._quantize_loihi import Parts, loihi_problems, to_loihi
from neuro4d.hardware._quantize_spinnaker import spinnaker_problems, to_spinnaker
from neuro4d.hardware._schema import ChipTarget, Target
from neuro4d.hardware._stored import QuantizationError, Quantized
from neuro4d.hardware._target import target as read_target
from neuro4d.model import Model
from neuro4d.neurons import LIF, PoissonNeuron, Relay
from neuro4d.receptors import Delta, ExpCurrent
from neuro4d.stimuli import Now

CHIPS = ("loihi1", "loihi2", "spinnaker1", "spinnaker2")
SOURCES = (PoissonNeuron, Relay)
"""Neurons that stay as they are: they stand for spikes that come from outside."""

LOIHI_DELAY = 62
"""Steps, where the target does not say: Davies et al. (2018), 6 bits."""


def quantize_for(model: Model, target: str | os.PathLike[str] | Target) -> Quantized:
    r"""The same network in the numbers that a chip computes with, so that accuracy after mapping can be measured by simulating it.

    | | Loihi 1 and 2 | SpiNNaker 1 and 2 |
    |---|---|---|
    | neurons | `LIF` becomes `LoihiLIF` | `LIF` becomes `SpiNNakerLIF` |
    | synapses | `ExpCurrent`, one time constant per population, or `Delta` | `ExpCurrent`, one time constant per port, and `Delta` |
    | decays | 4096ths | $e^{-dt/\tau}$ in s16.15, of synapses with 32 bits |
    | weights | mantissas of 8 bits, an exponent for each projection; even ones where both signs occur | 16 bits, a shift for each port |
    | threshold | 17 bits | s16.15 |
    | constant currents | become a bias of 13 bits with an exponent | stay, rounded to 2^-15 nA |

    On Loihi a population gets one scale, which fills the registers within a factor of two and is chosen there so that mantissas lose least. Where decays are rounded,
    weights are such that the area under a postsynaptic potential stays; where a reset differs from rest, a bias makes the difference. Delays keep their
    length. `Relay` and `PoissonNeuron` stay as they are. Poisson input and given spikes stay where they are, with weights of the chip.

    A model with a surrogate loses it: integers have no derivatives.

    **Arguments:**

    - `model`: of `LIF` neurons; after training, with frozen delays.
    - `target`: "loihi1", "loihi2", "spinnaker1" or "spinnaker2", or such a target. Only its numbers are looked at here; whether the network fits on the chip
      says `partition`.

    **Returns:** a `Quantized`: `.model` runs like any other, and it prints as a report of what changed. Spikes of both models are compared by `fidelity`.

    **Raises:** `QuantizationError` with all that the chip cannot compute, and what would fit; `TargetError` for an unknown target; `TypeError` for no model.

    !!! Example

        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 10, lif, {"exc": n4.ExpCurrent(tau=5*u.ms)})
        >>> noise = n4.Poisson("noise", cells, "exc", rate=1*u.kHz, weight=30*u.pA)
        >>> quantized = n4.hardware.quantize_for(n4.Network(cells, noise).build(dt=0.1*u.ms, seed=0), "loihi2")
        >>> int(quantized.model.neurons["cells"].du), quantized.weights[0].zeroed
        (80, 0)
    """
    if not isinstance(model, Model):
        raise TypeError(f"quantize_for: expected a model, for example `net.build(dt=0.1*u.ms, seed=0)`; got {type(model).__name__}.")
    found = read_target(target)
    if not isinstance(found, ChipTarget) or found.name not in CHIPS:
        raise QuantizationError(f"quantize_for: the arithmetic of {', '.join(CHIPS)} is known, not that of {found.name!r}.")
    return _made(model, found)


def _made(model: Model, found: ChipTarget) -> Quantized:
    """What `quantize_for` gives, for a target whose arithmetic is known."""
    loihi = found.name.startswith("loihi")
    problems = _problems(model, loihi)
    items: list[Arriving] = [] if problems else arriving(model)
    lifs = [name for name, neuron in model.neurons.items() if type(neuron) is LIF]
    by_name = {name: [item for item in items if item.population == name] for name in lifs}
    if not problems:
        longest = LOIHI_DELAY if found.limits.delay is None else int(found.limits.delay.value)
        for name in lifs:
            problems += loihi_problems(model, name, by_name[name], longest) if loihi else spinnaker_problems(model, name, by_name[name])
    if problems:
        raise QuantizationError(f"quantize_for: {found.title} cannot compute\n" + "\n".join(f"- {each}" for each in problems))
    currents = _currents(model) if loihi else {}
    parts = {
        name: to_loihi(model, name, by_name[name], currents.get(name, 0.0)) if loihi else to_spinnaker(model, name, by_name[name])
        for name in lifs
    }
    return Quantized(
        model=_assembled(model, parts, loihi),
        target=found,
        parameters=tuple(line for each in parts.values() for line in each.parameters),
        weights=tuple(line for each in parts.values() for line in each.stored),
        v_unit={name: each.unit for name, each in parts.items()},
        v_zero={name: each.zero for name, each in parts.items()},
        notes=_notes(model, parts, loihi),
    )


def _problems(model: Model, loihi: bool) -> list[str]:
    """What no population of these chips can do, as sentences."""
    fit = "what would fit: `LIF` with `ExpCurrent` or `Delta` synapses"
    found = []
    for name, neuron in model.neurons.items():
        if type(neuron) is not LIF and type(neuron) not in SOURCES:
            found.append(f"population {name!r}: {type(neuron).__name__} neurons; {fit}")
        if type(neuron) is LIF:
            others = {port: type(each).__name__ for port, each in model.receptors[name].items() if type(each) not in (ExpCurrent, Delta)}
            found += [f"population {name!r}: receptor {port!r}, {kind}; {fit}" for port, kind in others.items()]
    found += [f"gap junctions {name!r}: neurons see nothing but spikes" for name in model.gaps]
    learning = {path: type(rule).__name__ for path, rule in model.plasticity.items()}
    for span in model.layout.projections:
        if span.pathway in learning:
            found.append(
                f"projection {span.name!r}: weights that live in the state ({learning[span.pathway]}); build it without `plasticity`, with the weights it has"
            )
        if model.pathways[span.pathway].free is not None:
            found.append(f"projection {span.name!r}: delays that are trained; quantize `model.freeze()`")
    found += unread(model)
    for stimulus in model.layout.stimuli:
        if loihi and stimulus.port is None and not model.sources[stimulus.name].steady:
            found.append(
                f"stimulus {stimulus.name!r}: a current that changes; a bias is constant: take `n4.Poisson` or `n4.SpikeTimes`, or a constant `n4.Clamp`"
            )
    return found


def _currents(model: Model) -> dict[str, Any]:
    """What constant stimuli give to each population, in pA."""
    found: dict[str, Any] = {}
    nothing = jnp.uint32(0)
    for span in model.layout.stimuli:
        if span.port is not None:
            continue
        drive: Any = model.sources[span.name].emit(Now(nothing, nothing, nothing, None))
        name = population_at(model, span.group, span.start)
        whole = model.layout.spans[name]
        given = np.broadcast_to(np.asarray(drive.i, np.float64), (span.n,))
        each = np.zeros(whole.size)
        each[span.start - whole.start : span.start - whole.start + span.n] = given
        found[name] = found.get(name, 0.0) + each
    return {name: each[0] if (each == each[0]).all() else each for name, each in found.items()}


def _assembled(model: Model, parts: dict[str, Parts], loihi: bool) -> Model:
    """The model with other parts and weights; on Loihi without the stimuli that became a bias."""
    layout, sources = model.layout, model.sources
    if loihi:
        layout = dataclasses.replace(layout, stimuli=tuple(span for span in layout.stimuli if span.port is not None))
        sources = {span.name: sources[span.name] for span in layout.stimuli}
    made = dataclasses.replace(
        model,
        neurons=model.neurons | {name: each.neuron for name, each in parts.items()},
        receptors=model.receptors | {name: each.receptors for name, each in parts.items()},
        initial=model.initial | {name: each.initial for name, each in parts.items()},
        sources=sources,
        surrogate=None,
        layout=layout,
    )
    return with_weights(made, {key: values for each in parts.values() for key, values in each.weights.items()})


def _notes(model: Model, parts: dict[str, Parts], loihi: bool) -> tuple[str, ...]:
    zeroed, clipped = (sum(getattr(line, what) for each in parts.values() for line in each.stored) for what in ("zeroed", "clipped"))
    notes = [f"{zeroed:,} weights became 0 and {clipped:,} met the end of their range."]
    mixed = [
        f"{name}.{port}"
        for name, each in parts.items()
        for port, receptor in each.receptors.items()
        if not loihi and not isinstance(receptor, Delta) and np.any(np.asarray(receptor.inhibitory) == 0.5)
    ]
    if mixed:
        notes.append(
            f"Both signs at {', '.join(mixed)}: the chip has two buffers, and this model their difference; they differ in the last place."
        )
    if model.surrogate is not None:
        notes.append("The surrogate was left out: integers have no derivatives.")
    return tuple(notes)
