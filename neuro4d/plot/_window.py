"""The window of a plasticity rule: what one pair of spikes does, or a series of pairs, over the time between the two."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import brainunit as u
import jax.random as jr
import numpy as np

from neuro4d._base import UnitError, check_count, internal_unit, strip
from neuro4d.connect import OneToOne
from neuro4d.network import Network, Population, Projection
from neuro4d.neurons import LIF, Relay
from neuro4d.plasticity import AbstractPlasticity
from neuro4d.plot import _canvas
from neuro4d.receptors import AbstractReceptor, Delta, ExpConductance, ExpCurrent
from neuro4d.simulate import simulate
from neuro4d.stimuli import SpikeTimes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# A target that fires when it is told to and never otherwise: so large that no synapse moves it.
_THRESHOLD = 1e6


def stdp_window(
    rule: AbstractPlasticity | Mapping[str, AbstractPlasticity],
    weight: Any,
    *,
    lags: Any = None,
    pairs: int = 1,
    every: Any = 1000 * u.ms,
    dt: Any = 0.1 * u.ms,
    ax: "Axes | None" = None,
) -> "Axes":
    r"""How much a synapse changes by a pair of spikes, over the time $\Delta t$ from the arrival of one to the spike of its target.

    Nothing is taken from the rule's equations: for every $\Delta t$ a synapse is simulated whose source and target fire when told to. So any rule
    has a window, one of yours too. The potential of the target stays at -70 mV, spikes included, which is what a rule that reads it sees; a rule that
    reads more of the target, such as a level of dopamine, has no window and is refused by name.

    **Arguments:**

    - `rule`: a rule, or several by name.
    - `weight`: of the synapses at the beginning, in the unit of the rule's weights; its unit chooses the receptor.
    - `lags`: the times $\Delta t$, multiples of `dt`; by default 101 from about -50 to 50 ms. [time]
    - `pairs`, `every`: so many pairs, one after `every`, as in experiments; rules of more than two spikes depend on both. [time]
    - `dt`: the time step. [time]
    - `ax`: axes to draw into; new ones if left out.

    **Returns:** the axes; a line per rule holds the numbers.

    **Raises:** `ImportError` without matplotlib; `TypeError` for something else than rules; `UnitError` for a weight or a time in another unit;
    `ValueError` for a weight outside the bounds of the rule, for times off the grid, and for pairs that overlap.

    !!! Example

        >>> import brainunit as u, neuro4d as n4
        >>> rule = n4.STDP(w_max=1*u.nS, a_plus=0.01, a_minus=0.0105)
        >>> ax = n4.plot.stdp_window(rule, 0.5*u.nS, lags=[-10, 10]*u.ms)
        >>> ax.lines[-1].get_ydata().round(5)
        array([-0.00637,  0.00607])
    """
    rules = _named(rule)
    if not isinstance(weight, u.Quantity) or np.ndim(weight.mantissa):
        raise UnitError(f"stdp_window(weight) is one weight with its unit, for example `0.5*u.nS`; got {weight!r}.")
    plt = _canvas.pyplot()
    told = _protocol(lags, pairs, every, dt)
    changes = {name: _changes(each, weight, told) for name, each in rules.items()}
    with plt.rc_context(_canvas.style()):
        ax = plt.subplots(figsize=(5, 3.2), layout="constrained")[1] if ax is None else ax
        _draw(ax, told.lags * told.step, changes)
        ax.set_ylabel(f"change of the weight ({internal_unit(weight)})")
        told_so = "one pair" if told.pairs == 1 else f"{told.pairs} pairs, one every {told.gap * told.step:g} ms"
        ax.set_title(told_so, loc="right", fontsize=8, color=_canvas.FAINT, pad=4)
    return ax


class Protocol(NamedTuple):
    """Pairs of spikes: `lags` `(n,)` between the two and `gap` between pairs in steps of `step` ms."""

    lags: np.ndarray
    pairs: int
    gap: int
    step: float


def _protocol(lags: Any, pairs: int, every: Any, dt: Any) -> Protocol:
    step = float(strip(dt, u.ms, "stdp_window(dt)"))
    if not 0 < step < np.inf:
        raise ValueError(f"stdp_window(dt) is more than 0 ms, for example `dt=0.1*u.ms`; got {dt}.")
    steps, pairs = _lag_steps(lags, step), check_count(pairs, "stdp_window(pairs)")
    gap, widest = _on_grid(strip(every, u.ms, "stdp_window(every)"), step, "every"), int(np.abs(steps).max())
    if np.ndim(gap) or gap < 1:
        raise ValueError(f"stdp_window(every) is one time of at least a step, for example `every=1*u.second`; got {every}.")
    if pairs > 1 and gap <= 2 * widest:
        raise ValueError(
            f"pairs overlap: one every {gap * step:g} ms, with up to {widest * step:g} ms between their spikes; "
            "take a longer `every`, for example `every=1*u.second`, or smaller `lags`."
        )
    return Protocol(steps, pairs, int(gap), step)


def _named(rule: Any) -> Mapping[str, AbstractPlasticity]:
    rules = {"": rule} if isinstance(rule, AbstractPlasticity) else rule
    if not isinstance(rules, Mapping) or not rules or not all(isinstance(each, AbstractPlasticity) for each in rules.values()):
        raise TypeError(
            "stdp_window takes a rule, `n4.STDP(w_max=1*u.nS, a_plus=0.01, a_minus=0.0105)`, or several by name; "
            f"got {type(rule).__name__}."
        )
    return rules


def _draw(ax: Any, x: np.ndarray, changes: Mapping[str, np.ndarray]) -> None:
    ax.axhline(0, color=_canvas.HAIR, lw=0.8, zorder=0)
    ax.axvline(0, color=_canvas.HAIR, lw=0.8, zorder=0)
    order = np.argsort(x, kind="stable")
    for change, hue in zip(changes.values(), _canvas.hues(list(changes)), strict=True):
        # The two sides of zero are not joined.
        for side in (order[x[order] < 0], order[x[order] > 0]):
            ax.plot(x[side], change[side], color=hue, lw=1, label="_side")
    for (name, change), hue in zip(changes.items(), _canvas.hues(list(changes)), strict=True):
        ax.plot(x, change, "o", color=hue, ms=2.8, label=name or "_only")
    ax.set_xlabel("spike of the target − arrival (ms)")
    if any(changes):
        ax.legend(fontsize=8)


def _lag_steps(lags: Any, step: float) -> np.ndarray:
    if lags is None:
        # 101 lags, a whole number of steps apart.
        return np.arange(-50, 51) * max(1, round(1.0 / step))
    values = np.atleast_1d(strip(lags, u.ms, "stdp_window(lags)"))
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"stdp_window(lags) are finite times, for example `lags=np.arange(-50, 51)*u.ms`; got {lags}.")
    return _on_grid(values, step, "lags")


def _on_grid(values: Any, step: float, where: str) -> Any:
    """Times as whole numbers of steps."""
    exact = np.asarray(values, float) / step
    steps = np.rint(exact)
    if not np.isfinite(exact).all() or np.any(np.abs(exact - steps) > 1e-6):
        raise ValueError(f"stdp_window({where}) are multiples of the time step of {step:g} ms; got {values} ms.")
    return steps.astype(np.int64)


def _changes(rule: AbstractPlasticity, weight: Any, told: Protocol) -> np.ndarray:
    """How much each synapse has changed after its pairs, in the unit of the weights, shape `(lags,)`."""
    n, unit, step = len(told.lags), internal_unit(weight), told.step
    source = Population("source", n, Relay(), {"in": Delta()})
    target = Population("target", n, _obedient(), {"in": Delta(), "syn": _receptor(unit)})
    # An arrival comes a step after its spike, and the first spike of all falls into the second step.
    fires = (np.abs(told.lags).max() + 3 + told.gap * np.arange(told.pairs))[:, None] + np.zeros(n, np.int64)
    arrives = fires - told.lags
    network = Network(
        source,
        target,
        _spikes("to the source", source, (arrives - 1) * step, 1.0),
        _spikes("to the target", target, fires * step, 2 * _THRESHOLD),
        Projection("learns", source, target, "syn", OneToOne(), weight=weight, delay=step * u.ms, plasticity=rule),
    )
    model = network.build(dt=step * u.ms, seed=0)
    start = model.init(jr.key(0))
    # Until the last spike has been seen: what a rule does to all synapses later is not the window's.
    last = int(max(fires.max(), arrives.max()))
    after = simulate(model, start, last * step * u.ms, record=(), progress=False).state
    before, changed = (np.asarray(model.weights("learns", state).to_decimal(unit), float) for state in (start, after))
    return changed - before


def _obedient() -> LIF:
    return LIF(tau=1 * u.ms, c=1e9 * u.pF, v_rest=-70 * u.mV, v_th=_THRESHOLD * u.mV, v_reset=-70 * u.mV)


def _receptor(unit: Any) -> AbstractReceptor:
    if unit == u.nS:
        return ExpConductance(tau=1 * u.ms, e_rev=0 * u.mV)
    return ExpCurrent(tau=1 * u.ms) if unit == u.pA else Delta()


def _spikes(name: str, population: Population, times: np.ndarray, jump: float) -> SpikeTimes:
    """Spikes at times in ms, shape `(pairs, n)`."""
    ids = np.tile(np.arange(times.shape[1]), len(times))
    order = np.argsort(times.reshape(-1), kind="stable")
    return SpikeTimes(name, population, "in", times=times.reshape(-1)[order] * u.ms, ids=ids[order], weight=jump * u.mV)
