"""The neurons of NIR as neurons and receptors of neuro4d: numbers, and how much a pulse moves them."""

from typing import Any, NamedTuple

import brainunit as u
import numpy as np

from neuro4d.io.exchange._nir_linear import RefusedError
from neuro4d.neurons import LI, LIF, AbstractNeuron
from neuro4d.receptors import AbstractReceptor, Delta, ExpCurrent

MS, MV, PA, PF, NS = 1e3, 1e3, 1e12, 1e12, 1e9
"""SI in units of a model."""

FIRING = ("LIF", "CubaLIF", "IF", "Threshold")
GRADED = ("LI", "CubaLI", "I")

LONG = 1e20
"""ms: the time constant of a neuron that does not leak; it loses less than 1e-12 of its potential in 10^7 steps of 1 ms."""

AT_ONCE = 200
"""Time constants in a step of a neuron that keeps nothing: exp(-200) is 0 beside 1 in any precision."""


class Entry(NamedTuple):
    """How signals enter neurons.

    **Fields:** `receptor`; `unit` of its weights; `pulse`, `(n,)`: the weight of a pulse of height 1; `steady`, `(n,)`: pA for a constant of 1; `held`, `(n,)`: how much of
    the receptor's current a step holds, as a share of what the graph means, 1 where they mean the same.
    """

    receptor: AbstractReceptor
    unit: Any
    pulse: np.ndarray
    steady: np.ndarray
    held: np.ndarray


class Cell(NamedTuple):
    """A node as neurons: how they are entered, their potential in the beginning in mV, where one is noted, and their time constant in s."""

    neuron: AbstractNeuron
    entry: Entry
    v0: np.ndarray | None
    tau: np.ndarray


def cell(node: Any, kind: str, dt: float, euler: bool, refractory: bool) -> Cell:
    """A node as neurons; `dt` in s.

    **Raises:** `RefusedError` for numbers that no neuron has.
    """
    n = int(np.asarray(node.threshold if kind == "Threshold" else node.r).size)
    if not n:
        raise RefusedError("no neurons")
    one = np.ones(n)
    if kind == "Threshold":
        return Cell(_threshold(node, n, dt), Entry(Delta(), u.mV, MV * one, PA * one, one), None, dt / AT_ONCE * one)
    r = _numbers(node, "r", n)
    _positive(r, "r")
    if kind in ("IF", "I"):
        tau = LONG / MS * one
        return Cell(_integrator(node, kind, n, tau, 1 / r), Entry(Delta(), u.mV, MV * r * dt, PA * one, one), None, tau)
    tau, share = _tau(_numbers(node, "tau_mem" if kind.startswith("Cuba") else "tau", n), dt, euler, "tau")
    neuron, v0 = _leaky(node, kind, n, tau, r, refractory)
    if not kind.startswith("Cuba"):
        return Cell(neuron, Entry(Delta(), u.mV, MV * r * share, PA * one, one), v0, tau)
    return Cell(neuron, _filter(_numbers(node, "tau_syn", n), _numbers(node, "w_in", n), dt, tau, euler), v0, tau)


def before_cell(node: Any, n: int, dt: float, tau_mem: np.ndarray, euler: bool) -> tuple[Entry, np.ndarray]:
    """An `LI` before `n` neurons as a receptor of theirs. **Returns:** the receptor, and the constant current `v_leak`, in pA.

    **Raises:** `RefusedError` for numbers that no receptor has.
    """
    return _filter(_numbers(node, "tau", n), _numbers(node, "r", n), dt, tau_mem, euler), PA * _numbers(node, "v_leak", n)


def _filter(tau: np.ndarray, gain: np.ndarray, dt: float, tau_mem: np.ndarray, euler: bool) -> Entry:
    """A current that obeys `tau i' = -i + gain x`."""
    tau, share = _tau(tau, dt, euler, "the time constant of a current")
    held = _held(dt, tau, tau_mem) if euler else np.ones(tau.size)
    return Entry(ExpCurrent(tau=tau * MS * u.ms), u.pA, PA * gain * share / held, PA * gain, held)


def _tau(tau: np.ndarray, dt: float, euler: bool, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The time constant of an exact step, in s, and the share `dt / tau` of a pulse that is kept. Euler's step of 1 - dt / tau is an exact one of another constant."""
    _positive(tau, name)
    share = dt / tau
    if not euler:
        return tau, share
    if (share > 1).any():
        raise RefusedError(f"{name} = {tau.min():g} s is shorter than a step of {dt:g} s, with which Euler's method diverges")
    with np.errstate(divide="ignore"):
        return np.where(share < 1, -dt / np.log1p(-np.minimum(share, 1 - 1e-16)), dt / AT_ONCE), share


def _held(dt: float, tau_syn: np.ndarray, tau_mem: np.ndarray) -> np.ndarray:
    """How much of a current that falls by `tau_syn` an exact step holds; Euler's method holds all of it."""
    phi = lambda x: np.where(np.abs(x) < 1e-12, 1.0, np.expm1(x) / np.where(x == 0, 1, x))  # noqa: E731
    m, s = dt / tau_mem, dt / tau_syn
    return np.exp(-m) / phi(-m) * phi(m - s)


def _leaky(node: Any, kind: str, n: int, tau: np.ndarray, r: np.ndarray, refractory: bool) -> tuple[AbstractNeuron, np.ndarray | None]:
    rest = _numbers(node, "v_leak", n) * MV
    if kind in GRADED:
        return LI(tau=tau * MS * u.ms, g_l=NS / r * u.nS, v_rest=rest * u.mV), None
    threshold, reset = _levels(node, n)
    t_ref = _noted(node, "t_ref", n) if refractory else None
    neuron = LIF(
        tau=tau * MS * u.ms,
        c=tau / r * PF * u.pF,
        v_rest=rest * u.mV,
        v_th=threshold * u.mV,
        v_reset=reset * u.mV,
        t_ref=(np.zeros(n) if t_ref is None else t_ref * MS) * u.ms,
    )
    v0 = _noted(node, "v0", n)
    return neuron, None if v0 is None else v0 * MV


def _integrator(node: Any, kind: str, n: int, tau: np.ndarray, c: np.ndarray) -> AbstractNeuron:
    """A neuron without a leak: one with a very long time constant."""
    if kind == "I":
        return LI(tau=tau * MS * u.ms, g_l=c / tau * NS * u.nS)
    threshold, reset = _levels(node, n)
    return LIF(tau=tau * MS * u.ms, c=c * PF * u.pF, v_rest=0 * u.mV, v_th=threshold * u.mV, v_reset=reset * u.mV)


def _threshold(node: Any, n: int, dt: float) -> AbstractNeuron:
    """A neuron that keeps nothing from step to step, with a resistance of 1 Ohm."""
    level = _above(np.asarray(node.threshold, np.float64).ravel() * MV)
    tau = dt / AT_ONCE
    return LIF(tau=tau * MS * u.ms, c=tau * PF * u.pF, v_rest=0 * u.mV, v_th=level * u.mV, v_reset=np.minimum(level - 1, 0) * u.mV)


def _levels(node: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Threshold and reset in mV. NIR fires above the threshold, neuro4d at it, which the next number above it makes the same."""
    threshold, reset = _numbers(node, "v_threshold", n) * MV, _numbers(node, "v_reset", n) * MV
    if not str(node.metadata.get("fires", "")).startswith("at "):
        threshold = _above(threshold)
    if not (threshold > reset).all():
        raise RefusedError("a v_threshold that is not above v_reset, so that a neuron that has fired fires for ever")
    return threshold, reset


def _above(x: np.ndarray) -> np.ndarray:
    """The first number of single precision above each, of those that are not taken for 0 on a machine."""
    near, tiny = x.astype(np.float32), np.finfo(np.float32).tiny
    found = np.where(near > x, near, np.nextafter(near, np.float32(np.inf))).astype(np.float64)
    return np.where(np.abs(found) < tiny, np.where(x < 0, 0, tiny), found)


def _noted(node: Any, name: str, n: int) -> np.ndarray | None:
    """Numbers in the metadata of a node."""
    if name not in node.metadata:
        return None
    values = np.asarray(node.metadata[name])
    if values.dtype.kind not in "fiu" or values.size not in (1, n) or not np.isfinite(values).all():
        raise RefusedError(f"metadata {name!r} that are not {n} finite numbers")
    return np.broadcast_to(values.astype(np.float64).ravel(), (n,))


def _numbers(node: Any, name: str, n: int) -> np.ndarray:
    values = np.asarray(getattr(node, name))
    if values.dtype.kind not in "fiu" or values.size != n or not np.isfinite(values).all():
        raise RefusedError(f"{name} is not {n} finite numbers")
    return values.astype(np.float64).ravel()


def _positive(values: np.ndarray, name: str) -> None:
    if not (values > 0).all():
        raise RefusedError(f"{name} = {values.min():g}, more than 0")
