"""Projections: synapses from one population to a port of another."""

import warnings
from typing import Any

import brainunit as u

from neuro4d._base import AbstractValue, Constant, Given, UnknownNameError, as_value, attach, check_count, check_name, did_you_mean, example
from neuro4d.connect import AbstractRule
from neuro4d.network._population import PopulationView, view_of
from neuro4d.network._trainable_delays import TrainableDelays
from neuro4d.plasticity import AbstractPlasticity, Free
from neuro4d.structure import StructuralPlasticity


class Projection:
    """Synapses from one population (or slice) to a port of another.

    **Arguments:**

    - `name`: unique in the network.
    - `source`, `target`: populations or slices.
    - `port`: the receptor of the target that receives.
    - `rule`: who connects to whom.
    - `weight`: a quantity in the unit of the receptor, a distribution, or one entry per edge; kept in the precision of the model.
    - `delay`: 0 (the default: as early as causality permits, in the next step) or a multiple of the time step; a quantity, one entry
      per edge, or a distribution, whose draws are taken to the nearest multiple; `n4.TrainableDelays(...)` for delays that are
      trained. [time]
    - `plasticity`: a rule such as `n4.Hebbian(...)`, by which its weights change, or `n4.Free()` if only the user changes them; they
      then live in the `State`, one per edge. `None` (the default): the weights are part of the model and cost the least.
    - `structure`: `n4.StructuralPlasticity(...)`, by which synapses form and vanish, and `slots`: for how many of them every source has room. The first
      ones, those of `rule`, have to fit, one delay holds for all, and two neurons have one synapse at most. By default they stay.

    **Raises:** `UnitError` for a weight in another unit than the receptor's, `UnknownNameError` for a port that the target does not
    have, `ValueError` for a negative delay, for a weight that is not finite, and for a negative conductance (a `UserWarning` for a
    distribution of conductances of which some draws are negative).

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 100, lif, {"exc": n4.ExpCurrent(tau=5*u.ms)})
        >>> n4.Projection("e", cells[:80], cells, "exc", n4.FixedProb(0.1), weight=20*u.pA, delay=1.5*u.ms)
        Projection('e', cells[0:80] -> cells[0:].exc, FixedProb)
    """

    __slots__ = ("name", "source", "target", "port", "rule", "weight", "delay", "trainable", "plasticity", "structure", "slots")
    name: str
    source: PopulationView
    target: PopulationView
    port: str
    rule: AbstractRule
    weight: AbstractValue
    delay: AbstractValue
    trainable: TrainableDelays | None
    plasticity: AbstractPlasticity | None
    structure: StructuralPlasticity | None
    slots: int | None

    def __init__(
        self, name, source, target, port, rule, *, weight, delay=0 * u.ms, plasticity=None, plastic=None, structure=None, slots=None
    ):
        put = object.__setattr__
        put(self, "name", check_name(name, "projection"))
        put(self, "source", view_of(source, f"projection {name!r}: source"))
        put(self, "target", view_of(target, f"projection {name!r}: target"))
        put(self, "port", check_port(self.target, port, f"projection {name!r}"))
        if not isinstance(rule, AbstractRule):
            raise TypeError(f"projection {name!r}: expected a rule such as `n4.FixedProb(0.02)`; got {rule!r}.")
        put(self, "rule", rule)
        receptor = self.target.population.receptors[port]
        label = f"projection {name!r}: receptor {port!r} of {self.target.population.name!r} takes weights in {receptor.weight_unit}; weight"
        put(self, "weight", as_value(weight, receptor.weight_unit, label))
        check_sign(receptor, self.weight, f"projection {name!r}: weight")
        put(self, "structure", _check_structure(name, structure, slots))
        put(self, "slots", None if slots is None else check_count(slots, f"projection {name!r}: slots"))
        plasticity = Free() if structure is not None and plasticity is None else plasticity
        put(self, "plasticity", _check_plasticity(name, plasticity, plastic, receptor, self.weight))
        if self.structure is not None and self.plasticity is not None:
            self.structure.check(receptor.weight_unit, receptor.signed, self.plasticity.limits(), f"projection {name!r}: structure")
        _check_reads(name, self.plasticity, self.target)
        put(self, "trainable", _check_trainable(name, delay, self.plasticity))
        given = self.trainable.init if self.trainable is not None else as_value(delay, u.ms, f"projection {name!r}: delay")
        put(self, "delay", _check_delay(given, name))

    def __setattr__(self, key, value):
        raise AttributeError(f"a Projection does not change; make a new one (tried to set {key!r}).")

    def __repr__(self):
        return f"Projection({self.name!r}, {self.source} -> {self.target}.{self.port}, {type(self.rule).__name__})"


def _check_structure(name: str, structure: Any, slots: Any) -> StructuralPlasticity | None:
    if structure is not None and not isinstance(structure, StructuralPlasticity):
        raise TypeError(f"projection {name!r}: structure is None or `n4.StructuralPlasticity(...)`; got {structure!r}.")
    if (structure is None) != (slots is None):
        raise ValueError(
            f"projection {name!r}: structure and slots go together, for example `structure=n4.StructuralPlasticity(...), slots=100`: room for 100 synapses "
            f"of every source; got {'slots' if structure is None else 'structure'} alone."
        )
    return structure


def _check_plasticity(name: str, rule: Any, plastic: Any, receptor: Any, weight: AbstractValue) -> AbstractPlasticity | None:
    if plastic is not None:
        if not isinstance(plastic, bool):
            raise TypeError(f"projection {name!r}: plastic is True or False; got {plastic!r}.")
        warnings.warn(f"projection {name!r}: `plastic=True` is now `plasticity=n4.Free()`.", DeprecationWarning, stacklevel=4)
        rule = Free() if plastic and rule is None else rule
    if rule is None:
        return None
    if not isinstance(rule, AbstractPlasticity):
        raise TypeError(f"projection {name!r}: plasticity is None or a rule such as `n4.Free()`; got {rule!r}.")
    rule.check(receptor.weight_unit, f"projection {name!r}: plasticity")
    _check_limits(name, rule, weight, receptor.weight_unit)
    return rule


def _check_reads(name: str, rule: AbstractPlasticity | None, target: PopulationView) -> None:
    """Refuses a rule that reads what the neurons of the target do not have."""
    known = [*target.population.neuron.variables]
    known += [f"{port}.{variable}" for port, receptor in target.population.receptors.items() for variable in receptor.variables]
    for variable in () if rule is None else rule.reads():
        if variable not in known:
            raise UnknownNameError(
                f"projection {name!r}: {type(rule).__name__} reads {variable!r}, which {target.population.name!r} does not have; "
                f"it has {', '.join(known) or 'no variables'}.{did_you_mean(variable, known)}"
            )


def _check_limits(name: str, rule: AbstractPlasticity, weight: AbstractValue, unit: Any) -> None:
    """Refuses weights that the rule would take to a bound."""
    limits, (low, high) = rule.limits(), weight.bounds()
    if limits is None or (limits[0] <= low and high <= limits[1]):
        return
    line = example(unit).replace("20", f"{(limits[0] + limits[1]) / 2:g}", 1)
    raise ValueError(
        f"projection {name!r}: {type(rule).__name__} keeps weights from {attach(limits[0], unit)} to {attach(limits[1], unit)}; got "
        f"{weight}, which reaches from {low:g} to {high:g}. For example `weight={line}`; "
        "a distribution needs limits of its own, `n4.Normal(..., low=..., high=...)`."
    )


def _check_trainable(name: str, delay: Any, rule: AbstractPlasticity | None) -> TrainableDelays | None:
    if not isinstance(delay, TrainableDelays):
        return None
    if rule is not None:
        raise ValueError(f"projection {name!r}: delays are trained where weights are part of the model: leave out `plasticity` and `structure`.")
    return delay


def check_port(target: PopulationView, port: Any, where: str) -> str:
    """A port that the target has."""
    ports = target.population.receptors
    if port not in ports:
        raise ValueError(f"{where}: population {target.population.name!r} has no port {port!r}.{did_you_mean(str(port), ports)}")
    return port


def check_sign(receptor: Any, weight: AbstractValue, where: str) -> None:
    """Refuses negative conductances; warns of a distribution that has some."""
    low, high = weight.bounds()
    if receptor.signed or low >= 0:
        return
    unit = receptor.weight_unit
    text = "a conductance is 0 or more, and the reversal potential says whether it excites or inhibits"
    if isinstance(weight, Constant | Given) or high <= 0:
        raise ValueError(
            f"{where}: {text}; got {attach(low, unit)}. For inhibition: `n4.{type(receptor).__name__}(tau=10*u.ms, e_rev=-80*u.mV)` with "
            "a positive weight."
        )
    warnings.warn(f"{where}: {text}; some draws of {weight} are negative. Give a limit: `low=0*u.nS`.", UserWarning, stacklevel=3)


def _check_delay(delay: AbstractValue, name: str) -> AbstractValue:
    low, _ = delay.bounds()
    if not low >= 0:
        raise ValueError(
            f"projection {name!r}: a delay is 0 or more; got {delay} which reaches down to {low:g} ms. "
            "For a distribution give a lower limit, for example `n4.Normal(1.5*u.ms, 0.75*u.ms, low=0.1*u.ms)`."
        )
    return delay
