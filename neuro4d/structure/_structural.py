"""Synapses that form and vanish while a simulation runs: the user's object."""

from typing import Any

import brainunit as u
import equinox as eqx
import numpy as np
from jaxtyping import Float

from neuro4d._base import AbstractPart, UnitError, attach, check_count, check_quantity, example, internal_unit, quantity
from neuro4d.structure._formation import Formation
from neuro4d.structure._growth import Growth
from neuro4d.structure._pruning import Pruning, one_number


class StructuralPlasticity(AbstractPart):
    """The synapses of a projection form and vanish, inside the compiled program.

    `Projection(..., structure=n4.StructuralPlasticity(...), slots=K)` keeps room for `K` synapses of every source neuron. What exists lies at the front
    of a row, so that delivery and learning cost only what exists. At an event, once every `every`, in this order:

    1. synapses from and to neurons that are dead vanish, where a population was made with `alive=`;
    2. `pruning`: weak and idle synapses vanish;
    3. `growth`: synapses vanish where a neuron has more of them than synaptic elements, and form between vacant elements;
    4. `formation`: synapses form between neurons that are active together and near each other.

    A new synapse has the weight `weight` and the variables that a rule of plasticity begins with. Two neurons have one synapse at most. One that
    finds its row full, or its target with `max_in`, is refused and counted: `state.edges[...].slots.refused`, next to `formed` and `pruned`.
    Everything is drawn at addresses of its own, from the key of the trial, the name of the projection, the event and the source.

    **Arguments:**

    - `every`: [time], a multiple of the time step; by default 1 s.
    - `growth`: `n4.Growth(...)`, by synaptic elements; `formation`: `n4.Formation(...)`, by activity and distance; `pruning`: `n4.Pruning(...)`. At
      least one of them.
    - `weight`: of new synapses, in the unit of the receptor's weights; where there is `growth` or `formation`.
    - `max_in`: the most synapses of this projection that a target may have, 1 or more; by default as many as there are.
    - `autapses`: whether a neuron may form a synapse with itself; by default not.

    **Raises:** `UnitError`, `TypeError` or `ValueError`, naming the argument.

    **Source:** see `n4.Growth`, `n4.Formation`.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> curve = n4.LinearGrowth(rate=3*u.Hz, eps=0.05)
        >>> grows = n4.StructuralPlasticity(every=100*u.ms, growth=n4.Growth(curve, curve), weight=1*u.nS)
        >>> lif = n4.LIF(tau=20*u.ms, c=200*u.pF, v_rest=-60*u.mV, v_th=-50*u.mV, v_reset=-60*u.mV)
        >>> cells = n4.Population("cells", 50, lif, {"exc": n4.ExpConductance(tau=5*u.ms, e_rev=0*u.mV)})
        >>> drive = n4.Poisson("drive", cells, "exc", rate=250*u.Hz, weight=1.1*u.nS)
        >>> e = n4.Projection("e", cells, cells, "exc", n4.FixedProb(0.0), weight=1*u.nS, delay=1*u.ms, structure=grows, slots=20)
        >>> model = n4.Network(cells, drive, e).build(dt=0.1*u.ms, seed=0)
        >>> run = n4.simulate(model, model.init(jax.random.key(0)), 1*u.second)
        >>> len(model.edges("e")), len(model.edges("e", run.state)) > 0
        (0, True)
    """

    growth: Growth | None
    formation: Formation | None
    pruning: Pruning | None
    weight: float | None = eqx.field(static=True)
    unit: Any = eqx.field(static=True)
    max_in: int | None = eqx.field(static=True)
    autapses: bool = eqx.field(static=True)
    every: Float[np.ndarray, ""] = quantity(u.ms, low=0, open_low=True)

    def __init__(self, *, every=1 * u.second, growth=None, formation=None, pruning=None, weight=None, max_in=None, autapses=False):
        self.every = every
        for name, value, kind in (("growth", growth, Growth), ("formation", formation, Formation), ("pruning", pruning, Pruning)):
            if value is not None and not isinstance(value, kind):
                raise TypeError(f"StructuralPlasticity.{name} is None or `n4.{kind.__name__}(...)`; got {value!r}.")
        self.growth, self.formation, self.pruning = growth, formation, pruning
        self.unit = None if weight is None else internal_unit(weight, "StructuralPlasticity.weight")
        bare = None if weight is None else check_quantity(weight, self.unit, "StructuralPlasticity.weight")
        self.weight = None if weight is None else one_number(bare, self.unit, "StructuralPlasticity.weight")
        self.max_in = None if max_in is None else check_count(max_in, "StructuralPlasticity.max_in")
        if not isinstance(autapses, bool):
            raise TypeError(f"StructuralPlasticity.autapses is True or False; got {autapses!r}.")
        self.autapses = autapses

    def __check_init__(self):
        one_number(self.every, u.ms, "StructuralPlasticity.every")
        if self.growth is None and self.formation is None and self.pruning is None:
            raise ValueError(
                "StructuralPlasticity: nothing would change; give at least one of growth, formation and pruning, for example "
                "`formation=n4.Formation(rate=0.01, full=20*u.Hz)`."
            )
        if self.forms and self.weight is None:
            raise ValueError("StructuralPlasticity.weight: new synapses need one, in the unit of the receptor, for example `weight=1*u.nS`.")

    @property
    def forms(self) -> bool:
        """Whether synapses form."""
        return self.growth is not None or self.formation is not None

    def check(self, unit: Any, signed: bool, limits: tuple[float, float] | None, where: str) -> None:
        """What only shows with the projection: the `unit` of its weights, whether they may be negative, and the limits of its rule.

        **Raises:** `UnitError` for another unit, `ValueError` for a weight outside of what is allowed.
        """
        for name, own in (("weight", self.unit), ("pruning.below", None if self.pruning is None else self.pruning.unit)):
            if own is not None and own != unit:
                raise UnitError(f"{where}: the receptor takes weights in {unit}; {name} is in {own}. For example `{example(unit)}`.")
        if self.weight is None:
            return
        if not signed and self.weight < 0:
            raise ValueError(f"{where}: a conductance is 0 or more; weight is {attach(self.weight, unit)}.")
        if limits is not None and not limits[0] <= self.weight <= limits[1]:
            raise ValueError(
                f"{where}: the rule of plasticity keeps weights from {attach(limits[0], unit)} to {attach(limits[1], unit)}; the weight of new synapses "
                f"is {attach(self.weight, unit)}."
            )
